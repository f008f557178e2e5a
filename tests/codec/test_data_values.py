"""The accessors of `Data`, one table: what each put takes, what it refuses, and what each get gives for other nodes."""

from __future__ import annotations

import enum
import math
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.codec.data import Data
from proton.codec.types import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Described,
    PropertyDict,
    SymbolList,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from proton.exceptions import DataException

UUID_1 = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
DECIMAL = decimal128(bytes(range(16)))

# name of the accessors, what is put, what is got and its class, what the getter gives on another node
SCALARS = [
    ("bool", True, True, False),
    ("bool", 1, True, False),
    ("bool", 0, False, False),
    ("ubyte", 255, ubyte(255), ubyte(0)),
    ("ubyte", True, ubyte(1), ubyte(0)),
    ("byte", -128, byte(-128), byte(0)),
    ("ushort", 65535, ushort(65535), ushort(0)),
    ("short", -32768, short(-32768), short(0)),
    ("uint", 2**32 - 1, uint(2**32 - 1), uint(0)),
    ("int", -(2**31), int32(-(2**31)), int32(0)),
    ("ulong", 2**64 - 1, ulong(2**64 - 1), ulong(0)),
    ("ulong", ubyte(3), ulong(3), ulong(0)),
    ("long", -(2**63), -(2**63), 0),
    ("long", ulong(3), 3, 0),
    ("timestamp", -1, timestamp(-1), timestamp(0)),
    ("decimal32", 2**32 - 1, decimal32(2**32 - 1), decimal32(0)),
    ("decimal64", 2**64 - 1, decimal64(2**64 - 1), decimal64(0)),
    ("decimal128", bytes(range(16)), DECIMAL, decimal128(bytes(16))),
    ("decimal128", bytearray(range(16)), DECIMAL, decimal128(bytes(16))),
    ("float", 0.5, float32(0.5), float32(0.0)),
    ("float", 1, float32(1.0), float32(0.0)),
    ("float", 1e300, float32(math.inf), float32(0.0)),
    ("float", -1e300, float32(-math.inf), float32(0.0)),
    ("float", 0.1, float32(0.10000000149011612), float32(0.0)),
    ("double", 0.1, 0.1, 0.0),
    ("double", 1, 1.0, 0.0),
    ("char", "é", char("é"), char("\0")),
    ("uuid", UUID_1, UUID_1, None),
    ("binary", b"ab", b"ab", b""),
    ("binary", bytearray(b"ab"), b"ab", b""),
    ("binary", memoryview(b"xaybz")[1::2], b"ab", b""),
    ("binary", "é", b"\xc3\xa9", b""),
    ("string", "é", "é", ""),
    ("string", symbol("a"), "a", ""),
    ("symbol", "a", symbol("a"), symbol("")),
    ("symbol", symbol("a"), symbol("a"), symbol("")),
]


@pytest.mark.parametrize("name, put, got, other", SCALARS, ids=[f"{row[0]}-{row[1]!r}" for row in SCALARS])
def test_scalars(name, put, got, other):
    data = Data()
    get = getattr(data, f"get_{name}")
    assert (get(), type(get())) == (other, type(other)), "without a current node"
    data.put_described()
    assert (get(), type(get())) == (other, type(other)), "on another node"
    assert getattr(data, f"put_{name}")(put) is None
    assert data.type() == getattr(Data, name.upper())
    for value in (get(), data.get_object()):
        assert (value, type(value)) == (got, type(got))
    others = [row for row in SCALARS if row[0] != name]
    assert [getattr(data, f"get_{row[0]}")() for row in others] == [row[3] for row in others]


def test_null():
    data = Data()
    assert data.is_null() is False
    data.put_null()
    assert data.is_null() is True
    assert data.get_object() is None
    data.put_int(0)
    assert data.is_null() is False


@pytest.mark.parametrize("put", ["put_binary", "put_memoryview", "put_buffer"])
def test_every_way_to_put_a_binary_copies_it(put):
    source = bytearray(b"abc")
    data = Data()
    getattr(data, put)(memoryview(source))
    source[0] = 0
    assert data.get_binary() == b"abc"
    assert type(data.get_binary()) is bytes


RANGES = [
    ("ubyte", 0, 2**8 - 1),
    ("byte", -(2**7), 2**7 - 1),
    ("ushort", 0, 2**16 - 1),
    ("short", -(2**15), 2**15 - 1),
    ("uint", 0, 2**32 - 1),
    ("int", -(2**31), 2**31 - 1),
    ("ulong", 0, 2**64 - 1),
    ("long", -(2**63), 2**63 - 1),
    ("timestamp", -(2**63), 2**63 - 1),
    ("decimal32", 0, 2**32 - 1),
    ("decimal64", 0, 2**64 - 1),
    ("bool", 0, 1),
]


@pytest.mark.parametrize("name, low, high", RANGES)
def test_integers_are_checked_at_both_ends(name, low, high):
    data = Data()
    put, get = getattr(data, f"put_{name}"), getattr(data, f"get_{name}")
    for value in (low, high):
        put(value)
        assert get() == value
    for value in (low - 1, high + 1, 10**30):
        with pytest.raises(OverflowError, match=f"{name} out of range: expected {low} to {high}, got {value}"):
            put(value)
    for value in (1.5, "1", None, b"1"):
        with pytest.raises(TypeError, match=f"an integer is required, not {type(value).__name__}"):
            put(value)
    assert get() == high, "nothing was put"


REFUSED = [
    ("char", "ab", TypeError),
    ("char", "", TypeError),
    ("char", 65, TypeError),
    ("char", "\ud800", UnicodeEncodeError),
    ("float", "x", TypeError),
    ("float", None, TypeError),
    ("double", "1.5", TypeError),
    ("double", b"1.5", TypeError),
    ("decimal128", b"x", DataException),
    ("decimal128", bytes(17), DataException),
    ("decimal128", 5, TypeError),
    ("decimal128", "0123456789abcdef", TypeError),
    ("uuid", str(UUID_1), AttributeError),
    ("binary", None, TypeError),
    ("binary", 5, TypeError),
    ("binary", [1], TypeError),
    ("string", b"x", AttributeError),
    ("string", 5, AttributeError),
    ("string", None, AttributeError),
    ("string", "\ud800", UnicodeEncodeError),
    ("symbol", b"x", AttributeError),
    ("symbol", "é", UnicodeEncodeError),
    ("dict", 5, AttributeError),
    ("sequence", 5, TypeError),
    ("py_described", 5, AttributeError),
    ("py_array", [1], AttributeError),
]


@pytest.mark.parametrize("name, value, error", REFUSED)
def test_what_is_refused(name, value, error):
    data = Data()
    with pytest.raises(error):
        getattr(data, f"put_{name}")(value)
    assert data.encode() == b""


@pytest.mark.parametrize("arguments", [(None, Data.INT), ("x", Data.INT), (False, "x"), (False, None)])
def test_put_array_needs_numbers(arguments):
    with pytest.raises(TypeError, match="an integer is required"):
        Data().put_array(*arguments)


# -- compounds ----------------------------------------------------------------------------------------------------


def test_compound_getters_without_a_node():
    data = Data()
    assert (data.get_list(), data.get_map(), data.get_array()) == (0, 0, (0, False, None))
    assert (data.get_dict(), data.get_sequence(), data.get_py_described(), data.get_py_array()) == (None,) * 4


def test_compound_getters_on_a_scalar():
    data = Data()
    data.put_int(1)
    assert (data.get_list(), data.get_map(), data.get_array()) == (0, 0, (0, False, None))
    assert (data.get_dict(), data.get_sequence(), data.get_py_array()) == ({}, [], None)
    assert data.get_py_described() == Described(None, None)


def test_compound_getters_on_other_compounds():
    data = Data()
    data.put_object([1, 2, 3])
    assert (data.get_map(), data.get_dict(), data.get_py_described()) == (0, {1: 2, 3: None}, Described(1, 2))
    data.put_object({1: 2})
    assert (data.get_list(), data.get_map(), data.get_sequence()) == (0, 2, [1, 2])


@pytest.mark.parametrize(
    "array, expected",
    [
        (Array(UNDESCRIBED, Data.INT), (0, False, Data.INT)),
        (Array(UNDESCRIBED, Data.INT, 1, 2), (2, False, Data.INT)),
        (Array(symbol("d"), Data.LIST, [1]), (1, True, Data.LIST)),
        (Array(None, Data.INT), (0, True, Data.INT)),
    ],
)
def test_get_array_counts_elements_without_the_descriptor(array, expected):
    data = Data()
    data.put_py_array(array)
    assert data.get_array() == expected


def test_a_described_array_without_children_has_no_elements():
    data = Data()
    data.put_array(True, Data.INT)
    assert data.get_array() == (0, True, Data.INT)
    assert data.get_object() == Array(None, Data.INT)


def test_plain_values_take_the_type_of_their_array():
    data = Data()
    data.put_object(Array(UNDESCRIBED, Data.INT, 1, True))
    elements = data.get_py_array().elements
    assert (elements, [type(element) for element in elements]) == ((1, 1), [int32, int32])
    data.put_object(Array(UNDESCRIBED, Data.SYMBOL, "a"))
    assert repr(data.get_object()) == "Array(UNDESCRIBED, 21, symbol('a'))"


@pytest.mark.parametrize(
    "kind, element",
    [
        (Data.INT, "x"),
        (Data.INT, 1.5),
        (Data.NULL, 1),
        (Data.STRING, b"x"),
        (Data.BINARY, "x"),
        (Data.LIST, "ab"),
        (Data.LIST, {1: 2}),
        (Data.MAP, [1]),
        (Data.ARRAY, [1]),
        (Data.DESCRIBED, 1),
        (Data.UUID, "x"),
        (Data.BOOL, "x"),
    ],
)
def test_an_array_element_of_the_wrong_type_is_refused(kind, element):
    data = Data()
    name = Data.type_name(kind)
    with pytest.raises(DataException, match=f"an array of {name} cannot have an element of class"):
        data.put_object(Array(UNDESCRIBED, kind, element))
    assert data.type() == Data.ARRAY


def test_an_array_element_out_of_range_is_an_overflow():
    with pytest.raises(OverflowError, match="ubyte out of range"):
        Data().put_object(Array(UNDESCRIBED, Data.UBYTE, 256))


def test_map_keys():
    data = Data()
    data.put_map()
    data.enter()
    for key, value in (("a", 1), (b"b", 2), ("a", 3)):
        data.put_object(key)
        data.put_object(value)
    data.put_object("odd")
    data.exit()
    assert data.get_map() == 7
    assert data.get_dict() == data.get_object() == {"a": 3, b"b": 2, "odd": None}


@pytest.mark.parametrize("key", [[1], {}, Described(1, 2), Array(UNDESCRIBED, Data.INT)])
def test_a_key_that_cannot_be_hashed_is_a_type_error(key):
    data = Data()
    data.put_map()
    data.enter()
    data.put_object(key)
    data.put_null()
    data.exit()
    for get in (data.get_object, data.get_dict):
        with pytest.raises(TypeError, match="unhashable"):
            get()
    assert data.get_map() == 2


# -- put_object ---------------------------------------------------------------------------------------------------


class Colour(enum.IntEnum):
    RED = 7


class Text(str):
    def __str__(self) -> str:
        return "not this"


class Bag(dict):
    pass


OBJECTS = [
    (None, Data.NULL, None),
    (True, Data.BOOL, True),
    (1, Data.LONG, 1),
    (int32(1), Data.INT, int32(1)),
    (ulong(1), Data.ULONG, ulong(1)),
    (1.0, Data.DOUBLE, 1.0),
    (float32(0.1), Data.FLOAT, float32(0.10000000149011612)),
    (b"a", Data.BINARY, b"a"),
    (bytearray(b"a"), Data.BINARY, b"a"),
    (memoryview(b"a"), Data.BINARY, b"a"),
    (DECIMAL, Data.DECIMAL128, DECIMAL),
    ("a", Data.STRING, "a"),
    (symbol("a"), Data.SYMBOL, symbol("a")),
    (char("a"), Data.CHAR, char("a")),
    ((1, "a"), Data.LIST, [1, "a"]),
    (SymbolList(["a"]), Data.LIST, [symbol("a")]),
    (PropertyDict(a=1), Data.MAP, {symbol("a"): 1}),
    (AnnotationDict({ulong(1): 2}), Data.MAP, {ulong(1): 2}),
    (Described(ulong(5), [1]), Data.DESCRIBED, Described(ulong(5), [1])),
    (Array(None, Data.LONG, 1), Data.ARRAY, Array(None, Data.LONG, 1)),
    (Colour.RED, Data.LONG, 7),
    (Text("a"), Data.STRING, "a"),
    (Bag(a=1), Data.MAP, {"a": 1}),
    (struct.unpack("<h", b"\1\0"), Data.LIST, [1]),
]


@pytest.mark.parametrize("value, kind, got", OBJECTS, ids=[repr(row[0]) for row in OBJECTS])
def test_put_object_takes_the_type_of_the_class_or_its_nearest_base(value, kind, got):
    data = Data()
    data.put_object(value)
    assert data.type() == kind
    assert (repr(data.get_object()), type(data.get_object())) == (repr(got), type(got))


@pytest.mark.parametrize("value", [{1}, object(), UNDESCRIBED, 1j, range(3)])
def test_an_unmapped_class_is_named(value):
    with pytest.raises(DataException, match=f"no AMQP type.*{type(value).__name__}"):
        Data().put_object(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [2**63]])
def test_a_large_int_is_an_overflow(value):
    with pytest.raises(OverflowError, match="long out of range"):
        Data().put_object(value)


@given(st.floats(width=32, allow_nan=False))
def test_floats_of_32_bits_are_kept(value):
    data = Data()
    data.put_float(value)
    assert data.get_float() == value
