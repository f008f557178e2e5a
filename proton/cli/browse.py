"""`pure-proton browse`: `receive` with copies of the messages, to the end of the queue."""

from __future__ import annotations

import argparse

from proton.cli import receive
from proton.cli.common import add_connection_options, add_timeout_argument, add_url_argument

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  pure-proton browse amqp://localhost/queue --json
  pure-proton browse amqp://localhost/queue --selector "kind = 'test'" -n 10
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s URL [options]"
    add_url_argument(parser)
    receive.add_taking_arguments(parser)
    add_timeout_argument(parser, "the next message; without -n and -f the queue's end is asked for", None)
    add_connection_options(parser)
    parser.set_defaults(outcome="browse")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return receive.run(options)
