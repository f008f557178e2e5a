"""`Report` and `Finding`: what a check has found, one line each, and the exit code that comes of it.

Only the standard library: a package that is mixed with another one can be told still.
"""

from __future__ import annotations

import time
from typing import Any, Callable, NamedTuple

__all__ = ["FAILED", "NOTICED", "OK", "Deadline", "Finding", "Report", "shown_seconds", "shown_time"]

OK, NOTICED, FAILED = "ok", "noticed", "failed"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, what it is in words, what helps, and the same as data."""

    step: str
    status: str
    text: str
    cure: str
    facts: dict[str, Any]

    def line(self) -> str:
        """The finding for people."""
        cure = f" [cure: {self.cure}]" if self.cure else ""
        line = f"{self.status:<8} {self.step:<10} {self.text}{cure}"
        # Names and reasons come from peers: none of them is to move the cursor of a terminal.
        return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)

    def data(self) -> dict[str, Any]:
        """The finding for programs."""
        named = {"step": self.step, "status": self.status, "text": self.text, "cure": self.cure or None}
        return {**named, **self.facts}


#: what is done with a finding
Tell = Callable[[Finding], object]


class Report:
    """The findings so far.

    :param tell: is called with each finding as it is found.
    """

    def __init__(self, tell: Tell) -> None:
        self.findings: list[Finding] = []
        #: the exit code: 0, or that of the first failure
        self.code: int = 0
        self._tell = tell

    def ok(self, step: str, text: str, **facts: Any) -> None:
        """Add what is as it should be."""
        self._add(Finding(step, OK, text, "", facts))

    def noticed(self, step: str, text: str, cure: str = "", **facts: Any) -> None:
        """Add what works, and may surprise."""
        self._add(Finding(step, NOTICED, text, cure, facts))

    def failed(self, code: int, step: str, text: str, cure: str, **facts: Any) -> None:
        """Add what keeps a program from working.

        :param code: the exit code, if it is the first.
        """
        self.code = self.code or code
        self._add(Finding(step, FAILED, text, cure, facts))

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._tell(finding)


class Deadline:
    """The end of the time that a check may take.

    :param seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, 0.0 if it has passed."""
        return max(0.0, self._end - time.monotonic())

    def part(self, share: float) -> Deadline:
        """An earlier deadline, after a share of the time that is left."""
        return Deadline(self.left() * share)


def shown_time(seconds: float) -> str:
    """A short time that was measured, in ms."""
    return f"{seconds * 1000:.1f} ms"


def shown_seconds(seconds: float) -> str:
    """A time that was waited, in s."""
    return f"{seconds:.3g} s"
