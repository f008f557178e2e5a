"""`VirtualClock`: a time that moves only by calls of the test."""

from __future__ import annotations

import time

__all__ = ["VirtualClock"]


class VirtualClock:
    """A time that stands still between calls of `advance`.

    :param now: where it begins, in seconds as of `time.time`; if left out, the time of day in whole seconds, so that
        it goes together with what programs ask the system for.
    """

    def __init__(self, now: float | None = None) -> None:
        self._now = self._start = float(int(time.time())) if now is None else float(now)

    def __repr__(self) -> str:
        return f"VirtualClock({self._now!r})"

    @property
    def now(self) -> float:
        """The time, in seconds as of `time.time`."""
        return self._now

    @property
    def elapsed(self) -> float:
        """Seconds since its beginning, to the microsecond."""
        return round(self._now - self._start, 6)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        :param seconds: 0 or more.
        :raises ValueError: below 0.
        """
        if not seconds >= 0:
            raise ValueError(f"expected 0 seconds or more, got {seconds!r}")
        self._now += seconds

    def move_to(self, now: float) -> None:
        """Let time pass up to a point.

        :param now: in seconds as of `time.time`.
        :raises ValueError: it has passed.
        """
        if not now >= self._now:
            raise ValueError(f"expected a time from {self._now!r} on, got {now!r}")
        self._now = now
