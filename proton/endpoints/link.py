"""`Link`: what senders and receivers have in common: termini, credit, and the delivery that is current (2.6).

Two counts of credit, never mixed up:
* `credit` is the application's view. A sender's falls when a delivery is completed (below zero while
  deliveries wait), a receiver's when it advances past a delivery, not when that arrives.
* `_link_credit` is the specification's link-credit (2.6.7): what the receiver last granted less what
  has been transferred since. For both ends `credit == _link_credit - queued` holds for a sender, and a
  receiver writes a flow when `credit - queued` differs from it.

A sender keeps what is not yet completely sent in `_outgoing`, in order of creation; those of them that are
still being filled are in `_filling` too, whose head is `current`. Several completed deliveries may wait behind one
that is being filled: deliveries of a link never overtake each other (2.6.12).
A receiver keeps what is not yet advanced past in `current` and, behind it, `_waiting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from proton.codec.types import PropertyDict
from proton.endpoints.arguments import check_count
from proton.endpoints.condition import Condition, encode_condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSED,
    LOCAL_UNINIT,
    REMOTE_ACTIVE,
    REMOTE_CLOSED,
    REMOTE_UNINIT,
    Endpoint,
    encoded_properties,
    matches,
    state_text,
)
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.printable import printable
from proton.endpoints.recovery import take_over
from proton.endpoints.terminus import Terminus, check_range, encode_terminus
from proton.exceptions import LinkException
from proton.logs import log

if TYPE_CHECKING:
    from proton.codec.types import AMQPValue
    from proton.endpoints.connection import Connection
    from proton.endpoints.disposition import RemoteDisposition
    from proton.endpoints.session import Session

__all__ = ["Link"]

_TRANSPORT = Event.TRANSPORT
_MAX_TAG = 32  # 2.8.7
_FITTING_TAG = 400  # bytes that leave room for the rest of a transfer in the smallest frame, 512 bytes (2.8.19)
_INT32 = 0x7FFFFFFF


class Link(Endpoint):
    """A one-way route for messages between this end and the peer: a `Sender` or a `Receiver` (2.6)."""

    SND_UNSETTLED = 0
    SND_SETTLED = 1
    SND_MIXED = 2
    RCV_FIRST = 0
    RCV_SECOND = 1

    _local_open_event = Event.LINK_LOCAL_OPEN
    _local_close_event = Event.LINK_LOCAL_CLOSE
    _remote_open_event = Event.LINK_REMOTE_OPEN
    _remote_close_event = Event.LINK_REMOTE_CLOSE
    _final_event = Event.LINK_FINAL

    is_sender = False
    is_receiver = False
    #: the link state properties of the last flow that had some, a dict or None; `Event.LINK_FLOW_PROPERTIES` tells
    #: of new ones (2.7.4)
    remote_flow_properties: dict[Any, Any] | None = None
    _flow_properties: dict[Any, Any] | None = None
    #: whether the unsettled deliveries are to be recovered when the link is attached again after its connection was
    #: lost; a sender then keeps the bytes of what is not settled (2.6.13)
    recoverable = False
    #: what the peer's attach says of its unsettled deliveries: by tag a `RemoteDisposition`, whose type is 0 where it
    #: has no state; None where it says nothing (2.7.3)
    remote_unsettled: dict[bytes, RemoteDisposition] | None = None
    #: whether what was told, by this end and by the peer, is incomplete because the attach had no room for more
    incomplete_unsettled: bool = False
    remote_incomplete_unsettled: bool = False
    _unsettled_walk: Any = None  # where the last `Delivery.unsettled_next` was: it, the dict, its size, an iterator
    _restarting = False  # detached by the peer, and to be attached again
    _begin_due = False  # at once when our detach has been written
    _worked = False  # it was attached on an earlier transport, or in an earlier session
    _losses = 0  # how often the peer has detached it, and it was to be attached again
    _series: Any = None  # of its retries: a `Series` where the peer has detached it with what can pass
    _recovering = False  # the attach is to tell of unsettled deliveries
    _long_tag_told = False  # the log has a line about a tag above 32 bytes
    _resuming_only = False  # a map was incomplete: nothing but resumed deliveries may be transferred

    def __init__(self, session: Session, name: str | None) -> None:
        Endpoint.__init__(self)
        #: the session and the connection of this link
        self.session: Session = session
        self.connection: Connection = session.connection
        #: the name, unique among the links of one direction between two containers (2.6.1)
        self.name = name
        #: the local source and target; the peer's as of its attach
        self.source: Terminus = Terminus(Terminus.SOURCE)
        self.target: Terminus = Terminus(Terminus.TARGET)
        self.remote_source: Terminus = Terminus(Terminus.UNSPECIFIED)
        self.remote_target: Terminus = Terminus(Terminus.UNSPECIFIED)
        #: SND_UNSETTLED, SND_SETTLED or SND_MIXED; RCV_FIRST or RCV_SECOND (2.8.2, 2.8.3); and the peer's
        self.snd_settle_mode = self.SND_MIXED
        self.rcv_settle_mode = self.RCV_FIRST
        self.remote_snd_settle_mode = self.SND_MIXED
        self.remote_rcv_settle_mode = self.RCV_FIRST
        self._max_message_size = 0
        #: the largest message in bytes that the peer takes, 0 for no limit
        self.remote_max_message_size = 0
        #: messages that may be sent, or that the peer may send and that were not advanced past
        self.credit = 0
        #: deliveries completed but not sent, or received but not advanced past
        self.queued = 0
        #: messages that the sending end says it could send
        self.available = 0
        #: the delivery being sent or read, or None
        self.current: Delivery | None = None
        self._unsettled: dict[Delivery, None] = {}
        self._drain_mode = False

        self._predecessor: Link | None = None  # had the same name: its detach goes before our attach
        self._handle: int | None = None  # ours, while attached
        self._remote_handle: int | None = None  # the peer's, while attached
        self._handle_bytes = b""  # ours as it stands in transfers
        self._was_attached = False  # on this transport or an earlier one
        self._remotely_detached = False  # on this transport
        self._detached = False  # detach() was called
        self._detach_sent = False  # on this transport
        self._gone_with_session = False  # its end was told with that of its session, on this transport
        self._violated = False  # closed for a broken rule: what comes for it is dropped, what is queued stays
        self._delivery_count = 0  # 2.6.7
        self._link_credit = 0
        self._credit_limit = 0  # the highest delivery-count that a receiver has granted so far
        self._credit_most = 0  # the most credit that a receiver has granted at once
        self._flow_due = False  # a flow must be written even if the credit has not changed

    def __repr__(self) -> str:
        terminus, way = (self.target, "to") if self.is_sender else (self.source, "from")
        where = f" {way} {printable(terminus.address)!r}" if terminus.address is not None else ""
        name = f" {printable(self.name)!r}" if self.name is not None else ""
        held = f"credit {self.credit}, {self.queued} queued"
        return f"<{type(self).__name__}{name}{where}: {state_text(self.state)}, {held}>"

    @property
    def max_message_size(self) -> int:
        """The largest message in bytes that this end takes, 0 for no limit. A receiver enforces it.

        :raises OverflowError: not in 0 to 2**64 - 1.
        """
        return self._max_message_size

    @max_message_size.setter
    def max_message_size(self, size: int) -> None:
        size = check_count("max_message_size", size)
        if not 0 <= size < 1 << 64:
            raise OverflowError(f"max_message_size takes 0 to 2**64 - 1 bytes, got {size}")
        self._max_message_size = size

    @property
    def flow_properties(self) -> dict[AMQPValue, AMQPValue] | None:
        """The link state properties to send with each flow, a dict with symbol keys, or None (2.7.4).

        Setting them has a flow written when the transport is next asked for output.

        :raises TypeError, OverflowError, UnicodeEncodeError: set to what cannot be sent.
        """
        return self._flow_properties

    @flow_properties.setter
    def flow_properties(self, properties: dict[AMQPValue, AMQPValue] | None) -> None:
        if isinstance(properties, dict):
            properties = PropertyDict(properties, raise_on_error=False)
        encoded_properties("flow_properties", properties)
        self._flow_properties = properties
        if properties is not None and self.state & LOCAL_ACTIVE:
            self._flow_due = True
            self._mark()

    @property
    def unsettled(self) -> int:
        """The number of deliveries that this end has not settled."""
        return len(self._unsettled)

    @property
    def unsettled_head(self) -> Delivery | None:
        """The oldest delivery that this end has not settled, or None."""
        return next(iter(self._unsettled), None)

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        """The deliveries that this end has not settled, the oldest first."""
        return iter(list(self._unsettled))

    @property
    def drain_mode(self) -> bool:
        """True when the sender is to use up or give back all its credit (2.6.7)."""
        return self._drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        self._drain_mode = bool(drain)

    def next(self, mask: int = 0) -> Link | None:
        """The next link of the connection whose state matches.

        :param mask: state bits as for `Connection.link_head`.
        """
        following = self._following
        while following is not None:
            if isinstance(following, Link) and matches(following.state, mask):
                return following
            following = following._following
        return None

    def delivery(self, tag: str | bytes | bytearray | memoryview) -> Delivery:
        """Make a delivery; it becomes the current one when there is none.

        :param tag: identifies the delivery among the unsettled ones of the link; up to 32 bytes (2.8.7), and sent with
            a warning up to 400.
        :raises TypeError: not str or bytes.
        :raises LinkException: the tag is longer than that.
        """
        delivery = Delivery(self, tag_bytes(self, tag))
        self._unsettled[delivery] = None
        return delivery

    def advance(self) -> bool:
        """Go on to the next delivery; False when there is no current one."""
        raise NotImplementedError

    def drained(self) -> int:
        """Messages of credit given back by draining; see `Sender.drained` and `Receiver.drained`."""
        raise NotImplementedError

    def detach(self) -> None:
        """Detach the link without closing it: the peer keeps its terminus (2.6.3). Only the first call acts.

        A new link of the same name can `recover` it. `condition` is the reason if it is set (2.7.7).

        :raises AttributeError: `condition` is neither None nor a `Condition`.
        :raises DataException, UnicodeEncodeError: a field of it cannot be sent.
        """
        if self._detached:
            return
        condition = self._checked_condition()
        encode_condition(condition)
        self._detached = True
        if self._local_end is None:
            self._close_condition = condition
            self._local_end = self.connection._number_end(condition)
        self.connection._collector.emit(Event.LINK_LOCAL_DETACH, self)
        self._mark()

    def recover(self, previous: Link | None = None) -> None:
        """Go on with the deliveries that an earlier link has not settled (2.6.13). To be called before `open`.

        Both ends tell in their attach what they have not settled. `Event.DELIVERY` then comes for each delivery with
        news: the outcome that the peer has come to, or `settled` without one for what the peer does not know, which
        may be sent again. What both ends know is resumed, with its bytes if the peer needs them and `recoverable`
        was set on the sender.

        :param previous: a link with the same name and direction that was detached, or whose connection is lost; it
            has no deliveries afterwards. None for this link itself, when its connection gets another transport.
        :raises LinkException: this link is attached already, or `previous` is still attached or another link.
        """
        if self._handle is not None or self._detach_sent:
            raise LinkException(f"recover() must come before the attach, got link {self.name!r}, which had its own")
        if previous is not None and previous is not self:
            if previous.name != self.name or previous.is_sender is not self.is_sender:
                raise LinkException(f"expected a link {self.name!r} of the same direction, got {previous.name!r}")
            suspended = previous._handle is None or previous._detached or previous._remotely_detached
            if not suspended or previous.connection.transport is not None and not previous._was_attached:
                raise LinkException(f"expected a link that was detached, got {previous.name!r}, which was not")
            take_over(self, previous)
        self._detached = False
        self._local_end = None
        self._recovering = True
        self.connection._schedule(self)

    def free(self) -> None:
        """Say that the link is no longer used; settles all its deliveries."""
        if self._freed:
            return
        self._freed = True
        for delivery in list(self._unsettled):
            delivery.settle()
        while self.is_receiver and self.advance():
            pass
        self.connection._unlist(self)
        self._finish_if_done()

    def _remote_detached(self, condition: Condition | None) -> None:
        """The peer's detach without closed has come (2.6.4); the remote state stays as it is."""
        self.remote_condition = condition
        self._remote_end = self.connection._number_end(condition)
        if self._detach_sent and not self._detached:
            self.session._remember_crossed(self)
        if self.connection._reconnect is not None:
            self._revoke_credit()
        self.connection._collector.emit(Event.LINK_REMOTE_DETACH, self)

    def _answer_detach(self) -> None:
        """Ends this end after the peer's: closed, except that a detach without an error is answered by another one.

        After an error the endpoint is destroyed (2.6.5). Closed here it is in both cases: it is not attached again.
        """
        if not self.state & (REMOTE_CLOSED | LOCAL_CLOSED) and not self.remote_condition:
            self.detach()
        self.close()

    def _tell_loss(self) -> None:
        """The transport or session of a link that waits for the peer's detach has gone, and the detach with it."""
        if self.state & LOCAL_CLOSED and self._was_attached and self._remote_end is None:
            self._remote_end = self.connection._number_end(None)
            self.connection._collector.emit(Event.LINK_REMOTE_DETACH, self)

    def _move(self, session: Session) -> None:
        """Goes to another session, while it is not attached."""
        previous, self.session = self.session, session
        for delivery in self._queued_here():
            if self.is_sender:
                previous.outgoing_bytes -= delivery._size
                session.outgoing_bytes += delivery._size
            else:
                previous.incoming_bytes -= delivery._size
                session.incoming_bytes += delivery._size
        session._links[self.is_sender, self.name] = self
        session._members[self] = None
        previous._forget_link(self)
        self.connection._schedule(self)

    def _queued_here(self) -> Iterable[Delivery]:
        """The deliveries that are not sent, or not read."""
        raise NotImplementedError

    def _retire_if_ended(self) -> None:
        """Retires a link that both ends have closed or detached; programs have seen it by now.

        What is suspended with unsettled deliveries stays: the program may recover them.
        """
        if self._local_end is None or self._remote_end is None:
            return
        if self.state & LOCAL_CLOSED or not self._has_open_deliveries():
            self._retire()

    def _retire_with_session(self) -> None:
        """Its session has ended at both ends. A link with its own handler has not heard of it, and is told."""
        if self._handler is not None:
            self._end_with_session()
        if self._local_end is None or self._remote_end is None:
            self._retire()  # the others when their events have been handled

    def _end_with_session(self) -> None:
        """Its session has ended, with or without the peer's answer: nothing comes for this link any more (2.5.5).

        A link that was open closes, one that waits for the peer's detach is told that it waits no longer.
        """
        if self.state & LOCAL_UNINIT:
            if not self.state & REMOTE_UNINIT:
                self._retire()  # what the peer attached and this end has never answered
        elif self._remote_end is None:
            self._remotely_detached = self._gone_with_session = True
            self._remote_end = self.connection._number_end(None)
            if self._local_end is None:
                self.close()
            else:
                self.connection._collector.emit(Event.LINK_REMOTE_DETACH, self)
        elif self._restarting:
            self.close()  # it will not be attached again

    def _look_for_ended_parent(self) -> None:
        warn_if_ended(f"open() of link {self.name!r:.50}", self.session)

    def _prepare_open(self) -> None:
        # They are written as they are at the attach, but what is wrong with them is to be raised here.
        encode_terminus(self.source)
        encode_terminus(self.target)
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"the name of a link is a str, got {type(self.name).__name__} {self.name!r:.50}")
        for field, most in (("snd_settle_mode", 2), ("rcv_settle_mode", 1)):
            check_range(field, getattr(self, field), most)
        Endpoint._prepare_open(self)

    def _wired(self) -> bool:
        return self._handle is not None or self._remote_handle is not None or self._is_answer_due()

    def _is_answer_due(self) -> bool:
        """Whether the peer has attached and detached before our attach could go out: it waits for both of ours."""
        if not self._remotely_detached or self._detach_sent or self._was_attached or not self._opened:
            return False
        session, transport = self.session, self.connection.transport
        over = session._end_sent or session._remotely_ended or transport is None
        return not (over or transport._state.close_sent or transport._state.close_received)  # type: ignore[union-attr]

    def _dispose(self) -> None:
        self.session._forget_link(self)

    def _leave(self) -> None:
        connection = self.connection
        if self._has_open_deliveries():
            if self not in connection._kept:
                connection._kept.append(self)
        else:
            connection._unlist(self)
            self.session._forget_link(self)
        if connection._kept:
            connection._look_at_kept()

    def _has_open_deliveries(self) -> bool:
        """Whether deliveries wait for the program: to be settled, to be read."""
        return bool(self._unsettled) or self.current is not None

    def _restart(self) -> None:
        """The peer has detached it with what can pass: our detach answers, and `_begin_again` attaches it again."""
        self._restarting = True
        self._losses += 1
        self._mark()

    def _begin_again(self) -> None:
        """Attaches it anew, on its session. What was not sent stays queued, what was not settled has no outcome."""
        if self._handle is not None:
            self._begin_due = True
            return
        session, connection = self.session, self.connection
        known: dict[int, Delivery] = session._outgoing if self.is_sender else session._incoming
        for delivery in [delivery for delivery in known.values() if delivery.link is self]:
            known.pop(delivery._id, None)  # type: ignore[arg-type]
        for delivery in connection._touched:
            delivery._touched = delivery._touched and delivery.link is not self
        connection._touched = [delivery for delivery in connection._touched if delivery._touched]
        self._unbind()
        self._mark()

    def _unbind(self) -> None:
        """Forgets what belonged to the transport; what was not sent or not read stays."""
        self._worked = self._worked or self.state == LOCAL_ACTIVE | REMOTE_ACTIVE
        if self._restarting:
            self._await_again()
        self._restarting = self._begin_due = False
        self._handle = self._remote_handle = None
        self._remotely_detached = self._detach_sent = self._violated = self._gone_with_session = False
        self._delivery_count = self._link_credit = self._credit_limit = self._credit_most = 0
        self._flow_due = False
        self.remote_condition = None
        self.remote_unsettled = None
        self.incomplete_unsettled = self.remote_incomplete_unsettled = self._resuming_only = False
        self._recovering = self.recoverable and self._was_attached
        for delivery in self._unsettled:
            delivery._id = None


def tag_bytes(link: Link, tag: Any) -> bytes:
    """A tag as it goes over the wire. One that is longer than 2.8.7 allows is sent too: UUIDs as text have 36 bytes."""
    encoded = tag.encode("utf-8") if isinstance(tag, str) else tag
    if not isinstance(encoded, bytes):
        if not isinstance(encoded, (bytearray, memoryview)):
            raise TypeError(f"a delivery tag is str or bytes, got {tag!r}")
        encoded = bytes(encoded)
    size = len(encoded)
    if size > _MAX_TAG:
        if size > _FITTING_TAG:
            raise LinkException(
                f"a delivery tag of {size} bytes does not fit into the smallest frame (2.8.19): {tag!r:.50}"
            )
        if not link._long_tag_told:
            link._long_tag_told = True
            log.warning(
                "link %s: a delivery tag has %d bytes: 2.8.7 allows 32, and a strict peer may refuse it",
                printable(link.name or ""),
                size,
            )
    return encoded
