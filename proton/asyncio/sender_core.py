"""`SenderCore`: messages go out as credit, window and socket allow, in the order of the calls; outcomes come back.

A send has two waits: for its turn (credit, and room in what is to be written), and for the outcome. Rules for editors:
1. Turns are given in order. A turn that was given to a coroutine which was cancelled since goes to the next one.
2. Each delivery is in `pending` from its send to its outcome, whatever becomes of the coroutine.
3. The path of a send that need not wait is straight: look at the call count.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from proton.asyncio.errors import Lost, Undeliverable, fresh
from proton.asyncio.link_core import LinkCore, LinkSettings
from proton.asyncio.loop import CancelledError
from proton.asyncio.outcomes import Late, Receipt, outcome_of
from proton.asyncio.streams import MAX_UNSENT, begin_body, write_body
from proton.asyncio.waiting import timed_out
from proton.endpoints.disposition import DispositionType, TransactionalDisposition
from proton.endpoints.streaming import StreamEncoder
from proton.logs import log
from proton.message import Message
from proton.transport.progress import awaited_of_delivery, awaited_of_sender

if TYPE_CHECKING:
    from typing import Union

    from proton.asyncio.connection_core import ConnectionCore

    Tag = Union[str, bytes, None]

__all__ = ["SenderCore"]

#: messages that a sender may send before the others have a turn, while there is credit
MAX_IN_TURN = 100

_ACCEPTED = DispositionType.ACCEPTED
_REJECTED = DispositionType.REJECTED
_RELEASED = DispositionType.RELEASED
_MODIFIED = DispositionType.MODIFIED
_TRANSACTIONAL = DispositionType.TRANSACTIONAL_STATE
_OUTCOMES = frozenset((_ACCEPTED, _REJECTED, _RELEASED, _MODIFIED, DispositionType.TRANSACTION_DECLARED))
_MISSING: Any = object()


class _Kept(NamedTuple):
    """A message that is sent again after a loss."""

    tag: bytes
    pieces: tuple[bytes, ...]
    message_format: int


class SenderCore(LinkCore):
    """The state of a sender."""

    _kind = "sender"
    _is_sender = True

    def __init__(
        self,
        connection: ConnectionCore,
        settings: LinkSettings,
        session: Callable[[], Any],
        tags: Any = None,
        resend: bool = False,
    ) -> None:
        super().__init__(connection, settings, session)
        self._tags = tags
        self._resend = resend
        # Pairs of the ticket and the future of those that wait for their turn, the first one first.
        self._turns: deque[tuple[int, Any]] = deque()
        self._tickets = 0
        self._granted: list[int] = []  # tickets that were given a turn and have not used it yet
        self._is_flow_due = False  # `on_flow` is about to be called
        self._in_turn = 0  # messages since the others had a turn
        self._is_resting = False  # until they have had one
        # What waits for the outcome of a delivery: a future, or an object like one; None for `send_soon`.
        self.pending: dict[Any, Any] = {}
        self.soon: dict[Any, int] = {}  # deliveries of `send_soon`, with their numbers, the oldest first
        self.soon_count: int = 0
        self.failures: list[Exception] = []  # of `send_soon`, for `flush`
        self._kept: dict[Any, _Kept] = {}
        # To be sent when the link is back: with what waits for the outcome, and the number of a `send_soon`.
        self._again: list[tuple[_Kept, Any, int | None]] = []
        self._streams: deque[Any] = deque()  # futures of streams that wait for the one under way
        self._is_streaming = False
        #: for `Requester`: what has not left at a loss is not sent over the next connection, where it would be outdated
        self.drops_unsent: bool = False

    def _prepare(self) -> None:
        if self._tags is not None:
            self.link.tag_generator = self._tags

    # -- sending -------------------------------------------------------------------------------------------------

    async def outcome(self, delivery: Any, future: Any, left: float | None, limit: float | None) -> Receipt:
        """The receipt of a delivery; raises where it was not accepted."""
        loop = self.connection.loop
        try:
            outcome = await loop.wait(future, left, lambda: self._outcome_missing(delivery, limit))
        except CancelledError:
            self._give_up_on(delivery, future)
            raise
        if isinstance(outcome, Exception):
            if delivery in self.pending:
                self._give_up_on(delivery, future)
            raise fresh(outcome)
        return outcome  # type: ignore[no-any-return]

    def _outcome_missing(self, delivery: Any, limit: float | None) -> Exception:
        return timed_out(f"{awaited_of_delivery(delivery)}: {self.awaited()}", limit)

    def _give_up_on(self, delivery: Any, future: Any) -> None:
        """The coroutine that waited for the outcome of a delivery has ended."""
        if self.pending.get(delivery) is future:
            self.pending[delivery] = Late(self.connection)
        elif future.done() and not future.cancelled():
            self.connection.tell_late_outcome(future.result())

    async def flush(self, limit: float | None) -> None:
        """See `Sender.flush`."""
        last = self.soon_count
        soon = self.soon

        def done() -> bool:
            again = any(number is not None and number <= last for _, _, number in self._again)
            return not again and (not soon or next(iter(soon.values())) > last)

        if not done():
            host = self.connection.host
            host.turn()
            await self.waiters.until(host.loop, done, limit, self._flushing)
        self.raise_failures()

    def _flushing(self) -> str:
        return f"flushing {self.awaited()}: waiting for the outcomes of {len(self.soon) + len(self._again)} messages"

    def raise_failures(self) -> None:
        """Raises what `send_soon` could not tell."""
        if self.failures:
            failures, self.failures = self.failures, []
            first = next((error for error in failures if isinstance(error, Undeliverable)), failures[0])
            if isinstance(first, Undeliverable):
                first.others = [error for error in failures if error is not first and isinstance(error, Undeliverable)]
            raise first

    async def put_with(
        self, message: Message, waiter: Any, timeout: float | None, prepare: Callable[[Message], bool]
    ) -> bool:
        """For `Requester`: send a message as soon as there is credit.

        :param waiter: takes the outcome, as a future does.
        :param timeout: seconds for the credit, None for no limit.
        :param prepare: called with the message right before it is sent; False where it cannot be sent now.
        :return: whether it was sent.
        """
        await self._turn(timeout)
        is_sent = False
        try:
            if prepare(message):
                delivery = self.link.send(message)
                is_sent = True
        finally:
            if not is_sent:
                self.on_flow()  # the turn was not used: the next one may have it
        if is_sent and delivery.link.snd_settle_mode != 1:  # SND_SETTLED
            self.pending[delivery] = waiter
        return is_sent

    def put_now(self, message: Message, waiter: Any) -> None:
        """For `Requester`: as `put_with`, without waiting: the engine keeps it until there is credit.

        :raises LinkClosed: the link has ended.
        """
        if self.error is not None:
            raise fresh(self.error)
        self.pending[self.link.send(message)] = waiter

    async def send_in(self, identity: bytes, message: Message, tag: Tag, timeout: float | None) -> Receipt:
        """For `Transaction`: send a message as part of it (4.4.2).

        :param identity: the id of the transaction.
        """
        limit = self.limit_of(timeout)
        delivery = await self.put(message, tag, limit)
        delivery.update(TransactionalDisposition(identity))
        future = self.connection.loop.create_future()
        self.pending[delivery] = future
        return await self.outcome(delivery, future, limit, limit)

    # -- turns ---------------------------------------------------------------------------------------------------

    async def put(self, message: Message, tag: Tag, limit: float | None) -> Any:
        """Gives a message to the engine when it is its turn; the engine's delivery."""
        if message.__class__ is not Message and not isinstance(message, Message):
            raise TypeError(f"send takes a Message, got {type(message).__name__} {message!r:.50}")
        self.connection.loop.check()
        link = self.link
        if (
            self.error is not None
            or self._turns
            or self._granted
            or link is None
            or link.credit <= 0
            or self._in_turn >= MAX_IN_TURN
            or link.session.outgoing_bytes > MAX_UNSENT
        ):
            await self._turn(limit)
            link = self.link
        else:
            self._in_turn += 1
        try:
            return link.send(message, tag) if not self._resend else self._put_kept(link, message, tag)
        except BaseException:
            self.on_flow()  # the turn was not used: the next one may have it
            raise

    def _put_kept(self, link: Any, message: Message, tag: Tag) -> Any:
        delivery = link.send(message, tag)
        if link.snd_settle_mode == 1:  # SND_SETTLED: the program has asked for once at most
            return delivery
        # The pieces as they are now: the program may change its message.
        self._kept[delivery] = _Kept(delivery.tag_bytes, tuple(delivery._chunks), message.message_format)
        return delivery

    def _put_again(self, kept: _Kept) -> Any:
        message = Message()
        message.decode(b"".join(kept.pieces))
        message.message_format = kept.message_format
        delivery = self.link.send(message, kept.tag)
        self._kept[delivery] = kept
        return delivery

    async def _turn(self, limit: float | None) -> None:
        """Wait for credit, and for room in what is to be written."""
        if self.link is None and self.error is None:
            raise self.not_open()
        if self.error is not None:
            raise fresh(self.error)
        loop = self.connection.loop
        deadline = loop.deadline(limit)
        self._tickets = ticket = self._tickets + 1
        must_wait = bool(self._turns or self._granted) or not self._has_turn()
        while must_wait:
            future = loop.create_future()
            # A turn that came to nothing, because a loss took the credit, does not cost the place in the queue.
            insort(self._turns, (ticket, future))
            self._wait_for_room()
            if self._granted and not self._is_flow_due:
                self._is_flow_due = True
                loop.call_soon(self._flow_again)
            left = loop.left(deadline)
            try:
                error = await loop.wait(future, left, lambda: timed_out(self._awaiting_turn, limit))
            except BaseException:
                self._return_turn(ticket, future)
                raise
            if error is not None:
                self._return_turn(ticket, future)
                raise error
            if self.error is not None:
                self._granted.remove(ticket)
                raise fresh(self.error)
            is_next = self._granted[0] == ticket and not (self._turns and self._turns[0][0] < ticket)
            self._granted.remove(ticket)
            must_wait = not (is_next and self._may_go())
        self._in_turn += 1
        if self.link.drain_mode:
            loop.call_soon(self.on_flow)  # once this one is sent, what is left of the credit goes back (2.6.7)

    def _awaiting_turn(self) -> str:
        """What a send waits for, in words."""
        what = awaited_of_sender(self.link) if self.connection.is_connected else "credit"
        return f"waiting for {what}: {self.awaited()}"

    def _wait_for_room(self) -> None:
        """Has `on_flow` called when what is not credit allows more."""
        host = self.connection.host
        if self._in_turn >= MAX_IN_TURN and not self._is_resting:
            self._is_resting = True
            host.loop.call_soon(self._go_on)
        if self.link.session.outgoing_bytes > MAX_UNSENT:
            host.blocked[self] = None
            host.turn_soon()

    def _go_on(self) -> None:
        """The others had a turn."""
        self._is_resting = False
        self._in_turn = 0
        self.connection.host.turn()
        self.on_flow()

    def _flow_again(self) -> None:
        """Those that were given a turn before have used it."""
        self._is_flow_due = False
        self.on_flow()

    def _has_turn(self) -> bool:
        """Whether one more may have a turn, behind those that were given one."""
        granted = len(self._granted)
        return self.link.credit > granted and self._in_turn + granted < MAX_IN_TURN and self._may_go()

    def _may_go(self) -> bool:
        """Whether the next message may be sent now."""
        link = self.link
        return bool(link.credit > 0 and self._in_turn < MAX_IN_TURN and link.session.outgoing_bytes <= MAX_UNSENT)

    def _return_turn(self, ticket: int, future: Any) -> None:
        if ticket in self._granted:
            self._granted.remove(ticket)
            self.on_flow()
        elif (ticket, future) in self._turns:
            self._turns.remove((ticket, future))

    def on_flow(self) -> None:
        """Gives turns to those that wait, in order, as far as credit and room go."""
        turns = self._turns
        if not turns:
            link = self.link
            if link is not None and link.drain_mode and self.error is None and link.credit > len(self._granted):
                link.drained()  # nothing waits to be sent: the receiver has its credit back (2.6.7)
            return
        while turns and (self.error is not None or self._has_turn()):
            ticket, future = turns.popleft()
            if not future.done():
                if self.error is None:
                    insort(self._granted, ticket)
                    future.set_result(None)
                else:
                    future.set_result(self.error)
        if turns and self.link.credit > len(self._granted):
            self._wait_for_room()

    # -- outcomes ------------------------------------------------------------------------------------------------

    def on_delivery(self, delivery: Any) -> None:
        """The receiver has said something about a message."""
        if not delivery.updated:
            return
        state = delivery.remote_state
        if state not in _OUTCOMES and not delivery.settled and state != _TRANSACTIONAL:
            return
        # Settled without an outcome, and a provisional outcome of a transaction (4.5.8), are all that will come.
        pending = self.pending.pop(delivery, _MISSING)
        if self._kept:
            self._kept.pop(delivery, None)
        delivery.settle()
        if pending is _MISSING:
            return
        if pending is None:
            del self.soon[delivery]
            if state != _ACCEPTED:
                self._fail_soon(outcome_of(delivery, state, self.settings.address))
            if self.waiters:
                self.waiters.wake()
        elif not pending.done():
            accepted = state == _ACCEPTED
            pending.set_result(
                Receipt(delivery.tag_bytes, state) if accepted else outcome_of(delivery, state, self.settings.address)
            )
        else:
            self.connection.tell_late_outcome(outcome_of(delivery, state, self.settings.address))

    def _fail_soon(self, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self.failures.append(outcome)

    def is_awaited(self) -> bool:
        """Whether a coroutine waits for something of it."""
        return bool(self.waiters or self._turns) or any(waiter is not None for waiter in self.pending.values())

    def _lose(self, delivery: Any, waiter: Any, error: Lost) -> None:
        """A message without an outcome, which will not come any more."""
        error.receipt = Receipt(delivery.tag_bytes, 0)
        if waiter is None:
            self.soon.pop(delivery, None)
            self.failures.append(error)
        elif not waiter.done():
            waiter.set_result(error)

    def _drop_binding(self) -> None:
        """What was sent and has no outcome may have arrived; what has not left is sent over the next transport."""
        # The engine drops what was partly sent when it unbinds, and keeps what has not left: that alone has bytes now.
        pending, self.pending = self.pending, {}
        for delivery, waiter in pending.items():
            unsent = delivery.pending > 0 and not delivery.partial
            kept = self._kept.pop(delivery, None)
            if kept is not None and self.error is None:
                self._again.append((kept, waiter, self.soon.pop(delivery, None)))
                delivery.abort()
            elif unsent and not self.drops_unsent:
                self.pending[delivery] = waiter
            else:
                _drop(delivery)
                self._lose(delivery, waiter, self._lost_error())
        self.waiters.wake()

    def _lost_error(self) -> Lost:
        connection = self.connection
        reason = f": {connection.reason_text()}" if connection.reason_text() else ""
        return Lost(f"{self.described()}: the connection was lost{reason}; the message may have arrived")

    def _restored(self) -> None:
        """Sends again what has no outcome, before anything else."""
        again, self._again = self._again, []
        for kept, waiter, number in again:
            delivery = self._put_again(kept)
            self.pending[delivery] = waiter
            if number is not None:
                self.soon[delivery] = number

    def _end(self, error: Exception, is_orderly: bool) -> None:
        super()._end(error, is_orderly)
        self._fail_pending()

    def _leave(self) -> None:
        self._fail_pending()

    def _fail_pending(self) -> None:
        pending, self.pending = self.pending, {}
        reason = self.error or self._closed_error()
        for delivery, waiter in pending.items():
            if delivery.pending > 0 and not delivery.partial:
                delivery.abort()
                if waiter is None:
                    self.soon.pop(delivery, None)
                    self.failures.append(fresh(reason))
                elif not waiter.done():
                    waiter.set_result(fresh(reason))
            else:
                # Not settled: before the detach it would tell the receiver that the message is its own (2.6.12).
                if delivery.partial:
                    delivery.abort()
                self._lose(delivery, waiter, Lost(f"{reason}; the message may have arrived"))
        again, self._again = self._again, []
        for kept, waiter, number in again:
            lost = Lost(f"{reason}; the message may have arrived")
            lost.receipt = Receipt(kept.tag, 0)
            if number is not None:
                self.failures.append(lost)
            elif waiter is not None and not waiter.done():
                waiter.set_result(lost)
        self._kept.clear()
        self.soon.clear()
        for future in self._streams:
            if not future.done():
                future.set_result(None)
        self.waiters.wake()
        if self.failures and not self.is_awaited():
            log.debug("%s has ended with %d messages not accepted", self.described(), len(self.failures))

    # -- streams -------------------------------------------------------------------------------------------------

    async def send_stream(
        self, source: Any, message: Message | None, size: int | None, tag: Tag, limit: float | None
    ) -> Receipt:
        """See `Sender.send_stream`."""
        StreamEncoder(message, size)  # what is wrong with it is to be raised here
        loop = self.connection.loop
        loop.check()
        await self._turn_to_stream()
        delivery: Any = None
        try:
            await self._turn(limit)
            delivery, encoder = begin_body(self.link, message, size, tag)
            future = loop.create_future()
            self.pending[delivery] = future
            await write_body(self.connection.host, delivery, future, encoder, source, limit)
        except BaseException:
            if delivery is not None and self.pending.pop(delivery, None) is not None:
                delivery.abort()
                self.connection.host.turn()
            raise
        finally:
            self._next_stream()
        if delivery.link.snd_settle_mode == 1:  # SND_SETTLED
            self.pending.pop(delivery, None)
            delivery.settle()
            return Receipt(delivery.tag_bytes, 0)
        return await self.outcome(delivery, future, limit, limit)

    async def _turn_to_stream(self) -> None:
        """Wait for the end of the stream under way: bodies do not mix (2.6.12)."""
        if self._is_streaming:
            future = self.connection.loop.create_future()
            self._streams.append(future)
            try:
                await future
            except BaseException:
                if future.done() and not future.cancelled():
                    self._next_stream()
                raise
            if self.error is not None:
                raise fresh(self.error)
            return
        self._is_streaming = True

    def _next_stream(self) -> None:
        """The stream under way is over; the next one that waits takes its place at once."""
        while self._streams:
            waiter = self._streams.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._is_streaming = False


def _drop(delivery: Any) -> None:
    """Nothing more is expected of a delivery; what was not completed does not leave."""
    if delivery.partial or delivery.pending:
        delivery.abort()
    else:
        delivery.settle()
