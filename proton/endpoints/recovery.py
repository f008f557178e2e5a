"""Link recovery: a suspended link goes on, on a new attach, with the deliveries that were unsettled (2.6.13, 3.4.6).

`take_over` moves what an earlier link has not settled to the link that recovers it, `unsettled_map` is what our
attach says of them, `reconcile` compares that with what the peer's attach says. From then on both ends agree: what
only one end knows is settled without a new outcome, what both know is resumed by the sender.
Keep true: nothing here writes frames. A sender's `resumed` is what the transport has to resume, a receiver's
`suspended` what it expects to be resumed, by tag; a delivery has no delivery-id from suspension to resumption.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import DispositionType, RemoteDisposition, decode_state, encode_state
from proton.endpoints.events import Event
from proton.endpoints.shared import NO_DELIVERIES
from proton.exceptions import DataException

if TYPE_CHECKING:
    from proton.endpoints.link import LinkState
    from proton.endpoints.receiver import ReceiverState
    from proton.endpoints.sender import SenderState

_UNDECIDED = (DispositionType.EMPTY, DispositionType.RECEIVED)


def decode_unsettled(value: dict[Any, Any] | None) -> dict[bytes, RemoteDisposition] | None:
    """The unsettled map of a received attach.

    :raises DataException: a state in it cannot be decoded.
    """
    if value is None:
        return None
    for tag in value:
        if not isinstance(tag, bytes):
            raise DataException(f"attach: expected delivery-tags as the keys of field unsettled, got {tag!r:.80}")
    return {tag: RemoteDisposition(*decode_state(state)) for tag, state in value.items()}


def take_over(link: LinkState, previous: LinkState) -> None:
    """Moves everything that the previous link has not settled, sent, or read to the link that recovers it."""
    if previous.endpoint is None:
        return  # retired or freed: nothing was left of it
    deliveries = set(previous.unsettled)
    if previous.is_sender:
        _take_over_queue(link, previous, deliveries)  # type: ignore[arg-type]
        known = previous.session.binding.outgoing
    else:
        _take_over_unread(link, previous, deliveries)  # type: ignore[arg-type]
        known = previous.session.binding.incoming
    for delivery in deliveries:
        delivery._suspend(known, link.endpoint)
    link.unsettled.update(previous.unsettled)
    previous.unsettled = {}
    previous.shared.forget_deliveries(deliveries.__contains__)


def forget_resumed(sender: SenderState) -> None:
    """What was still to be resumed is not queued any more; it stays unsettled."""
    binding = sender.binding
    sender.enqueue(-len(binding.resumed))
    for delivery in binding.resumed:
        delivery._discard()
        delivery._sent = True
    binding.resumed = ()
    binding.resuming_only = False


def _take_over_queue(link: SenderState, previous: SenderState, deliveries: set[Delivery]) -> None:
    deliveries.update(previous.outgoing)
    # 2.6.13: the receiver may have any part of it; resuming is decided by the two maps, not by what is left here.
    previous.drop_begun()
    # Tags identify deliveries among the unsettled ones of the terminus (2.6.12), so over all links of the name.
    link.tag_count = max(link.tag_count, previous.tag_count)
    previous.move_bytes(previous.endpoint.session, link.endpoint.session)
    for delivery in previous.outgoing:
        link.append(delivery)
    if previous.filling:
        link.filling = deque((*link.filling, *previous.filling))
    link.endpoint.current = link.filling[0] if link.filling else None
    link.enqueue(previous.endpoint.queued)
    previous.enqueue(-previous.endpoint.queued)
    previous.endpoint.current = None
    previous.outgoing = previous.filling = NO_DELIVERIES


def _take_over_unread(link: ReceiverState, previous: ReceiverState, deliveries: set[Delivery]) -> None:
    # What came in part counts as given up: our map leaves it out, and the sender settles it (2.6.13).
    previous.cut_arriving()
    deliveries.update(previous.waiting)
    link.take_over_unread(previous)
    previous.binding.suspended = {}


def _in_doubt(link: LinkState) -> list[Delivery]:
    """The deliveries that our attach tells of: unsettled, and known to the peer as far as we know."""
    deliveries = [delivery for delivery in link.unsettled if not delivery.settled]
    if link.is_sender:
        # Not one frame of these was written: to the peer they are new, and they go out as new ones.
        waiting = set(link.queued_deliveries())
        deliveries = [delivery for delivery in deliveries if delivery not in waiting]
    return deliveries


def unsettled_map(link: LinkState, room: int) -> tuple[dict[bytes, Any], bool]:
    """What to write into the attach, and whether it is incomplete because more would not fit.

    :param room: bytes that the map may take.
    """
    unsettled: dict[bytes, Any] = {}
    for delivery in _in_doubt(link):
        state = encode_state(delivery.local_state, delivery._local)
        room -= len(delivery.tag_bytes) + 2 + (1 if state is None else len(state))
        # 2.7.3: an incomplete map is marked, and the ends attach again after these are settled.
        if room < 0:
            return unsettled, True
        unsettled[delivery.tag_bytes] = state
    return unsettled, False


def reconcile(link: LinkState) -> None:
    """Both attaches are there: what becomes of each delivery that one or both ends have not settled."""
    endpoint = link.endpoint
    theirs = endpoint.remote_unsettled or {}
    resumed: deque[Delivery] = deque()
    link.binding.resuming_only = endpoint.remote_incomplete_unsettled or endpoint.incomplete_unsettled
    emit = link.shared.collector.emit
    for delivery in _in_doubt(link):
        told = theirs.get(delivery.tag_bytes)
        if told is None:
            # An absent entry says nothing where the map was cut short (2.7.3).
            if endpoint.remote_incomplete_unsettled:
                _expect(link, delivery)
                continue
            # Only this end knows it: the other one has settled it, or has never seen it.
            delivery.settled = delivery.updated = True
            emit(Event.DELIVERY, delivery)
            continue
        if told.type:
            delivery.remote_state = told.type
            delivery._remote_value = told._value
            delivery.updated = True
            emit(Event.DELIVERY, delivery)
        if link.is_sender:
            resumed.append(delivery)
            # `write_dispositions` leaves the state to the resuming transfer, which carries it (2.6.13).
            delivery._sent = False
        else:
            _expect(link, delivery)
    if link.is_sender:
        sender: SenderState = link  # type: ignore[assignment]
        sender.enqueue(len(resumed))
        sender.binding.resumed = resumed
        sender.mark_sender_dirty(sender.endpoint)


def _expect(link: LinkState, delivery: Delivery) -> None:
    if link.is_receiver:
        link.binding.suspended[delivery.tag_bytes] = delivery  # type: ignore[attr-defined]


def prepare(link: SenderState, delivery: Delivery) -> None:
    """Gives a delivery that is to be resumed the bytes that the receiver still needs, or gives it up."""
    delivery._resume(None)
    if delivery.remote_state not in _UNDECIDED or delivery.aborted:
        return  # the receiver has come to its outcome, and needs none
    size = delivery._restore()
    if size is None:
        # The receiver has no outcome and we have no bytes: it is dropped there and may be sent again as a new one.
        delivery.aborted = True
        return
    if not delivery.local_state and delivery.remote_state:
        delivery.local_state = DispositionType.RECEIVED  # from section 0, offset 0 on (3.4.1)
    link.endpoint.session.outgoing_bytes += size


def resumed_delivery(link: ReceiverState, number: int, tag: bytes | None, settled: bool) -> Delivery:
    """The delivery that a resuming transfer is about; a stand-in where it is to be ignored (2.6.13)."""
    link.count_resumed()
    delivery = link.binding.suspended.pop(tag or b"", None)
    # Settled, so that it is neither queued nor told of: its frames only have to be counted.
    if delivery is None:
        delivery = Delivery(link.endpoint, tag or b"")
        delivery._settled = True
        delivery._resume(number)
        return delivery
    delivery._resume(number)
    if settled:
        delivery.settled = delivery.updated = True
    else:
        link.session.binding.incoming[number] = delivery
        delivery._repeat()
    return delivery
