"""The composite types of the specification as tables, and the codec that the cold ones use.

Performatives and errors (2.7, 2.8), message sections, delivery states and termini (3.2 to 3.5), transactions (4.5),
SASL frames (5.3): field names and types are spelled as there. No frame and no endpoint is known here. Keep true:
a field's type is a key of `_PRIMITIVES`, `*`, or the name of a composite above it; nothing here shows a value in an
error, since a field may be a password.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Callable

from proton.codec import encode as e
from proton.codec import types as t
from proton.codec.encode import ENCODE, PreEncoded
from proton.codec.types import UNDESCRIBED, Array, Described
from proton.exceptions import DataException

__all__ = [
    "BY_CODE",
    "BY_SYMBOL",
    "Composite",
    "Field",
    "check_fields",
    "composite_of",
    "encode_composite",
    "encode_symbol_map",
]

_Encoder = Callable[["list[bytes]", Any], None]
_Check = Callable[[Any], Any]


class _Mismatch(Exception):
    """A value is of the wrong type; `check_fields` adds which field."""


# -- types of fields ----------------------------------------------------------------------------------------------

# By exact class: `True` is an `int` and `symbol` a `str` for `isinstance`, but they are other AMQP types.
# `int` stands for itself and for the integers of performatives, which `decode_fields` gives without their class.
_INTEGER_CLASSES = frozenset((int, t.ubyte, t.ushort, t.uint, t.ulong, t.byte, t.short, t.int32, t.timestamp))


def _integer(low: int, high: int) -> _Check:
    def check(value: Any) -> int:
        if type(value) in _INTEGER_CLASSES and low <= value <= high:
            return int(value)
        raise _Mismatch

    return check


def _exactly(*classes: type) -> _Check:
    def check(value: Any) -> Any:
        if type(value) in classes:
            return value
        raise _Mismatch

    return check


# A symbol where the specification wants a string is text all the same, and no rule depends on the difference.
def _string(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is t.symbol:
        return str(value)
    raise _Mismatch


def _symbol(value: Any) -> t.symbol:
    if type(value) is t.symbol:
        return value
    if type(value) is str:
        return t.symbol(value)
    raise _Mismatch


def _anything(value: Any) -> Any:
    return value


def _encode_any(out: list[bytes], value: Any) -> None:
    ENCODE[type(value)](out, value)


def _encode_binary(out: list[bytes], value: Any) -> None:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError  # `bytes(5)` would be five zeros
    e.encode_buffer(out, value)


def encode_symbol_map(out: list[bytes], value: Any) -> None:
    """A map whose keys are symbols, as `fields` and `annotations` are; other `str` keys become symbols.

    `TypeError` for anything but a map, `DataException` for a key that is neither a symbol nor a ulong (3.2.10).
    """
    if not isinstance(value, dict):
        raise TypeError
    # Decoded maps and `PropertyDict` pass without a copy.
    if not _SYMBOL_KEYS.issuperset(map(type, value)):
        value = {_symbol_key(key): item for key, item in value.items()}
    ENCODE[type(value)](out, value)


_SYMBOL_KEYS = frozenset((t.symbol, t.ulong))


def _symbol_key(key: Any) -> Any:
    if type(key) in _SYMBOL_KEYS:
        return key
    # `char` is a `str` for Python, and another type on the wire (1.6.16).
    if isinstance(key, str) and not isinstance(key, t.char):
        return t.symbol(key)
    raise DataException(f"expected symbols as keys of a map, got {type(key).__name__} {key!r:.50}")


# Every type that a field may have: its type number, its encoder, and what a received value must be. Those of the
# restricted types that the specification derives from a primitive type follow it (2.8.1 to 2.8.13, 3.2.10, 3.5.5 to
# 3.5.9, 4.5.4, 5.3.3.6).
_PRIMITIVES: dict[str, tuple[int, _Encoder, _Check]] = {
    "boolean": (t.TYPE_BOOL, e.encode_boolean, _exactly(bool)),
    "ubyte": (t.TYPE_UBYTE, e.encode_ubyte, _integer(0, 0xFF)),
    "ushort": (t.TYPE_USHORT, e.encode_ushort, _integer(0, 0xFFFF)),
    "uint": (t.TYPE_UINT, e.encode_uint, _integer(0, 0xFFFFFFFF)),
    "ulong": (t.TYPE_ULONG, e.encode_ulong, _integer(0, 0xFFFFFFFFFFFFFFFF)),
    "timestamp": (t.TYPE_TIMESTAMP, e.encode_timestamp, _integer(-0x8000000000000000, 0x7FFFFFFFFFFFFFFF)),
    "binary": (t.TYPE_BINARY, _encode_binary, _exactly(bytes)),
    "string": (t.TYPE_STRING, e.encode_string, _string),
    "symbol": (t.TYPE_SYMBOL, e.encode_symbol, _symbol),
    "map": (t.TYPE_MAP, _encode_any, _exactly(dict)),
    "fields": (t.TYPE_MAP, encode_symbol_map, _exactly(dict)),
}
# The restricted types by their source; the specification gives them names, ranges and no bytes of their own (1.3).
for _name, _primitive in {
    "role": "boolean",
    "sender-settle-mode": "ubyte",
    "receiver-settle-mode": "ubyte",
    "sasl-code": "ubyte",
    "handle": "uint",
    "seconds": "uint",
    "milliseconds": "uint",
    "delivery-number": "uint",
    "transfer-number": "uint",
    "sequence-no": "uint",
    "message-format": "uint",
    "terminus-durability": "uint",
    "delivery-tag": "binary",
    "transaction-id": "binary",
    "ietf-language-tag": "symbol",
    "terminus-expiry-policy": "symbol",
    "annotations": "fields",
    "filter-set": "fields",
    "node-properties": "fields",
}.items():
    _PRIMITIVES[_name] = _PRIMITIVES[_primitive]


class Field:
    """One field of a composite type (1.4).

    :param name: as in the specification, such as `container-id`.
    :param type: the type's name there, `*` for any, or the name of a composite.
    :param mandatory: whether null is forbidden.
    :param multiple: whether the value is an array of that type.
    """

    __slots__ = ("check", "encoder", "mandatory", "multiple", "name", "number", "type")

    def __init__(self, name: str, type: str, mandatory: bool = False, multiple: bool = False) -> None:
        self.name: str = name
        self.type: str = type
        self.mandatory: bool = mandatory
        self.multiple: bool = multiple
        #: The type number, `None` for `*` and for composites.
        self.number: int | None
        self.encoder: _Encoder
        self.check: _Check
        if type in _PRIMITIVES:
            self.number, self.encoder, self.check = _PRIMITIVES[type]
        else:
            self.number, self.encoder = None, _encode_any
            self.check = _anything if type == "*" else _composite_named(type)

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.type!r}, mandatory={self.mandatory}, multiple={self.multiple})"


class Composite:
    """A composite type or message section: its name, descriptor and fields.

    :param name: as in the specification, such as `open`.
    :param code: the numeric descriptor.
    :param symbol: the symbolic descriptor, such as `amqp:open:list`.
    :param fields: in wire order; empty for sections that are not lists.
    :param least: so many fields are written at the least, as nulls where they have no value: some peers read fields by
        index, without a look at the count.
    """

    __slots__ = ("code", "descriptor", "fields", "least", "name", "symbol")

    def __init__(self, name: str, code: int, symbol: str, fields: Sequence[Field], least: int = 0) -> None:
        self.name: str = name
        self.code: int = code
        self.symbol: str = symbol
        self.fields: tuple[Field, ...] = tuple(fields)
        self.least: int = least
        #: The bytes that open a value of this type.
        self.descriptor: bytes = bytes((0x00, 0x53, code))

    def __repr__(self) -> str:
        return f"<Composite {self.name} 0x{self.code:02x}>"


#: Every composite and section by its numeric and by its symbolic descriptor.
BY_CODE: dict[int, Composite] = {}
BY_SYMBOL: dict[str, Composite] = {}
_BY_NAME: dict[str, Composite] = {}


def _composite_named(name: str) -> _Check:
    composite = _BY_NAME[name]

    def check(value: Any) -> Any:
        known = composite_of(value)
        if known is not None and known[0] is composite:
            return value
        raise _Mismatch

    return check


def _define(name: str, code: int, *fields: Field, symbol_suffix: str = "list", least: int = 0) -> Composite:
    composite = Composite(name, code, f"amqp:{name}:{symbol_suffix}", fields, least)
    BY_CODE[code] = BY_SYMBOL[composite.symbol] = _BY_NAME[name] = composite
    return composite


# -- errors (2.8.14) and performatives (2.7.1 to 2.7.9) -----------------------------------------------------------

ERROR = _define(
    "error",
    0x1D,
    Field("condition", "symbol", mandatory=True),
    Field("description", "string"),
    Field("info", "fields"),
)
# All ten fields are written: some peers (Azure's pure-Python client) index them without looking at the count.
OPEN = _define(
    "open",
    0x10,
    Field("container-id", "string", mandatory=True),
    Field("hostname", "string"),
    Field("max-frame-size", "uint"),
    Field("channel-max", "ushort"),
    Field("idle-time-out", "milliseconds"),
    Field("outgoing-locales", "ietf-language-tag", multiple=True),
    Field("incoming-locales", "ietf-language-tag", multiple=True),
    Field("offered-capabilities", "symbol", multiple=True),
    Field("desired-capabilities", "symbol", multiple=True),
    Field("properties", "fields"),
    least=10,
)
BEGIN = _define(
    "begin",
    0x11,
    Field("remote-channel", "ushort"),
    Field("next-outgoing-id", "transfer-number", mandatory=True),
    Field("incoming-window", "uint", mandatory=True),
    Field("outgoing-window", "uint", mandatory=True),
    Field("handle-max", "handle"),
    Field("offered-capabilities", "symbol", multiple=True),
    Field("desired-capabilities", "symbol", multiple=True),
    Field("properties", "fields"),
    least=8,
)
ATTACH = _define(
    "attach",
    0x12,
    Field("name", "string", mandatory=True),
    Field("handle", "handle", mandatory=True),
    Field("role", "role", mandatory=True),
    Field("snd-settle-mode", "sender-settle-mode"),
    Field("rcv-settle-mode", "receiver-settle-mode"),
    # Both are `*` in 2.7.3, since a coordinator (4.5.1) may stand in place of a target.
    Field("source", "*"),
    Field("target", "*"),
    Field("unsettled", "map"),
    Field("incomplete-unsettled", "boolean"),
    Field("initial-delivery-count", "sequence-no"),
    Field("max-message-size", "ulong"),
    Field("offered-capabilities", "symbol", multiple=True),
    Field("desired-capabilities", "symbol", multiple=True),
    Field("properties", "fields"),
    least=14,
)
FLOW = _define(
    "flow",
    0x13,
    Field("next-incoming-id", "transfer-number"),
    Field("incoming-window", "uint", mandatory=True),
    Field("next-outgoing-id", "transfer-number", mandatory=True),
    Field("outgoing-window", "uint", mandatory=True),
    Field("handle", "handle"),
    Field("delivery-count", "sequence-no"),
    Field("link-credit", "uint"),
    Field("available", "uint"),
    Field("drain", "boolean"),
    Field("echo", "boolean"),
    Field("properties", "fields"),
)
TRANSFER = _define(
    "transfer",
    0x14,
    Field("handle", "handle", mandatory=True),
    Field("delivery-id", "delivery-number"),
    Field("delivery-tag", "delivery-tag"),
    Field("message-format", "message-format"),
    Field("settled", "boolean"),
    Field("more", "boolean"),
    Field("rcv-settle-mode", "receiver-settle-mode"),
    # Any delivery state (3.4), that of a transaction (4.5.6) or one of an extension; `Disposition` tells them apart.
    Field("state", "*"),
    Field("resume", "boolean"),
    Field("aborted", "boolean"),
    Field("batchable", "boolean"),
    least=6,  # up to `more`: each field more costs every message a byte
)
DISPOSITION = _define(
    "disposition",
    0x15,
    Field("role", "role", mandatory=True),
    Field("first", "delivery-number", mandatory=True),
    Field("last", "delivery-number"),
    Field("settled", "boolean"),
    Field("state", "*"),
    Field("batchable", "boolean"),
)
DETACH = _define(
    "detach",
    0x16,
    Field("handle", "handle", mandatory=True),
    Field("closed", "boolean"),
    Field("error", "error"),
)
END = _define("end", 0x17, Field("error", "error"))
CLOSE = _define("close", 0x18, Field("error", "error"))

# -- delivery states (3.4.1 to 3.4.5) and termini (3.5.3, 3.5.4, 3.5.10 to 3.5.13) --------------------------------

RECEIVED = _define(
    "received",
    0x23,
    Field("section-number", "uint", mandatory=True),
    Field("section-offset", "ulong", mandatory=True),
)
ACCEPTED = _define("accepted", 0x24)
REJECTED = _define("rejected", 0x25, Field("error", "error"))
RELEASED = _define("released", 0x26)
MODIFIED = _define(
    "modified",
    0x27,
    Field("delivery-failed", "boolean"),
    Field("undeliverable-here", "boolean"),
    Field("message-annotations", "fields"),
)
SOURCE = _define(
    "source",
    0x28,
    # 3.5.3 leaves the type open; the only address that it defines is a string.
    Field("address", "*"),
    Field("durable", "terminus-durability"),
    Field("expiry-policy", "terminus-expiry-policy"),
    Field("timeout", "seconds"),
    Field("dynamic", "boolean"),
    Field("dynamic-node-properties", "node-properties"),
    # `move` or `copy` (3.5.7), of a type that may be extended, so any symbol passes.
    Field("distribution-mode", "symbol"),
    Field("filter", "filter-set"),
    Field("default-outcome", "*"),
    Field("outcomes", "symbol", multiple=True),
    Field("capabilities", "symbol", multiple=True),
)
TARGET = _define(
    "target",
    0x29,
    Field("address", "*"),
    Field("durable", "terminus-durability"),
    Field("expiry-policy", "terminus-expiry-policy"),
    Field("timeout", "seconds"),
    Field("dynamic", "boolean"),
    Field("dynamic-node-properties", "node-properties"),
    Field("capabilities", "symbol", multiple=True),
)
DELETE_ON_CLOSE = _define("delete-on-close", 0x2B)
DELETE_ON_NO_LINKS = _define("delete-on-no-links", 0x2C)
DELETE_ON_NO_MESSAGES = _define("delete-on-no-messages", 0x2D)
DELETE_ON_NO_LINKS_OR_MESSAGES = _define("delete-on-no-links-or-messages", 0x2E)

# -- transactions (4.5.1 to 4.5.6) --------------------------------------------------------------------------------

COORDINATOR = _define("coordinator", 0x30, Field("capabilities", "symbol", multiple=True))
DECLARE = _define("declare", 0x31, Field("global-id", "*"))
DISCHARGE = _define("discharge", 0x32, Field("txn-id", "*", mandatory=True), Field("fail", "boolean"))
DECLARED = _define("declared", 0x33, Field("txn-id", "*", mandatory=True))
TRANSACTIONAL_STATE = _define("transactional-state", 0x34, Field("txn-id", "*", mandatory=True), Field("outcome", "*"))

# -- SASL frames (5.3.3.1 to 5.3.3.5) -----------------------------------------------------------------------------

SASL_MECHANISMS = _define(
    "sasl-mechanisms", 0x40, Field("sasl-server-mechanisms", "symbol", mandatory=True, multiple=True)
)
SASL_INIT = _define(
    "sasl-init",
    0x41,
    # Fields of SASL may be passwords: texts of errors give names and types, never a value of these.
    Field("mechanism", "symbol", mandatory=True),
    Field("initial-response", "binary"),
    Field("hostname", "string"),
)
SASL_CHALLENGE = _define("sasl-challenge", 0x42, Field("challenge", "binary", mandatory=True))
SASL_RESPONSE = _define("sasl-response", 0x43, Field("response", "binary", mandatory=True))
SASL_OUTCOME = _define(
    "sasl-outcome", 0x44, Field("code", "sasl-code", mandatory=True), Field("additional-data", "binary")
)

# -- message sections (3.2.1 to 3.2.9) ----------------------------------------------------------------------------

# Without `least`: a section is as short as its last field, since every byte of it is one of every message.
HEADER = _define(
    "header",
    0x70,
    Field("durable", "boolean"),
    Field("priority", "ubyte"),
    Field("ttl", "milliseconds"),
    Field("first-acquirer", "boolean"),
    Field("delivery-count", "uint"),
)
DELIVERY_ANNOTATIONS = _define("delivery-annotations", 0x71, symbol_suffix="map")
MESSAGE_ANNOTATIONS = _define("message-annotations", 0x72, symbol_suffix="map")
PROPERTIES = _define(
    "properties",
    0x73,
    # One of the four types of 3.2.11 to 3.2.14: `sections` checks, for the fields of a message that was received.
    Field("message-id", "*"),
    Field("user-id", "binary"),
    Field("to", "*"),
    Field("subject", "string"),
    Field("reply-to", "*"),
    Field("correlation-id", "*"),
    Field("content-type", "symbol"),
    Field("content-encoding", "symbol"),
    Field("absolute-expiry-time", "timestamp"),
    Field("creation-time", "timestamp"),
    Field("group-id", "string"),
    Field("group-sequence", "sequence-no"),
    Field("reply-to-group-id", "string"),
)
APPLICATION_PROPERTIES = _define("application-properties", 0x74, symbol_suffix="map")
DATA = _define("data", 0x75, symbol_suffix="binary")
AMQP_SEQUENCE = _define("amqp-sequence", 0x76)
AMQP_VALUE = _define("amqp-value", 0x77, symbol_suffix="*")
FOOTER = _define("footer", 0x78, symbol_suffix="map")


# -- the codec ----------------------------------------------------------------------------------------------------


def encode_composite(composite: Composite, values: Sequence[Any]) -> bytes:
    """The bytes of a composite: its descriptor and the smallest list of its fields.

    :param values: plain Python values in the order of the fields, possibly fewer; `None` for null. A field with
        multiple values takes a sequence. `PreEncoded` passes as it is. `DataException` for a value that does not fit.
    """
    fields = composite.fields
    if len(values) > len(fields):
        raise DataException(f"{composite.name} has {len(fields)} fields, got {len(values)} values")
    pieces: list[bytes] = []
    count = kept = 0
    for index, (field, value) in enumerate(zip(fields, values), 1):
        # An empty array stands for null (1.4), but where the field must not be null the empty array is the only form.
        if value is None or (field.multiple and not field.mandatory and _is_empty(value)):
            pieces.append(b"\x40")
            continue
        if type(value) is PreEncoded:
            pieces.append(value)
        else:
            try:
                if field.multiple:
                    _encode_multiple(pieces, field, value)
                else:
                    field.encoder(pieces, value)
            except (TypeError, AttributeError, struct.error) as error:
                expected = f"{composite.name}: field {field.name} must be {field.type}"
                raise DataException(f"{expected}, got {type(value).__name__}") from error
        count, kept = index, len(pieces)
    # Trailing nulls may be left out (1.4); those in between hold the places of the fields behind them.
    del pieces[kept:]
    if count < composite.least:
        pieces += [b"\x40"] * (composite.least - count)
        count = composite.least
    if not count:
        return composite.descriptor + b"\x45"
    content = b"".join(pieces)
    return composite.descriptor + e.compound_header(0xC0, len(content), count) + content


def _is_empty(value: Any) -> bool:
    if isinstance(value, Array):
        return not value.elements
    return isinstance(value, (list, tuple)) and not value


def _encode_multiple(pieces: list[bytes], field: Field, value: Any) -> None:
    """One value goes bare, several as an array of the field's type (1.4)."""
    if isinstance(value, Array):
        e.encode_array(pieces, value)
    elif isinstance(value, (str, bytes)) or field.number is None:
        field.encoder(pieces, value)
    else:
        e.encode_array(pieces, Array(UNDESCRIBED, field.number, *value))


def check_fields(composite: Composite, fields: Sequence[Any]) -> list[Any]:
    """The received fields of a composite, padded with `None` to full length, unknown further ones cut off.

    Integers of any AMQP type that are in range, strings for symbols and symbols for strings are converted; a field
    with multiple values comes as a list, or as `None`. `DataException` names a field that is of another type, or
    mandatory and null.
    """
    # Shorter and longer lists are legal: absent fields are null (1.4), further ones come from a later version.
    result: list[Any] = []
    append = result.append
    missing = len(composite.fields) - len(fields)
    for field, value in zip(composite.fields, [*fields, *[None] * missing] if missing > 0 else fields):
        if value is None:
            if field.mandatory:
                raise DataException(f"{composite.name}: mandatory field {field.name} is null")
            append(None)
            continue
        try:
            if field.multiple:
                append([field.check(element) for element in _several(value)])
            else:
                append(field.check(value))
        except _Mismatch:
            raise DataException(
                f"{composite.name}: field {field.name} must be {field.type}, received {_type_name(value)}"
            ) from None
    return result


# 1.4 lets a single value stand without an array.
def _several(value: Any) -> Sequence[Any]:
    if isinstance(value, Array):
        return value.elements
    return value if isinstance(value, list) else (value,)


def _type_name(value: Any) -> str:
    """What a value is, for an error's text; integers of performatives have lost their exact type."""
    if isinstance(value, int) and not isinstance(value, (bool, t.decimal32, t.decimal64)):
        return f"the integer {int(value)}"
    if isinstance(value, Array):
        return f"array of {t.TYPE_NAMES[value.type]}"
    return t.TYPE_NAMES[e.type_number(value)]


def composite_of(value: Any) -> tuple[Composite, list[Any]] | None:
    """Which known composite a value is, and its fields; `None` for anything else.

    :param value: any decoded value: a `Described` list with a known numeric or symbolic descriptor is meant.
    """
    # Exact classes, as the decoder makes them: what a program derives from `Described` is its own.
    if type(value) is not Described or type(value.value) is not list:
        return None
    descriptor = value.descriptor
    composite = None
    if type(descriptor) is t.ulong:
        composite = BY_CODE.get(descriptor)
    elif type(descriptor) is t.symbol:
        composite = BY_SYMBOL.get(descriptor)
    return None if composite is None else (composite, value.value)
