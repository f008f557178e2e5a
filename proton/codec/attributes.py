"""What programs may set the attributes of a message to, and the form in which the message keeps it (3.2).

Each function takes a value and returns it as the lists of `sections` have it: plain classes, whole milliseconds. Keep
true: nothing is stored here, and `datetime` is not imported: its objects are known by their methods.
"""

from __future__ import annotations

from operator import index
from typing import Any
from uuid import UUID

from proton.codec.encode import out_of_range
from proton.codec.types import TYPE_UUID
from proton.exceptions import MessageException

__all__ = ["duration", "message_id", "plain", "point_in_time", "text", "unsigned", "user_id"]

_INT64 = 0x7FFFFFFFFFFFFFFF


# `str.__str__`: a `str` enumeration has a `__str__` of its own, which gives the member's name.
def plain(value: Any) -> Any:
    """What is stored for a text, which may have been received as a symbol, as a plain str; None stays None."""
    if value is None or type(value) is str:
        return value
    return str.__str__(value)


def text(name: str, value: Any) -> str | None:
    """A str, or None; `TypeError` for anything else."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{name} takes a str or None, got {type(value).__name__} {value!r:.50}")


def unsigned(name: str, high: int, value: Any) -> int:
    """An integer from 0 to `high`; `OverflowError` outside, `TypeError` for anything else."""
    # `index` and not `int`: a fraction or a text must not become a number without a word.
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} takes an integer, got {type(value).__name__} {value!r:.50}") from None
    if not 0 <= number <= high:
        raise out_of_range(name, 0, high, number)
    return number


def point_in_time(name: str, value: Any) -> int | None:
    """Milliseconds since 1970-01-01 UTC (1.6.17) of seconds, or of a datetime; None for zero, which means unset.

    A datetime without a time zone is local time, as everywhere in Python.
    """
    if hasattr(value, "timestamp") and hasattr(value, "microsecond"):
        # Whole seconds and the rest apart: as one float they may lose the last millisecond.
        number = int(value.replace(microsecond=0).timestamp()) * 1000 + value.microsecond // 1000
    elif hasattr(value, "total_seconds"):
        raise TypeError(
            f"{name} takes a point in time, seconds since 1970 or a datetime, "
            f"got {type(value).__name__} {value!r:.50}: add it to a datetime, or use ttl"
        )
    else:
        number = _milliseconds(name, value, "a datetime")
    return _in_range(name, -_INT64 - 1, _INT64, number)


def duration(name: str, value: Any) -> int | None:
    """Milliseconds of seconds, or of a timedelta; None for zero, None and infinity, which mean no limit."""
    if value is None or (isinstance(value, float) and value == float("inf")):
        return None
    if hasattr(value, "total_seconds"):
        # In integers: the float of the total may lose the last millisecond.
        number = (value.days * 86400 + value.seconds) * 1000 + value.microseconds // 1000
    elif hasattr(value, "timestamp") and hasattr(value, "microsecond"):
        raise TypeError(
            f"{name} takes seconds or a timedelta, got {type(value).__name__} {value!r:.50}: "
            "use expiry_time for a point in time"
        )
    else:
        number = _milliseconds(name, value, "a timedelta")
    return _in_range(name, 0, 0xFFFFFFFF, number)


def _milliseconds(name: str, seconds: Any, other: str) -> int:
    """Seconds as whole milliseconds, truncated towards zero.

    Numbers of other libraries become Python's before they are multiplied: theirs may wrap around.
    """
    try:
        if isinstance(seconds, float):
            return int(float(seconds) * 1000)
        if hasattr(seconds, "__index__"):
            return index(seconds) * 1000
        if hasattr(seconds, "as_integer_ratio"):  # decimals and fractions, without a loss
            numerator, denominator = seconds.as_integer_ratio()
            whole: int = abs(numerator) * 1000 // denominator
            return whole if numerator > 0 else -whole
        if hasattr(seconds, "__float__"):
            return int(float(seconds) * 1000)
    except (OverflowError, ValueError) as error:  # infinity, and what is not a number
        raise type(error)(f"{name} takes a number of seconds, got {seconds!r:.50}") from None
    except TypeError:
        pass
    raise TypeError(f"{name} must be a number of seconds or {other}, got {type(seconds).__name__} {seconds!r:.50}")


def _in_range(name: str, low: int, high: int, milliseconds: int) -> int | None:
    if not low <= milliseconds <= high:
        raise out_of_range(f"{name} in milliseconds", low, high, milliseconds)
    # Zero is "unset" for programs (`expiry_time` 0.0 means never), so it is not written.
    return milliseconds or None


def message_id(value: Any) -> Any:
    """A message id in its wire class: plain int, str, bytes or UUID (3.2.11 to 3.2.14)."""
    # The usual ids first: this runs for every message that has one.
    if type(value) is int and 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        return value
    if value is None or isinstance(value, UUID):
        return value
    # After UUID and plain ints: wrappers and `bool` are numbers too, and go as a ulong (3.2.11).
    if isinstance(value, int):
        return unsigned("message id", 0xFFFFFFFFFFFFFFFF, int(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    # The C binding takes a UUID in this form, too: `Data.UUID` and its 16 bytes.
    if isinstance(value, tuple) and len(value) == 2 and value[0] == TYPE_UUID:
        return UUID(bytes=bytes(value[1]))
    raise MessageException(f"message id must be int, str, bytes or UUID, got {type(value).__name__}")


def user_id(value: Any) -> bytes:
    """Bytes; a str as UTF-8."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"user_id must be bytes or str, got {type(value).__name__}")
