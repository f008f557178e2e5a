"""Transfers on their way out: which deliveries go next, and the frames of each (2.7.5).

`send` takes the connection's senders in the order in which their deliveries were made. A message that fits into a
frame is written by hand from prepared pieces; one that needs several, or carries a state, or is resumed, goes through
`_write_in_parts`. One flush writes `MAX_OUTPUT` bytes of transfers and then waits until they were taken, so a large
message is never in memory twice.
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
from proton.transport.frames import FRAME_HEADER, SMALL_UINTS, write_frame

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.sender import Sender
    from proton.transport.transport_state import TransportState

# The frame header, and behind it the descriptor of transfer with a short list: size and count
_TRANSFER_HEADER = Struct(">IBBHIBB").pack
_TRANSFER_LIST = 0x005314C0
_SERIAL = 0xFFFFFFFF  # delivery-ids and transfer-ids are 32-bit serial numbers (2.8.10)

#: bytes of output beyond which nothing is written until some were taken: a socket's buffer full, less than a message
MAX_OUTPUT = 1 << 18

_TAG_HEADS = [b"\xa0%c" % n for n in range(256)]
_LINK_FLOW = Event.LINK_FLOW
_NO_CHUNKS: list[bytes] = []  # shared by deliveries that are sent: nobody appends to them any more


def send(transport: TransportState, connection: Connection) -> None:
    """Writes what the senders have, in the order in which the deliveries were made."""
    while connection._senders and transport.out_size < MAX_OUTPUT:
        senders, connection._senders = connection._senders, []
        for link in senders:
            link._sending = False
            if link._resumed:
                _write_resumed(transport, link)
        if len(senders) == 1:
            write_transfers(transport, senders[0], None)
            continue
        heads = [(link._outgoing[0]._sequence, n) for n, link in enumerate(senders) if link._outgoing]
        heapq.heapify(heads)
        while heads:
            _, n = heapq.heappop(heads)
            link = senders[n]
            # One link runs on until another has something older to send.
            if write_transfers(transport, link, heads[0][0] if heads else None) and link._outgoing:
                heapq.heappush(heads, (link._outgoing[0]._sequence, n))


def write_transfers(transport: TransportState, link: Sender, before: int | None) -> bool:
    """Writes the deliveries of a link that credit and window allow, up to one made at or after `before`.

    :return: True when it stopped only for `before`.
    """
    session = link.session
    outgoing = link._outgoing
    channel = session._channel
    if link._handle is None or channel is None or link._remotely_detached or transport.close_sent:
        return False  # scheduled again when it is attached
    if link._resumed or link._resuming_only:
        return False  # new deliveries come after those that are resumed, on complete maps only (2.6.13)
    out = transport.out
    frame_size = transport.output_frame_size
    tracing = transport.tracing
    handle = link._handle_bytes
    wrote = False
    turn_ends = False
    while outgoing:
        delivery = outgoing[0]
        if delivery.aborted and (delivery._id is None or session._remote_incoming_window > 0):
            wrote = True
            _write_aborted(transport, link, delivery)
            continue
        size = delivery._size
        if delivery.partial and not size and delivery._source is None:
            break
        if link._link_credit <= 0 and delivery._id is None:
            break
        if session._remote_incoming_window <= 0:
            session._blocked[link] = None
            break
        if before is not None and delivery._sequence >= before:
            turn_ends = True
            break
        if transport.out_size >= MAX_OUTPUT:
            link._sending = True
            link.connection._senders.append(link)
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
        number = session._next_delivery_id
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
        session._next_delivery_id = number + 1 & _SERIAL
        session._next_outgoing_id = session._next_outgoing_id + 1 & _SERIAL
        session._remote_incoming_window -= 1
        session.outgoing_bytes -= size
        delivery._id = number
        delivery._sent = True
        delivery._chunks = _NO_CHUNKS
        delivery._size = 0
        if delivery._settled:
            delivery._touched = False  # the transfer has said so
        else:
            session._outgoing[number] = delivery
        link._link_credit -= 1
        link._delivery_count = link._delivery_count + 1 & _SERIAL
        link.queued -= 1
        outgoing.popleft()
    if session._blocked and session._remote_incoming_window > 0:
        session._unblock()
    if wrote:
        link.connection._collector.emit(_LINK_FLOW, link)
        if link._drained_due or (
            not link.queued and (link.state & LOCAL_CLOSED or link._detached or session.state & LOCAL_CLOSED)
        ):
            link.connection._schedule(link)
            link.connection._schedule(session)
    return turn_ends


def _write_in_parts(transport: TransportState, link: Sender, delivery: Delivery) -> bool:
    """Writes frames of a delivery that needs several, or is not complete, or carries a state.

    :return: True when the delivery is completely written, or all that there is of it so far.
    """
    session = link.session
    channel = session._channel or 0
    if delivery._id is None:
        delivery._id = session._next_delivery_id
        session._next_delivery_id = session._next_delivery_id + 1 & _SERIAL
        if not delivery._settled:
            session._outgoing[delivery._id] = delivery
    fields = [link._handle, delivery._id, delivery._tag, delivery._message_format]
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
        session._next_outgoing_id = session._next_outgoing_id + 1 & _SERIAL
        session._remote_incoming_window -= 1
        session.outgoing_bytes -= len(payload)
        if last:
            _delivery_sent(link, delivery)
            return True
        if delivery.partial and not delivery._size:
            return False  # the rest is still to come; nothing may overtake it
        if session._remote_incoming_window <= 0:
            session._blocked[link] = None
            return False
        if transport.out_size >= MAX_OUTPUT:
            link._sending = True
            link.connection._senders.append(link)
            return False


def refill(transport: TransportState, link: Sender, delivery: Delivery) -> bool:
    """Asks the source of a body for as much as the next frame can take; False when that failed."""
    most = link.remote_max_message_size if link.checks_message_size else 0
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
            link.session.outgoing_bytes += len(piece)
    except Exception as error:  # the program's: raised when all else is written, and both ends agree on an end
        transport.source_error = error
        delivery.abort()
        return False
    return True


def _end_oversized(link: Sender, delivery: Delivery, most: int) -> None:
    """A body has turned out larger than the peer's max-message-size (2.7.3): its delivery and its link are over."""
    reason = f"the peer takes messages of {most} bytes, got {delivery._received} so far"
    delivery.abort()
    link._fail(MESSAGE_SIZE_EXCEEDED, reason)


def _state_of(delivery: Delivery) -> Any:
    return encode_state(delivery.local_state, delivery._local)


def _delivery_sent(link: Sender, delivery: Delivery) -> None:
    """The last frame of the delivery at the head of the queue is written."""
    delivery._sent = True
    delivery._touched = False  # state and settlement went with the transfer
    if delivery._settled:
        link.session._outgoing.pop(delivery._id, None)  # type: ignore[arg-type]
    link._link_credit -= 1
    link._delivery_count = link._delivery_count + 1 & _SERIAL
    link.queued -= 1
    (link._resumed if delivery._resuming else link._outgoing).popleft()


def _write_resumed(transport: TransportState, link: Sender) -> None:
    """Resumes the deliveries that were suspended, as far as credit and window allow (2.6.13)."""
    session = link.session
    if link._handle is None or session._channel is None or link._remotely_detached or transport.close_sent:
        return
    while link._resumed:
        delivery = link._resumed[0]
        if link._link_credit <= 0 and delivery._id is None:
            return
        if session._remote_incoming_window <= 0:
            session._blocked[link] = None
            return
        if delivery._id is None:
            delivery._resuming = True
            prepare(link, delivery)
        if delivery.aborted:
            if delivery._id is None:
                delivery._id = session._next_delivery_id
                session._next_delivery_id = session._next_delivery_id + 1 & _SERIAL
            _write_aborted(transport, link, delivery)
            delivery.settled = delivery.updated = True
            link.connection._collector.emit(Event.DELIVERY, delivery)
        elif not _write_in_parts(transport, link, delivery):
            return
    link._queue()


def _write_aborted(transport: TransportState, link: Sender, delivery: Delivery) -> None:
    """Ends an aborted delivery: without a trace when nothing of it was sent (2.7.5)."""
    session = link.session
    if delivery._id is None:
        link._drop(delivery)
        return
    fields = [link._handle, delivery._id, delivery._tag, delivery._message_format]
    fields += [True, None, None, None, True if delivery._resuming else None, True]
    write_frame(transport, session._channel or 0, TRANSFER, fields)
    session._next_outgoing_id = session._next_outgoing_id + 1 & _SERIAL
    session._remote_incoming_window -= 1
    session._outgoing.pop(delivery._id, None)
    _delivery_sent(link, delivery)
