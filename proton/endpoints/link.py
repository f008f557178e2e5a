"""`Link`, `Sender` and `Receiver`: credit, drain, and the delivery that is current (2.6).

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

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable

from proton.codec.types import PropertyDict
from proton.endpoints.delivery import Delivery, check_message_format
from proton.endpoints.endpoint import LOCAL_ACTIVE, Endpoint, matches
from proton.endpoints.events import Event
from proton.endpoints.terminus import Terminus
from proton.exceptions import LinkException
from proton.message import Message

if TYPE_CHECKING:
    from proton.endpoints.session import Session

__all__ = ["Link", "Sender", "Receiver"]

_TRANSPORT = Event.TRANSPORT
_MAX_TAG = 32  # 2.8.7
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
    _flow_properties: Any = None

    def __init__(self, session: Session, name: str | None) -> None:
        Endpoint.__init__(self)
        #: the session and the connection of this link
        self.session = session
        self.connection = session.connection
        #: the name, unique among the links of one direction between two containers (2.6.1)
        self.name = name
        #: the local source and target; the peer's as of its attach
        self.source = Terminus(Terminus.SOURCE)
        self.target = Terminus(Terminus.TARGET)
        self.remote_source = Terminus(Terminus.UNSPECIFIED)
        self.remote_target = Terminus(Terminus.UNSPECIFIED)
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
        self._violated = False  # we closed it for a fault of the peer: its transfers are dropped
        self._delivery_count = 0  # 2.6.7
        self._link_credit = 0
        self._credit_limit = 0  # the highest delivery-count that a receiver has granted so far
        self._flow_due = False  # a flow must be written even if the credit has not changed

    @property
    def max_message_size(self) -> int:
        """The largest message in bytes that this end takes, 0 for no limit. A receiver enforces it.

        :raises OverflowError: not in 0 to 2**64 - 1.
        """
        return self._max_message_size

    @max_message_size.setter
    def max_message_size(self, size: int) -> None:
        if not 0 <= size < 1 << 64:
            raise OverflowError(f"max_message_size takes 0 to 2**64 - 1 bytes, got {size}")
        self._max_message_size = size

    @property
    def flow_properties(self) -> Any:
        """The link state properties to send with each flow, a dict with symbol keys, or None (2.7.4).

        Setting them has a flow written when the transport is next asked for output.
        """
        return self._flow_properties

    @flow_properties.setter
    def flow_properties(self, properties: Any) -> None:
        if isinstance(properties, dict):
            properties = PropertyDict(properties, raise_on_error=False)
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

        :param tag: identifies the delivery among the unsettled ones of the link; up to 32 bytes.
        :raises TypeError: not str or bytes.
        :raises LinkException: the tag is too long (2.8.7).
        """
        delivery = Delivery(self, _tag_bytes(tag))
        self._unsettled[delivery] = None
        return delivery

    def advance(self) -> bool:
        """Go on to the next delivery; False when there is no current one."""
        raise NotImplementedError

    def drained(self) -> int:
        """Messages of credit given back by draining; see `Sender.drained` and `Receiver.drained`."""
        raise NotImplementedError

    def detach(self) -> None:
        """Detach the link without closing it: the peer keeps its terminus (2.6.3). Only the first call acts."""
        if self._detached:
            return
        self._detached = True
        self.connection._collector.emit(Event.LINK_LOCAL_DETACH, self)
        self._mark()

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

    def _wired(self) -> bool:
        return self._handle is not None or self._remote_handle is not None

    def _dispose(self) -> None:
        self.session._forget_link(self)

    def _unbind(self) -> None:
        """Forgets what belonged to the transport; what was not sent or not read stays."""
        self._handle = self._remote_handle = None
        self._remotely_detached = self._detach_sent = self._violated = False
        self._delivery_count = self._link_credit = self._credit_limit = 0
        self._flow_due = False
        self.remote_condition = None
        for delivery in self._unsettled:
            delivery._id = None


class Sender(Link):
    """A link over which messages are sent (2.6.12)."""

    is_sender = True
    #: makes the tags of messages sent without one: a callable without arguments, or None for "1", "2", …
    tag_generator: Callable[[], Any] | None = None

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._outgoing: deque[Delivery] = deque()
        self._filling: deque[Delivery] = deque()
        self._sending = False  # on the connection's list of senders that may have something to send
        self._drained_due = False  # credit was given back and the peer does not know yet
        self._tag_count = 0

    def delivery(self, tag: str | bytes | bytearray | memoryview) -> Delivery:
        delivery = Link.delivery(self, tag)
        connection = self.connection
        connection._sequence = delivery._sequence = connection._sequence + 1
        self._outgoing.append(delivery)
        self._filling.append(delivery)
        if self.current is None:
            self.current = delivery
        return delivery

    def delivery_tag(self) -> str:
        """A tag that this link has not used yet: "1", "2", … or what `tag_generator` makes."""
        if self.tag_generator is not None:
            tag: str = self.tag_generator()
            return tag
        self._tag_count += 1
        return str(self._tag_count)

    def stream(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes to the current delivery; they may be sent before it is complete.

        :return: the number of bytes taken, which is all of them.
        :raises LinkException: there is no current delivery.
        :raises TypeError: not bytes.
        """
        delivery = self.current
        if delivery is None:
            raise LinkException("[-1]: stream() needs a current delivery, got none: call delivery(tag) first")
        if data.__class__ is not bytes:
            data = _bytes(data)
        size = len(data)
        if size:
            delivery._chunks.append(data)
            delivery._size += size
            self.session.outgoing_bytes += size
            self._ready()
        return size

    def send(self, obj: Any, tag: Any = None) -> Any:
        """Send a message, or bytes.

        :param obj: a `Message` or anything with a method ``send(sender, tag=)``; else bytes for `stream`.
        :param tag: the delivery tag; made by `delivery_tag` when empty.
        :return: the `Delivery` of a message; the number of bytes that `stream` took.
        :raises LinkException: the message is larger than the peer's max-message-size (2.7.3), or the tag too long.
        """
        if obj.__class__ is not Message:
            if hasattr(obj, "send"):
                return obj.send(self, tag=tag)
            return self.stream(obj)
        # What Message.send does through the public methods, in one go: it costs half as many calls.
        data = obj.encode()
        message_format = obj.message_format
        if message_format:
            check_message_format(message_format)
        if tag or self.tag_generator is not None:
            tag = _tag_bytes(tag or self.delivery_tag())
        if self.remote_max_message_size and len(data) > self.remote_max_message_size:
            raise LinkException(
                f"the peer takes messages of {self.remote_max_message_size} bytes, got one of {len(data)}"
            )
        if not tag:
            self._tag_count += 1
            tag = b"%d" % self._tag_count
        delivery = Delivery(self, tag)
        delivery._chunks.append(data)
        delivery._size = size = len(data)
        delivery.partial = False
        if message_format:
            delivery._message_format = message_format
        connection = self.connection
        connection._sequence = delivery._sequence = connection._sequence + 1
        self.session.outgoing_bytes += size
        if self.snd_settle_mode == 1:  # SND_SETTLED
            delivery._settled = True
        else:
            self._unsettled[delivery] = None
        self._outgoing.append(delivery)
        self.queued += 1
        self.credit -= 1
        self._ready()
        return delivery

    def advance(self) -> bool:
        """Complete the current delivery; the next unfinished one becomes current.

        :return: False when there was no current delivery.
        """
        delivery = self.current
        if delivery is None:
            return False
        self._complete(delivery)
        return True

    def _complete(self, delivery: Delivery) -> None:
        delivery.partial = False
        self._filling.remove(delivery)  # nearly always the head
        self.current = self._filling[0] if self._filling else None
        self.queued += 1
        self.credit -= 1
        self._ready()

    def _ready(self) -> None:
        """Puts this link on the connection's list of senders, and says that the transport has work."""
        connection = self.connection
        if not self._sending:
            self._sending = True
            connection._senders.append(self)
        transport = connection.transport
        if transport is not None:
            connection._collector.emit(_TRANSPORT, transport)

    def _queue(self) -> None:
        """Puts this link on the connection's list of senders, if it has something to send."""
        if self._outgoing and not self._sending:
            self._sending = True
            self.connection._senders.append(self)

    def offered(self, n: int) -> None:
        """Say how many messages could be sent; the peer learns it with the next flow (2.6.7, available).

        :param n: messages.
        """
        self.available = n

    def drained(self) -> int:
        """Give back the credit that is left, when the receiver drains; the peer is told after what is queued.

        :return: messages of credit given back.
        """
        if not self._drain_mode or self.credit <= 0:
            return 0
        current = self.current
        # A delivery that has begun keeps its credit: the receiver has counted it already.
        begun = current is not None and current._id is not None
        given_back = self.credit - begun
        if not given_back:
            return 0
        self.credit -= given_back
        # What is queued keeps its credit; the rest counts as used (2.6.7).
        self._link_credit -= given_back
        self._delivery_count = self._delivery_count + given_back & 0xFFFFFFFF
        self._drained_due = True
        self._mark()
        return given_back

    def _unbind(self) -> None:
        # What was partly sent cannot be continued on another transport; it stays unsettled, outcome unknown.
        while self._outgoing and self._outgoing[0]._id is not None:
            self._drop(self._outgoing[0])
        Link._unbind(self)
        self.credit = -self.queued
        self._drain_mode = self._drained_due = False

    def _drop(self, delivery: Delivery) -> None:
        """Takes a delivery off the queue, finished or not."""
        self._outgoing.remove(delivery)
        self.session.outgoing_bytes -= delivery._size
        delivery._chunks = []
        delivery._size = 0
        delivery._advanced = True
        if delivery.partial:
            delivery.partial = False
            self._filling.remove(delivery)
            self.current = self._filling[0] if self._filling else None
        else:
            self.queued -= 1
            self.credit += 1


class Receiver(Link):
    """A link over which messages are received (2.6.12)."""

    is_receiver = True

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._waiting: deque[Delivery] = deque()
        self._arriving: Delivery | None = None  # whose last frame has not come
        self._drain_by_call = False  # drain() switched draining on; flow() switches it off again
        self._drained = 0

    def flow(self, n: int) -> None:
        """Grant credit; the flow is written when the transport is next asked for output.

        :param n: messages to add; may be negative.
        :raises OverflowError: not a signed 32-bit number.
        """
        if not -_INT32 - 1 <= n <= _INT32:
            raise OverflowError(f"flow() takes a signed 32-bit number of messages, got {n}")
        self.credit += n
        if self._drain_by_call:
            self._drain_mode = self._drain_by_call = False
        connection = self.connection
        if not self._marked:
            self._marked = True
            connection._work.append(self)
        transport = connection.transport
        if transport is not None:
            connection._collector.emit(_TRANSPORT, transport)

    def drain(self, n: int) -> None:
        """Grant credit that the sender must use at once or give back.

        :param n: messages to add.
        """
        if self._drain_by_call or not self._drain_mode:
            self._drain_by_call = False
            self.flow(n)
            self._drain_mode = self._drain_by_call = True
        else:
            self.flow(n)

    @property
    def drain_mode(self) -> bool:
        """True when the sender is to use up or give back all its credit (2.6.7)."""
        return self._drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        self._drain_mode = bool(drain)
        self._drain_by_call = False
        if drain:
            self._mark()

    def draining(self) -> bool:
        """True while a drain is under way: the sender has neither used nor given back all its credit."""
        return self._drain_mode and self.credit > self.queued

    def drained(self) -> int:
        """Messages of credit that the sender gave back since the last call."""
        given_back = self._drained
        self._drained = 0
        return given_back

    def recv(self, limit: int) -> bytes | None:
        """Read from the current delivery.

        :param limit: bytes at most.
        :return: the bytes; ``b""`` when more will come; None at the end of the delivery.
        :raises LinkException: there is no current delivery, or the sender has given it up.
        """
        delivery = self.current
        if delivery is None:
            raise LinkException("[-5]: recv() needs a current delivery, got none")
        if delivery.aborted:
            raise LinkException("[-11]: the sender has aborted the delivery")
        if not delivery._size:
            return b"" if delivery.partial else None
        frames = len(delivery._chunks)
        data = delivery._take_up_to(limit)
        self.session._read(len(data), self, frames - len(delivery._chunks))
        return data

    def advance(self) -> bool:
        """Go on to the next delivery; what was not read of the current one is dropped.

        :return: False when there was no current delivery.
        """
        delivery = self.current
        if delivery is None:
            return False
        delivery._advanced = True
        size = delivery._size
        if size:
            frames = len(delivery._chunks)
            delivery._take()
            self.session._read(size, self, frames)
        self.current = self._waiting.popleft() if self._waiting else None
        self.credit -= 1
        self.queued -= 1
        return True

    def _read_current(self) -> bytes:
        """The whole current delivery, advanced past: what `recv` and `advance` do for a message at once."""
        delivery = self.current
        if delivery is None:
            raise LinkException("[-5]: expected a current delivery, got none")
        size = delivery._size
        chunks = delivery._chunks
        frames = len(chunks)
        # One frame, nothing of it read: what _take would find out.
        if len(chunks) == 1 and not delivery._offset:
            data = chunks[0]
            delivery._chunks = []
            delivery._size = 0
        else:
            data = delivery._take()
        delivery._advanced = True
        session = self.session
        if session._incoming_window < session._low_water or session._window_limit:
            session._read(size, self, frames)
        else:
            session.incoming_bytes -= size
            self.connection._buffered_bytes -= size
        self.current = self._waiting.popleft() if self._waiting else None
        self.credit -= 1
        self.queued -= 1
        return data

    def _unbind(self) -> None:
        Link._unbind(self)
        self._cut_arriving()

    def _cut_arriving(self) -> None:
        arriving = self._arriving
        self._arriving = None
        if arriving is not None and not arriving._settled:
            # The rest cannot come any more: the same to the application as if the sender had given it up.
            frames = len(arriving._chunks)
            self.session._read(len(arriving._take()), self, frames)
            arriving.partial = False
            arriving.aborted = arriving.settled = arriving.updated = True
            self.connection._collector.emit(Event.DELIVERY, arriving)


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        raise TypeError(f"expected bytes, got str {data!r:.50}")
    return bytes(memoryview(data))


def _tag_bytes(tag: Any) -> bytes:
    encoded = tag.encode("utf-8") if isinstance(tag, str) else tag
    if not isinstance(encoded, bytes):
        if not isinstance(encoded, (bytearray, memoryview)):
            raise TypeError(f"a delivery tag is str or bytes, got {tag!r}")
        encoded = bytes(encoded)
    if len(encoded) > _MAX_TAG:
        raise LinkException(f"a delivery tag has {_MAX_TAG} bytes at most (2.8.7), got {len(encoded)}: {tag!r}")
    return encoded
