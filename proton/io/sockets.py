"""TCP sockets, non-blocking from birth: resolve, listen, accept, connect.

Every socket that leaves this file does not block, is not inherited, and has Nagle's algorithm off, since
the transport already gathers what one turn of the loop produces into one send. Nothing here waits, but
`resolve`, which asks the system's resolver. Keep selectors, transports and logging out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from typing import Any, NamedTuple

__all__ = ["Address", "accept", "connect", "connect_result", "is_address", "listen", "resolve"]

#: Connections that the kernel completes while the loop is busy, if it allows so many; beyond it callers wait a second.
BACKLOG = 1024

#: How often a free port is looked for that every address of a name can have.
PORT_ATTEMPTS = 20

#: The address belongs to a family or an interface that this machine lacks: other addresses may still do.
UNUSABLE = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})

#: `connect` has begun and will be reported as writability.
IN_PROGRESS = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EALREADY, errno.EINTR})


_DOTTED = re.compile(r"[1-9][0-9]{0,2}(?:\.(?:0|[1-9][0-9]{0,2})){3}", re.ASCII).fullmatch


class Address(NamedTuple):
    """One resolved address: its family, and what `connect` and `bind` take."""

    family: int
    sockaddr: tuple[Any, ...]


def is_address(host: str | None) -> bool:
    """Whether a host stands for itself, so that no resolver is asked: an IPv4 or IPv6 address, or none at all."""
    if not host or _DOTTED(host):
        return True
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])  # a link-local address may name its interface
    except (OSError, ValueError):
        return False
    return True


def resolve(host: str | None, port: int, passive: bool = False) -> list[Address]:
    """Every stream address of a host name, IPv4 and IPv6, in the resolver's order, each once.

    :raises OSError: (`socket.gaierror`) the name has no address.
    :raises UnicodeError: the name cannot be a host name.
    :raises OverflowError: the port is not in 0 to 65535.
    """
    if not 0 <= port <= 65535:
        # Some resolvers would take its lower bits.
        raise OverflowError(f"a port is 0 to 65535, got {port}")
    if host and _DOTTED(host):
        # It stands for itself, and asking the resolver costs three times as much.
        try:
            socket.inet_pton(socket.AF_INET, host)
        except OSError:
            pass
        else:
            return [Address(socket.AF_INET, (host, int(port)))]
    flags = socket.AI_PASSIVE if passive else 0
    # `getaddrinfo` refuses a `Url.Port`.
    found = socket.getaddrinfo(host, int(port), socket.AF_UNSPEC, socket.SOCK_STREAM, 0, flags)
    return list(dict.fromkeys(Address(family, sockaddr) for family, _kind, _proto, _name, sockaddr in found))


def listen(host: str | None, port: int) -> list[socket.socket]:
    """Listening sockets on every address of `host`, all on one port.

    :param port: 0 takes a port that is free on all of them.
    :raises OSError: the name does not resolve, or the port is taken.
    """
    addresses = resolve(host, port, passive=True)
    for attempt in range(PORT_ATTEMPTS):
        try:
            return _listen_on(addresses, port)
        except OSError as error:
            # Only a port that we chose ourselves can be swapped for another one.
            if port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("the loop returns or raises")


def _listen_on(addresses: list[Address], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    unusable: OSError | None = None
    try:
        # From the second address on with the port that the first one got: port 0 is one port for all of them.
        for family, sockaddr in addresses:
            try:
                listener = _listener(family, (sockaddr[0], port) + sockaddr[2:])
            except OSError as error:
                if error.errno not in UNUSABLE:
                    raise
                unusable = error
                continue
            listeners.append(listener)
            port = listener.getsockname()[1]
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    if not listeners:
        raise unusable or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return listeners


def _listener(family: int, sockaddr: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Elsewhere the option would let a second program take a port in use.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The IPv4 addresses of the name have their own sockets.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Made non-blocking before `listen`: a client that gives up before `accept` would make a blocking one wait.
        listener.setblocking(False)
        listener.bind(sockaddr)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        place = f"{sockaddr[0]}:{sockaddr[1]}"
        raise OSError(error.errno, f"cannot listen on {place}: {error.strerror}") from None
    return listener


def accept(listener: socket.socket) -> tuple[socket.socket, tuple[Any, ...]] | None:
    """The next waiting connection and its peer's address, or `None` when there is none.

    :raises OSError: the system has run out of something (descriptors, memory).
    """
    try:
        sock, address = listener.accept()
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        # `ConnectionAbortedError`: the client has gone between its connect and this call.
        return None
    _tune(sock)
    return sock, address


def connect(address: Address) -> tuple[socket.socket, int]:
    """Begins to connect: the socket, and 0 or the error number that it failed with at once.

    Success shows as writability later, with `connect_result` 0.

    :raises OSError: no socket could be made.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        _tune(sock)
        result = sock.connect_ex(address.sockaddr)
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock, 0 if result in IN_PROGRESS else result


def connect_result(sock: socket.socket) -> int:
    """How a connect ended: 0, or an error number."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _tune(sock: socket.socket) -> None:
    sock.setblocking(False)
    # A connection that is already gone may refuse it (macOS); reading from it will tell.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
