"""`Delivery`: one message on its way over a link, and what each end has said about it (2.6.12, 3.4).

One of these is made for each message, so what rarely differs is a class attribute until it does, and what
handlers read is a plain attribute. Rules for editors:
1. `update` and `settle` only note what to say; the transport turns all that was noted into ranges (2.7.6).
2. A settled delivery leaves its link at once and its session when the settlement is written. It keeps
   pointing up at its link; nothing points back down, so reference counting frees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from proton.endpoints import hooks as _hooks
from proton.endpoints.arguments import NotCopied
from proton.endpoints.disposition import (
    STATES,
    Disposition,
    DispositionType,
    LocalDisposition,
    RemoteDisposition,
    check_state,
)
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.events import Event, identity
from proton.exceptions import LinkException

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.link import Link, LinkState
    from proton.endpoints.receiver import ReceiverState
    from proton.endpoints.sender import SenderState
    from proton.endpoints.session import Session, SessionBinding
    from proton.transport.transport import Transport

__all__ = ["Delivery"]

_TRANSPORT = Event.TRANSPORT
_EMPTY = DispositionType.EMPTY
_NO_OUTCOME = (_EMPTY, DispositionType.RECEIVED)


def check_message_format(message_format: Any) -> None:
    if not isinstance(message_format, int):
        raise TypeError(f"message_format takes an int, got {message_format!r}")
    if not 0 <= message_format <= 0xFFFFFFFF:
        raise OverflowError(f"message_format takes 0 to 2**32 - 1, got {message_format}")


class Delivery(NotCopied):
    """A message being transferred over a link, and its state at both ends (2.6.12).

    Made by `Link.delivery`, `Sender.send`, or by an incoming transfer.
    """

    RECEIVED = DispositionType.RECEIVED
    ACCEPTED = DispositionType.ACCEPTED
    REJECTED = DispositionType.REJECTED
    RELEASED = DispositionType.RELEASED
    MODIFIED = DispositionType.MODIFIED
    wrap: staticmethod[[Any], Any] = staticmethod(identity)

    #: what this end said last and what the peer said last: a `DispositionType`, or an int for an unknown state
    local_state: DispositionType | int = 0
    remote_state: DispositionType | int = 0
    #: True once the peer has settled
    settled: bool = False
    #: True once the peer has changed the state or settled
    updated: bool = False
    #: True once the sending end has given the delivery up
    aborted: bool = False
    #: sender: not yet advanced; receiver: its last frame has not yet come
    partial: bool = True
    #: the bytes that `Message.recv` decoded
    encoded: bytes | None = None

    _settled = False  # by this end
    _dirty = False  # on the connection's list of dispositions to write
    _advanced = False  # no longer the current delivery of its link, nor to become it
    _id: int | None  # the delivery-id, from the first frame on
    _sequence = 0  # the order of creation on the connection, for senders
    _sent = False  # the last frame was written
    _size: int  # bytes buffered: not yet sent, or not yet read
    _received = 0  # bytes of the message that have come, read or not
    _offset = 0  # bytes of the first chunk that are sent or read already
    _message_format = 0
    _retained: list[bytes] | None = None  # all its bytes, on a recoverable sender
    _source: Iterator[bytes] | None = None  # where the rest of its bytes comes from, when the transport has room
    _resuming = False  # it was suspended with an earlier link, and goes on with this one
    _local: LocalDisposition | None = None
    _remote_value: Any = None  # the value of the state that the peer sent
    _watched_by: Any = ()  # pairs of a hook and its token, of a message that was sent
    _work_next: Delivery | None = None  # as of the last look at Connection.work_head

    def __init__(
        self, link: Link, tag: bytes, number: int | None = None, chunks: list[bytes] | None = None, size: int = 0
    ) -> None:
        #: the link that this delivery belongs to
        self.link: Link = link
        self._tag = tag
        self._id = number
        self._chunks: list[bytes] = [] if chunks is None else chunks
        self._size = size
        # What the path of a message reads and sets. The class has it too, but CPython 3.11 looks there without its
        # caches, and makes a dict for each instance if an attribute is new when hundreds of them exist. The dict
        # alone takes 5,000 instructions of a message's 175,000 (benchmarks/instructions.py, both ends, prefetch 500).
        self.local_state = self.remote_state = _EMPTY
        self.settled = self.updated = self.aborted = self._settled = self._dirty = self._advanced = self._sent = False
        self.partial = True
        self._offset = self._message_format = self._sequence = 0
        self._local = self._remote_value = None

    def __repr__(self) -> str:
        said = ", ".join(
            f"{getattr(state, 'name', state)}{', settled' if settled else ''} {where}"
            for state, settled, where in (
                (self.local_state, self._settled, "here"),
                (self.remote_state, self.settled, "at the peer"),
            )
        )
        return f"<proton.{type(self).__name__} {self._tag!r:.40}: {said}>"

    @property
    def tag(self) -> str:
        """The delivery tag, read as UTF-8.

        :raises UnicodeDecodeError: the peer chose a tag that is not UTF-8; `tag_bytes` has it.
        """
        return self._tag.decode("utf-8")

    @property
    def tag_bytes(self) -> bytes:
        """The delivery tag as it goes over the wire; 2.8.7 allows 32 bytes."""
        return self._tag

    @property
    def message_format(self) -> int:
        """The message-format of the transfer: 0 for the format of AMQP 1.0 itself (2.8.11).

        A sender may set it before the first frame is sent.

        :raises TypeError: set to something else than an int.
        :raises OverflowError: not in 0 to 2**32 - 1.
        """
        return self._message_format

    @message_format.setter
    def message_format(self, message_format: int) -> None:
        check_message_format(message_format)
        self._message_format = message_format

    @property
    def session(self) -> Session:
        """The session of the link."""
        return self.link.session

    @property
    def connection(self) -> Connection:
        """The connection of the link."""
        return self.link.connection

    @property
    def transport(self) -> Transport | None:
        """The transport that the connection is bound to, or None."""
        return self.link.connection.transport

    @property
    def readable(self) -> bool:
        """True for the current delivery of a receiver."""
        link = self.link
        return link.is_receiver and link.current is self

    @property
    def writable(self) -> bool:
        """True for the current delivery of a sender that has credit."""
        link = self.link
        return link.is_sender and link.current is self and link.credit > 0

    @property
    def pending(self) -> int:
        """Bytes that are buffered: not yet sent, or not yet read. 1 for an aborted delivery."""
        return 1 if self.aborted else self._size

    @property
    def local(self) -> LocalDisposition:
        """What this end will say: set its attributes, then call `update`."""
        local = self._local
        if local is None:
            local = self._local = LocalDisposition()
            local.type = self.local_state
        return local

    @local.setter
    def local(self, disposition: Disposition) -> None:
        check_state(disposition.type, disposition)
        disposition.apply_to(self.local)
        self.local_state = self.local.type

    @property
    def remote(self) -> RemoteDisposition:
        """What the peer said last; its `type` is 0 while it has said nothing."""
        return RemoteDisposition(self.remote_state, self._remote_value)

    @property
    def unsettled_next(self) -> Delivery | None:
        """The next delivery of the link that this end has not settled, or None."""
        link: LinkState = endpoint_state(self.link)
        place = link.unsettled_walk
        # A walk from head to tail goes on where it was, as long as nothing was added or settled meanwhile.
        if place is None or place[0] is not self or place[1] is not link.unsettled or place[2] != len(place[1]):
            if self not in link.unsettled:
                return None
            walk = iter(link.unsettled)
            for delivery in walk:
                if delivery is self:
                    break
        else:
            walk = place[3]
        try:
            following = next(walk, None)
        except RuntimeError:  # it has changed under the walk, which begins again
            link.unsettled_walk = None
            return self.unsettled_next
        link.unsettled_walk = None if following is None else (following, link.unsettled, len(link.unsettled), walk)
        return following

    @property
    def work_next(self) -> Delivery | None:
        """The next delivery that needs attention, as of the last look at `Connection.work_head`."""
        following = self._work_next
        if following is not None:
            following = self._first_with_work(following)
        if following is not None:
            return following
        # A delivery that is not on the queue leads to its head; the last one leads to nothing.
        return None if self._needs_work() else self.connection.work_head

    @staticmethod
    def _first_with_work(delivery: Delivery) -> Delivery | None:
        while not delivery._needs_work():
            if delivery._work_next is None:
                return None
            delivery = delivery._work_next
        return delivery

    def _before(self, following: Delivery | None) -> Delivery | None:
        """Goes in front of a queue of deliveries that need attention, if it is one; the head of the queue then."""
        if not self._needs_work():
            return following
        self._work_next = following
        return self

    def _needs_work(self) -> bool:
        if self.updated and not self._settled:
            return True
        link = self.link
        return link.current is self and (link.is_receiver or link.credit > 0)

    def update(self, state: DispositionType | int | Disposition | None = None) -> None:
        """Tell the peer a state; it goes out when the transport is next asked for output.

        :param state: a state number such as `Delivery.ACCEPTED`, or a disposition such as `RejectedDisposition`.
            Without it the state and the fields of `local` are sent.
        :raises TypeError: not a number or a disposition of this end, or an invalid id of a transaction.
        :raises OverflowError: a number that does not fit a ulong.
        :raises DataException, AttributeError: a field of the disposition is of another type.
        """
        if state.__class__ is not DispositionType:
            state = self._resolve(state)
        elif self._local is not None:
            check_state(state, self._local)
        self.local_state = state
        if self._local is not None:
            self._local.type = state
        if state:
            self._mark_dirty(self.link._state)

    def _resolve(self, state: int | Disposition | None) -> DispositionType | int:
        if state is None or (state.__class__ is int and state == 0):
            if self._local is None:
                return self.local_state
            state = self._local
        if isinstance(state, Disposition):
            if isinstance(state, RemoteDisposition):
                raise TypeError("expected a disposition of this end, got one of the peer's")
            check_state(state.type, state)
            if state is not self._local:
                state.apply_to(self.local)
            return STATES.get(state.type, state.type)
        if not isinstance(state, int):
            raise TypeError(f"an integer is required as a state, got {state!r}")
        if not 0 <= state < 1 << 64:
            raise OverflowError(f"a state is 0 to 2**64 - 1, got {state}")
        if self._local is not None:
            check_state(state, self._local)
        return STATES.get(state, int(state))

    def settle(self) -> None:
        """Forget this delivery, and tell the peer so. Every delivery should be settled at both ends.

        Settling the current delivery advances the link. Settling twice does nothing.
        """
        if self._settled:
            return
        link = self.link
        state: LinkState = link._state
        if link.current is self:
            link.advance()
        elif self.partial and link.is_sender:
            state.complete(self)  # type: ignore[attr-defined]
        self._settled = True
        state.unsettled.pop(self, None)
        self._mark_dirty(state)
        if _hooks.active is not None:
            _hooks.active.settled_here(self)

    def _lacks_outcome(self) -> bool:
        """Whether this is settled without an outcome, and can still get one: the settlement is not yet written.

        Settled without an outcome, a broker delivers the message again, or keeps it for ever. Received is not an
        outcome (3.4.1).
        """
        return self._settled and self._dirty and self.local_state in _NO_OUTCOME

    def _settle_with(self, state: DispositionType) -> None:
        """`update` with a state of the specification, and `settle`, in one: what a message ends with that was read.

        The link has advanced past it: it is not the current one.
        """
        if self._settled:
            if self._lacks_outcome():
                self.update(state)
            return
        self.local_state = state
        if self._local is not None:
            self._local.type = state
        self._settled = True
        link: LinkState = self.link._state
        link.unsettled.pop(self, None)
        self._mark_dirty(link)
        if _hooks.active is not None:
            _hooks.active.settled_here(self)

    def _mark_dirty(self, link: LinkState) -> None:
        """Notes that there is something to say about this delivery."""
        shared = link.shared
        transport = shared.transport
        if transport is None:
            return  # nothing can be told: delivery-ids do not outlive their transport
        # Of what was sent, and the peer has settled, it hears no more (2.6.12).
        if not (self._dirty or self.settled and link.is_sender):
            self._dirty = True
            shared.dirty_deliveries.append(self)
        collector = shared.collector
        events = collector.events
        # Nearly always it is queued already: then `Collector.emit` would drop another. Without its call, and without a
        # look into the event, a message takes 8,000 instructions less, with `Reactor._run_once` (instructions.py).
        if not events or events[-1] is not shared.output_event:
            shared.output_event = collector.emit(_TRANSPORT, transport)

    def abort(self) -> None:
        """Give up a delivery that is not yet completely sent; settles it. Nothing happens when it is settled.

        What was not sent is dropped. The peer is told when part of it was sent already (2.7.5).
        """
        if self._settled:
            return
        # 2.7.5: a delivery can be aborted until its last frame is sent; after that it is only settled.
        self.aborted = not self._sent
        if self.link.is_sender and not self._sent:
            self._discard()
        self.settle()

    # -- for the links and the transport: bytes on their way out ---------------------------------------------------

    def _append(self, data: bytes, retain: bool) -> None:
        """Adds bytes to send.

        :param retain: True keeps them after they are sent, for a link that may be recovered.
        """
        size = len(data)
        self._chunks.append(data)
        self._size += size
        self.link.session.outgoing_bytes += size
        if retain:
            if self._retained is None:
                self._retained = []
            self._retained.append(data)

    def _read_source(self, wanted: int, most: int) -> int:
        """Takes pieces of a body from its source until more than `wanted` bytes wait; at the end it is complete.

        :param most: bytes that the whole message may have, 0 for no limit; what exceeds it is not taken.
        :return: bytes of the message so far, including those that exceeded the limit.
        """
        while self._size <= wanted:
            piece = next(self._source, None)  # type: ignore[arg-type]
            if piece is None:
                self._source = None
                self.partial = False
                break
            self._received += len(piece)
            if most and self._received > most:
                break
            self._append(piece, False)
        return self._received

    def _discard(self) -> bool:
        """Drops the bytes that are not sent; True if the program was still filling it."""
        self.link.session.outgoing_bytes -= self._size
        self._skip()
        if self._source is None:
            return self.partial
        self._source = None
        self.partial = False
        return False

    def _begin(self, session: SessionBinding) -> tuple[int, bytes, int, bool, bool]:
        """What each of its transfers says (2.7.5): delivery-id, tag, message-format, settled, resume.

        The first one gives it its delivery-id, by which the session then finds it until both ends have settled.
        """
        number = self._id
        if number is None:
            number = self._id = session.take_delivery_id()
            if not self._settled:
                session.outgoing[number] = self
        return number, self._tag, self._message_format, self._settled, self._resuming

    def _finish_sending(self, link: SenderState) -> None:
        """The last frame of the delivery at the head of its queue is written, and state and settlement with it."""
        self._sent = True
        self._dirty = False
        if self._settled:
            link.session.binding.outgoing.pop(self._id, None)  # type: ignore[arg-type]
        link.count_sent()
        (link.binding.resumed or link.outgoing).popleft()  # nothing else is written until all are resumed

    # -- for the links and the transport: a delivery that outlives its link (2.6.13) -------------------------------

    def _suspend(self, known: dict[int, Delivery], link: Link) -> None:
        """It goes over to the link that recovers its own; its delivery-id ends.

        :param known: the deliveries of the earlier session.
        """
        known.pop(self._id, None)  # type: ignore[arg-type]
        self._id = None
        self.link = link

    def _resume(self, number: int | None) -> None:
        """It goes on with this link, under another delivery-id; a sender gives it out with the first frame."""
        self._id = number
        self._resuming = True

    def _restore(self) -> int | None:
        """Has all its bytes to send again: their number, or None where they were not retained."""
        retained = self._retained
        if retained is None:
            return None
        self._chunks = list(retained)
        self._size = sum(map(len, retained))
        return self._size

    def _repeat(self) -> None:
        """Says again what was said while there was no delivery-id to say it with."""
        if self._settled or self.local_state:
            self._mark_dirty(endpoint_state(self.link))

    # -- for the links and the transport: bytes that have come -----------------------------------------------------

    def _unread(self) -> tuple[int, int]:
        """Bytes that are not read, and the frames that they came in."""
        return self._size, len(self._chunks)

    def _skip(self) -> tuple[int, int]:
        """Drops what is not read; how much it was, as `_unread`."""
        unread = self._size, len(self._chunks)
        self._chunks = []
        self._size = self._offset = 0
        return unread

    def _read_whole(self, join: bool = True) -> Any:
        """All of the current delivery, whose link advances: what `recv` and `advance` do for a message at once.

        :param join: False for a list of bytes.
        """
        link = self.link
        if link.current is not self:
            raise LinkException("[-5]: expected a current delivery, got none")
        size = self._size
        chunks = self._chunks
        frames = len(chunks)
        # One frame, nothing of it read: what _take would find out.
        if frames == 1 and not self._offset and join:
            data: Any = chunks[0]
            self._chunks = []
            self._size = 0
        else:
            data = self._take() if join or self._offset else chunks
            self._chunks = []
            self._size = 0
            data = data if join or data is chunks else [data]
        self._advanced = True
        state: ReceiverState = link._state  # type: ignore[assignment]
        session = state.session
        window = session.binding
        if window.incoming_window < window.low_water or session.window_limit:
            session.bytes_read(size, state, frames)
        else:
            link.session.incoming_bytes -= size
            state.shared.buffered_bytes -= size
        waiting = state.waiting
        link.current = waiting.popleft() if waiting else None
        link.credit -= 1
        link.queued -= 1
        return data

    def _take(self) -> bytes:
        """All the bytes that are buffered, unread; what is read is no longer counted in the session."""
        chunks = self._chunks
        if self._offset:
            chunks[0] = chunks[0][self._offset :]  # alone: the others need not be copied twice
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._offset = 0
        self._size = 0
        return data

    def _read(self, limit: int) -> tuple[bytes, int]:
        """The next bytes that are buffered, `limit` at most, and the number of chunks that they were the last of."""
        chunks = self._chunks
        count = len(chunks)
        if limit >= self._size:
            return self._take(), count
        offset = self._offset
        wanted = limit
        pieces = []
        while wanted:
            chunk = chunks[0]
            available = len(chunk) - offset
            if available > wanted:
                pieces.append(chunk[offset : offset + wanted])
                offset += wanted
                break
            pieces.append(chunk[offset:] if offset else chunk)
            wanted -= available
            del chunks[0]
            offset = 0
        self._offset = offset
        self._size -= limit
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), count - len(chunks)
