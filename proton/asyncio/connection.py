"""`connect` and `Connection`: an AMQP connection in an asyncio program, its sessions, and what happens to it.

The engine connection and its events are the business of `Host`; what may be waited for is here.
"""

from __future__ import annotations

import contextvars
import uuid
import warnings
from collections import deque
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from proton.asyncio.checks import check_condition, check_flag, check_kind, check_number
from proton.asyncio.errors import ConnectionClosed, Lost, Timeout, Undeliverable, error_of
from proton.asyncio.host import Host
from proton.asyncio.incoming import LinkRequest
from proton.asyncio.loop import Loop
from proton.asyncio.making import LinkMaker
from proton.asyncio.outcomes import Receipt
from proton.asyncio.receiver import Receiver
from proton.asyncio.sender import Sender
from proton.asyncio.session import Session
from proton.asyncio.waiting import DEFAULT, Waiters, check_timeout, limit_of
from proton.connector import Connector
from proton.endpoints import connection as engine
from proton.endpoints.condition import NOT_ALLOWED, RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, endpoint_state
from proton.endpoints.ends import end_of
from proton.endpoints.notices import shown
from proton.endpoints.printable import condition_text
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

#: links that may wait for the program to accept them; beyond it they are refused
MAX_WAITING = 1000


class ConnectionEvent(NamedTuple):
    """Something that has happened to a connection, for `on_event`.

    :ivar name: ``"lost"``: it was open and is no more; ``"connecting"``: an attempt to make it again is planned, or
        has failed and the next one is; ``"restored"``: it is open again, and its links are being attached;
        ``"gave up"``: it, or a session or link that the peer has ended, is not made again.
    :ivar connection: the connection.
    :ivar reason: why, in words; empty where there is nothing to say.
    :ivar attempt: the number of the attempt, from 1.
    :ivar delay: seconds until it.
    :ivar address: where it leads to, without a password.
    """

    name: str
    connection: Connection
    reason: str = ""
    attempt: int = 0
    delay: float = 0.0
    address: str = ""


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
    wanted: Any = None if reconnect is True else reconnect
    check_reconnect(wanted)
    settings = ConnectionOptions.checked(given, _Defaults, addresses.values)
    # Before it was open once, each place has one attempt: a wrong address or password should be told at once.
    policy = ReconnectPolicy(addresses, wanted if initial_retry else Backoff(max_tries=1), given.get("retry_on"))
    made = Connection(
        check_timeout("connect_timeout", connect_timeout),
        check_timeout("timeout", timeout),
        check_timeout("close_timeout", close_timeout),
    )
    made._set_up(Connector(policy, settings), wanted, on_event, on_late_outcome)
    return made


class Connection(LinkMaker):
    """An AMQP connection. Made by `connect`, or by a `Listener`."""

    def __init__(
        self, connect_timeout: float | None = 30.0, timeout: float | None = 60.0, close_timeout: float | None = 10.0
    ) -> None:
        #: seconds until it is open; that a call may take; that the peer has to answer a close; None for no limit
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.close_timeout = close_timeout
        #: the context variables that callbacks see: those of the caller of `connect`
        self.context: contextvars.Context = contextvars.copy_context()
        self._connector: Connector | None = None
        self._wanted: Any = False  # `reconnect`, once it was open
        self._on_event: Callable[[ConnectionEvent], object] | None = None
        self._on_late_outcome: Callable[[Any], object] | None = None
        self._host: Host | None = None
        self._engine: Any = None
        self._error: Exception | None = None
        self._reason: Condition | None = None  # of the last loss
        self._waiters = Waiters()
        self._was_open = False
        self._is_handed_over = False  # `open` has returned
        self._is_down = False
        self._is_over = False  # nothing of it is left
        # Links that the peer asks for; None for an end that offers none.
        self._links_offered: deque[Any] | None = None

    def _set_up(self, connector: Connector, wanted: Any, on_event: Any, on_late_outcome: Any) -> None:
        for name, value in (("on_event", on_event), ("on_late_outcome", on_late_outcome)):
            if value is not None and not callable(value):
                raise TypeError(f"{name} takes a callable or None, got {type(value).__name__} {value!r:.50}")
        self._connector = connector
        self._wanted = wanted
        self._on_event = on_event
        self._on_late_outcome = on_late_outcome

    def __repr__(self) -> str:
        how = "closed" if self._is_over else "open" if self.is_connected else "not connected"
        return f"<proton.asyncio.Connection {self._place()!r}: {how}>"

    def _place(self) -> str:
        if self._engine is not None and self._engine.url is not None:
            return shown(self._engine.url)
        return "" if self._connector is None else ", ".join(map(shown, self._connector.address.values))

    def __del__(self) -> None:
        if self._host is not None and not self._is_over:
            warnings.warn(
                f"unclosed {self!r}: use async with, or await close()", ResourceWarning, stacklevel=1, source=self
            )

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def loop(self) -> Loop:
        """The loop that the connection is used in.

        :raises ConnectionClosed: it was not opened.
        """
        return self.host.loop

    @property
    def host(self) -> Host:
        """The engine's host: for the parts of this package.

        :raises ConnectionClosed: it was not opened.
        """
        if self._host is None:
            raise self._error or ConnectionClosed("the connection is not open: use async with, or await it")
        return self._host

    @property
    def engine(self) -> engine.Connection:
        """The `proton.Connection` below: what its open has, and the peer's. Change nothing on it."""
        return self.host.connection

    @property
    def is_connected(self) -> bool:
        """True while the connection is open at both ends."""
        return self._engine is not None and self._error is None and bool(self._engine.connected)

    @property
    def is_closed_here(self) -> bool:
        """True once this end has closed it, before the peer did."""
        return self._engine is not None and endpoint_state(self._engine).ended_here_first()

    @property
    def remote_container(self) -> str | None:
        """The container-id of the peer, None while it is not connected."""
        return None if self._engine is None else self._engine.remote_container

    @property
    def remote_properties(self) -> dict[Any, Any] | None:
        """The properties of the peer's open, None while it is not connected."""
        return None if self._engine is None else self._engine.remote_properties

    @property
    def user(self) -> str | None:
        """The user that was authenticated: of a client, as the server knows it; None without SASL."""
        transport = None if self._engine is None else self._engine.transport
        return None if transport is None else transport.user

    def reason_text(self) -> str:
        """Why the connection was lost last, in words; empty where no reason is known."""
        return condition_text(self._reason)

    # -- opening -------------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, Any, Connection]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def open(self) -> Connection:
        """Connect, and wait until the peer has opened the connection. To open it once more does nothing.

        :raises ConnectionClosed: it could not be made: the text and `condition` say why.
        :raises Timeout: it is not open after `connect_timeout`.
        """
        if self._host is None:
            self._start()
        host = self.host
        place = self._place()
        try:
            await self._waiters.until(host.loop, self._is_there, self.connect_timeout, f"connecting to {place}")
        except BaseException:
            # It may be open by now: without a return the program has nothing to close.
            if not self._is_handed_over and not self._waiters:
                self._drop()
            raise
        self._is_handed_over = True
        return self

    def _start(self) -> None:
        connector = self._connector
        assert connector is not None  # accepted connections have a host from the beginning
        self._error = None
        made = engine.Connection()
        connector.options.set_up(made, lambda: str(uuid.uuid4()))
        state = endpoint_state(made)
        state.shared.reconnect = connector.policy
        state.raises_errors = True  # until it was open, `open` raises what goes wrong
        self._engine = made
        self._host = Host(Loop(), self, made, connector)
        made._session_policy = self._host.sessions
        made.open()
        self._host.turn()

    def _is_there(self) -> bool:
        if self._error is not None:
            raise self._error
        return self.is_connected

    def check_open(self, what: str) -> None:
        """Raise where the connection has ended, or was not opened.

        :param what: what the caller wants, in words.
        """
        if self._error is not None:
            raise self._error
        if self._host is None:
            raise ConnectionClosed(f"{what}: the connection is not open: use async with, or await it")
        self._host.loop.check()

    async def ready(self, timeout: float | None = DEFAULT) -> None:
        """Wait until the connection is open and each of its links is attached, for instance after a loss.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: it is not so in time.
        """
        limit = limit_of(timeout, self.timeout)
        self.check_open("waiting for the connection")
        await self._waiters.until(self.loop, self._is_ready, limit, f"waiting for {self._place()}")

    def _is_ready(self) -> bool:
        host = self.host
        return self._is_there() and all(getattr(owner, "is_open", True) for owner in host.links.values())

    # -- what the host tells -------------------------------------------------------------------------------------

    def on_open(self) -> None:
        """The peer has opened the connection."""
        if not self._was_open:
            self._was_open = True
            endpoint_state(self._engine).raises_errors = False
            connector = self._connector
            if connector is not None:
                connector.policy.renew(self._wanted)
        elif self._is_down:
            self._tell(ConnectionEvent("restored", self, address=self._place()))
        self._is_down = False

    def on_end_of_transport(self, transport: Any) -> None:
        """The connection is lost, closed or could not be made; the connector decides what follows."""
        self._reason = transport.condition or self._engine.remote_condition
        if self._was_open and not self._is_down and self._engine.state & LOCAL_ACTIVE:
            self._is_down = True
            self._tell(ConnectionEvent("lost", self, condition_text(self._reason), address=self._place()))

    def on_told(self, name: str, event: Any) -> None:
        """What the connector tells."""
        if not self._was_open:
            return
        if name == "connecting":
            made = ConnectionEvent(name, self, "", event.attempt, event.delay, shown(event.address))
        else:
            made = ConnectionEvent(name, self, event.reason, address=self._place())
        self._tell(made)

    def wake(self) -> None:
        """A link is attached again: `ready` looks whether all are."""
        self._waiters.wake()

    def _tell(self, event: ConnectionEvent) -> None:
        if self._on_event is not None:
            self.host.tell(self._on_event, event)

    def tell_late_outcome(self, outcome: Receipt | Exception) -> None:
        """The outcome of a message that no coroutine waits for any more."""
        if self._on_late_outcome is not None:
            self.host.tell(self._on_late_outcome, outcome)

    def on_loss(self) -> None:
        """The transport is gone."""
        self.on_change()

    def on_change(self) -> None:
        """The connection was opened, has ended, or its last byte has moved."""
        if self._error is None:
            end = end_of(self._engine)
            if end is not None:
                self._error = self._error_of(end)
                self._host.blocked.clear()  # type: ignore[union-attr]
        if self._error is not None and self.host.pipe is None and self._engine.transport is None:
            self._is_over = True
        self._waiters.wake()
        for owner in list(self.host.links.values()) if self._error is not None else ():
            owner.on_change()

    def _error_of(self, end: Any) -> Exception:
        if self._was_open:
            return error_of(end, "no connection")
        reason = end.condition or self._reason
        text = condition_text(reason) or "closed before it was open"
        if reason is not None and reason.name == "proton.pythonio":
            text = str(reason.description)
        return ConnectionClosed(f"connecting to {self._place()}: {text}", reason)

    def on_link(self, link: Any) -> None:
        """The peer asks for a link."""
        offered = self._links_offered
        if offered is not None and len(offered) < MAX_WAITING:
            offered.append(link)
            self._waiters.wake()
            return
        if offered is None:
            link.condition = Condition(NOT_ALLOWED, "this end offers no addresses")
        else:
            link.condition = Condition(RESOURCE_LIMIT_EXCEEDED, "too many links wait to be attached")
        link.close()

    async def incoming(self) -> AsyncGenerator[LinkRequest, None]:
        """The links that the peer asks for, as they come; it ends with the connection.

        A connection that `connect` has made refuses them until this is first called; one of a `Listener` keeps them.
        """
        if self._links_offered is None:
            self._links_offered = deque()
        offered = self._links_offered
        while True:
            await self._waiters.until(self.loop, lambda: offered or self._error is not None, None, "")
            if not offered:
                return
            request = LinkRequest(self, offered.popleft())
            if request.is_open:
                yield request

    # -- sessions ------------------------------------------------------------------------------------------------

    def _owner(self) -> Connection:
        return self

    def _engine_session(self) -> Any:
        return self.host.sessions.session(self._engine)

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
        return Session(self, incoming_capacity, outgoing_window)

    # -- the end -------------------------------------------------------------------------------------------------

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._error is None:
                await self._flush(self.close_timeout)
        finally:
            await self.close()

    def _senders(self) -> list[Sender]:
        host = self._host
        return [] if host is None else [owner for owner in host.links.values() if isinstance(owner, Sender)]

    async def _flush(self, timeout: float | None) -> None:
        """What was sent by `send_soon` has an outcome; the first failure is raised when all are there."""
        failure: Exception | None = None
        for sender in self._senders():
            try:
                await sender.flush(timeout)
            except (Undeliverable, Lost, Timeout) as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def close(self, condition: Condition | None = None, timeout: float | None = DEFAULT) -> None:
        """Close the connection, and wait until the peer has; it is dropped if the peer does not answer in time.

        It does not wait for outcomes: `Sender.flush` and `drain` do. To close it once more does nothing.

        :param condition: the reason, an error; None for an orderly close.
        :param timeout: seconds, None for no limit; `close_timeout` if left out.
        """
        limit = limit_of(timeout, self.close_timeout)
        check_condition(condition)
        if self._host is None:
            self._error = self._error or ConnectionClosed("the connection is closed")
            return
        host = self._host
        host.loop.check()
        self._close_engine(condition)
        try:
            await self._waiters.until(host.loop, self._is_finished, limit, "closing")
        except Timeout:
            host.stop()
            await self._waiters.until(host.loop, self._is_finished, None, "dropping")
        except BaseException:
            host.stop()
            raise

    def _close_engine(self, condition: Condition | None = None) -> None:
        made, host = self._engine, self.host
        if not made.state & LOCAL_CLOSED:
            if condition is not None:
                made.condition = condition
            made.close()
            host.turn()
            host.give_up_attempt("closed")
        self.on_change()

    def _drop(self) -> None:
        """Ends at once what `open` has begun."""
        self._close_engine()
        self.host.stop()
        self.on_change()

    def _is_finished(self) -> bool:
        return self._is_over

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, for whatever reason, and nothing of it is left."""
        await self._waiters.until(self.loop, self._is_finished, None, "waiting for the end")

    async def drain(self, timeout: float | None = 10.0) -> None:
        """End the connection gracefully.

        The credit of all receivers is stopped, and what was not taken goes back; the program settles what it has taken;
        what `send_soon` has sent gets its outcomes; then the connection is closed. It is closed in any case.

        :param timeout: seconds for all of it but the close, None for no limit.
        :raises Timeout: something was left at the end of the time: the text says what.
        :raises Undeliverable, Lost: a message of `send_soon` was not accepted.
        """
        limit = check_timeout("timeout", timeout)
        self.check_open("draining")
        loop = self.loop
        deadline = loop.deadline(limit)

        failure: Exception | None = None
        try:
            for owner in list(self.host.links.values()):
                if isinstance(owner, Receiver):
                    try:
                        await owner.finish(loop.left(deadline))
                    except (Timeout, Lost) as error:
                        failure = failure or error
            try:
                await self._flush(loop.left(deadline))
            except (Undeliverable, Lost, Timeout) as error:
                failure = failure or error
        finally:
            await self.close()
        if failure is not None:
            raise failure
