"""`connect` and `Connection`: an AMQP connection in an asyncio program, its sessions, and what happens to it."""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.checks import check_flag, check_kind, check_number
from proton.asyncio.connection_core import ConnectionCore, ConnectionEvent
from proton.asyncio.incoming import ReceiverRequest, SenderRequest, request_for
from proton.asyncio.making import LinkMaker
from proton.asyncio.opening import Cored, Openable
from proton.asyncio.outcomes import Receipt
from proton.asyncio.session import Session, SessionCore
from proton.asyncio.waiting import DEFAULT, check_timeout
from proton.connector import Connector
from proton.endpoints import connection as engine
from proton.endpoints.condition import Condition
from proton.options.config import configured_options, read_config
from proton.options.connect_options import CONNECT_OPTIONS, warn_of_urls
from proton.options.connection_options import ConnectionOptions
from proton.options.tls_config import make_domain
from proton.reconnect import Backoff, ReconnectPolicy, check_reconnect, places
from proton.transport.tls.domain import SSLDomain
from proton.warn import nearest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from proton.options.connect_options import ConnectKeywords
    from proton.url import Url

__all__ = ["Connection", "ConnectionEvent", "connect"]


class _Defaults:
    """What `ConnectionOptions` takes where a program says nothing."""

    container_id: str | None = None
    user: str | None = None
    password: str | None = None
    token: Any = None
    allowed_mechs: Any = None
    allow_insecure_mechs = True
    sasl_enabled = True


def connect(
    *urls: str | Url,
    reconnect: bool | Backoff | Iterable[float] = False,
    initial_retry: bool = False,
    on_event: Callable[[ConnectionEvent], object] | None = None,
    on_late_outcome: Callable[[Receipt | Exception], object] | None = None,
    connect_timeout: float | None = 30.0,
    timeout: float | None = 60.0,
    close_timeout: float | None = 10.0,
    heartbeat: float | None = None,
    ssl_domain: SSLDomain | None = None,
    **options: Unpack[ConnectKeywords],
) -> Connection:
    """Make a connection. Nothing happens before it is awaited, or entered with ``async with``.

    :param urls: where to connect to: ``"amqp://host:5672"`` or ``"amqps://user:password@host"``; several are tried in
        turn. Without one the connection configuration file is used.
    :param reconnect: True to make the connection again when it is lost, with growing delays and without end; a
        `Backoff`, or the delays in seconds; False for never.
    :param initial_retry: True to try again as well if it cannot be made at all; else each URL is tried once.
    :param on_event: called with a `ConnectionEvent` if something happens to the connection.
    :param on_late_outcome: called with the `Receipt`, or the exception, of a message whose `send` was cancelled or has
        timed out before its outcome.
    :param connect_timeout: seconds until the connection is open, None for no limit.
    :param timeout: seconds that each other call may take, unless it says otherwise; None for no limit.
    :param close_timeout: seconds that the peer has to answer a close; then the connection is dropped.
    :param heartbeat: seconds of silence after which the connection counts as lost.
    :param ssl_domain: the `SSLDomain` for ``amqps``; one with the defaults if left out.
    :param options: as for `Container.connect`: `user`, `password`, `token`, `authorization`, `allowed_mechs`,
        `allow_insecure_mechs`, `sasl_enabled`, `virtual_host`, `sni`, `session_details`, `offered_capabilities`,
        `desired_capabilities`, `properties`, `max_frame_size`, `container_id`, `retry_on`.
    :raises ValueError: a URL is invalid, or there is none; a number is out of range.
    :raises TypeError: an option has another name, or is of another type.
    """
    for name in options:
        if name not in CONNECT_OPTIONS:
            meant = nearest(name, [*CONNECT_OPTIONS, *(connect.__kwdefaults__ or ())])
            raise TypeError(f"connect() has no option {name!r}" + (f": did you mean {meant!r}?" if meant else ""))
    check_flag("initial_retry", initial_retry)
    check_kind("ssl_domain", ssl_domain, SSLDomain)
    given: dict[str, Any] = dict(options, ssl_domain=ssl_domain, heartbeat=heartbeat)
    targets: Any = urls
    if not urls:
        given.update(configured_options(read_config(), lambda: make_domain(SSLDomain.MODE_CLIENT)))
        targets = [given.pop("url")]
    addresses = places(None, list(targets))
    warn_of_urls(addresses.values, ssl_domain)
    wanted: Any = check_reconnect(reconnect)
    settings = ConnectionOptions.checked(given, _Defaults, addresses.values)
    # Before it was open once, each place has one attempt: a wrong address or password should be told at once.
    policy = ReconnectPolicy(addresses, wanted if initial_retry else Backoff(max_tries=1), given.get("retry_on"))
    made = ConnectionCore(
        check_timeout("connect_timeout", connect_timeout),
        check_timeout("timeout", timeout),
        check_timeout("close_timeout", close_timeout),
    )
    made.set_up(Connector(policy, settings), wanted, on_event, on_late_outcome)
    return Connection(made)


class Connection(LinkMaker, Openable, Cored[ConnectionCore]):
    """An AMQP connection. Made by `connect`, or by a `Listener`."""

    def __init__(self, core: ConnectionCore) -> None:
        super().__init__(core)
        core.show(self)

    def __repr__(self) -> str:
        return repr(self._core)

    def __del__(self) -> None:
        if self._core.is_unclosed():
            warnings.warn(
                f"unclosed {self!r}: use async with, or await close()", ResourceWarning, stacklevel=1, source=self
            )

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def connect_timeout(self) -> float | None:
        """Seconds until it is open, None for no limit."""
        return self._core.connect_timeout

    @connect_timeout.setter
    def connect_timeout(self, seconds: float | None) -> None:
        self._core.connect_timeout = check_timeout("connect_timeout", seconds)

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may take that says nothing else, None for no limit."""
        return self._core.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._core.timeout = check_timeout("timeout", seconds)

    @property
    def close_timeout(self) -> float | None:
        """Seconds that the peer has to answer a close, None for no limit."""
        return self._core.close_timeout

    @close_timeout.setter
    def close_timeout(self, seconds: float | None) -> None:
        self._core.close_timeout = check_timeout("close_timeout", seconds)

    @property
    def context(self) -> contextvars.Context:
        """The context variables that callbacks see: those of the caller of `connect`."""
        return self._core.context

    @property
    def engine(self) -> engine.Connection:
        """The `proton.Connection` below: what its open has, and the peer's. Change nothing on it."""
        return self._core.host.connection

    @property
    def is_connected(self) -> bool:
        """True while the connection is open at both ends."""
        return self._core.is_connected

    @property
    def is_closed_here(self) -> bool:
        """True once this end has closed it, before the peer did."""
        return self._core.is_closed_here

    @property
    def remote_container(self) -> str | None:
        """The container-id of the peer, None while it is not connected."""
        return None if self._core.engine is None else self._core.engine.remote_container

    @property
    def remote_properties(self) -> dict[Any, Any] | None:
        """The properties of the peer's open, None while it is not connected."""
        return None if self._core.engine is None else self._core.engine.remote_properties

    @property
    def user(self) -> str | None:
        """The user that was authenticated: of a client, as the server knows it; None without SASL."""
        transport = None if self._core.engine is None else self._core.engine.transport
        return None if transport is None else transport.user

    # -- opening -------------------------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Connect, and wait until the peer has opened the connection. To open it once more does nothing.

        :raises ConnectionClosed: it could not be made: the text and `condition` say why.
        :raises Timeout: it is not open after `connect_timeout`.
        """
        await self._core.open()
        return self

    async def ready(self, timeout: float | None = DEFAULT) -> None:
        """Wait until the connection is open and each of its links is attached, for instance after a loss.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: it is not so in time.
        """
        await self._core.ready(timeout)

    # -- links and sessions --------------------------------------------------------------------------------------

    def _owner(self) -> ConnectionCore:
        return self._core

    def _engine_session(self) -> Any:
        return self._core.engine_session()

    async def incoming(self) -> AsyncGenerator[SenderRequest | ReceiverRequest, None]:
        """The links that the peer asks for, as they come; it ends with the connection.

        A `ReceiverRequest` is for a link that the peer wants to send over, a `SenderRequest` for one to receive over.

        A connection that `connect` has made refuses them until this is first called; one of a `Listener` keeps them.
        """
        core = self._core
        offered = core.offer()
        while await core.until_offered(offered):
            request = request_for(core, offered.popleft())
            if request.is_open:
                yield request

    def session(self, *, incoming_capacity: int = 0, outgoing_window: int | None = None) -> Session:
        """Make a session of the program's own; ``async with``, or to await it, begins it.

        Links of a connection share one session; one of their own keeps their windows apart.

        :param incoming_capacity: bytes of messages that may wait to be read, 0 for no limit (2.5.6).
        :param outgoing_window: frames to announce as the outgoing window, None for the default.
        :raises TypeError, ValueError: one of these is of another type, or out of range.
        """
        check_number("incoming_capacity", incoming_capacity, "bytes")
        if outgoing_window is not None:
            check_number("outgoing_window", outgoing_window, "frames")
        return Session(SessionCore(self._core, incoming_capacity, outgoing_window))

    # -- the end -------------------------------------------------------------------------------------------------

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._core.error is None:
                await self._core.flush(self._core.close_timeout)
        finally:
            await self.close()

    async def close(self, condition: Condition | None = None, timeout: float | None = DEFAULT) -> None:
        """Close the connection, and wait until the peer has; it is dropped if the peer does not answer in time.

        It does not wait for outcomes: `Sender.flush` and `drain` do. To close it once more does nothing.

        :param condition: the reason, an error; None for an orderly close.
        :param timeout: seconds, None for no limit; `close_timeout` if left out.
        """
        await self._core.close(condition, timeout)

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, for whatever reason, and nothing of it is left."""
        await self._core.wait_closed()

    async def drain(self, timeout: float | None = 10.0) -> None:
        """End the connection gracefully.

        The credit of all receivers is stopped, and what was not taken goes back; the program settles what it has taken;
        what `send_soon` has sent gets its outcomes; then the connection is closed. It is closed in any case.

        :param timeout: seconds for all of it but the close, None for no limit.
        :raises Timeout: something was left at the end of the time: the text says what.
        :raises Undeliverable, Lost: a message of `send_soon` was not accepted.
        """
        await self._core.drain(timeout)
