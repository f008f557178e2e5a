"""`ConnectionCore`: the state of a connection, what the host tells of it, and its ends.

The engine connection and its events are the business of `Host`; what a program may wait for is here.
"""

from __future__ import annotations

import contextvars
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from proton.asyncio.checks import check_condition
from proton.asyncio.errors import ConnectionClosed, Lost, Timeout, Undeliverable, error_of, fresh
from proton.asyncio.host import Host
from proton.asyncio.link_core import LinkCore
from proton.asyncio.loop import Loop
from proton.asyncio.opening import Faced
from proton.asyncio.outcomes import Receipt
from proton.asyncio.receiver_core import ReceiverCore
from proton.asyncio.sender_core import SenderCore
from proton.asyncio.waiting import DEFAULT, Waiters, check_timeout, limit_of
from proton.connector import Connector
from proton.endpoints import connection as engine
from proton.endpoints.condition import NOT_ALLOWED, RESOURCE_LIMIT_EXCEEDED, Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, endpoint_state
from proton.endpoints.ends import end_of
from proton.endpoints.notices import shown
from proton.endpoints.printable import condition_text
from proton.logs import log
from proton.transport.progress import awaited_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from proton.asyncio.connection import Connection

__all__ = ["ConnectionCore", "ConnectionEvent"]

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


class ConnectionCore(Faced["Connection"]):
    """The state of a connection, and the owner of its host."""

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
        self.engine: Any = None
        self.error: Exception | None = None
        self._reason: Condition | None = None  # of the last loss
        self.waiters: Waiters = Waiters()
        self.was_open: bool = False
        self._is_handed_over = False  # `open` has returned
        self._is_down = False
        self.is_over: bool = False  # nothing of it is left
        # Links that the peer asks for; None for an end that offers none.
        self._links_offered: deque[Any] | None = None

    def set_up(self, connector: Connector, wanted: Any, on_event: Any, on_late_outcome: Any) -> None:
        """How it is made, and what is called."""
        for name, value in (("on_event", on_event), ("on_late_outcome", on_late_outcome)):
            if value is not None and not callable(value):
                raise TypeError(f"{name} takes a callable or None, got {type(value).__name__} {value!r:.50}")
        self._connector = connector
        self._wanted = wanted
        self._on_event = on_event
        self._on_late_outcome = on_late_outcome

    def __repr__(self) -> str:
        how = "closed" if self.is_over else "open" if self.is_connected else "not connected"
        return f"<proton.asyncio.Connection {self.place()!r}: {how}>"

    def place(self) -> str:
        """Where it leads to, without a password, in words; empty where that is not known."""
        if self.engine is not None and self.engine.url is not None:
            return shown(self.engine.url)
        return "" if self._connector is None else ", ".join(map(shown, self._connector.address.values))

    def is_unclosed(self) -> bool:
        """Whether a program that has it no more should have closed it."""
        return self._host is not None and not self.is_over

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def loop(self) -> Loop:
        """The loop that the connection is used in.

        :raises ConnectionClosed: it was not opened.
        """
        return self.host.loop

    @property
    def host(self) -> Host:
        """The engine's host.

        :raises ConnectionClosed: it was not opened.
        """
        if self._host is None:
            raise fresh(self.error or ConnectionClosed("the connection is not open: use async with, or await it"))
        return self._host

    @property
    def is_connected(self) -> bool:
        """True while the connection is open at both ends."""
        return self.engine is not None and self.error is None and bool(self.engine.connected)

    @property
    def is_closed_here(self) -> bool:
        """True once this end has closed it, before the peer did."""
        return self.engine is not None and endpoint_state(self.engine).ended_here_first()

    @property
    def is_closing(self) -> bool:
        """True once this end has closed it."""
        return bool(self.engine.state & LOCAL_CLOSED)

    def reason_text(self) -> str:
        """Why the connection was lost last, in words; empty where no reason is known."""
        return condition_text(self._reason)

    # -- opening -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Connection.open`."""
        if self._host is None:
            self._start()
        host = self.host
        try:
            await self.waiters.until(host.loop, self._is_there, self.connect_timeout, self._awaited)
        except BaseException:
            # It may be open by now: without a return the program has nothing to close.
            if not self._is_handed_over and not self.waiters:
                self.drop()
            raise
        self._is_handed_over = True

    def _awaited(self) -> str:
        """How far it has come on its way, in words."""
        transport = None if self.engine is None else self.engine.transport
        return f"connecting to {self.place()}: {awaited_of(transport)}"

    def _start(self) -> None:
        connector = self._connector
        assert connector is not None  # accepted connections have a host from the beginning
        self.error = None
        made = engine.Connection()
        connector.options.set_up(made, lambda: str(uuid.uuid4()))
        state = endpoint_state(made)
        state.shared.reconnect = connector.policy
        state.raises_errors = True  # until it was open, `open` raises what goes wrong
        self.engine = made
        self._host = Host(Loop(), self, made, connector)
        made._session_policy = self._host.sessions
        made.open()
        self._host.turn()

    def _is_there(self) -> bool:
        if self.error is not None:
            raise fresh(self.error)
        return self.is_connected

    def check_open(self, what: str) -> None:
        """Raise where the connection has ended, or was not opened.

        :param what: what the caller wants, in words.
        """
        if self.error is not None:
            raise fresh(self.error)
        if self._host is None:
            raise ConnectionClosed(f"{what}: the connection is not open: use async with, or await it")
        self._host.loop.check()

    async def ready(self, timeout: float | None) -> None:
        """See `Connection.ready`."""
        limit = limit_of(timeout, self.timeout)
        self.check_open("waiting for the connection")
        await self.waiters.until(self.loop, self._is_ready, limit, f"waiting for {self.place()}")

    def _is_ready(self) -> bool:
        host = self.host
        return self._is_there() and all(getattr(owner, "is_open", True) for owner in host.links.values())

    # -- what the host tells -------------------------------------------------------------------------------------

    def on_open(self) -> None:
        """The peer has opened the connection."""
        if not self.was_open:
            self.was_open = True
            endpoint_state(self.engine).raises_errors = False
            connector = self._connector
            if connector is not None:
                connector.policy.renew(self._wanted)
        elif self._is_down:
            self._tell(ConnectionEvent("restored", self.face, address=self.place()))
        self._is_down = False

    def on_end_of_transport(self, transport: Any) -> None:
        """The connection is lost, closed or could not be made; the connector decides what follows."""
        self._reason = transport.condition or self.engine.remote_condition
        if self.was_open and not self._is_down and self.engine.state & LOCAL_ACTIVE:
            self._is_down = True
            self._tell(ConnectionEvent("lost", self.face, condition_text(self._reason), address=self.place()))

    def on_told(self, name: str, event: Any) -> None:
        """What the connector tells."""
        if not self.was_open:
            return
        if name == "connecting":
            made = ConnectionEvent(name, self.face, "", event.attempt, event.delay, shown(event.address))
        else:
            made = ConnectionEvent(name, self.face, event.reason, address=self.place())
        self._tell(made)

    def wake(self) -> None:
        """A link is attached again: `ready` looks whether all are."""
        self.waiters.wake()

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
        if self.error is None:
            end = end_of(self.engine)
            if end is not None:
                self._tell_if_unheard(end)
                self.error = self._error_of(end)
                self._host.blocked.clear()  # type: ignore[union-attr]
        if self.error is not None and self.host.pipe is None and self.engine.transport is None and not self.is_over:
            self.is_over = True
            # Later: the events that have ended it are still being handled.
            self.loop.call_soon(self.let_go)
        self.waiters.wake()
        for owner in list(self.host.links.values()) if self.error is not None else ():
            owner.on_change()

    def let_go(self) -> None:
        """Nothing is left of it: what the program holds no more is freed, without the garbage collector.

        What it holds still answers.
        """
        host = self.host
        host.handle_events()
        for owner in host.links.values():
            if isinstance(owner, LinkCore):
                owner.let_go()
        host.let_go()
        super().let_go()

    def _tell_if_unheard(self, end: Any) -> None:
        """A connection that the peer closes while nothing waits for it would end in silence until it is used next."""
        # Clients of a server leave as they like, and the loss of a connection is in the log already.
        if self._connector is None or not self.was_open or not end.by_peer or self.waiters:
            return
        if not any(isinstance(owner, LinkCore) and owner.is_awaited() for owner in self.host.links.values()):
            reason = condition_text(end.condition) or "without a reason"
            log.warning("The connection to %s was closed by the peer: %s", self.place(), reason)

    def _error_of(self, end: Any) -> Exception:
        if self.was_open:
            return error_of(end, "")
        reason = end.condition or self._reason
        text = condition_text(reason) or "closed before it was open"
        if reason is not None and reason.name == "proton.pythonio":
            text = str(reason.description)
        return ConnectionClosed(f"connecting to {self.place()}: {text}", reason)

    def on_link(self, link: Any) -> None:
        """The peer asks for a link."""
        offered = self._links_offered
        if offered is not None and len(offered) < MAX_WAITING:
            offered.append(link)
            self.waiters.wake()
            return
        if offered is None:
            link.condition = Condition(NOT_ALLOWED, "this end offers no addresses")
        else:
            link.condition = Condition(RESOURCE_LIMIT_EXCEEDED, "too many links wait to be attached")
        link.close()

    def offer(self) -> deque[Any]:
        """The links that the peer asks for from now on."""
        if self._links_offered is None:
            self._links_offered = deque()
        return self._links_offered

    async def until_offered(self, offered: deque[Any]) -> bool:
        """Waits for a link that the peer asks for; False at the end of the connection."""
        await self.waiters.until(self.loop, lambda: offered or self.error is not None, None, "")
        return bool(offered)

    def engine_session(self) -> Any:
        """The engine's session of links that have none of their own."""
        return self.host.sessions.session(self.engine)

    # -- the end -------------------------------------------------------------------------------------------------

    def _senders(self) -> list[SenderCore]:
        host = self._host
        return [] if host is None else [owner for owner in host.links.values() if isinstance(owner, SenderCore)]

    async def flush(self, timeout: float | None) -> None:
        """What was sent by `send_soon` has an outcome; the first failure is raised when all are there."""
        await _take([sender.flush for sender in self._senders()], lambda: timeout)

    async def close(self, condition: Condition | None, timeout: float | None) -> None:
        """See `Connection.close`."""
        limit = limit_of(timeout, self.close_timeout)
        check_condition(condition)
        if self._host is None:
            self.error = self.error or ConnectionClosed("the connection is closed")
            return
        host = self._host
        host.loop.check()
        self.close_engine(condition)
        try:
            await self.waiters.until(host.loop, self._is_finished, limit, "closing")
        except Timeout:
            host.stop()
            await self.waiters.until(host.loop, self._is_finished, None, "dropping")
        except BaseException:
            host.stop()
            raise

    def close_engine(self, condition: Condition | None = None) -> None:
        """Closes it without waiting for the peer."""
        made, host = self.engine, self.host
        if not made.state & LOCAL_CLOSED:
            if condition is not None:
                made.condition = condition
            made.close()
            host.turn()
            host.give_up_attempt("closed")
        self.on_change()

    def drop(self) -> None:
        """Ends it at once, without waiting for the peer."""
        self.close_engine()
        self.host.stop()
        self.on_change()

    def _is_finished(self) -> bool:
        return self.is_over

    async def wait_closed(self) -> None:
        """See `Connection.wait_closed`."""
        await self.waiters.until(self.loop, self._is_finished, None, "waiting for the end")

    async def drain(self, timeout: float | None) -> None:
        """See `Connection.drain`."""
        limit = check_timeout("timeout", timeout)
        self.check_open("draining")
        self.stop_credit()
        try:
            await self.finish(self.loop.deadline(limit))
        finally:
            await self.close(None, DEFAULT)

    def _receivers(self) -> list[ReceiverCore]:
        """Those of the program; the work that it ends may still make requests, and wait for their responses."""
        owners = list(self.host.links.values())
        return [owner for owner in owners if isinstance(owner, ReceiverCore) and owner.on_taken is None]

    def stop_credit(self) -> None:
        """For `drain`: no receiver gets more messages."""
        for receiver in self._receivers():
            receiver.stop_credit()
        self.host.turn()

    async def finish(self, deadline: float | None) -> None:
        """For `drain`: all that was taken and sent has its outcome; the first failure is raised after the last wait."""
        receivers = self._receivers()
        steps = [*(receiver.give_back for receiver in receivers), *(receiver.until_settled for receiver in receivers)]
        await _take([*steps, self.flush], lambda: self.loop.left(deadline))


async def _take(
    steps: Iterable[Callable[[float | None], Coroutine[Any, Any, None]]], left: Callable[[], float | None]
) -> None:
    """Takes each step in turn; the first failure is raised after the last one.

    :param left: the seconds that the next step may take, None for no limit.
    """
    failure: Exception | None = None
    for step in steps:
        try:
            await step(left())
        except (Undeliverable, Lost, Timeout) as error:
            failure = failure or error
    if failure is not None:
        raise failure
