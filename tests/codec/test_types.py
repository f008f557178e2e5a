"""The wrapper classes, described values, arrays, restricted dictionaries and symbol lists as programs see them.

The rules: 1.1.2, 1.4, 3.2.10.
"""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any
from uuid import UUID

import pytest

from proton.codec.decode import decode_value
from proton.codec.types import (
    SYMBOLS,
    TYPE_INT,
    TYPE_NAMES,
    TYPE_SYMBOL,
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Described,
    PropertyDict,
    RestrictedKeyDict,
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
    uuid_maker,
)

UNSIGNED = [(ubyte, 8), (ushort, 16), (uint, 32), (ulong, 64)]
WRAPPED = [
    (ubyte(1), 1, "ubyte(1)"),
    (ushort(1), 1, "ushort(1)"),
    (uint(1), 1, "uint(1)"),
    (ulong(1), 1, "ulong(1)"),
    (byte(-1), -1, "byte(-1)"),
    (short(-1), -1, "short(-1)"),
    (int32(-1), -1, "int32(-1)"),
    (timestamp(1), 1, "timestamp(1)"),
    (decimal32(1), 1, "decimal32(1)"),
    (decimal64(1), 1, "decimal64(1)"),
    (decimal128(b"x"), b"x", "decimal128(b'x')"),
    (float32(1), 1.0, "float32(1.0)"),
    (char("a"), "a", "char('a')"),
    (symbol("a"), "a", "symbol('a')"),
]
wrapped = pytest.mark.parametrize(("value", "base", "text"), WRAPPED, ids=[text for *_, text in WRAPPED])


@wrapped
def test_wrappers_compare_and_hash_as_their_base(value: Any, base: Any, text: str) -> None:
    assert value == base
    assert hash(value) == hash(base)
    assert {value: "found"}[base] == "found"


@wrapped
def test_repr_names_the_class(value: Any, base: Any, text: str) -> None:
    assert repr(value) == text


@wrapped
def test_str_is_the_repr_except_for_text_and_bytes(value: Any, base: Any, text: str) -> None:
    assert str(value) == {str: "a", bytes: "b'x'"}.get(type(base), text)


@wrapped
def test_copies_keep_the_class(value: Any, base: Any, text: str) -> None:
    for clone in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(clone) is type(value)
        assert clone == value


def test_arithmetic_gives_the_base_type() -> None:
    assert type(ulong(1) + 1) is int
    assert type(symbol("a") + "b") is str
    assert type(float32(1) * 2) is float


@pytest.mark.parametrize(("cls", "bits"), UNSIGNED)
def test_unsigned_accepts_its_whole_range(cls: Any, bits: int) -> None:
    assert [cls(0), cls(2**bits - 1)] == [0, 2**bits - 1]


@pytest.mark.parametrize("caught", [AssertionError, ValueError])
@pytest.mark.parametrize(("cls", "bits"), UNSIGNED)
def test_unsigned_refuses_both_ends(cls: Any, bits: int, caught: type[Exception]) -> None:
    with pytest.raises(caught, match=f"initializing {cls.__name__} with negative value"):
        cls(-1)
    with pytest.raises(caught, match=f"initializing {cls.__name__} with value above {2**bits - 1}"):
        cls(2**bits)


@pytest.mark.parametrize(("cls", "bits"), UNSIGNED)
def test_unsigned_takes_exactly_one_number(cls: Any, bits: int) -> None:
    with pytest.raises(TypeError):
        cls()
    with pytest.raises(TypeError):
        cls("1")


def test_the_other_wrappers_check_nothing() -> None:
    assert [byte(-200), timestamp(1.7), decimal32(-1)] == [-200, 1, -1]
    assert [char("ab"), symbol("é"), symbol()] == ["ab", "é", ""]


def test_type_names_are_numbered_without_gap() -> None:
    assert sorted(TYPE_NAMES) == list(range(1, 26))
    assert TYPE_NAMES[TYPE_SYMBOL] == "symbol"


# -- Described, Array ---------------------------------------------------------------------------------------------


def test_described_equality_is_by_parts_and_only_among_described() -> None:
    assert Described("a", 1) == Described("a", 1)
    assert Described("a", 1) != Described("a", 2)
    assert Described("a", 1) != Described("b", 1)
    assert Described("a", 1) != ("a", 1)
    assert repr(Described("a", 1)) == "Described('a', 1)"


def test_array_equality_is_by_parts_and_only_among_arrays() -> None:
    array = Array(UNDESCRIBED, TYPE_INT, int32(1), int32(2))
    assert array == Array(UNDESCRIBED, TYPE_INT, 1, 2)
    assert array != Array(None, TYPE_INT, 1, 2)
    assert array != Array(UNDESCRIBED, TYPE_SYMBOL, 1, 2)
    assert array != Array(UNDESCRIBED, TYPE_INT, 1)
    assert array != [1, 2]
    assert list(array) == [1, 2]
    assert array.elements == (1, 2)


def test_array_repr() -> None:
    assert repr(Array(UNDESCRIBED, 8, int32(1), int32(2))) == "Array(UNDESCRIBED, 8, int32(1), int32(2))"
    assert repr(Array(UNDESCRIBED, 8)) == "Array(UNDESCRIBED, 8)"


@pytest.mark.parametrize("value", [Described(1, 2), Array(UNDESCRIBED, 8), SymbolList()], ids=repr)
def test_mutable_values_are_unhashable(value: Any) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


# -- dictionaries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [PropertyDict, AnnotationDict])
def test_string_keys_become_symbols(cls: Any) -> None:
    forms = [
        cls(one=1, two=2),
        cls({"one": 1, symbol("two"): 2}),
        cls(zip(["one", symbol("two")], [1, 2])),
        cls([("one", 1)], two=2),
        cls(cls(one=1, two=2)),
    ]
    for form in forms:
        assert form == {"one": 1, "two": 2}
        assert {type(key) for key in form} == {symbol}


def test_assignment_and_update_check_keys() -> None:
    properties = PropertyDict(a=1)
    properties[char("b")] = 2
    properties.update({"c": 3}, d=4)
    assert {type(key) for key in properties} == {symbol}
    with pytest.raises(KeyError, match="invalid non-symbol key: <class 'int'>: 5"):
        properties[5] = 1
    with pytest.raises(KeyError):
        properties.update({ulong(5): 1})
    assert properties == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_annotation_keys_may_be_ulong() -> None:
    annotations = AnnotationDict({ulong(5): 1})
    assert type(next(iter(annotations))) is ulong
    with pytest.raises(KeyError, match="uint"):
        annotations[uint(5)] = 1


@pytest.mark.parametrize("cls", [PropertyDict, AnnotationDict])
def test_other_keys_are_kept_when_errors_are_off(cls: Any) -> None:
    lenient = cls({5: 1, "a": 2}, raise_on_error=False)
    lenient[6] = 3
    assert repr(lenient) == f"{cls.__name__}({{5: 1, symbol('a'): 2, 6: 3}})"


def test_inherited_methods_do_not_check() -> None:
    properties = PropertyDict(a=1)
    properties.setdefault("q", 1)
    assert [type(key) for key in properties] == [symbol, str]
    assert type(properties.copy()) is dict


@pytest.mark.parametrize("empty", [None, {}, [], 0, ""])
def test_update_ignores_what_is_false(empty: Any) -> None:
    assert PropertyDict(empty) == {}


def test_update_refuses_what_is_not_iterable() -> None:
    with pytest.raises(TypeError):
        PropertyDict(5)


def test_restricted_dict_uses_the_function_it_was_given() -> None:
    upper = RestrictedKeyDict(lambda key, raise_on_error: key.upper(), {"a": 1}, b=2)
    assert upper == {"A": 1, "B": 2}


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "value", [PropertyDict(a=1), AnnotationDict({7: 1}, raise_on_error=False), SymbolList(["a"])], ids=repr
)
def test_copies_check_as_the_original_does(value: Any, clone: Any) -> None:
    copied = clone(value)
    assert type(copied) is type(value)
    assert copied == value
    assert copied.raise_on_error is value.raise_on_error


def test_annotations_from_the_wire_are_lenient_and_have_symbols() -> None:
    for decoded in ({symbol("a"): 1, 5: 2}, {"a": 1, 5: 2}):
        annotations = AnnotationDict.from_wire(decoded)
        assert annotations == {"a": 1, 5: 2}
        assert type(next(iter(annotations))) is symbol


# -- symbols that peers send ----------------------------------------------------------------------------------------


def symbol_of(number: int) -> bytes:
    raw = b"%d" % number
    return b"\xa3" + bytes((len(raw),)) + raw


def test_symbols_that_a_peer_makes_up_are_not_kept_without_end() -> None:
    for number in range(5000):
        assert decode_value(symbol_of(number))[0] == symbol(str(number))
    assert len(SYMBOLS) <= 512


@pytest.mark.parametrize("encoded", ["a3 02 6f6b", "c1 06 02 a3026f6b 40", "b3 00000002 6f6b"])
def test_a_symbol_is_the_same_value_when_it_comes_again(encoded: str) -> None:
    first, again = (decode_value(bytes.fromhex(encoded))[0] for _ in range(2))
    assert first == again
    for value in (first, again):
        found = next(iter(value)) if isinstance(value, dict) else value
        assert type(found) is symbol and found == "ok"


@pytest.mark.parametrize("encoded", ["a3 01 ff", "c1 05 02 a301ff 40", "b3 00000001 ff", "c0 05 01 a302 41ff"])
def test_a_symbol_beyond_ascii_is_refused_each_time(encoded: str) -> None:
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            decode_value(bytes.fromhex(encoded))


# -- UUIDs --------------------------------------------------------------------------------------------------------


class WithoutSlots(UUID):
    """A class that keeps its number otherwise than `uuid.UUID` does."""


@pytest.mark.parametrize("number", [0, 1, 1 << 127, (1 << 128) - 1, 0x00112233445566778899AABBCCDDEEFF])
@pytest.mark.parametrize("kind", [UUID, WithoutSlots])
def test_a_uuid_of_its_bytes_is_as_its_constructor_makes_it(kind: type[UUID], number: int) -> None:
    expected = kind(int=number)
    made = uuid_maker(kind)(expected.bytes)
    assert type(made) is kind and made == expected and hash(made) == hash(expected) and repr(made) == repr(expected)
    assert (made.bytes, made.fields, made.version, made.is_safe) == (
        expected.bytes,
        expected.fields,
        expected.version,
        expected.is_safe,
    )
    assert pickle.dumps(made) == pickle.dumps(expected)
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == copy.deepcopy(made) == expected
    assert weakref.ref(made)() is made
    with pytest.raises(TypeError, match="immutable"):
        made.int = 0  # type: ignore[misc]


# -- SymbolList ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ("one", ["one"]),
        (symbol("one"), ["one"]),
        (["one", symbol("two")], ["one", "two"]),
        (("one",), ["one"]),
        ((name for name in "ab"), ["a", "b"]),
        (Array(UNDESCRIBED, TYPE_SYMBOL, symbol("a")), ["a"]),
    ],
)
def test_symbol_list_of(given: Any, expected: list[str]) -> None:
    symbols = SymbolList(given)
    assert list(symbols) == expected
    assert all(type(element) is symbol for element in symbols)


def test_symbol_list_checks_every_way_in() -> None:
    symbols = SymbolList(["a"])
    symbols.append("b")
    symbols.extend(["c"])
    symbols.insert(0, "z")
    symbols += ["d"]
    symbols[1] = "y"
    assert repr(symbols) == "SymbolList([symbol('z'), symbol('y'), symbol('b'), symbol('c'), symbol('d')])"
    for misuse in (
        lambda: symbols.append(5),
        lambda: symbols.extend(["e", 5]),
        lambda: symbols.insert(0, 5),
        lambda: symbols + [5],
        lambda: symbols.__setitem__(0, 5),
        lambda: SymbolList([5]),
    ):
        with pytest.raises(TypeError, match="Non-symbol type <class 'int'>: 5"):
            misuse()
    assert len(symbols) == 5


def test_symbol_list_keeps_other_elements_when_errors_are_off() -> None:
    symbols = SymbolList(["a", 5], raise_on_error=False) + [6]
    assert list(symbols) == ["a", 5, 6]
    assert symbols.raise_on_error is False
    symbols[0:1] = ["k", "l"]
    assert list(symbols) == ["k", "l", 5, 6]


def test_slice_assignment_is_refused_as_an_element() -> None:
    with pytest.raises(TypeError, match="Non-symbol type <class 'list'>"):
        SymbolList(["a"])[0:1] = ["k"]


def test_symbol_list_equality() -> None:
    assert SymbolList(["a"]) == ["a"]
    assert SymbolList(["a"]) != ["b"]
    assert SymbolList([]) == None  # noqa: E711
    assert not SymbolList([]) == 5  # noqa: SIM201
    with pytest.raises(TypeError):
        SymbolList(5)


def test_sum_of_symbol_lists_checks_as_the_first() -> None:
    with pytest.raises(TypeError):
        (SymbolList("a") + ["b"]).append(5)


def test_to_array() -> None:
    assert SymbolList(["a", "b"]).to_array() == Array(UNDESCRIBED, TYPE_SYMBOL, symbol("a"), symbol("b"))
