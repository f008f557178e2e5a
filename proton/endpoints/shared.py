"""`Shared`: what the endpoints of one connection and its transport share; and the numbers that are handed out.

Three lists say what is to be written, each object on each of them once: `dirty` (endpoints to open, to close, or to
send a flow for), `dirty_senders` (senders that may have something to send), `dirty_deliveries` (deliveries whose state
is to be told). The transport takes them when it is asked for output; idle endpoints are on none of them.
The sessions and links are a chain through their states, so that `next` and `free` cost the same for any number of
them. Keep true: a `Shared` leads to no connection, so that it is in no reference cycle with it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from proton.endpoints.condition import Condition
from proton.endpoints.events import Collector, Event, EventType

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.endpoint import EndpointState
    from proton.endpoints.link import LinkState
    from proton.endpoints.sender import SenderState
    from proton.endpoints.session import SessionState
    from proton.transport.transport import Transport
    from proton.transport.transport_state import TransportState

__all__ = ["NO_DELIVERIES", "Channels", "IdAllocator", "Shared"]

#: In place of a deque that nothing was put into yet: an empty deque takes 760 bytes, and most links are idle.
NO_DELIVERIES: Any = ()

_TRANSPORT = Event.TRANSPORT
#: closed links that stay listed for what is unsettled on them, or unread; beyond it the oldest is freed
MAX_LINGERING = 64


class IdAllocator:
    """Hands out the lowest free number: channels of a connection, handles of a session."""

    __slots__ = ("_next", "_released")

    def __init__(self) -> None:
        self._next = 0
        self._released: list[int] | None = None  # made with the first: most sessions release nothing before their end

    def lowest(self) -> int:
        """The number that `allocate` would give."""
        return self._released[0] if self._released else self._next

    def allocate(self) -> int:
        if self._released:
            return heapq.heappop(self._released)
        self._next += 1
        return self._next - 1

    def release(self, number: int) -> None:
        if self._released is None:
            self._released = []
        heapq.heappush(self._released, number)


class Channels(IdAllocator):
    """The channels of a connection. A released one rests as long as one that does not rest is free.

    RabbitMQ 4.0 may lose a begin that comes soon after the end of an earlier session on the same channel.
    """

    __slots__ = ("_resting",)

    #: how many rest, those that were released last
    RESTING = 8

    def __init__(self) -> None:
        IdAllocator.__init__(self)
        self._resting: list[int] = []

    def lowest_up_to(self, limit: int) -> int:
        """The number that `allocate` will give; more than `limit` if none up to there is free."""
        if self.lowest() > limit and self._resting:
            IdAllocator.release(self, self._resting.pop(0))
        return self.lowest()

    def release(self, number: int) -> None:
        self._resting.append(number)
        if len(self._resting) > self.RESTING:
            IdAllocator.release(self, self._resting.pop(0))


class _NoCollector(Collector):
    """Stands in until `collect` is called: events are lost."""

    def __init__(self) -> None:
        Collector.__init__(self)
        self.release()

    def emit(self, etype: EventType, context: Any) -> None:
        pass


_NO_COLLECTOR = _NoCollector()


class Shared:
    """What belongs to a connection as a whole."""

    __slots__ = (
        "buffered_bytes",
        "channels",
        "collector",
        "dirty",
        "dirty_deliveries",
        "dirty_senders",
        "ends",
        "first",
        "last",
        "lingering",
        "link_count",
        "local_channels",
        "max_known_handles",
        "output_event",
        "reconnect",
        "sequence",
        "progressed",
        "sessions",
        "transport",
        "transport_state",
        "was_open",
    )

    def __init__(self) -> None:
        self.collector: Collector = _NO_COLLECTOR
        #: the transport that the connection is bound to, as `Connection.transport`
        self.transport: Transport | None = None
        #: what the engine keeps of that transport
        self.transport_state: TransportState | None = None
        #: the `TRANSPORT` event that a message had queued last: while it is the last one, another would be dropped
        self.output_event: Any = None
        self.dirty: list[EndpointState] = []
        self.dirty_senders: list[SenderState] = []
        self.dirty_deliveries: list[Delivery] = []

        self.first: EndpointState | None = None  # of the chain of sessions and links
        self.last: EndpointState | None = None
        self.sessions: dict[SessionState, None] = {}  # those that are not final
        self.lingering: list[LinkState] = []  # retired links with open deliveries
        self.link_count: int = 0  # over all sessions
        self.buffered_bytes: int = 0  # of deliveries received and not yet read, over all sessions
        self.sequence: int = 0  # counts outgoing deliveries: transfers of all links leave in this order
        self.ends: int = 0  # counts the ends of the connection, its sessions and links

        #: decides whether and when a lost connection is made again: a `ReconnectPolicy`, None for never
        self.reconnect: Any = None
        self.was_open: bool = False  # on an earlier transport
        self.max_known_handles: int = 1 << 32  # how many the peer takes, as of its last begin
        self.progressed: bool = False  # a delivery was settled, on this transport, over a session that has ended
        self.renew_channels()

    def renew_channels(self) -> None:
        self.channels: Channels = Channels()
        self.local_channels: dict[int, SessionState] = {}

    # -- what is to be written -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Says that the transport has work, by a `TRANSPORT` event. The transport's own functions need not."""
        transport = self.transport
        if transport is not None:
            self.collector.emit(_TRANSPORT, transport)

    def take_dirty(self) -> list[EndpointState]:
        """The endpoints that have something to send, which are dirty no longer."""
        dirty, self.dirty = self.dirty, []
        for state in dirty:
            state.is_dirty = False
        return dirty

    def forget_deliveries(self, is_gone: Any) -> None:
        """Has nothing to tell any more about the deliveries for which `is_gone` is true."""
        dirty, self.dirty_deliveries = self.dirty_deliveries, []
        for delivery in dirty:
            if is_gone(delivery):
                delivery._dirty = False
            else:
                self.dirty_deliveries.append(delivery)

    # -- the chain of sessions and links -------------------------------------------------------------------------

    def states(self) -> Iterator[EndpointState]:
        """The states of the sessions and links, in order of creation."""
        state = self.first
        while state is not None:
            following = state.following
            yield state
            state = following

    def append_endpoint(self, state: EndpointState, event: EventType) -> None:
        """Appends a new endpoint to the chain."""
        state.previous = self.last
        if self.last is None:
            self.first = state
        else:
            self.last.following = state
        self.last = state
        self.collector.emit(event, state.endpoint)

    def remove_endpoint(self, state: EndpointState) -> None:
        """Takes a freed endpoint off the chain."""
        previous, following = state.previous, state.following
        if previous is None and self.first is not state:
            return  # it has left already
        if previous is None:
            self.first = following
        else:
            previous.following = following
        if following is None:
            self.last = previous
        else:
            following.previous = previous
        state.previous = state.following = None

    def reap_lingering(self) -> None:
        """Retired links leave when their deliveries are settled and read, or are too many."""
        lingering, self.lingering = self.lingering, []
        for link in lingering:
            if link.has_open_deliveries() and not link.freed:
                self.lingering.append(link)
            else:
                link.unlist()
        while len(self.lingering) > MAX_LINGERING:
            self.lingering.pop(0).endpoint.free()

    # -- ends ----------------------------------------------------------------------------------------------------

    def number_end(self, condition: Condition | None) -> tuple[int, Condition | None]:
        """The record of an end of the connection, or of a session or link of it: in order, with its condition."""
        self.ends += 1
        return self.ends, condition

    def has_progressed(self) -> bool:
        """Whether a delivery was settled over this transport."""
        return self.progressed or any(session.binding.progressed for session in self.sessions)

    def forget_session(self, session: SessionState) -> None:
        self.progressed = self.progressed or session.binding.progressed
        self.sessions.pop(session, None)
