"""Any value comes back as it went, and any bytes give a value or a decode error (Hypothesis)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proton.codec import types as t
from proton.codec.decode import DECODE_ERRORS, DecodeLimits, decode_fields, decode_value
from proton.codec.encode import encode
from proton.codec.types import UNDESCRIBED, Array, Described

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
ascii_text = st.text(st.characters(max_codepoint=127), max_size=300)


def unsigned(cls: Any, bits: int) -> st.SearchStrategy[Any]:
    return st.integers(0, 2**bits - 1).map(cls)


def signed(cls: Any, bits: int) -> st.SearchStrategy[Any]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).map(cls)


BY_TYPE: dict[int, st.SearchStrategy[Any]] = {
    t.TYPE_NULL: st.none(),
    t.TYPE_BOOL: st.booleans(),
    t.TYPE_UBYTE: unsigned(t.ubyte, 8),
    t.TYPE_BYTE: signed(t.byte, 8),
    t.TYPE_USHORT: unsigned(t.ushort, 16),
    t.TYPE_SHORT: signed(t.short, 16),
    t.TYPE_UINT: unsigned(t.uint, 32),
    t.TYPE_INT: signed(t.int32, 32),
    t.TYPE_CHAR: st.characters(exclude_categories=["Cs"]).map(t.char),
    t.TYPE_ULONG: unsigned(t.ulong, 64),
    t.TYPE_LONG: signed(int, 64),
    t.TYPE_TIMESTAMP: signed(t.timestamp, 64),
    t.TYPE_FLOAT: st.floats(width=32, allow_nan=False).map(t.float32),
    t.TYPE_DOUBLE: st.floats(allow_nan=False),
    t.TYPE_DECIMAL32: unsigned(t.decimal32, 32),
    t.TYPE_DECIMAL64: unsigned(t.decimal64, 64),
    t.TYPE_DECIMAL128: st.binary(min_size=16, max_size=16).map(t.decimal128),
    t.TYPE_UUID: st.uuids(),
    t.TYPE_BINARY: st.binary(max_size=300),
    t.TYPE_STRING: text,
    t.TYPE_SYMBOL: ascii_text.map(t.symbol),
}
scalars = st.one_of(*BY_TYPE.values())


def arrays(number: int, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Array]:
    descriptors = st.sampled_from([UNDESCRIBED, None, t.symbol("d"), t.ulong(7)])
    return st.builds(
        lambda descriptor, values: Array(descriptor, number, *values), descriptors, st.lists(elements, max_size=5)
    )


def compounds(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=5)
    maps = st.dictionaries(scalars, children, max_size=5)
    return st.one_of(
        lists,
        maps,
        st.builds(Described, st.one_of(scalars, children), children),
        arrays(t.TYPE_LIST, lists),
        arrays(t.TYPE_MAP, maps),
        st.sampled_from(sorted(BY_TYPE)).flatmap(lambda number: arrays(number, BY_TYPE[number])),
    )


values = st.recursive(scalars, compounds, max_leaves=12)


def shape(value: Any) -> Any:
    """A value as nested tuples in which classes count, so that `1`, `1.0`, `True` and `uint(1)` differ."""
    if isinstance(value, Described):
        return Described, shape(value.descriptor), shape(value.value)
    if isinstance(value, Array):
        return Array, repr(value.descriptor), value.type, [shape(element) for element in value]
    if isinstance(value, list):
        return list, [shape(item) for item in value]
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in value.items()]
    return type(value), repr(value)


@given(values, st.binary(max_size=3))
def test_a_value_comes_back_with_its_class(value: Any, around: bytes) -> None:
    encoded = encode(value)
    found, end = decode_value(around + encoded + around, len(around))
    assert end == len(around) + len(encoded)
    assert shape(found) == shape(value)


@given(values, st.data())
def test_a_part_of_a_value_is_an_error(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    size = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(DECODE_ERRORS):
        decode_value(encoded[:size])


@given(values)
def test_encoding_again_gives_the_same_bytes(value: Any) -> None:
    encoded = encode(value)
    assert encode(decode_value(encoded)[0]) == encoded


constructors = st.sampled_from(
    bytes.fromhex("00404142434445505152535455566061707172737480818283849498a0a1a3b0b1b3c0c1d0d1e0f0")
)
noise = st.one_of(st.binary(max_size=60), st.lists(st.one_of(constructors, st.integers(0, 8)), max_size=60).map(bytes))


@settings(max_examples=400)
@given(noise)
def test_any_bytes_give_a_value_or_a_decode_error(data: bytes) -> None:
    limits = DecodeLimits(depth=8, elements=4096)
    for decode in (lambda: decode_value(data, 0, limits), lambda: decode_fields(data, 0, len(data), limits)):
        try:
            _, end = decode()
        except DECODE_ERRORS:
            continue
        assert 0 < end <= len(data)
