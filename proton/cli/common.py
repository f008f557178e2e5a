"""What the commands share: their options, the connection, the run of a coroutine with signals, errors in one line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import pathlib
import signal
import sys
from collections.abc import Coroutine, Iterable
from typing import Any, NamedTuple

from proton import Link, ProtonException, SSLDomain, Timeout, Url
from proton.asyncio import Connection, ConnectionClosed, LinkClosed, SessionClosed, Undeliverable, connect
from proton.cli import codes
from proton.endpoints.printable import printable
from proton.reactor import LinkOption
from proton.transport import trace

__all__ = [
    "Capable",
    "Place",
    "add_connection_arguments",
    "add_connection_options",
    "add_timeout_argument",
    "add_url_argument",
    "count",
    "count_or_none",
    "explained",
    "interval",
    "make_connection",
    "one_line",
    "password_of",
    "place_of",
    "run",
    "seconds",
    "tell",
]

#: the variable of the environment that has the password
PASSWORD_VARIABLE = "PROTON_PASSWORD"


class Place(NamedTuple):
    """Where a command works.

    :ivar url: scheme, host and port; without user, password and address.
    :ivar address: the address of the node; empty for none.
    :ivar user: the user of the URL, or None.
    :ivar password: the password of the URL, or None.
    """

    url: str
    address: str
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"Place({self.url!r}, {self.address!r})"


class Capable(LinkOption):
    """Asks for a node with capabilities (3.5.3, 3.5.4).

    :param names: the capabilities, such as "queue", "topic" or "temporary-queue".
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def apply(self, link: Link) -> None:
        """Puts them into the terminus at the peer."""
        terminus = link.target if link.is_sender else link.source
        for name in self._names:
            terminus.capabilities.put_symbol(name)


# -- options ---------------------------------------------------------------------------------------------------------


def count(text: str) -> int:
    """For argparse: a number of things, 1 at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def count_or_none(text: str) -> int:
    """For argparse: a number of things, or 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {number}")
    return number


def seconds(text: str) -> float:
    """For argparse: a time in seconds, 0 or more."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text}")
    return number


def interval(text: str) -> float:
    """For argparse: a time in seconds, more than 0."""
    number = seconds(text)
    if not number:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text}")
    return number


def add_connection_arguments(parser: argparse.ArgumentParser, with_address: bool = True) -> None:
    """The arguments that say where to connect to, and how.

    :param with_address: whether the command needs an address at the peer.
    """
    add_url_argument(parser, with_address)
    add_connection_options(parser, with_address)


def add_url_argument(parser: argparse.ArgumentParser, with_address: bool = True) -> None:
    """The first of `add_connection_arguments`: what comes between the two stands before the connection in the help."""
    form = "amqp[s]://[user[:password]@]host[:port]" + "/address" * with_address
    parser.add_argument("url", metavar="URL", nargs="?", help=form)


def add_connection_options(parser: argparse.ArgumentParser, with_address: bool = True) -> None:
    """The second part of `add_connection_arguments`."""
    group = parser.add_argument_group("connection")
    without = ", without an address" * with_address
    group.add_argument("--broker", metavar="URL", help=f"the peer, in place of URL{without}")
    if with_address:
        group.add_argument("--address", metavar="NODE", help="the address at the peer, in place of that in URL")
        group.add_argument(
            "--capability", metavar="NAME", action="append", default=[], help="what the node has to be: queue, topic, …"
        )
    group.add_argument("--user", metavar="NAME", help="the user; a terminal is asked for its password")
    group.add_argument(
        "--password-file", metavar="FILE", help=f"its first line is the password; else ${PASSWORD_VARIABLE}"
    )
    group.add_argument("--mechanisms", metavar="NAMES", help="SASL mechanisms that may be used: 'PLAIN EXTERNAL'")
    group.add_argument("--ca", metavar="FILE", help="trust these authorities (PEM) beside those of the system")
    group.add_argument("--cert", metavar="FILE", help="the client's certificate (PEM)")
    group.add_argument("--key", metavar="FILE", help="its key (PEM), if that is in a file of its own")
    group.add_argument("--insecure", action="store_true", help="do not verify the peer's certificate")
    group.add_argument("--container-id", metavar="NAME", help="the container-id of this end")
    group.add_argument("--virtual-host", metavar="NAME", help="the host name in the open")
    group.add_argument("-v", "--verbose", action="store_true", help="show the frames on standard error")


def add_timeout_argument(parser: argparse.ArgumentParser, text: str, default: float | None = 30.0) -> None:
    """`--timeout`, and `--quiet`.

    :param text: what the time is for.
    """
    shown = "" if default is None else f" (default {default:g})"
    parser.add_argument("--timeout", metavar="S", type=seconds, default=default, help=f"seconds for {text}{shown}")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def place_of(options: argparse.Namespace, with_address: bool = True) -> Place:
    """Where the options lead to.

    :raises CommandError: there is no URL, no address, or they are invalid.
    """
    text = options.broker or options.url
    if not text:
        raise codes.CommandError("expected a URL, got none", codes.USAGE)
    scheme, slashes, _ = text.partition("://")
    if slashes and scheme not in ("amqp", "amqps"):
        raise codes.CommandError(f"expected a URL with amqp:// or amqps://, got {one_line(scheme)}://", codes.USAGE)
    try:
        url = Url(text)
        host, port = url.host or "localhost", url.port  # where a name of a service is looked up
    except ValueError as error:
        raise codes.CommandError(f"expected a URL: {one_line(error)}", codes.USAGE) from None
    address = (getattr(options, "address", None) or url.path or "") if with_address else ""
    if with_address and not address:
        raise codes.CommandError(
            "expected an address behind the host, as in amqp://host/queue, or --address, got none", codes.USAGE
        )
    host = f"[{host}]" if ":" in host else host
    return Place(f"{url.scheme}://{host}:{port}", address, url.username, url.password)


def password_of(options: argparse.Namespace, place: Place, user: str | None) -> str | None:
    """The password that the options, the URL, the environment or the terminal give; None if none does.

    :param user: the user that a terminal is asked for.
    :raises CommandError: the file cannot be read, or the user has no password.
    """
    if options.password_file:
        try:
            lines = pathlib.Path(options.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise codes.CommandError(f"--password-file: {one_line(error)}", codes.USAGE) from None
        return lines[0] if lines else ""
    if place.password is not None:
        return place.password
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not user or _needs_no_password(options):
        return None
    if sys.stdin is None or not sys.stdin.isatty():
        raise codes.CommandError(
            f"the user {one_line(user)!r} needs a password: --password-file or ${PASSWORD_VARIABLE}", codes.USAGE
        )
    try:
        return getpass.getpass(f"password of {one_line(user)}: ")
    except EOFError:
        raise codes.CommandError("expected a password, got the end of the input", codes.USAGE) from None


def _needs_no_password(options: argparse.Namespace) -> bool:
    """Whether a certificate is the login, or the mechanisms that may be used have no password."""
    return bool(options.cert) or set((options.mechanisms or "PLAIN").upper().split()) <= {"ANONYMOUS", "EXTERNAL"}


def _domain(options: argparse.Namespace) -> SSLDomain | None:
    if not (options.ca or options.cert or options.insecure):
        return None
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    if options.ca:
        domain.set_trusted_ca_db(options.ca)
    if options.cert:
        domain.set_credentials(options.cert, options.key, None)
    if options.insecure:
        domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    return domain


def make_connection(options: argparse.Namespace, place: Place, timeout: float | None = 30.0) -> Connection:
    """The connection that the options ask for, not opened.

    :param timeout: seconds for connecting, and for each other call.
    :raises CommandError: an option is invalid, or a file cannot be read.
    """
    user = options.user or place.user
    wanted: dict[str, Any] = {
        "user": user,
        "password": password_of(options, place, user),
        "allowed_mechs": options.mechanisms,
        "container_id": options.container_id,
        "virtual_host": options.virtual_host,
    }
    try:
        return connect(
            place.url,
            ssl_domain=_domain(options),
            connect_timeout=timeout,
            timeout=timeout,
            close_timeout=5.0,
            **{name: value for name, value in wanted.items() if value is not None},
        )
    except (ProtonException, OSError, ValueError, TypeError) as error:
        raise codes.CommandError(one_line(error), codes.USAGE) from None


# -- the run, and its errors -----------------------------------------------------------------------------------------


def one_line(error: object) -> str:
    """A text in one line, without control characters: parts of it may have come from the peer."""
    return printable(" ".join(str(error).split()) or type(error).__name__, sys.maxsize)


def tell(options: argparse.Namespace, text: str) -> None:
    """Write a line on standard error."""
    sys.stderr.write(f"pure-proton {options.command}: {one_line(text)}\n")
    sys.stderr.flush()


def explained(error: Exception) -> codes.CommandError:
    """The error of the command for one of the package."""
    if isinstance(error, codes.CommandError):
        return error
    if isinstance(error, (Undeliverable, LinkClosed, SessionClosed)):
        code = codes.REFUSED
    elif isinstance(error, Timeout):
        code = codes.TIMEOUT
    elif isinstance(error, ConnectionClosed):
        code = codes.CONNECTION
    else:
        code = codes.REFUSED if isinstance(error, ProtonException) else codes.INPUT
    return codes.CommandError(one_line(error), code)


def run(options: argparse.Namespace, work: Coroutine[Any, Any, int]) -> int:
    """Run a command's coroutine. SIGINT and SIGTERM cancel it.

    :return: what it returns; 128 and the number of a signal that has cancelled it.
    :raises CommandError: it has failed.
    """
    got: list[int] = []
    try:
        with trace.traced_by_default(trace.TRACE_FRM if options.verbose else 0):
            return asyncio.run(_watched(work, got))
    except codes.CommandError as error:
        if got:
            raise codes.CommandError(str(error), 128 + got[0]) from None
        raise
    except BrokenPipeError:
        raise
    except (ProtonException, OSError) as error:
        raise explained(error) from error


async def _watched(work: Coroutine[Any, Any, int], got: list[int]) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        got.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not in Windows, and not outside of the main thread: then Ctrl-C is a KeyboardInterrupt, if anything.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not got:
            raise
        raise codes.CommandError("interrupted", codes.INTERRUPTED) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)
