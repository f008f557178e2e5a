"""`Session`: the flow of transfer frames in both directions, delivery-ids, and the handles of its links (2.5).

Windows count frames, capacities count bytes. Without `incoming_capacity` and `incoming_window` the window is
unmanaged: it is announced as large as a number can be. A managed one is `(capacity - unread bytes) // frame size`,
or `incoming_window - unread frames`, whichever is less, and a new flow is due when what the peer may still send has
fallen below the low-water mark and reading has made room again.
Ids of the wire are 32-bit serial numbers (2.8.10): always masked, compared by their difference.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from proton.endpoints.arguments import check_count
from proton.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSED,
    REMOTE_ACTIVE,
    REMOTE_CLOSED,
    Endpoint,
    count_text,
    matches,
    state_text,
)
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.link import Link
from proton.endpoints.receiver import Receiver
from proton.endpoints.sender import Sender

if TYPE_CHECKING:
    from proton.endpoints.condition import Condition
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery

__all__ = ["Session"]

UNMANAGED_WINDOW = 2147483647
HANDLE_MAX = 0x7FFFFFFF
#: Links that a session remembers because its closing detach has crossed a detach without closed. A conforming peer
#: attaches them again at once; one that answers every close in that way must not make us remember all its links.
MAX_CROSSED = 64


class Numbers:
    """Hands out the lowest free number: channels of a connection, handles of a session."""

    def __init__(self) -> None:
        self._next = 0
        self._returned: list[int] = []

    def lowest(self) -> int:
        """The number that `take` would give."""
        return self._returned[0] if self._returned else self._next

    def take(self) -> int:
        if self._returned:
            return heapq.heappop(self._returned)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        heapq.heappush(self._returned, number)


class Channels(Numbers):
    """The channels of a connection. One that was given back rests, as long as one that rests no more is free.

    RabbitMQ 4.0 may lose a begin that comes soon after the end of an earlier session on the same channel.
    """

    #: how many rest, those that were given back last
    RESTING = 8

    def __init__(self) -> None:
        Numbers.__init__(self)
        self._resting: list[int] = []

    def lowest_up_to(self, limit: int) -> int:
        """The number that `take` will give; more than `limit` where none up to there is free."""
        if self.lowest() > limit and self._resting:
            Numbers.give_back(self, self._resting.pop(0))
        return self.lowest()

    def give_back(self, number: int) -> None:
        self._resting.append(number)
        if len(self._resting) > self.RESTING:
            Numbers.give_back(self, self._resting.pop(0))


def _check_frames(name: str, frames: int) -> int:
    frames = check_count(name, frames)
    if not 0 <= frames <= UNMANAGED_WINDOW:
        raise OverflowError(f"{name} takes 0 to 2**31 - 1 frames, got {frames}")
    return frames


class Session(Endpoint):
    """A two-way conversation over a connection, in which links live (2.5). Made by `Connection.session`."""

    _local_open_event = Event.SESSION_LOCAL_OPEN
    _local_close_event = Event.SESSION_LOCAL_CLOSE
    _remote_open_event = Event.SESSION_REMOTE_OPEN
    _remote_close_event = Event.SESSION_REMOTE_CLOSE
    _final_event = Event.SESSION_FINAL

    remote_condition: Condition | None

    _restarting = False  # ended by the peer, and to be made again
    _is_common = False  # made by a container for all the links of a connection

    def __init__(self, connection: Connection) -> None:
        Endpoint.__init__(self)
        #: the connection that this session belongs to
        self.connection = connection
        #: bytes received and not yet read, bytes streamed and not yet sent, over all links
        self.incoming_bytes: int = 0
        self.outgoing_bytes = 0
        self._incoming_capacity = 0
        self._window_limit = 0  # frames, 0 where the program has not set it
        self._low_water_limit = 0  # as set, in frames
        self._unread_frames = 0  # counted where the window is set in frames
        #: transfer frames that we say we could send; announced, never enforced
        self.outgoing_window = UNMANAGED_WINDOW

        # Links by direction and name, the newest of each: an incoming attach looks for its other end here.
        self._links: dict[tuple[bool, str | None], Link] = {}
        self._members: dict[Link, None] = {}  # the links that are not final
        self._was_begun = False  # on this transport or an earlier one
        self._losses = 0  # how often the peer has ended it, and it was to be made again
        self._series: Any = None  # of its retries: a `Series` where the peer has ended it with what can pass
        self._unbind()

    def _look_for_ended_parent(self) -> None:
        warn_if_ended("Session.open()", self.connection)

    def _revoke_credit(self) -> None:
        for link in self._members:
            link._revoke_credit()

    def _unbind(self) -> None:
        """Forgets what belonged to the transport, or to a session that the peer has ended."""
        if self._restarting:
            self._await_again()
        self._restarting = False
        self._turned_away: list[Link] = []  # attached by us and not by the peer when that has ended the session
        self._begin_due = False  # at once when our end has been written
        self._channel: int | None = None  # ours, from begin to end
        self._remote_channel: int | None = None  # the peer's
        self._end_sent = False
        self._remotely_ended = False  # on this transport
        self._handles = Numbers()
        self._remote_handles: dict[int, Link] = {}
        self._attached: dict[int, Link] = {}  # by our handle
        # Attached by us and not yet by the peer, by direction and name: its attaches answer them in this order.
        self._unanswered: dict[tuple[bool, str | None], list[Link]] = {}
        # Closed by us while the peer's detach was not closed, by direction and name: it attaches them again (2.6.6).
        self._crossed: dict[tuple[bool, str | None], None] = {}
        self._handle_max = HANDLE_MAX  # the peer's
        self._next_outgoing_id = 0
        self._next_incoming_id = 0
        self._incoming_window = 0  # transfer frames that the peer may still send
        self._window_end = 0  # the transfer-id that no window granted so far reaches
        self._low_water = 1
        self._remote_incoming_window = 0  # transfer frames that we may still send
        self._next_delivery_id = 0
        self._expected_delivery_id: int | None = None  # of the next incoming delivery
        self._incoming: dict[int, Delivery] = {}  # unsettled, by delivery-id
        self._outgoing: dict[int, Delivery] = {}
        self._blocked: dict[Sender, None] = {}  # have credit and something to send, but no window
        self._flow_due = False
        # The peer has settled a delivery, or we have accepted one: what is made again is not in vain.
        self._progressed = False
        self._repeats = 0  # how often dispositions came for what they had told of before, less an allowance
        self._violated = False  # we ended it for a fault of the peer: its frames are dropped until its end
        self.remote_condition = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {state_text(self.state)}, {count_text(len(self._members), 'link')}>"

    @property
    def incoming_capacity(self) -> int:
        """Bytes that the peer may send ahead of what is read, over all links; 0 leaves it unlimited.

        :raises OverflowError: negative.
        """
        return self._incoming_capacity

    @incoming_capacity.setter
    def incoming_capacity(self, capacity: int) -> None:
        if check_count("incoming_capacity", capacity) < 0:
            raise OverflowError(f"incoming_capacity takes 0 or more bytes, got {capacity}")
        self._incoming_capacity = capacity
        self._announce_window()

    @property
    def incoming_window(self) -> int:
        """Transfer frames that the peer may send ahead of what is read, over all links (2.5.6); 0 leaves it unlimited.

        Beside `incoming_capacity`, which counts bytes; where both are set the smaller window is announced. To be set
        before frames come: those that have come before are not counted.

        :raises OverflowError: not in 0 to 2**31 - 1.
        """
        return self._window_limit

    @incoming_window.setter
    def incoming_window(self, frames: int) -> None:
        self._window_limit = _check_frames("incoming_window", frames)
        self._announce_window()

    @property
    def incoming_window_low_water(self) -> int:
        """Transfer frames: when the peer may send fewer than these, a flow opens the window again; 0 for half of it.

        :raises OverflowError: not in 0 to 2**31 - 1.
        """
        return self._low_water_limit

    @incoming_window_low_water.setter
    def incoming_window_low_water(self, frames: int) -> None:
        self._low_water_limit = _check_frames("incoming_window_low_water", frames)
        self._announce_window()

    def _announce_window(self) -> None:
        if self.connection.transport is not None and self._channel is not None:
            self._flow_due = True
            self.connection._schedule(self)

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
        link = kind(self, name)
        link._predecessor = self._links.get((link.is_sender, name))
        self._links[link.is_sender, name] = link
        self._members[link] = None
        self._crossed.pop((link.is_sender, name), None)
        self.connection._link_count += 1
        self.connection._list(link, Event.LINK_INIT)
        return link

    def _has_room(self) -> bool:
        """Whether the peer takes another link, as far as is known."""
        if len(self._members) <= self._handle_max:
            return True
        return (
            sum(not link.state & LOCAL_CLOSED or link._handle is not None for link in self._members) <= self._handle_max
        )

    def _forget_link(self, link: Link) -> None:
        if self._links.get((link.is_sender, link.name)) is link:
            del self._links[link.is_sender, link.name]
        if link in self._members:
            del self._members[link]
            self.connection._link_count -= 1
        self._finish_if_done()

    def next(self, mask: int = 0) -> Session | None:
        """The next session of the connection whose state matches.

        :param mask: state bits as for `Connection.session_head`.
        """
        following = self._following
        while following is not None:
            if isinstance(following, Session) and matches(following.state, mask):
                return following
            following = following._following
        return None

    def free(self) -> None:
        """Say that the session and its links are no longer used."""
        for link in list(self._members):
            link.free()  # those too that the peer has attached since it was freed
        if self._freed:
            return
        self._freed = True
        self.connection._unlist(self)
        self._finish_if_done()

    def _wired(self) -> bool:
        return self._channel is not None or self._remote_channel is not None or bool(self._members)

    def _dispose(self) -> None:
        self.connection._forget_session(self)

    def _leave(self) -> None:
        self.connection._unlist(self)
        self.connection._forget_session(self)

    def _window(self) -> int:
        """The incoming window to announce, in frames."""
        frame_size = self.connection.transport.max_frame_size if self.connection.transport is not None else 0
        limit = window = self._window_limit or UNMANAGED_WINDOW
        if self._window_limit:
            window -= self._unread_frames
        if self._incoming_capacity and frame_size:
            limit = min(limit, self._incoming_capacity // frame_size)
            window = min(window, (self._incoming_capacity - self.incoming_bytes) // frame_size)
        if limit == UNMANAGED_WINDOW:
            self._low_water = 1
        else:
            self._low_water = min(self._low_water_limit or limit // 2, limit) or 1
        return max(0, window)

    def _grant_window(self) -> int:
        """The window to write into a frame now; the peer holds us to every one that it has seen."""
        window = self._incoming_window = self._window()
        end = self._next_incoming_id + window & 0xFFFFFFFF
        if end - self._window_end & 0xFFFFFFFF < 0x80000000:
            self._window_end = end
        return window

    def _read(self, size: int, link: Link, frames: int = 0) -> None:
        """The application has read, or dropped, this many bytes, the last ones of `frames`, that came over a link."""
        self.incoming_bytes -= size
        if self._window_limit:
            self._unread_frames = max(0, self._unread_frames - frames)
        self.connection._buffered_bytes -= size
        if self._incoming_window < self._low_water and self._renew_window(link):
            transport = self.connection.transport
            if transport is not None:
                self.connection._collector.emit(Event.TRANSPORT, transport)

    def _renew_window(self, link: Link) -> bool:
        """Has a flow written, on the link while that is attached, when there is more room than the peer knows of."""
        if self._channel is None or self._window() <= self._incoming_window:
            return False
        gone = link._handle is None or link._remotely_detached or link.state & LOCAL_CLOSED
        endpoint = self if gone else link
        endpoint._flow_due = True
        self.connection._schedule(endpoint)
        return True

    def _awaits_begin(self) -> bool:
        """Whether the peer has still to answer our begin."""
        return self._remote_channel is None and not self._remotely_ended

    def _remember_crossed(self, link: Link) -> None:
        """Our closing detach has crossed one of the peer without closed: it has to attach and close again (2.6.6)."""
        self._crossed[link.is_sender, link.name] = None
        if len(self._crossed) > MAX_CROSSED:
            del self._crossed[next(iter(self._crossed))]

    def _attached_by_peer(self, is_sender: bool, name: str | None) -> Link:
        """A new link for an attach of the peer.

        Where the attach only leads to the close of a link that this end has closed (2.6.6), no program sees it.
        """
        kind: type[Link] = Sender if is_sender else Receiver
        if (is_sender, name) not in self._crossed:
            return self._new_link(kind, name)
        del self._crossed[is_sender, name]
        link = kind(self, name)
        link._close_unseen()
        self.connection._schedule(link)
        return link

    def _end_links(self) -> None:
        """The session has ended: each of its links ends, and tells so."""
        for link in list(self._members):
            link._end_with_session()

    def _retire_if_ended(self) -> None:
        """Retires a session that both ends have ended, with its links; programs have seen it by now."""
        if self.state == LOCAL_CLOSED | REMOTE_CLOSED:
            for link in list(self._members):
                link._retire_with_session()
            self._retire()

    def _tell_loss(self) -> None:
        """The transport of a session that waits for the peer's end has gone, and the end with it."""
        if self.state & LOCAL_CLOSED and self._was_begun and self._remote_end is None:
            self._remote_closed(None)

    def _restart(self) -> None:
        """The peer has ended it with what can pass: our end answers, and `_begin_again` makes it again (2.5.4)."""
        self._restarting = True
        self._losses += 1
        for link in self._members:
            link._tell_loss()
        self.connection._progressed = self.connection._progressed or self._progressed
        self._mark()

    def _begin_again(self) -> None:
        """Begins anew with the links that are open. As after a lost connection what was not sent stays queued, and
        what was sent and not settled has no outcome."""
        if self._channel is not None:
            self._begin_due = True
            return
        connection = self.connection
        for delivery in connection._touched:
            delivery._touched = delivery._touched and delivery.link.session is not self
        connection._touched = [delivery for delivery in connection._touched if delivery._touched]
        links = list(self._members)
        for link in links:
            link._tell_loss()
            link._unbind()
        self._unbind()
        for link in links:
            if link.state == LOCAL_ACTIVE | REMOTE_ACTIVE and not link._detached:
                link._await_again()
            link._finish_if_done()
        self._mark()

    def _unblock(self) -> None:
        """The window has room: the sender that has waited longest goes on, and wakes the next one if some is left."""
        while self._blocked:
            sender = next(iter(self._blocked))
            del self._blocked[sender]
            if (sender._outgoing or sender._resumed) and not sender._remotely_detached:
                sender._queue()
                return

    def _unmap_channel(self) -> None:
        """Our end was sent: the channel and the handles of our side are free again."""
        connection = self.connection
        if self._channel is not None:
            if not self._awaits_begin():  # else the connection is closing, and the late reply must find its session
                connection._channels.give_back(self._channel)
                connection._local_channels.pop(self._channel, None)
            self._channel = None
        attached, self._attached = self._attached, {}
        for link in attached.values():
            link._handle = None
        for link in list(self._members):
            link._finish_if_done()
        self._finish_if_done()
        if self._begin_due:
            self._begin_again()

    def _unmap_remote_channel(self) -> None:
        """The peer's end has come: its handles are gone with it."""
        self._remote_channel = None
        self._remotely_ended = True
        handles, self._remote_handles = self._remote_handles, {}
        for link in handles.values():
            link._remote_handle = None
            link._remotely_detached = True
        for link in self._attached.values():
            link._remotely_detached = True  # those too that the peer has not answered
        self._turned_away = [link for waiting in self._unanswered.values() for link in waiting]
        # What was sent can get no disposition any more; senders waiting for a window have nothing to wait for.
        self._incoming.clear()
        self._outgoing.clear()
        self._blocked.clear()
        self._unanswered.clear()
        for link in list(self._members):
            link._finish_if_done()
        self._finish_if_done()

    def _has_queued(self) -> bool:
        """Whether a sender holds back our end: it has something queued that the peer may still take."""
        if self.state & Endpoint.REMOTE_CLOSED:
            return False
        return any(
            link.is_sender and link.queued > 0 and not link._remotely_detached for link in self._attached.values()
        )
