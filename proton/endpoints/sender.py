"""`Sender`: messages on their way out, in order of creation (2.6.12).

`outgoing` has what is not yet completely sent; those of it that are still being filled are in `filling` too, whose
head is `current`. `resumed` has deliveries of an earlier link, which go first. Nothing here writes frames:
`mark_sender_dirty` puts the link on the connection's list of senders, and the transport takes what credit and window
allow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, TypeVar, overload

from proton.endpoints import hooks as _hooks
from proton.endpoints.arguments import check_count
from proton.endpoints.delivery import Delivery, check_message_format
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.link import Link, LinkBinding, LinkState, tag_bytes
from proton.endpoints.recovery import forget_resumed
from proton.endpoints.serial import SERIAL, ahead
from proton.endpoints.shared import NO_DELIVERIES
from proton.endpoints.streaming import check_size, encoded_stream
from proton.exceptions import LinkException
from proton.message import LARGE_MESSAGE, Message

_T = TypeVar("_T", covariant=True)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, Protocol, Union

    from proton.endpoints.condition import Condition
    from proton.endpoints.session import Session, SessionState

    _Tag = Union[str, bytes, None]

    class _Sendable(Protocol[_T]):
        """What sends itself: `Message`, and classes of programs."""

        def send(self, sender: Sender, tag: Any = None) -> _T: ...


__all__ = ["Sender", "SenderBinding", "SenderState"]

_TRANSPORT = Event.TRANSPORT


class SenderBinding(LinkBinding):
    __slots__ = ("drained_due", "resumed")

    def __init__(self, recovering: bool = False) -> None:
        LinkBinding.__init__(self, recovering)
        self.drained_due: bool = False  # credit was given back and the peer does not know yet
        # To be resumed before anything else is sent; a deque if there is something.
        self.resumed: Any = ()


class SenderState(LinkState):
    __slots__ = ("filling", "is_sending", "outgoing", "tag_count")

    is_sender = True
    endpoint: Sender
    binding: SenderBinding

    def __init__(self, link: Sender, session: SessionState) -> None:
        LinkState.__init__(self, link, session)
        self.binding = SenderBinding()
        self.outgoing: deque[Delivery] = NO_DELIVERIES
        self.filling: deque[Delivery] = NO_DELIVERIES
        self.is_sending: bool = False  # on the connection's list of senders that may have something to send
        self.tag_count: int = 0

    def mark_sender_dirty(self, by: Sender | None = None) -> None:
        """Puts this link on the connection's list of senders, if it has something to send.

        :param by: the sender, which a final one's state does not know, if a program has something sent: its transport
            is woken, see `Shared.wake`; None for the transport's own functions.
        """
        shared = self.shared
        transport = shared.transport
        if not self.is_sending and (self.outgoing or self.binding.resumed):
            # Once a write, not for each message.
            if by is not None:
                wire = shared.transport_state
                if shared.ends or wire is None or wire.tail_closed:
                    warn_if_ended("Sender.send()", by)
            self.is_sending = True
            shared.dirty_senders.append(self)
        if by is not None and transport is not None:
            # As in `Delivery._mark_dirty`.
            collector = shared.collector
            events = collector.events
            if not events or events[-1] is not shared.output_event:
                shared.output_event = collector.emit(_TRANSPORT, transport)

    def has_queued(self) -> bool:
        return bool(self.outgoing or self.binding.resumed)

    def queued_deliveries(self) -> Iterable[Delivery]:
        return self.outgoing

    def move_bytes(self, session: Session, into: Session) -> None:
        size = self.queued_bytes()
        session.outgoing_bytes -= size
        into.outgoing_bytes += size

    def append(self, delivery: Delivery) -> None:
        """Puts a delivery behind the others, of this link and of all links of the connection."""
        shared = self.shared
        shared.sequence = delivery._sequence = shared.sequence + 1
        if self.outgoing is NO_DELIVERIES:
            self.outgoing = deque()
        self.outgoing.append(delivery)

    def fill(self, delivery: Delivery) -> None:
        """Puts a new delivery behind those that are being filled."""
        self.append(delivery)
        if self.filling is NO_DELIVERIES:
            self.filling = deque()
        self.filling.append(delivery)

    def enqueue(self, count: int) -> None:
        """So many deliveries more are complete and wait to be sent, each of which uses up credit of the program."""
        link = self.endpoint
        link.queued += count
        link.credit -= count

    def count_sent(self) -> None:
        """A delivery is completely sent. `write_transfers` does it inline for those of one frame."""
        self.binding.count_transfer()
        self.endpoint.queued -= 1

    def take_flow(self, delivery_count: int | None, link_credit: int | None, drain: bool) -> None:
        """A flow of the receiver has come (2.6.7)."""
        if link_credit is not None:
            binding = self.binding
            # Before its attach was seen the receiver does not know our delivery-count, which starts at 0. A count that
            # lies ahead of ours is invalid, and would make credit that no flow of ours could tell.
            credit = min(SERIAL, max(0, link_credit - ahead(binding.delivery_count, delivery_count or 0)))
            self.endpoint.credit += credit - binding.link_credit
            binding.link_credit = credit
        # 2.6.7: drain holds until a later flow takes it back, also for credit that comes in between.
        self.drain_mode: bool = drain
        self.mark_sender_dirty()

    def complete(self, delivery: Delivery) -> None:
        """A delivery that was being filled has all its bytes."""
        if delivery._source is not None:
            return  # it is queued, and complete when its source has come to the end
        delivery.partial = False
        self.filling.remove(delivery)  # nearly always the head
        self.endpoint.current = self.filling[0] if self.filling else None
        self.enqueue(1)
        self.mark_sender_dirty(self.endpoint)

    def drop(self, delivery: Delivery) -> None:
        """Takes a delivery off the queue, finished or not."""
        self.outgoing.remove(delivery)
        was_filling = delivery._discard()
        delivery.partial = False
        if was_filling:
            self.filling.remove(delivery)
            self.endpoint.current = self.filling[0] if self.filling else None
        else:
            self.enqueue(-1)

    def has_begun(self) -> bool:
        """Whether a part of the delivery that is next is sent already."""
        return bool(self.outgoing) and self.outgoing[0]._id is not None

    def drop_begun(self) -> None:
        """What was partly sent cannot be continued; it stays unsettled, outcome unknown."""
        while self.has_begun():
            self.drop(self.outgoing[0])
        if self.binding.resumed:
            forget_resumed(self)

    def revoke_credit(self) -> None:
        # What is partly sent cannot be continued, so that only what has not left has bytes pending. What the program
        # still fills stays current until the link is unbound.
        link = self.endpoint
        while self.has_begun() and self.outgoing[0] is not link.current:
            self.drop(self.outgoing[0])
        self.binding.link_credit = 0
        link.credit = -link.queued

    def tell_no_outcome(self, also_queued: bool = False) -> None:
        """The hooks hear that none will come for what was sent.

        :param also_queued: nor for what has not begun to be sent.
        """
        if _hooks.active is not None and not (self.endpoint is not None and self.endpoint.recoverable):
            for delivery in self.unsettled:
                if also_queued or delivery._id is not None:
                    _hooks.active.ended(delivery)

    def remote_closed(self, condition: Condition | None) -> None:
        LinkState.remote_closed(self, condition)
        self.tell_no_outcome()

    def remote_detached(self, condition: Condition | None) -> None:
        LinkState.remote_detached(self, condition)
        self.tell_no_outcome()

    def unbind(self) -> None:
        self.tell_no_outcome()
        self.drop_begun()
        LinkState.unbind(self)
        link = self.endpoint
        self.binding = SenderBinding(link.recoverable and self.was_attached)
        # Credit belongs to one attachment (2.6.7); what is queued has used up what it will be given next.
        link.credit = -link.queued
        self.drain_mode = False

    def dispose(self) -> None:
        self.tell_no_outcome(also_queued=True)
        while self.outgoing:  # nothing sends it any more
            self.drop(self.outgoing[0])
        LinkState.dispose(self)


class Sender(Link):
    """A link over which messages are sent (2.6.12)."""

    current: Delivery | None
    available: int
    is_sender = True
    credit: int
    #: makes the tags of messages sent without one: an iterator, a callable without arguments, or None for "1", "2", …
    tag_generator: Iterator[Any] | Callable[[], Any] | None = None
    #: False sends messages above the peer's max-message-size as they are: the peer may detach the link then (2.7.3)
    checks_message_size: bool = True
    _state: SenderState

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._state = SenderState(self, endpoint_state(session))

    def delivery(self, tag: str | bytes | bytearray | memoryview) -> Delivery:
        """Make a delivery, to be filled by `stream` and completed by `advance`; the current one if there is none.

        :param tag: identifies the delivery among the unsettled ones of the link, see `Link.delivery`.
        :raises TypeError: not str or bytes.
        :raises LinkException: the tag is too long.
        """
        delivery = Link.delivery(self, tag)
        self._state.fill(delivery)
        if self.current is None:
            self.current = delivery
        return delivery

    def delivery_tag(self) -> str:
        """A tag that this link has not used yet: "1", "2", … or what `tag_generator` makes."""
        generator = self.tag_generator
        if generator is None:
            self._state.tag_count += 1
            return str(self._state.tag_count)
        tag: Any = next(generator) if isinstance(generator, Iterator) else generator()
        if isinstance(tag, Iterator):  # it was a generator function: what it gives are the tags
            self.tag_generator = tag
            tag = next(tag)
        return tag  # type: ignore[no-any-return]

    def stream(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes to the current delivery; they may be sent before it is complete.

        :param data: bytes, any bytes-like object.
        :return: the number of bytes taken, which is all of them.
        :raises LinkException: there is no current delivery.
        :raises TypeError: not bytes.
        """
        if data.__class__ is not bytes:
            data = _bytes(data, "stream() expects bytes")
        delivery = self.current
        if delivery is None:
            raise LinkException("[-1]: stream() needs a current delivery, got none: call delivery(tag) first")
        size = len(data)
        if size:
            delivery._append(data, self.recoverable)
            self._state.mark_sender_dirty(self)
        return size

    if TYPE_CHECKING:

        @overload
        def send(self, obj: Message, tag: _Tag = None) -> Delivery: ...
        @overload
        def send(self, obj: bytes | bytearray | memoryview, tag: _Tag = None) -> int: ...
        @overload
        def send(self, obj: _Sendable[_T], tag: _Tag = None) -> _T: ...

    def send(self, obj: Message | bytes | bytearray | memoryview | _Sendable[_T], tag: _Tag = None) -> object:
        """Send a message, or bytes.

        :param obj: a `Message` or anything with a method ``send(sender, tag=)``; else bytes for `stream`.
        :param tag: the delivery tag; made by `delivery_tag` when empty.
        :return: the `Delivery` of a message; the number of bytes that `stream` took.
        :raises LinkException: the message is larger than the peer's max-message-size (2.7.3) and `checks_message_size`
            is True; the tag is too long; bytes, and there is no current delivery.
        :raises TypeError: anything else.
        """
        if _hooks.active is not None and isinstance(obj, Message) and self not in _hooks.active.announced:
            return _hooks.active.send(self, obj, partial(self.send, tag=tag))
        if obj.__class__ is not Message:
            # A program's own message class, which calls `delivery`, `stream` and `advance` by itself.
            if hasattr(obj, "send"):
                return obj.send(self, tag=tag)
            return self._send_bytes(obj)
        # What Message.send does through the public methods, in one go: it costs half as many calls.
        body = obj.body
        if body.__class__ is bytes and len(body) >= LARGE_MESSAGE:
            chunks = obj._encode_in_pieces()
            size = sum(map(len, chunks))
        else:
            chunks = [obj.encode()]
            size = len(chunks[0])
        message_format = obj.message_format
        if message_format:
            # Before anything changes: the setter would raise when a tag is used up already.
            check_message_format(message_format)
        # A tag of this link's own making needs no check, and is made last: no number is lost to what raises.
        if tag or self.tag_generator is not None:
            tag = tag_bytes(self._state, tag or self.delivery_tag())
        if self.remote_max_message_size and size > self.remote_max_message_size and self.checks_message_size:
            raise LinkException(f"the peer takes messages of {self.remote_max_message_size} bytes, got one of {size}")
        state = self._state
        if not tag:
            state.tag_count += 1
            tag = b"%d" % state.tag_count
        delivery = Delivery(self, tag, None, chunks, size)
        delivery.partial = False
        if message_format:
            delivery.message_format = message_format
        state.shared.sequence = delivery._sequence = state.shared.sequence + 1
        self.session.outgoing_bytes += size
        # Settled before it is sent (2.8.2): the peer says nothing of it, and no map has to find it.
        if self.snd_settle_mode == 1:  # SND_SETTLED
            delivery._settled = True
        else:
            state.unsettled[delivery] = None
            if self.recoverable:
                delivery._retained = list(chunks)
        if state.outgoing is NO_DELIVERIES:
            state.outgoing = deque()
        state.outgoing.append(delivery)
        self.queued += 1
        self.credit -= 1
        state.mark_sender_dirty(self)
        return delivery

    def _send_bytes(self, obj: Any) -> int:
        data = _bytes(obj, "send() expects a Message (or bytes for the current delivery)")
        if self.current is None:
            raise LinkException(
                f"[-1]: send() of bytes needs a current delivery, got {len(data)} bytes and no delivery: "
                "call delivery(tag) first, or send a Message"
            )
        return self.stream(data)

    def send_stream(
        self,
        source: BinaryIO | Iterable[bytes],
        message: Message | None = None,
        tag: _Tag = None,
        size: int | None = None,
    ) -> Delivery:
        """Send a message whose body is read from a source when the peer and the network take more of it (3.2.6).

        No more than a frame of it is held in memory, and messages sent later wait for it. What the source raises
        aborts the delivery and comes out of `Transport.pending`, which is to say out of ``Container.run()``.

        :param source: a binary file, or an iterable of bytes.
        :param message: a message without body, whose other sections are sent around it.
        :param tag: the delivery tag; made by `delivery_tag` when empty.
        :param size: bytes of the body, for one data section. Without it each piece becomes one, which the C binding
            does not join when it receives them.
        :return: the `Delivery`; its `partial` is True until the source has come to its end.
        :raises MessageException: the message has a body.
        :raises LinkException: the body is larger than the peer's max-message-size (2.7.3), or the tag too long.
        :raises OverflowError: size is not in 0 to 2**32 - 1.
        :raises TypeError: source is neither a file nor iterable.
        """
        if _hooks.active is not None and self not in _hooks.active.announced:
            send = partial(self.send_stream, source, tag=tag, size=size)
            return _hooks.active.send(self, Message() if message is None else message, send)  # type: ignore[no-any-return]
        check_size(size)
        # Here and not at the first piece, which is read within a write of the transport.
        if not hasattr(source, "read"):
            source = iter(source)
        if message is not None:
            message._encode_around_body()  # what is wrong with it is to be raised here
        most = self.remote_max_message_size
        if most and (size or 0) > most and self.checks_message_size:
            raise LinkException(f"the peer takes messages of {most} bytes, got a body of {size}")
        delivery = Delivery(self, tag_bytes(self._state, tag or self.delivery_tag()))
        if message is not None and message.message_format:
            delivery.message_format = message.message_format
        delivery._source = encoded_stream(source, message, size)
        state = self._state
        if self.snd_settle_mode == self.SND_SETTLED:
            delivery._settled = True
        else:
            state.unsettled[delivery] = None
        state.append(delivery)
        self.queued += 1  # not by the state: that of a final link does not know it
        self.credit -= 1
        state.mark_sender_dirty(self)
        return delivery

    def advance(self) -> bool:
        """Complete the current delivery; the next unfinished one becomes current.

        :return: False when there was no current delivery.
        """
        delivery = self.current
        if delivery is None:
            return False
        self._state.complete(delivery)
        return True

    def offered(self, n: int) -> None:
        """Say how many messages could be sent; the peer learns it with the next flow (2.6.7, available).

        :param n: messages.
        :raises TypeError: not an integer.
        """
        self.available = check_count("offered()", n)

    def drained(self) -> int:
        """Give back the credit that is left, when the receiver drains; the peer is told after what is queued.

        :return: messages of credit given back.
        """
        state = self._state
        if not state.drain_mode or self.credit <= 0:
            return 0
        current = self.current
        # A delivery that has begun keeps its credit: the receiver has counted it already.
        begun = current is not None and current._id is not None
        returned_credit = self.credit - begun
        if not returned_credit:
            return 0
        self.credit -= returned_credit
        # What is queued keeps its credit; the rest counts as used (2.6.7).
        state.binding.use_up(returned_credit)
        state.binding.drained_due = True
        state.mark_dirty(wake=True)
        return returned_credit


def _bytes(data: Any, expected: str) -> bytes:
    try:
        return data if data.__class__ is bytes else bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"{expected}, got {type(data).__name__} {data!r:.50}") from None
