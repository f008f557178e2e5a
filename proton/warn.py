"""Warnings about mistakes of the program: they point to the program's line, and name what it may have meant.

Only the text and the place of a warning are made here; what a mistake is, the caller knows. Keep true: no warning on
a path that correct programs run, and nothing but the standard library's `warnings` is loaded before one is given. A
warning that cannot be written is lost; only one that a filter turns into an exception raises.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Collection, Iterable
from typing import Any

__all__ = ["called_by_program", "nearest", "unknown_options", "warn", "warn_at"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the innermost line that is not a part of this package.

    :param text: what was expected and what came, without secrets.
    :param category: the class of the warning.
    """
    # Counted here: `skip_file_prefixes` of `warnings` is there from Python 3.12 on.
    level = 2
    frame: Any = sys._getframe(1)
    # The last frame is taken in any case: a program that was started inside the package has no other.
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    with _if_it_can_be_written():
        warnings.warn(text, category, stacklevel=level)


def called_by_program(folders: tuple[str, ...]) -> bool:
    """Whether a call came from the program, and not from another part of this package.

    :param folders: parts of this package, as paths below it, whose frames are passed over.
    """
    frame: Any = sys._getframe(1)
    passed = tuple(_PACKAGE + folder for folder in folders)
    while frame is not None and frame.f_code.co_filename.startswith(passed):
        frame = frame.f_back
    return frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE)


def warn_at(text: str, file: str, line: int) -> None:
    """Give a warning at a line that the caller knows.

    :param text: what was expected and what came.
    :param file: the path of the program's file.
    :param line: the number of the line, from 1.
    """
    with _if_it_can_be_written():
        warnings.warn_explicit(text, UserWarning, file, line)


def _if_it_can_be_written() -> contextlib.AbstractContextManager[None]:
    # `warnings` raises ValueError where standard error is closed, and that would be raised out of `Sender.send`.
    return contextlib.suppress(OSError, ValueError)


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is most like another one, None when nothing is like it.

    :param name: the name that is not known.
    :param known: the names to choose from.
    :param likeness: how like it has to be, from 0 to 1, the same.
    """
    # Loaded when there is a mistake: it costs more than all else in this file.
    difflib = importlib.import_module("difflib")
    found: list[str] = difflib.get_close_matches(name, sorted(known), 1, likeness)
    return found[0] if found else None


def unknown_options(owner: str, given: Iterable[str], known: Collection[str]) -> None:
    """Warn of each option that is not known: it is ignored, and a misspelt password logs in as another user.

    :param owner: what was given the options, as the program calls it.
    :param given: the names of the options.
    :param known: the names that have a meaning.
    """
    for name in given:
        if name not in known:
            meant = nearest(name, known)
            hint = f": did you mean {meant!r}?" if meant else ""
            warn(f"{owner} has no option {name!r}, which is ignored{hint}")
