"""Checks of what programs give, before anything has changed."""

from __future__ import annotations

from typing import Any

from proton.endpoints.arguments import check_count
from proton.endpoints.condition import Condition

__all__ = ["check_condition", "check_flag", "check_kind", "check_number"]

_MAX_UINT = 2**32 - 1


def _came(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.50}"


def check_flag(name: str, value: Any) -> bool:
    """True or False.

    :raises TypeError: another value: a text such as ``"no"`` would count as True.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} takes a bool, got {_came(value)}")
    return value


def check_kind(name: str, value: Any, kind: type) -> None:
    """An object of a class, or None.

    :raises TypeError: another value.
    """
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} takes {kind.__name__} or None, got {_came(value)}")


def check_condition(value: Any) -> None:
    """A reason for closing, or None.

    :raises TypeError: another value.
    """
    if value is not None and not isinstance(value, Condition):
        raise TypeError(f"condition takes a Condition or None, got {_came(value)}")


def check_number(name: str, value: Any, unit: str) -> int:
    """A number that fits into 32 bits.

    :param unit: what is counted, for the text.
    :raises TypeError: not an integer.
    :raises ValueError: below 0, or too large.
    """
    number = check_count(name, value, f" ({unit})")
    if not 0 <= number <= _MAX_UINT:
        wanted = f"0 to {_MAX_UINT}" if number > 0 else "0 or more"
        raise ValueError(f"{name} takes {wanted} {unit}, got {number}")
    return number
