"""From a host name to connected sockets: every address of the name is tried, all at once, and each is told."""

from __future__ import annotations

import errno
import ipaddress
import os
import selectors
import socket
import threading
import time
from typing import Any, NamedTuple

from proton.cli import codes
from proton.cli.checks.findings import Deadline, Report, shown_seconds, shown_time

__all__ = ["Address", "connect_all", "open_socket", "resolve"]

#: seconds that the other addresses of a name get, once one of them has connected
GRACE = 1.0
#: the least share of the time that connecting leaves for all that follows
SHARE = 0.6


class Address(NamedTuple):
    """One address of the host: its family, and what `connect` takes."""

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return f"[{host}]:{port}" if self.family == socket.AF_INET6 else f"{host}:{port}"


def resolve(report: Report, host: str, port: int, deadline: Deadline) -> list[Address]:
    """Find the addresses of a name; none if the report says why."""
    # The system's resolver cannot be interrupted, but a thread can be waited for.
    results: list[Any] = []
    thread = threading.Thread(target=_ask_resolver, args=(host, port, results), daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(deadline.left())
    spent = time.monotonic() - began
    if not results:
        text = f"the resolver has not answered for {host!r} within {shown_seconds(spent)}"
        report.failed(codes.TIMEOUT, "resolve", text, "check the name servers of this machine", host=host)
        return []
    if isinstance(results[0], Exception):
        reason = getattr(results[0], "strerror", None) or str(results[0])
        text = f"the host {host!r} is not known: {reason}"
        report.failed(
            codes.CONNECTION, "resolve", text, "check the spelling, and the name servers of this machine", host=host
        )
        return []
    found = list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in results[0]))
    names = [str(address.sockaddr[0]) for address in found]
    if _is_address(host):
        report.ok("resolve", f"{host} is an address, no name to look up", host=host, addresses=names)
    else:
        listed = ", ".join(f"{address.sockaddr[0]} ({_family(address)})" for address in found)
        text = f"{host} is {listed}, in {shown_time(spent)}"
        report.ok("resolve", text, host=host, addresses=names, seconds=round(spent, 6))
    return found


def _ask_resolver(host: str, port: int, results: list[Any]) -> None:
    try:
        results.append(socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM))
    except (OSError, UnicodeError, OverflowError) as error:
        results.append(error)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return True


def _family(address: Address) -> str:
    return "IPv6" if address.family == socket.AF_INET6 else "IPv4"


# -- connecting ----------------------------------------------------------------------------------------------------


class _Attempt:
    """One address that is being connected."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.error: int | None = None  # 0 once it is connected
        self.began = time.monotonic()
        self.seconds = 0.0
        self.sock: socket.socket | None = None
        try:
            self.sock = socket.socket(address.family, socket.SOCK_STREAM)
            self.sock.setblocking(False)
            result = self.sock.connect_ex(address.sockaddr)
        except OSError as error:
            self.end(error.errno or errno.EIO)
            return
        if result == 0 or result not in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
            self.end(result)

    def end(self, error: int) -> None:
        """It has connected, or failed."""
        self.error, self.seconds = error, time.monotonic() - self.began
        if error and self.sock is not None:
            self.sock.close()
            self.sock = None


def connect_all(report: Report, addresses: list[Address], deadline: Deadline) -> tuple[Address, socket.socket] | None:
    """Connect to all addresses, and tell of each.

    :return: the first one of them that works, with its connected socket; None if there is none.
    """
    attempts = [_Attempt(address) for address in addresses]
    try:
        _wait(attempts, Deadline(deadline.left() * SHARE))
        connected = [attempt for attempt in attempts if attempt.error == 0]
        for attempt in attempts:
            _tell(report, attempt, bool(connected))
        if not connected or connected[0].sock is None:
            return None
        sock, connected[0].sock = connected[0].sock, None
        return connected[0].address, sock
    finally:
        for attempt in attempts:
            if attempt.sock is not None:
                attempt.sock.close()


def _wait(attempts: list[_Attempt], deadline: Deadline) -> None:
    with selectors.DefaultSelector() as selector:
        for attempt in attempts:
            if attempt.error is None and attempt.sock is not None:
                selector.register(attempt.sock, selectors.EVENT_WRITE, attempt)
        while selector.get_map() and deadline.left():
            if any(attempt.error == 0 for attempt in attempts):
                deadline = Deadline(min(deadline.left(), GRACE))
            for key, _ in selector.select(deadline.left()):
                selector.unregister(key.fileobj)
                key.data.end(key.data.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def _tell(report: Report, attempt: _Attempt, another_works: bool) -> None:
    place, error = str(attempt.address), attempt.error
    spent = round(attempt.seconds, 6)
    code = codes.CONNECTION
    if error == 0:
        report.ok("connect", f"{place} connects in {shown_time(attempt.seconds)}", address=place, seconds=spent)
        return
    if error is None:
        text = f"{place} has not answered within {shown_seconds(time.monotonic() - attempt.began)}"
        cure, code = "check host and port; a firewall may drop the packets", codes.TIMEOUT
    elif error in (errno.ECONNREFUSED, getattr(errno, "WSAECONNREFUSED", errno.ECONNREFUSED)):
        text = f"{place} refuses the connection: nothing listens there"
        cure = "start the broker, or check the port (5672, with TLS 5671)"
    else:
        text = f"{place} cannot be reached: {os.strerror(error)}"
        cure = "check the network of this machine, and the route to the host"
    if another_works:
        report.noticed("connect", text, "programs lose time with this address, or cannot use it", address=place)
    else:
        report.failed(code, "connect", text, cure, address=place)


def open_socket(address: Address, deadline: Deadline) -> socket.socket:
    """Connect once more to an address that has worked; the socket blocks until the deadline.

    :raises OSError: it does not work any more, or not in time.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(max(deadline.left(), 0.001))
        sock.connect(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock
