"""`serve` and `Listener`: the other role, connections that clients make."""

from __future__ import annotations

import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.checks import check_kind
from proton.asyncio.connection import Connection
from proton.asyncio.connection_core import ConnectionCore
from proton.asyncio.host import HANDSHAKE_TIMEOUT, Host
from proton.asyncio.loop import Loop, Pipe, listen
from proton.asyncio.opening import Openable
from proton.asyncio.waiting import Waiters, check_timeout
from proton.endpoints import connection as engine
from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.notices import shown
from proton.exceptions import SSLException
from proton.logs import log
from proton.options.listen_options import ListenOptions
from proton.options.tls_config import make_domain
from proton.transport.tls.domain import SSLDomain
from proton.transport.transport import Transport
from proton.url import Url, connection_url

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from proton.options.connect_options import ListenKeywords
    from proton.transport.sasl.credentials import Credentials, Users

__all__ = ["Listener", "serve"]

#: connections that the system completes while the loop is busy
BACKLOG = 1024
#: connections that may be in their handshake at once; beyond it the oldest one is dropped
MAX_HANDSHAKING = 1000
#: connections that may wait for the program; beyond it they are refused
MAX_WAITING = 1000


def serve(
    url: str | Url,
    *,
    ssl_domain: SSLDomain | None = None,
    credentials: Users | Credentials | None = None,
    container_id: str | None = None,
    timeout: float | None = 60.0,
    close_timeout: float | None = 10.0,
    heartbeat: float | None = None,
    **options: Unpack[ListenKeywords],
) -> Listener:
    """Make a listener. It listens once it is awaited, or entered with ``async with``.

    :param url: where to listen, such as ``"localhost:5672"``, on every address of the host; port 0 for a free one.
    :param ssl_domain: an `SSLDomain` of servers, for TLS; needed for ``amqps``.
    :param credentials: the users to let in, see `proton.Credentials`; without them all users.
    :param container_id: what the open of each connection names this end.
    :param timeout: seconds that each call on a connection may take, unless it says otherwise; None for no limit.
    :param close_timeout: seconds that a client has to answer a close.
    :param heartbeat: seconds of silence after which a connection counts as lost.
    :param options: `allowed_mechs`, `allow_insecure_mechs`, `require_auth`, `require_encryption`, as for
        `Container.listen`.
    :raises ValueError: the URL is invalid.
    :raises TypeError: an option has another name, or is of another type.
    :raises SSLException: the domain cannot be used.
    """
    check_kind("container_id", container_id, str)
    place: Any = connection_url(url)
    if ssl_domain is None and place.scheme == Url.AMQPS:
        ssl_domain = make_domain(SSLDomain.MODE_SERVER)
    checked = ListenOptions.checked(credentials, dict(options), ssl_domain)
    settings = check_timeout("timeout", timeout), check_timeout("close_timeout", close_timeout)
    return Listener(place, checked, ssl_domain, container_id, settings, check_timeout("heartbeat", heartbeat))


class Listener(Openable):
    """Listens for clients: ``async for connection in listener``. Made by `serve`.

    A connection is given once its client has authenticated and opened it. The program accepts the links that the
    client asks for, from `incoming`, or makes links of its own.
    """

    def __init__(
        self,
        url: Any,
        options: ListenOptions,
        ssl_domain: SSLDomain | None,
        container_id: str | None,
        settings: tuple[float | None, float | None],
        heartbeat: float | None,
    ) -> None:
        self._url = url
        self._options = options
        self._ssl_domain = ssl_domain
        self._container_id = container_id
        self._own_id = str(uuid.uuid4())
        self._settings = settings
        self._heartbeat = heartbeat
        self._loop: Loop | None = None
        self._server: Any = None
        self._is_closed = False
        self._handshaking: dict[_Accepted, None] = {}  # connections, the oldest first
        self._opened: deque[Connection] = deque()
        self._connections: dict[_Accepted, None] = {}
        self._waiters = Waiters()

    def __repr__(self) -> str:
        how = "closed" if self._is_closed else "not open" if self._server is None else self.addresses
        return f"<proton.asyncio.Listener {shown(self._url)!r}: {how}>"

    async def open(self) -> Self:
        """Listen.

        :raises OSError: the name does not resolve, or the port is in use.
        """
        if self._server is None and not self._is_closed:
            self._loop = Loop()
            self._server = await listen(
                self._loop, str(self._url.host) if self._url.host else None, int(self._url.port), BACKLOG, self._accept
            )
        return self

    @property
    def addresses(self) -> list[tuple[Any, ...]]:
        """The addresses that are listened on, as of the sockets."""
        return [] if self._server is None else [tuple(sock.getsockname()) for sock in self._server.sockets or ()]

    @property
    def port(self) -> int:
        """The port listened on; 0 before and after."""
        addresses = self.addresses
        return int(addresses[0][1]) if addresses else 0

    @property
    def connections(self) -> list[Connection]:
        """The connections of clients that are open."""
        return [owner.face for owner in self._connections]

    def _accept(self) -> Pipe:
        """Makes the pipe of a new connection, before the first byte has come."""
        assert self._loop is not None
        timeout, close_timeout = self._settings
        owner = _Accepted(timeout, close_timeout, self._note_open, self._note_end)
        Connection(owner)
        made = engine.Connection()
        made.container = self._container_id if self._container_id is not None else self._own_id
        transport = Transport(Transport.SERVER)
        try:
            if self._ssl_domain is not None:
                transport.ssl(self._ssl_domain)
        except SSLException as error:  # a domain that was changed, or files that are gone
            log.error("Couldn't serve a client: %s", error)
            raise
        self._options.apply(transport)
        transport.handshake_timeout = HANDSHAKE_TIMEOUT
        if self._heartbeat:
            transport.idle_timeout = self._heartbeat
        host = Host(self._loop, owner, made)
        owner.join(host, made)
        transport.bind(made)
        self._handshaking[owner] = None
        if len(self._handshaking) > MAX_HANDSHAKING:
            oldest = next(iter(self._handshaking))
            del self._handshaking[oldest]
            oldest.host.stop()
        return host.attach_pipe(transport)

    def _note_open(self, connection: _Accepted) -> None:
        """A client has opened its connection."""
        self._handshaking.pop(connection, None)
        if self._is_closed or len(self._opened) >= MAX_WAITING:
            reason = Condition(RESOURCE_LIMIT_EXCEEDED, "too many connections wait to be served")
            connection.close_engine(None if self._is_closed else reason)
            return
        self._connections[connection] = None
        self._opened.append(connection.face)
        self._waiters.wake()

    def _note_end(self, connection: _Accepted) -> None:
        """A connection has ended."""
        self._handshaking.pop(connection, None)
        self._connections.pop(connection, None)

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> Connection:
        if self._loop is None:
            await self.open()
        assert self._loop is not None
        await self._waiters.until(self._loop, lambda: self._opened or self._is_closed, None, "")
        if self._opened:
            return self._opened.popleft()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Stop listening, and close all connections of clients."""
        await self._end(False, None)

    async def drain(self, timeout: float | None = 10.0) -> None:
        """Stop listening, and end all connections gracefully, see `Connection.drain`.

        :param timeout: seconds for all of them together, without the close; None for no limit.
        :raises Timeout, Undeliverable: as `Connection.drain`; the others are ended all the same.
        """
        await self._end(True, check_timeout("timeout", timeout))

    async def _end(self, gracefully: bool, limit: float | None) -> None:
        if self._loop is not None:
            self._loop.check()
        self._is_closed = True
        self._waiters.wake()
        if self._server is not None:
            self._server.close()
        for owner in list(self._handshaking):
            owner.host.stop()
        owners = list(self._connections)
        failure: Exception | None = None
        try:
            if gracefully:
                failure = await self._finish(owners, limit)
            await self._close(owners)
        except BaseException:
            for owner in owners:
                owner.drop()
            raise
        for owner in list(self._handshaking):
            await owner.wait_closed()
        if failure is not None:
            raise failure

    async def _finish(self, owners: list[_Accepted], limit: float | None) -> Exception | None:
        """Waits until the programs of all connections have finished; the first failure."""
        owners = [owner for owner in owners if owner.is_connected]
        for owner in owners:
            owner.stop_credit()
        deadline = self._loop.deadline(limit) if self._loop is not None else None
        failure: Exception | None = None
        for owner in owners:
            try:
                await owner.finish(deadline)
            except Exception as error:
                failure = failure or error
            owner.close_engine()
        return failure

    async def _close(self, owners: list[_Accepted]) -> None:
        """Closes all, and waits for all of them together."""
        for owner in owners:
            owner.close_engine()
        deadline = owners[0].loop.deadline(self._settings[1]) if owners else None
        for owner in owners:
            await owner.close(None, owner.loop.left(deadline))


class _Accepted(ConnectionCore):
    """The connection of a client.

    :param opened: called once the client has opened the connection.
    :param ended: called when nothing of it is left.
    """

    def __init__(
        self,
        timeout: float | None,
        close_timeout: float | None,
        opened: Callable[[_Accepted], None],
        ended: Callable[[_Accepted], None],
    ) -> None:
        super().__init__(HANDSHAKE_TIMEOUT, timeout, close_timeout)
        self._opened = opened
        self._ended = ended

    def join(self, host: Host, made: engine.Connection) -> None:
        """Takes the engine's half."""
        self._host = host
        self.engine = made
        self.offer()
        made._session_policy = host.sessions

    def is_unclosed(self) -> bool:
        """False: the listener closes it, and a client that was cut leaves nothing."""
        return False

    def on_open(self) -> None:
        """The client has opened the connection."""
        super().on_open()
        self._opened(self)

    def on_change(self) -> None:
        """The connection was opened, or has ended."""
        super().on_change()
        if self.is_over:
            self._ended(self)
