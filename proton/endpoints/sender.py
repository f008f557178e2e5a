"""`Sender`: messages on their way out, in order of creation (2.6.12).

`_outgoing` has what is not yet completely sent; those of it that are still being filled are in `_filling` too, whose
head is `current`. `_resumed` has deliveries of an earlier link, which go first. Nothing here writes frames: `_ready`
puts the link on the connection's list of senders, and the transport takes what credit and window allow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable, TypeVar, overload

from proton.endpoints.arguments import check_count
from proton.endpoints.delivery import Delivery, check_message_format
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.link import Link, tag_bytes
from proton.endpoints.recovery import forget_resumed
from proton.endpoints.streaming import check_size, encoded_stream
from proton.exceptions import LinkException
from proton.message import LARGE_MESSAGE, Message

_T = TypeVar("_T", covariant=True)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, Protocol, Union

    from proton.endpoints.session import Session

    _Tag = Union[str, bytes, None]

    class _Sendable(Protocol[_T]):
        """What sends itself: `Message`, and classes of programs."""

        def send(self, sender: Sender, tag: Any = None) -> _T: ...


__all__ = ["Sender"]

_TRANSPORT = Event.TRANSPORT


class Sender(Link):
    """A link over which messages are sent (2.6.12)."""

    is_sender = True
    credit: int
    #: makes the tags of messages sent without one: an iterator, a callable without arguments, or None for "1", "2", …
    tag_generator: Iterator[Any] | Callable[[], Any] | None = None
    #: False sends messages above the peer's max-message-size as they are: the peer may detach the link then (2.7.3)
    checks_message_size: bool = True
    _resumed: Any = ()  # to be resumed before anything else is sent; a deque where there is something

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._outgoing: deque[Delivery] = deque()
        self._filling: deque[Delivery] = deque()
        self._sending = False  # on the connection's list of senders that may have something to send
        self._drained_due = False  # credit was given back and the peer does not know yet
        self._tag_count = 0

    def delivery(self, tag: str | bytes | bytearray | memoryview) -> Delivery:
        """Make a delivery, to be filled by `stream` and completed by `advance`; the current one if there is none.

        :param tag: identifies the delivery among the unsettled ones of the link, see `Link.delivery`.
        :raises TypeError: not str or bytes.
        :raises LinkException: the tag is too long.
        """
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
        generator = self.tag_generator
        if generator is None:
            self._tag_count += 1
            return str(self._tag_count)
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
            delivery._chunks.append(data)
            delivery._size += size
            if self.recoverable:
                delivery._kept = [*(delivery._kept or ()), data]
            self.session.outgoing_bytes += size
            self._ready()
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
        if obj.__class__ is not Message:
            if hasattr(obj, "send"):
                return obj.send(self, tag=tag)
            data = _bytes(obj, "send() expects a Message (or bytes for the current delivery)")
            if self.current is None:
                raise LinkException(
                    f"[-1]: send() of bytes needs a current delivery, got {len(data)} bytes and no delivery: "
                    "call delivery(tag) first, or send a Message"
                )
            return self.stream(data)
        # What Message.send does through the public methods, in one go: it costs half as many calls.
        body = obj.body
        if body.__class__ is bytes and len(body) >= LARGE_MESSAGE:
            chunks = obj._encode_in_pieces()
            size = sum(map(len, chunks))
        else:
            data = obj.encode()
            chunks = [data]
            size = len(data)
        message_format = obj.message_format
        if message_format:
            check_message_format(message_format)
        if tag or self.tag_generator is not None:
            tag = tag_bytes(self, tag or self.delivery_tag())
        if self.remote_max_message_size and size > self.remote_max_message_size and self.checks_message_size:
            raise LinkException(f"the peer takes messages of {self.remote_max_message_size} bytes, got one of {size}")
        if not tag:
            self._tag_count += 1
            tag = b"%d" % self._tag_count
        delivery = Delivery(self, tag)
        delivery._chunks = chunks
        delivery._size = size
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
            if self.recoverable:
                delivery._kept = list(chunks)
        self._outgoing.append(delivery)
        self.queued += 1
        self.credit -= 1
        self._ready()
        return delivery

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
        check_size(size)
        if not hasattr(source, "read"):
            source = iter(source)
        if message is not None:
            message._encode_around_body()  # what is wrong with it is to be raised here
        most = self.remote_max_message_size
        if most and (size or 0) > most and self.checks_message_size:
            raise LinkException(f"the peer takes messages of {most} bytes, got a body of {size}")
        delivery = Delivery(self, tag_bytes(self, tag or self.delivery_tag()))
        if message is not None and message.message_format:
            delivery.message_format = message.message_format
        delivery._source = encoded_stream(source, message, size)
        connection = self.connection
        connection._sequence = delivery._sequence = connection._sequence + 1
        if self.snd_settle_mode == self.SND_SETTLED:
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
        if delivery._source is not None:
            return  # it is queued, and complete when its source has come to the end
        delivery.partial = False
        self._filling.remove(delivery)  # nearly always the head
        self.current = self._filling[0] if self._filling else None
        self.queued += 1
        self.credit -= 1
        self._ready()

    def _ready(self) -> None:
        """Puts this link on the connection's list of senders, and says that the transport has work."""
        connection = self.connection
        transport = connection.transport
        if not self._sending:
            # Once a write, not for each message.
            if connection._ends or transport is None or transport._state.tail_closed:
                warn_if_ended("Sender.send()", self)
            self._sending = True
            connection._senders.append(self)
        if transport is not None:
            connection._collector.emit(_TRANSPORT, transport)

    def _queue(self) -> None:
        """Puts this link on the connection's list of senders, if it has something to send."""
        if (self._outgoing or self._resumed) and not self._sending:
            self._sending = True
            self.connection._senders.append(self)

    def offered(self, n: int) -> None:
        """Say how many messages could be sent; the peer learns it with the next flow (2.6.7, available).

        :param n: messages.
        :raises TypeError: not an integer.
        """
        self.available: int = check_count("offered()", n)

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

    def _queued_here(self) -> Iterable[Delivery]:
        return self._outgoing

    def _revoke_credit(self) -> None:
        # What is partly sent cannot be continued, so that only what has not left has bytes pending. What the program
        # still fills stays current until the link is unbound.
        while self._outgoing and self._outgoing[0]._id is not None and self._outgoing[0] is not self.current:
            self._drop(self._outgoing[0])
        self._link_credit = 0
        self.credit = -self.queued

    def _unbind(self) -> None:
        # What was partly sent cannot be continued on another transport; it stays unsettled, outcome unknown.
        while self._outgoing and self._outgoing[0]._id is not None:
            self._drop(self._outgoing[0])
        if self._resumed:
            forget_resumed(self)
        Link._unbind(self)
        self.credit = -self.queued
        self._drain_mode = self._drained_due = False

    def _dispose(self) -> None:
        while self._outgoing:  # nobody takes it any more
            self._drop(self._outgoing[0])
        Link._dispose(self)

    def _drop(self, delivery: Delivery) -> None:
        """Takes a delivery off the queue, finished or not."""
        self._outgoing.remove(delivery)
        self.session.outgoing_bytes -= delivery._size
        delivery._chunks = []
        delivery._size = 0
        delivery._advanced = True
        if delivery.partial and delivery._source is None:
            delivery.partial = False
            self._filling.remove(delivery)
            self.current = self._filling[0] if self._filling else None
        else:
            delivery._source = None
            delivery.partial = False
            self.queued -= 1
            self.credit += 1


def _bytes(data: Any, expected: str) -> bytes:
    try:
        return data if data.__class__ is bytes else bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"{expected}, got {type(data).__name__} {data!r:.50}") from None
