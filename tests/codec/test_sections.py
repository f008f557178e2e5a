"""The header and properties sections as lists of fields, apart from `Message`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.codec import sections
from proton.codec.decode import DECODE_ERRORS, DEFAULT_LIMITS, DecodeLimits
from proton.codec.encode import KNOWN_STRINGS, KNOWN_SYMBOLS, encode
from proton.codec.sections import decode_header, decode_properties, encode_header, encode_properties
from proton.codec.types import symbol, timestamp

HEADERS = [
    ([], ""),
    ([False, 4, 0, False, 0], ""),
    ([None, None, None, None, None], ""),
    ([True], "005370 c00201 41"),
    ([None, 5], "005370 c00402 40 5005"),
    ([False, 4, 1500], "005370 c00803 4040 70000005dc"),
    ([None, None, None, True, 0], "005370 c00504 404040 41"),
    ([None, None, None, None, 3], "005370 c00705 40404040 5203"),
]

PROPERTIES = [
    ([], ""),
    ([None] * 13, ""),
    ([5], "005373 c00301 5305"),
    (["a"], "005373 c00401 a10161"),
    ([b"a"], "005373 c00401 a00161"),
    ([UUID(int=1)], "005373 c01201 98" + "00" * 15 + "01"),
    ([None, b""], "005373 c00402 40 a000"),
    ([None] * 6 + ["t/p"], "005373 c00c07 404040404040 a303742f70"),
    ([None] * 8 + [timestamp(1), -1], "005373 c01b0a" + "40" * 8 + "830000000000000001 83ffffffffffffffff"),
    ([None] * 10 + ["g"], "005373 c00f0c" + "40" * 10 + "a10167 43"),
    ([None] * 10 + ["g", 7], "005373 c0100c" + "40" * 10 + "a10167 5207"),
    ([None] * 10 + ["g", None, "h"], "005373 c0120d" + "40" * 10 + "a10167 43 a10168"),
    ([None] * 11 + [7], "005373 c00e0c" + "40" * 11 + "5207"),
    ([None] * 12 + ["h"], "005373 c0100d" + "40" * 12 + "a10168"),
]


@pytest.mark.parametrize(("fields", "expected"), HEADERS)
def test_header(fields: list[Any], expected: str) -> None:
    out: list[bytes] = []
    encode_header(out, fields)
    assert b"".join(out).hex() == bytes.fromhex(expected).hex()


@pytest.mark.parametrize(("fields", "expected"), PROPERTIES)
def test_properties(fields: list[Any], expected: str) -> None:
    out: list[bytes] = []
    encode_properties(out, fields)
    assert b"".join(out).hex() == bytes.fromhex(expected).hex()


@pytest.mark.parametrize("again", range(2))
def test_fields_that_compare_equal_have_the_bytes_of_their_position(again: int) -> None:
    for fields, expected in [([True, 1], "41 5001"), ([True, True], "41 5001"), ([None, 1, 1], "40 5001 5201")]:
        out: list[bytes] = []
        encode_header(out, fields)
        assert b"".join(out)[6:] == bytes.fromhex(expected)


@pytest.mark.parametrize("number", [0, 1, 255, 256, 2**63, 2**64 - 1])
def test_an_id_is_the_same_alone_and_beside_other_properties(number: int) -> None:
    alone: list[bytes] = []
    encode_properties(alone, [number])
    beside: list[bytes] = []
    encode_properties(beside, [number, b"u"])
    assert b"".join(beside)[6:] == b"".join(alone)[6:] + b"\xa0\x01u"
    assert decode_properties(b"".join(alone), 3, DEFAULT_LIMITS)[0] == [number]


@pytest.mark.parametrize("number", [-1, 2**64])
def test_an_id_alone_is_in_range(number: int) -> None:
    with pytest.raises(OverflowError, match="ulong out of range"):
        encode_properties([], [number])


TEXTS = ["", "a", "é" * 127, "é" * 128, "x" * 255, "x" * 256, "x" * 70000]


@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_a_text_is_the_same_whether_it_was_encoded_before_or_not(text: str) -> None:
    expected = encode(text)
    for _ in range(3):
        out: list[bytes] = []
        encode_properties(out, [None, None, text])
        assert b"".join(out).endswith(b"\x40\x40" + expected)
        assert encode({text: None}).endswith(expected + b"\x40")
        if text.isascii():
            assert encode({symbol(text): None}).endswith(encode(symbol(text)) + b"\x40")


def test_addresses_and_headers_without_end_are_not_kept_without_end() -> None:
    for number in range(2000):
        out: list[bytes] = []
        encode_header(out, [None, None, number + 1])
        encode_properties(out, [None, None, str(number), None, None, None, str(number)])
        data = b"".join(out)
        header, pos = decode_header(data, 3, DEFAULT_LIMITS)
        fields, _ = decode_properties(data, pos + 3, DEFAULT_LIMITS)
        assert header[2] == number + 1 and fields[2] == fields[6] == str(number)
    assert len(KNOWN_STRINGS) <= 512 and len(KNOWN_SYMBOLS) <= 512


def test_a_text_that_cannot_be_encoded_is_refused_each_time() -> None:
    for fields in ([None, None, "\ud800"], [None] * 6 + ["é"]):
        for _ in range(2):
            with pytest.raises(UnicodeEncodeError):
                encode_properties([], fields)


@pytest.mark.parametrize(("fields", "expected"), [entry for entry in PROPERTIES if entry[1]])
def test_properties_come_back(fields: list[Any], expected: str) -> None:
    encoded = bytes.fromhex(expected)
    found, end = decode_properties(encoded, 3, DEFAULT_LIMITS)
    assert end == len(encoded)
    out: list[bytes] = []
    encode_properties(out, found)
    assert b"".join(out) == encoded
    assert found[: sections.GROUP_SEQUENCE] == fields[: sections.GROUP_SEQUENCE]


# A list of one field of every class, to be put in every position.
ANY_FIELD = [
    "40",
    "41",
    "5005",
    "5205",
    "70ffffffff",
    "80ffffffffffffffff",
    "55ff",
    "54ff",
    "83" + "00" * 8,
    "9800" + "00" * 15,
]
ANY_FIELD += ["a00161", "a10161", "a30161", "45", "c10100", "7200000000", "004045", "e0020040"]


def written_again(decode: Any, encode: Any, data: bytes) -> list[Any]:
    fields, _ = decode(data, 0, DEFAULT_LIMITS)
    encode([], fields)
    return list(fields)


def section(position: int, field: str) -> bytes:
    content = b"\x40" * position + bytes.fromhex(field)
    return bytes([0xC0, len(content) + 1, position + 1]) + content


@pytest.mark.parametrize("field", ANY_FIELD)
def test_a_field_of_any_class_in_any_place_can_be_written_again_or_is_absent(field: str) -> None:
    headers = [written_again(decode_header, encode_header, section(at, field))[at] for at in range(5)]
    properties = [written_again(decode_properties, encode_properties, section(at, field))[at] for at in range(13)]
    kept = {
        "40": ([], []),
        "41": ([0, 3], []),
        "5005": ([1, 2, 4], [0, 5, 11]),
        "5205": ([1, 2, 4], [0, 5, 11]),
        "70ffffffff": ([2, 4], [0, 5, 11]),
        "80ffffffffffffffff": ([], [0, 5]),
        "83" + "00" * 8: ([], [8, 9]),
        "9800" + "00" * 15: ([], [0, 5]),
        "a00161": ([], [0, 1, 5]),
        "a10161": ([], [0, 2, 3, 4, 5, 6, 7, 10, 12]),
        "a30161": ([], [2, 3, 4, 6, 7, 10, 12]),
    }.get(field, ([], []))
    assert [at for at, value in enumerate(headers) if value is not None] == kept[0]
    assert [at for at, value in enumerate(properties) if value is not None] == kept[1]


@pytest.mark.parametrize(("decode", "full"), [(decode_header, 5), (decode_properties, 13)])
def test_further_fields_are_cut_and_null_is_not_field(decode: Any, full: int) -> None:
    assert len(decode(bytes([0xC0, 21, 20]) + b"\x40" * 20, 0, DEFAULT_LIMITS)[0]) == full
    assert decode(b"\x40", 0, DEFAULT_LIMITS) == ((), 1)


def found(decode: Any, data: bytes, limits: DecodeLimits) -> Any:
    """The fields and their classes and where they end, or the error."""
    try:
        fields, end = decode(data, 0, limits)
    except DECODE_ERRORS as error:
        return type(error), str(error)
    return [(type(field), field) for field in fields], end


# Fields that fit somewhere, those of the table above, and some that are malformed.
FIELDS = [*ANY_FIELD, "42", "43", "44", "5307", "7000000001", "a003010203", "a302c3a9", "a102c3a9", "a101c3", "a1ff61"]
FIELDS += [
    "800000000000000007",
    "a0ff61",
    "8300",
    "98",
    "80ff",
    "70",
    "b10000000161",
    "d000000005000000014040",
    "5000",
    "00",
    "ff",
]
contents = st.lists(st.sampled_from(FIELDS), max_size=15).map(lambda parts: (bytes.fromhex("".join(parts)), len(parts)))
wrong = st.sampled_from([0, 0, 0, 0, -1, 1, 200])


@given(contents, wrong, wrong, st.binary(max_size=3))
def test_usual_fields_are_read_as_others_are(content: tuple[bytes, int], longer: int, more: int, rest: bytes) -> None:
    """On a meter every field takes the way of the unusual ones: the same values, ends and errors."""
    data, count = content
    head = bytes((0xC0, max(1, min(255, len(data) + 1 + longer)), max(0, min(255, count + more))))
    for decode in (decode_header, decode_properties):
        usual = found(decode, head + data + rest, DEFAULT_LIMITS)
        assert usual == found(decode, head + data + rest, DEFAULT_LIMITS.metered())
