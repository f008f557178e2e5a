"""`Sender`: messages go out as credit, window and socket allow, in the order of the calls; outcomes come back.

A send has two waits: for its turn (credit, and room in what is to be written), and for the outcome. Rules for editors:
1. Turns are given in order. A turn that was given to a coroutine which was cancelled since goes to the next one.
2. Each delivery is in `_pending` from its send to its outcome, whatever becomes of the coroutine.
3. The path of a send that need not wait is straight: look at the call count.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from proton.asyncio.checks import check_kind
from proton.asyncio.errors import LinkClosed, Lost, Undeliverable
from proton.asyncio.link import Link, LinkSettings
from proton.asyncio.loop import CancelledError
from proton.asyncio.outcomes import Late, Receipt, outcome_of
from proton.asyncio.streams import MAX_UNSENT, begin_body, check_source, write_body
from proton.asyncio.waiting import DEFAULT, timed_out
from proton.endpoints.disposition import DispositionType, TransactionalDisposition
from proton.endpoints.streaming import StreamEncoder, check_size
from proton.logs import log
from proton.message import Message

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Union

    from proton.asyncio.connection import Connection

    Tag = Union[str, bytes, None]

__all__ = ["Sender"]

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


class Sender(Link):
    """A link over which messages are sent. Made by `Connection.sender`.

    :param resend: send again after a loss what has no outcome: each message at least once, some of them twice.
    """

    _kind = "sender"
    _is_sender = True

    def __init__(
        self,
        connection: Connection,
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
        self._pending: dict[Any, Any] = {}
        self._soon: dict[Any, int] = {}  # deliveries of `send_soon`, with their numbers, the oldest first
        self._soon_count = 0
        self._failures: list[Exception] = []  # of `send_soon`, for `flush`
        self._kept: dict[Any, _Kept] = {}
        # To be sent when the link is back: with what waits for the outcome, and the number of a `send_soon`.
        self._again: list[tuple[_Kept, Any, int | None]] = []
        self._streams: deque[Any] = deque()  # futures of streams that wait for the one under way
        self._is_streaming = False
        #: for `Requester`: what has not left at a loss is not sent over the next connection, where it would be outdated
        self.drops_unsent: bool = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and self._soon:
            try:
                await self.flush(self.connection.close_timeout)
            finally:
                await self.close()
        else:
            await self.close()
            if kind is None:
                self._raise_failures()

    def _prepare(self) -> None:
        if self._tags is not None:
            self._link.tag_generator = self._tags

    @property
    def credit(self) -> int:
        """Messages that the receiver takes now; 0 before the link is open."""
        return 0 if self._link is None else max(0, int(self._link.credit))

    @property
    def unsettled(self) -> int:
        """Messages that were sent and have no outcome yet."""
        return len(self._pending)

    # -- sending -------------------------------------------------------------------------------------------------

    async def send(self, message: Message, *, tag: Tag = None, timeout: float | None = DEFAULT) -> Receipt:
        """Send a message, and wait until its receiver has settled it.

        If this is cancelled before the message has left, it is not sent; afterwards it stays sent, and its outcome goes
        to `on_late_outcome` of the connection.

        :param message: the message.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for credit and outcome together, None for no limit; the connection's if left out.
        :return: the receipt of an accepted message; on a link that sends settled, at once.
        :raises Rejected, Released, Modified: that is its outcome.
        :raises Lost: the connection was lost, or closed, before the outcome: the message may have arrived.
        :raises Timeout: no credit, or no outcome in time. In the second case the text says that it may have arrived.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended; the message was not sent.
        :raises LinkException: the message is larger than the peer takes.
        """
        limit = self.connection.timeout if timeout is DEFAULT else self._limit(timeout)
        loop = self.connection.loop
        started = loop.time()
        delivery = await self._put(message, tag, limit)
        if delivery.link.snd_settle_mode == 1:  # SND_SETTLED
            return Receipt(delivery.tag_bytes, 0)
        future = loop.create_future()
        self._pending[delivery] = future
        left = None if limit is None else max(0.0, limit - (loop.time() - started))
        return await self._outcome(delivery, future, left, limit)

    async def _outcome(self, delivery: Any, future: Any, left: float | None, limit: float | None) -> Receipt:
        """The receipt of a delivery; raises where it was not accepted."""
        loop = self.connection.loop
        try:
            outcome = await loop.wait(future, left, lambda: self._outcome_missing(limit))
        except CancelledError:
            self._give_up_on(delivery, future)
            raise
        if isinstance(outcome, Exception):
            if delivery in self._pending:
                self._give_up_on(delivery, future)
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def _outcome_missing(self, limit: float | None) -> Exception:
        return timed_out(f"waiting for the outcome of a message to {self._described()}, which may have arrived", limit)

    def _give_up_on(self, delivery: Any, future: Any) -> None:
        """The coroutine that waited for the outcome of a delivery has ended."""
        if self._pending.get(delivery) is future:
            self._pending[delivery] = Late(self.connection)
        elif future.done() and not future.cancelled():
            self.connection.tell_late_outcome(future.result())

    async def send_soon(self, message: Message, *, tag: Tag = None, timeout: float | None = DEFAULT) -> None:
        """Send a message as soon as there is credit, without waiting for its outcome; `flush` tells of all of them.

        :param message: the message.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for the wait for credit, None for no limit; the connection's if left out.
        :raises Timeout: no credit in time; the message was not sent.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended; the message was not sent.
        :raises LinkException: the message is larger than the peer takes.
        """
        limit = self.connection.timeout if timeout is DEFAULT else self._limit(timeout)
        delivery = await self._put(message, tag, limit)
        if delivery.link.snd_settle_mode != 1:  # SND_SETTLED
            self._pending[delivery] = None
            self._soon_count = self._soon[delivery] = self._soon_count + 1

    async def flush(self, timeout: float | None = DEFAULT) -> None:
        """Wait until all that `send_soon` has sent before has an outcome.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises Undeliverable: one or more were not accepted since the last flush: the first one, the rest in `others`.
        :raises Lost: the connection was lost before the outcome of one: it may have arrived.
        :raises Timeout: one has no outcome in time.
        """
        limit = self._limit(timeout)
        last = self._soon_count
        soon = self._soon

        def done() -> bool:
            again = any(number is not None and number <= last for _, _, number in self._again)
            return not again and (not soon or next(iter(soon.values())) > last)

        if not done():
            host = self.connection.host
            host.turn()
            await self._waiters.until(host.loop, done, limit, f"flushing {self._described()}")
        self._raise_failures()

    def _raise_failures(self) -> None:
        if self._failures:
            failures, self._failures = self._failures, []
            first = next((error for error in failures if isinstance(error, Undeliverable)), failures[0])
            if isinstance(first, Undeliverable):
                first.others = [error for error in failures if error is not first and isinstance(error, Undeliverable)]
            raise first

    async def put(
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
                delivery = self._link.send(message)
                is_sent = True
        finally:
            if not is_sent:
                self.on_flow()  # the turn was not used: the next one may have it
        if is_sent and delivery.link.snd_settle_mode != 1:  # SND_SETTLED
            self._pending[delivery] = waiter
        return is_sent

    def put_now(self, message: Message, waiter: Any) -> None:
        """For `Requester`: as `put`, without waiting: the engine keeps it until there is credit.

        :raises LinkClosed: the link has ended.
        """
        if self._error is not None:
            raise self._error
        self._pending[self._link.send(message)] = waiter

    async def send_in(self, identity: bytes, message: Message, tag: Tag, timeout: float | None) -> Receipt:
        """For `Transaction`: send a message as part of it (4.4.2).

        :param identity: the id of the transaction.
        """
        limit = self._limit(timeout)
        delivery = await self._put(message, tag, limit)
        delivery.update(TransactionalDisposition(identity))
        future = self.connection.loop.create_future()
        self._pending[delivery] = future
        return await self._outcome(delivery, future, limit, limit)

    # -- turns ---------------------------------------------------------------------------------------------------

    async def _put(self, message: Message, tag: Tag, limit: float | None) -> Any:
        """Gives a message to the engine when it is its turn; the engine's delivery."""
        if message.__class__ is not Message and not isinstance(message, Message):
            raise TypeError(f"send takes a Message, got {type(message).__name__} {message!r:.50}")
        self.connection.loop.check()
        link = self._link
        if (
            self._error is not None
            or self._turns
            or self._granted
            or link is None
            or link.credit <= 0
            or self._in_turn >= MAX_IN_TURN
            or link.session.outgoing_bytes > MAX_UNSENT
        ):
            await self._turn(limit)
            link = self._link
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
        delivery = self._link.send(message, kept.tag)
        self._kept[delivery] = kept
        return delivery

    async def _turn(self, limit: float | None) -> None:
        """Wait for credit, and for room in what is to be written."""
        if self._link is None and self._error is None:
            raise self._not_open()
        if self._error is not None:
            raise self._error
        loop = self.connection.loop
        deadline = loop.deadline(limit)
        what = f"waiting for credit of {self._described()}"
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
                error = await loop.wait(future, left, lambda: timed_out(what, limit))
            except BaseException:
                self._return_turn(ticket, future)
                raise
            if error is not None:
                self._return_turn(ticket, future)
                raise error
            if self._error is not None:
                self._granted.remove(ticket)
                raise self._error
            is_next = self._granted[0] == ticket and not (self._turns and self._turns[0][0] < ticket)
            self._granted.remove(ticket)
            must_wait = not (is_next and self._may_go())
        self._in_turn += 1
        if self._link.drain_mode:
            loop.call_soon(self.on_flow)  # once this one is sent, what is left of the credit goes back (2.6.7)

    def _wait_for_room(self) -> None:
        """Has `on_flow` called when what is not credit allows more."""
        host = self.connection.host
        if self._in_turn >= MAX_IN_TURN and not self._is_resting:
            self._is_resting = True
            host.loop.call_soon(self._go_on)
        if self._link.session.outgoing_bytes > MAX_UNSENT:
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

    def _not_open(self) -> Exception:
        return LinkClosed(f"{self._described()} is not open: use async with, or await it")

    def _has_turn(self) -> bool:
        """Whether one more may have a turn, behind those that were given one."""
        granted = len(self._granted)
        return self._link.credit > granted and self._in_turn + granted < MAX_IN_TURN and self._may_go()

    def _may_go(self) -> bool:
        """Whether the next message may be sent now."""
        link = self._link
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
            link = self._link
            if link is not None and link.drain_mode and self._error is None and link.credit > len(self._granted):
                link.drained()  # nothing waits to be sent: the receiver has its credit back (2.6.7)
            return
        while turns and (self._error is not None or self._has_turn()):
            ticket, future = turns.popleft()
            if not future.done():
                if self._error is None:
                    insort(self._granted, ticket)
                    future.set_result(None)
                else:
                    future.set_result(self._error)
        if turns and self._link.credit > len(self._granted):
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
        pending = self._pending.pop(delivery, _MISSING)
        if self._kept:
            self._kept.pop(delivery, None)
        delivery.settle()
        if pending is _MISSING:
            return
        if pending is None:
            del self._soon[delivery]
            if state != _ACCEPTED:
                self._fail_soon(outcome_of(delivery, state))
            if self._waiters:
                self._waiters.wake()
        elif not pending.done():
            accepted = state == _ACCEPTED
            pending.set_result(Receipt(delivery.tag_bytes, state) if accepted else outcome_of(delivery, state))
        else:
            self.connection.tell_late_outcome(outcome_of(delivery, state))

    def _fail_soon(self, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self._failures.append(outcome)

    def _is_awaited(self) -> bool:
        return bool(self._waiters or self._turns) or any(waiter is not None for waiter in self._pending.values())

    def _lose(self, delivery: Any, waiter: Any, error: Lost) -> None:
        """A message without an outcome, which will not come any more."""
        error.receipt = Receipt(delivery.tag_bytes, 0)
        if waiter is None:
            self._soon.pop(delivery, None)
            self._failures.append(error)
        elif not waiter.done():
            waiter.set_result(error)

    def _drop_binding(self) -> None:
        """What was sent and has no outcome may have arrived; what has not left is sent over the next transport."""
        # The engine drops what was partly sent when it unbinds, and keeps what has not left: that alone has bytes now.
        pending, self._pending = self._pending, {}
        for delivery, waiter in pending.items():
            unsent = delivery.pending > 0 and not delivery.partial
            kept = self._kept.pop(delivery, None)
            if kept is not None and self._error is None:
                self._again.append((kept, waiter, self._soon.pop(delivery, None)))
                delivery.abort()
            elif unsent and not self.drops_unsent:
                self._pending[delivery] = waiter
            else:
                _drop(delivery)
                self._lose(delivery, waiter, self._lost_error())
        self._waiters.wake()

    def _lost_error(self) -> Lost:
        connection = self.connection
        reason = f": {connection.reason_text()}" if connection.reason_text() else ""
        return Lost(f"{self._described()}: the connection was lost{reason}; the message may have arrived")

    def _restored(self) -> None:
        """Sends again what has no outcome, before anything else."""
        again, self._again = self._again, []
        for kept, waiter, number in again:
            delivery = self._put_again(kept)
            self._pending[delivery] = waiter
            if number is not None:
                self._soon[delivery] = number

    def _end(self, error: Exception, is_orderly: bool) -> None:
        super()._end(error, is_orderly)
        self._fail_pending()

    def _leave(self) -> None:
        self._fail_pending()

    def _fail_pending(self) -> None:
        pending, self._pending = self._pending, {}
        reason = self._error or self._closed_error()
        for delivery, waiter in pending.items():
            if delivery.pending > 0 and not delivery.partial:
                delivery.abort()
                if waiter is None:
                    self._soon.pop(delivery, None)
                    self._failures.append(reason)
                elif not waiter.done():
                    waiter.set_result(reason)
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
                self._failures.append(lost)
            elif waiter is not None and not waiter.done():
                waiter.set_result(lost)
        self._kept.clear()
        self._soon.clear()
        for future in self._streams:
            if not future.done():
                future.set_result(None)
        self._waiters.wake()
        if self._failures and not self._is_awaited():
            log.debug("%s has ended with %d messages not accepted", self._described(), len(self._failures))

    # -- streams -------------------------------------------------------------------------------------------------

    async def send_stream(
        self,
        source: AsyncIterable[bytes] | Iterable[bytes],
        message: Message | None = None,
        *,
        size: int | None = None,
        tag: Tag = None,
        timeout: float | None = DEFAULT,
    ) -> Receipt:
        """Send a message whose body comes from a source, piece by piece, as fast as the peer and the network take it.

        Messages sent over the link later wait for it (2.6.12). If the source raises, or this is cancelled, the message
        is given up: the peer drops what it has of it (2.7.5), and a source that is an asynchronous generator is closed.

        :param source: an asynchronous iterator of bytes, an iterable of bytes, or a binary file.
        :param message: a message without body, whose other sections are sent around it.
        :param size: bytes of the body, for one data section; without it each piece becomes one.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for each wait, for credit, for the source, and for the outcome; not for the whole.
        :return: the receipt of an accepted message.
        :raises ValueError: the source has more or fewer bytes than `size`.
        :raises Rejected, Released, Modified, Lost, Timeout, LinkClosed: as `send`.
        """
        check_size(size)
        limit = self._limit(timeout)
        check_source(source)
        check_kind("message", message, Message)
        StreamEncoder(message, size)  # what is wrong with it is to be raised here
        loop = self.connection.loop
        loop.check()
        await self._turn_to_stream()
        delivery: Any = None
        try:
            await self._turn(limit)
            delivery, encoder = begin_body(self._link, message, size, tag)
            future = loop.create_future()
            self._pending[delivery] = future
            await write_body(self.connection.host, delivery, future, encoder, source, limit)
        except BaseException:
            if delivery is not None and self._pending.pop(delivery, None) is not None:
                delivery.abort()
                self.connection.host.turn()
            raise
        finally:
            self._next_stream()
        if delivery.link.snd_settle_mode == 1:  # SND_SETTLED
            self._pending.pop(delivery, None)
            delivery.settle()
            return Receipt(delivery.tag_bytes, 0)
        return await self._outcome(delivery, future, limit, limit)

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
            if self._error is not None:
                raise self._error
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
