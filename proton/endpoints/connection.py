"""`Connection`: what goes into the open frame, the list of sessions and links, and what binds it to a transport (2.4).

What its sessions, links and the transport share with it is in `shared.py`: the lists of what is to be written, the
chain of sessions and links, the channels. `bind` and `unbind`, below, begin and end the bindings of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from proton.endpoints.condition import Condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSED,
    REMOTE_ACTIVE,
    Endpoint,
    EndpointState,
    count_text,
    matches,
    state_text,
)
from proton.endpoints.events import Collector, Event, EventType
from proton.endpoints.link import Link, LinkState
from proton.endpoints.printable import printable
from proton.endpoints.session import Session, SessionState
from proton.endpoints.shared import Shared
from proton.url import without_password

if TYPE_CHECKING:
    from proton.reconnect import ReconnectPolicy
    from proton.transport.transport import Transport
    from proton.transport.transport_state import TransportState

__all__ = ["Connection"]


def _text(name: str, value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} takes a str or None, got {value!r}")
    _check_encoding(name, value)
    return value


def _check_encoding(name: str, value: str | None) -> None:
    """Half a surrogate pair cannot be sent. The value is not shown: it may be a password."""
    try:
        (value or "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} takes text that UTF-8 can say, got a surrogate at {error.start}") from None


class ConnectionState(EndpointState):
    """What the engine keeps of a connection itself. It leads to the connection while that is bound to a transport."""

    __slots__ = ("loss", "raises_errors")

    local_open_event: ClassVar[EventType] = Event.CONNECTION_LOCAL_OPEN
    local_close_event: ClassVar[EventType] = Event.CONNECTION_LOCAL_CLOSE
    remote_open_event: ClassVar[EventType] = Event.CONNECTION_REMOTE_OPEN
    remote_close_event: ClassVar[EventType] = Event.CONNECTION_REMOTE_CLOSE
    final_event: ClassVar[EventType] = Event.CONNECTION_FINAL

    #: None while the connection is not bound
    endpoint: Any

    def __init__(self) -> None:
        EndpointState.__init__(self, None, Shared())
        #: what goes wrong is raised by the operations of a blocking connection, and needs no line at error in the log
        self.raises_errors: bool = False
        #: when the last transport ended, and its condition
        self.loss: tuple[int, Condition | None] | None = None

    def bind(self, connection: Connection, transport: Transport, transport_state: TransportState) -> None:
        """Joins a connection to a transport: everything that is open at this end is to be announced on it."""
        shared = self.shared
        self.endpoint = connection
        connection.transport = shared.transport = transport
        shared.transport_state = transport_state
        self.loss = None
        shared.progressed = False
        shared.collector.emit(Event.CONNECTION_BOUND, connection)
        self.mark_dirty()
        for state in shared.states():
            state.mark_dirty()
            if isinstance(state, LinkState) and state.is_sender:
                state.mark_sender_dirty()

    def unbind(self) -> None:
        """Parts it from its transport: all bindings end, what was not sent stays."""
        connection, shared = self.endpoint, self.shared
        transport = connection.transport
        wire = shared.transport_state
        assert wire is not None, "a transport unbinds the connection that it has"
        connection.transport = shared.transport = shared.transport_state = shared.output_event = None
        shared.was_open = shared.was_open or wire.open_received
        if wire.tail_closed:
            self.loss = shared.number_end(wire.condition)
        shared.collector.emit(Event.CONNECTION_UNBOUND, connection)
        # Channels belong to one transport; the sessions that are begun again get new ones.
        shared.renew_channels()
        shared.forget_deliveries(lambda delivery: True)
        shared.take_dirty()  # `bind` marks again what there is then; until it does, this would be a cycle
        connection.remote_container = connection.remote_hostname = connection.remote_condition = None
        connection.remote_offered_capabilities = connection.remote_desired_capabilities = None
        connection.remote_properties = None
        # Before the links lose their bindings, by which the order is made.
        finals = self._final_order()
        for session in list(shared.sessions):
            for link in list(session.members):
                link.unbind()
        if not self.freed:
            shared.collector.emit(Event.TRANSPORT, transport)
        for state in finals:
            if isinstance(state, SessionState):
                state.unbind()  # not earlier: the end of its last link would be its own
            state.finish_if_done()
        self.finish_if_done()
        self.endpoint = None

    def revoke_credit(self) -> None:
        for session in self.shared.sessions:
            session.revoke_credit()

    def _final_order(self) -> list[EndpointState]:
        """The order in which an unbinding ends sessions and links, which programs of the C binding see.

        What only this end has begun or attached goes before the rest. A session's end waits for those of all links
        if both ends have begun it.
        """
        first: list[EndpointState] = []
        last: list[EndpointState] = []
        for session in self.shared.sessions:
            links = sorted(session.members, key=lambda link: link.binding.remote_handle is not None)
            by_peer = session.binding.remote_channel is not None
            (last if by_peer and session.binding.channel is None else first).extend(links)
            (last if by_peer else first).append(session)
        return first + last

    def is_mapped(self) -> bool:
        return self.shared.transport is not None

    def dispose(self) -> None:
        shared = self.shared
        shared.dirty.clear()
        shared.dirty_senders.clear()
        shared.dirty_deliveries.clear()


class Connection(Endpoint):
    """An AMQP connection, as one of its two containers sees it (2.4). It is joined to a peer by a `Transport`."""

    #: always 0: failures raise
    error = 0
    #: the transport that this connection is bound to, or None
    transport: Transport | None = None

    #: sees the events of the connection before the container's global handler: its `Connector`, for instance
    _overrides: Any = None
    #: makes the sessions of links that the container makes, a `SessionPerConnection`, for instance
    _session_policy: Any = None
    #: the listener that has accepted it, None for one of our own
    _acceptor: Any = None
    #: how often the container has made a link of a name, None before the first
    _link_numbers: dict[str, int] | None = None
    #: the links to the peer's transaction coordinator, `ControlLink` of proton/transactions.py
    _control_links: tuple[Any, ...] = ()
    _state: ConnectionState

    def __init__(self) -> None:
        Endpoint.__init__(self)
        self._state = ConnectionState()
        self._container: str | None = None
        self._hostname: str | None = None
        self._user: str | None = None
        self._authorization: str | None = None
        self._password: str | None = None
        #: where the connection leads to, a `Url` or None
        self.url: Any = None

        # From the peer's open; None before it and after unbinding.
        #: the peer's container-id, and the host name that it asked for
        self.remote_container: str | None = None
        self.remote_hostname: str | None = None

    # A connection is its own connection; a property, since an attribute would be a reference cycle.
    @property
    def connection(self) -> Connection:  # type: ignore[override]
        """This connection."""
        return self

    @property
    def container(self) -> str | None:
        """The container-id to send, str or None (2.4.1)."""
        return self._container

    @container.setter
    def container(self, name: str | None) -> None:
        self._container = _text("container", name)

    @property
    def hostname(self) -> str | None:
        """The host that is meant, str or None: sent in open, and the name that TLS and SASL verify."""
        return self._hostname

    @hostname.setter
    def hostname(self, name: str | None) -> None:
        self._hostname = _text("hostname", name)

    @property
    def user(self) -> str | None:
        """The user to authenticate as, str or None. To be set before binding."""
        return self._user

    @user.setter
    def user(self, name: str | None) -> None:
        self._user = _text("user", name)

    @property
    def authorization(self) -> str | None:
        """The identity to act as, str or None for that of the user. To be set before binding."""
        return self._authorization

    @authorization.setter
    def authorization(self, name: str | None) -> None:
        self._authorization = _text("authorization", name)

    @property
    def password(self) -> None:
        """The password of the user, str or None. To be set before binding; reading it gives None always."""
        return None

    @password.setter
    def password(self, password: str | None) -> None:
        if password is not None and not isinstance(password, str):
            raise TypeError(f"password takes a str or None, got {type(password)}")  # never the value
        _check_encoding("password", password)
        self._password = password

    @property
    def connected(self) -> bool:
        """True from when both ends are open until the connection is lost or closed."""
        wire = self._state.shared.transport_state
        return (
            self.state == LOCAL_ACTIVE | REMOTE_ACTIVE
            and wire is not None
            and wire.open_received
            and not (wire.tail_closed or wire.head_closed)
        )

    def __repr__(self) -> str:
        place = self.connected_address or self.hostname or self.remote_container
        to = f" to {printable(place)!r}" if place else ""
        shared = self._state.shared
        held = f"{count_text(len(shared.sessions), 'session')}, {count_text(shared.link_count, 'link')}"
        return f"<proton.{type(self).__name__}{to}: {state_text(self.state)}, {held}>"

    @property
    def reconnect_policy(self) -> ReconnectPolicy | None:
        """What decides whether the connection is made again, a `proton.reconnect.ReconnectPolicy`; None for never.

        Its `attempts` says how often it was tried, `finished` that it will not be tried any more.
        """
        policy: ReconnectPolicy | None = self._state.shared.reconnect
        return policy

    @property
    def connected_address(self) -> str | None:
        """The address that the connection leads to, without the password, or None."""
        return without_password(self.url) if self.url else None

    def collect(self, collector: Collector) -> None:
        """Send the events of this connection, and of the transport bound to it, to a collector.

        It gets the init events of every endpoint there is.

        :param collector: the `Collector` that is to have the events.
        :raises TypeError: not a `Collector`.
        """
        if not isinstance(collector, Collector):
            raise TypeError(f"expected a Collector, got {collector!r}")
        shared = self._state.shared
        shared.collector = collector
        collector.emit(Event.CONNECTION_INIT, self)
        for state in shared.states():
            collector.emit(Event.LINK_INIT if isinstance(state, LinkState) else Event.SESSION_INIT, state.endpoint)

    def session(self) -> Session:
        """Make a session on this connection; open it to begin it."""
        return Session(self)

    def session_head(self, mask: int = 0) -> Session | None:
        """The first session whose state matches.

        :param mask: 0 for all; only local or only remote state bits: any of them; both: exactly these.
        """
        return next(self.sessions(mask), None)

    def link_head(self, mask: int = 0) -> Link | None:
        """The first link whose state matches.

        :param mask: as for `session_head`.
        """
        return next(self.links(mask), None)

    def sessions(self, mask: int = 0) -> Iterator[Session]:
        """The sessions whose state matches, in order of creation.

        :param mask: as for `session_head`.
        """
        return (x for x in self._endpoints() if isinstance(x, Session) and matches(x.state, mask))

    def links(self, mask: int = 0) -> Iterator[Link]:
        """The links whose state matches, in order of creation.

        :param mask: as for `session_head`.
        """
        return (x for x in self._endpoints() if isinstance(x, Link) and matches(x.state, mask))

    @property
    def work_head(self) -> Delivery | None:
        """The first delivery that needs attention: it can be read or written, or the peer changed its state.

        Follow it with `Delivery.work_next`. Looking at it costs a walk over the links and their unsettled
        deliveries; events tell the same for nothing.
        """
        candidates: list[Delivery] = []
        for state in self._state.shared.states():
            if not isinstance(state, LinkState):
                continue
            current = state.endpoint.current
            candidates += state.unsettled
            if current is not None and current not in state.unsettled:
                candidates.append(current)
        head: Delivery | None = None
        for delivery in reversed(candidates):
            head = delivery._before(head)
        return head

    def free(self) -> None:
        """Say that the connection, its sessions and links are no longer used."""
        state = self._state
        if state.freed:
            return
        state.freed = True
        state.endpoint = self
        for session in list(state.shared.sessions):
            session.endpoint.free()
        state.finish_if_done()
        if self.transport is None:
            state.endpoint = None

    def _retire_closed(self, is_over: bool = False) -> None:
        """Retires what the program has closed, when the transport is gone: no other one will carry it.

        With the connection the program has closed all that is on it. A link with deliveries stays listed: the program
        may want to know what has become of them. If the connection is lost, a link or session that waits for the answer
        to its close is told that none will come.

        :param is_over: a lost connection that is not made again, nor bound: it counts as closed.
        """
        if self._state.shared.first is None:
            return
        is_closed = is_over or bool(self.state & LOCAL_CLOSED)
        closed = [
            state
            for state in self._state.shared.states()
            if state.endpoint.state & LOCAL_CLOSED or (is_closed and not state.has_deliveries())
        ]
        closed.sort(key=lambda state: isinstance(state, SessionState))  # links first
        if self.state & LOCAL_ACTIVE and not is_over:
            for state in closed:
                state.tell_loss()
        for state in closed:
            state.retire()

    def _endpoints(self) -> Iterator[Endpoint]:
        return (state.endpoint for state in self._state.shared.states())
