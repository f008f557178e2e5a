"""Transfers on their way out: which deliveries go next, and the frames of each (2.7.5).

`write_pending_transfers` takes the connection's senders in the order in which their deliveries were made. A message
that fits into a frame is written by hand from prepared pieces; one that needs several, or carries a state, or is
resumed, goes through `_write_in_parts`. One flush writes `MAX_OUTPUT` bytes of transfers and then waits until they
were taken, so a large message is never in memory twice.
"""

from __future__ import annotations

import heapq
from struct import Struct
from typing import TYPE_CHECKING, Any

from proton.codec.composites import TRANSFER, encode_composite
from proton.endpoints.condition import MESSAGE_SIZE_EXCEEDED
from proton.endpoints.disposition import encode_state
from proton.endpoints.endpoint import LOCAL_CLOSED
from proton.endpoints.events import Event
from proton.endpoints.recovery import prepare
from proton.endpoints.serial import SERIAL
from proton.transport.frames import FRAME_HEADER, SMALL_UINTS, write_frame

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.sender import SenderState
    from proton.endpoints.shared import Shared
    from proton.transport.transport_state import TransportState

# The frame header, and behind it the descriptor of transfer with a short list: size and count
_TRANSFER_HEADER = Struct(">IBBHIBB").pack
_TRANSFER_LIST = 0x005314C0

#: bytes of output beyond which nothing is written until some were taken: a socket's buffer full, less than a message
MAX_OUTPUT = 1 << 18

_TAG_HEADS = [b"\xa0%c" % n for n in range(256)]
_LINK_FLOW = Event.LINK_FLOW
_NO_CHUNKS: list[bytes] = []  # shared by deliveries that are sent: nothing is appended to them any more


def write_pending_transfers(transport: TransportState, shared: Shared) -> None:
    """Writes what the senders have, in the order in which the deliveries were made."""
    while shared.dirty_senders and transport.out_size < MAX_OUTPUT:
        senders, shared.dirty_senders = shared.dirty_senders, []
        for link in senders:
            link.is_sending = False
            if link.binding.resumed:
                _write_resumed(transport, link)
        if len(senders) == 1:
            write_transfers(transport, senders[0], None)
            continue
        heads = [(link.outgoing[0]._sequence, n) for n, link in enumerate(senders) if link.outgoing]
        heapq.heapify(heads)
        while heads:
            _, n = heapq.heappop(heads)
            link = senders[n]
            # One link runs on until another has something older to send.
            if write_transfers(transport, link, heads[0][0] if heads else None) and link.outgoing:
                heapq.heappush(heads, (link.outgoing[0]._sequence, n))


def write_transfers(transport: TransportState, link: SenderState, before: int | None) -> bool:
    """Writes the deliveries of a link that credit and window allow, up to one made at or after `before`.

    :return: True when it stopped only for `before`.
    """
    binding, session = link.binding, link.session.binding
    outgoing = link.outgoing
    channel = session.channel
    if binding.handle is None or channel is None or binding.remotely_detached or transport.close_sent:
        return False  # scheduled again when it is attached
    if binding.resumed or binding.resuming_only:
        return False  # new deliveries come after those that are resumed, on complete maps only (2.6.13)
    endpoint = link.endpoint
    out = transport.out
    frame_size = transport.output_frame_size
    tracing = transport.tracing
    handle = binding.handle_bytes
    wrote = False
    turn_ends = False
    while outgoing:
        delivery = outgoing[0]
        if delivery.aborted and (delivery._id is None or session.remote_incoming_window > 0):
            wrote = True
            _write_aborted(transport, link, delivery)
            continue
        size = delivery._size
        if delivery.partial and not size and delivery._source is None:
            break
        if binding.link_credit <= 0 and delivery._id is None:
            break
        if session.remote_incoming_window <= 0:
            session.blocked[link] = None
            break
        if before is not None and delivery._sequence >= before:
            turn_ends = True
            break
        if transport.out_size >= MAX_OUTPUT:
            link.is_sending = True
            link.shared.dirty_senders.append(link)
            break
        wrote = True
        tag = delivery._tag
        # 60: the frame header and every field at its longest, but for the tag
        if (
            delivery.partial
            or delivery._id is not None
            or delivery.local_state
            or delivery._message_format
            or (tag_size := len(tag)) > 32  # the program's own, above what 2.8.7 allows
            or size + tag_size + 60 > frame_size
        ):
            if not _write_in_parts(transport, link, delivery):
                break
            continue
        number = session.next_delivery_id
        head = _TAG_HEADS[tag_size]
        if number < 256:
            fields = handle + SMALL_UINTS[number] + head + tag
        else:
            fields = handle + b"\x70" + number.to_bytes(4, "big") + head + tag
        fields += b"\x43\x41\x40" if delivery._settled else b"\x43\x40\x40"
        length = len(fields)
        header = _TRANSFER_HEADER(length + size + 14, 2, 0, channel, _TRANSFER_LIST, length + 1, 6)
        chunks = delivery._chunks
        out.append(header + fields)
        out += chunks
        if tracing:
            transport.trace_frame(channel, "->", (header + fields)[8:] + b"".join(chunks))
        transport.out_size += length + size + 14
        transport.frames_output += 1
        session.next_delivery_id = number + 1 & SERIAL
        session.next_outgoing_id = session.next_outgoing_id + 1 & SERIAL
        session.remote_incoming_window -= 1
        endpoint.session.outgoing_bytes -= size
        delivery._id = number
        delivery._sent = True
        delivery._chunks = _NO_CHUNKS
        delivery._size = 0
        if delivery._settled:
            delivery._dirty = False  # the transfer has said so
        else:
            session.outgoing[number] = delivery
        # `LinkBinding.count_transfer`, inline
        binding.link_credit -= 1
        binding.delivery_count = binding.delivery_count + 1 & SERIAL
        endpoint.queued -= 1
        outgoing.popleft()
    if session.blocked and session.remote_incoming_window > 0:
        session.unblock()
    if wrote:
        link.shared.collector.emit(_LINK_FLOW, endpoint)
        closing = (endpoint.state | endpoint.session.state) & LOCAL_CLOSED or link.detached
        if binding.drained_due or (closing and not endpoint.queued):
            link.mark_dirty()
            link.session.mark_dirty()
    return turn_ends


def _write_in_parts(transport: TransportState, link: SenderState, delivery: Delivery) -> bool:
    """Writes frames of a delivery that needs several, or is not complete, or carries a state.

    :return: True when the delivery is completely written, or all that there is of it so far.
    """
    session = link.session.binding
    channel = session.channel or 0
    if delivery._id is None:
        delivery._id = session.take_delivery_id()
        if not delivery._settled:
            session.outgoing[delivery._id] = delivery
    fields = [link.binding.handle, delivery._id, delivery._tag, delivery._message_format]
    fields += [True if delivery._settled else None, True, None, _state_of(delivery)]
    if delivery._resuming:
        fields.append(True)
    performative = encode_composite(TRANSFER, fields)
    room = transport.output_frame_size - 8 - len(performative)
    while True:
        if delivery._source is not None and not refill(transport, link, delivery):
            return True
        last = not delivery.partial and delivery._size <= room
        if last:
            fields[5] = None  # as long as the true
            performative = encode_composite(TRANSFER, fields)
        payload = delivery._take() if last else delivery._take_up_to(max(1, room))
        length = len(performative) + len(payload) + 8
        transport.out.append(FRAME_HEADER.pack(length, 2, 0, channel) + performative)
        transport.out.append(payload)
        transport.out_size += length
        transport.frames_output += 1
        if transport.tracing:
            transport.trace_frame(channel, "->", performative + payload)
        session.count_outgoing_frame()
        link.endpoint.session.outgoing_bytes -= len(payload)
        if last:
            _delivery_sent(link, delivery)
            return True
        if delivery.partial and not delivery._size:
            return False  # the rest is still to come; nothing may overtake it
        if session.remote_incoming_window <= 0:
            session.blocked[link] = None
            return False
        if transport.out_size >= MAX_OUTPUT:
            link.is_sending = True
            link.shared.dirty_senders.append(link)
            return False


def refill(transport: TransportState, link: SenderState, delivery: Delivery) -> bool:
    """Asks the source of a body for as much as the next frame can take; False when that failed."""
    most = link.endpoint.remote_max_message_size if link.endpoint.checks_message_size else 0
    try:
        while delivery._size <= transport.output_frame_size:
            piece = next(delivery._source, None)  # type: ignore[arg-type]
            if piece is None:
                delivery._source = None
                delivery.partial = False
                return True
            delivery._received += len(piece)
            if most and delivery._received > most:
                _end_oversized(link, delivery, most)
                return False
            delivery._chunks.append(piece)
            delivery._size += len(piece)
            link.endpoint.session.outgoing_bytes += len(piece)
    except Exception as error:  # the program's: raised when all else is written, and both ends agree on an end
        transport.source_error = error
        delivery.abort()
        return False
    return True


def _end_oversized(link: SenderState, delivery: Delivery, most: int) -> None:
    """A body has turned out larger than the peer's max-message-size (2.7.3): its delivery and its link are over."""
    reason = f"the peer takes messages of {most} bytes, got {delivery._received} so far"
    delivery.abort()
    link.fail(MESSAGE_SIZE_EXCEEDED, reason)


def _state_of(delivery: Delivery) -> Any:
    return encode_state(delivery.local_state, delivery._local)


def _delivery_sent(link: SenderState, delivery: Delivery) -> None:
    """The last frame of the delivery at the head of the queue is written."""
    delivery._sent = True
    delivery._dirty = False  # state and settlement went with the transfer
    if delivery._settled:
        link.session.binding.outgoing.pop(delivery._id, None)  # type: ignore[arg-type]
    link.binding.count_transfer()
    link.endpoint.queued -= 1
    (link.binding.resumed if delivery._resuming else link.outgoing).popleft()


def _write_resumed(transport: TransportState, link: SenderState) -> None:
    """Resumes the deliveries that were suspended, as far as credit and window allow (2.6.13)."""
    binding, session = link.binding, link.session.binding
    if binding.handle is None or session.channel is None or binding.remotely_detached or transport.close_sent:
        return
    while binding.resumed:
        delivery = binding.resumed[0]
        if binding.link_credit <= 0 and delivery._id is None:
            return
        if session.remote_incoming_window <= 0:
            session.blocked[link] = None
            return
        if delivery._id is None:
            delivery._resuming = True
            prepare(link, delivery)
        if delivery.aborted:
            if delivery._id is None:
                delivery._id = session.take_delivery_id()
            _write_aborted(transport, link, delivery)
            delivery.settled = delivery.updated = True
            link.shared.collector.emit(Event.DELIVERY, delivery)
        elif not _write_in_parts(transport, link, delivery):
            return
    link.mark_sender_dirty()


def _write_aborted(transport: TransportState, link: SenderState, delivery: Delivery) -> None:
    """Ends an aborted delivery: without a trace when nothing of it was sent (2.7.5)."""
    session = link.session.binding
    if delivery._id is None:
        link.drop(delivery)
        return
    fields = [link.binding.handle, delivery._id, delivery._tag, delivery._message_format]
    fields += [True, None, None, None, True if delivery._resuming else None, True]
    write_frame(transport, session.channel or 0, TRANSFER, fields)
    session.count_outgoing_frame()
    session.outgoing.pop(delivery._id, None)
    _delivery_sent(link, delivery)
