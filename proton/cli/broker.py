"""`pure-proton broker`: the broker of the test kit, with a log of what happens on the terminal."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from proton import SSLDomain, Url
from proton.cli import codes
from proton.cli.common import PASSWORD_VARIABLE, count, interval, one_line, seconds
from proton.testing import Broker, Certificates

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  pure-proton broker
  pure-proton broker localhost:5673 --node orders --dead-letters dead -v
  pure-proton broker --tls certificates --user fred:pencil
  pure-proton broker --reject orders --delay 0.5 --cut-every 60
"""


DEFAULT_PLACE = "localhost:5672"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s [HOST:PORT] [options]"
    parser.add_argument("place", metavar="HOST:PORT", nargs="?", help=f"where to listen (default {DEFAULT_PLACE})")
    parser.add_argument("-a", "--address", metavar="HOST:PORT", help="the same")
    parser.add_argument("-q", "--quiet", action="store_true", help="no log")
    parser.add_argument("-v", "--verbose", action="store_true", help="messages and outcomes in the log, too")
    group = parser.add_argument_group("nodes")
    group.add_argument(
        "-n", "--node", metavar="NAME", action="append", default=[], help="a node that exists; no other does"
    )
    group.add_argument("-d", "--dead-letters", metavar="NAME", help="the queue for messages that are rejected")
    group.add_argument("--max-deliveries", metavar="N", type=count, help="failed deliveries that make a dead letter")
    group = parser.add_argument_group("clients")
    group.add_argument(
        "--user", metavar="NAME[:PASSWORD]", help=f"only this user; the password may be in ${PASSWORD_VARIABLE}"
    )
    group.add_argument(
        "--tls",
        metavar="FOLDER",
        help="TLS, with a certificate of an authority that is made there; clients need its file",
    )
    group = parser.add_argument_group("faults")
    group.add_argument("--refuse", metavar="NODE", action="append", default=[], help="refuse links to this node")
    for answer in ("reject", "release"):
        group.add_argument(
            f"--{answer}", metavar="NODE", action="append", default=[], help=f"{answer} messages to this node"
        )
    group.add_argument("--delay", metavar="S", type=seconds, default=0.0, help="answer and send so many seconds later")
    group.add_argument("--cut-every", metavar="S", type=interval, help="cut all connections every so many seconds")


def _credentials(options: argparse.Namespace) -> dict[str, str] | None:
    if not options.user:
        return None
    name, colon, password = options.user.partition(":")
    if not colon:
        if PASSWORD_VARIABLE not in os.environ:
            raise codes.CommandError(f"expected NAME:PASSWORD, or the password in ${PASSWORD_VARIABLE}", codes.USAGE)
        password = os.environ[PASSWORD_VARIABLE]
    return {name: password}


def _certificates(folder: str, host: str) -> tuple[SSLDomain, str]:
    """The domain of a server with a new certificate, and the file of the authority, in the folder."""
    try:
        made = Certificates(folder)
        return made.server_domain(*dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))), made.authority
    except (ImportError, OSError, ValueError) as error:
        raise codes.CommandError(f"--tls: {one_line(error)}", codes.USAGE) from None


def _made(options: argparse.Namespace) -> Broker:
    """The broker that the options ask for."""
    users = _credentials(options)
    if options.place and options.address:
        raise codes.CommandError("expected HOST:PORT or --address, got both", codes.USAGE)
    options.address = options.address or options.place or DEFAULT_PLACE
    try:
        place = Url(options.address)
        host, port = place.host or "localhost", int(place.port or 5672)
    except ValueError as error:
        raise codes.CommandError(f"HOST:PORT: {one_line(error)}", codes.USAGE) from None
    if place.path:
        raise codes.CommandError(f"expected HOST:PORT, got an address behind it, {place.path!r:.80}", codes.USAGE)
    listen: dict[str, Any] = {}
    if users is not None:
        listen.update(credentials=users, require_auth=True, allow_insecure_mechs=True)
    if options.tls:
        listen["ssl_domain"], authority = _certificates(options.tls, host)
        sys.stdout.write(f"clients trust {authority}\n")
    made = Broker(
        port,
        host=host,
        nodes=options.node,
        dead_letters=options.dead_letters,
        max_deliveries=options.max_deliveries,
        keep_records=0,  # there is no test that asserts on them
        **listen,
    )
    for node in options.refuse:
        made.refuse(node)
    for answer, nodes in (("rejected", options.reject), ("released", options.release)):
        for node in nodes:
            made.answer_next(
                answer, "amqp:precondition-failed" if answer == "rejected" else None, address=node, times=None
            )
    made.slow_down(options.delay)
    return made


@contextlib.contextmanager
def _log(options: argparse.Namespace) -> Iterator[None]:
    """The log of the kit on standard error, with the time."""
    logger = logging.getLogger("proton.testing")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    before = logger.level, logger.propagate
    # That of all commands, which `--verbose` shows, would write each line again.
    logger.propagate = False
    if not options.quiet:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if options.verbose else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not the main thread: there are no signals
            before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(options: argparse.Namespace) -> int:
    """Run the command, to Ctrl-C or SIGTERM, which stop the broker in order."""
    made = _made(options)
    with _log(options), _stopped_by_signals() as stop:
        # A broker that fails must not leave a command without one.
        made.seen.on_change = lambda: None if made.running else stop.set()
        try:
            made.start()
        except OSError as error:
            raise codes.CommandError(f"listening on {options.address}: {one_line(error)}", codes.CONNECTION) from None
        sys.stdout.write(f"listening on {made.url}\n")
        sys.stdout.flush()
        try:
            while not stop.wait(options.cut_every):
                made.cut()
        finally:
            if made.running:
                made.stop()
    made.seen.raise_failure()
    return codes.DONE
