"""Link recovery: a suspended link goes on, on a new attach, with the deliveries that were unsettled (2.6.13, 3.4.6).

`take_over` moves what an earlier link has not settled to the link that recovers it, `unsettled_map` is what our
attach says of them, `reconcile` compares that with what the peer's attach says. From then on both ends agree: what
only one end knows is settled without a new outcome, what both know is resumed by the sender.
Keep true: nothing here writes frames. A sender's `_resumed` is what the transport has to resume, a receiver's
`_suspended` what it expects to be resumed, by tag; a delivery has no delivery-id from suspension to resumption.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import DispositionType, RemoteDisposition, decode_state, encode_state
from proton.endpoints.events import Event
from proton.exceptions import DataException

if TYPE_CHECKING:
    from proton.endpoints.link import Link
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender

_UNDECIDED = (DispositionType.EMPTY, DispositionType.RECEIVED)


def load_unsettled(value: dict[Any, Any] | None) -> dict[bytes, RemoteDisposition] | None:
    """The unsettled map of a received attach.

    :raises DataException: a state in it cannot be decoded.
    """
    if value is None:
        return None
    for tag in value:
        if not isinstance(tag, bytes):
            raise DataException(f"attach: expected delivery-tags as the keys of field unsettled, got {tag!r:.80}")
    return {tag: RemoteDisposition(*decode_state(state)) for tag, state in value.items()}


def take_over(link: Link, previous: Link) -> None:
    """Moves everything that the previous link has not settled, sent, or read to the link that recovers it."""
    deliveries = set(previous._unsettled)
    if previous.is_sender:
        deliveries.update(previous._outgoing)  # type: ignore[attr-defined]
        _drop_begun(previous)  # type: ignore[arg-type]
        _move_queue(link, previous)  # type: ignore[arg-type]
        known = previous.session._outgoing
    else:
        previous._cut_arriving()  # type: ignore[attr-defined]
        deliveries.update(previous._waiting)  # type: ignore[attr-defined]
        _move_unread(link, previous)  # type: ignore[arg-type]
        known = previous.session._incoming
    for delivery in deliveries:
        known.pop(delivery._id, None)  # type: ignore[arg-type]
        delivery._id = None
        delivery._touched = False
        delivery.link = link
    link._unsettled.update(previous._unsettled)
    previous._unsettled = {}
    connection = previous.connection
    connection._touched = [delivery for delivery in connection._touched if delivery._touched]


def _drop_begun(sender: Sender) -> None:
    # What was partly sent cannot be continued; the peer drops its part too.
    while sender._outgoing and sender._outgoing[0]._id is not None:
        sender._drop(sender._outgoing[0])
    forget_resumed(sender)


def forget_resumed(sender: Sender) -> None:
    """What was still to be resumed is not queued any more; it stays unsettled."""
    sender.queued -= len(sender._resumed)
    sender.credit += len(sender._resumed)
    for delivery in sender._resumed:
        sender.session.outgoing_bytes -= delivery._size
        delivery._chunks = []
        delivery._size = 0
        delivery._sent = True
    sender._resumed = ()
    sender._resuming_only = False


def _move_queue(link: Sender, previous: Sender) -> None:
    link._tag_count = max(link._tag_count, previous._tag_count)
    for delivery in previous._outgoing:
        link.connection._sequence = delivery._sequence = link.connection._sequence + 1
        previous.session.outgoing_bytes -= delivery._size
        link.session.outgoing_bytes += delivery._size
    link._outgoing += previous._outgoing
    link._filling += previous._filling
    link.current = link._filling[0] if link._filling else None
    _move_counts(link, previous)
    previous._outgoing, previous._filling = deque(), deque()


def _move_unread(link: Receiver, previous: Receiver) -> None:
    if previous.current is not None:
        unread = [previous.current, *previous._waiting]
        for delivery in unread:
            size, frames = delivery._size, len(delivery._chunks)
            previous.session._read(size, previous, frames)
            link.session.incoming_bytes += size
            link.connection._buffered_bytes += size
            if link.session._window_limit:
                link.session._unread_frames += frames
        if link.current is None:
            link.current = unread.pop(0)
        link._waiting += unread
        link.credit += previous.queued
    _move_counts(link, previous)
    previous._waiting = deque()
    previous._suspended = {}


def _move_counts(link: Link, previous: Link) -> None:
    link.queued += previous.queued
    if link.is_sender:
        link.credit -= previous.queued
        previous.credit += previous.queued
    previous.queued = 0
    previous.current = None


def _in_doubt(link: Link) -> list[Delivery]:
    """The deliveries that our attach tells of: unsettled, and known to the peer as far as we know."""
    deliveries = [delivery for delivery in link._unsettled if not delivery.settled]
    if link.is_sender:
        waiting = set(link._outgoing)  # type: ignore[attr-defined]
        deliveries = [delivery for delivery in deliveries if delivery not in waiting]
    return deliveries


def unsettled_map(link: Link, room: int) -> tuple[dict[bytes, Any], bool]:
    """What to write into the attach, and whether it is incomplete because more would not fit.

    :param room: bytes that the map may take.
    """
    unsettled: dict[bytes, Any] = {}
    for delivery in _in_doubt(link):
        state = encode_state(delivery.local_state, delivery._local)
        room -= len(delivery._tag) + 2 + (1 if state is None else len(state))
        if room < 0:
            return unsettled, True
        unsettled[delivery._tag] = state
    return unsettled, False


def reconcile(link: Link) -> None:
    """Both attaches are there: what becomes of each delivery that one or both ends have not settled."""
    theirs = link.remote_unsettled or {}
    resumed: deque[Delivery] = deque()
    link._resuming_only = link.remote_incomplete_unsettled or link.incomplete_unsettled
    emit = link.connection._collector.emit
    for delivery in _in_doubt(link):
        told = theirs.get(delivery._tag)
        if told is None:
            if link.remote_incomplete_unsettled:
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
            delivery._sent = False
            link.queued += 1
            link.credit -= 1
        else:
            _expect(link, delivery)
    if link.is_sender:
        link._resumed = resumed  # type: ignore[attr-defined]
        link._ready()  # type: ignore[attr-defined]


def _expect(link: Link, delivery: Delivery) -> None:
    if link.is_receiver:
        link._suspended[delivery._tag] = delivery  # type: ignore[attr-defined]


def prepare(link: Sender, delivery: Delivery) -> None:
    """Gives a delivery that is to be resumed the bytes that the receiver still needs, or gives it up."""
    if delivery.remote_state not in _UNDECIDED or delivery.aborted:
        return  # the receiver has come to its outcome, and needs none
    kept = delivery._kept
    if kept is None:
        # The receiver has no outcome and we have no bytes: it is dropped there and may be sent again as a new one.
        delivery.aborted = True
        return
    if not delivery.local_state and delivery.remote_state:
        delivery.local_state = DispositionType.RECEIVED  # from section 0, offset 0 on (3.4.1)
    delivery._chunks = list(kept)
    delivery._size = sum(map(len, kept))
    link.session.outgoing_bytes += delivery._size


def resumed_delivery(link: Receiver, number: int, tag: bytes | None, settled: bool) -> Delivery:
    """The delivery that a resuming transfer is about; a stand-in where it is to be ignored (2.6.13)."""
    link._delivery_count = link._delivery_count + 1 & 0xFFFFFFFF
    link._link_credit -= 1
    link.credit -= 1
    delivery = link._suspended.pop(tag or b"", None)
    if delivery is None:
        delivery = Delivery(link, tag or b"")
        delivery._settled = True
        delivery._id = number
        delivery._resuming = True
        return delivery
    delivery._id = number
    delivery._resuming = True
    if settled:
        delivery.settled = delivery.updated = True
    else:
        link.session._incoming[number] = delivery
        if delivery._settled or delivery.local_state:
            delivery._touch()  # it was said while there was no id to say it with
    return delivery
