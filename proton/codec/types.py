"""The Python classes of AMQP values that Python's own types cannot tell apart (1.6), and the type numbers.

No bytes here: `decode`, `encode` and `data` share these classes and the `TYPE_*` numbers. The wrappers compare,
hash and compute as their base types do; only construction, `repr` and `str` are theirs, so code written for plain
values keeps working. The numbers name `__str__` themselves: PyPy's `int` has one of its own, CPython's has not.
Decoders build them with `int.__new__` and `str.__new__`, which skip the checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, ClassVar, SupportsIndex, Union
from uuid import UUID, SafeUUID

__all__ = [
    "AMQPValue",
    "AnnotationDict",
    "Array",
    "Constant",
    "Described",
    "PropertyDict",
    "RestrictedKeyDict",
    "SYMBOLS",
    "SymbolList",
    "UNDESCRIBED",
    "byte",
    "char",
    "decimal128",
    "decimal32",
    "decimal64",
    "float32",
    "int32",
    "make_uuid",
    "new_symbol",
    "short",
    "symbol",
    "timestamp",
    "ubyte",
    "uint",
    "ulong",
    "ushort",
    "uuid_maker",
]

#: A value that has an AMQP type (1.6): None, bool, int, float, str, bytes, `uuid.UUID`, lists, dicts, and the classes
#: below. The one place where the package says "any": what a peer sends is what it is.
AMQPValue = Any

_Entries = Union["Mapping[AMQPValue, AMQPValue]", "Iterable[tuple[AMQPValue, AMQPValue]]"]

# The numbers of `Data.NULL`, `Data.BOOL`, ...: public through `Data`, and the `type` of an `Array`.
TYPE_NULL = 1
TYPE_BOOL = 2
TYPE_UBYTE = 3
TYPE_BYTE = 4
TYPE_USHORT = 5
TYPE_SHORT = 6
TYPE_UINT = 7
TYPE_INT = 8
TYPE_CHAR = 9
TYPE_ULONG = 10
TYPE_LONG = 11
TYPE_TIMESTAMP = 12
TYPE_FLOAT = 13
TYPE_DOUBLE = 14
TYPE_DECIMAL32 = 15
TYPE_DECIMAL64 = 16
TYPE_DECIMAL128 = 17
TYPE_UUID = 18
TYPE_BINARY = 19
TYPE_STRING = 20
TYPE_SYMBOL = 21
TYPE_DESCRIBED = 22
TYPE_ARRAY = 23
TYPE_LIST = 24
TYPE_MAP = 25

#: Type number to the name that the specification gives the type.
TYPE_NAMES: dict[int, str] = {
    TYPE_NULL: "null",
    TYPE_BOOL: "bool",
    TYPE_UBYTE: "ubyte",
    TYPE_BYTE: "byte",
    TYPE_USHORT: "ushort",
    TYPE_SHORT: "short",
    TYPE_UINT: "uint",
    TYPE_INT: "int",
    TYPE_CHAR: "char",
    TYPE_ULONG: "ulong",
    TYPE_LONG: "long",
    TYPE_TIMESTAMP: "timestamp",
    TYPE_FLOAT: "float",
    TYPE_DOUBLE: "double",
    TYPE_DECIMAL32: "decimal32",
    TYPE_DECIMAL64: "decimal64",
    TYPE_DECIMAL128: "decimal128",
    TYPE_UUID: "uuid",
    TYPE_BINARY: "binary",
    TYPE_STRING: "string",
    TYPE_SYMBOL: "symbol",
    TYPE_DESCRIBED: "described",
    TYPE_ARRAY: "array",
    TYPE_LIST: "list",
    TYPE_MAP: "map",
}


class Constant:
    """A named value that is only ever compared by identity.

    Copies and pickles of one are the same object, since it is stored under its name in this module.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


# Not a plain `object()`: copies and pickles of an `Array` must find the same object.
#: The descriptor of an `Array` that has none. `None` there means "described by null".
UNDESCRIBED = Constant("UNDESCRIBED")


class _OutOfRange(AssertionError, ValueError):
    """An unsigned wrapper was given a number outside its range: programs catch either class."""


class _Unsigned(int):
    """Checks both ends of the range at construction."""

    __slots__ = ()
    _LIMIT = 0

    # The reference has the unsigned classes check at once; the signed ones leave it to the encoder.
    def __new__(cls, value: int) -> _Unsigned:
        if value < 0:
            raise _OutOfRange(f"initializing {cls.__name__} with negative value")
        if value > cls._LIMIT:
            raise _OutOfRange(f"initializing {cls.__name__} with value above {cls._LIMIT}")
        return int.__new__(cls, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    __str__ = __repr__


class ubyte(_Unsigned):
    """An AMQP ubyte: an integer from 0 to 2**8 - 1 (1.6.3).

    :param value: the number; `AssertionError` (also a `ValueError`) outside the range.
    """

    __slots__ = ()
    _LIMIT = 0xFF


class ushort(_Unsigned):
    """An AMQP ushort: an integer from 0 to 2**16 - 1 (1.6.4).

    :param value: the number; `AssertionError` (also a `ValueError`) outside the range.
    """

    __slots__ = ()
    _LIMIT = 0xFFFF


class uint(_Unsigned):
    """An AMQP uint: an integer from 0 to 2**32 - 1 (1.6.5).

    :param value: the number; `AssertionError` (also a `ValueError`) outside the range.
    """

    __slots__ = ()
    _LIMIT = 0xFFFFFFFF


class ulong(_Unsigned):
    """An AMQP ulong: an integer from 0 to 2**64 - 1 (1.6.6).

    :param value: the number; `AssertionError` (also a `ValueError`) outside the range.
    """

    __slots__ = ()
    _LIMIT = 0xFFFFFFFFFFFFFFFF


class byte(int):
    """An AMQP byte: an integer from -2**7 to 2**7 - 1, checked when it is encoded (1.6.7)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"byte({int(self)})"

    __str__ = __repr__


class short(int):
    """An AMQP short: an integer from -2**15 to 2**15 - 1, checked when it is encoded (1.6.8)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"short({int(self)})"

    __str__ = __repr__


class int32(int):
    """An AMQP int: an integer from -2**31 to 2**31 - 1, checked when it is encoded (1.6.9)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"int32({int(self)})"

    __str__ = __repr__


class timestamp(int):
    """An AMQP timestamp: signed milliseconds since 1970-01-01 UTC (1.6.17)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"timestamp({int(self)})"

    __str__ = __repr__


class decimal32(int):
    """An AMQP decimal32: the 32 bits of an IEEE 754-2008 decimal, as an unsigned integer (1.6.13)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"decimal32({int(self)})"

    __str__ = __repr__


class decimal64(int):
    """An AMQP decimal64: the 64 bits of an IEEE 754-2008 decimal, as an unsigned integer (1.6.14)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"decimal64({int(self)})"

    __str__ = __repr__


class decimal128(bytes):
    """An AMQP decimal128: the 16 bytes of an IEEE 754-2008 decimal (1.6.15)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"decimal128({bytes(self)!r})"


class float32(float):
    """An AMQP float: rounded to binary32 when it is encoded (1.6.11)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"float32({float.__repr__(self)})"

    __str__ = __repr__


class _Text(str):
    """Takes the characters of any `str`: `str()` of a member of an enumeration would be the member's name."""

    __slots__ = ()

    def __new__(cls, value: object = "", *args: str) -> _Text:
        if isinstance(value, str) and not args:
            value = str.__str__(value)
        return str.__new__(cls, value, *args)


class char(_Text):
    """An AMQP char: one Unicode character, checked when it is encoded (1.6.16)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"char({str.__repr__(self)})"


class symbol(_Text):
    """An AMQP symbol: ASCII text from a constrained domain, checked when it is encoded (1.6.21)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"symbol({str.__repr__(self)})"


#: Short symbols by their bytes: the same keys and content types come with every message, 0.1 against 0.35 us for each.
SYMBOLS: dict[bytes, symbol] = {}
_MAX_SYMBOLS = 512  # what peers make up must not be kept without end


def new_symbol(raw: bytes) -> symbol:
    """A symbol that is not among `SYMBOLS`, where it is kept; `UnicodeDecodeError` unless it is ASCII (1.6.21)."""
    made = str.__new__(symbol, raw, "ascii")
    if len(SYMBOLS) >= _MAX_SYMBOLS:
        SYMBOLS.clear()
    SYMBOLS[raw] = made
    return made


class Described:
    """A value with a descriptor that gives it a meaning (1.2).

    :param descriptor: any AMQP value; by custom a `symbol` or a `ulong`.
    :param value: the value that is described.
    """

    def __init__(self, descriptor: AMQPValue, value: AMQPValue) -> None:
        self.descriptor = descriptor
        self.value = value

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Described):
            return bool(self.descriptor == other.descriptor and self.value == other.value)
        return False

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


class Array:
    """A sequence of values that share one AMQP type (1.6.24). Iterable over its elements.

    :param descriptor: what describes every element; `UNDESCRIBED` for none.
    :param type: the type number of the elements, such as `Data.INT`.
    :param elements: the elements.
    """

    def __init__(self, descriptor: AMQPValue, type: int, *elements: AMQPValue) -> None:
        self.descriptor = descriptor
        self.type = type
        self.elements = elements

    def __iter__(self) -> Iterator[AMQPValue]:
        return iter(self.elements)

    def __repr__(self) -> str:
        parts = (repr(self.descriptor), repr(self.type), *map(repr, self.elements))
        return f"Array({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Array):
            return bool(
                self.descriptor == other.descriptor and self.type == other.type and self.elements == other.elements
            )
        return False

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


def uuid_maker(kind: type[UUID]) -> Callable[[bytes], UUID]:
    """What makes a UUID of that class of its 16 bytes."""
    # By the slots of the class: 0.24 against 0.82 us for its constructor, which looks at six ways to give the number
    # (`benchmarks/run.py --only codec`, decoding the full message: 11.5 against 12.1 us).
    try:
        set_number, set_safety = vars(kind)["int"].__set__, vars(kind)["is_safe"].__set__
        unknown, new, from_bytes = SafeUUID.unknown, object.__new__, int.from_bytes

        def make(raw: bytes) -> UUID:
            made = new(kind)
            set_number(made, from_bytes(raw, "big"))
            set_safety(made, unknown)
            return made

        if make(bytes(range(16))) == kind(bytes=bytes(range(16))):
            return make
    except (AttributeError, KeyError, TypeError):
        pass  # a class that keeps its number otherwise
    return lambda raw: kind(bytes=raw)


#: makes a UUID of its 16 bytes
make_uuid = uuid_maker(UUID)


# Functions instead of methods: `validation_fn` is a parameter, and an attribute of each instance.
def _any_key(key: AMQPValue, raise_on_error: bool) -> AMQPValue:
    return key


def _property_key(key: AMQPValue, raise_on_error: bool) -> AMQPValue:
    if type(key) is symbol:
        return key
    if type(key) is str:
        return str.__new__(symbol, key)  # messages with annotations come here: no call of a class of ours
    if isinstance(key, str):
        return symbol(key)
    # `KeyError` by the reference, although it is the type of the key that is wrong.
    if raise_on_error:
        raise KeyError(f"invalid non-symbol key: {type(key)}: {key}")
    return key


def _annotation_key(key: AMQPValue, raise_on_error: bool) -> AMQPValue:
    if type(key) is ulong:
        return key
    return _property_key(key, raise_on_error)


class RestrictedKeyDict(dict[AMQPValue, AMQPValue]):
    """A dictionary that passes every key through a function first.

    The constructor, item assignment and `update` check; `setdefault`, `copy` and `|` are those of `dict`.

    :param validation_fn: called with the key and `raise_on_error`, returns the key to store or raises.
    :param e: initial content: a mapping, or an iterable of pairs.
    :param raise_on_error: false to store keys of another kind unchanged.
    """

    # The class has defaults because unpickling sets items before it sets attributes.
    raise_on_error: bool = False

    validation_fn: Callable[[AMQPValue, bool], AMQPValue] = staticmethod(_any_key)

    def __init__(
        self,
        validation_fn: Callable[[AMQPValue, bool], AMQPValue],
        e: _Entries | None = None,
        raise_on_error: bool = True,
        **kwargs: AMQPValue,
    ) -> None:
        super().__init__()
        self.validation_fn = validation_fn
        self.raise_on_error = raise_on_error
        self.update(e, **kwargs)

    def __setitem__(self, key: AMQPValue, value: AMQPValue) -> None:
        super().__setitem__(self.validation_fn(key, self.raise_on_error), value)

    def update(self, e: _Entries | None = None, **kwargs: AMQPValue) -> None:  # type: ignore[override]
        """As `dict.update`, with every key checked.

        :param e: a mapping or an iterable of pairs; anything false is ignored. `TypeError` otherwise.
        """
        if e:
            given: Any = e
            # By `keys`, as `dict.update` tells a mapping from pairs; `e` may be any mapping.
            items = ((key, given[key]) for key in given.keys()) if hasattr(given, "keys") else given  # noqa: SIM118
            for key, value in items:
                self[key] = value
        for key, value in kwargs.items():
            self[key] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class PropertyDict(RestrictedKeyDict):
    """A dictionary with `symbol` keys; a `str` key becomes a `symbol`.

    :param e: initial content: a mapping, or an iterable of pairs.
    :param raise_on_error: `KeyError` on a key that is not a string; false stores it unchanged.
    """

    validation_fn: Callable[[AMQPValue, bool], AMQPValue] = staticmethod(_property_key)

    def __init__(self, e: _Entries | None = None, raise_on_error: bool = True, **kwargs: AMQPValue) -> None:
        super().__init__(_property_key, e, raise_on_error, **kwargs)


class AnnotationDict(RestrictedKeyDict):
    """A dictionary with `symbol` and `ulong` keys, as annotations have (3.2.10); a `str` key becomes a `symbol`.

    :param e: initial content: a mapping, or an iterable of pairs.
    :param raise_on_error: `KeyError` on a key that is neither; false stores it unchanged.
    """

    validation_fn: Callable[[AMQPValue, bool], AMQPValue] = staticmethod(_annotation_key)

    def __init__(self, e: _Entries | None = None, raise_on_error: bool = True, **kwargs: AMQPValue) -> None:
        super().__init__(_annotation_key, e, raise_on_error, **kwargs)

    @classmethod
    def from_wire(cls, decoded: dict[AMQPValue, AMQPValue]) -> AnnotationDict:
        """A lenient `AnnotationDict` of a freshly decoded map: one C-level copy when no key is a plain `str`.

        :param decoded: a dict whose keys were decoded, and are of the right types already.
        """
        # Lenient: a peer's wrong key must not make the whole message unreadable.
        # Without the constructor, whose attributes the class has as its defaults: 0.4 against 1.4 us for one pair.
        result = cls.__new__(cls)
        if str in map(type, decoded):
            result.update(decoded)
        else:
            dict.update(result, decoded)
        return result


class SymbolList(list[symbol]):
    """A list of `symbol`; a `str` element becomes a `symbol`.

    :param t: one string, or an iterable of them; `None` for an empty list.
    :param raise_on_error: `TypeError` on an element that is not a string; false stores it unchanged.
    """

    raise_on_error: bool = False

    def __init__(self, t: str | Iterable[str] | None = None, raise_on_error: bool = True) -> None:
        super().__init__()
        self.raise_on_error = raise_on_error
        if isinstance(t, str):
            self.append(t)
        elif t is not None:
            self.extend(t)

    def _element(self, value: str) -> symbol:
        if type(value) is symbol:
            return value
        if isinstance(value, str):
            return symbol(value)
        if self.raise_on_error:
            raise TypeError(f"Non-symbol type {type(value)}: {value}")
        return value

    def to_array(self) -> Array:
        """An `Array` of these symbols, the wire form of a field with multiple values (1.4)."""
        return Array(UNDESCRIBED, TYPE_SYMBOL, *self)

    def append(self, v: str) -> None:
        """Adds one element, checked.

        :param v: a str, converted to `symbol`.
        """
        super().append(self._element(v))

    def extend(self, t: Iterable[str]) -> None:
        """Adds every element of an iterable, each checked before the first is added.

        :param t: an iterable of str, each converted to `symbol`.
        """
        super().extend([self._element(v) for v in t])

    def insert(self, i: SupportsIndex, v: str) -> None:
        """Inserts one element before index `i`, checked.

        :param i: the position.
        :param v: a str, converted to `symbol`.
        """
        super().insert(i, self._element(v))

    def __add__(self, t: Iterable[str]) -> SymbolList:  # type: ignore[override]
        result = SymbolList(self, raise_on_error=False)
        result.raise_on_error = self.raise_on_error
        result.extend(t)
        return result

    def __iadd__(self, t: Iterable[str]) -> SymbolList:  # type: ignore[override]
        self.extend(t)
        return self

    def __setitem__(self, i: Any, v: Any) -> None:
        super().__setitem__(i, self._element(v))

    def __eq__(self, other: object) -> bool:
        try:
            return super().__eq__(SymbolList(other, raise_on_error=False))  # type: ignore[arg-type]
        except TypeError:
            return False

    __hash__: ClassVar[None] = None

    def __repr__(self) -> str:
        return f"SymbolList({super().__repr__()})"
