"""The header and properties sections of a message as lists of fields, the bytes of sections, and where they end (3.2).

A list is in wire order and wire units (milliseconds, plain integers) and as short as its last field that is set;
`None` is an absent field. `Message` converts to what programs see. Keep true: a received field of another type
counts as absent, so what a list holds can always be written again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Callable
from uuid import UUID

from proton.codec.composites import AMQP_VALUE, BY_CODE, BY_SYMBOL
from proton.codec.decode import DECODE, DECODE_ERRORS, DEFAULT_LIMITS, DecodeLimits, decode_fields
from proton.codec.encode import (
    ENCODE,
    KNOWN_STRINGS,
    KNOWN_SYMBOLS,
    compound_header,
    encode_binary,
    encode_boolean,
    encode_string,
    encode_symbol,
    encode_timestamp,
    encode_ubyte,
    encode_uint,
    encode_ulong,
)
from proton.codec.types import SYMBOLS, Array, Described, char, new_symbol, symbol, timestamp, ulong
from proton.exceptions import DataException, MessageException
from proton.warn import warn

__all__ = [
    "DATA_SECTION",
    "decode_header",
    "decode_properties",
    "encode_annotations",
    "encode_application_properties",
    "encode_header",
    "encode_properties",
    "section_at",
    "section_code",
    "section_fault",
]

_known_symbol = SYMBOLS.get
_pack_small_id = struct.Struct(">IBBBB").pack
_pack_id = struct.Struct(">IBBBQ").pack
_pack_list = struct.Struct(">IBB").pack
_unpack_u32 = struct.Struct(">I").unpack_from
_unpack_u64 = struct.Struct(">Q").unpack_from

# Positions of the fields in their lists (3.2.1, 3.2.4).
DURABLE, PRIORITY, TTL, FIRST_ACQUIRER, DELIVERY_COUNT = range(5)
ID, USER_ID, TO, SUBJECT, REPLY_TO, CORRELATION_ID, CONTENT_TYPE, CONTENT_ENCODING = range(8)
EXPIRY_TIME, CREATION_TIME, GROUP_ID, GROUP_SEQUENCE, REPLY_TO_GROUP_ID = range(8, 13)

HEADER_DEFAULTS = (False, 4, 0, False, 0)
_HEADER_ENCODERS = (encode_boolean, encode_ubyte, encode_uint, encode_boolean, encode_uint)
# `decode_fields` gives plain integers: their AMQP type is lost, so the range stands for it.
_HEADER_CLASSES = (bool, int, int, bool, int)
_HEADER_LIMITS = (1, 0xFF, 0xFFFFFFFF, 1, 0xFFFFFFFF)


# An int is a ulong here (3.2.11), where `ENCODE` would make it a long.
def _encode_id(out: list[bytes], value: Any) -> None:
    kind = type(value)
    if kind is UUID:
        # As `encode_uuid`, in place: the full message takes 5.07 us instead of 5.23 (`run.py --only codec`).
        out.append(b"\x98" + value.int.to_bytes(16, "big"))
    elif kind is int:
        encode_ulong(out, value)
    else:
        ENCODE[kind](out, value)


_PROPERTY_ENCODERS: tuple[Callable[[list[bytes], Any], None], ...] = (
    _encode_id,
    encode_binary,
    encode_string,
    encode_string,
    encode_string,
    _encode_id,
    encode_symbol,
    encode_symbol,
    encode_timestamp,
    encode_timestamp,
    encode_string,
    encode_uint,
    encode_string,
)

# Texts that are the same in many messages of a program; not ids.
_KNOWN_TEXTS = [
    KNOWN_STRINGS if encoder is encode_string else KNOWN_SYMBOLS if encoder is encode_symbol else None
    for encoder in _PROPERTY_ENCODERS
]

# What a received field may be; one of another class counts as absent.
# `int` for the short forms, which `decode_fields` reads in place; `ulong` for what its table decodes.
_ID_CLASSES = frozenset((int, ulong, str, bytes, UUID))
_TEXT_CLASSES = frozenset((str, symbol))
_PROPERTY_CLASSES = (
    _ID_CLASSES,
    frozenset((bytes,)),
    _TEXT_CLASSES,
    _TEXT_CLASSES,
    _TEXT_CLASSES,
    _ID_CLASSES,
    _TEXT_CLASSES,
    _TEXT_CLASSES,
    frozenset((timestamp,)),
    frozenset((timestamp,)),
    _TEXT_CLASSES,
    frozenset((int,)),
    _TEXT_CLASSES,
)


# The usual constructors of a field: that of a short text or binary, or -1, and those that give other values.
_Usual = tuple[int, frozenset[int]]
_BOOLEAN: _Usual = (-1, frozenset((0x41, 0x42)))
_UBYTE: _Usual = (-1, frozenset((0x50,)))
_UINT: _Usual = (-1, frozenset((0x43, 0x52, 0x70)))
_TIME: _Usual = (-1, frozenset((0x83,)))
_BINARY: _Usual = (0xA0, frozenset())
_TEXT: _Usual = (0xA1, frozenset())
_SYMBOL: _Usual = (0xA3, frozenset())
_ID: _Usual = (0xA1, frozenset((0x44, 0x53, 0x80, 0x98)))


def _beginnings(*fields: _Usual) -> tuple[tuple[_Usual, ...], ...]:
    return tuple(fields[:count] for count in range(len(fields) + 1))


# By the number of fields.
_USUAL_HEADERS = _beginnings(_BOOLEAN, _UBYTE, _UINT, _BOOLEAN, _UINT)
_USUAL_PROPERTIES = _beginnings(
    _ID, _BINARY, _TEXT, _TEXT, _TEXT, _ID, _SYMBOL, _SYMBOL, _TIME, _TIME, _TEXT, _UINT, _TEXT
)


def _usual_fields(
    data: bytes, pos: int, limits: DecodeLimits, usual: tuple[tuple[_Usual, ...], ...]
) -> tuple[list[Any], int] | None:
    """The fields of a short list in which each has a usual constructor, and where it ends; None of any other one."""
    # Read and checked in one pass: the properties of the full message take 2.3 us instead of 3.4, its header 0.6
    # instead of 1.1 (`benchmarks/run.py --only codec`, CPython 3.11). Where this stops, the other way begins anew, so
    # that what is wrong is told by it alone.
    count = data[pos + 2]
    stop = pos + 2 + data[pos + 1]
    pos += 3
    if count >= len(usual) or count > limits.elements or count > stop - pos or stop > len(data):
        return None
    fields: list[Any] = []
    append = fields.append
    for sized, others in usual[count]:
        code = data[pos]
        if code == 0x40:
            append(None)
            pos += 1
        elif code == sized:
            begin = pos + 2
            pos = begin + data[pos + 1]
            if code == 0xA1:
                append(data[begin:pos].decode())
            elif code == 0xA0:
                append(data[begin:pos])
            else:
                append(_known_symbol(data[begin:pos]) or new_symbol(data[begin:pos]))
        elif code not in others:
            return None
        elif 0x50 <= code <= 0x53:
            append(data[pos + 1])
            pos += 2
        elif code <= 0x44:
            append(code == 0x41 if code < 0x43 else 0)
            pos += 1
        elif code == 0x70:
            append(_unpack_u32(data, pos + 1)[0])
            pos += 5
        elif code == 0x80:
            append(_unpack_u64(data, pos + 1)[0])
            pos += 9
        else:
            value, pos = DECODE[code](data, pos + 1, limits)
            append(value)
    return (fields, stop) if pos == stop else None


_SIMPLE = frozenset((str, int, bool, float, bytes, type(None)))  # the types that nearly all application properties have


def _append_list(out: list[bytes], head: int, pieces: list[bytes], count: int) -> None:
    """Appends a list as the value of a section; `head`: the descriptor and the constructor of a short list."""
    content = b"".join(pieces)
    size = len(content)
    if size < 255:
        out.append(_pack_list(head, size + 1, count))
    else:
        out.append((head >> 8).to_bytes(3, "big") + compound_header(0xC0, size, count))
    out.append(content)


class _Headers(dict[tuple[Any, ...], bytes]):
    """The header sections that were encoded before: those of a program's messages are alike."""

    # 0.2 us instead of 0.8 for the header of the full message (`benchmarks/run.py --only codec`, CPython 3.11).
    _MOST = 256

    # A field that compares equal to another one has the same bytes, `True` as a priority for instance.
    def __missing__(self, fields: tuple[Any, ...]) -> bytes:
        pieces: list[bytes] = []
        kept = 0
        for default, encoder, value in zip(HEADER_DEFAULTS, _HEADER_ENCODERS, fields):
            # An absent field has its default (3.2.1), so a default is not written.
            if value is None or value == default:
                pieces.append(b"\x40")
            else:
                encoder(pieces, value)
                kept = len(pieces)  # and of the fields: each of these is one piece
        out: list[bytes] = []
        if kept:
            _append_list(out, 0x005370C0, pieces[:kept], kept)
        if len(self) >= self._MOST:
            self.clear()
        section = self[fields] = b"".join(out)
        return section


_HEADERS = _Headers()


def encode_header(out: list[bytes], fields: Sequence[Any]) -> None:
    """Appends the header section, unless every field in it has its default."""
    out.append(_HEADERS[tuple(fields)])


def encode_properties(out: list[bytes], fields: Sequence[Any]) -> None:
    """Appends the properties section, unless nothing in it is set."""
    count = len(fields)
    # An id alone, as most messages have: in one piece.
    if count == 1 and fields[0].__class__ is int and 0 < fields[0] <= 0xFFFFFFFFFFFFFFFF:
        number = fields[0]
        if number < 256:
            out.append(_pack_small_id(0x005373C0, 3, 1, 0x53, number))
        else:
            out.append(_pack_id(0x005373C0, 10, 1, 0x80, number))
        return
    if count > GROUP_ID and fields[GROUP_ID] is not None:
        # A message of a group has a position in it, the first being 0.
        count = max(count, GROUP_SEQUENCE + 1)
        fields = [*fields, None][:count]
        fields[GROUP_SEQUENCE] = fields[GROUP_SEQUENCE] or 0
    while count and fields[count - 1] is None:
        count -= 1
    if not count:
        return
    pieces: list[bytes] = []
    append = pieces.append
    for encoder, known, value in zip(_PROPERTY_ENCODERS, _KNOWN_TEXTS, fields):
        if value is None:
            append(b"\x40")
        elif known is not None and value.__class__ is str:
            append(known[value])
        else:
            encoder(pieces, value)
    if count < len(fields):
        del pieces[count - len(fields) :]  # the nulls at the end, a piece each
    _append_list(out, 0x005373C0, pieces, count)


def encode_annotations(out: list[bytes], name: str, prefix: bytes, value: Any) -> None:
    """Appends a section of annotations; `MessageException` for anything but a dict."""
    if not isinstance(value, dict):
        raise MessageException(f"{name} must be a dict, got {type(value).__name__}")
    out.append(prefix)
    ENCODE[type(value)](out, value)


def encode_application_properties(out: list[bytes], properties: Any) -> None:
    """Appends the application properties; `MessageException` for anything but a dict, or a key that is not a string."""
    # For nearly all messages the loop is all that is looked at.
    is_usual = type(properties) is dict
    if is_usual:
        for key, value in properties.items():
            if type(key) is not str or type(value) not in _SIMPLE:
                is_usual = False
                break
    if not is_usual:
        _check_property_keys(properties)
        _warn_of_compounds(properties)
    out.append(b"\x00\x53\x74")
    ENCODE[type(properties)](out, properties)


# `symbol` and `char` are derived from `str`, so neither `isinstance` nor `type(key) is str` alone is enough here.
def _check_property_keys(properties: Any) -> None:
    """Raises unless every key is a string: `symbol` and `char` are other AMQP types (3.2.5)."""
    if not isinstance(properties, dict):
        raise MessageException(f"properties must be a dict, got {type(properties).__name__}")
    for key in properties:
        if not isinstance(key, str) or isinstance(key, (symbol, char)):
            raise MessageException(f"application property key is not string type: key={key} {type(key)}")


def _warn_of_compounds(properties: dict[str, Any]) -> None:
    """3.2.5 allows simple types alone, but programs in use send maps, and peers take them."""
    for key, value in properties.items():
        if isinstance(value, (dict, list, tuple, Array, Described)):
            warn(
                f"application property {key!r:.50} is a {type(value).__name__}: 3.2.5 allows simple types alone, and a "
                "peer may refuse the message; put it into the body"
            )


def decode_header(data: bytes, pos: int, limits: DecodeLimits) -> tuple[Sequence[Any], int]:
    """The fields of the header section whose list is at `pos`, and where it ends; errors as `decode_fields`."""
    if data[pos] == 0xC0:
        usual = _usual_fields(data, pos, limits, _USUAL_HEADERS)
        if usual is not None:
            return usual
    # Null as the value of the section: nothing is set, as with an empty list.
    if data[pos] == 0x40:
        return (), pos + 1
    fields, pos = decode_fields(data, pos, len(data), limits)
    # Fields beyond those of this version are dropped: they could not be written again.
    del fields[len(HEADER_DEFAULTS) :]
    for position, value in enumerate(fields):
        # By class and not `isinstance`: `True` is not a priority.
        if value is not None and (
            type(value) is not _HEADER_CLASSES[position] or not 0 <= value <= _HEADER_LIMITS[position]
        ):
            fields[position] = None
    return fields, pos


def decode_properties(data: bytes, pos: int, limits: DecodeLimits) -> tuple[Sequence[Any], int]:
    """The fields of the properties section whose list is at `pos`, and where it ends; errors as `decode_fields`."""
    if data[pos] == 0xC0:
        # An id alone, as most messages have: the small message in 1.8 us instead of 2.1, and a call fewer.
        head = data[pos + 1 : pos + 4]
        if head == b"\x0a\x01\x80" and pos + 12 <= len(data) and limits.elements > 0:
            return [*_unpack_u64(data, pos + 4)], pos + 12
        if head == b"\x03\x01\x53" and pos + 5 <= len(data) and limits.elements > 0:
            return [data[pos + 4]], pos + 5
        usual = _usual_fields(data, pos, limits, _USUAL_PROPERTIES)
        if usual is not None:
            return usual
    if data[pos] == 0x40:
        return (), pos + 1
    fields, pos = decode_fields(data, pos, len(data), limits)
    if len(fields) > len(_PROPERTY_CLASSES):
        del fields[len(_PROPERTY_CLASSES) :]
    for position, value in enumerate(fields):
        if value is not None:
            kind = type(value)
            # Longs are plain integers too, and may be negative.
            if kind not in _PROPERTY_CLASSES[position] or (
                kind is int and (value < 0 or (position == GROUP_SEQUENCE and value > 0xFFFFFFFF))
            ):
                fields[position] = None
    return fields, pos


# -- the sections of a message, one behind the other ---------------------------------------------------------------

#: what a data section begins with, before the four bytes of its size
DATA_SECTION = b"\x00\x53\x75\xb0"

# 0x70 to 0x78 (3.2.1 to 3.2.9); all other described values between the sections are those of extensions.
_SECTIONS = frozenset(range(0x70, 0x79))
_FIXED_WIDTHS = {4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16}  # by the first half of the constructor (1.2)


def section_code(data: bytes, pos: int, limits: DecodeLimits) -> tuple[int, int]:
    """The code of the section at `pos` whose descriptor is not in its short numeric form, and where its value is.

    The code is 0 for a described value that is not a section: receivers pass over it.
    """
    # Every section is a described value (3.2).
    if data[pos]:
        raise DataException(f"expected a message section, found constructor 0x{data[pos]:02x}")
    descriptor, pos = DECODE[data[pos + 1]](data, pos + 2, limits)
    if type(descriptor) is symbol and descriptor in BY_SYMBOL:
        return BY_SYMBOL[descriptor].code, pos
    return descriptor if type(descriptor) is ulong and descriptor in _SECTIONS else 0, pos


def section_at(data: bytes) -> tuple[int, int, int] | None:
    """The code of the section that begins here, where the content of its value begins, and where it ends.

    The code is not that of a section where some other described value stands, which receivers pass over.

    :return: None when too little of it is there to say.
    :raises MessageException: neither a section nor another described value.
    """
    try:
        if data[0] == 0 and data[1] == 0x53:
            code, pos = data[2], 3
        else:
            code, pos = section_code(data, 0, DEFAULT_LIMITS)
        # amqp-value (3.2.8) alone may hold a described value.
        if code in _SECTIONS and code != AMQP_VALUE.code and data[pos] == 0:
            raise DataException("expected the value of a section, found constructor 0x00")
        start, end = _content(data, pos, DEFAULT_LIMITS.depth)
        # `end` may be beyond the data: the caller compares it with what has come.
        return code, start, end
    except (IndexError, struct.error):
        return None
    except DECODE_ERRORS as error:
        # A descriptor that is cut off; it is the only length that was decoded here.
        if isinstance(error, DataException) and "not enough" in str(error):
            return None
        raise section_fault(error, 0, 0) from error


def _content(data: bytes, pos: int, depth: int) -> tuple[int, int]:
    """Where the content of the value at `pos` begins and ends; `IndexError` when that cannot be known yet."""
    constructor = data[pos]
    if constructor >> 4 in _FIXED_WIDTHS:
        return pos + 1, pos + 1 + _FIXED_WIDTHS[constructor >> 4]
    if constructor >= 0xA0:
        start = pos + (5 if constructor & 0x10 else 2)
        if len(data) < start:
            raise IndexError
        return start, start + int.from_bytes(data[pos + 1 : start], "big")
    # A descriptor may be a described value itself (1.2), to any depth that the peer likes; each level is a call.
    if constructor or not depth:
        raise DataException(f"expected the value of a section, found constructor 0x{constructor:02x}")
    _, end = _content(data, pos + 1, depth - 1)
    return _content(data, end, depth - 1)


def section_fault(error: Exception, code: int, start: int) -> MessageException:
    """The exception for a section at `start` whose decoding raised `error`; `code` 0 for no known section."""
    if isinstance(error, (IndexError, struct.error)):
        reason = "not enough data to decode"
    elif isinstance(error, UnicodeDecodeError):
        reason = f"invalid {error.encoding} text: {error.reason}"
    else:
        reason = str(error)
    name = BY_CODE[code].name + " section" if code in _SECTIONS else "section"
    return MessageException(f"{name} at offset {start}: {reason}")
