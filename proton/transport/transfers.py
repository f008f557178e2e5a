"""Transfers on their way out: which deliveries go next, and the frames of each (2.7.5).

`write_pending_transfers` takes the connection's senders in the order in which their deliveries were made. A message
that fits into a frame is written by hand from prepared pieces; one that needs several, or carries a state, or is
resumed, goes through `_write_in_parts`. One flush writes `MAX_OUTPUT` bytes of transfers and then waits until they
were taken, so a large message is never in memory twice.
"""

from __future__ import annotations

import heapq
from struct import Struct
from typing import TYPE_CHECKING

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
    # Senders are marked meanwhile: after resuming, and by a program whose source of a body is read here.
    while shared.dirty_senders and transport.out_size < MAX_OUTPUT:
        senders, shared.dirty_senders = shared.dirty_senders, []
        for link in senders:
            link.is_sending = False
            if link.binding.resumed:
                _write_resumed(transport, link)
        # Nearly always: no order among links is to be kept, and no heap is made.
        if len(senders) == 1:
            write_transfers(transport, senders[0], None)
            continue
        heads = [(link.outgoing[0]._sequence, n) for n, link in enumerate(senders) if link.outgoing]
        heapq.heapify(heads)
        while heads:
            _, n = heapq.heappop(heads)
            link = senders[n]
            # One link runs on until another has something older to send.
            stopped_at = write_transfers(transport, link, heads[0][0] if heads else None)
            if stopped_at:
                heapq.heappush(heads, (stopped_at, n))


# The tests of `write_transfers`, in their order. An aborted delivery that the peer has not seen goes without a frame,
# and so needs no window. Deliveries of a link do not overtake each other (2.6.12): those behind wait while the program
# fills one. Credit counts deliveries (2.6.7): one that has begun goes on without it. The window counts frames (2.5.6).
# What is written lets go of its bytes, as the session may track it for long. At the end, a window that is left open is
# for links that have found it closed; and a detach or end that has waited for an empty queue is due, which nothing else
# would mark.
def write_transfers(transport: TransportState, link: SenderState, before: int | None) -> int:
    """Writes the deliveries of a link that credit and window allow, up to one made at or after `before`.

    :return: the place in that order of the delivery that it stopped at only for `before`; 0 in all other cases.
    """
    binding, session = link.binding, link.session.binding
    outgoing = link.outgoing
    channel = session.channel
    if binding.handle is None or channel is None or binding.remotely_detached or transport.close_sent:
        return 0  # scheduled again when it is attached
    if binding.resumed or binding.resuming_only:
        return 0  # new deliveries come after those that are resumed, on complete maps only (2.6.13)
    endpoint = link.endpoint
    out = transport.out
    frame_size = transport.output_frame_size
    tracing = transport.tracing
    handle = binding.handle_bytes
    wrote, stopped_at = False, 0
    while outgoing:
        delivery = outgoing[0]
        number = delivery._id
        if delivery.aborted and (number is None or session.remote_incoming_window > 0):
            wrote = True
            _write_aborted(transport, link, delivery, number is not None)
            continue
        size = delivery._size
        if delivery.partial and not size and delivery._source is None:
            break
        if binding.link_credit <= 0 and number is None:
            break
        if session.remote_incoming_window <= 0:
            session.blocked[link] = None
            break
        if before is not None and (sequence := delivery._sequence) >= before:
            stopped_at = sequence
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
            or number is not None
            or delivery.local_state
            or delivery._message_format
            or (tag_size := len(tag)) > 32  # the program's own, above what 2.8.7 allows
            or size + tag_size + 60 > frame_size
        ):
            if not _write_in_parts(transport, link, delivery):
                break
            continue
        number = session.next_delivery_id
        settled = delivery._settled
        delivery_id = SMALL_UINTS[number] if number < 256 else b"\x70" + number.to_bytes(4, "big")
        # message-format 0, settled (null is false), and null for more: the frame is the only one (2.7.5)
        end = b"\x43\x41\x40" if settled else b"\x43\x40\x40"
        fields = handle + delivery_id + _TAG_HEADS[tag_size] + tag + end
        length = len(fields)
        frame = length + size + 14
        header = _TRANSFER_HEADER(frame, 2, 0, channel, _TRANSFER_LIST, length + 1, 6)
        chunks = delivery._chunks
        out.append(header + fields)
        out += chunks
        if tracing:
            transport.trace_frame(channel, "->", (header + fields)[8:] + b"".join(chunks))
        transport.out_size += frame
        transport.frames_output += 1
        session.next_delivery_id = number + 1 & SERIAL
        session.next_outgoing_id = session.next_outgoing_id + 1 & SERIAL
        session.remote_incoming_window -= 1
        endpoint.session.outgoing_bytes -= size
        delivery._id = number
        delivery._sent = True
        delivery._chunks = _NO_CHUNKS
        delivery._size = 0
        if settled:
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
    return stopped_at


def _write_in_parts(transport: TransportState, link: SenderState, delivery: Delivery) -> bool:
    """Writes frames of a delivery that needs several, or is not complete, or carries a state.

    :return: True when the delivery is completely written, or all that there is of it so far.
    """
    session = link.session.binding
    channel = session.channel or 0
    number, tag, message_format, settled, resume = delivery._begin(session)
    fields = [link.binding.handle, number, tag, message_format]
    fields += [settled or None, True, None, encode_state(delivery.local_state, delivery._local)]
    if resume:
        fields.append(True)
    performative = encode_composite(TRANSFER, fields)
    # At least a byte in each frame, or a state that fills it would be sent for ever without a byte of the message.
    room = max(1, transport.output_frame_size - 8 - len(performative))
    while True:
        if delivery._source is not None and not refill(transport, link, delivery):
            return True
        size = delivery._size
        last = not delivery.partial and size <= room
        if last:
            fields[5] = None  # as long as the true
            performative = encode_composite(TRANSFER, fields)
        payload = delivery._take() if last else delivery._read(room)[0]
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
            delivery._finish_sending(link)
            return True
        if delivery.partial and len(payload) == size:
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
        size = delivery._read_source(transport.output_frame_size, most)
    except Exception as error:  # the program's: raised when all else is written, and both ends agree on an end
        transport.source_error = error
        delivery.abort()
        return False
    if most and size > most:  # 2.7.3: a receiver may detach for it, so both the delivery and its link end here
        delivery.abort()
        link.fail(MESSAGE_SIZE_EXCEEDED, f"the peer takes messages of {most} bytes, got {size} so far")
        return False
    return True


def _write_resumed(transport: TransportState, link: SenderState) -> None:
    """Resumes the deliveries that were suspended, as far as credit and window allow (2.6.13)."""
    binding, session = link.binding, link.session.binding
    if binding.handle is None or session.channel is None or binding.remotely_detached or transport.close_sent:
        return
    while binding.resumed:
        delivery = binding.resumed[0]
        # One that has begun holds its credit already, and goes on where the window stopped it.
        begun = delivery._id is not None
        if binding.link_credit <= 0 and not begun:
            return
        if session.remote_incoming_window <= 0:
            session.blocked[link] = None
            return
        if not begun:
            prepare(link, delivery)
        if delivery.aborted:
            _write_aborted(transport, link, delivery, True)
            delivery.settled = delivery.updated = True
            link.shared.collector.emit(Event.DELIVERY, delivery)
        elif not _write_in_parts(transport, link, delivery):
            return
    link.mark_sender_dirty()


def _write_aborted(transport: TransportState, link: SenderState, delivery: Delivery, is_known: bool) -> None:
    """Ends an aborted delivery: without a trace if the peer does not know it (2.7.5)."""
    if not is_known:
        link.drop(delivery)
        return
    session = link.session.binding
    number, tag, message_format, _, resume = delivery._begin(session)
    fields = [link.binding.handle, number, tag, message_format]
    fields += [True, None, None, None, resume or None, True]
    write_frame(transport, session.channel or 0, TRANSFER, fields)
    session.count_outgoing_frame()
    # An aborted delivery counts as settled at both ends (2.7.5): no disposition is to find it.
    session.outgoing.pop(number, None)
    delivery._finish_sending(link)
