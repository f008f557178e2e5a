"""`Acceptor`: listens on every address of a name and makes a server connection for each client.

A system that has run out of descriptors must not make the loop spin: the acceptor then rests. If clients that have not
finished their handshake hold descriptors, the older half of them is ended after the rest. Finished ones stay.
"""

from __future__ import annotations

import errno
import os
import weakref
from typing import TYPE_CHECKING, Any

from proton.driver import Driver
from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.handler import Handler, inspect
from proton.exceptions import SSLException
from proton.io.connect import start_io
from proton.logs import log
from proton.options.listen_options import ListenOptions
from proton.transport.sasl.credentials import Credentials
from proton.transport.transport import Transport
from proton.url import Url

if TYPE_CHECKING:
    from proton.handlers.events import SelectableEvent

__all__ = ["Acceptor", "Handshakes", "end_handshakes"]

#: Seconds without accepting after the system has refused to make a socket.
ACCEPT_RETRY_DELAY = 1.0

#: As `ACCEPT_RETRY_DELAY`, while some clients have not finished the handshake: seconds in which they may finish it
#: before they are ended. A client that connects at the very limit of the system needs the time, and a shorter delay
#: lets a flood in faster.
HANDSHAKE_GRACE = 0.25

#: What the system answers when it has run out of descriptors, or of memory for them.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

#: Connections accepted in one turn, so that a great number of clients does not starve the connections that are open.
MAX_ACCEPTED_PER_TURN = 64

#: Clients whose TLS and SASL are not finished. In a flood of clients that stall, the oldest are ended: it bounds some
#: 40 kB of memory for each, and clients that do speak are still served. If the system has descriptors for fewer, the
#: oldest are ended when these run out.
MAX_HANDSHAKING = 1000

#: As `MAX_HANDSHAKING`, without TLS. Each takes some 6 kB of memory, and thousands may come at once: a program that
#: holds so many connections makes them all before any of them gets to speak.
MAX_HANDSHAKING_PLAIN = 10 * MAX_HANDSHAKING

#: Below this count, scanning for finished handshakes costs more than it frees.
MIN_SCAN = 128


class Handshakes:
    """The transports of one acceptor whose TLS and SASL are not finished, the oldest first."""

    def __init__(self) -> None:
        self._refs: list[weakref.ref[Transport]] = []
        self._scan_at = 0  # how many of them there may be before the finished ones are looked for

    def add(self, transport: Transport, most: int) -> None:
        """Take a transport in, and end the oldest ones if there are too many.

        :param most: how many there may be.
        """
        # Weak references: a connection that is closed and dropped must not stay until the next scan.
        self._refs.append(weakref.ref(transport))
        if len(self._refs) > self._scan_at:
            waiting = self.unfinished()
            end_handshakes(waiting[:-most], f"{most} younger callers have not finished the handshake either")
            self._refs = waiting[-most:]
            # Twice what is left: a scan is paid for by as many clients, whatever their number.
            self._scan_at = 2 * max(len(self._refs), min(MIN_SCAN, most))

    def unfinished(self) -> list[weakref.ref[Transport]]:
        """References to those that are not finished now, the oldest first."""
        return [ref for ref in self._refs if _is_handshaking(ref())]


class Acceptor(Handler):
    """What `Container.listen` returns: close it to stop listening.

    :param reactor: the container.
    :param host: a name or an address; every address of a name is listened on.
    :param port: a number, or its digits; 0 for one that is free, `port` tells which.
    :param handler: the handler of the connections that are accepted; the container's own when it is None.
    :param acceptors: those of the container, which this one joins.
    :raises OSError: the name does not resolve, or the port is in use.
    :raises ValueError: the port is a text that is not a number.
    """

    def __init__(
        self,
        reactor: Any,
        host: str | None,
        port: int | str | None,
        handler: Any = None,
        acceptors: weakref.WeakSet[Acceptor] | None = None,
    ) -> None:
        port = _port_number(port)
        inspect(handler)
        self._handler = handler
        self._ssl_domain: Any = None
        #: what clients have to do to be let in
        self.options: ListenOptions = ListenOptions(Credentials.coerce(reactor.credentials))
        #: the connections whose TLS and SASL are not finished
        self.handshakes: Handshakes = Handshakes()
        self._evictable: list[weakref.ref[Transport]] = []  # unless they finish while the acceptor rests
        self._evicted_for = ""
        self._acceptors = weakref.WeakSet() if acceptors is None else acceptors
        self._acceptors.add(self)
        self._listeners: dict[Any, Any] = {}  # the sockets, by their selectables
        # After all that can raise: the sockets would stay open until the collector comes.
        for listener in reactor.network.listen(host, port):
            selectable = reactor.selectable(handler=self, delegate=listener)
            selectable.reading = True
            selectable.update()
            self._listeners[selectable] = listener
        self._selectables = list(self._listeners)
        # Programs have always found the socket under this name, before there was `port`.
        self._selectable = self._selectables[0]

    @property
    def addresses(self) -> list[tuple[Any, ...]]:
        """The socket addresses listened on: host, port, and two more numbers for IPv6; empty once closed."""
        return [selectable.getsockname() for selectable in self._selectables if selectable.fileno() >= 0]

    @property
    def port(self) -> int:
        """The port listened on; 0 once closed."""
        addresses = self.addresses
        return int(addresses[0][1]) if addresses else 0

    def set_ssl_domain(self, ssl_domain: Any) -> None:
        """Have the connections that are accepted from now on use TLS.

        :param ssl_domain: an `SSLDomain` of servers.
        """
        self._ssl_domain = ssl_domain

    def close(self) -> None:
        """Stop listening; connections that were accepted live on. Closing twice does nothing."""
        for selectable in self._selectables:
            if not selectable.is_terminal:
                selectable.terminate()
                selectable.update()

    def on_selectable_readable(self, event: SelectableEvent) -> None:
        """Accepts the clients that wait."""
        selectable = event.context
        if selectable.is_terminal:
            return
        for accepted_before in range(MAX_ACCEPTED_PER_TURN):
            try:
                accepted = event.reactor.network.accept(self._listeners[selectable])
            except OSError as error:
                if accepted_before:
                    return  # systems say so without a waiting client, too; if one waits, the next turn comes at once
                log.error("Couldn't accept: %s", repr(error))
                self._rest(event.reactor, selectable, error)
                return
            if accepted is None:
                return
            self._serve(event.reactor, *accepted)

    def _rest(self, reactor: Any, selectable: Any, error: OSError) -> None:
        """Stops accepting for a while, and notes which clients are ended after it, so that there is room for others."""
        if error.errno in EXHAUSTED:
            # The system has one supply for all acceptors: the most crowded one, which may be another, gives some back.
            crowd = max((acceptor.handshakes.unfinished() for acceptor in self._acceptors), key=len)
            self._evictable = crowd[: (len(crowd) + 1) // 2]
            self._evicted_for = f"no other caller can be let in ({os.strerror(error.errno)})"
        selectable.reading = False
        selectable.deadline = reactor.now + (HANDSHAKE_GRACE if self._evictable else ACCEPT_RETRY_DELAY)
        selectable.update()

    def on_selectable_expired(self, event: SelectableEvent) -> None:
        """Accepts again after a rest."""
        selectable = event.context
        evictable, self._evictable = self._evictable, []
        if not selectable.is_terminal:
            end_handshakes(evictable, f"the handshake is not finished, and {self._evicted_for}")
            selectable.deadline = None
            selectable.reading = True
            selectable.update()

    def _serve(self, reactor: Any, sock: Any, address: tuple[Any, ...]) -> None:
        log.info("Accepted connection from %s", address)
        connection = reactor.connection(reactor.handler if self._handler is None else self._handler)
        connection.url = Url(host=address[0], port=str(address[1]))
        # Before `bind`: the global handler would connect a connection that has no acceptor.
        connection._acceptor = self
        transport = Transport(Transport.SERVER)
        try:
            if self._ssl_domain:
                transport.ssl(self._ssl_domain)
        except SSLException as error:  # a domain that was changed, or files that are gone
            log.error("Couldn't serve %s: %s", address, error)
            sock.close()
            return
        self.options.apply(transport)
        transport.handshake_timeout = reactor.handshake_timeout
        # Before anything is read: a client that says nothing counts from its first moment.
        self.handshakes.add(transport, MAX_HANDSHAKING if self._ssl_domain else MAX_HANDSHAKING_PLAIN)
        transport.bind(connection)
        start_io(reactor, Driver(transport), sock)


def _port_number(port: Any) -> int:
    number = port
    if isinstance(port, str):
        try:
            number = int(port)
        except ValueError:
            raise ValueError(f"port takes a number, got {port!r:.50}") from None
    if not isinstance(number, int):
        raise TypeError(f"port takes a number, got {type(port).__name__} {port!r:.50}")
    if not 0 <= number <= 0xFFFF:
        raise OverflowError(f"port takes 0 to 65535, got {number}")
    return int(number)


def end_handshakes(refs: list[weakref.ref[Transport]], reason: str) -> None:
    """Ends transports that have still not finished the handshake.

    :param reason: the description of their condition.
    """
    for ref in refs:
        transport = ref()
        if transport is not None and _is_handshaking(transport):
            transport.condition = Condition(RESOURCE_LIMIT_EXCEEDED, reason)
            transport.close_tail()
            transport.close_head()


def _is_handshaking(transport: Transport | None) -> bool:
    return transport is not None and not transport.closed and not transport.handshaken
