"""`Link`: what senders and receivers have in common: termini, credit, and the delivery that is current (2.6).

Two counts of credit, never mixed up:
* `credit` is the application's view. A sender's falls when a delivery is completed (below zero while
  deliveries wait), a receiver's when it advances past a delivery, not when that arrives.
* `link_credit` of the binding is the specification's link-credit (2.6.7): what the receiver last granted less what
  has been transferred since. `credit == link_credit - queued` holds for a sender, and a receiver writes a flow when
  `credit - queued` differs from it.

A sender keeps what is not yet completely sent in `outgoing`, in order of creation; those of them that are
still being filled are in `filling` too, whose head is `current`. Several completed deliveries may wait behind one
that is being filled: deliveries of a link never overtake each other (2.6.12).
A receiver keeps what is not yet advanced past in `current` and, behind it, `waiting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

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
    ContainedEndpoint,
    EndpointState,
    encoded_properties,
    endpoint_state,
    state_text,
)
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event, EventType
from proton.endpoints.printable import printable
from proton.endpoints.recovery import take_over
from proton.endpoints.serial import SERIAL
from proton.endpoints.terminus import Terminus, check_range, encode_terminus
from proton.exceptions import LinkException
from proton.logs import log

if TYPE_CHECKING:
    from proton.codec.types import AMQPValue
    from proton.endpoints.connection import Connection
    from proton.endpoints.disposition import RemoteDisposition
    from proton.endpoints.session import Session, SessionState

__all__ = ["Link", "LinkBinding", "LinkState"]

_MAX_TAG = 32  # 2.8.7
_FITTING_TAG = 400  # bytes that leave room for the rest of a transfer in the smallest frame, 512 bytes (2.8.19)


class LinkBinding:
    """What belongs to a link from its attach to the end of its transport, or until it is attached again."""

    __slots__ = (
        "begin_due",
        "credit_limit",
        "delivery_count",
        "detach_sent",
        "flow_due",
        "gone_with_session",
        "handle",
        "handle_bytes",
        "link_credit",
        "max_credit",
        "recovering",
        "remote_handle",
        "remotely_detached",
        "resuming_only",
        "violated",
    )

    def __init__(self, recovering: bool = False) -> None:
        self.handle: int | None = None  # ours, while attached
        self.remote_handle: int | None = None  # the peer's, while attached
        self.handle_bytes: bytes = b""  # ours as it stands in transfers
        self.remotely_detached: bool = False
        self.detach_sent: bool = False
        self.begin_due: bool = False  # it attaches again as soon as our detach is written
        self.gone_with_session: bool = False  # its end was told with that of its session
        self.violated: bool = False  # closed for a broken rule: what comes for it is dropped, what is queued stays
        self.delivery_count: int = 0  # 2.6.7
        self.link_credit: int = 0
        self.credit_limit: int = 0  # the highest delivery-count that a receiver has granted so far
        self.max_credit: int = 0  # the most credit that a receiver has granted at once
        self.flow_due: bool = False  # a flow must be written even if the credit has not changed
        self.recovering: bool = recovering  # the attach is to tell of unsettled deliveries
        self.resuming_only: bool = False  # a map was incomplete: nothing but resumed deliveries may be transferred

    def count_transfer(self) -> None:
        """A delivery is completely sent, or has begun to come. The hot functions of the two ends do it inline."""
        self.delivery_count = self.delivery_count + 1 & SERIAL
        self.link_credit -= 1

    def start_at(self, delivery_count: int) -> None:
        """The sender has told its delivery-count, to which the credit given so far is added (2.6.7)."""
        self.delivery_count = delivery_count
        self.credit_limit = delivery_count + max(0, self.link_credit) & SERIAL

    def use_up(self, credit: int) -> None:
        """A sender has given credit back: it counts as used (2.6.7)."""
        self.delivery_count = self.delivery_count + credit & SERIAL
        self.link_credit -= credit


class LinkState(EndpointState):
    """What the engine keeps of a link."""

    __slots__ = (
        "binding",
        "detached",
        "drain_mode",
        "flow_properties",
        "is_left_to_application",
        "long_tag_told",
        "max_message_size",
        "predecessor",
        "session",
        "unsettled",
        "unsettled_walk",
        "was_attached",
        "worked",
    )

    local_open_event: ClassVar[EventType] = Event.LINK_LOCAL_OPEN
    local_close_event: ClassVar[EventType] = Event.LINK_LOCAL_CLOSE
    remote_open_event: ClassVar[EventType] = Event.LINK_REMOTE_OPEN
    remote_close_event: ClassVar[EventType] = Event.LINK_REMOTE_CLOSE
    final_event: ClassVar[EventType] = Event.LINK_FINAL

    is_sender = False
    is_receiver = False
    endpoint: Link
    remote_end: tuple[int, Condition | None] | None
    binding: LinkBinding

    def __init__(self, link: Link, session: SessionState) -> None:
        EndpointState.__init__(self, link, session.shared)
        self.session: SessionState = session
        self.unsettled: dict[Delivery, None] = {}  # by this end, the oldest first
        # Where the last `Delivery.unsettled_next` was: it, the dict, its size, an iterator.
        self.unsettled_walk: Any = None
        self.drain_mode: bool = False
        self.flow_properties: dict[Any, Any] | None = None
        self.max_message_size: int = 0
        self.predecessor: LinkState | None = None  # had the same name: its detach goes before our attach
        self.was_attached: bool = False  # on this transport or an earlier one
        self.worked: bool = False  # it was attached on an earlier transport, or in an earlier session
        self.detached: bool = False  # detach() was called
        self.long_tag_told: bool = False  # the log has a line about a tag above 32 bytes
        self.is_left_to_application: bool = False  # it grants credit by itself: a `FlowController` does not

    @property
    def key(self) -> tuple[bool, str | None]:
        """Direction and name: what a session knows it by."""
        return self.is_sender, self.endpoint.name

    def unbind(self) -> None:
        """Ends its binding; what was not sent or not read stays."""
        link = self.endpoint
        self.worked = self.worked or link.state == LOCAL_ACTIVE | REMOTE_ACTIVE
        EndpointState.unbind(self)
        link.remote_unsettled = None
        link.incomplete_unsettled = link.remote_incomplete_unsettled = False
        for delivery in self.unsettled:
            delivery._id = None

    def mark_sender_dirty(self, by: Any = None) -> None:
        """Puts a sender on the list of those that have something to send."""

    def cut_arriving(self) -> None:
        """The rest of what a receiver was receiving cannot come any more."""

    def queued_deliveries(self) -> Iterable[Delivery]:
        """The deliveries that are not sent, or not read."""
        raise NotImplementedError

    def queued_bytes(self) -> int:
        """The bytes that are not sent, or not read."""
        return sum(delivery._size for delivery in self.queued_deliveries())

    def move_bytes(self, session: Session, into: Session) -> None:
        """What is not sent, or not read, counts in another session."""
        raise NotImplementedError

    def has_open_deliveries(self) -> bool:
        """Whether deliveries wait for the program: to be settled, to be read."""
        return bool(self.unsettled) or self.endpoint.current is not None

    def has_deliveries(self) -> bool:
        return self.has_open_deliveries() or self.endpoint.queued > 0

    def move(self, session: SessionState) -> None:
        """Goes to another session, while it is not attached."""
        previous, self.session = self.session, session
        self.endpoint.session = session.endpoint
        self.move_bytes(previous.endpoint, session.endpoint)
        session.add_link(self)
        previous.forget_link(self)
        self.shared.link_count += 1
        self.mark_dirty()

    # -- its end -------------------------------------------------------------------------------------------------

    def remote_detached(self, condition: Condition | None) -> None:
        """The peer's detach without closed has come (2.6.4); the remote state stays as it is."""
        self.endpoint.remote_condition = condition
        self.remote_end = self.shared.number_end(condition)
        if self.binding.detach_sent and not self.detached:
            self.session.binding.remember_crossed(self)
        if self.shared.reconnect is not None:
            self.revoke_credit()
        self.shared.collector.emit(Event.LINK_REMOTE_DETACH, self.endpoint)

    def tell_loss(self) -> None:
        """The transport or session of a link that waits for the peer's detach has gone, and the detach with it."""
        link = self.endpoint
        if link is not None and link.state & LOCAL_CLOSED and self.was_attached and self.remote_end is None:
            self.remote_end = self.shared.number_end(None)
            self.shared.collector.emit(Event.LINK_REMOTE_DETACH, link)

    def end_with_session(self) -> None:
        """Its session has ended, with or without the peer's answer: nothing comes for this link any more (2.5.5).

        A link that was open closes, one that waits for the peer's detach is told that it waits no longer.
        """
        link = self.endpoint
        if link.state & LOCAL_UNINIT:
            if not link.state & REMOTE_UNINIT:
                self.retire()  # what the peer attached and this end has never answered
        elif self.remote_end is None:
            self.binding.remotely_detached = self.binding.gone_with_session = True
            self.remote_end = self.shared.number_end(None)
            if self.local_end is None:
                link.close()
            else:
                self.shared.collector.emit(Event.LINK_REMOTE_DETACH, link)
        elif self.restarting:
            link.close()  # it will not be attached again

    def begin_again(self) -> None:
        """Attaches it anew, on its session. What was not sent stays queued, what was not settled has no outcome."""
        if self.binding.handle is not None:
            self.binding.begin_due = True
            return
        link = self.endpoint
        binding = self.session.binding
        known = binding.outgoing if self.is_sender else binding.incoming
        for number in [number for number, delivery in known.items() if delivery.link is link]:
            del known[number]
        self.shared.forget_deliveries(lambda delivery: delivery.link is link)
        self.unbind()
        self.mark_dirty(wake=True)

    def is_mapped(self) -> bool:
        return self.binding.handle is not None or self.binding.remote_handle is not None or self._is_answer_due()

    def _is_answer_due(self) -> bool:
        """Whether the peer has attached and detached before our attach could go out: it waits for both of ours."""
        binding = self.binding
        if not binding.remotely_detached or binding.detach_sent or self.was_attached or not self.opened:
            return False
        session, wire = self.session.binding, self.shared.transport_state
        if session.end_sent or session.remotely_ended or wire is None:
            return False
        return not (wire.close_sent or wire.close_received)

    def dispose(self) -> None:
        self.session.forget_link(self)
        self.part()

    def leave(self) -> None:
        lingering = self.shared.lingering
        if not self.has_open_deliveries():
            self.unlist()
        elif self not in lingering:
            lingering.append(self)
        if lingering:
            self.shared.reap_lingering()

    def unlist(self) -> None:
        """Leaves the connection's chain and its session."""
        self.shared.remove_endpoint(self)
        self.dispose()


class Link(ContainedEndpoint):
    """A one-way route for messages between this end and the peer: a `Sender` or a `Receiver` (2.6)."""

    SND_UNSETTLED = 0
    SND_SETTLED = 1
    SND_MIXED = 2
    RCV_FIRST = 0
    RCV_SECOND = 1

    is_sender = False
    is_receiver = False
    #: the link state properties of the last flow that had some, a dict or None; `Event.LINK_FLOW_PROPERTIES` tells
    #: of new ones (2.7.4)
    remote_flow_properties: dict[Any, Any] | None = None
    #: whether the unsettled deliveries are to be recovered when the link is attached again after its connection was
    #: lost; a sender then keeps the bytes of what is not settled (2.6.13)
    recoverable = False
    _state: LinkState

    def __init__(self, session: Session, name: str | None) -> None:
        ContainedEndpoint.__init__(self)
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
        #: what the peer's attach says of its unsettled deliveries: by tag a `RemoteDisposition`, whose type is 0 where
        #: it has no state; None where it says nothing (2.7.3)
        self.remote_unsettled: dict[bytes, RemoteDisposition] | None = None
        #: whether what was told, by this end and by the peer, is incomplete because the attach had no room for more
        self.incomplete_unsettled: bool = False
        self.remote_incomplete_unsettled: bool = False

    def __repr__(self) -> str:
        terminus, way = (self.target, "to") if self.is_sender else (self.source, "from")
        where = f" {way} {printable(terminus.address)!r}" if terminus.address is not None else ""
        name = f" {printable(self.name)!r}" if self.name is not None else ""
        held = f"credit {self.credit}, {self.queued} queued"
        return f"<proton.{type(self).__name__}{name}{where}: {state_text(self.state)}, {held}>"

    @property
    def max_message_size(self) -> int:
        """The largest message in bytes that this end takes, 0 for no limit. A receiver enforces it.

        :raises OverflowError: not in 0 to 2**64 - 1.
        """
        return self._state.max_message_size

    @max_message_size.setter
    def max_message_size(self, size: int) -> None:
        size = check_count("max_message_size", size)
        if not 0 <= size < 1 << 64:
            raise OverflowError(f"max_message_size takes 0 to 2**64 - 1 bytes, got {size}")
        self._state.max_message_size = size

    @property
    def flow_properties(self) -> dict[AMQPValue, AMQPValue] | None:
        """The link state properties to send with each flow, a dict with symbol keys, or None (2.7.4).

        Setting them has a flow written when the transport is next asked for output.

        :raises TypeError, OverflowError, UnicodeEncodeError: set to what cannot be sent.
        """
        return self._state.flow_properties

    @flow_properties.setter
    def flow_properties(self, properties: dict[AMQPValue, AMQPValue] | None) -> None:
        if isinstance(properties, dict):
            properties = PropertyDict(properties, raise_on_error=False)
        encoded_properties("flow_properties", properties)
        self._state.flow_properties = properties
        if properties is not None and self.state & LOCAL_ACTIVE:
            self._state.binding.flow_due = True
            self._state.mark_dirty(wake=True)

    @property
    def unsettled(self) -> int:
        """The number of deliveries that this end has not settled."""
        return len(self._state.unsettled)

    @property
    def unsettled_head(self) -> Delivery | None:
        """The oldest delivery that this end has not settled, or None."""
        return next(iter(self._state.unsettled), None)

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        """The deliveries that this end has not settled, the oldest first."""
        return iter(list(self._state.unsettled))

    @property
    def drain_mode(self) -> bool:
        """True when the sender is to use up or give back all its credit (2.6.7)."""
        return self._state.drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        self._state.drain_mode = bool(drain)

    def next(self, mask: int = 0) -> Link | None:
        """The next link of the connection whose state matches.

        :param mask: state bits as for `Connection.link_head`.
        """
        return self._next(Link, mask)

    def delivery(self, tag: str | bytes | bytearray | memoryview) -> Delivery:
        """Make a delivery; it becomes the current one when there is none.

        :param tag: identifies the delivery among the unsettled ones of the link; up to 32 bytes (2.8.7), and sent with
            a warning up to 400.
        :raises TypeError: not str or bytes.
        :raises LinkException: the tag is longer than that.
        """
        delivery = Delivery(self, tag_bytes(self._state, tag))
        self._state.unsettled[delivery] = None
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
        state = self._state
        if state.detached:
            return
        condition = self._checked_condition()
        encode_condition(condition)
        state.detached = True
        if state.local_end is None:
            state.close_condition = condition
            state.local_end = state.shared.number_end(condition)
        state.shared.collector.emit(Event.LINK_LOCAL_DETACH, self)
        state.mark_dirty(wake=True)

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
        state = self._state
        if state.binding.handle is not None or state.binding.detach_sent:
            raise LinkException(f"recover() must come before the attach, got link {self.name!r}, which had its own")
        if previous is not None and previous is not self:
            if previous.name != self.name or previous.is_sender is not self.is_sender:
                raise LinkException(f"expected a link {self.name!r} of the same direction, got {previous.name!r}")
            earlier: LinkState = endpoint_state(previous)
            suspended = earlier.binding.handle is None or earlier.detached or earlier.binding.remotely_detached
            if not suspended or previous.connection.transport is not None and not earlier.was_attached:
                raise LinkException(f"expected a link that was detached, got {previous.name!r}, which was not")
            take_over(state, earlier)
        state.detached = False
        state.local_end = None
        state.binding.recovering = True
        state.mark_dirty()

    def free(self) -> None:
        """Say that the link is no longer used; settles all its deliveries."""
        state = self._state
        if state.freed:
            return
        state.freed = True
        state.endpoint = self  # a retired one may have parted from it
        for delivery in list(state.unsettled):
            delivery.settle()
        while self.is_receiver and self.advance():
            pass
        state.shared.remove_endpoint(state)
        state.finish_if_done()

    def _retire_if_ended(self) -> None:
        """Retires a link that both ends have closed or detached; programs have seen it by now.

        What is suspended with unsettled deliveries stays: the program may recover them.
        """
        state = self._state
        if state.local_end is None or state.remote_end is None:
            return
        if self.state & LOCAL_CLOSED or not (state.unsettled or self.current is not None):
            state.retire()

    def _answer_detach(self) -> None:
        """Ends this end after the peer's: closed, except that a detach without an error is answered by another one.

        After an error the endpoint is destroyed (2.6.5). Closed here it is in both cases: it is not attached again.
        """
        if not self.state & (REMOTE_CLOSED | LOCAL_CLOSED) and not self.remote_condition:
            self.detach()
        self.close()

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
        super()._prepare_open()


def tag_bytes(link: LinkState, tag: Any) -> bytes:
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
        if not link.long_tag_told:
            link.long_tag_told = True
            log.warning(
                "link %s: a delivery tag has %d bytes: 2.8.7 allows 32, and a strict peer may refuse it",
                printable(link.endpoint.name or ""),
                size,
            )
    return encoded
