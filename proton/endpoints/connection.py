"""`Connection`: what goes into the open frame, the list of sessions and links, and the work lists (2.4).

Three lists say what is to be written, each object on each of them once: `_work` (endpoints to open, close,
or send a flow for), `_senders` (senders that may have something to send), `_touched` (deliveries whose state
is to be told). The transport takes them when it is asked for output; idle endpoints are on none of them.
The list of sessions and links is a chain through the endpoints, so that `next` and `free` cost the same
however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from proton.endpoints.condition import Condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_UNINIT,
    REMOTE_ACTIVE,
    Endpoint,
    count_text,
    matches,
    state_text,
)
from proton.endpoints.events import Collector, Event, EventType
from proton.endpoints.link import Link
from proton.endpoints.printable import printable
from proton.endpoints.sender import Sender
from proton.endpoints.session import Channels, Session
from proton.url import without_password

if TYPE_CHECKING:
    from proton.codec.types import SymbolList
    from proton.reconnect import ReconnectPolicy
    from proton.transport.transport import Transport

__all__ = ["Connection"]

#: closed links that stay listed for what is unsettled on them, or unread; beyond it the oldest is freed
MOST_KEPT = 64


class _NoCollector(Collector):
    """Stands in until `collect` is called: events are lost."""

    def __init__(self) -> None:
        Collector.__init__(self)
        self.release()

    def emit(self, etype: EventType, context: Any) -> None:
        pass


_NO_COLLECTOR = _NoCollector()


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


class Connection(Endpoint):
    """An AMQP connection, as one of its two containers sees it (2.4). It is joined to a peer by a `Transport`."""

    _local_open_event = Event.CONNECTION_LOCAL_OPEN
    _local_close_event = Event.CONNECTION_LOCAL_CLOSE
    _remote_open_event = Event.CONNECTION_REMOTE_OPEN
    _remote_close_event = Event.CONNECTION_REMOTE_CLOSE
    _final_event = Event.CONNECTION_FINAL

    remote_condition: Condition | None
    remote_offered_capabilities: SymbolList | None
    remote_desired_capabilities: SymbolList | None
    remote_properties: dict[Any, Any] | None

    #: always 0: failures raise
    error = 0
    #: the transport that this connection is bound to, or None
    transport: Transport | None = None

    #: decides whether and when a lost connection is made again: a `ReconnectPolicy`, None for never
    _reconnect: Any = None
    #: what goes wrong is raised by the operations of a blocking connection, and needs no line at error in the log
    _raises_errors = False
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
    _loss: tuple[int, Condition | None] | None = None  # when the last transport ended, and its condition
    _was_open = False  # on an earlier transport
    _handles_known = 1 << 32  # how many the peer takes, as of its last begin
    _ends = 0  # counts the ends of this connection, its sessions and links
    _progressed = False  # a delivery was settled, on this transport, over a session that has ended

    def __init__(self) -> None:
        Endpoint.__init__(self)
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

        self._collector: Collector = _NO_COLLECTOR
        self._first: Endpoint | None = None
        self._last: Endpoint | None = None
        self._members: dict[Session, None] = {}  # the sessions that are not final
        self._link_count = 0  # over all sessions
        self._buffered_bytes = 0  # of deliveries received and not yet read, over all sessions
        self._sequence = 0  # counts outgoing deliveries: transfers of all links leave in this order

        self._kept: list[Link] = []  # retired, with open deliveries

        self._work: list[Endpoint] = []
        self._senders: list[Sender] = []
        self._touched: list[Delivery] = []
        self._channels = Channels()
        self._local_channels: dict[int, Session] = {}

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
        transport = self.transport
        return (
            self.state == LOCAL_ACTIVE | REMOTE_ACTIVE
            and transport is not None
            and transport._state.open_received
            and not (transport._state.tail_closed or transport._state.head_closed)
        )

    def __repr__(self) -> str:
        place = self.connected_address or self.hostname or self.remote_container
        to = f" to {printable(place)!r}" if place else ""
        held = f"{count_text(len(self._members), 'session')}, {count_text(self._link_count, 'link')}"
        return f"<{type(self).__name__}{to}: {state_text(self.state)}, {held}>"

    @property
    def reconnect_policy(self) -> ReconnectPolicy | None:
        """What decides whether the connection is made again, a `proton.reconnect.ReconnectPolicy`; None for never.

        Its `attempts` says how often it was tried, `finished` that it will not be tried any more.
        """
        policy: ReconnectPolicy | None = self._reconnect
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
        self._collector = collector
        collector.emit(Event.CONNECTION_INIT, self)
        for endpoint in self._endpoints():
            collector.emit(Event.LINK_INIT if isinstance(endpoint, Link) else Event.SESSION_INIT, endpoint)

    def session(self) -> Session:
        """Make a session on this connection; open it to begin it."""
        session = Session(self)
        self._members[session] = None
        self._list(session, Event.SESSION_INIT)
        return session

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
        head: Delivery | None = None
        last: Delivery | None = None
        for link in self.links():
            candidates = list(link._unsettled)
            if link.current is not None and link.current not in link._unsettled:
                candidates.append(link.current)
            for delivery in candidates:
                if delivery._needs_work():
                    delivery._work_next = None
                    if last is None:
                        head = delivery
                    else:
                        last._work_next = delivery
                    last = delivery
        return head

    def free(self) -> None:
        """Say that the connection, its sessions and links are no longer used."""
        if self._freed:
            return
        self._freed = True
        for session in list(self._members):
            session.free()
        self._finish_if_done()

    def _wired(self) -> bool:
        return self.transport is not None

    def _dispose(self) -> None:
        self._work.clear()
        self._senders.clear()
        self._touched.clear()

    def _endpoints(self) -> Iterator[Endpoint]:
        endpoint = self._first
        while endpoint is not None:
            following = endpoint._following
            yield endpoint
            endpoint = following

    def _list(self, endpoint: Endpoint, event: EventType) -> None:
        """Appends a new endpoint to the chain."""
        endpoint._previous = self._last
        if self._last is None:
            self._first = endpoint
        else:
            self._last._following = endpoint
        self._last = endpoint
        self._collector.emit(event, endpoint)

    def _unlist(self, endpoint: Endpoint) -> None:
        """Takes a freed endpoint off the chain."""
        previous, following = endpoint._previous, endpoint._following
        if previous is None and self._first is not endpoint:
            return  # it has left already
        if previous is None:
            self._first = following
        else:
            previous._following = following
        if following is None:
            self._last = previous
        else:
            following._previous = previous
        endpoint._previous = endpoint._following = None

    def _retire_closed(self) -> None:
        """Retires what the program has closed, when the transport is gone: no other one will carry it.

        If the connection is lost, a link or session that waits for the answer to its close is told that none will come.
        """
        closed: list[Any] = [*self.links(Endpoint.LOCAL_CLOSED), *self.sessions(Endpoint.LOCAL_CLOSED)]
        if self.state & LOCAL_ACTIVE:
            for endpoint in closed:
                endpoint._tell_loss()
        for endpoint in closed:
            endpoint._retire()

    def _look_at_kept(self) -> None:
        """Retired links leave when their deliveries are settled and read, or are too many."""
        kept, self._kept = self._kept, []
        for link in kept:
            if link._has_open_deliveries() and not link._freed:
                self._kept.append(link)
            else:
                self._unlist(link)
                link.session._forget_link(link)
        while len(self._kept) > MOST_KEPT:
            self._kept.pop(0).free()

    def _number_end(self, condition: Condition | None) -> tuple[int, Condition | None]:
        """The record of an end of this connection, or of a session or link of it: in order, with its condition."""
        self._ends += 1
        return self._ends, condition

    def _has_progressed(self) -> bool:
        """Whether a delivery was settled over this transport."""
        return self._progressed or any(session._progressed for session in self._members)

    def _forget_session(self, session: Session) -> None:
        self._progressed = self._progressed or session._progressed
        self._members.pop(session, None)

    def _bind(self, transport: Transport) -> None:
        """Joined to a transport: everything that is open at this end is to be announced on it."""
        self.transport = transport
        self._loss = None
        self._progressed = False
        self._collector.emit(Event.CONNECTION_BOUND, self)
        self._schedule(self)
        for endpoint in self._endpoints():
            self._schedule(endpoint)
            if isinstance(endpoint, Sender):
                endpoint._queue()

    def _schedule(self, endpoint: Endpoint) -> None:
        if not endpoint._marked and not endpoint.state & LOCAL_UNINIT:
            endpoint._marked = True
            self._work.append(endpoint)

    def _take_work(self) -> list[Endpoint]:
        """What is marked, which is marked no longer."""
        work, self._work = self._work, []
        for endpoint in work:
            endpoint._marked = False
        return work

    def _revoke_credit(self) -> None:
        for session in self._members:
            session._revoke_credit()

    def _unbind(self) -> None:
        """Parted from its transport: what belonged to that is forgotten, what was not sent stays."""
        transport = self.transport
        self.transport = None
        self._was_open = self._was_open or (transport is not None and transport._state.open_received)
        if transport is not None and transport._state.tail_closed:
            self._loss = self._number_end(transport.condition)
        self._collector.emit(Event.CONNECTION_UNBOUND, self)
        self._channels = Channels()
        self._local_channels = {}
        for delivery in self._touched:
            delivery._touched = False
        self._touched = []
        self._take_work()  # `_bind` marks again what there is then; until it does, this would be a cycle
        self.remote_container = self.remote_hostname = self.remote_condition = None
        self.remote_offered_capabilities = self.remote_desired_capabilities = self.remote_properties = None
        finals = self._final_order()
        for session in list(self._members):
            for link in list(session._members):
                link._unbind()
        if not self._freed:
            self._collector.emit(Event.TRANSPORT, transport)
        for endpoint in finals:
            if isinstance(endpoint, Session):
                endpoint._unbind()  # not earlier: the end of its last link would be its own
            endpoint._finish_if_done()
        self._finish_if_done()

    def _final_order(self) -> list[Endpoint]:
        """The order in which an unbinding ends sessions and links, which programs of the C binding see.

        What only this end has begun or attached goes before the rest. A session's end waits for those of all links
        if both ends have begun it.
        """
        first: list[Endpoint] = []
        last: list[Endpoint] = []
        for session in self._members:
            links = sorted(session._members, key=lambda link: link._remote_handle is not None)
            by_peer = session._remote_channel is not None
            (last if by_peer and session._channel is None else first).extend(links)
            (last if by_peer else first).append(session)
        return first + last
