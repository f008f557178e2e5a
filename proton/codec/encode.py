"""Python values to AMQP bytes (1.2, 1.6): functions that append pieces to a list, found by the value's exact class.

Every value takes the smallest form that fits: `45`, `c0`, `c1`, `e0` below 256 bytes and elements, `41`/`42` for
booleans; only the integers of an array stay whole. Keep true: the size byte of a compound counts the count byte too;
encoders of one compound append its header and its content as two pieces (arrays use that); numbers out of range raise
`OverflowError`; text is strict.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from typing import Any, Callable
from uuid import UUID

from proton.codec import types as t
from proton.codec.types import UNDESCRIBED, Array, Described
from proton.exceptions import DataException

__all__ = ["ENCODE", "KNOWN_STRINGS", "KNOWN_SYMBOLS", "PreEncoded", "encode", "encode_value", "type_number"]

_Encoder = Callable[["list[bytes]", Any], None]


class PreEncoded(bytes):
    """AMQP bytes that are encoded already: they are appended as they are."""

    __slots__ = ()


class _Encoders(dict[type, _Encoder]):
    """The encoder of each class; a class that is missing takes that of its nearest base, once."""

    def __missing__(self, cls: type) -> _Encoder:
        for base in cls.__mro__[1:]:
            if base in self:
                self[cls] = self[base]
                return self[base]
        raise DataException(f"no AMQP type for a value of {cls!r}")


#: The encoder of each Python class.
ENCODE: dict[type, _Encoder] = _Encoders()


def encode_value(out: list[bytes], value: Any) -> None:
    """Appends the bytes of a value to `out`.

    :param value: of any class in the type table, or derived from one. `DataException` for another class,
        `OverflowError` for a number out of range, `UnicodeEncodeError` for text that cannot be encoded.
    """
    ENCODE[type(value)](out, value)


def encode(value: Any) -> bytes:
    """The bytes of a value; errors as in `encode_value`."""
    out: list[bytes] = []
    ENCODE[type(value)](out, value)
    return b"".join(out)


def out_of_range(name: str, low: int, high: int, value: Any) -> OverflowError:
    """The fault of a number that its AMQP type cannot hold."""
    return OverflowError(f"{name} out of range: expected {low} to {high}, got {value}")


# -- numbers ------------------------------------------------------------------------------------------------------

# The constructor is packed with the value: one call and one piece for a number.
_U32 = struct.Struct(">I").pack
_TAG_U16 = struct.Struct(">BH").pack
_TAG_U32 = struct.Struct(">BI").pack
_TAG_U64 = struct.Struct(">BQ").pack
_TAG_I16 = struct.Struct(">Bh").pack
_TAG_I32 = struct.Struct(">Bi").pack
_TAG_I64 = struct.Struct(">Bq").pack
_TAG_F32 = struct.Struct(">Bf").pack
_TAG_F64 = struct.Struct(">Bd").pack
_COMPOUND8 = struct.Struct(">BBB").pack
_COMPOUND32 = struct.Struct(">BII").pack


_OCTETS = tuple(map(bytes, zip(range(256))))


def _tagged(code: int) -> tuple[bytes, ...]:
    return tuple(map(bytes((code,)).__add__, _OCTETS))


# Ready-made bytes of every one-byte number, by value. Signed ones rely on Python's negative indexes.
_UBYTE = _tagged(0x50)
_BYTE = _tagged(0x51)
_UINT = (b"\x43", *_tagged(0x52)[1:])
_ULONG = (b"\x44", *_tagged(0x53)[1:])
_INT = _tagged(0x54)
_LONG = _tagged(0x55)
_BINARY8 = _tagged(0xA0)
_STRING8 = _tagged(0xA1)
_SYMBOL8 = _tagged(0xA3)


class _Known(dict[str, bytes]):
    """The bytes of short texts that were encoded before: a program has few addresses, subjects and keys.

    Not for what differs from message to message. Bounded, for programs that do so all the same.
    """

    # With addresses, keys and the like by this table the full message is encoded in 5.0 us instead of 5.6
    # (`benchmarks/run.py --only codec`, CPython 3.11); a text that is not in it costs 0.3 us more.
    _MOST = 512

    def __init__(self, encoding: str, short: tuple[bytes, ...], long: int) -> None:
        self._encoding, self._short, self._long = encoding, short, long

    def __missing__(self, text: str) -> bytes:
        data = text.encode(self._encoding)
        size = len(data)
        if size > 255:
            return _TAG_U32(self._long, size) + data
        if len(self) >= self._MOST:
            self.clear()
        piece = self[text] = self._short[size] + data
        return piece


#: the bytes of strings and of symbols, by exact `str` and by any text
KNOWN_STRINGS = _Known("utf-8", _STRING8, 0xB1)
KNOWN_SYMBOLS = _Known("ascii", _SYMBOL8, 0xB3)


def encode_null(out: list[bytes], value: None) -> None:
    """Appends `40`, whatever the value."""
    out.append(b"\x40")


def encode_boolean(out: list[bytes], value: bool) -> None:
    """Appends a boolean by the truth of `value`."""
    out.append(b"\x41" if value else b"\x42")


def encode_ubyte(out: list[bytes], value: int) -> None:
    """Appends an integer from 0 to 2**8 - 1; `OverflowError` outside."""
    if not 0 <= value <= 0xFF:
        raise out_of_range("ubyte", 0, 0xFF, value)
    out.append(_UBYTE[value])


def encode_ushort(out: list[bytes], value: int) -> None:
    """Appends an integer from 0 to 2**16 - 1; `OverflowError` outside."""
    if not 0 <= value <= 0xFFFF:
        raise out_of_range("ushort", 0, 0xFFFF, value)
    out.append(_TAG_U16(0x60, value))


def encode_uint(out: list[bytes], value: int) -> None:
    """Appends an integer from 0 to 2**32 - 1; `OverflowError` outside."""
    if 0 <= value <= 0xFF:
        out.append(_UINT[value])
    elif 0 <= value <= 0xFFFFFFFF:
        out.append(_TAG_U32(0x70, value))
    else:
        raise out_of_range("uint", 0, 0xFFFFFFFF, value)


def encode_ulong(out: list[bytes], value: int) -> None:
    """Appends an integer from 0 to 2**64 - 1; `OverflowError` outside."""
    if 0 <= value <= 0xFF:
        out.append(_ULONG[value])
    elif 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        out.append(_TAG_U64(0x80, value))
    else:
        raise out_of_range("ulong", 0, 0xFFFFFFFFFFFFFFFF, value)


def encode_byte(out: list[bytes], value: int) -> None:
    """Appends an integer from -2**7 to 2**7 - 1; `OverflowError` outside."""
    if not -0x80 <= value <= 0x7F:
        raise out_of_range("byte", -0x80, 0x7F, value)
    out.append(_BYTE[value])


def encode_short(out: list[bytes], value: int) -> None:
    """Appends an integer from -2**15 to 2**15 - 1; `OverflowError` outside."""
    if not -0x8000 <= value <= 0x7FFF:
        raise out_of_range("short", -0x8000, 0x7FFF, value)
    out.append(_TAG_I16(0x61, value))


def encode_int(out: list[bytes], value: int) -> None:
    """Appends an integer from -2**31 to 2**31 - 1; `OverflowError` outside."""
    if -0x80 <= value <= 0x7F:
        out.append(_INT[value])
    elif -0x80000000 <= value <= 0x7FFFFFFF:
        out.append(_TAG_I32(0x71, value))
    else:
        raise out_of_range("int", -0x80000000, 0x7FFFFFFF, value)


def encode_long(out: list[bytes], value: int) -> None:
    """Appends an integer from -2**63 to 2**63 - 1; `OverflowError` outside."""
    if -0x80 <= value <= 0x7F:
        out.append(_LONG[value])
    elif -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        out.append(_TAG_I64(0x81, value))
    else:
        raise out_of_range("long", -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, value)


def encode_timestamp(out: list[bytes], value: int) -> None:
    """Appends signed milliseconds since 1970-01-01 UTC; `OverflowError` beyond 64 bits."""
    if not -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        raise out_of_range("timestamp", -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, value)
    out.append(_TAG_I64(0x83, value))


def encode_float(out: list[bytes], value: float) -> None:
    """Appends a binary32; a number beyond its range becomes an infinity."""
    try:
        out.append(_TAG_F32(0x72, value))
    except OverflowError:
        # `struct` raises where C rounds to an infinity, which 1.6.11 has: a result of arithmetic can be sent.
        out.append(_TAG_F32(0x72, float("inf") if value > 0 else float("-inf")))


def encode_double(out: list[bytes], value: float) -> None:
    """Appends a binary64."""
    out.append(_TAG_F64(0x82, value))


def encode_decimal32(out: list[bytes], value: int) -> None:
    """Appends the 32 bits of a decimal, given as an unsigned integer; `OverflowError` outside."""
    if not 0 <= value <= 0xFFFFFFFF:
        raise out_of_range("decimal32", 0, 0xFFFFFFFF, value)
    out.append(_TAG_U32(0x74, value))


def encode_decimal64(out: list[bytes], value: int) -> None:
    """Appends the 64 bits of a decimal, given as an unsigned integer; `OverflowError` outside."""
    if not 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        raise out_of_range("decimal64", 0, 0xFFFFFFFFFFFFFFFF, value)
    out.append(_TAG_U64(0x84, value))


# -- bytes and text -----------------------------------------------------------------------------------------------


def encode_decimal128(out: list[bytes], value: bytes) -> None:
    """Appends the 16 bytes of a decimal; `DataException` for another length."""
    if len(value) != 16:
        raise DataException(f"decimal128 takes 16 bytes, got {len(value)}")
    out.append(b"\x94" + value)


def encode_uuid(out: list[bytes], value: UUID) -> None:
    """Appends a `uuid.UUID`."""
    out.append(b"\x98" + value.int.to_bytes(16, "big"))


def encode_char(out: list[bytes], value: str) -> None:
    """Appends one character; `TypeError` for a string of another length."""
    if len(value) != 1:
        raise TypeError(f"char takes one character, got a string of length {len(value)}")
    out.append(b"\x73" + value.encode("utf-32-be"))


# Constructor with size, then content: `_content` and the elements of arrays take the second piece alone.
def encode_binary(out: list[bytes], value: bytes) -> None:
    """Appends `bytes`."""
    size = len(value)
    # Two pieces: the content is not copied before the join of the whole message.
    out.append(_BINARY8[size] if size < 256 else _TAG_U32(0xB0, size))
    out.append(value)


def encode_buffer(out: list[bytes], value: bytes | bytearray | memoryview) -> None:
    """Appends the bytes of any bytes-like object as a binary."""
    encode_binary(out, bytes(value))


def encode_string(out: list[bytes], value: str) -> None:
    """Appends text as UTF-8."""
    data = value.encode()
    size = len(data)
    out.append(_STRING8[size] if size < 256 else _TAG_U32(0xB1, size))
    out.append(data)


# The codec raises for text beyond ASCII (1.6.21) before a piece is appended.
def encode_symbol(out: list[bytes], value: str) -> None:
    """Appends ASCII text."""
    data = value.encode("ascii")
    size = len(data)
    out.append(_SYMBOL8[size] if size < 256 else _TAG_U32(0xB3, size))
    out.append(data)


# -- compounds ----------------------------------------------------------------------------------------------------


def encode_described(out: list[bytes], value: Described) -> None:
    """Appends a described value."""
    out.append(b"\x00")
    ENCODE[type(value.descriptor)](out, value.descriptor)
    ENCODE[type(value.value)](out, value.value)


def compound_header(code8: int, size: int, count: int) -> bytes:
    """The constructor, size and count of a compound (1.2.3, 1.2.4); `size` of the content."""
    # The size counts the bytes of the count (1.2.3), one or four of them: 255 and 2**32 - 5 are the limits.
    if size < 255 and count < 256:
        return _COMPOUND8(code8, size + 1, count)
    if size > 0xFFFFFFFB:
        raise DataException(f"compound value of {size} bytes is too large for AMQP")
    return _COMPOUND32(code8 + 0x10, size + 4, count)


def encode_list(out: list[bytes], value: list[Any] | tuple[Any, ...]) -> None:
    """Appends a list of any values."""
    if not value:
        # The empty list has a form of its own (1.6.22); a map has not (1.6.23), and needs its size and count.
        out.append(b"\x45")
        return
    pieces: list[bytes] = []
    # Integers alone are put in place: a call for each makes a list of a thousand a half slower.
    if type(value[0]) is int and set(map(type, value)) == {int}:
        with contextlib.suppress(struct.error):  # out of range: the loop below tells which
            pieces = [_LONG[item] if -0x80 <= item <= 0x7F else _TAG_I64(0x81, item) for item in value]
    if not pieces:
        encoders = ENCODE
        for item in value:
            encoders[type(item)](pieces, item)
    # Joined here, since the size comes before the content; a compound inside another is copied once for each level.
    content = b"".join(pieces)
    out.append(compound_header(0xC0, len(content), len(value)))
    out.append(content)


_FEW_KEYS = 32  # the keys of larger maps are data


def encode_map(out: list[bytes], value: dict[Any, Any]) -> None:
    """Appends a map with keys and values of any kind."""
    pieces: list[bytes] = []
    append = pieces.append
    encoders = ENCODE
    few = len(value) <= _FEW_KEYS
    for key, item in value.items():
        # Text, numbers and booleans in place: a call for each makes a map of two pairs a third slower.
        kind = type(key)
        if few and kind is str:
            append(KNOWN_STRINGS[key])
        elif few and kind is t.symbol:
            append(KNOWN_SYMBOLS[key])
        else:
            encoders[kind](pieces, key)
        kind = type(item)
        if kind is str:
            data = item.encode()
            size = len(data)
            append(_STRING8[size] if size < 256 else _TAG_U32(0xB1, size))
            append(data)
        elif kind is int and -0x80 <= item <= 0x7F:
            append(_LONG[item])
        elif kind is bool:
            append(b"\x41" if item else b"\x42")
        elif kind is float:
            append(_TAG_F64(0x82, item))
        else:
            encoders[kind](pieces, item)
    content = b"".join(pieces)
    size, count = len(content), 2 * len(value)
    # As `compound_header` does for a short one.
    out.append(_COMPOUND8(0xC1, size + 1, count) if size < 255 and count < 256 else compound_header(0xC1, size, count))
    out.append(content)


# -- arrays -------------------------------------------------------------------------------------------------------

# Integers by type number: constructor, struct letter and range. The full form always: RabbitMQ 3 reads no array of the
# small ones (52 to 55).
_INTEGERS: dict[int, tuple[int, str, int, int]] = {
    t.TYPE_UBYTE: (0x50, "B", 0, 0xFF),
    t.TYPE_BYTE: (0x51, "b", -0x80, 0x7F),
    t.TYPE_USHORT: (0x60, "H", 0, 0xFFFF),
    t.TYPE_SHORT: (0x61, "h", -0x8000, 0x7FFF),
    t.TYPE_UINT: (0x70, "I", 0, 0xFFFFFFFF),
    t.TYPE_INT: (0x71, "i", -0x80000000, 0x7FFFFFFF),
    t.TYPE_ULONG: (0x80, "Q", 0, 0xFFFFFFFFFFFFFFFF),
    t.TYPE_LONG: (0x81, "q", -0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
    t.TYPE_TIMESTAMP: (0x83, "q", -0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
    t.TYPE_DECIMAL32: (0x74, "I", 0, 0xFFFFFFFF),
    t.TYPE_DECIMAL64: (0x84, "Q", 0, 0xFFFFFFFFFFFFFFFF),
}

# Each of these encoders appends one piece: `_array_content` cuts the constructor, its first byte, from it.
# Other types of one width: constructor, the classes that fit, and the encoder, which writes the constructor first.
_FIXED: dict[int, tuple[int, type | tuple[type, ...], _Encoder]] = {
    t.TYPE_FLOAT: (0x72, (float, int), encode_float),
    t.TYPE_DOUBLE: (0x82, (float, int), encode_double),
    t.TYPE_CHAR: (0x73, str, encode_char),
    t.TYPE_DECIMAL128: (0x94, bytes, encode_decimal128),
    t.TYPE_UUID: (0x98, UUID, encode_uuid),
}

# One long element makes the size of all of them four bytes: they share one constructor (1.2.4).
# Types whose elements carry a size: constructor of the short form (the long one is 0x10 above), classes, encoder.
_SIZED: dict[int, tuple[int, type | tuple[type, ...], _Encoder]] = {
    t.TYPE_BINARY: (0xA0, (bytes, bytearray, memoryview), encode_buffer),
    t.TYPE_STRING: (0xA1, str, encode_string),
    t.TYPE_SYMBOL: (0xA3, str, encode_symbol),
}


def encode_array(out: list[bytes], value: Array) -> None:
    """Appends an array: elements without constructors of their own, behind one that they share.

    The constructor of sized elements is the smallest that fits them all; of no width only for nulls, since receivers
    bound those. `DataException` for an element that is not of the array's type, whose bytes would be read as that type.
    """
    constructor: list[bytes] = []
    if value.descriptor is not UNDESCRIBED:
        constructor.append(b"\x00")
        ENCODE[type(value.descriptor)](constructor, value.descriptor)
    content = b"".join(constructor) + _array_content(value.type, value.elements)
    out.append(compound_header(0xE0, len(content), len(value.elements)))
    out.append(content)


def _array_content(number: int, elements: Sequence[Any]) -> bytes:
    """The element constructor and the elements of an array of that type number."""
    if number in _INTEGERS:
        return _integer_elements(number, elements)
    if number in _FIXED:
        code, classes, encoder = _FIXED[number]
        _check_elements(number, elements, classes)
        pieces: list[bytes] = []
        for element in elements:
            encoder(pieces, element)
        return bytes((code,)) + b"".join([piece[1:] for piece in pieces])
    if number in _SIZED:
        code, classes, encoder = _SIZED[number]
        _check_elements(number, elements, classes)
        contents = [_content(encoder, element) for element in elements]
        if all(len(content) < 256 for content in contents):
            return bytes((code,)) + b"".join([bytes((len(content),)) + content for content in contents])
        return bytes((code + 0x10,)) + b"".join([_U32(len(content)) + content for content in contents])
    if number in _COMPOUNDS:
        return _compound_elements(number, elements)
    # `56` with a byte each: `41` and `42` are the value, and the elements share one constructor.
    if number == t.TYPE_BOOL:
        _check_elements(number, elements, bool)
        return b"\x56" + bytes(elements)
    if number == t.TYPE_NULL:
        _check_elements(number, elements, type(None))
        return b"\x40"
    if number == t.TYPE_DESCRIBED:
        return _described_elements(elements)
    raise DataException(f"unknown array element type {number!r}")


def _check_elements(number: int, elements: Sequence[Any], classes: type | tuple[type, ...]) -> None:
    # `isinstance`: a wrapper of another width passes by its value, and a `bool` as a number.
    for element in elements:
        if not isinstance(element, classes):
            name = type(element).__name__
            raise DataException(f"array of {t.TYPE_NAMES[number]} has an element of class {name}: {element!r}")


def _integer_elements(number: int, elements: Sequence[Any]) -> bytes:
    _check_elements(number, elements, int)
    code, letter, low, high = _INTEGERS[number]
    # `struct.pack` would raise as well, but its text names neither the number nor the range.
    least, most = min(elements, default=0), max(elements, default=0)
    if least < low or most > high:
        raise out_of_range(t.TYPE_NAMES[number], low, high, least if least < low else most)
    return struct.pack(f">B{len(elements)}{letter}", code, *elements)


def _content(encoder: _Encoder, element: Any) -> bytes:
    """What an encoder writes behind the constructor, size and count, which are its first piece."""
    # The empty list is one piece (`45`): without content, its size is 1 and its count 0 as an element.
    pieces: list[bytes] = []
    encoder(pieces, element)
    return pieces[1] if len(pieces) > 1 else b""


# Types with values inside: constructor of the short form, classes, encoder, and how many values one has.
_COMPOUNDS: dict[int, tuple[int, type | tuple[type, ...], _Encoder, Callable[[Any], int]]] = {
    t.TYPE_LIST: (0xC0, (list, tuple), encode_list, len),
    t.TYPE_MAP: (0xC1, dict, encode_map, lambda element: 2 * len(element)),
    t.TYPE_ARRAY: (0xE0, Array, encode_array, lambda element: len(element.elements)),
}


def _compound_elements(number: int, elements: Sequence[Any]) -> bytes:
    code, classes, encoder, count = _COMPOUNDS[number]
    _check_elements(number, elements, classes)
    parts = [(_content(encoder, element), count(element)) for element in elements]
    if all(len(content) < 255 and counted < 256 for content, counted in parts):
        pieces = [bytes((len(content) + 1, counted)) + content for content, counted in parts]
        return bytes((code,)) + b"".join(pieces)
    pieces = [_U32(len(content) + 4) + _U32(counted) + content for content, counted in parts]
    return bytes((code + 0x10,)) + b"".join(pieces)


def _described_elements(elements: Sequence[Any]) -> bytes:
    """Described elements share one descriptor, which becomes a part of the constructor (1.2)."""
    _check_elements(t.TYPE_DESCRIBED, elements, Described)
    if not elements:
        raise DataException("an empty array of described values has no constructor, use Array(descriptor, type)")
    descriptor = encode(elements[0].descriptor)
    values = [element.value for element in elements]
    numbers = {type_number(value) for value in values}
    # By their bytes: `1`, `True` and `ulong(1)` compare equal, and are three descriptors.
    if len(numbers) > 1 or any(encode(element.descriptor) != descriptor for element in elements):
        raise DataException("described elements of an array must have one descriptor and one type")
    return b"\x00" + descriptor + _array_content(numbers.pop(), values)


# -- the tables ---------------------------------------------------------------------------------------------------

_TABLE: tuple[tuple[type, int, _Encoder], ...] = (
    (type(None), t.TYPE_NULL, encode_null),
    (bool, t.TYPE_BOOL, encode_boolean),
    (t.ubyte, t.TYPE_UBYTE, encode_ubyte),
    (t.ushort, t.TYPE_USHORT, encode_ushort),
    (t.uint, t.TYPE_UINT, encode_uint),
    (t.ulong, t.TYPE_ULONG, encode_ulong),
    (t.byte, t.TYPE_BYTE, encode_byte),
    (t.short, t.TYPE_SHORT, encode_short),
    (t.int32, t.TYPE_INT, encode_int),
    (int, t.TYPE_LONG, encode_long),
    (t.timestamp, t.TYPE_TIMESTAMP, encode_timestamp),
    (t.float32, t.TYPE_FLOAT, encode_float),
    (float, t.TYPE_DOUBLE, encode_double),
    (t.decimal32, t.TYPE_DECIMAL32, encode_decimal32),
    (t.decimal64, t.TYPE_DECIMAL64, encode_decimal64),
    (t.decimal128, t.TYPE_DECIMAL128, encode_decimal128),
    (UUID, t.TYPE_UUID, encode_uuid),
    (t.char, t.TYPE_CHAR, encode_char),
    (bytes, t.TYPE_BINARY, encode_binary),
    (bytearray, t.TYPE_BINARY, encode_buffer),
    (memoryview, t.TYPE_BINARY, encode_buffer),
    (str, t.TYPE_STRING, encode_string),
    (t.symbol, t.TYPE_SYMBOL, encode_symbol),
    (Described, t.TYPE_DESCRIBED, encode_described),
    (Array, t.TYPE_ARRAY, encode_array),
    (list, t.TYPE_LIST, encode_list),
    (tuple, t.TYPE_LIST, encode_list),
    (dict, t.TYPE_MAP, encode_map),
)

# By exact class, so the order of the table says nothing, and `bool` does not reach the encoder of `int`.
ENCODE.update({cls: encoder for cls, _, encoder in _TABLE})
# It takes the two arguments of an encoder, and appending is all there is to do.
ENCODE[PreEncoded] = list.append

_NUMBERS: dict[_Encoder, int] = {encoder: number for _, number, encoder in _TABLE}


def type_number(value: Any) -> int:
    """The type number with which a value is encoded; `DataException` for a value of no AMQP type."""
    encoder = ENCODE[type(value)]
    if encoder not in _NUMBERS:
        raise DataException(f"no AMQP type is known of {value!r}")
    return _NUMBERS[encoder]
