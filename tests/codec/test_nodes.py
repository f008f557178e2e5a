"""`Data` as bytes: which form each value takes, what is read, what is refused, and what decoding may cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.codec.data import Data
from proton.codec.encode import encode
from proton.codec.limits import DecodeLimits
from proton.codec.nodes import decode_node, encode_node
from proton.codec.types import UNDESCRIBED, Array, Described, SymbolList, char, float32, int32, symbol, uint, ulong
from proton.exceptions import DataException


def undescribed(kind: int, *elements: object) -> Array:
    return Array(UNDESCRIBED, kind, *elements)


# Compounds and their bytes; every scalar form is in test_vectors.
ENCODED = [
    ([], "45"),
    ([1], "c0 03 01 5501"),
    ([[], [1]], "c0 07 02 45 c0 03 01 5501"),
    ([None] * 254, "c0 ff fe" + "40" * 254),
    ([None] * 255, "d0 00000103 000000ff" + "40" * 255),
    (["a" * 250], "c0 fd 01 a1fa" + "61" * 250),
    (["a" * 253], "d0 00000103 00000001 a1fd" + "61" * 253),
    ({}, "c1 01 00"),
    ({1: 2}, "c1 05 02 5501 5502"),
    ({"a": [1]}, "c1 09 02 a10161 c0 03 01 5501"),
    (undescribed(Data.INT, 1, 2, 3), "e0 0e 03 71 00000001 00000002 00000003"),
    (undescribed(Data.INT, 1, 200), "e0 0a 02 71 00000001 000000c8"),
    (undescribed(Data.INT), "e0 02 00 71"),
    (Array(symbol("d"), Data.INT, 1), "e0 0a 01 00 a30164 71 00000001"),
    (Array(symbol("d"), Data.INT), "e0 06 00 00 a30164 71"),
    (Array(None, Data.INT, 1), "e0 08 01 00 40 71 00000001"),
    (Array(ulong(5), Data.LIST, [1], []), "e0 0b 02 00 5305 c0 03 01 5501 01 00"),
    (undescribed(Data.STRING, "a", "bc"), "e0 07 02 a1 01 61 02 6263"),
    (undescribed(Data.SYMBOL, "a" * 256), "f0 00000109 00000001 b3 00000100" + "61" * 256),
    (undescribed(Data.BOOL, True, False), "e0 04 02 56 01 00"),
    (undescribed(Data.NULL, None, None), "e0 02 02 40"),
    (undescribed(Data.LIST, [1], [2]), "e0 0a 02 c0 03 01 5501 03 01 5502"),
    (undescribed(Data.MAP, {}, {1: 2}), "e0 0a 02 c1 01 00 05 02 5501 5502"),
    (
        undescribed(Data.ARRAY, undescribed(Data.INT, 1), undescribed(Data.LONG, 1)),
        "e0 14 02 e0 06 01 71 00000001 0a 01 81 0000000000000001",
    ),
    (Described(symbol("d"), "v"), "00 a30164 a10176"),
    (Described(ulong(5), []), "00 5305 45"),
    (Described(ulong(5), [1, None]), "00 5305 c0 04 02 5501 40"),
    (Described([1], Described("d", None)), "00 c0 03 01 5501 00 a10164 40"),
    (SymbolList(["a", "b"]), "c0 07 02 a30161 a30162"),
]


@pytest.mark.parametrize("value, expected", ENCODED, ids=[repr(row[0])[:40] for row in ENCODED])
def test_the_smallest_form_is_written_and_read_back(value, expected):
    data = Data()
    data.put_object(value)
    raw = bytes.fromhex(expected)
    assert data.encode().hex() == raw.hex()
    assert type(data.encode()) is bytes
    assert data.encoded_size() == len(raw)
    again = Data()
    assert again.decode(raw + b"junk") == len(raw)
    assert again.get_object() == data.get_object()
    assert again.encode() == raw


def test_top_level_values_follow_one_another():
    data = Data()
    data.put_int(1)
    data.put_string("a")
    assert data.encode().hex() == "5401a10161"


# What is read beside the forms that are written.
DECODED = [
    ("c00100", []),
    ("d00000000400000000", []),
    ("d0 00000005 00000001 40", [None]),
    ("d1 00000006 00000002 40 41", {None: True}),
    ("c1 02 01 40", {None: None}),
    ("c1 04 03 40 41 42", {None: True, False: None}),
    ("e0 02 01 40", undescribed(Data.NULL, None)),
    ("e0 02 03 41", undescribed(Data.BOOL, True, True, True)),
    ("e0 02 02 43", undescribed(Data.UINT, uint(0), uint(0))),
    ("e0 02 02 45", undescribed(Data.LIST, [], [])),
    ("e0 04 02 54 01 ff", undescribed(Data.INT, int32(1), int32(-1))),
    ("f0 00000005 00000000 71", undescribed(Data.INT)),
    ("e0 0a 01 d0 00000004 00000000", undescribed(Data.LIST, [])),
    ("e0 09 01 00 5501 00 5502 54 03", Array(1, Data.DESCRIBED, Described(2, int32(3)))),
    ("00 00 5301 5302 40", Described(Described(ulong(1), ulong(2)), None)),
    ("00 5305 00 5306 41", Described(ulong(5), Described(ulong(6), True))),
    ("00 c00100 40", Described([], None)),
    ("c1 09 02 7300000061 a10161", {char("a"): "a"}),
]


@pytest.mark.parametrize("encoded, value", DECODED, ids=[row[0] for row in DECODED])
def test_other_forms_are_read(encoded, value):
    raw = bytes.fromhex(encoded)
    data = Data()
    assert data.decode(raw) == len(raw)
    assert repr(data.get_object()) == repr(value)


def test_an_array_with_two_descriptors_is_written_as_it_was_read():
    raw = bytes.fromhex("e0 10 02 00 5501 00 5502 71 00000003 00000004")
    data = Data()
    data.decode(raw)
    assert data.get_array() == (2, True, Data.DESCRIBED)
    assert data.encode() == raw


def test_the_types_of_nodes_are_those_of_the_bytes():
    data = Data()
    data.decode(bytes.fromhex("c0 16 07 50 01 52 01 53 01 55 01 7200000000 a30161 7300000061"))
    data.enter()
    kinds = []
    while data.next() is not None:
        kinds.append(data.type())
    assert kinds == [Data.UBYTE, Data.UINT, Data.ULONG, Data.LONG, Data.FLOAT, Data.SYMBOL, Data.CHAR]


def test_equal_keys_that_differ_on_the_wire_are_kept():
    raw = bytes.fromhex("c1 0c 06 a10161 40 a30161 41 5501 42")
    data = Data()
    data.decode(raw)
    assert data.get_map() == 6
    assert data.encode() == raw
    assert data.get_object() == {"a": True, 1: False}


def test_decode_puts_behind_the_current_node():
    data = Data()
    for raw in (b"\x41", bytes.fromhex("c0 03 01 5501")):
        data.decode(raw)
    assert data.format() == "true, [1]"
    assert data.type() == Data.LIST
    data.rewind()
    data.decode(b"\x42")
    assert data.format() == "false, [1]"
    data.next()
    data.enter()
    data.decode(b"\x40")
    assert data.format() == "false, [null]"


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_decode_takes_any_bytes(wrap):
    data = Data()
    assert data.decode(wrap(b"\xa1\x01a\x40")) == 3
    assert data.get_string() == "a"


@pytest.mark.parametrize("value", ["A", None, 5, [64]])
def test_decode_takes_nothing_else(value):
    with pytest.raises(TypeError):
        Data().decode(value)


# Bytes that are not a value, and what the error says.
MALFORMED = [
    ("", "not enough data to decode: a value does not end within 0 bytes"),
    ("50", "not enough data"),
    ("7000", "not enough data"),
    ("a10561", "not enough data: string at offset 1 needs 6 bytes, 2 are left"),
    ("b1000000", "not enough data"),
    ("94" + "00" * 15, "not enough data: decimal128"),
    ("98" + "00" * 15, "not enough data: uuid"),
    ("01", "unknown constructor 0x01 at offset 0"),
    ("46", "unknown constructor 0x46"),
    ("ff", "unknown constructor 0xff"),
    ("c0 03 01 57 00", "unknown constructor 0x57 at offset 3"),
    ("c0", "list at offset 0 should end at offset 3, the data ends at 1"),
    ("c0 0000", "list at offset 0 has a size that does not cover its count"),
    ("c0 01 01", "claims 1 elements in 0 bytes"),
    ("c0 04 02 41 41", "should end at offset 6, the data ends at 5"),
    ("c0 03 01 41 41", "list at offset 0 should end at offset 5 by its size, its elements end at 4"),
    ("c0 03 02 41 50 00", "list at offset 0 should end at offset 5 by its size, its elements end at 6"),
    ("c1 03 01 41 41", "map at offset 0 should end at offset 5"),
    ("d0 00000003 000000 00", "does not cover its count"),
    ("d0 ffffffff 00000000", "not enough data"),
    ("e0 01 00", "a value does not end within 3 bytes"),
    ("e0 03 01 57 00", "unknown array element constructor 0x57 at offset 3"),
    ("e0 02 01 54", "array of int at offset 4 claims 1 elements in 0 bytes"),
    ("e0 03 02 56 01 01", "array at offset 0 should end at offset 5 by its size, its elements end at 6"),
    ("e0 04 01 54 01 02", "array at offset 0 should end at offset 6"),
    ("00", "not enough data"),
    ("00 5305", "not enough data"),
    ("73 00110000", "invalid text"),
    ("73 0000d800", "invalid text"),
    ("a1 02 c328", "invalid text: 'utf-8'"),
    ("a3 02 e961", "invalid text: 'ascii'"),
]


@pytest.mark.parametrize("encoded, text", MALFORMED)
def test_malformed_bytes_are_refused_and_change_nothing(encoded, text):
    data = Data()
    data.put_int(9)
    with pytest.raises(DataException) as caught:
        data.decode(bytes.fromhex(encoded))
    assert text in str(caught.value)
    assert (data.get_int(), data.encode().hex()) == (9, "5409")


@pytest.mark.parametrize("value", [row[0] for row in ENCODED if len(row[1]) < 100], ids=lambda value: repr(value)[:30])
def test_every_truncation_is_refused(value):
    raw = encode(value)
    for size in range(len(raw)):
        with pytest.raises(DataException):
            Data().decode(raw[:size])


# -- trees that are not a value --------------------------------------------------------------------------------------


def built(*calls: tuple[object, ...]) -> Data:
    """Data made by calling its methods in turn."""
    data = Data()
    for name, *arguments in calls:
        getattr(data, str(name))(*arguments)
    return data


UNFINISHED = [
    ([("put_described",)], "a described value has a descriptor and a value, this one has 0 children"),
    ([("put_described",), ("enter",), ("put_int", 1)], "this one has 1 children"),
    ([("put_described",), ("enter",), *[("put_int", 1)] * 3], "this one has 3 children"),
    ([("put_list",), ("enter",), ("put_described",)], "this one has 0 children"),
    ([("put_map",), ("enter",), ("put_int", 1)], "a map has keys and values in pairs, this one has 1 children"),
    ([("put_map",), ("enter",), *[("put_int", 1)] * 4], "a map has each key once, this one has int32\\(1\\) twice"),
    ([("put_array", True, Data.INT)], "a described array has its descriptor as the first child"),
    ([("put_array", False, 99)], "unknown array element type 99"),
    ([("put_array", False, Data.DESCRIBED)], "empty array of described"),
    ([("put_array", False, Data.INT), ("enter",), ("put_long", 1)], "array of int has an element of type long"),
    ([("put_array", False, 99), ("enter",), ("put_long", 1)], "array of 99 has an element of type long"),
    (
        [("put_array", True, Data.INT), ("enter",), ("put_int", 1), ("put_string", "a")],
        "array of int has an element of type string",
    ),
]


@pytest.mark.parametrize("calls, text", UNFINISHED)
def test_what_is_not_value_is_not_encoded(calls, text):
    data = built(*calls)
    with pytest.raises(DataException, match=text):
        data.encode()
    assert data.encoded_size() == -2
    assert data.format() != ""


def test_described_elements_share_one_descriptor():
    data = Data()
    data.put_object(undescribed(Data.DESCRIBED, Described(1, 2), Described(1, 3)))
    assert data.encode().hex() == "e01502005501810000000000000002" + "0000000000000003"
    again = Data()
    again.decode(data.encode())
    assert again.get_object() == Array(1, Data.LONG, 2, 3)
    data.clear()
    data.put_object(undescribed(Data.DESCRIBED, Described(1, 2), Described(2, 3)))
    with pytest.raises(DataException, match="one descriptor"):
        data.encode()


# -- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, wrap",
    [
        ("list", lambda raw: bytes((0xC0, len(raw) + 1, 1)) + raw),
        ("map", lambda raw: bytes((0xC1, len(raw) + 2, 2, 0x40)) + raw),
        ("array", lambda raw: bytes((0xE0, len(raw) + 1, 1)) + raw),
        ("described", lambda raw: b"\x00\x40" + raw),
    ],
)
def test_depth_is_limited_and_named(name, wrap):
    limits = DecodeLimits(depth=5)
    raw = b"\x45"
    for _ in range(5):
        raw = wrap(raw)
    assert decode_node(raw, limits)[1] == len(raw)
    with pytest.raises(DataException, match=f"{name} value at offset .* is nested deeper than the limit of 5"):
        decode_node(wrap(raw), limits)


def test_deep_nesting_is_refused_without_deep_recursion():
    with pytest.raises(DataException, match="nested deeper than the limit of 64"):
        Data().decode(b"\x00" * 100_000)


def test_the_number_of_nodes_is_limited_and_named():
    limits = DecodeLimits(elements=10)
    node, _ = decode_node(encode([[1, 2, 3], [4, 5, 6], 7]), limits)
    assert len(node.children) == 3
    with pytest.raises(DataException, match="data has more values than the limit of 10"):
        decode_node(encode([[1, 2, 3], [4, 5, 6], 7, 8]), limits)
    with pytest.raises(DataException, match="11 elements, above the limit of 10"):
        decode_node(encode([None] * 11), limits)


def test_descriptors_of_described_elements_are_counted():
    inner = encode([None] * 100)
    content = b"\x00\x40\x00" + inner + b"\x50" + bytes(100)
    raw = b"\xf0" + (len(content) + 4).to_bytes(4, "big") + (100).to_bytes(4, "big") + content
    with pytest.raises(DataException, match="zero-width array elements of its buffer to 10200, above the limit of 62"):
        decode_node(raw, DecodeLimits(elements=1000))


def test_elements_without_bytes_are_limited():
    with pytest.raises(DataException, match="zero-width"):
        Data().decode(bytes.fromhex("f0 00000005 000fffff 40"))
    with pytest.raises(DataException, match="4294967295 elements, above the limit"):
        Data().decode(bytes.fromhex("f0 00000005 ffffffff 40"))


# -- properties ---------------------------------------------------------------------------------------------------

KEYS = st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.text("abc", max_size=3).map(symbol))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, 2**32 - 1).map(uint),
        st.floats(allow_nan=False),
        st.floats(allow_nan=False, width=32).map(float32),
        st.text(max_size=20),
        st.binary(max_size=300),
        KEYS,
        st.lists(st.integers(-(2**31), 2**31 - 1)).map(lambda elements: undescribed(Data.INT, *map(int32, elements))),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(KEYS, inner, max_size=5),
        st.builds(Described, KEYS, inner),
    ),
    max_leaves=20,
)


@given(VALUES)
def test_trees_and_values_have_the_same_bytes(value):
    data = Data()
    data.put_object(value)
    raw = data.encode()
    assert raw == encode(value)
    again = Data()
    assert again.decode(raw) == len(raw)
    assert repr(again.get_object()) == repr(data.get_object())


@given(st.binary(max_size=40))
def test_any_bytes_give_a_value_or_a_data_exception(raw):
    try:
        node, size = decode_node(raw, DecodeLimits(depth=8, elements=200))
    except DataException:
        return
    assert 0 < size <= len(raw)
    try:
        encoded = encode_node(node)
    except DataException:
        return  # a map that is read leniently
    assert encode_node(decode_node(encoded)[0]) == encoded
