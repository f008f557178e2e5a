"""AMQP values and messages as JSON, and back: what `receive --json` prints, `send --json` sends unchanged.

JSON has strings, numbers, booleans, null, lists and objects; each other type of AMQP is an object with one key that
begins with "$", such as `{"$uuid": "…"}`. docs/command-line.md has the table.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import uuid
from typing import Any, Callable

from proton import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Message,
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
)

__all__ = ["dumps", "from_json", "message_from_json", "message_to_json", "text_of", "to_json"]

_NUMBERS: dict[str, Any] = {
    "$ubyte": ubyte,
    "$ushort": ushort,
    "$uint": uint,
    "$ulong": ulong,
    "$byte": byte,
    "$short": short,
    "$int": int32,
    "$timestamp": timestamp,
    "$decimal32": decimal32,
    "$decimal64": decimal64,
}
_TAGS = {kind: tag for tag, kind in _NUMBERS.items()}
_REALS: dict[str, Any] = {"$float": float32, "$double": float}
_TYPES = {name.lower(): value for name, value in vars(Data).items() if name.isupper() and isinstance(value, int)}
_TYPE_NAMES = {value: name for name, value in _TYPES.items()}

#: the attributes of a message in the order of its JSON, with what they are where the message says nothing
_FIELDS: dict[str, Any] = {
    "id": None,
    "user_id": b"",
    "address": None,
    "subject": None,
    "reply_to": None,
    "correlation_id": None,
    "content_type": None,
    "content_encoding": None,
    "expiry_time": 0.0,
    "creation_time": 0.0,
    "group_id": None,
    "group_sequence": 0,
    "reply_to_group_id": None,
    "durable": False,
    "priority": 4,
    "ttl": 0.0,
    "first_acquirer": False,
    "delivery_count": 0,
}
_MAPS = ("instructions", "annotations", "properties", "footer")
_BODY = ("inferred", "sections", "body")
_NAMES = (*_FIELDS, *_MAPS, *_BODY)


# -- values to JSON --------------------------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """What `json.dumps` takes, for an AMQP value.

    :raises TypeError: it is not an AMQP value.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind in _TAGS:
        return {_TAGS[kind]: int(value)}
    if isinstance(value, float):
        if kind is float and math.isfinite(value):
            return value
        tag, plain = "$float" if isinstance(value, float32) else "$double", float(value)
        return {tag: plain if math.isfinite(plain) else str(plain)}
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return _text_or_bytes(value)
    if isinstance(value, dict):
        return _map(value)
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, uuid.UUID):
        return {"$uuid": str(value)}
    if isinstance(value, Described):
        return {"$described": [to_json(value.descriptor), to_json(value.value)]}
    if isinstance(value, Array):
        return {"$array": _array(value)}
    raise TypeError(f"expected an AMQP value, got {kind.__name__} {value!r:.50}")


def _text_or_bytes(value: Any) -> Any:
    if isinstance(value, symbol):
        return {"$symbol": str(value)}
    if isinstance(value, char):
        return {"$char": str(value)}
    if isinstance(value, decimal128):
        return {"$decimal128": value.hex()}
    return str(value) if isinstance(value, str) else {"$binary": base64.b64encode(bytes(value)).decode("ascii")}


def _map(value: dict[Any, Any]) -> Any:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: to_json(item) for key, item in value.items()}
    return {"$map": [[to_json(key), to_json(item)] for key, item in value.items()]}


def _array(value: Array) -> dict[str, Any]:
    made: dict[str, Any] = {"type": _TYPE_NAMES[value.type], "elements": [to_json(item) for item in value.elements]}
    if value.descriptor is not UNDESCRIBED:
        made["descriptor"] = to_json(value.descriptor)
    return made


# -- and back --------------------------------------------------------------------------------------------------------


def from_json(value: Any) -> Any:
    """The AMQP value that JSON stands for.

    :raises ValueError: it has a key with "$" that means nothing, or one with a value that does not fit.
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next((key for key in value if key.startswith("$")), None)
    if tag is None:
        return {key: from_json(item) for key, item in value.items()}
    if tag not in _READERS:
        raise ValueError(f"expected one of {', '.join(_READERS)}, got {tag!r:.50}")
    if len(value) != 1:
        raise ValueError(f"expected {tag!r} alone in its object, got {len(value)} keys")
    try:
        return _READERS[tag](value[tag])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, AssertionError) as error:
        raise ValueError(f"expected the value of {tag}, got {value[tag]!r:.50}: {error}") from None


def _number(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not int:
            raise ValueError("not an integer")
        return kind(value)

    return read


def _real(kind: Any) -> Callable[[Any], Any]:
    return lambda value: kind(float(value))


def _binary(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def _read_described(value: Any) -> Described:
    descriptor, inner = value
    return Described(from_json(descriptor), from_json(inner))


def _read_map(value: Any) -> dict[Any, Any]:
    return {from_json(key): from_json(item) for key, item in value}


def _read_array(value: Any) -> Array:
    descriptor = from_json(value["descriptor"]) if "descriptor" in value else UNDESCRIBED
    return Array(descriptor, _TYPES[value["type"]], *(from_json(item) for item in value["elements"]))


_READERS: dict[str, Callable[[Any], Any]] = {
    **{tag: _number(kind) for tag, kind in _NUMBERS.items()},
    **{tag: _real(kind) for tag, kind in _REALS.items()},
    "$binary": _binary,
    "$uuid": uuid.UUID,
    "$symbol": symbol,
    "$char": char,
    "$decimal128": lambda value: decimal128(bytes.fromhex(value)),
    "$described": _read_described,
    "$map": _read_map,
    "$array": _read_array,
}


# -- messages --------------------------------------------------------------------------------------------------------


def dumps(value: Any) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def message_to_json(message: Message) -> dict[str, Any]:
    """An object with the attributes of a message that say something, and `body`."""
    made: dict[str, Any] = {}
    for name, default in _FIELDS.items():
        value = getattr(message, name)
        if value == default:
            continue
        if name == "user_id":
            made[name] = _user_id(value)
        else:
            # Of two fields the type is always symbol: plain strings are easier to write.
            made[name] = str(value) if isinstance(value, symbol) else to_json(value)
    for name in _MAPS:
        entries = getattr(message, name)
        if entries is not None:
            named = name != "properties" and all(isinstance(key, symbol) for key in entries)
            made[name] = to_json({str(key): item for key, item in entries.items()} if named else dict(entries))
    sections = message.sections
    if sections is not None and len(sections) > 1:
        made["sections"] = to_json(sections)
        return made
    if message.inferred:
        made["inferred"] = True
    made["body"] = to_json(message.body)
    return made


def _user_id(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return to_json(value)


def message_from_json(value: Any, **defaults: Any) -> Message:
    """The message that an object stands for.

    :param defaults: attributes for what the object does not name.
    :raises ValueError: the object has another key, or a value that does not fit.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {dumps(value):.50}")
    unknown = [name for name in value if name not in _NAMES]
    if unknown:
        raise ValueError(f"expected keys of {', '.join(_NAMES)}, got {unknown[0]!r:.50}")
    message = Message(**defaults)
    for name, given in value.items():
        try:
            setattr(message, name, from_json(given))
        except (TypeError, ValueError, OverflowError, AssertionError) as error:
            raise ValueError(f"{name}: {error}") from None
    return message


def text_of(body: Any) -> bytes:
    """A body as text: strings as UTF-8, bytes as they are, nothing for None, and JSON for the rest."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    return b"" if body is None else dumps(to_json(body)).encode("utf-8", "surrogateescape")
