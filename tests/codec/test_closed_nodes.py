"""`Data` keeps what was put or decoded as a whole as bytes: programs cannot tell it from a tree of nodes.

Each test does the same with a tree whose every value is a node, and compares what a program can see.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import uuid
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proton.codec import data as data_module
from proton.codec.data import Data
from proton.codec.encode import encode
from proton.codec.types import (
    UNDESCRIBED,
    Array,
    Described,
    SymbolList,
    float32,
    int32,
    symbol,
    timestamp,
    ubyte,
    ulong,
)
from proton.exceptions import DataException

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-200, 1000),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(
        [ulong(0), ulong(300), int32(-1), ubyte(7), symbol("s"), timestamp(5), float32(1.5), uuid.UUID(int=1)]
    ),
    st.sampled_from([2**63, "\ud800", object(), 1j, math.nan]),  # some of which have no bytes
)
KEYS = st.one_of(st.text(max_size=3), st.integers(-3, 300), st.booleans(), st.sampled_from([symbol("k"), (1,), 1.0]))


def holders(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.integers(-200, 2**63), max_size=4),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Described, inner, inner),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(st.sampled_from(["a", "b"]), max_size=2).map(SymbolList),
        st.builds(lambda items: Array(UNDESCRIBED, Data.LONG, *items), st.lists(st.integers(0, 5), max_size=3)),
        st.builds(lambda value, items: Array(value, Data.LIST, *items), inner, st.lists(st.just([1]), max_size=2)),
    )


VALUES = holders(st.recursive(SCALARS, holders, max_leaves=10))


def as_nodes():
    """All values are nodes from the beginning."""
    patched = contextlib.ExitStack()
    for name in ("encode_closed", "decode_closed"):
        patched.enter_context(mock.patch.object(data_module, name, lambda value: None))
    return patched


def outcome(call):
    try:
        return repr(call())
    except Exception as error:
        return type(error), str(error)


def shown(data):
    """What `dump` writes: each node with its neighbours, and the cursor."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        data.dump()
    return out.getvalue()


def looks(data, first):
    """All that a program can see of a tree, by one of its doors first, since that may change what is kept."""
    doors = {
        "encode": data.encode,
        "size": data.encoded_size,
        "object": lambda: data.rewind() or data.next() and data.get_object(),
        "again": lambda: data.rewind() or data.next() and data.get_object(),
        "dict": lambda: data.rewind() or data.next() and data.get_dict(),
        "sequence": lambda: data.rewind() or data.next() and data.get_sequence(),
        "described": lambda: data.rewind() or data.next() and data.get_py_described(),
        "counts": lambda: data.rewind() or (data.next(), data.get_list(), data.get_map(), data.get_array()),
        "format": data.format,
        "copy": lambda: copied(data).encode(),
        "dump": lambda: shown(data),
    }
    return [outcome(doors[first])] + [outcome(door) for door in doors.values()]


def copied(data):
    twin = Data()
    twin.copy(data)
    return twin


DOORS = st.sampled_from(["encode", "object", "dict", "sequence", "described", "counts", "format", "copy", "dump"])


def put(value):
    data = Data()
    return outcome(lambda: data.put_object(value)), data


@given(VALUES, DOORS)
@example({(1,): None}, "dict")  # a key that Python cannot hash once it is a list
def test_a_value_that_is_put_is_as_its_nodes(value, first):
    with as_nodes():
        expected, tree = put(value)
        seen = looks(tree, first)
    got, data = put(value)
    assert got == expected
    assert looks(data, first) == seen


def decoded(encoded):
    data = Data()
    return outcome(lambda: data.decode(encoded)), data


@st.composite
def nearly_values(draw):
    """Bytes of a value, some of which are others."""
    value = draw(VALUES.filter(lambda value: isinstance(outcome(lambda: encode(value)), str)))
    encoded = bytearray(encode(value))
    for _ in range(draw(st.integers(0, 2))):
        encoded[draw(st.integers(0, len(encoded) - 1))] = draw(st.integers(0, 255))
    return bytes(encoded) + draw(st.binary(max_size=2))


@given(nearly_values(), DOORS)
# Two keys that are one for Python: the value of the first, an array, is not in the dict.
@example(bytes.fromhex("c1 18 04 82 3ff0000000000000 e0 02 01 40 81 0000000000000001 40"), "encode")
def test_bytes_that_are_decoded_are_as_their_nodes(encoded, first):
    with as_nodes():
        expected, tree = decoded(encoded)
        seen = looks(tree, first)
    got, data = decoded(encoded)
    assert got == expected
    assert looks(data, first) == seen


STEPS = st.lists(
    st.sampled_from(
        ["next", "prev", "enter", "exit", "rewind", "narrow", "widen", "null", "list", "whole", "decode", "look"]
    ),
    max_size=20,
)


def walk(data, steps):
    """What each step of a program gives: moves of the cursor, and values put over what is there."""
    calls = {
        "null": data.put_null,
        "list": data.put_list,
        "whole": lambda: data.put_object([1, {"a": [2]}]),
        "decode": lambda: data.decode(b"\xc0\x06\x02\xc0\x03\x01\x55\x01"[:-1] + b"\x01"),
        "look": lambda: (data.type(), data.get_object(), data.get_list()),
    }
    return [outcome(calls.get(step) or getattr(data, step)) for step in steps] + [shown(data), outcome(data.encode)]


@given(VALUES, STEPS)
def test_a_cursor_walks_and_writes_as_among_nodes(value, steps):
    with as_nodes():
        _, tree = put(value)
        tree.rewind()
        expected = walk(tree, steps)
    _, data = put(value)
    data.rewind()
    assert walk(data, steps) == expected


def test_what_a_program_gets_is_its_own():
    data = Data()
    data.decode(encode([[1], {"a": 2}]))
    for _ in range(3):
        got = data.get_object()
        assert got == [[1], {"a": 2}]
        got[0].append(5)
        got[1].clear()


def test_what_a_program_has_put_is_as_it_was_then():
    data, value = Data(), [[1], {"a": 2}]
    data.put_object(value)
    value[0].append(5)
    assert data.get_object() == [[1], {"a": 2}]


def test_values_nested_beyond_what_a_peer_may_send_are_put_and_read():
    value = []
    for _ in range(150):
        value = [value]
    data = Data()
    data.put_object(value)
    assert data.get_object() == value
    depth = 0
    while data.enter() and data.next() is not None:
        depth += 1
    assert depth == 150


def test_a_value_that_contains_itself_is_refused_as_before():
    value = []
    value.append(value)
    with pytest.raises(DataException, match="contains itself"):
        Data().put_object(value)


def test_entering_a_large_value_costs_what_is_entered():
    # A million nodes would take seconds: those below the first level are not made.
    data = Data()
    data.decode(encode([list(range(100_000))] * 10))
    start = time.process_time()
    data.enter()
    kinds = []
    while data.next() is not None:
        kinds.append(data.type())
    assert kinds == [Data.LIST] * 10
    assert time.process_time() - start < 0.2
