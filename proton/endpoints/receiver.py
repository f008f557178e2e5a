"""`Receiver`: credit for the sender, and messages that have come and were not yet read (2.6.7, 2.6.12).

What is not yet advanced past is in `current` and, behind it, `waiting`; the delivery whose last frame has not come is
`arriving`. `suspended` has the deliveries of an earlier link that the sender is to resume.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from proton.endpoints.arguments import check_count
from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.link import Link, LinkBinding, LinkState
from proton.endpoints.serial import HALF, SERIAL, ahead
from proton.endpoints.shared import NO_DELIVERIES
from proton.endpoints.streaming import BodyReader
from proton.exceptions import LinkException

if TYPE_CHECKING:
    from proton.endpoints.session import Session, SessionState

__all__ = ["MIN_EARLY_CREDIT", "MIN_EARLY_QUEUE", "Receiver", "ReceiverBinding", "ReceiverState"]

_TRANSPORT = Event.TRANSPORT
_INT32 = 0x7FFFFFFF

#: Messages of credit that are worth a write of their own while messages wait to be handled.
MIN_EARLY_CREDIT = 5

#: So many messages have to wait for that: for fewer, the turns that it costs both ends take longer than the messages.
#: With a prefetch of 10, both ends busy with little else than messages, a message takes 15 us of CPU and not 22, at the
#: same rate; with 50 in place of 25 a prefetch of 100 would give half as many messages a second.
MIN_EARLY_QUEUE = 26


class ReceiverBinding(LinkBinding):
    __slots__ = ("arriving", "suspended")

    def __init__(self, recovering: bool = False) -> None:
        LinkBinding.__init__(self, recovering)
        self.arriving: Delivery | None = None  # its last frame has not come
        self.suspended: dict[bytes, Delivery] = {}  # to be resumed by the sender, by tag


class ReceiverState(LinkState):
    __slots__ = ("drain_by_call", "drained", "waiting")

    is_receiver = True
    endpoint: Receiver
    binding: ReceiverBinding

    def __init__(self, link: Receiver, session: SessionState) -> None:
        LinkState.__init__(self, link, session)
        self.binding = ReceiverBinding()
        self.waiting: deque[Delivery] = NO_DELIVERIES  # a deque if there was something
        self.drain_by_call: bool = False  # drain() switched draining on; flow() switches it off again
        self.drained: int = 0  # messages of credit given back since the last `drained()`

    def queued_deliveries(self) -> Iterable[Delivery]:
        current = self.endpoint.current
        return [current, *self.waiting] if current is not None else ()

    def move_bytes(self, session: Session, into: Session) -> None:
        size = self.queued_bytes()
        session.incoming_bytes -= size
        into.incoming_bytes += size

    def take_flow(self, delivery_count: int | None, available: int | None) -> None:
        """A flow of the sender has come: by how much its count is ahead of ours, so much credit it returns (2.6.7)."""
        if available is not None:
            self.endpoint.available = available
        binding = self.binding
        # Serial arithmetic (2.8.10): a count behind ours is a flow that has crossed with transfers.
        returned_credit = 0 if delivery_count is None else delivery_count - binding.delivery_count & SERIAL
        if delivery_count is not None and 0 < returned_credit < HALF:
            granted = max(0, ahead(binding.credit_limit, binding.delivery_count))
            binding.delivery_count = delivery_count
            if returned_credit > granted:  # a sender cannot give that back, and credit would fall without end
                returned_credit, binding.credit_limit = granted, delivery_count
            binding.link_credit -= returned_credit
            self.endpoint.credit -= returned_credit
            self.drained += returned_credit

    def take_over_unread(self, previous: ReceiverState) -> None:
        """What an earlier link has received and the program has not read is to be read here, behind what is here."""
        receiver, earlier = self.endpoint, previous.endpoint
        unread = list(previous.queued_deliveries())
        for delivery in unread:
            size, frames = delivery._unread()
            previous.session.bytes_read(size, previous, frames)
            self.session.count_unread(size, frames)
        if unread:
            if receiver.current is None:
                receiver.current = unread.pop(0)
            self.waiting = deque((*self.waiting, *unread))
            receiver.credit += earlier.queued
        receiver.queued += earlier.queued
        earlier.queued = 0
        earlier.current = None
        previous.waiting = NO_DELIVERIES

    def count_resumed(self) -> None:
        """A delivery that is resumed has begun to come: it uses up credit, but is not queued again."""
        self.binding.count_transfer()
        self.endpoint.credit -= 1

    def cut_arriving(self) -> None:
        binding = self.binding
        arriving = binding.arriving
        binding.arriving = None
        if arriving is not None and arriving._resuming:
            return  # it is complete: its bytes were only repeated
        # One that the program has settled already is of no interest to it any more.
        if arriving is not None and not arriving._settled:
            # The rest cannot come any more: the same to the application as if the sender had given it up.
            size, frames = arriving._skip()
            self.session.bytes_read(size, self, frames)
            arriving.partial = False
            arriving.aborted = arriving.settled = arriving.updated = True
            self.shared.collector.emit(Event.DELIVERY, arriving)

    def unbind(self) -> None:
        LinkState.unbind(self)
        previous, self.binding = self.binding, ReceiverBinding(self.endpoint.recoverable and self.was_attached)
        # `cut_arriving` acts on the binding that is in place, and the state has a new one.
        self.binding.arriving = previous.arriving
        self.cut_arriving()


class Receiver(Link):
    """A link over which messages are received (2.6.12)."""

    is_receiver = True
    credit: int
    _state: ReceiverState

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._state = ReceiverState(self, endpoint_state(session))

    def flow(self, n: int) -> None:
        """Grant credit; the flow is written when the transport is next asked for output.

        :param n: messages to add; may be negative.
        :raises OverflowError: not a signed 32-bit number.
        :raises TypeError: not an integer.
        """
        if n.__class__ is not int:
            n = check_count("flow()", n)
        if not -_INT32 - 1 <= n <= _INT32:
            raise OverflowError(f"flow() takes a signed 32-bit number of messages, got {n}")
        self.credit += n
        state = self._state
        # Credit given after a drain is not part of it; `drain_mode` set by the program stays as it was set.
        if state.drain_by_call:
            state.drain_mode = state.drain_by_call = False
        shared = state.shared
        transport = shared.transport
        wire = shared.transport_state
        if shared.ends or wire is None or wire.tail_closed:
            warn_if_ended("Receiver.flow()", self)
        # As `mark_dirty`, inline: a request makes two calls less. Of a link that is not open nothing is written either.
        if not state.is_dirty and state.endpoint is not None:
            state.is_dirty = True
            shared.dirty.append(state)
        if transport is not None:
            shared.collector.emit(_TRANSPORT, transport)

    def _replenish(self, window: int) -> int:
        """Brings credit up to a window; the sender hears of it when half of the window can be told at once.

        :return: messages of credit that the sender does not yet know of.
        """
        state = self._state
        if state.is_left_to_application:
            return 0
        if state.drain_mode:
            self.flow(window - self.credit)
            return 0
        # Without `flow`, whose event would have the transport asked for output for each message.
        self.credit = window
        left = state.binding.link_credit
        grant = window - self.queued - left
        # Without credit left no other message would bring us here again: what is read after this has to be told.
        if (2 * grant >= window or left <= 0 or grant < 0) and not state.is_dirty:
            self.flow(0)
        return grant

    def drain(self, n: int) -> None:
        """Grant credit that the sender must use at once or give back.

        It makes a synchronous get (2.6.8), and stops a link (2.6.10).

        :param n: messages to add.
        """
        state = self._state
        if state.drain_by_call or not state.drain_mode:
            state.drain_by_call = False
            self.flow(n)
            state.drain_mode = state.drain_by_call = True
        else:
            self.flow(n)

    @property
    def drain_mode(self) -> bool:
        """True when the sender is to use up or give back all its credit (2.6.7)."""
        return self._state.drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        state = self._state
        state.drain_mode = bool(drain)
        state.drain_by_call = False
        if drain:
            state.mark_dirty(wake=True)

    def draining(self) -> bool:
        """True while a drain is under way: the sender has neither used nor given back all its credit."""
        return self._state.drain_mode and self.credit > self.queued

    def drained(self) -> int:
        """Messages of credit that the sender gave back since the last call."""
        returned_credit, self._state.drained = self._state.drained, 0
        return returned_credit

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
        # An empty read is the end only after the last frame; `partial` tells them apart.
        if not delivery._size:
            return b"" if delivery.partial else None
        data, frames = delivery._read(limit)
        self._state.session.bytes_read(len(data), self._state, frames)
        return data

    def reader(self) -> BodyReader:
        """A file object over the body of the current delivery, which may still be coming (3.2.6).

        What is not read keeps the window of the session closed, where that is limited (`Session.incoming_capacity`).

        :raises LinkException: there is no current delivery.
        """
        return BodyReader(self)

    def advance(self) -> bool:
        """Go on to the next delivery; what was not read of the current one is dropped.

        :return: False when there was no current delivery.
        """
        delivery = self.current
        if delivery is None:
            return False
        state = self._state
        delivery._advanced = True
        if delivery._size:
            size, frames = delivery._skip()
            state.session.bytes_read(size, state, frames)
        self.current: Delivery | None = state.waiting.popleft() if state.waiting else None
        self.credit -= 1
        self.queued -= 1
        return True
