"""What goes out: `write_open` to `write_close`, and `flush`, which writes all that endpoints have marked.

The order of one flush is fixed (engine behaviour that programs see on the wire): open, begins, attaches, flows of
receivers, dispositions of transactions, transfers, other dispositions, flows of sessions, flows of drained senders,
detaches, ends, close. Whatever cannot be written yet is scheduled again by the step that makes it possible: a begin
schedules the links of its session, the peer's open the waiting ends and the close, the last queued transfer the
waiting detach.

Transfers have a file of their own (`transfers.py`) and are written by hand; every other performative goes through
its table in `codec/composites`.
"""

from __future__ import annotations

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
    REJECTED,
    encode_composite,
)
from proton.codec.encode import PreEncoded
from proton.endpoints.condition import (
    FRAME_SIZE_TOO_SMALL,
    INTERNAL_ERROR,
    RESOURCE_LIMIT_EXCEEDED,
    Condition,
    encode_condition,
    fitting,
)
from proton.endpoints.disposition import FIELDLESS_STATES, DispositionType, encode_state
from proton.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED, REMOTE_UNINIT
from proton.endpoints.events import Event
from proton.endpoints.link import Link
from proton.endpoints.receiver import Receiver
from proton.endpoints.recovery import reconcile, unsettled_map
from proton.endpoints.sender import Sender
from proton.endpoints.session import HANDLE_MAX, UNMANAGED_WINDOW, Session
from proton.endpoints.terminus import Terminus, encode_terminus
from proton.transport.frames import FrameTooLarge, encode_number, write_body, write_frame
from proton.transport.limits import fail_link, fail_session, has_handle, is_too_early
from proton.transport.transfers import MAX_OUTPUT, send

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.transport.transport_state import TransportState

_SERIAL = 0xFFFFFFFF
_ACCEPTED = DispositionType.ACCEPTED
_TRANSACTIONAL = DispositionType.TRANSACTIONAL_STATE
_REJECTED = DispositionType.REJECTED
_LEAST_FRAME = 512  # 2.8.19: every peer takes frames of this size
_AROUND_ERROR = 64  # bytes around the error in a frame: the header, the performative's other fields, a rejected state
_UNMANAGED = encode_number(UNMANAGED_WINDOW)


def flush(transport: TransportState) -> None:
    """Writes the frames for everything that the bound connection has marked since the last time."""
    connection = transport.connection
    if connection is None or not (connection._work or connection._senders or connection._touched):
        return
    if transport.close_sent:
        return  # nothing may follow it (2.4.3)
    if transport.out_size >= MAX_OUTPUT:
        return  # a peer that talks and does not read would have us answer into memory without end
    if not transport.open_sent:
        if connection.state & LOCAL_UNINIT:
            return
        write_open(transport, connection)
    if transport.close_received:
        _finish(transport, connection, connection._take_work())
        return  # nobody listens any more: what is closed is said, nothing else
    if connection._work:
        work = connection._take_work()
        for endpoint in work:
            if endpoint.__class__ is Session:
                _begin(transport, endpoint)
        if connection._work:  # links that waited for a begin
            work += connection._take_work()
        for endpoint in work:
            if isinstance(endpoint, Link) and endpoint._handle is None:
                _attach(transport, endpoint)
        for endpoint in work:
            if endpoint.__class__ is Receiver:
                _flow_receiver(transport, endpoint)
    else:
        work = []
    if connection._senders:
        for delivery in connection._touched:
            if delivery.local_state is _TRANSACTIONAL:
                _write_transactional(transport, connection)
                break
        send(transport, connection)
        if connection._work:  # links that wanted to detach when all is sent
            work += connection._take_work()
    if connection._touched:
        write_dispositions(transport, connection)
    if work:
        _finish(transport, connection, work)


def answers_wait(connection: Connection | None, most: int) -> bool:
    """Whether so many sessions and links wait for an answer to what the peer has begun or ended; 0: no limit.

    What this end has begun by itself does not count: two ends that begin much at once must not wait for each other.
    """
    count = 0
    if connection is not None and len(connection._work) >= most > 0:
        for endpoint in connection._work:
            if endpoint.state & REMOTE_CLOSED:
                count += 1
            elif isinstance(endpoint, Link):
                count += endpoint._remotely_detached or (endpoint._handle is None is not endpoint._remote_handle)
            elif isinstance(endpoint, Session):
                count += endpoint._channel is None is not endpoint._remote_channel
    return count >= most > 0


def _finish(transport: TransportState, connection: Connection, work: list[Any]) -> None:
    """The steps after transfers and dispositions; all but the flows close something."""
    if not transport.close_received:
        for endpoint in work:
            if endpoint.__class__ is not Session or endpoint._channel is None or endpoint._remotely_ended:
                continue
            if endpoint._flow_due:
                write_flow(transport, endpoint, None)
        for endpoint in work:
            if endpoint.__class__ is Sender:
                _flow_sender(transport, endpoint)
    for endpoint in work:
        if isinstance(endpoint, Link) and (endpoint._detached or endpoint._restarting or endpoint.state & LOCAL_CLOSED):
            _detach(transport, endpoint)
    if transport.open_received:
        for endpoint in work:
            if endpoint.__class__ is Session:
                _end(transport, endpoint)
        if connection.state & LOCAL_CLOSED and not transport.close_sent:
            if connection._senders and not transport.close_received:
                connection._schedule(connection)  # more can be sent once what is written was taken; it goes first
            else:
                write_close(transport, connection._close_condition)


def write_open(transport: TransportState, connection: Connection | None) -> None:
    transport.open_sent = True
    if connection is None or connection.state & LOCAL_UNINIT:
        fields: list[Any] = [""]  # an error comes before anything was opened: a close needs an open before it
    else:
        size = transport.max_frame_size
        idle = transport.idle_timeout_ms // 2
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


def _begin(transport: TransportState, session: Session) -> None:
    if session._channel is not None or session._end_sent or session.state & LOCAL_UNINIT:
        return
    connection = session.connection
    if session.state & LOCAL_CLOSED and session._was_begun:
        return  # it was ended on an earlier transport and stays so
    if session._remotely_ended or session._final:
        return  # it came and went before we answered, or was freed: a begin now would be that of another session
    if not transport.open_received and is_too_early(connection, connection._channels.lowest()):
        return
    limit = transport.channel_max
    if connection._channels.lowest_up_to(limit) > limit:
        description = f"no free channel for another session: the two peers agreed on 0 to {limit}"
        fail_session(session, RESOURCE_LIMIT_EXCEEDED, description)
        return
    fields = [
        session._remote_channel,
        session._next_outgoing_id,
        session._grant_window(),
        session.outgoing_window,
        HANDLE_MAX,
        *session._sent_fields,
    ]
    body = encode_composite(BEGIN, fields)
    fault = _begin_fault(transport, session, body)
    if fault is not None:
        if session._remote_channel is None:
            if transport.open_received or fault[0] != FRAME_SIZE_TOO_SMALL:
                fail_session(session, *fault)
            return  # else how much fits is not known before
        body = encode_composite(BEGIN, fields[:5])  # the peer has begun it: an answer comes before our end
    channel = session._channel = connection._channels.take()
    connection._local_channels[channel] = session
    session._was_begun = True
    write_body(transport, channel, body)
    if fault is not None:
        session._fail(*fault)
    for link in session._members:
        connection._schedule(link)
    if session.state & LOCAL_CLOSED:
        connection._schedule(session)


def _begin_fault(transport: TransportState, session: Session, body: bytes) -> tuple[str, str] | None:
    """Why a session cannot be begun: the name and description of a condition."""
    frame_size = transport.max_frame_size
    capacity = session._incoming_capacity
    if frame_size and 0 < capacity < frame_size:
        return INTERNAL_ERROR, f"session capacity {capacity} is less than frame size {frame_size}"
    return _too_large(transport, body, "begin")


def _too_large(transport: TransportState, body: bytes, what: str) -> tuple[str, str] | None:
    """The condition for a body that does not fit into a frame of the peer; before its open, into the smallest one."""
    most = transport.remote_max_frame_size if transport.open_received else _LEAST_FRAME  # 2.4.1
    if len(body) + 8 <= most or not most:
        return None
    return FRAME_SIZE_TOO_SMALL, f"{what}: the peer takes frames of {most} bytes, got one of {len(body) + 8}"


def _attach(transport: TransportState, link: Link) -> None:
    session = link.session
    if session._channel is None or link._detach_sent or link.state & LOCAL_UNINIT:
        return
    if link._final and not link._violated:
        return  # it was freed before anything of it was said
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
    if link._recovering and not transport.open_received:
        return  # how much of the unsettled map fits is not known before
    if not has_handle(link):
        return
    fields = _attach_fields(transport, link)  # may raise: changed since the open
    body = encode_composite(ATTACH, fields)
    fault = _too_large(transport, body, "attach")
    if fault is not None:
        if link._remote_handle is None and not link._remotely_detached:
            if transport.open_received:
                fail_link(link, *fault)
            return  # else how much fits is not known before
        # The peer has attached it: an answer comes before our detach, without what may be too large (2.6.3).
        fields[5:9] = fields[10:] = [None] * 4
        body = encode_composite(ATTACH, fields)
        if _too_large(transport, body, "attach") is not None:
            session._fail(*fault)
            return
    handle = link._handle = session._handles.take()
    link._handle_bytes = encode_number(handle)
    link._was_attached = True
    session._attached[handle] = link
    if link._remote_handle is None and not link._remotely_detached:
        session._unanswered.setdefault((link.is_sender, link.name), []).append(link)
    write_body(transport, session._channel, body)
    if fault is not None:
        _fail_attached(transport, link, *fault)
        return
    if isinstance(link, Sender):
        link._queue()
    if link._recovering and link._remote_handle is not None:
        reconcile(link)


def _attach_fields(transport: TransportState, link: Link) -> list[Any]:
    source, target = _encoded_termini(link)
    coordinator = link.target.type == Terminus.COORDINATOR
    offered, desired, properties = link._sent_fields
    most = link._max_message_size or (transport.limits.max_message_size if link.is_receiver else 0)
    fields: list[Any] = [
        link.name if link.name is not None else "",
        link.session._handles.lowest(),
        link.is_receiver,
        link.snd_settle_mode,
        link.rcv_settle_mode,
        source,
        target,
        None,
        None,
        link._delivery_count if link.is_sender else 0,
        None if coordinator else most,
        offered,
        desired,
        None if coordinator else properties,
    ]
    if link._recovering:
        # 32: the map's own head, and the frame's.
        room = transport.output_frame_size - len(encode_composite(ATTACH, fields)) - 32
        fields[7], link.incomplete_unsettled = unsettled_map(link, room)
        fields[8] = True if link.incomplete_unsettled else None
    return fields


def _encoded_termini(link: Link) -> tuple[PreEncoded | None, PreEncoded | None]:
    """Source and target for an attach. Where the program refuses the peer's link, its own terminus is null (2.6.3)."""
    refused = link.state & LOCAL_CLOSED and not link._opened and not link.state & REMOTE_UNINIT
    return (
        None if refused and link.is_sender else encode_terminus(link.source),
        None if refused and link.is_receiver else encode_terminus(link.target),
    )


def _flow_receiver(transport: TransportState, link: Receiver) -> None:
    if link._handle is None or link._remotely_detached or link.state & LOCAL_CLOSED:
        if link._flow_due:  # the other links of the session still need the window
            link._flow_due = False
            link.session._flow_due = True
            link.connection._schedule(link.session)
        return
    if link._flow_due or link._drain_mode or link.credit - link.queued != link._link_credit:
        write_flow(transport, link.session, link)


def write_flow(transport: TransportState, session: Session, link: Link | None) -> None:
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
            if credit and limit - link._credit_limit & _SERIAL < 0x80000000:
                link._credit_limit = limit
            if credit > link._credit_most:
                link._credit_most = credit
            if link._flow_properties is None and session.outgoing_window == UNMANAGED_WINDOW and credit <= _SERIAL:
                _write_receiver_flow(transport, session, link, window, credit)
                return
        else:
            credit = max(0, link._link_credit)
        available = link.available if link.is_sender and link.available else None
        # A receiver cannot know the count before it has seen the sender's attach, and must leave it out (2.7.4).
        known = link.is_sender or link._remote_handle is not None
        fields += [link._handle, link._delivery_count if known else None, credit, available, link._drain_mode]
        if link._flow_properties is not None:
            fields += [None, link._flow_properties]
    try:
        write_frame(transport, session._channel or 0, FLOW, fields)
    except FrameTooLarge as fault:
        if link is None:
            raise
        session._flow_due = True  # the other links of the session still need the window
        link._flow_properties = None
        _fail_attached(transport, link, FRAME_SIZE_TOO_SMALL, str(fault))


def _write_receiver_flow(transport: TransportState, session: Session, link: Link, window: int, credit: int) -> None:
    """The usual flow, by hand: one goes out for each turn in which messages were received."""
    number = encode_number
    known = session._remote_channel is not None
    content = b"".join(
        (
            number(session._next_incoming_id) if known else b"\x40",
            number(window),
            number(session._next_outgoing_id),
            _UNMANAGED,
            number(link._handle or 0),
            number(link._delivery_count) if link._remote_handle is not None else b"\x40",
            number(credit),
            b"\x40\x41" if link._drain_mode else b"\x40\x42",  # no `available`
        )
    )
    write_body(transport, session._channel or 0, b"\x00\x53\x13\xc0%c\x09" % (len(content) + 1) + content)


def _flow_sender(transport: TransportState, link: Sender) -> None:
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


def _write_transactional(transport: TransportState, connection: Connection) -> None:
    """Answers that are part of a transaction: among the transfers may be the one that discharges it (4.3)."""
    touched = connection._touched
    connection._touched = [delivery for delivery in touched if delivery.local_state is _TRANSACTIONAL]
    write_dispositions(transport, connection)
    connection._touched = [delivery for delivery in touched if delivery.local_state is not _TRANSACTIONAL]


def write_dispositions(transport: TransportState, connection: Connection) -> None:
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
        if settled and (session._incoming if role else session._outgoing).pop(number, None) is not delivery:
            continue  # it was told before, and the program has changed its state since; or the peer has settled
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
            if state == _REJECTED and encoded is not None and len(encoded) > _LEAST_FRAME - _AROUND_ERROR:
                reason = delivery.local.condition
                encoded = PreEncoded(encode_composite(REJECTED, (_error(transport, reason),)))
            try:
                _write_disposition(transport, session, [role, number, number, None, settled], encoded)
            except FrameTooLarge as fault:
                _fail_attached(transport, link, FRAME_SIZE_TOO_SMALL, str(fault))
    for session, pending in ranges.items():
        _write_disposition(transport, session, pending)


def _write_disposition(transport: TransportState, session: Session, pending: list[Any], encoded: Any = None) -> None:
    role, first, last, state, settled = pending
    if settled and role and state == _ACCEPTED:
        session._progressed = True  # a message that was given back would come again
    if state is not None:  # by hand: one goes out for each turn in which messages were settled
        content = b"".join(
            (
                b"\x41" if role else b"\x42",
                encode_number(first),
                encode_number(last) if last != first else b"\x40",
                b"\x41" if settled else b"\x40",
                FIELDLESS_STATES[state],
            )
        )
        write_body(transport, session._channel or 0, b"\x00\x53\x15\xc0%c\x05" % (len(content) + 1) + content)
        return
    fields = (
        role,
        first,
        last if last != first else None,
        True if settled else None,
        encoded,
    )
    write_frame(transport, session._channel or 0, DISPOSITION, fields)


def _detach(transport: TransportState, link: Link) -> None:
    session = link.session
    closed = link._restarting or bool(link.state & LOCAL_CLOSED)
    if link._handle is None or not (closed or link._detached):
        return
    gone = link._remotely_detached or bool(session.state & REMOTE_CLOSED) or transport.close_received
    if link.is_sender and link.queued > 0 and not gone and not link._failed:
        return  # what is queued goes first; its last transfer schedules the link again
    if link._gone_with_session and session.state & LOCAL_CLOSED or link._restarting and session._remotely_ended:
        return  # the end that follows detaches it
    # detach() comes first where both were called: the peer is to keep its terminus
    closed = closed and not link._detached
    write_frame(
        transport,
        session._channel or 0,
        DETACH,
        (link._handle, closed or None, _error(transport, link._close_condition)),
    )
    session._handles.give_back(link._handle)
    session._attached.pop(link._handle, None)
    link._handle = None
    link._detach_sent = True
    crossed = link._remotely_detached and not (link.state & REMOTE_CLOSED or session._remotely_ended or link._final)
    if closed and crossed:
        session._remember_crossed(link)
    successor = session._links.get((link.is_sender, link.name))
    if successor is not None and successor is not link:
        link.connection._schedule(successor)
    link._finish_if_done()
    if link._begin_due:
        link._begin_again()


def _fail_attached(transport: TransportState, link: Link, name: str, description: str) -> None:
    """Ends a link that the peer knows of, for a frame that would have been too large."""
    link._fail(name, description)
    _detach(transport, link)


def _end(transport: TransportState, session: Session) -> None:
    if session._channel is None or not (session.state & LOCAL_CLOSED or session._restarting):
        return
    if session._awaits_begin() and not session.connection.state & LOCAL_CLOSED:
        return  # the reply to our begin comes first (2.5.5), and schedules the session again
    if not (transport.close_received or session._failed) and session._has_queued():
        return
    session._end_sent = True
    write_frame(transport, session._channel, END, (_error(transport, session._close_condition),))
    session._unmap_channel()


def answer_close(transport: TransportState) -> None:
    """Answers the peer's close on a connection that this end leaves open, to be made again (2.4.3)."""
    if not transport.open_sent:
        write_open(transport, transport.connection)
    if not transport.close_sent:
        write_close(transport, None)
        transport.emit(Event.TRANSPORT)


def write_close(transport: TransportState, condition: Condition | None) -> None:
    transport.close_sent = True
    write_frame(transport, 0, CLOSE, (_error(transport, condition),))


def _error(transport: TransportState, condition: Condition | None) -> PreEncoded | None:
    """The reason in a frame, cut to what fits: words that are too many must not cost the connection (2.4.1)."""
    encoded = encode_condition(condition)
    room = (transport.output_frame_size if transport.open_received else _LEAST_FRAME) - _AROUND_ERROR
    if condition is None or encoded is None or len(encoded) <= room:
        return encoded
    return encode_condition(fitting(condition, room))
