"""One table: a value of every AMQP type in every encoding of it (1.6.1 to 1.6.24), its bytes and what they become.

Each entry is decoded whole, at an odd offset, before junk, and cut at every byte; the entries marked as ours are also
what the encoder writes. A new constructor or class needs a line here.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from proton.codec import types as t
from proton.codec.decode import DECODE, DECODE_ERRORS, DEFAULT_LIMITS, decode_value
from proton.codec.encode import encode
from proton.codec.types import UNDESCRIBED, Array, Described
from proton.exceptions import DataException

HEX_UUID = "00112233445566778899aabbccddeeff"
A255, A256 = "61" * 255, "61" * 256


class Vector(NamedTuple):
    name: str
    value: Any
    encoded: str
    #: Whether the encoder writes the value this way; other ways are only read.
    ours: bool = True


def undescribed(number: int, *elements: Any) -> Array:
    return Array(UNDESCRIBED, number, *elements)


SCALARS = [
    Vector("null", None, "40"),
    Vector("true", True, "41"),
    Vector("false", False, "42"),
    Vector("boolean true", True, "56 01", ours=False),
    Vector("boolean true of another byte", True, "56 ff", ours=False),
    Vector("boolean false", False, "56 00", ours=False),
    Vector("ubyte 0", t.ubyte(0), "50 00"),
    Vector("ubyte 255", t.ubyte(255), "50 ff"),
    Vector("ushort 0", t.ushort(0), "60 0000"),
    Vector("ushort 65535", t.ushort(65535), "60 ffff"),
    Vector("uint 0", t.uint(0), "43"),
    Vector("uint 0 small", t.uint(0), "52 00", ours=False),
    Vector("uint 0 full", t.uint(0), "70 00000000", ours=False),
    Vector("uint 1", t.uint(1), "52 01"),
    Vector("uint 255", t.uint(255), "52 ff"),
    Vector("uint 256", t.uint(256), "70 00000100"),
    Vector("uint max", t.uint(2**32 - 1), "70 ffffffff"),
    Vector("ulong 0", t.ulong(0), "44"),
    Vector("ulong 0 small", t.ulong(0), "53 00", ours=False),
    Vector("ulong 0 full", t.ulong(0), "80 0000000000000000", ours=False),
    Vector("ulong 255", t.ulong(255), "53 ff"),
    Vector("ulong 256", t.ulong(256), "80 0000000000000100"),
    Vector("ulong max", t.ulong(2**64 - 1), "80 ffffffffffffffff"),
    Vector("byte -128", t.byte(-128), "51 80"),
    Vector("byte 127", t.byte(127), "51 7f"),
    Vector("short -32768", t.short(-32768), "61 8000"),
    Vector("short 32767", t.short(32767), "61 7fff"),
    Vector("int -128", t.int32(-128), "54 80"),
    Vector("int 127", t.int32(127), "54 7f"),
    Vector("int 127 full", t.int32(127), "71 0000007f", ours=False),
    Vector("int 128", t.int32(128), "71 00000080"),
    Vector("int -129", t.int32(-129), "71 ffffff7f"),
    Vector("int min", t.int32(-(2**31)), "71 80000000"),
    Vector("long -128", -128, "55 80"),
    Vector("long -1", -1, "55 ff"),
    Vector("long 127", 127, "55 7f"),
    Vector("long 127 full", 127, "81 000000000000007f", ours=False),
    Vector("long 128", 128, "81 0000000000000080"),
    Vector("long -129", -129, "81 ffffffffffffff7f"),
    Vector("long max", 2**63 - 1, "81 7fffffffffffffff"),
    Vector("long min", -(2**63), "81 8000000000000000"),
    Vector("timestamp", t.timestamp(1311704463521), "83 00000131 67adb8a1"),
    Vector("timestamp before 1970", t.timestamp(-1), "83 ffffffffffffffff"),
    Vector("float", t.float32(1.5), "72 3fc00000"),
    Vector("float infinity", t.float32("inf"), "72 7f800000"),
    Vector("double", -0.1, "82 bfb999999999999a"),
    Vector("decimal32", t.decimal32(0x22500001), "74 22500001"),
    Vector("decimal64", t.decimal64(0x2234000000000001), "84 2234000000000001"),
    Vector("decimal128", t.decimal128(bytes(range(16))), "94 000102030405060708090a0b0c0d0e0f"),
    Vector("char", t.char("a"), "73 00000061"),
    Vector("char beyond the first plane", t.char("\U0001f407"), "73 0001f407"),
    Vector("uuid", UUID(HEX_UUID), "98" + HEX_UUID),
    Vector("binary empty", b"", "a0 00"),
    Vector("binary", b"\x00\xff", "a0 02 00ff"),
    Vector("binary 255", b"a" * 255, "a0 ff" + A255),
    Vector("binary 256", b"a" * 256, "b0 00000100" + A256),
    Vector("binary wide", b"\x00", "b0 00000001 00", ours=False),
    Vector("string empty", "", "a1 00"),
    Vector("string", "héllo €", "a1 0a 68c3a96c6c6f20e282ac"),
    Vector("string 255", "a" * 255, "a1 ff" + A255),
    Vector("string 256", "a" * 256, "b1 00000100" + A256),
    Vector("string wide", "a", "b1 00000001 61", ours=False),
    Vector("symbol empty", t.symbol(""), "a3 00"),
    Vector("symbol", t.symbol("amqp:x"), "a3 06 616d71703a78"),
    Vector("symbol 256", t.symbol("a" * 256), "b3 00000100" + A256),
    Vector("symbol wide", t.symbol("a"), "b3 00000001 61", ours=False),
]

COMPOUNDS = [
    Vector("list empty", [], "45"),
    Vector("list empty short", [], "c0 01 00", ours=False),
    Vector("list empty wide", [], "d0 00000004 00000000", ours=False),
    Vector("list", [1, None, "a"], "c0 07 03 5501 40 a10161"),
    Vector("list wide", [1, None, "a"], "d0 0000000a 00000003 5501 40 a10161", ours=False),
    Vector("list nested", [[], [1]], "c0 07 02 45 c0 03 01 5501"),
    Vector("list of 254 bytes", [None] * 254, "c0 ff fe" + "40" * 254),
    Vector("list of 255 bytes", [None] * 255, "d0 00000103 000000ff" + "40" * 255),
    Vector("map empty", {}, "c1 01 00"),
    Vector("map empty wide", {}, "d1 00000004 00000000", ours=False),
    Vector("map", {"a": True, t.symbol("b"): [1]}, "c1 0d 04 a10161 41 a30162 c003015501"),
    Vector("map wide", {1: 2}, "d1 00000008 00000002 5501 5502", ours=False),
    Vector("map of all small values", {"a": -1, "b": False, "c": "d"}, "c1 10 06 a10161 55ff a10162 42 a10163 a10164"),
    Vector("map of large values", {"a": 128, b"b": None}, "c1 11 04 a10161 810000000000000080 a00162 40"),
    Vector("described by symbol", Described(t.symbol("d"), "v"), "00 a30164 a10176"),
    Vector("described by ulong", Described(t.ulong(5), []), "00 5305 45"),
    Vector("described by null", Described(None, 1), "00 40 5501"),
    Vector("described twice", Described(1, Described(2, 3)), "00 5501 00 5502 5503"),
    Vector("described descriptor", Described(Described(1, 2), 3), "00 00 5501 5502 5503"),
    Vector("described by a list", Described([1], 3), "00 c003015501 5503"),
]

ARRAYS = [
    Vector("array empty", undescribed(t.TYPE_INT), "e0 02 00 71"),
    Vector("array empty small", undescribed(t.TYPE_INT), "e0 02 00 54", ours=False),
    Vector("array empty full", undescribed(t.TYPE_INT), "f0 00000005 00000000 71", ours=False),
    Vector("array of null", undescribed(t.TYPE_NULL, None, None), "e0 02 02 40"),
    Vector("array of boolean", undescribed(t.TYPE_BOOL, True, False), "e0 04 02 56 01 00"),
    Vector("array of true", undescribed(t.TYPE_BOOL, True, True), "e0 02 02 41", ours=False),
    Vector("array of false", undescribed(t.TYPE_BOOL, False), "e0 02 01 42", ours=False),
    Vector("array of uint0", undescribed(t.TYPE_UINT, t.uint(0)), "e0 02 01 43", ours=False),
    Vector("array of ulong0", undescribed(t.TYPE_ULONG, t.ulong(0)), "e0 02 01 44", ours=False),
    Vector("array of list0", undescribed(t.TYPE_LIST, [], []), "e0 02 02 45", ours=False),
    Vector("array of ubyte", undescribed(t.TYPE_UBYTE, t.ubyte(1), t.ubyte(255)), "e0 04 02 50 01 ff"),
    Vector("array of byte", undescribed(t.TYPE_BYTE, t.byte(-1)), "e0 03 01 51 ff"),
    Vector("array of ushort", undescribed(t.TYPE_USHORT, t.ushort(258)), "e0 04 01 60 0102"),
    Vector("array of short", undescribed(t.TYPE_SHORT, t.short(-2)), "e0 04 01 61 fffe"),
    Vector("array of small uint", undescribed(t.TYPE_UINT, t.uint(0), t.uint(255)), "e0 04 02 52 00 ff", ours=False),
    Vector("array of uint", undescribed(t.TYPE_UINT, t.uint(0), t.uint(1)), "e0 0a 02 70 00000000 00000001"),
    Vector("array of small ulong", undescribed(t.TYPE_ULONG, t.ulong(7)), "e0 03 01 53 07", ours=False),
    Vector("array of ulong", undescribed(t.TYPE_ULONG, t.ulong(7)), "e0 0a 01 80 0000000000000007"),
    Vector("array of small int", undescribed(t.TYPE_INT, t.int32(-128), t.int32(127)), "e0 04 02 54 80 7f", ours=False),
    Vector("array of int", undescribed(t.TYPE_INT, t.int32(1), t.int32(-1)), "e0 0a 02 71 00000001 ffffffff"),
    Vector("array of small long", undescribed(t.TYPE_LONG, -1), "e0 03 01 55 ff", ours=False),
    Vector("array of long", undescribed(t.TYPE_LONG, -1), "e0 0a 01 81 ffffffffffffffff"),
    Vector("array of timestamp", undescribed(t.TYPE_TIMESTAMP, t.timestamp(1)), "e0 0a 01 83 0000000000000001"),
    Vector("array of float", undescribed(t.TYPE_FLOAT, t.float32(1.5)), "e0 06 01 72 3fc00000"),
    Vector("array of double", undescribed(t.TYPE_DOUBLE, 1.5), "e0 0a 01 82 3ff8000000000000"),
    Vector("array of decimal32", undescribed(t.TYPE_DECIMAL32, t.decimal32(1)), "e0 06 01 74 00000001"),
    Vector("array of decimal64", undescribed(t.TYPE_DECIMAL64, t.decimal64(1)), "e0 0a 01 84 0000000000000001"),
    Vector("array of decimal128", undescribed(t.TYPE_DECIMAL128, t.decimal128(b"x" * 16)), "e0 12 01 94" + "78" * 16),
    Vector("array of char", undescribed(t.TYPE_CHAR, t.char("a"), t.char("€")), "e0 0a 02 73 00000061 000020ac"),
    Vector("array of uuid", undescribed(t.TYPE_UUID, UUID(HEX_UUID)), "e0 12 01 98" + HEX_UUID),
    Vector("array of binary", undescribed(t.TYPE_BINARY, b"a", b""), "e0 05 02 a0 0161 00"),
    Vector("array of string", undescribed(t.TYPE_STRING, "a", "bc"), "e0 07 02 a1 0161 026263"),
    Vector("array of symbol", undescribed(t.TYPE_SYMBOL, t.symbol("a")), "e0 04 01 a3 0161"),
    Vector(
        "array of a long string",
        undescribed(t.TYPE_STRING, "a" * 256, "b"),
        "f0 0000010e 00000002 b1 00000100" + A256 + "00000001 62",
    ),
    Vector("array of list", undescribed(t.TYPE_LIST, [], [1]), "e0 08 02 c0 0100 0301 5501"),
    Vector(
        "array of a long list",
        undescribed(t.TYPE_LIST, [None] * 255),
        "f0 0000010c 00000001 d0 00000103 000000ff" + "40" * 255,
    ),
    Vector("array of map", undescribed(t.TYPE_MAP, {}, {1: 2}), "e0 0a 02 c1 0100 0502 55015502"),
    Vector(
        "array of array",
        undescribed(t.TYPE_ARRAY, undescribed(t.TYPE_INT, t.int32(1)), undescribed(t.TYPE_NULL)),
        "e0 0c 02 e0 060171 00000001 020040",
    ),
    Vector("array described", Array(t.symbol("d"), t.TYPE_INT, t.int32(1)), "e0 0a 01 00 a30164 71 00000001"),
    Vector("array described empty", Array(t.symbol("d"), t.TYPE_INT), "e0 06 00 00 a30164 71"),
    Vector("array described by null", Array(None, t.TYPE_INT, t.int32(1)), "e0 08 01 00 40 71 00000001"),
    Vector(
        "array described twice",
        Array(t.ulong(1), t.TYPE_DESCRIBED, Described(t.ulong(2), 3)),
        "e0 10 01 00 5301 00 5302 81 0000000000000003",
    ),
    Vector("array wide", undescribed(t.TYPE_LONG, 1), "f0 0000000d 00000001 81 0000000000000001", ours=False),
]

VECTORS = SCALARS + COMPOUNDS + ARRAYS

each = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name.replace(" ", "-"))


def same(found: Any, expected: Any) -> bool:
    """Equal values of the same classes, at every depth."""
    if type(found) is not type(expected) or found != expected:
        return False
    if isinstance(found, Described):
        return same([found.descriptor, found.value], [expected.descriptor, expected.value])
    if isinstance(found, dict):
        return same([*found, *found.values()], [*expected, *expected.values()])
    if isinstance(found, (list, Array)):
        return all(map(same, found, expected))
    return True


@each
def test_decodes_whole(vector: Vector) -> None:
    encoded = bytes.fromhex(vector.encoded)
    value, end = decode_value(encoded)
    assert same(value, vector.value), value
    assert end == len(encoded)


@each
def test_decodes_at_an_odd_offset_and_ignores_what_follows(vector: Vector) -> None:
    encoded = bytes.fromhex(vector.encoded)
    value, end = decode_value(b"\xff\x00\xff" + encoded + b"\x00\xff\x45", 3)
    assert same(value, vector.value), value
    assert end == 3 + len(encoded)


@each
def test_truncation_at_every_byte_is_an_error(vector: Vector) -> None:
    encoded = bytes.fromhex(vector.encoded)
    for size in range(len(encoded)):
        with pytest.raises(DECODE_ERRORS):
            decode_value(encoded[:size])


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.ours], ids=lambda vector: vector.name.replace(" ", "-")
)
def test_encodes_in_the_smallest_form(vector: Vector) -> None:
    # Integers of an array are the exception: RabbitMQ 3 reads no array of small ones.
    assert encode(vector.value).hex() == bytes.fromhex(vector.encoded).hex()


def test_every_known_constructor_has_a_vector() -> None:
    seen = {bytes.fromhex(vector.encoded)[0] for vector in VECTORS}
    known = set()
    for code in range(256):
        try:
            DECODE[code](bytes([code]) + bytes(20), 1, DEFAULT_LIMITS)
        except DataException as error:
            if "unknown constructor" in str(error):
                continue
        except (IndexError, struct.error, UnicodeDecodeError):
            pass
        known.add(code)
    assert known == seen


@pytest.mark.parametrize("code", [0x01, 0x3F, 0x46, 0x57, 0x93, 0xA2, 0xC2, 0xE1, 0xFF])
def test_an_unknown_constructor_is_named_with_its_offset(code: int) -> None:
    with pytest.raises(DataException, match=f"unknown constructor 0x{code:02x} at offset 2"):
        decode_value(b"\x40\x40" + bytes([code]) + bytes(20), 2)


def test_double_nan_round_trips() -> None:
    assert encode(decode_value(bytes.fromhex("827ff8000000000000"))[0]).hex() == "827ff8000000000000"
