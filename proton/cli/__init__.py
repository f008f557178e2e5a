"""The command line `pure-proton`, also `python -m proton`: `main`, and the table of its commands.

A command is a module with `add_arguments(parser)`, `run(options)`, which returns the exit code, and `EXAMPLES`, the end
of its help. Only the module of the command that is chosen is imported. The guide is docs/command-line.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import logging
import os
import pathlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from proton.cli import codes
from proton.endpoints.printable import printable
from proton.lazy import difflib, importlib_metadata

__all__ = ["COMMANDS", "Command", "main"]

PROGRAM = "pure-proton"


class Command(NamedTuple):
    """A command.

    :ivar module: the name of its module.
    :ivar help: what it does, in a line.
    """

    module: str
    help: str


COMMANDS = {
    "send": Command("proton.cli.send", "send messages: from arguments, standard input or a file"),
    "receive": Command("proton.cli.receive", "take messages and print them"),
    "request": Command("proton.cli.request", "send requests and print the responses"),
    "browse": Command("proton.cli.browse", "print the messages of a queue and leave them there"),
    "broker": Command("proton.cli.broker", "run a broker in memory, for tries and tests"),
    "bench": Command("proton.cli.bench", "measure messages a second, and their latency"),
    "check": Command("proton.cli.check", "say what is at a URL, or what is installed here"),
    "decode": Command("proton.cli.decode", "show the frames and messages in a capture or a dump"),
}

_FORM = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=32)
_EPILOG = """\
pure-proton COMMAND --help shows the options of a command, with examples.

exit codes:
  0    done
  1    refused by the peer, or a message was not accepted
  2    wrong arguments
  3    the connection cannot be made, or was lost
  4    time ran out, or fewer messages came than were asked for
  5    input cannot be read, or output cannot be written
  70   an error of pure-proton itself
  130  Ctrl-C (143: SIGTERM)
  141  the reader of standard output has gone
"""


def _version() -> str:
    try:
        return importlib_metadata.version("pure-proton")
    except importlib_metadata.PackageNotFoundError:
        return "(not installed)"


class _ShowVersion(argparse.Action):
    """As argparse's own, which would look for the version at each start: a fifth of the time of `--help`."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        """Print the version and end the program."""
        sys.stdout.write(f"{PROGRAM} {_version()}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    """The parser of what is not a command: it has the help of all."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="AMQP 1.0 from the command line.",
        epilog=_EPILOG,
        formatter_class=_FORM,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help)
    return parser


def _options(arguments: list[str]) -> argparse.Namespace:
    """The options of a command, with its name and its function `run`."""
    if not arguments or arguments[0] not in COMMANDS:
        parser = _parser()
        if near := difflib.get_close_matches(arguments[0], COMMANDS, 1) if arguments else []:
            parser.error(f"expected a command, got {arguments[0]!r}; did you mean {near[0]!r}?")
        parser.parse_args(arguments)
    name = arguments[0]
    command = COMMANDS[name]
    module: Any = importlib.import_module(command.module)
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=command.help[0].upper() + command.help[1:] + ".",
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=_FORM,
    )
    module.add_arguments(parser)
    parser.set_defaults(command=name, run=module.run)
    # Intermixed: a text may stand behind an option, as in `send URL --count 2 TEXT`.
    return parser.parse_intermixed_args(arguments[1:])


@contextlib.contextmanager
def _log(is_verbose: bool) -> Iterator[None]:
    """What the package logs, on standard error: all of it, or errors of the links that a command has.

    A message that cannot be decoded is one. Of the rest, the errors of commands tell.
    """
    logger, handler = logging.getLogger("proton"), logging.StreamHandler(sys.stderr)
    if not is_verbose:
        handler.setLevel(logging.ERROR)
        handler.addFilter(lambda record: pathlib.PurePath(record.pathname).parent.name == "asyncio")
    handler.setFormatter(logging.Formatter(f"{PROGRAM}: %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    :param argv: the arguments, without the name of the program; those of the process if left out.
    :return: the exit code.
    :raises SystemExit: by argparse, for `--help` and for wrong arguments.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _options(arguments)
    try:
        with _log(bool(getattr(options, "verbose", False))):
            return int(options.run(options))
    except codes.CommandError as error:
        sys.stderr.write(f"{PROGRAM} {options.command}: {error}\n")
        return error.code
    except KeyboardInterrupt:
        sys.stderr.write(f"{PROGRAM} {options.command}: interrupted\n")
        return codes.INTERRUPTED
    except BrokenPipeError:
        # Else the interpreter complains at its end that it cannot flush.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return codes.PIPE
    except Exception as error:
        if getattr(options, "verbose", False):
            traceback.print_exc()
        text = printable(" ".join(f"{type(error).__name__}: {error}".split()), sys.maxsize)
        sys.stderr.write(f"{PROGRAM} {options.command}: unexpected {text} (--verbose shows where)\n")
        return codes.INTERNAL
