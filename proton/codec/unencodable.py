"""Where in a value something of no AMQP type is, and what to use in its place: for the text of an error alone.

Classes are known by their names, so that none of the modules that define them is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proton.codec.encode import ENCODE, encode_value
from proton.codec.types import UNDESCRIBED, Array, Described
from proton.exceptions import DataException

__all__ = ["advice", "place_of"]

_INSTEAD = {
    "datetime.datetime": "proton.timestamp(int(value.timestamp() * 1000))",
    "datetime.date": "value.isoformat()",
    "datetime.time": "value.isoformat()",
    "datetime.timedelta": "value.total_seconds()",
    "decimal.Decimal": "str(value) or float(value)",
    "fractions.Fraction": "str(value) or float(value)",
    "builtins.complex": "[value.real, value.imag]",
    "enum.Enum": "value.value",
    "ipaddress._BaseAddress": "str(value)",
    "proton.message.Message": "value.encode()",
}
_ANY = "one of None, bool, int, float, str, bytes, uuid.UUID, list, dict, or a class of proton such as timestamp"


def advice(name: str, value: Any) -> str | None:
    """Where the first value of no AMQP type is and what to use instead; None when every part has a type.

    :param name: what to call the value itself, such as ``body``.
    :param value: what was to be encoded.
    """
    for path, part in _parts(name, value):
        try:
            ENCODE[type(part)]
        except DataException:
            return f"{path}: use {_instead(part)}"
    return None


def place_of(name: str, value: Any, kind: type[Exception]) -> str | None:
    """Where the first number or text is that cannot be encoded; None when every part by itself can.

    :param name: what to call the value itself.
    :param value: what was to be encoded.
    :param kind: the class of the exception that was raised.
    """
    for path, part in _parts(name, value):
        if isinstance(part, (dict, list, tuple, Described, Array)):
            continue
        try:
            encode_value([], part)
        except kind:
            return path
        except Exception:
            continue  # another mistake, told in its turn
    return None


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The value and all that is in it, in the order of encoding."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(f"a key of {path}", key)
            yield from _parts(f"{path}[{key!r:.50}]", item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _parts(f"{path}[{number}]", item)
    elif isinstance(value, Described):
        yield from _parts(f"{path}.descriptor", value.descriptor)
        yield from _parts(f"{path}.value", value.value)
    elif isinstance(value, Array):
        if value.descriptor is not UNDESCRIBED:
            yield from _parts(f"{path}.descriptor", value.descriptor)
        for number, item in enumerate(value.elements):
            yield from _parts(f"{path}.elements[{number}]", item)


def _instead(value: Any) -> str:
    if isinstance(value, type):
        return f"an object of AMQP's types, {_ANY}"
    for base in type(value).__mro__:
        known = _INSTEAD.get(f"{base.__module__}.{base.__qualname__}")
        if known:
            return known
    if hasattr(value, "__fspath__"):
        return "str(value)"
    if hasattr(value, "__dataclass_fields__"):
        return "dataclasses.asdict(value)"
    if hasattr(value, "tolist"):  # the arrays and numbers of numpy
        return "value.tolist()"
    if hasattr(value, "keys"):
        return "dict(value)"
    if hasattr(value, "__iter__"):
        return "list(value)"
    return _ANY
