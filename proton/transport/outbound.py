"""What goes out: `write_open` to `write_close`, and `flush`, which writes all that endpoints have marked.

The order of one flush is fixed (engine behaviour that programs see on the wire): open, begins, attaches, flows of
receivers, transfers, dispositions, flows of sessions, flows of drained senders, detaches, ends, close. Whatever
cannot be written yet is scheduled again by the step that makes it possible: a begin schedules the links of
its session, the peer's open the waiting ends and the close, the last queued transfer the waiting detach.

Transfers are written by hand, from pieces that are prepared per link; every other performative goes through
its table in `codec/composites`. One flush writes `MAX_OUTPUT` bytes of transfers and then waits until they were
taken, so a large message is never in memory twice.
"""

from __future__ import annotations

import heapq
from struct import Struct
from typing import TYPE_CHECKING, Any

from proton.codec.composites import (
    ATTACH,
    BEGIN,
    CLOSE,
    DETACH,
    DISPOSITION,
    END,
    FLOW,
    OPEN,
    TRANSFER,
    Composite,
    encode_composite,
)
from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED, Condition, encode_condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import FIELDLESS_STATES, DispositionType, encode_state
from proton.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from proton.endpoints.events import Event
from proton.endpoints.link import Link, Receiver, Sender
from proton.endpoints.session import HANDLE_MAX, Session
from proton.endpoints.terminus import Terminus, encode_terminus

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.transport.transport import Transport

FRAME_HEADER = Struct(">IBBH")  # 2.3.1: size, data offset, type, channel
# The same, and behind it the descriptor of transfer with a short list: size and count
_TRANSFER_HEADER = Struct(">IBBHIBB").pack
_TRANSFER_LIST = 0x005314C0
_SERIAL = 0xFFFFFFFF  # delivery-ids and transfer-ids are 32-bit serial numbers (2.8.10)

#: bytes of transfers that one flush writes at the most: enough to fill a socket's buffer, small beside a message
MAX_OUTPUT = 1 << 18

_SMALL_UINTS = [b"\x43"] + [b"\x52%c" % n for n in range(1, 256)]
_TAG_HEADS = [b"\xa0%c" % n for n in range(256)]
_EMPTY = DispositionType.EMPTY
_LINK_FLOW = Event.LINK_FLOW
_NO_CHUNKS: list[bytes] = []  # shared by deliveries that are sent: nobody appends to them any more


def encode_number(number: int) -> bytes:
    """A uint in its smallest form."""
    return _SMALL_UINTS[number] if number < 256 else b"\x70" + number.to_bytes(4, "big")


def write_frame(transport: Transport, channel: int, composite: Composite, fields: Any) -> None:
    body = encode_composite(composite, fields)
    transport._out.append(FRAME_HEADER.pack(len(body) + 8, 2, 0, channel) + body)
    transport._out_size += len(body) + 8
    transport.frames_output += 1
    if transport._tracing:
        transport._trace_frame(channel, "->", body)


def flush(transport: Transport) -> None:
    """Writes the frames for everything that the bound connection has marked since the last time."""
    connection = transport.connection
    if connection is None or not (connection._work or connection._senders or connection._touched):
        return
    if not transport._open_sent:
        if connection.state & LOCAL_UNINIT:
            return
        write_open(transport, connection)
    if transport._close_received:
        _finish(transport, connection, _take_work(connection))
        return  # nobody listens any more: what is closed is said, nothing else
    if connection._work:
        work = _take_work(connection)
        for endpoint in work:
            if endpoint.__class__ is Session:
                _begin(transport, endpoint)
        if connection._work:  # links that waited for a begin
            work += _take_work(connection)
        for endpoint in work:
            if isinstance(endpoint, Link):
                _attach(transport, endpoint)
        for endpoint in work:
            if endpoint.__class__ is Receiver:
                _flow_receiver(transport, endpoint)
    else:
        work = []
    if connection._senders:
        _send(transport, connection)
        if connection._work:  # links that wanted to detach when all is sent
            work += _take_work(connection)
    if connection._touched:
        write_dispositions(transport, connection)
    if work:
        _finish(transport, connection, work)


def _take_work(connection: Connection) -> list[Any]:
    work, connection._work = connection._work, []
    for endpoint in work:
        endpoint._marked = False
    return work


def _finish(transport: Transport, connection: Connection, work: list[Any]) -> None:
    """The steps after transfers and dispositions; all but the flows close something."""
    for endpoint in work:
        if endpoint.__class__ is Session and endpoint._flow_due and endpoint._channel is not None:
            write_flow(transport, endpoint, None)
    for endpoint in work:
        if endpoint.__class__ is Sender:
            _flow_sender(transport, endpoint)
    for endpoint in work:
        if isinstance(endpoint, Link):
            _detach(transport, endpoint)
    if transport._open_received:
        for endpoint in work:
            if endpoint.__class__ is Session:
                _end(transport, endpoint)
        if connection.state & LOCAL_CLOSED and not transport._close_sent:
            if connection._senders and not transport._close_received:
                connection._schedule(connection)  # more can be sent once what is written was taken; it goes first
            else:
                write_close(transport, connection._close_condition)


def write_open(transport: Transport, connection: Connection | None) -> None:
    """All ten fields, nulls kept: some peers index the fields without looking at the count."""
    transport._open_sent = True
    if connection is None or connection.state & LOCAL_UNINIT:
        fields: list[Any] = [""]  # an error comes before anything was opened: a close needs an open before it
    else:
        size = transport._max_frame_size
        idle = transport._idle_timeout_ms // 2
        offered, desired, properties = connection._sent_fields
        fields = [
            connection._container or "",
            connection._hostname,
            size if size and size != _SERIAL else None,
            transport.channel_max,
            idle or None,
            None,
            None,
            offered,
            desired,
            properties,
        ]
    write_frame(transport, 0, OPEN, fields)


def _begin(transport: Transport, session: Session) -> None:
    if session._channel is not None or session._end_sent or session.state & LOCAL_UNINIT:
        return
    connection = session.connection
    if session.state & LOCAL_CLOSED and session._was_begun:
        return  # it was ended on an earlier transport and stays so
    if session._remotely_ended:
        return  # it came and went before we answered: a begin now would be that of another session
    limit = transport.channel_max
    if connection._channels.lowest() > limit:
        transport._fail(
            RESOURCE_LIMIT_EXCEEDED, f"no free channel for another session: the two peers agreed on 0 to {limit}"
        )
        return
    frame_size = transport._max_frame_size
    if frame_size and 0 < session._incoming_capacity < frame_size:
        transport._fail(
            "amqp:internal-error",
            f"session capacity {session._incoming_capacity} is less than frame size {frame_size}",
        )
        return
    channel = session._channel = connection._channels.take()
    connection._local_channels[channel] = session
    session._was_begun = True
    offered, desired, properties = session._sent_fields
    write_frame(
        transport,
        channel,
        BEGIN,
        (
            session._remote_channel,
            session._next_outgoing_id,
            session._grant_window(),
            session.outgoing_window,
            HANDLE_MAX,
            offered,
            desired,
            properties,
        ),
    )
    for link in session._members:
        connection._schedule(link)
    if session.state & LOCAL_CLOSED:
        connection._schedule(session)


def _attach(transport: Transport, link: Link) -> None:
    session = link.session
    if link._handle is not None or session._channel is None or link._detach_sent or link.state & LOCAL_UNINIT:
        return
    if session._remotely_ended:
        return  # nothing but an end may follow
    predecessor, link._predecessor = link._predecessor, None
    if predecessor is not None and predecessor._handle is not None:
        _detach(transport, predecessor)
        if predecessor._handle is not None and predecessor.state & LOCAL_CLOSED:
            link._predecessor = predecessor  # it has something to send before; its detach schedules this link
            return
    if link._was_attached and (link.state & LOCAL_CLOSED or link._detached):
        return  # it was detached on an earlier transport and stays so
    if session._handles.lowest() > session._handle_max:
        transport._fail(
            RESOURCE_LIMIT_EXCEEDED,
            f"no free handle for link {link.name!r}: the peer takes handles 0 to {session._handle_max}",
        )
        return
    handle = link._handle = session._handles.take()
    link._handle_bytes = encode_number(handle)
    link._was_attached = True
    session._attached[handle] = link
    coordinator = link.target.type == Terminus.COORDINATOR
    offered, desired, properties = link._sent_fields
    most = link._max_message_size or (transport.max_message_size if link.is_receiver else 0)
    write_frame(
        transport,
        session._channel,
        ATTACH,
        (
            link.name if link.name is not None else "",
            handle,
            link.is_receiver,
            link.snd_settle_mode,
            link.rcv_settle_mode,
            encode_terminus(link.source),
            encode_terminus(link.target),
            None,
            None,
            link._delivery_count if link.is_sender else 0,
            None if coordinator else most,
            offered,
            desired,
            None if coordinator else properties,
        ),
    )
    if isinstance(link, Sender):
        link._queue()


def _flow_receiver(transport: Transport, link: Receiver) -> None:
    if link._handle is None or link._remotely_detached or link.state & LOCAL_CLOSED:
        if link._flow_due:  # the other links of the session still need the window
            link._flow_due = False
            link.session._flow_due = True
            link.connection._schedule(link.session)
        return
    if link._flow_due or link._drain_mode or link.credit - link.queued != link._link_credit:
        write_flow(transport, link.session, link)


def write_flow(transport: Transport, session: Session, link: Link | None) -> None:
    window = session._grant_window()
    session._flow_due = False
    fields: list[Any] = [
        session._next_incoming_id if session._remote_channel is not None else None,
        window,
        session._next_outgoing_id,
        session.outgoing_window,
    ]
    if link is not None:
        link._flow_due = False
        if link.is_receiver:
            credit = link._link_credit = max(0, link.credit - link.queued)
            limit = link._delivery_count + credit & _SERIAL
            if limit - link._credit_limit & _SERIAL < 0x80000000:
                link._credit_limit = limit
        else:
            credit = max(0, link._link_credit)
        available = link.available if link.is_sender and link.available else None
        # A receiver cannot know the count before it has seen the sender's attach, and must leave it out (2.7.4).
        known = link.is_sender or link._remote_handle is not None
        fields += [link._handle, link._delivery_count if known else None, credit, available, link._drain_mode]
        if link._flow_properties is not None:
            fields += [None, link._flow_properties]
    write_frame(transport, session._channel or 0, FLOW, fields)


def _flow_sender(transport: Transport, link: Sender) -> None:
    """Tells the peer that credit was given back, after everything that could be sent (2.6.7)."""
    if link._handle is None or link._remotely_detached:
        return
    if link._drained_due:
        # A delivery that has begun comes to its end first: receivers differ in whether they have counted it already.
        # Otherwise at once, even if something waits for the window: it has its own credit. To wait for an empty queue
        # would be a deadlock where more was queued since, as the receiver grants nothing before it hears of this.
        if link._outgoing and link._outgoing[0]._id is not None:
            return
        link._drained_due = False
        write_flow(transport, link.session, link)
    elif link._flow_due:
        write_flow(transport, link.session, link)


def _send(transport: Transport, connection: Connection) -> None:
    """Writes what the senders have, in the order in which the deliveries were made."""
    while connection._senders and transport._out_size < MAX_OUTPUT:
        senders, connection._senders = connection._senders, []
        for link in senders:
            link._sending = False
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


def write_transfers(transport: Transport, link: Sender, before: int | None) -> bool:
    """Writes the deliveries of a link that credit and window allow, up to one made at or after `before`.

    :return: True when it stopped only for `before`.
    """
    session = link.session
    outgoing = link._outgoing
    channel = session._channel
    if link._handle is None or channel is None or link._remotely_detached or transport._close_sent:
        return False  # scheduled again when it is attached
    out = transport._out
    frame_size = transport._output_frame_size
    tracing = transport._tracing
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
        if delivery.partial and not size:
            break
        if link._link_credit <= 0 and delivery._id is None:
            break
        if session._remote_incoming_window <= 0:
            session._blocked[link] = None
            break
        if before is not None and delivery._sequence >= before:
            turn_ends = True
            break
        if transport._out_size >= MAX_OUTPUT:
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
            or size + len(tag) + 60 > frame_size
        ):
            if not _write_in_parts(transport, link, delivery):
                break
            continue
        number = session._next_delivery_id
        head = _TAG_HEADS[len(tag)]
        if number < 256:
            fields = handle + _SMALL_UINTS[number] + head + tag
        else:
            fields = handle + b"\x70" + number.to_bytes(4, "big") + head + tag
        fields += b"\x43\x41" if delivery._settled else b"\x43"
        length = len(fields)
        header = _TRANSFER_HEADER(
            length + size + 14, 2, 0, channel, _TRANSFER_LIST, length + 1, 5 if delivery._settled else 4
        )
        chunks = delivery._chunks
        out.append(header + fields)
        out += chunks
        if tracing:
            transport._trace_frame(channel, "->", (header + fields)[8:] + b"".join(chunks))
        transport._out_size += length + size + 14
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


def _write_in_parts(transport: Transport, link: Sender, delivery: Delivery) -> bool:
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
    while True:
        fields = [link._handle, delivery._id, delivery._tag, delivery._message_format]
        fields += [True if delivery._settled else None, True, None, _state_of(delivery)]
        with_more = encode_composite(TRANSFER, fields)
        room = transport._output_frame_size - 8 - len(with_more)
        last = not delivery.partial and delivery._size <= room + 2  # without `more`, and the null before it
        if last:
            fields[5] = None
            performative = encode_composite(TRANSFER, fields)
            last = delivery._size <= transport._output_frame_size - 8 - len(performative)
        if not last:
            performative = with_more
        payload = delivery._take() if last else delivery._take_up_to(max(1, room))
        length = len(performative) + len(payload) + 8
        transport._out.append(FRAME_HEADER.pack(length, 2, 0, channel) + performative)
        transport._out.append(payload)
        transport._out_size += length
        transport.frames_output += 1
        if transport._tracing:
            transport._trace_frame(channel, "->", performative + payload)
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
        if transport._out_size >= MAX_OUTPUT:
            link._sending = True
            link.connection._senders.append(link)
            return False


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
    link._outgoing.popleft()


def _write_aborted(transport: Transport, link: Sender, delivery: Delivery) -> None:
    """Ends an aborted delivery: without a trace when nothing of it was sent (2.7.5)."""
    session = link.session
    if delivery._id is None:
        link._drop(delivery)
        return
    fields = [link._handle, delivery._id, delivery._tag, delivery._message_format]
    fields += [True, None, None, None, None, True]
    write_frame(transport, session._channel or 0, TRANSFER, fields)
    session._next_outgoing_id = session._next_outgoing_id + 1 & _SERIAL
    session._remote_incoming_window -= 1
    session._outgoing.pop(delivery._id, None)
    _delivery_sent(link, delivery)


def write_dispositions(transport: Transport, connection: Connection) -> None:
    """Tells the states and settlements that were noted: neighbours with the same thing to say share a frame (2.7.6)."""
    touched, connection._touched = connection._touched, []
    ranges: dict[Session, list[Any]] = {}  # one open range a session: [role, first, last, state, settled]
    for delivery in touched:
        if not delivery._touched:
            continue
        delivery._touched = False
        number = delivery._id
        link = delivery.link
        session = link.session
        if number is None or session._channel is None or session._remotely_ended:
            continue
        role = link.is_receiver
        if not role and not delivery._sent:
            continue  # the transfer will carry it
        settled = delivery._settled
        if settled:
            (session._incoming if role else session._outgoing).pop(number, None)
        if delivery.settled:
            continue  # the peer wants to hear no more of it
        state = delivery.local_state
        if state in FIELDLESS_STATES:
            pending = ranges.get(session)
            if pending is not None:
                if pending[0] is role and pending[3] is state and pending[4] is settled:
                    if number == pending[2] + 1:
                        pending[2] = number
                        continue
                    if number == pending[1] - 1:
                        pending[1] = number
                        continue
                _write_disposition(transport, session, pending)
            ranges[session] = [role, number, number, state, settled]
        elif state or settled:
            encoded = encode_state(state, delivery._local)
            _write_disposition(transport, session, [role, number, number, None, settled], encoded)
    for session, pending in ranges.items():
        _write_disposition(transport, session, pending)


def _write_disposition(transport: Transport, session: Session, pending: list[Any], encoded: Any = None) -> None:
    role, first, last, state, settled = pending
    fields = (
        role,
        first,
        last if last != first else None,
        True if settled else None,
        FIELDLESS_STATES[state] if state is not None else encoded,
    )
    write_frame(transport, session._channel or 0, DISPOSITION, fields)


def _detach(transport: Transport, link: Link) -> None:
    session = link.session
    closed = bool(link.state & LOCAL_CLOSED)
    if link._handle is None or not (closed or link._detached):
        return
    gone = link._remotely_detached or bool(session.state & REMOTE_CLOSED) or transport._close_received
    if link.is_sender and link.queued > 0 and not gone:
        return  # what is queued goes first; its last transfer schedules the link again
    # detach() comes first where both were called: the peer is to keep its terminus
    closed = closed and not link._detached
    write_frame(
        transport,
        session._channel or 0,
        DETACH,
        (link._handle, closed or None, encode_condition(link._close_condition) if closed else None),
    )
    session._handles.give_back(link._handle)
    session._attached.pop(link._handle, None)
    link._handle = None
    link._detach_sent = True
    successor = session._links.get((link.is_sender, link.name))
    if successor is not None and successor is not link:
        link.connection._schedule(successor)
    link._finish_if_done()


def _end(transport: Transport, session: Session) -> None:
    if session._channel is None or not session.state & LOCAL_CLOSED:
        return
    if session._awaits_begin() and not session.connection.state & LOCAL_CLOSED:
        return  # the reply to our begin comes first (2.5.5), and schedules the session again
    if not transport._close_received and session._has_queued():
        return
    session._end_sent = True
    write_frame(transport, session._channel, END, (encode_condition(session._close_condition),))
    session._unmap_channel()


def write_close(transport: Transport, condition: Condition | None) -> None:
    transport._close_sent = True
    write_frame(transport, 0, CLOSE, (encode_condition(condition),))
