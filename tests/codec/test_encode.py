"""What the encoder refuses, how it finds the encoder of a class, and the forms that the vector table does not show."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from typing import Any, Callable

import pytest

from proton.codec import encode as e
from proton.codec import types as t
from proton.codec.decode import decode_value
from proton.codec.encode import PreEncoded, encode, type_number
from proton.codec.types import UNDESCRIBED, AnnotationDict, Array, Described, PropertyDict, SymbolList
from proton.exceptions import DataException


class Colour(enum.IntEnum):
    RED = 3


class Text(str):
    pass


Point = namedtuple("Point", "x y")


def written(encoder: Callable[[list[bytes], Any], None], value: Any) -> str:
    out: list[bytes] = []
    encoder(out, value)
    return b"".join(out).hex()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "5503"),
        (Text("a"), "a10161"),
        (Point(1, 2), "c0050255015502"),
        ((1,), "c003015501"),
        (OrderedDict(a=1), "c10602a101615501"),
        (PropertyDict(a=1), "c10602a301615501"),
        (AnnotationDict(a=1), "c10602a301615501"),
        (SymbolList(["a"]), "c00401a30161"),
        (bytearray(b"ab"), "a0026162"),
        (memoryview(b"ab"), "a0026162"),
        (memoryview(b"abcd")[::2], "a0026163"),
        (PreEncoded(b"\x43"), "43"),
        ([PreEncoded(b"\x43")], "c0020143"),
    ],
    ids=repr,
)
def test_a_subclass_is_encoded_as_its_nearest_base(value: Any, expected: str) -> None:
    assert encode(value).hex() == expected
    assert encode(value).hex() == expected  # now from the table


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, Ellipsis, range(3), UNDESCRIBED], ids=repr)
def test_a_class_without_amqp_type_is_named(value: Any) -> None:
    with pytest.raises(DataException, match=type(value).__name__):
        encode(value)
    with pytest.raises(DataException, match=type(value).__name__):
        encode({"nested": [value]})


RANGES = [
    (e.encode_ubyte, 0, 2**8 - 1),
    (e.encode_ushort, 0, 2**16 - 1),
    (e.encode_uint, 0, 2**32 - 1),
    (e.encode_ulong, 0, 2**64 - 1),
    (e.encode_byte, -(2**7), 2**7 - 1),
    (e.encode_short, -(2**15), 2**15 - 1),
    (e.encode_int, -(2**31), 2**31 - 1),
    (e.encode_long, -(2**63), 2**63 - 1),
    (e.encode_timestamp, -(2**63), 2**63 - 1),
    (e.encode_decimal32, 0, 2**32 - 1),
    (e.encode_decimal64, 0, 2**64 - 1),
]


@pytest.mark.parametrize(("encoder", "low", "high"), RANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_integers_outside_their_range_overflow(encoder: Any, low: int, high: int) -> None:
    name = encoder.__name__.replace("encode_", "")
    for value in (low - 1, high + 1):
        with pytest.raises(OverflowError, match=f"{name} out of range: expected {low} to {high}, got {value}"):
            encoder([], value)


@pytest.mark.parametrize(("encoder", "low", "high"), RANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_integers_at_the_ends_of_their_range_come_back(encoder: Any, low: int, high: int) -> None:
    for value in (low, high):
        assert decode_value(bytes.fromhex(written(encoder, value)))[0] == value


@pytest.mark.parametrize(
    ("number", "name", "low", "high"),
    [
        (t.TYPE_UBYTE, "ubyte", 0, 255),
        (t.TYPE_SHORT, "short", -(2**15), 2**15 - 1),
        (t.TYPE_UINT, "uint", 0, 2**32 - 1),
        (t.TYPE_LONG, "long", -(2**63), 2**63 - 1),
    ],
)
def test_array_elements_outside_their_range_overflow(number: int, name: str, low: int, high: int) -> None:
    for value in (low - 1, high + 1):
        with pytest.raises(OverflowError, match=f"{name} out of range.*got {value}"):
            encode(Array(UNDESCRIBED, number, 0, value))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (t.char("ab"), TypeError),
        (t.char(""), TypeError),
        (t.char("\ud800"), UnicodeEncodeError),
        (t.decimal128(b"x"), DataException),
        (t.symbol("é"), UnicodeEncodeError),
        ("\udcff", UnicodeEncodeError),
        ({"\udcff": 1}, UnicodeEncodeError),
    ],
    ids=ascii,
)
def test_text_and_widths_are_strict(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(value)


def test_a_float_beyond_binary32_becomes_infinity() -> None:
    assert encode(t.float32(1e300)).hex() == "727f800000"
    assert encode(t.float32(-1e300)).hex() == "72ff800000"
    assert encode(Array(UNDESCRIBED, t.TYPE_FLOAT, 1e300)).hex() == "e00601727f800000"


@pytest.mark.parametrize(
    ("number", "element"),
    [
        (t.TYPE_NULL, 0),
        (t.TYPE_BOOL, 1),
        (t.TYPE_INT, "1"),
        (t.TYPE_INT, 1.0),
        (t.TYPE_INT, None),
        (t.TYPE_FLOAT, "1"),
        (t.TYPE_CHAR, 65),
        (t.TYPE_UUID, b"x" * 16),
        (t.TYPE_DECIMAL128, "x" * 16),
        (t.TYPE_BINARY, "a"),
        (t.TYPE_STRING, b"a"),
        (t.TYPE_SYMBOL, 1),
        (t.TYPE_LIST, {}),
        (t.TYPE_MAP, []),
        (t.TYPE_ARRAY, []),
        (t.TYPE_DESCRIBED, 1),
    ],
)
def test_array_elements_of_another_type_are_refused(number: int, element: Any) -> None:
    with pytest.raises(DataException, match=f"array of {t.TYPE_NAMES[number]} has an element of class"):
        encode(Array(UNDESCRIBED, number, element))


def test_arrays_take_plain_values_of_their_type() -> None:
    assert encode(Array(UNDESCRIBED, t.TYPE_UINT, 1, 2)).hex() == "e00a02700000000100000002"
    assert encode(Array(UNDESCRIBED, t.TYPE_SYMBOL, "a")).hex() == "e00401a30161"
    assert encode(Array(UNDESCRIBED, t.TYPE_DOUBLE, 1)).hex() == "e00a01823ff0000000000000"
    assert encode(Array(UNDESCRIBED, t.TYPE_BINARY, bytearray(b"a"))).hex() == "e00401a00161"


def test_described_elements_share_their_descriptor() -> None:
    same = Array(UNDESCRIBED, t.TYPE_DESCRIBED, Described(1, 2), Described(1, 3))
    assert encode(same).hex() == "e01502005501810000000000000002" + "0000000000000003"
    assert decode_value(encode(same))[0] == Array(1, t.TYPE_LONG, 2, 3)


@pytest.mark.parametrize(
    "elements",
    [(), (Described(1, 2), Described(2, 2)), (Described(1, 2), Described(1, "a"))],
    ids=["none", "two-descriptors", "two-types"],
)
def test_described_elements_that_cannot_share_a_constructor_are_refused(elements: tuple[Any, ...]) -> None:
    with pytest.raises(DataException, match="described"):
        encode(Array(UNDESCRIBED, t.TYPE_DESCRIBED, *elements))


def test_an_unknown_array_type_is_named() -> None:
    with pytest.raises(DataException, match="unknown array element type 99"):
        encode(Array(UNDESCRIBED, 99, 1))


@pytest.mark.parametrize("size", [252, 253, 254, 255, 256])
@pytest.mark.parametrize("wrap", [lambda data: [data], lambda data: {data: None}], ids=["list", "map"])
def test_the_size_byte_of_a_compound_counts_the_count(size: int, wrap: Any) -> None:
    value = wrap(b"x" * (size - 2 - isinstance(wrap(b""), dict)))  # `size` bytes of content
    encoded = encode(value)
    short = size + 1 <= 255
    assert encoded[0] in ((0xC0, 0xC1) if short else (0xD0, 0xD1))
    assert len(encoded) == size + (3 if short else 9)
    assert decode_value(encoded) == (value, len(encoded))


@pytest.mark.parametrize("count", [255, 256])
def test_an_array_of_more_than_255_elements_is_wide(count: int) -> None:
    encoded = encode(Array(UNDESCRIBED, t.TYPE_NULL, *[None] * count))
    assert encoded[0] == (0xE0 if count < 256 else 0xF0)
    assert len(decode_value(encoded)[0].elements) == count


@pytest.mark.parametrize(
    ("encoder", "value", "expected"),
    [
        (e.encode_boolean, 1, "41"),
        (e.encode_boolean, 0, "42"),
        (e.encode_uint, 0, "43"),
        (e.encode_ushort, 7, "600007"),
        (e.encode_timestamp, 1, "830000000000000001"),
        (e.encode_symbol, "a", "a30161"),
        (e.encode_map, {}, "c10100"),
        (e.encode_null, None, "40"),
    ],
)
def test_encoders_of_one_type_take_plain_values(encoder: Any, value: Any, expected: str) -> None:
    assert written(encoder, value) == expected


def test_type_number_follows_the_encoder() -> None:
    values = [None, True, 1, 1.5, "a", b"a", [], {}, Text("a"), Colour.RED, Described(1, 2), t.uint(1)]
    assert [type_number(value) for value in values] == [1, 2, 11, 14, 20, 19, 24, 25, 20, 11, 22, 7]
    with pytest.raises(DataException):
        type_number(PreEncoded(b"\x43"))
