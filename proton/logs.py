"""The logger `proton`: what the package writes to it, and what shows it where the program has set nothing up.

Keep true: nothing in here raises. Standard error may be None (no console), closed or full, and a handler of the
program may write to such a stream; an error of the log must not become an error of the connection that it is about.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Callable

__all__ = ["DefaultHandler", "EngineLog", "error_level", "log", "write_stderr"]


def write_stderr(text: str) -> None:
    """Write a line to standard error; where that is not possible, the line is lost.

    :param text: the line, without its end.
    """
    # Looked up for each line: programs replace it, test runners for each test.
    stream = sys.stderr
    if stream is None:
        return
    try:
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if raw is not None:
            # Past the buffer: what stays in one that cannot be written gives the program exit status 120 at its end.
            stream.flush()
            raw.write((text + "\n").encode(stream.encoding, "backslashreplace"))
            return
        try:
            stream.write(text + "\n")
        except UnicodeError:  # a stream that was put in the place of Python's own, which escapes by itself
            stream.write(text.encode("ascii", "backslashreplace").decode("ascii") + "\n")
        stream.flush()
    except Exception:  # OSError where it is full, ValueError where it is closed, anything where it is not Python's own
        return


class DefaultHandler(logging.Handler):
    """Prints warnings and errors to standard error, as Python does for a logger that has no handler.

    It yields to every other handler that would get the record, on the logger or on one of its ancestors, also to one
    that is added later. It never raises, where Python's own last resort does when standard error is closed.

    :param level: the least level that is printed.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless there is another handler for it.

        :param record: the record.
        """
        # Asked for each record, so that the order of setting up the logs and making connections does not matter.
        if self._is_needed(record.name):
            try:
                text = self.format(record)
            except Exception as error:  # arguments that do not fit the text, for instance
                text = f"{record.msg!r} (cannot be formatted: {type(error).__name__})"
            write_stderr(text)

    def _is_needed(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            # As `logging` itself goes: a logger that does not propagate ends the search.
            logger = logger.parent if logger.propagate else None
        return True


class EngineLog:
    """A logger for the modules of the package: a handler that cannot write does not raise out of it.

    :param logger: the logger that the lines go to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.name: str = logger.name
        #: tells whether records of a level would be handled
        # The bound method: the level is asked for in each turn of the loop.
        self.is_enabled_for: Callable[[int], bool] = logger.isEnabledFor

    def debug(self, text: str, *args: object) -> None:
        """Log what helps to find a mistake in a program.

        :param text: the line, with `%` formats for the arguments.
        """
        if self.is_enabled_for(logging.DEBUG):  # asked here, too: mostly it is not, and a call less
            self._log(logging.DEBUG, text, args)

    def info(self, text: str, *args: object) -> None:
        """Log what goes as it should.

        :param text: the line, with `%` formats for the arguments.
        """
        if self.is_enabled_for(logging.INFO):
            self._log(logging.INFO, text, args)

    def warning(self, text: str, *args: object) -> None:
        """Log what the program can go on with.

        :param text: the line, with `%` formats for the arguments.
        """
        self._log(logging.WARNING, text, args)

    def error(self, text: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log what ends something that the program has asked for.

        :param text: the line, with `%` formats for the arguments.
        :param exc_info: an exception whose traceback is to follow the line.
        """
        self._log(logging.ERROR, text, args, exc_info)

    def log(self, level: int, text: str, *args: object) -> None:
        """Log at a level that the caller computes.

        :param level: a level of `logging`.
        :param text: the line, with `%` formats for the arguments.
        """
        self._log(level, text, args)

    def _log(self, level: int, text: str, args: tuple[object, ...], exc_info: BaseException | None = None) -> None:
        if self.is_enabled_for(level):
            try:
                # The line is that of the module which logs, two calls up.
                self._logger.log(level, text, *args, exc_info=exc_info, stacklevel=3)
            except (OSError, ValueError):  # `logging` prints the failure of a handler to standard error, closed or not
                return


def error_level(connection: Any) -> int:
    """The level of what goes wrong on a connection: error, or info where a blocking call is going to raise it.

    :param connection: a `Connection`, or None.
    """
    return logging.INFO if getattr(getattr(connection, "_state", None), "raises_errors", False) else logging.ERROR


#: for the modules of the package
log: EngineLog = EngineLog(logging.getLogger("proton"))
