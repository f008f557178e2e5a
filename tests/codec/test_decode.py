"""Malformed compounds (1.2.2 to 1.2.4), and the field loop of performatives (1.4)."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import pytest

from proton.codec.decode import DECODE_ERRORS, DecodeLimits, decode_fields, decode_value
from proton.codec.types import TYPE_UBYTE, UNDESCRIBED, Array, Described, int32, symbol, uint, ulong
from proton.exceptions import DataException

MALFORMED = [
    ("list beyond the buffer", "c0 05 01 40", "list at offset 1 needs 6 bytes, 3 are left"),
    ("list longer than its elements", "c0 03 01 40 40", "should end at offset 5 by its size, its elements end at 4"),
    ("list shorter than its elements", "c0 02 01 5501", "should end at offset 4 by its size, its elements end at 5"),
    ("list count beyond its bytes", "c0 02 02 40 40", "list at offset 1 claims 2 elements in 1 bytes"),
    ("list without room for its count", "c0 00 00", "list"),
    ("list wide without room for its count", "d0 00000003 00000000", "list"),
    ("list count of billions", "d0 00000005 ffffffff 40", "above the limit of 1048576"),
    ("map with a list as its odd key", "c1 04 03 4040 45", "map has a key of type list at offset 5"),
    ("map with an odd key for the second time", "c1 08 03 a10161 41 a10161", "has the key 'a' twice"),
    ("map with an odd count and no last key", "c1 03 03 4040", "map at offset 1 claims 3 elements in 2 bytes"),
    ("map with an odd count that ends too early", "c1 04 03 4040 a101 61", "should end at offset 6"),
    ("map beyond the buffer", "c1 05 02 40 40", "map at offset 1 needs 6 bytes, 4 are left"),
    ("map with a string past its end", "c1 05 02 a10461 41 414141", "should end at offset 7"),
    ("map with a list as key", "c1 03 02 45 40", "map at offset 1 has a key of type list"),
    ("map with a map as key", "c1 05 02 c10100 40", "has a key of type dict"),
    ("map with an array as key", "c1 06 02 e0020040 40", "has a key of type Array"),
    ("map with a described key", "c1 05 02 004040 40", "has a key of type Described"),
    ("array beyond the buffer", "e0 05 01 50 01", "array at offset 1 needs 6 bytes, 4 are left"),
    ("array of more fixed elements than bytes", "e0 03 02 50 01", "array of ubyte at offset 4 claims 2 elements in 1"),
    ("array of fewer fixed elements than bytes", "e0 04 01 50 01 02", "array of ubyte at offset 4 claims 1"),
    ("array of more strings than bytes", "e0 03 ff a1 00", "array of string at offset 4 claims 255 elements in 1"),
    ("array of some more strings than bytes", "e0 03 04 a1 00", "array of string at offset 4 claims 4 elements in 1"),
    ("array of fewer strings than bytes", "e0 04 01 a1 00 00", "should end at offset 6"),
    ("array of an unknown constructor", "e0 03 01 57 00", "unknown array element constructor 0x57 at offset 3"),
    ("array whose constructor lies behind it", "e0 01 00 50", "should end at offset 3"),
    ("binary beyond the buffer", "a0 05 00", "not enough data: binary at offset 1 needs 6 bytes, 2 are left"),
    ("binary wide beyond the buffer", "b0 ffffffff 00", "not enough data"),
    ("invalid UTF-8", "a1 02 c328", "invalid continuation byte"),
    ("non-ASCII symbol", "a3 01 e9", "ascii"),
    ("char beyond Unicode", "73 00110000", "utf-32-be"),
    ("char that is a surrogate", "73 0000d800", "utf-32-be"),
    ("array of chars beyond Unicode", "e0 06 01 73 ffffffff", "utf-32-be"),
]


@pytest.mark.parametrize(("name", "encoded", "text"), MALFORMED, ids=[name.replace(" ", "-") for name, *_ in MALFORMED])
def test_malformed(name: str, encoded: str, text: str) -> None:
    with pytest.raises(DECODE_ERRORS, match=text):
        decode_value(bytes.fromhex(encoded))


ODD = [
    ("c1 02 01 40", {None: None}),
    ("c1 08 03 a10161 41 a10162", {"a": True, "b": None}),
    ("d1 00000007 00000001 a10161", {"a": None}),
    ("c0 07 01 c1 04 01 a10161", [{"a": None}]),
]


# 1.6.23 calls such a map invalid, but a released router sends it, and the whole message was lost (Qpid Dispatch 1.19).
@pytest.mark.parametrize(("encoded", "expected"), ODD, ids=[encoded for encoded, _ in ODD])
def test_the_last_key_of_a_map_with_an_odd_number_of_elements_gets_none(encoded: str, expected: Any) -> None:
    data = bytes.fromhex(encoded)
    assert decode_value(data) == (expected, len(data))


# `1`, `True` and `1.0` are one key for a dict: the bytes of such a map are walked through, behind values of each width.
WIDTHS = [
    ("43", uint(0)),
    ("5507", 7),
    ("60 0007", 7),
    ("70 00000007", 7),
    ("82 3ff0000000000000", 1.0),
    ("98 000102030405060708090a0b0c0d0e0f", UUID(bytes=bytes(range(16)))),
    ("a1 03 616263", "abc"),
    ("b1 00000003 616263", "abc"),
    ("c0 03 02 40 41", [None, True]),
    ("d0 00000006 00000002 40 41", [None, True]),
    ("e0 04 02 50 07 08", Array(UNDESCRIBED, TYPE_UBYTE, 7, 8)),
    ("00 53 07 a1 01 78", Described(ulong(7), "x")),
    ("00 00 53 07 a1 01 78 40", Described(Described(ulong(7), "x"), None)),
]


@pytest.mark.parametrize(("encoded", "value"), WIDTHS, ids=[encoded for encoded, _ in WIDTHS])
def test_keys_that_only_python_takes_for_equal_are_found_behind_any_value(encoded: str, value: Any) -> None:
    """1.6.23: that is not the same key twice; the last value counts."""
    pairs = bytes.fromhex(f"a1 01 6b {encoded} 5501 {encoded} 41 {encoded}")
    decoded, _ = decode_value(b"\xd1" + struct.pack(">II", len(pairs) + 4, 6) + pairs)
    assert decoded == {"k": value, 1: value}
    pairs += bytes.fromhex("5501 40")
    with pytest.raises(DataException, match="has the key 1 twice"):
        decode_value(b"\xd1" + struct.pack(">II", len(pairs) + 4, 8) + pairs)


# -- fields -------------------------------------------------------------------------------------------------------

FIELDS = [
    ("45", []),
    ("c0 01 00", []),
    ("d0 00000004 00000000", []),
    ("c0 06 05 40 41 42 43 44", [None, True, False, 0, 0]),
    ("c0 07 03 50ff 52ff 53ff", [255, 255, 255]),
    ("c0 12 03 60ffff 70ffffffff 80ffffffffffffffff", [65535, 2**32 - 1, 2**64 - 1]),
    ("c0 0a 03 a00161 a10162 a30163", [b"a", "b", symbol("c")]),
    ("c0 07 03 54ff 55ff 5601", [int32(-1), -1, True]),
    ("c0 0b 02 c0020143 b1 00000001 61", [[uint(0)], "a"]),
    ("d0 00000006 00000001 5207", [7]),
]


@pytest.mark.parametrize(("encoded", "expected"), FIELDS)
def test_fields(encoded: str, expected: list[Any]) -> None:
    data = bytes.fromhex(encoded)
    for padding in (b"", b"\x00\x53\x14"):
        buf = padding + data + b"\xff"
        fields, end = decode_fields(buf, len(padding), len(padding) + len(data))
        assert fields == expected
        assert [type(field) for field in fields] == [type(field) for field in expected]
        assert end == len(padding) + len(data)


@pytest.mark.parametrize(("encoded", "expected"), FIELDS)
def test_fields_cut_at_every_byte(encoded: str, expected: list[Any]) -> None:
    data = bytes.fromhex(encoded)
    for size in range(len(data)):
        with pytest.raises(DECODE_ERRORS):
            decode_fields(data[:size], 0, size)


BAD_FIELDS = [
    ("no list", "c10100", 3, "expected a list at offset 0, found constructor 0xc1"),
    ("past the frame", "c0020140", 3, "list at offset 0 ends at 4 by its size, its frame or section ends at 3"),
    ("binary past the list", "c00401a0026161", 7, "list should end at offset 6 by its size, its elements end at 7"),
    ("elements past the list", "c0020170000000ff", 8, "list should end at offset 4"),
    ("bytes left over", "c003014040", 5, "list should end at offset 5 by its size, its elements end at 4"),
    ("count beyond the bytes", "c0020440", 4, "list at offset 0 claims 4 elements in 1 bytes"),
    ("unknown constructor", "c0020157", 4, "unknown constructor 0x57 at offset 3"),
]


@pytest.mark.parametrize(
    ("name", "encoded", "end", "text"), BAD_FIELDS, ids=[name.replace(" ", "-") for name, *_ in BAD_FIELDS]
)
def test_malformed_fields(name: str, encoded: str, end: int, text: str) -> None:
    with pytest.raises(DataException, match=text):
        decode_fields(bytes.fromhex(encoded) + bytes(8), 0, end)


def test_fields_obey_the_element_limit() -> None:
    with pytest.raises(DataException, match="3 elements, above the limit of 2"):
        decode_fields(bytes.fromhex("c00403404040"), 0, 6, DecodeLimits(elements=2))
