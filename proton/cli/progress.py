"""`Progress`: how far a long command has come, on standard error, if that is a terminal.

`rich` draws it if it is installed (the extra `cli`); else there is a plain line every few seconds.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

__all__ = ["Progress"]

#: seconds between two updates of a bar, and between two plain lines
BAR_INTERVAL = 0.1
LINE_INTERVAL = 5.0


def _rich() -> Any:
    try:
        return importlib.import_module("rich.progress"), importlib.import_module("rich.console")
    except ImportError:
        return None


class Progress:
    """A context manager that shows how many of how many are done.

    :param what: what is counted, such as "messages sent".
    :param total: how many there will be; None if that is not known.
    :param is_quiet: True to show nothing, wherever standard error leads.
    :param unit: how many make one of those that are shown, such as 1,000,000 bytes a megabyte.
    """

    def __init__(self, what: str, total: int | None = None, is_quiet: bool = False, unit: int = 1) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._is_shown = not is_quiet and sys.stderr is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._started = self._next = 0.0
        self._said = False

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if not self._is_shown:
            self._next = float("inf")
            return self
        rich = _rich()
        self._next = self._started + (LINE_INTERVAL if rich is None else BAR_INTERVAL)
        if rich is not None:
            progress, console = rich
            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TextColumn("{task.fields[text]}"),
                progress.TimeElapsedColumn(),
                console=console.Console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self._task = self._bar.add_task(self._what, total=self._total, text="")
        return self

    def __exit__(self, *problem: object) -> None:
        if self._bar is not None and self._said:
            self._bar.stop()

    def show(self, done: int) -> None:
        """Tell how many are done; shown now and then.

        :param done: how many, since the beginning.
        """
        now = time.monotonic()
        if now < self._next:
            return
        text = self._shown(done) + ("" if self._total is None else f"/{self._shown(self._total)}")
        text += f"  {done / self._unit / (now - self._started):,.{0 if self._unit == 1 else 1}f}/s"
        if self._bar is None:
            self._next = now + LINE_INTERVAL
            sys.stderr.write(f"{self._what}: {text}\n")
            sys.stderr.flush()
            return
        self._next = now + BAR_INTERVAL
        if not self._said:
            # Only now: a command that is done at once draws nothing.
            self._bar.start()
            self._said = True
        self._bar.update(self._task, completed=done, text=text, refresh=True)

    def _shown(self, number: int) -> str:
        return f"{number}" if self._unit == 1 else f"{number / self._unit:.1f}"
