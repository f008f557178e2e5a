"""Mistakes that raise at the call: numbers that are not, named with argument and type; copies of what has no copy."""

from __future__ import annotations

import math
import operator
from typing import Any, NoReturn, SupportsIndex

from proton.lazy import numbers

__all__ = ["check_count", "check_seconds", "NotCopied"]


def check_seconds(name: str, value: Any, alternative: str = "") -> float:
    """A time-out or delay as a float.

    :param name: the name of the argument.
    :param value: what the program has given.
    :param alternative: what else is taken, for the text.
    :raises TypeError: it is not a number.
    :raises ValueError: it is NaN, which cannot be compared.
    """
    if isinstance(value, bool) or not (type(value) in (int, float) or isinstance(value, numbers.Real)):
        raise TypeError(f"{name} takes seconds, a number{alternative}, got {type(value).__name__} {value!r:.50}")
    seconds = float(value)
    if math.isnan(seconds):
        raise ValueError(f"{name} takes seconds, a number{alternative}, got {value!r}")
    return seconds


def check_timeout(name: str, value: Any) -> float:
    """The time-out of a blocking call as a float.

    :param name: the name of the argument.
    :param value: what the program has given.
    :raises TypeError: it is not a number.
    :raises ValueError: it is negative, or NaN.
    """
    seconds = check_seconds(name, value, " or None")
    if seconds < 0:
        raise ValueError(f"{name} takes 0 or more seconds, got {value!r}")
    return seconds


def check_count(name: str, value: Any, alternative: str = "") -> int:
    """A count or a size as an int.

    :param name: the name of the argument.
    :param value: what the program has given: an int, or an object that is as good as one (`__index__`).
    :param alternative: what else is taken, for the text.
    :raises TypeError: it is not an integer.
    """
    try:
        return operator.index(value)
    except TypeError:
        came = f"{type(value).__name__} {value!r:.50}"
        raise TypeError(f"{name} takes an integer{alternative}, got {came}") from None


class NotCopied:
    """The base of what must not be copied or pickled: two objects would share descriptors and state."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled: it belongs to its network connections")
