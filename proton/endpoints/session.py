"""`Session`: the flow of transfer frames in both directions, delivery-ids, and the handles of its links (2.5).

Windows count frames, capacities count bytes. Without `incoming_capacity` and `incoming_window` the window is
unmanaged: it is announced as large as a number can be. A managed one is `(capacity - unread bytes) // frame size`,
or `incoming_window - unread frames`, whichever is less, and a new flow is due when what the peer may still send has
fallen below the low-water mark and reading has made room again.
Ids of the wire are 32-bit serial numbers (`serial.py`): always masked, compared by their difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from proton.endpoints import hooks as _hooks
from proton.endpoints.arguments import check_count
from proton.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSED,
    REMOTE_ACTIVE,
    REMOTE_CLOSED,
    ContainedEndpoint,
    EndpointState,
    count_text,
    endpoint_state,
    state_text,
)
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event, EventType
from proton.endpoints.link import Link, LinkState
from proton.endpoints.receiver import Receiver
from proton.endpoints.sender import Sender, SenderState
from proton.endpoints.serial import HALF, SERIAL
from proton.endpoints.shared import IdAllocator, Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proton.endpoints.condition import Condition
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery

__all__ = ["Session", "SessionBinding", "SessionState"]

UNMANAGED_WINDOW = 2147483647
HANDLE_MAX = 0x7FFFFFFF
#: Links that a session remembers because its closing detach has crossed a detach without closed. A conforming peer
#: attaches them again at once; one that answers every close in that way must not make us remember all its links.
MAX_CROSSED = 64


def _check_frames(name: str, frames: int) -> int:
    frames = check_count(name, frames)
    if not 0 <= frames <= UNMANAGED_WINDOW:
        raise OverflowError(f"{name} takes 0 to 2**31 - 1 frames, got {frames}")
    return frames


class SessionBinding:
    """What belongs to a session from its begin to its end, on one transport."""

    __slots__ = (
        "attached",
        "begin_due",
        "blocked",
        "channel",
        "crossed",
        "end_sent",
        "expected_delivery_id",
        "flow_due",
        "handle_max",
        "handles",
        "incoming",
        "incoming_window",
        "low_water",
        "next_delivery_id",
        "next_incoming_id",
        "next_outgoing_id",
        "outgoing",
        "progressed",
        "remote_channel",
        "remote_handles",
        "remote_incoming_window",
        "remotely_ended",
        "repeats",
        "turned_away",
        "unanswered",
        "violated",
        "window_end",
    )

    def __init__(self) -> None:
        self.channel: int | None = None  # ours, from begin to end
        self.remote_channel: int | None = None  # the peer's
        self.end_sent: bool = False
        self.remotely_ended: bool = False
        self.begin_due: bool = False  # it begins again as soon as our end is written
        self.violated: bool = False  # we ended it for a fault of the peer: its frames are dropped until its end
        self.turned_away: Sequence[LinkState] = ()  # attached by us and not by the peer when that has ended the session

        self.handles: IdAllocator = IdAllocator()
        self.handle_max: int = HANDLE_MAX  # the peer's
        self.attached: dict[int, LinkState] = {}  # by our handle
        self.remote_handles: dict[int, LinkState] = {}
        # Attached by us and not yet by the peer, by direction and name: its attaches answer them in this order.
        self.unanswered: dict[tuple[bool, str | None], list[LinkState]] = {}
        # Closed by us while the peer's detach was not closed, by direction and name: it attaches them again (2.6.6).
        # None for none.
        self.crossed: dict[tuple[bool, str | None], None] | None = None

        self.next_outgoing_id: int = 0
        self.next_incoming_id: int = 0
        self.incoming_window: int = 0  # transfer frames that the peer may still send
        self.window_end: int = 0  # the transfer-id that no window granted so far reaches
        self.low_water: int = 1
        self.remote_incoming_window: int = 0  # transfer frames that we may still send
        self.flow_due: bool = False

        self.next_delivery_id: int = 0
        self.expected_delivery_id: int | None = None  # of the next incoming delivery
        self.incoming: dict[int, Delivery] = {}  # unsettled, by delivery-id
        self.outgoing: dict[int, Delivery] = {}
        self.blocked: dict[SenderState, None] = {}  # have credit and something to send, but no window
        # The peer has settled a delivery, or we have accepted one: what is made again is not in vain.
        self.progressed: bool = False
        self.repeats: int = 0  # how often dispositions came for what they had told of before, less an allowance

    def take_delivery_id(self) -> int:
        number = self.next_delivery_id
        self.next_delivery_id = number + 1 & SERIAL
        return number

    def count_outgoing_frame(self) -> None:
        """A transfer frame is written (2.5.6). The hot function does it inline."""
        self.next_outgoing_id = self.next_outgoing_id + 1 & SERIAL
        self.remote_incoming_window -= 1

    def awaits_begin(self) -> bool:
        """Whether the peer has still to answer our begin."""
        return self.remote_channel is None and not self.remotely_ended

    def answer_first(self, is_sender: bool, name: str | None) -> None:
        """The peer has answered the first attach of ours that waits for it."""
        waiting = self.unanswered.get((is_sender, name))
        if waiting:
            waiting.pop(0)
            if not waiting:
                del self.unanswered[is_sender, name]

    def remember_crossed(self, link: LinkState) -> None:
        """Our closing detach has crossed one of the peer without closed: it has to attach and close again (2.6.6)."""
        crossed = self.crossed = self.crossed or {}
        crossed[link.key] = None
        if len(crossed) > MAX_CROSSED:
            del crossed[next(iter(crossed))]

    def unblock(self) -> None:
        """The window has room: the sender that has waited longest goes on, and wakes the next one if some is left."""
        while self.blocked:
            sender = next(iter(self.blocked))
            del self.blocked[sender]
            if sender.has_queued() and not sender.binding.remotely_detached:
                sender.mark_sender_dirty()
                return

    def has_queued(self) -> bool:
        """Whether a sender has something queued that the peer may still take: our end waits for it."""
        return any(
            link.is_sender and link.endpoint.queued > 0 and not link.binding.remotely_detached
            for link in self.attached.values()
        )


class SessionState(EndpointState):
    """What the engine keeps of a session."""

    __slots__ = (
        "binding",
        "capacity",
        "is_common",
        "links",
        "low_water_limit",
        "members",
        "unread_frames",
        "was_begun",
        "window_limit",
    )

    local_open_event: ClassVar[EventType] = Event.SESSION_LOCAL_OPEN
    local_close_event: ClassVar[EventType] = Event.SESSION_LOCAL_CLOSE
    remote_open_event: ClassVar[EventType] = Event.SESSION_REMOTE_OPEN
    remote_close_event: ClassVar[EventType] = Event.SESSION_REMOTE_CLOSE
    final_event: ClassVar[EventType] = Event.SESSION_FINAL

    endpoint: Session

    def __init__(self, session: Session, shared: Shared) -> None:
        EndpointState.__init__(self, session, shared)
        self.binding: SessionBinding = SessionBinding()
        # The incoming window as the program has set it.
        self.capacity: int = 0  # bytes
        self.window_limit: int = 0  # frames, 0 if the program has not set it
        self.low_water_limit: int = 0  # frames
        self.unread_frames: int = 0  # counted if the window is set in frames

        # Links by direction and name, the newest of each: an incoming attach looks for its other end here.
        self.links: dict[tuple[bool, str | None], LinkState] = {}
        self.members: dict[LinkState, None] = {}  # the links that are not final
        self.was_begun: bool = False  # on this transport or an earlier one
        self.is_common: bool = False  # made by a container for all the links of a connection

    def unbind(self) -> None:
        EndpointState.unbind(self)
        self.binding = SessionBinding()

    # -- links ---------------------------------------------------------------------------------------------------

    def new_link(self, kind: type[Link], name: str | None, session: Session) -> LinkState:
        link: LinkState = endpoint_state(kind(session, name))
        link.predecessor = self.links.get(link.key)
        self.add_link(link)
        if self.binding.crossed:
            self.binding.crossed.pop(link.key, None)
        self.shared.link_count += 1
        self.shared.append_endpoint(link, Event.LINK_INIT)
        return link

    def add_link(self, link: LinkState) -> None:
        """Takes a link in, a new one or one of another session."""
        self.links[link.key] = link
        self.members[link] = None

    def unseen_link(self, kind: type[Link], name: str | None) -> LinkState:
        """A new link, which no program sees: it counts as attached and closed at once."""
        link: LinkState = endpoint_state(kind(self.endpoint, name))
        link.endpoint.state = REMOTE_ACTIVE | LOCAL_CLOSED
        link.final = True
        return link

    def forget_link(self, link: LinkState) -> None:
        if self.links.get(link.key) is link:
            del self.links[link.key]
        if link in self.members:
            del self.members[link]
            self.shared.link_count -= 1
        self.finish_if_done()

    def has_room(self) -> bool:
        """Whether the peer takes another link, as far as is known."""
        handle_max = self.binding.handle_max
        if len(self.members) <= handle_max:
            return True
        return (
            sum(not link.endpoint.state & LOCAL_CLOSED or link.binding.handle is not None for link in self.members)
            <= handle_max
        )

    def attached_by_peer(self, is_sender: bool, name: str | None) -> LinkState:
        """A new link for an attach of the peer.

        If the attach only leads to the close of a link that this end has closed (2.6.6), no program sees it.
        """
        kind: type[Link] = Sender if is_sender else Receiver
        crossed = self.binding.crossed
        if not crossed or (is_sender, name) not in crossed:
            return self.new_link(kind, name, self.endpoint)
        del crossed[is_sender, name]
        link = self.unseen_link(kind, name)
        link.mark_dirty()
        return link

    def end_links(self) -> None:
        """The session has ended: each of its links ends, and tells so."""
        for link in list(self.members):
            link.end_with_session()

    def revoke_credit(self) -> None:
        for link in self.members:
            link.revoke_credit()

    # -- the window ----------------------------------------------------------------------------------------------

    def window(self) -> int:
        """The incoming window to announce, in frames."""
        transport = self.shared.transport
        frame_size = transport.max_frame_size if transport is not None else 0
        limit = window = self.window_limit or UNMANAGED_WINDOW
        if self.window_limit:
            window -= self.unread_frames
        if self.capacity and frame_size:
            limit = min(limit, self.capacity // frame_size)
            window = min(window, (self.capacity - self.endpoint.incoming_bytes) // frame_size)
        if limit == UNMANAGED_WINDOW:
            self.binding.low_water = 1
        else:
            self.binding.low_water = min(self.low_water_limit or limit // 2, limit) or 1
        return max(0, window)

    def grant_window(self) -> int:
        """The window to write into a frame now; the peer holds us to every one that it has seen."""
        binding = self.binding
        window = binding.incoming_window = self.window()
        end = binding.next_incoming_id + window & SERIAL
        if end - binding.window_end & SERIAL < HALF:
            binding.window_end = end
        return window

    def announce_window(self) -> None:
        """The program has changed the limits of the window."""
        if self.shared.transport is not None and self.binding.channel is not None:
            self.binding.flow_due = True
            self.mark_dirty()

    def bytes_read(self, size: int, link: LinkState, frames: int = 0) -> None:
        """The application has read, or dropped, this many bytes, the last ones of `frames`, that came over a link."""
        self.endpoint.incoming_bytes -= size
        if self.window_limit:
            self.unread_frames = max(0, self.unread_frames - frames)
        self.shared.buffered_bytes -= size
        if self.binding.incoming_window < self.binding.low_water and self.renew_window(link):
            self.shared.wake()

    def count_unread(self, size: int, frames: int) -> None:
        """Unread bytes of another session count here, the link that received them has been recovered."""
        self.endpoint.incoming_bytes += size
        self.shared.buffered_bytes += size
        if self.window_limit:
            self.unread_frames += frames

    def renew_window(self, link: LinkState) -> bool:
        """Has a flow written, on the link while that is attached, when there is more room than the peer knows of."""
        if self.binding.channel is None or self.window() <= self.binding.incoming_window:
            return False
        attached = link.binding
        if attached.handle is None or attached.remotely_detached or link.endpoint.state & LOCAL_CLOSED:
            self.binding.flow_due = True
            self.mark_dirty()
        else:
            attached.flow_due = True
            link.mark_dirty()
        return True

    # -- ends ----------------------------------------------------------------------------------------------------

    def tell_loss(self) -> None:
        """The transport of a session that waits for the peer's end has gone, and the end with it."""
        if self.endpoint.state & LOCAL_CLOSED and self.was_begun and self.remote_end is None:
            self.remote_closed(None)

    def restart(self) -> None:
        """The peer has ended it with what can pass, and `begin_again` makes it again (2.5.4); its links hear of it."""
        for link in self.members:
            link.tell_loss()
        self.shared.progressed = self.shared.progressed or self.binding.progressed
        EndpointState.restart(self)

    def begin_again(self) -> None:
        """Begins anew with the links that are open. As after a lost connection what was not sent stays queued, and
        what was sent and not settled has no outcome."""
        if self.binding.channel is not None:
            self.binding.begin_due = True
            return
        session = self.endpoint
        self.shared.forget_deliveries(lambda delivery: delivery.link.session is session)
        links = list(self.members)
        for link in links:
            link.tell_loss()
            link.unbind()
        self.unbind()
        for link in links:
            if link.endpoint.state == LOCAL_ACTIVE | REMOTE_ACTIVE and not link.detached:
                link.await_again(link.endpoint)
            link.finish_if_done()
        self.mark_dirty(wake=True)

    def unmap_channel(self) -> None:
        """Our end was sent: the channel and the handles of our side are free again."""
        binding, shared = self.binding, self.shared
        if binding.channel is not None:
            if not binding.awaits_begin():  # else the connection is closing, and the late reply must find its session
                shared.channels.release(binding.channel)
                shared.local_channels.pop(binding.channel, None)
            binding.channel = None
        attached, binding.attached = binding.attached, {}
        for link in attached.values():
            link.binding.handle = None
        for link in list(self.members):
            link.finish_if_done()
        self.finish_if_done()
        if binding.begin_due:
            self.begin_again()

    def unmap_remote_channel(self) -> None:
        """The peer's end has come: its handles are gone with it."""
        binding = self.binding
        binding.remote_channel = None
        binding.remotely_ended = True
        handles, binding.remote_handles = binding.remote_handles, {}
        for link in handles.values():
            link.binding.remote_handle = None
            link.binding.remotely_detached = True
        for link in binding.attached.values():
            link.binding.remotely_detached = True  # those too that the peer has not answered
        binding.turned_away = [link for waiting in binding.unanswered.values() for link in waiting]
        # What was sent can get no disposition any more; senders waiting for a window have nothing to wait for.
        if _hooks.active is not None:
            for delivery in binding.outgoing.values():
                if not delivery.link.recoverable:
                    _hooks.active.ended(delivery)
        binding.incoming.clear()
        binding.outgoing.clear()
        binding.blocked.clear()
        binding.unanswered.clear()
        for link in list(self.members):
            link.finish_if_done()
        self.finish_if_done()

    def is_mapped(self) -> bool:
        return self.binding.channel is not None or self.binding.remote_channel is not None or bool(self.members)

    def dispose(self) -> None:
        self.shared.forget_session(self)
        self.part()

    def leave(self) -> None:
        self.shared.remove_endpoint(self)
        self.dispose()


class Session(ContainedEndpoint):
    """A two-way conversation over a connection, in which links live (2.5). Made by `Connection.session`."""

    remote_condition: Condition | None
    _state: SessionState

    def __init__(self, connection: Connection) -> None:
        ContainedEndpoint.__init__(self)
        #: the connection that this session belongs to
        self.connection = connection
        #: bytes received and not yet read, bytes streamed and not yet sent, over all links
        self.incoming_bytes: int = 0
        self.outgoing_bytes = 0
        #: transfer frames that we say we could send; announced, never enforced
        self.outgoing_window = UNMANAGED_WINDOW
        shared: Shared = endpoint_state(connection).shared
        self._state = SessionState(self, shared)
        shared.sessions[self._state] = None
        shared.append_endpoint(self._state, Event.SESSION_INIT)

    def _look_for_ended_parent(self) -> None:
        warn_if_ended("Session.open()", self.connection)

    def _retire_if_ended(self) -> None:
        """Retires a session that both ends have ended, with its links; programs have seen it by now."""
        state = self._state
        if self.state == LOCAL_CLOSED | REMOTE_CLOSED:
            for link in list(state.members):
                if link.endpoint.handler is not None:
                    link.end_with_session()  # one with its own handler has not heard of it, and is told
                if link.local_end is None or link.remote_end is None:
                    link.retire()  # the others when their events have been handled
            state.retire()

    def __repr__(self) -> str:
        return (
            f"<proton.{type(self).__name__}: {state_text(self.state)}, {count_text(len(self._state.members), 'link')}>"
        )

    @property
    def incoming_capacity(self) -> int:
        """Bytes that the peer may send ahead of what is read, over all links; 0 leaves it unlimited.

        :raises OverflowError: negative.
        """
        return self._state.capacity

    @incoming_capacity.setter
    def incoming_capacity(self, capacity: int) -> None:
        if check_count("incoming_capacity", capacity) < 0:
            raise OverflowError(f"incoming_capacity takes 0 or more bytes, got {capacity}")
        self._state.capacity = capacity
        self._state.announce_window()

    @property
    def incoming_window(self) -> int:
        """Transfer frames that the peer may send ahead of what is read, over all links (2.5.6); 0 leaves it unlimited.

        Beside `incoming_capacity`, which counts bytes; where both are set the smaller window is announced. To be set
        before frames come: those that have come before are not counted.

        :raises OverflowError: not in 0 to 2**31 - 1.
        """
        return self._state.window_limit

    @incoming_window.setter
    def incoming_window(self, frames: int) -> None:
        self._state.window_limit = _check_frames("incoming_window", frames)
        self._state.announce_window()

    @property
    def incoming_window_low_water(self) -> int:
        """Transfer frames: when the peer may send fewer than these, a flow opens the window again; 0 for half of it.

        :raises OverflowError: not in 0 to 2**31 - 1.
        """
        return self._state.low_water_limit

    @incoming_window_low_water.setter
    def incoming_window_low_water(self, frames: int) -> None:
        self._state.low_water_limit = _check_frames("incoming_window_low_water", frames)
        self._state.announce_window()

    def sender(self, name: str | None) -> Sender:
        """Make a sender on this session; open it to attach it.

        :param name: unique among the senders between the two containers.
        :raises TypeError: not str or None.
        """
        return self._new_link(Sender, name)  # type: ignore[return-value]

    def receiver(self, name: str | None) -> Receiver:
        """Make a receiver on this session; open it to attach it.

        :param name: unique among the receivers between the two containers.
        :raises TypeError: not str or None.
        """
        return self._new_link(Receiver, name)  # type: ignore[return-value]

    def _new_link(self, kind: type[Link], name: str | None) -> Link:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a link name is a str or None, got {name!r}")
        return self._state.new_link(kind, name, self).endpoint

    def next(self, mask: int = 0) -> Session | None:
        """The next session of the connection whose state matches.

        :param mask: state bits as for `Connection.session_head`.
        """
        return self._next(Session, mask)

    def free(self) -> None:
        """Say that the session and its links are no longer used."""
        state = self._state
        for link in list(state.members):
            link.endpoint.free()  # those too that the peer has attached since it was freed
        if state.freed:
            return
        state.freed = True
        state.endpoint = self  # a retired one may have parted from it
        state.shared.remove_endpoint(state)
        state.finish_if_done()
