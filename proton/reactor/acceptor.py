"""`Acceptor`: listens on every address of a name and makes a server connection of each caller.

A system that has run out of descriptors must not make the loop spin: the acceptor then rests, and if callers who have
not finished their handshake hold them, the older half of these has to go when the rest is over. Who has finished stays.
"""

from __future__ import annotations

import errno
import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.handler import Handler, inspect
from proton.exceptions import SSLException
from proton.io import sockets
from proton.io.connect import attach
from proton.logs import log
from proton.transport.sasl.credentials import Credentials
from proton.transport.transport import Transport
from proton.url import Url

if TYPE_CHECKING:
    from proton.handlers.events import SelectableEvent

__all__ = ["Acceptor", "ServerTerms"]

#: Seconds without accepting after the system has refused to make a socket.
REST = 1.0

#: The same when some callers have not finished the handshake: so long they may still do it before they have to go. Who
#: comes in at the very limit of the system needs the time, and each rest shorter than this lets a flood in faster.
GRACE = 0.25

#: What the system answers when it has run out of descriptors, or of memory for them.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

#: Connections taken in one turn, so that callers in great number do not starve those who are in.
ACCEPTED_PER_TURN = 64

#: Callers at most whose TLS and SASL are not finished. In a flood of callers that stall, the oldest have to go: some
#: 40 kB of memory each are bounded by it, and whoever does speak is still served. Where the system has descriptors for
#: fewer, they have to go when these run out.
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
    :param port: a number, or its digits; 0 for one that is free, `port` tells which.
    :param handler: the handler of the connections that are accepted; the container's own when it is None.
    :raises OSError: the name does not resolve, or the port is in use.
    :raises ValueError: the port is a text that is not a number.
    """

    def __init__(self, reactor: Any, host: str, port: int | str, handler: Any = None) -> None:
        port = _port_number(port)
        inspect(handler)
        self._handler = handler
        self._ssl_domain: Any = None
        #: on what terms clients are let in
        self.terms: ServerTerms = ServerTerms(Credentials.of(reactor.credentials))
        self._unfinished: list[weakref.ref[Transport]] = []
        self._crowd = 0  # how many of them may come together before they are looked through
        self._to_go: list[weakref.ref[Transport]] = []  # unless they finish while the acceptor rests
        self._to_go_for = ""  # why
        reactor._acceptors.add(self)
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

    def on_selectable_readable(self, event: SelectableEvent) -> None:
        """Accepts the callers that wait."""
        selectable = event.context
        if selectable.is_terminal:
            return
        for accepted_before in range(ACCEPTED_PER_TURN):
            try:
                accepted = sockets.accept(selectable._delegate)
            except OSError as error:
                if accepted_before:
                    return  # systems say so when nobody waits, too; if somebody does, the next turn comes at once
                log.error("Couldn't accept: %s", repr(error))
                self._rest(event.reactor, selectable, error)
                return
            if accepted is None:
                return
            self._serve(event.reactor, *accepted)

    def _rest(self, reactor: Any, selectable: Any, error: OSError) -> None:
        """Accepts nobody for a while, and notes who has to go after it, so that there is room for others."""
        if error.errno in EXHAUSTED:
            # The system has one supply for all acceptors: the most crowded one, which may be another, has to give.
            crowd = max((acceptor._waiting() for acceptor in reactor._acceptors), key=len)
            self._to_go = crowd[: (len(crowd) + 1) // 2]
            self._to_go_for = f"no other caller can be let in ({os.strerror(error.errno)})"
        selectable.reading = False
        selectable.deadline = reactor.now + (GRACE if self._to_go else REST)
        selectable.update()

    def on_selectable_expired(self, event: SelectableEvent) -> None:
        """Accepts again after a rest."""
        selectable = event.context
        to_go, self._to_go = self._to_go, []
        if not selectable.is_terminal:
            _end_unfinished(to_go, f"the handshake is not finished, and {self._to_go_for}")
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
        waiting = self._waiting()
        _end_unfinished(waiting[:-most], f"{most} younger callers have not finished the handshake either")
        self._unfinished = waiting[-most:]
        self._crowd = 2 * max(len(self._unfinished), min(FEW, most))

    def _waiting(self) -> list[weakref.ref[Transport]]:
        """Those who have not finished the handshake, the oldest first."""
        return [ref for ref in self._unfinished if _is_unfinished(ref())]


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


def _end_unfinished(refs: list[weakref.ref[Transport]], reason: str) -> None:
    for ref in refs:
        transport = ref()
        if transport is not None and _is_unfinished(transport):
            transport.condition = Condition(RESOURCE_LIMIT_EXCEEDED, reason)
            transport.close_tail()
            transport.close_head()


def _is_unfinished(transport: Transport | None) -> bool:
    return transport is not None and not transport.closed and not transport.handshaken
