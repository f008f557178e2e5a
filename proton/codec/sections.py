"""The header and properties sections of a message as lists of fields, and their bytes (3.2.1, 3.2.4).

A list is in wire order and wire units (milliseconds, plain integers) and as short as its last field that is set;
`None` is an absent field. `Message` converts to what programs see. Keep true: a received field of another type
counts as absent, so what a list holds can always be written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from proton.codec.decode import DecodeLimits, decode_fields
from proton.codec.encode import (
    ENCODE,
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
from proton.codec.types import symbol, timestamp, ulong

__all__ = ["decode_header", "decode_properties", "encode_header", "encode_properties"]

# Positions of the fields in their lists (3.2.1, 3.2.4).
DURABLE, PRIORITY, TTL, FIRST_ACQUIRER, DELIVERY_COUNT = range(5)
ID, USER_ID, TO, SUBJECT, REPLY_TO, CORRELATION_ID, CONTENT_TYPE, CONTENT_ENCODING = range(8)
EXPIRY_TIME, CREATION_TIME, GROUP_ID, GROUP_SEQUENCE, REPLY_TO_GROUP_ID = range(8, 13)

HEADER_DEFAULTS = (False, 4, 0, False, 0)
_HEADER_ENCODERS = (encode_boolean, encode_ubyte, encode_uint, encode_boolean, encode_uint)
_HEADER_CLASSES = (bool, int, int, bool, int)
_HEADER_LIMITS = (1, 0xFF, 0xFFFFFFFF, 1, 0xFFFFFFFF)


def _encode_id(out: list[bytes], value: Any) -> None:
    if type(value) is int:
        encode_ulong(out, value)
    else:
        ENCODE[type(value)](out, value)


_PROPERTY_ENCODERS = (
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

# What a received field may be; one of another class counts as absent.
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


def _section_list(prefix: bytes, pieces: list[bytes], count: int) -> bytes:
    content = b"".join(pieces)
    return prefix + compound_header(0xC0, len(content), count) + content


def encode_header(out: list[bytes], fields: Sequence[Any]) -> None:
    """Appends the header section, unless every field in it has its default."""
    pieces: list[bytes] = []
    count = kept = 0
    for position, value in enumerate(fields):
        if value is None or value == HEADER_DEFAULTS[position]:
            pieces.append(b"\x40")
        else:
            _HEADER_ENCODERS[position](pieces, value)
            count, kept = position + 1, len(pieces)
    if count:
        del pieces[kept:]
        out.append(_section_list(b"\x00\x53\x70", pieces, count))


def encode_properties(out: list[bytes], fields: Sequence[Any]) -> None:
    """Appends the properties section, unless nothing in it is set."""
    if len(fields) > GROUP_ID and fields[GROUP_ID] is not None:
        # A message of a group has a position in it, the first being 0.
        fields = [*fields, None][: max(len(fields), GROUP_SEQUENCE + 1)]
        fields[GROUP_SEQUENCE] = fields[GROUP_SEQUENCE] or 0
    pieces: list[bytes] = []
    count = kept = 0
    for position, value in enumerate(fields):
        if value is None:
            pieces.append(b"\x40")
        else:
            _PROPERTY_ENCODERS[position](pieces, value)
            count, kept = position + 1, len(pieces)
    if count:
        del pieces[kept:]
        out.append(_section_list(b"\x00\x53\x73", pieces, count))


def decode_header(data: bytes, pos: int, limits: DecodeLimits) -> tuple[Sequence[Any], int]:
    """The fields of the header section whose list is at `pos`, and where it ends; errors as `decode_fields`."""
    if data[pos] == 0x40:
        return (), pos + 1
    fields, pos = decode_fields(data, pos, len(data), limits)
    del fields[len(HEADER_DEFAULTS) :]
    for position, value in enumerate(fields):
        if value is not None and (
            type(value) is not _HEADER_CLASSES[position] or not 0 <= value <= _HEADER_LIMITS[position]
        ):
            fields[position] = None
    return fields, pos


def decode_properties(data: bytes, pos: int, limits: DecodeLimits) -> tuple[Sequence[Any], int]:
    """The fields of the properties section whose list is at `pos`, and where it ends; errors as `decode_fields`."""
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
