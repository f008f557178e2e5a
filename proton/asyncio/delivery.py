"""`Delivery`: a received message's other half: what the program tells the sender of it, and `BodyStream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.asyncio.checks import check_flag, check_kind
from proton.asyncio.errors import Lost, Undeliverable, disposition_of
from proton.asyncio.loop import CancelledError
from proton.asyncio.opening import AsyncWith
from proton.asyncio.waiting import DEFAULT, Waiters, limit_of
from proton.endpoints.condition import Condition, reason_of
from proton.endpoints.disposition import (
    Disposition,
    DispositionType,
    LocalDisposition,
    ModifiedDisposition,
    RejectedDisposition,
)
from proton.exceptions import LinkException, MessageException

if TYPE_CHECKING:
    from types import TracebackType

    from proton.asyncio.receiver import Receiver
    from proton.asyncio.receiver_core import ReceiverCore
    from proton.codec.types import AMQPValue
    from proton.endpoints.delivery import Delivery as EngineDelivery
    from proton.endpoints.streaming import BodyReader
    from proton.message import Message

__all__ = ["BodyStream", "Delivery"]

_ACCEPTED = DispositionType.ACCEPTED
_RELEASED = DispositionType.RELEASED
_OUTCOMES = (_ACCEPTED, DispositionType.REJECTED, _RELEASED, DispositionType.MODIFIED)
_RCV_SECOND = 1


class Delivery(AsyncWith):
    """A received message, as its sender knows it: it waits for an outcome.

    ``async with delivery:`` accepts it at the end of the block. `Rejected`, `Released` or `Modified`, raised in the
    block, is its outcome, and goes no further; a cancellation releases it; any other exception makes it modified, as a
    failed attempt. The last two go on.
    """

    __slots__ = ("_core", "_delivery")

    def __init__(self, delivery: EngineDelivery, core: ReceiverCore) -> None:
        self._delivery = delivery
        self._core = core

    def __repr__(self) -> str:
        how = "open" if self.is_open else "settled"
        return f"<proton.asyncio.Delivery {self._delivery.tag_bytes!r:.40} of {self._core.described()}: {how}>"

    @property
    def tag(self) -> bytes:
        """The delivery tag."""
        tag: bytes = self._delivery.tag_bytes
        return tag

    @property
    def is_open(self) -> bool:
        """True while it waits for its outcome: not settled, and its connection not lost since."""
        return self._delivery in self._core.open_deliveries

    @property
    def receiver(self) -> Receiver:
        """The receiver that has it."""
        receiver: Receiver = self._core.face
        return receiver

    @property
    def engine_delivery(self) -> EngineDelivery:
        """The `proton.Delivery` below."""
        return self._delivery

    # -- outcomes ------------------------------------------------------------------------------------------------

    def accept(self) -> bool:
        """Accept the message (3.4.2).

        This call and the others like it only note the outcome, which leaves with the next write.

        :return: False where it has no effect: the message has an outcome already, or its connection was lost since,
            and the sender sends it again.
        """
        core = self._core
        delivery = self._delivery
        if core.open_deliveries.pop(delivery, None) is None:
            return False
        if delivery.link.rcv_settle_mode == _RCV_SECOND or core.watches_settlements:
            return self._settle(_ACCEPTED)
        delivery._settle_with(_ACCEPTED)
        return True

    def reject(
        self, condition: str | Condition | None = None, description: str | None = None, info: AMQPValue = None
    ) -> bool:
        """Reject the message as invalid (3.4.3).

        :param condition: the symbol of the reason, or a `Condition`.
        :param description: the reason in words.
        :param info: a map with further facts.
        :return: as `accept`.
        :raises TypeError: the condition is of another type.
        """
        return self.settle(RejectedDisposition(reason_of(condition, description, info)))

    def release(self) -> bool:
        """Give the message back, as if it had not been sent (3.4.4).

        :return: as `accept`.
        """
        return self.settle(_RELEASED)

    def modify(
        self,
        failed: bool = True,
        undeliverable: bool = False,
        annotations: dict[AMQPValue, AMQPValue] | None = None,
    ) -> bool:
        """Give the message back, to be changed before it is sent again (3.4.5).

        :param failed: it counts as a failed attempt.
        :param undeliverable: it must not be sent here again.
        :param annotations: what to put into its message annotations.
        :return: as `accept`.
        """
        check_flag("failed", failed)
        check_flag("undeliverable", undeliverable)
        check_kind("annotations", annotations, dict)
        return self.settle(ModifiedDisposition(failed, undeliverable, annotations))

    def settle(self, outcome: Disposition | int) -> bool:
        """Give the message an outcome.

        :param outcome: a disposition such as `proton.RejectedDisposition`, or a number such as `Delivery.ACCEPTED`.
        :return: as `accept`.
        :raises DataException, TypeError: a field of the disposition cannot be sent; the delivery is still open.
        """
        if not self.is_open:
            return False
        if isinstance(outcome, LocalDisposition):
            raise TypeError("expected a disposition of the program's own, got one of a delivery")
        self._delivery.update(outcome)
        self._core.open_deliveries.pop(self._delivery, None)
        return self._settle(None)

    def _settle(self, outcome: Any) -> bool:
        delivery, core = self._delivery, self._core
        if outcome is not None:
            delivery.update(outcome)
        if delivery.link.rcv_settle_mode == _RCV_SECOND and not delivery.settled:
            core.settling[delivery] = Waiters()
        else:
            delivery.settle()
        core.note_settled(delivery)
        return True

    async def settled(self, timeout: float | None = DEFAULT) -> None:
        """Wait until the sender has settled the message too, on a link whose receiver settles second (2.8.3).

        On other links, and for a delivery without an outcome of this end, there is nothing to wait for.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises Lost: the connection was lost, or the link has ended, before; the sender may send the message again.
        :raises Timeout: the sender has not answered in time.
        """
        core = self._core
        limit = limit_of(timeout, core.connection.timeout)
        delivery = self._delivery

        def done() -> bool:
            if delivery in core.settling:
                return False
            waited = delivery.link.rcv_settle_mode == _RCV_SECOND and delivery.local_state in _OUTCOMES
            if waited and not delivery.settled:
                is_loss = core.error is None or isinstance(core.error, Lost)
                how = "the connection was lost" if is_loss else "the link has ended"
                raise Lost(f"{core.described()}: {how} before the sender has settled")
            return True

        waiters = core.settling.get(delivery)
        if waiters is None:
            done()
            return

        connection = core.connection
        await waiters.until(connection.loop, done, limit, "waiting for the sender to settle")

    # -- the block -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Delivery:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self.accept()
        elif isinstance(error, Undeliverable) and error.receipt is None:
            # One with a receipt is the outcome of a message that the block has sent.
            self.settle(disposition_of(error))
            return True
        elif isinstance(error, (CancelledError, GeneratorExit)):
            self.release()
        else:
            self.modify(failed=True)
        return False


class BodyStream(AsyncWith):
    """The body of a message, read while it comes. Made by `Receiver.receive_stream`.

    Iterating gives the pieces. Until it is read to its end or closed, the link gives no other message.

    :ivar delivery: the `Delivery` of the message, which is still to be settled.
    """

    def __init__(self, reader: BodyReader, core: ReceiverCore, delivery: Delivery, waiters: Waiters) -> None:
        self.delivery: Delivery = delivery
        self._reader = reader
        self._core = core
        self._waiters = waiters  # woken if more has come, or nothing will
        self._is_closed = False

    def __repr__(self) -> str:
        how = "closed" if self._is_closed else "read" if self.finished else "open"
        return f"<proton.asyncio.BodyStream of {self._core.described()}: {how}>"

    @property
    def message(self) -> Message:
        """What comes before the body, as a `Message`; complete once a piece of the body was read."""
        return self._reader.message

    @property
    def finished(self) -> bool:
        """True when the whole body was read."""
        return self._reader.finished

    async def read(self, size: int = -1, timeout: float | None = None) -> bytes:
        """The next bytes of the body.

        :param size: bytes at most, of those that have come; below 0 for all of them, to the end of the body.
        :param timeout: seconds, None for no limit.
        :return: ``b""`` at the end.
        :raises Lost: the connection was lost.
        :raises LinkException: the sender has given the message up, or the stream is closed.
        :raises MessageException: the message has no data sections, or is malformed.
        :raises Timeout: nothing has come in time.
        """
        if size >= 0:
            return await self._next(size, timeout)
        pieces: list[bytes] = []
        while True:
            piece = await self._next(65536, timeout)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    async def _next(self, size: int, timeout: float | None) -> bytes:
        found: bytes | None = None
        core = self._core

        def ready() -> bool:
            nonlocal found
            if self._is_closed:
                raise LinkException("the stream of a body is closed")
            if not self._reader.finished and core.is_cut(self.delivery.engine_delivery):
                core.end_stream(self)
                raise core.cut_error()
            found = self._reader.read(size)
            return found is not None

        try:
            await self._waiters.until(core.connection.loop, ready, timeout, "waiting for more of a body")
        except (LinkException, MessageException):
            core.end_stream(self)
            raise
        if self._reader.finished:
            core.end_stream(self)
        return found or b""

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._next(65536, None)
        if not piece:
            raise StopAsyncIteration
        return piece

    async def __aenter__(self) -> BodyStream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more: what is left of the body is dropped, and the link goes on to the next message."""
        if not self._is_closed and not self._reader.finished:
            self._core.end_stream(self)
        self._is_closed = True
        self._waiters.wake()
