"""`Acceptor`: listens on every address of a name and makes a server connection of each caller.

A system that has run out of descriptors must not make the loop spin: the acceptor then rests for a second.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, NamedTuple

from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.handler import Handler
from proton.exceptions import SSLException
from proton.handlers.connecting import attach
from proton.io import sockets
from proton.transport.credentials import Credentials
from proton.transport.transport import Transport
from proton.url import Url

__all__ = ["Acceptor", "ServerTerms"]

log = logging.getLogger("proton")

#: Seconds without accepting after the system has refused to make a socket.
REST = 1.0

#: Connections taken in one turn, so that callers in great number do not starve those who are in.
ACCEPTED_PER_TURN = 64

#: Callers at most whose TLS and SASL are not finished. In a flood of callers that stall, the oldest have to go: some
#: 40 kB of memory each are bounded by it, and whoever does speak is still served.
UNFINISHED = 1000

#: The same where there is no TLS. They take some 6 kB of memory each, and thousands may well come at once: a program
#: that holds so many connections makes them all before any of them gets to speak.
UNFINISHED_PLAIN = 10 * UNFINISHED

#: So many are not worth a look at which of them have finished.
FEW = 128


class ServerTerms(NamedTuple):
    """On what terms clients are let in; see `Container.listen`."""

    credentials: Credentials | None = None
    allowed_mechs: Any = None
    allow_insecure_mechs: bool = False
    require_auth: bool = False
    require_encryption: bool = False

    @classmethod
    def of(cls, users: Any, options: dict[str, Any], ssl_domain: Any = None) -> ServerTerms:
        """The terms that `Container.listen` was given, tried before anybody calls.

        :raises TypeError: an option with another name, or a value of another type.
        :raises SSLException: a domain that cannot be used.
        """
        unknown = sorted(set(options) - set(cls._fields))
        if unknown:
            raise TypeError(f"expected options of {', '.join(cls._fields)}, got {', '.join(unknown)}")
        terms = cls(Credentials.of(users), **options)
        trial = Transport(Transport.SERVER)
        if ssl_domain is not None:
            trial.ssl(ssl_domain)
        terms.apply(trial)
        return terms

    def apply(self, transport: Transport) -> None:
        """Sets up the transport of an accepted connection."""
        if self.require_auth:
            transport.require_auth(True)
        if self.require_encryption:
            transport.require_encryption(True)
        if self.credentials is not None or self.allowed_mechs is not None or self.allow_insecure_mechs:
            sasl = transport.sasl()
            sasl.credentials = self.credentials
            sasl.allow_insecure_mechs = self.allow_insecure_mechs
            sasl.allowed_mechs(self.allowed_mechs)


class Acceptor(Handler):
    """What `Container.listen` returns: close it to stop listening.

    :param reactor: the container.
    :param host: a name or an address; every address of a name is listened on.
    :param port: a port, 0 for one that is free; `port` tells which.
    :param handler: the handler of the connections that are accepted; the container's own when it is None.
    :raises OSError: the name does not resolve, or the port is in use.
    """

    def __init__(self, reactor: Any, host: str, port: int, handler: Any = None) -> None:
        self._handler = handler
        self._ssl_domain: Any = None
        #: on what terms clients are let in
        self.terms = ServerTerms(Credentials.of(reactor.credentials))
        self._unfinished: list[weakref.ref[Transport]] = []
        self._crowd = 0  # how many of them may come together before they are looked through
        self._selectables: list[Any] = []
        for listener in sockets.listen(host, port):
            selectable = reactor.selectable(handler=self, delegate=listener)
            selectable.reading = True
            selectable.update()
            self._selectables.append(selectable)
        # The name under which programs have always found the socket, for want of `port`.
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

    def on_selectable_readable(self, event: Any) -> None:
        """Accepts the callers that wait."""
        selectable = event.context
        if selectable.is_terminal:
            return
        for _ in range(ACCEPTED_PER_TURN):
            try:
                accepted = sockets.accept(selectable._delegate)
            except OSError as error:
                log.error("Couldn't accept: %s", repr(error))
                selectable.reading = False
                selectable.deadline = event.reactor.now + REST
                selectable.update()
                return
            if accepted is None:
                return
            self._serve(event.reactor, *accepted)

    def on_selectable_expired(self, event: Any) -> None:
        """Accepts again after a rest."""
        selectable = event.context
        if not selectable.is_terminal:
            selectable.deadline = None
            selectable.reading = True
            selectable.update()

    def _serve(self, reactor: Any, sock: Any, address: tuple[Any, ...]) -> None:
        log.info("Accepted connection from %s", address)
        connection = reactor.connection(reactor.handler if self._handler is None else self._handler)
        connection.url = Url(host=address[0], port=str(address[1]))
        connection._acceptor = self
        transport = Transport(Transport.SERVER)
        try:
            if self._ssl_domain:
                transport.ssl(self._ssl_domain)
        except SSLException as error:  # a domain that was changed, or files that are gone
            log.error("Couldn't serve %s: %s", address, error)
            sock.close()
            return
        self.terms.apply(transport)
        transport.handshake_timeout = reactor.handshake_timeout
        self._unfinished.append(weakref.ref(transport))
        if len(self._unfinished) > self._crowd:
            self._drop_unfinished()
        transport.bind(connection)
        attach(reactor, transport, sock)

    def _drop_unfinished(self) -> None:
        """Forgets who has finished the handshake, and ends the oldest of the others if they are too many."""
        most = UNFINISHED if self._ssl_domain else UNFINISHED_PLAIN
        waiting = [ref for ref in self._unfinished if _is_unfinished(ref())]
        for ref in waiting[:-most]:
            transport = ref()
            if transport is not None:
                reason = f"{most} younger callers have not finished the handshake either"
                transport.condition = Condition(RESOURCE_LIMIT_EXCEEDED, reason)
                transport.close_tail()
                transport.close_head()
        self._unfinished = waiting[-most:]
        self._crowd = 2 * max(len(self._unfinished), min(FEW, most))


def _is_unfinished(transport: Transport | None) -> bool:
    return transport is not None and not transport.closed and not transport.handshaken
