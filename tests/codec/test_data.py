"""The cursor of `Data`: moving, writing over what is there, searching, narrowing, copying and dumping."""

from __future__ import annotations

import pytest

from proton.codec.data import Data
from proton.codec.types import UNDESCRIBED, Array, Described, symbol, ulong
from proton.exceptions import DataException


def data_of(*values: object) -> Data:
    """Data holding these values, with the cursor on the last one."""
    data = Data()
    for value in values:
        data.put_object(value)
    return data


def walk(data: Data) -> list[object]:
    """What `next` finds from here on, as values."""
    found = []
    while data.next() is not None:
        found.append(data.get_object())
    return found


# -- moving -------------------------------------------------------------------------------------------------------


def test_an_empty_tree_has_nowhere_to_go():
    data = Data()
    assert (data.type(), data.next(), data.prev(), data.enter(), data.exit()) == (None, None, None, False, False)
    assert data.get_object() is None
    assert data.encode() == b""
    assert data.format() == ""


def test_next_and_prev_give_the_type_and_stay_at_the_ends():
    data = data_of(1, "a")
    data.rewind()
    assert data.type() is None
    assert [data.next(), data.next(), data.next(), data.type()] == [Data.LONG, Data.STRING, None, Data.STRING]
    assert [data.prev(), data.prev(), data.type()] == [Data.LONG, None, Data.LONG]


def test_there_is_not_way_back_before_the_first():
    data = data_of(1)
    assert data.prev() is None
    assert data.get_long() == 1


def test_enter_and_exit_move_between_levels():
    data = data_of([1, [2]], "end")
    data.rewind()
    data.next()
    assert data.enter() is True
    assert data.type() is None
    assert [data.next(), data.next()] == [Data.LONG, Data.LIST]
    assert data.enter() is True
    assert data.enter() is False, "there is no current node to enter"
    assert walk(data) == [2]
    assert data.exit() is True
    assert data.get_object() == [2]
    assert data.exit() is True
    assert data.exit() is False
    assert data.get_object() == [1, [2]]
    assert data.next() == Data.STRING


def test_a_scalar_can_be_entered_but_holds_nothing():
    data = data_of(1)
    assert data.enter() is True
    assert data.next() is None
    with pytest.raises(DataException, match="a value of type long cannot hold other values"):
        data.put_int(2)
    assert data.exit() is True
    assert data.encode().hex() == "5501"


def test_reading_does_not_move():
    data = data_of({"a": [1]}, [2], Described("d", 3), Array(UNDESCRIBED, Data.LONG, 4))
    data.rewind()
    data.next()
    assert (data.get_dict(), data.get_map(), data.type()) == ({"a": [1]}, 2, Data.MAP)
    data.next()
    assert (data.get_sequence(), data.get_list(), data.type()) == ([2], 1, Data.LIST)
    data.next()
    assert (data.get_py_described(), data.is_described(), data.type()) == (Described("d", 3), True, Data.DESCRIBED)
    data.next()
    assert (data.get_py_array(), data.type()) == (Array(UNDESCRIBED, Data.LONG, 4), Data.ARRAY)
    assert data.next() is None


def test_encoding_and_formatting_do_not_move():
    data = data_of([1, 2])
    data.enter()
    data.next()
    assert (data.encode().hex(), data.format()) == ("c0050255015502", "[1, 2]")
    assert data.get_long() == 1
    assert walk(data) == [2]


# -- writing ------------------------------------------------------------------------------------------------------


def test_put_appends_behind_the_current_node():
    data = Data()
    data.put_int(1)
    data.put_list()
    data.enter()
    data.put_int(2)
    data.put_int(3)
    data.exit()
    data.put_int(4)
    data.rewind()
    assert walk(data) == [1, [2, 3], 4]


def test_put_overwrites_the_next_sibling():
    data = data_of(1, 2, 3)
    data.rewind()
    data.put_string("a")
    data.put_string("b")
    assert data.format() == '"a", "b", 3'
    assert data.next() == Data.LONG


def test_an_overwritten_compound_loses_its_children():
    data = data_of([1, 2])
    data.rewind()
    data.put_list()
    assert data.get_list() == 0
    data.rewind()
    data.put_int(5)
    assert data.get_list() == 0
    assert data.format() == "5"


def test_a_put_that_fails_leaves_the_cursor_at_the_compound_and_keeps_what_was_put():
    data = data_of("before")
    with pytest.raises(DataException, match="no AMQP type"):
        data.put_object([1, [2, object()], 3])
    assert data.type() == Data.LIST
    assert data.get_object() == [1, [2]]
    data.put_int(7)
    data.rewind()
    assert walk(data) == ["before", [1, [2]], 7]


@pytest.mark.parametrize(
    "put, value", [("put_ubyte", 256), ("put_char", "ab"), ("put_string", b"x"), ("put_dict", 5), ("put_sequence", 5)]
)
def test_a_refused_value_leaves_no_node(put, value):
    data = data_of(1)
    with pytest.raises((OverflowError, TypeError, AttributeError)):
        getattr(data, put)(value)
    assert data.format() == "1"


def test_clear_removes_everything():
    data = data_of([1], 2)
    data.rewind()
    data.next()
    data.enter()
    data.narrow()
    data.clear()
    assert (data.format(), data.type(), data.exit()) == ("", None, False)
    data.put_int(1)
    data.rewind()
    assert walk(data) == [1]


# -- searching ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["b", symbol("b")])
def test_lookup_finds_string_and_symbol_keys(key):
    data = data_of({"a": 1, key: 2, "c": 3})
    data.enter()
    assert data.lookup("b") is True
    assert data.get_long() == 2
    assert data.lookup("a") is False, "only what follows is searched"


def test_lookup_takes_values_for_no_keys():
    data = data_of({"a": "b", "b": 5, 6: "c"})
    data.enter()
    assert data.lookup("b") is True
    assert data.get_long() == 5
    assert data.lookup("c") is False
    assert data.get_string() == "c", "the cursor is on the last value"


def test_lookup_of_a_key_without_value():
    data = data_of("a")
    data.rewind()
    assert data.lookup("a") is False
    assert data.get_string() == "a"


# -- narrowing ----------------------------------------------------------------------------------------------------


def test_rewind_returns_to_where_narrow_was_called():
    data = data_of([1, 2, 3], "end")
    data.rewind()
    data.next()
    data.enter()
    data.narrow()
    assert walk(data) == [1, 2, 3]
    data.rewind()
    assert walk(data) == [1, 2, 3]
    data.rewind()
    data.next()
    data.narrow()
    data.next()
    data.rewind()
    assert walk(data) == [2, 3], "the current node is part of the place"


def test_widen_leaves_the_cursor():
    data = data_of([1, 2])
    data.enter()
    data.next()
    data.narrow()
    data.next()
    data.widen()
    assert data.get_long() == 2
    data.rewind()
    assert walk(data) == [[1, 2]]


# -- whole trees --------------------------------------------------------------------------------------------------


def test_copy_takes_the_whole_tree_and_leaves_the_source_alone():
    source = data_of([1, {"a": [2]}], Array(symbol("d"), Data.INT, 3))
    source.rewind()
    source.next()
    source.enter()
    source.next()
    target = data_of("old")
    target.narrow()
    target.copy(source)
    assert target.type() is None
    assert target.format() == source.format()
    target.next()
    target.put_null()
    assert target.format() != source.format()
    assert source.get_long() == 1
    target.rewind()
    assert target.next() == Data.LIST


def test_copy_of_itself_keeps_everything():
    data = data_of(1, [2])
    data.copy(data)
    assert data.type() is None
    assert walk(data) == [1, [2]]


def test_dump_shows_nodes_and_cursor(capsys):
    data = data_of([1, "a"], {symbol("k"): None}, Described(5, 6), Array(UNDESCRIBED, Data.INT))
    data.rewind()
    data.next()
    data.enter()
    data.next()
    data.dump()
    assert capsys.readouterr().out.splitlines() == [
        "{current=2, parent=1}",
        "Node 1: prev=0, next=4, parent=0, down=2, children=2, type=PN_LIST (<list>)",
        "Node 2: prev=0, next=3, parent=1, down=0, children=0, type=PN_LONG (1)",
        'Node 3: prev=2, next=0, parent=1, down=0, children=0, type=PN_STRING ("a")',
        "Node 4: prev=1, next=7, parent=0, down=5, children=2, type=PN_MAP (<map>)",
        "Node 5: prev=0, next=6, parent=4, down=0, children=0, type=PN_SYMBOL (:k)",
        "Node 6: prev=5, next=0, parent=4, down=0, children=0, type=PN_NULL (null)",
        "Node 7: prev=4, next=10, parent=0, down=8, children=2, type=PN_DESCRIBED (<described>)",
        "Node 8: prev=0, next=9, parent=7, down=0, children=0, type=PN_LONG (5)",
        "Node 9: prev=8, next=0, parent=7, down=0, children=0, type=PN_LONG (6)",
        "Node 10: prev=7, next=0, parent=0, down=0, children=0, type=PN_ARRAY (<array>)",
    ]
    Data().dump()
    assert capsys.readouterr().out == "{current=0, parent=0}\n"


def test_data_is_equal_to_itself_only():
    data = data_of(1)
    assert data == data
    assert data != data_of(1)
    assert len({data, data_of(1)}) == 2


# -- construction and type numbers --------------------------------------------------------------------------------


def test_capacity_is_a_hint():
    assert Data(0).next() is None
    assert Data(capacity=100_000).encode() == b""
    with pytest.raises(OverflowError, match="capacity must not be negative: -1"):
        Data(-1)
    with pytest.raises(TypeError):
        Data("16")


def test_type_numbers_have_names():
    scalars = "null bool ubyte byte ushort short uint int char ulong long timestamp float double decimal32 decimal64"
    others = "decimal128 uuid binary string symbol described array list map"
    names = f"{scalars} {others}".split()
    assert Data.type_names == dict(enumerate(names, 1))
    assert [getattr(Data, name.upper()) for name in names] == list(range(1, 26))
    assert Data.type_name(Data.ULONG) == "ulong"
    with pytest.raises(KeyError):
        Data.type_name(26)


def test_the_documented_way_to_read_an_array():
    data = data_of(Array(symbol("d"), Data.STRING, "a", "b"))
    count, described, kind = data.get_array()
    assert (count, described, kind) == (2, True, Data.STRING)
    data.enter()
    data.next()
    assert data.get_symbol() == "d"
    assert walk(data) == ["a", "b"]


def test_the_documented_way_to_write_a_described_value():
    data = Data()
    data.put_described()
    data.enter()
    data.put_ulong(5)
    data.put_string("the value")
    data.exit()
    assert data.get_py_described() == Described(ulong(5), "the value")
