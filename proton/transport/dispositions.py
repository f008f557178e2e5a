"""Dispositions of the peer: states and settlements of ranges of deliveries (2.7.6).

A few bytes may name many deliveries, again and again. So a delivery has one event waiting at most, a range without news
costs nothing but the look, and looks that bring no first news come out of an allowance (`_count_repeats`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from proton.codec.composites import DISPOSITION
from proton.endpoints import hooks as _hooks
from proton.endpoints.condition import DECODE_ERROR, NOT_ALLOWED, RESOURCE_LIMIT_EXCEEDED
from proton.endpoints.disposition import DispositionType, decode_state
from proton.endpoints.events import Collector, Event
from proton.endpoints.serial import HALF, SERIAL, ahead
from proton.exceptions import DataException, ProtocolViolation
from proton.transport.checks import EndpointViolation, check, session_on

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.session import SessionState
    from proton.transport.transport_state import TransportState

__all__ = ["on_disposition"]

#: an allowance of repeated dispositions is that of so many deliveries at least
_MIN_TRACKED = 1000
_DELIVERY = Event.DELIVERY
_NO_FIELDS = [None] * 6


def _numbers_met(known: dict[int, Delivery], first: int, span: int) -> Iterable[int]:
    """The delivery-ids from `first` on that may be tracked, in order; a range may name four billion others."""
    if not known:
        return ()
    # Ids are tracked in the order in which they were given out.
    oldest, newest = next(iter(known)), next(reversed(known))
    begin = max(0, ahead(first, oldest))
    end = min(ahead(newest, oldest), ahead(first, oldest) + span)
    if end - begin < 2 * len(known):
        return [oldest + n & SERIAL for n in range(begin, end + 1)]
    return [number for number in known if begin <= number - oldest & SERIAL <= end]


def _checked(fields: list[Any]) -> tuple[bool, int, int, bool, Any]:
    """The fields of a disposition that count: role, first, last, settled, state."""
    role, first, last, settled, value, batchable = (fields + _NO_FIELDS)[:6]
    if not (
        role.__class__ is bool
        and first.__class__ is int
        and 0 <= first <= SERIAL
        and (last is None or (last.__class__ is int and 0 <= last <= SERIAL))
        and (settled is None or settled.__class__ is bool)
        and (batchable is None or batchable.__class__ is bool)
    ):
        role, first, last, settled, value, _ = check(DISPOSITION, fields)
    return role, first, first if last is None else last, bool(settled), value


def on_disposition(transport: TransportState, channel: int, fields: Any, payload: bytes) -> None:
    session = transport.remote_channels.get(channel)
    if session is None or session.binding.violated:
        session_on(transport, channel)
        return
    # A tuple comes from the frame loop, which has read the fields of the usual form and checked their classes.
    is_usual = fields.__class__ is tuple
    role, first, last, settled, state = fields if is_usual else _checked(fields)
    # Delivery-ids wrap around (2.8.8): half of all numbers lie ahead, and a range into the other half goes backwards.
    span = last - first & SERIAL
    if span >= HALF:
        raise ProtocolViolation(NOT_ALLOWED, f"illegal delivery range: {first:x}-{last:x}")
    remote_value: Any = []
    if not is_usual:
        try:
            state, remote_value = decode_state(state)
        except DataException as error:
            raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    binding = session.binding
    # role is that of the peer (2.7.6): a receiver speaks of what this end has sent.
    known = binding.outgoing if role else binding.incoming
    # What a receiver has settled is not sent again after a reconnect: the series of retries begins anew.
    binding.progressed = binding.progressed or settled and role
    emit = session.shared.collector.emit
    fresh = 0
    compared: dict[int, bool] = {}
    size = len(known)
    for number in _numbers_met(known, first, span) if span else (first,):
        # Unknown ids are not a fault: this end has settled and forgotten them, and the frames have crossed (2.6.12).
        delivery = known.get(number)
        if delivery is None:
            continue
        if delivery.updated or not role:  # its event may still wait, or nothing has changed
            same = not state or _set_state(delivery, state, remote_value, compared)
            if not _is_told_again(transport, session.shared.collector, delivery, same, settled):
                continue
            if settled:
                _settle(delivery, known, number)
            continue
        fresh += 1
        if state:
            delivery.remote_state = state
            delivery._remote_value = remote_value
        delivery.updated = True
        if settled:
            delivery.settled = True
            del known[number]
            if _hooks.active is not None:
                _hooks.active.ended(delivery)
        emit(_DELIVERY, delivery)
    if span:
        _count_repeats(transport, session, min(span + 1, size) - fresh, fresh, size)


def _settle(delivery: Delivery, known: dict[int, Delivery], number: int) -> None:
    """Notes that the peer has settled a delivery; for a first answer `on_disposition` does so without a call."""
    delivery.settled = True
    del known[number]
    if _hooks.active is not None:
        _hooks.active.ended(delivery)


def _set_state(delivery: Delivery, state: DispositionType | int, value: Any, compared: dict[int, bool]) -> bool:
    """Sets the peer's state.

    :param compared: the results for the values that deliveries of this range had before, by identity: many deliveries
        have one value, which may be large.
    :return: True when the delivery had an equal state.
    """
    known = delivery._remote_value
    same = bool(delivery.remote_state == state)
    delivery.remote_state, delivery._remote_value = state, value
    if same and known is not value:
        number = id(known)
        if number not in compared:
            compared[number] = bool(known == value)
        same = compared[number]
    return same


def _is_told_again(
    transport: TransportState, collector: Collector, delivery: Delivery, same: bool, settled: bool
) -> bool:
    """A disposition for a delivery that has had news before, or whose arrival may wait to be seen: one event is enough.

    :param same: the state is that of before.
    :return: False when it says nothing new.
    """
    if same and not settled and delivery.updated:
        return False
    delivery.updated = True
    waiting = transport.told
    if waiting is None:  # within one push nothing leaves the queue
        waiting = transport.told = {event.context for event in collector.events if event.type is _DELIVERY}
    if delivery not in waiting:
        # Kept up with the queue: the set is made once a push, however many deliveries its frames name.
        waiting.add(delivery)
        collector.emit(_DELIVERY, delivery)
    return True


def _count_repeats(transport: TransportState, session: SessionState, again: int, fresh: int, tracked: int) -> None:
    """Ranges that name the same deliveries over and over cost us much for few bytes: the session has an allowance."""
    most = transport.limits.max_repeated_dispositions
    binding = session.binding
    binding.repeats = max(0, binding.repeats + again - most * fresh)
    if most and binding.repeats > most * max(tracked, _MIN_TRACKED):
        raise EndpointViolation(
            session, RESOURCE_LIMIT_EXCEEDED, f"dispositions tell of the same deliveries more than {most} times"
        )
