"""What the commands end with: exit codes, and the error that has one. docs/command-line.md has the table."""

from __future__ import annotations

__all__ = [
    "CONNECTION",
    "DONE",
    "INPUT",
    "INTERNAL",
    "INTERRUPTED",
    "PIPE",
    "REFUSED",
    "TIMEOUT",
    "USAGE",
    "CommandError",
]

DONE = 0
#: the peer has refused something, or has not accepted a message
REFUSED = 1
#: invalid arguments; argparse uses it, too
USAGE = 2
#: the connection cannot be made, or was lost
CONNECTION = 3
#: time ran out, or fewer messages came than were asked for
TIMEOUT = 4
#: input cannot be read, or output cannot be written
INPUT = 5
#: an error of the command line itself: EX_SOFTWARE of sysexits.h
INTERNAL = 70
#: Ctrl-C, and SIGTERM: 128 and the number of SIGINT, as shells show it
INTERRUPTED = 130
#: the reader of standard output has gone: 128 and the number of SIGPIPE
PIPE = 141


class CommandError(Exception):
    """Ends a command with one line on standard error.

    :ivar code: the exit code.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code
