"""`Host`: an engine connection under a loop. It handles the events of the engine, and keeps the pipe of each attempt.

What a `proton.connector.Connector` needs of a face is here. Links, sessions and the public connection are owners: the
host tells them what has happened, and never waits. Rules for editors:
1. DELIVERY runs once for each message: nothing may be added to its straight path without looking at the call count.
2. The peer's end of something is answered here, unless the connector makes it again.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.loop import Attempt, Loop, Pipe
from proton.connector import Connector, SessionPerConnection
from proton.driver import Driver
from proton.endpoints.condition import UNAUTHORIZED_ACCESS
from proton.endpoints.connection import Connection
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, LOCAL_UNINIT, endpoint_state
from proton.endpoints.ends import is_retried
from proton.endpoints.events import Collector, Event, EventBase
from proton.endpoints.notices import warn_of_missing_filters, warn_of_unfinished
from proton.logs import log
from proton.options.tls_config import default_config
from proton.transport.transport_state import state_of
from proton.url import Url

if TYPE_CHECKING:
    from typing import Protocol

    from proton.options.tls_config import SSLConfig
    from proton.transport.transport import Transport

    class Owner(Protocol):
        """What the links of a host belong to."""

        def on_delivery(self, delivery: Any) -> None: ...
        def on_flow(self) -> None: ...
        def on_change(self) -> None: ...
        def on_loss(self) -> None: ...


__all__ = ["Host"]

#: seconds that a peer has for the handshake
HANDSHAKE_TIMEOUT = 30.0

_DELIVERY = Event.DELIVERY
_TRANSPORT = Event.TRANSPORT


class _Program:
    """What a connector looks at of a program: a login that was refused is not tried again."""

    fatal_conditions = (UNAUTHORIZED_ACCESS,)


class _Timer:
    """A timer of the connector."""

    def __init__(self, host: Host, delay: float, handler: Any) -> None:
        self._host = host
        self._handler = handler
        self._timer: Any = host.loop.call_later(delay, self._fire)

    def cancel(self) -> None:
        """Have nothing called."""
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._timer = None  # which refers to this object
        event: Any = EventBase(Event.TIMER_TASK)
        event.context = self
        event.container = self._host
        self._handler.on_timer_task(event)
        self._host.turn()


class Host:
    """An engine connection, its events, and the pipe that moves its bytes.

    :param loop: the loop.
    :param owner: hears of what happens to the connection: `on_open`, `on_change`, `on_loss`, `on_told`, `on_link`.
    :param connector: makes the transports of an outgoing connection; None for an accepted one.
    """

    handshake_timeout: float | None = HANDSHAKE_TIMEOUT
    handler: Any = _Program()

    def __init__(self, loop: Loop, owner: Any, connection: Connection, connector: Connector | None = None) -> None:
        self.loop = loop
        self.connection = connection
        #: the owners of links and sessions, by the link or session
        self.links: dict[Any, Owner] = {}
        #: makes the session of links that have none of their own
        self.sessions: SessionPerConnection = SessionPerConnection()
        self.pipe: Pipe | None = None
        #: owners of senders that wait for room in what is to be written
        self.blocked: dict[Any, None] = {}
        self._owner = owner
        self._connector = connector
        self._attempt: Attempt | None = None
        self._ssl: SSLConfig | None = None
        self.collector: Collector = Collector()
        self.collector.container = self
        connection.collect(self.collector)

    # -- what the connector needs --------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time of the loop, in seconds."""
        return self.loop.time()

    @property
    def ssl(self) -> SSLConfig | None:
        """The TLS settings of connections that have none of their own."""
        if self._ssl is None:
            self._ssl = default_config()
        return self._ssl

    def schedule(self, delay: float, handler: Any) -> _Timer:
        """Have `on_timer_task` of a handler called later."""
        return _Timer(self, delay, handler)

    def push_event(self, event: Any, etype: Any) -> None:
        """Queue an event."""
        self.collector.put(event, etype)

    # -- turns ---------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Handles what a call of the program has caused, and writes."""
        if self.pipe is not None:
            self.pipe.turn()
        else:
            self.handle_events()

    def flush(self) -> None:
        """Writes what there is."""
        if self.pipe is not None:
            self.pipe.flush()

    def turn_soon(self) -> None:
        """As `turn`, after what the caller does now."""
        self.loop.call_soon(self.turn)

    def handle_events(self) -> None:
        """Handles the events that are queued, and those that this causes."""
        events, links = self.collector.events, self.links
        # `Driver.events` would do, but costs a resumption of its generator for each message.
        while events:
            event = events.popleft()
            etype = event.type
            if etype is _DELIVERY:
                delivery = event.context
                owner = links.get(delivery.link)
                if owner is not None:
                    owner.on_delivery(delivery)
            elif etype is not _TRANSPORT:
                self._handle(event, etype)

    def _handle(self, event: Any, etype: Any) -> None:
        # The order is that of a container: first what answers the peer, which counts the end (`is_retried`), then the
        # connector, which acts on what was counted, and last those that wait, for they see what has become of it.
        before = _BEFORE.get(etype)
        if before is not None:
            before(self, event)
        if self._connector is not None:
            react: Callable[[Any], None] | None = getattr(self._connector, etype.method, None)
            if react is not None:
                react(event)
        after = _AFTER.get(etype)
        if after is not None:
            after(self, event)

    def _note_room(self) -> None:
        """Output has left: senders that waited for room may go on."""
        if self.blocked:
            blocked, self.blocked = self.blocked, {}  # an owner without room puts itself back
            for owner in blocked:
                owner.on_flow()

    # -- the connection ------------------------------------------------------------------------------------------

    def attach_pipe(self, transport: Transport) -> Pipe:
        """Makes the pipe of a bound transport."""
        driver = transport.driver or Driver(transport, self.collector)
        self.pipe = pipe = Pipe(self.loop, driver, self.handle_events, self._pipe_ended)
        pipe.on_room = self._note_room
        return pipe

    def on_connection_bound(self, event: Any) -> None:
        """Starts to connect."""
        if self._connector is None:
            return
        transport = self.connection.transport
        if transport is None:
            return
        pipe = self.attach_pipe(transport)
        url: Any = self.connection.url
        try:
            place = Url(url)
            place.defaults()
            host, port = str(place.host), int(place.port or 0)
        except ValueError as error:
            pipe.stop(error)
            return
        limit = transport.idle_timeout or pipe.driver.connect_timeout or None
        self._attempt = Attempt(self.loop, pipe, host, port, limit)

    def _pipe_ended(self, pipe: Pipe) -> None:
        # The socket of a lost connection may close after the next attempt has begun.
        if self.pipe is pipe:
            self.pipe = self._attempt = None
        self.handle_events()
        self._owner.on_change()

    def give_up_attempt(self, reason: str) -> None:
        """Stop an attempt to connect that is under way.

        :param reason: why, in words.
        """
        if self._attempt is not None:
            self._attempt.give_up(reason)

    def on_connection_remote_open(self, event: Any) -> None:
        """Answers a client, and notes that the connection is there."""
        if self.connection.state & LOCAL_UNINIT:
            self.connection.open()
        self._owner.on_open()

    def on_connection_remote_close(self, event: Any) -> None:
        """Answers the peer's close, unless the connection is made again."""
        if not is_retried(self.connection, self.now):
            self.connection.close()

    def on_transport_tail_closed(self, event: Any) -> None:
        """Notes that a connection is lost that this end had not closed."""
        if self.connection.state & LOCAL_ACTIVE:
            state_of(event.transport).lost = True

    def on_transport_closed(self, event: Any) -> None:
        """The connection is lost, closed, or could not be made."""
        self.on_transport_tail_closed(event)
        self._owner.on_end_of_transport(event.transport)

    def _transport_closed(self, event: Any) -> None:
        """The connector has decided; what is left of the transport goes."""
        transport: Any = event.transport
        # With further attempts the connector has unbound it. A driver that stays would be a cycle of references.
        if transport.connection is self.connection:
            warn_of_unfinished(self.connection)
            transport.unbind()
        transport.driver = None
        self._owner.on_loss()
        for owner in list(self.links.values()):
            owner.on_loss()

    def on_connection_unbound(self, event: Any) -> None:
        """Lets go of what the program has closed."""
        self.connection._retire_closed()

    def on_reconnecting(self, event: Any) -> None:
        """An attempt is planned."""
        self._owner.on_told("connecting", event)

    def on_gave_up(self, event: Any) -> None:
        """The connection, a session or a link is not made again."""
        self._owner.on_told("gave up", event)

    # -- sessions ------------------------------------------------------------------------------------------------

    def on_session_remote_open(self, event: Any) -> None:
        """Answers a client."""
        session = event.session
        if session.state & LOCAL_UNINIT and not self.connection.state & LOCAL_CLOSED:
            session.open()

    def on_session_remote_close(self, event: Any) -> None:
        """Answers the peer's end of a session, and with it of its links, unless it is made again."""
        session = event.session
        if not is_retried(session, self.now):
            session.close()
            endpoint_state(session).end_links()

    def on_session_local_close(self, event: Any) -> None:
        """Ends the links of a session that the engine has ended."""
        state = endpoint_state(event.session)
        if state.failed or state.restarting:
            state.end_links()

    # -- links ---------------------------------------------------------------------------------------------------

    def on_link_remote_open(self, event: Any) -> None:
        """A link is attached, or the peer asks for one."""
        link = event.link
        owner = self.links.get(link)
        if owner is not None:
            owner.on_change()
            if link.is_receiver:
                warn_of_missing_filters(link)
        elif link.state & LOCAL_UNINIT and not link.session.state & LOCAL_CLOSED:
            self._owner.on_link(link)

    def on_link_remote_close(self, event: Any) -> None:
        """Answers the peer's close of a link, unless it is attached again."""
        if not is_retried(event.link, self.now):
            event.link.close()

    def on_link_remote_detach(self, event: Any) -> None:
        """Answers the peer's detach."""
        if not is_retried(event.link, self.now):
            event.link._answer_detach()

    def on_link_local_close(self, event: Any) -> None:
        """A link whose session is about to be made again hears that the peer's detach does not come."""
        if endpoint_state(event.link.session).restarting:
            endpoint_state(event.link).tell_loss()

    def on_link_flow(self, event: Any) -> None:
        """Credit has come, or was given back."""
        owner = self.links.get(event.link)
        if owner is not None:
            owner.on_flow()

    def _link_changed(self, event: Any) -> None:
        link = event.link
        link._retire_if_ended()
        owner = self.links.get(link)
        if owner is not None and endpoint_state(link).restarting:
            owner.on_loss()
        elif owner is not None:
            owner.on_change()

    def _session_changed(self, event: Any) -> None:
        """Its links have events of their own."""
        session = event.session
        session._retire_if_ended()
        owner = self.links.get(session)
        if owner is not None:
            owner.on_change()
        if endpoint_state(session).restarting and event.type is Event.SESSION_REMOTE_CLOSE:
            # It is made again: what was under way on it has the fate of a lost connection.
            for link, owner in list(self.links.items()):
                if getattr(link, "session", None) is session:
                    owner.on_loss()

    def _changed(self, event: Any) -> None:
        """Each owner looks whether this is its end."""
        self._owner.on_change()
        for owner in list(self.links.values()):
            owner.on_change()

    def tell(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Call what a program has given, in the next turn; what it raises is the loop's to tell."""
        self.loop.run_soon(self._owner.context, callback, *arguments)

    def stop(self) -> None:
        """Drop the connection at once."""
        self.give_up_attempt("closed")
        if self.pipe is not None:
            log.debug("Dropping a connection")
            self.pipe.abort()

    def let_go(self) -> None:
        """Nothing comes any more: the owner holds the host, and the host the collector, and not the reverse."""
        # A program may still close a link that it holds, whose events get here: weak references, not None.
        self._owner = weakref.proxy(self._owner)
        self.collector.container = weakref.proxy(self)
        self.links.clear()
        self.connection._session_policy = None
        self.connection._control_links = ()
        self.connection._retire_closed(is_over=True)
        self.handle_events()


#: what the host does with an event, before the connector sees it
_BEFORE: dict[Any, Callable[[Host, Any], None]] = {
    getattr(Event, name[3:].upper()): method for name, method in vars(Host).items() if name.startswith("on_")
}
#: and after it
_AFTER: dict[Any, Callable[[Host, Any], None]] = {
    Event.CONNECTION_REMOTE_OPEN: Host._changed,
    Event.CONNECTION_LOCAL_CLOSE: Host._changed,
    Event.CONNECTION_REMOTE_CLOSE: Host._changed,
    Event.SESSION_REMOTE_OPEN: Host._session_changed,
    Event.SESSION_LOCAL_CLOSE: Host._session_changed,
    Event.SESSION_REMOTE_CLOSE: Host._session_changed,
    Event.LINK_LOCAL_CLOSE: Host._link_changed,
    Event.LINK_LOCAL_DETACH: Host._link_changed,
    Event.LINK_REMOTE_CLOSE: Host._link_changed,
    Event.LINK_REMOTE_DETACH: Host._link_changed,
    Event.TRANSPORT_CLOSED: Host._transport_closed,
}
