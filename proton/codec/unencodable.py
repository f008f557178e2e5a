"""Where in a value something of no AMQP type is, and what to use in its place: for the text of an error alone.

Classes are known by their names, so that none of the modules that define them is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proton.codec.encode import ENCODE, encode_value
from proton.codec.types import UNDESCRIBED, Array, Described
from proton.exceptions import DataException, MessageException

__all__ = ["located", "with_advice"]

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


def with_advice(error: DataException, values: dict[str, Any]) -> str:
    """The text of an error of encoding, with the place of the first value of no AMQP type, and what to use instead.

    :param values: what was to be encoded, by the name that the program knows, such as ``body``.
    """
    for name, value in values.items():
        for path, part in _parts(name, value):
            try:
                ENCODE[type(part)]
            except DataException:
                return f"{error} in {path}: use {_instead(part)}"
    return str(error)


def located(error: Exception, values: dict[str, Any]) -> Exception:
    """The exception to raise for a number or text that cannot be encoded, with its place.

    :param error: what encoding has raised.
    :param values: what was to be encoded, by the name that the program knows, such as ``body``.
    """
    # Without a place: the walk to it would not end either.
    if isinstance(error, RecursionError):
        return MessageException("the message is nested too deep, or contains itself")
    for name, value in values.items():
        found = _path_of(name, value, type(error))
        if found and isinstance(error, UnicodeEncodeError):
            # In place: a `UnicodeEncodeError` has five arguments, and programs look at them.
            error.reason += f" in {found}"
        elif found:
            return OverflowError(f"{error} in {found}")
    return error


def _path_of(name: str, value: Any, kind: type[Exception]) -> str | None:
    """Where the first number or text is that raises `kind` when it is encoded; None when none does by itself."""
    for path, part in _parts(name, value):
        # Compounds raise for what is in them; their parts come later in the walk.
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
    # By the base classes, as `ENCODE` finds encoders: derived classes get the same advice.
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
    # Before the test for iterables, which a mapping passes as well.
    if hasattr(value, "keys"):
        return "dict(value)"
    if hasattr(value, "__iter__"):
        return "list(value)"
    return _ANY
