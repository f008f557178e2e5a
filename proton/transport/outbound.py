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
from proton.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED, REMOTE_UNINIT, endpoint_state
from proton.endpoints.events import Event
from proton.endpoints.link import LinkState
from proton.endpoints.receiver import ReceiverState
from proton.endpoints.recovery import reconcile, unsettled_map
from proton.endpoints.sender import SenderState
from proton.endpoints.serial import HALF, SERIAL
from proton.endpoints.session import HANDLE_MAX, UNMANAGED_WINDOW, SessionState
from proton.endpoints.terminus import Terminus, encode_terminus
from proton.transport.frames import FrameTooLarge, encode_number, write_body, write_frame
from proton.transport.limits import fail_link, fail_session, has_handle, is_too_early
from proton.transport.transfers import MAX_OUTPUT, write_pending_transfers

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection, ConnectionState
    from proton.endpoints.endpoint import EndpointState
    from proton.endpoints.shared import Shared
    from proton.transport.transport_state import TransportState

_ACCEPTED = DispositionType.ACCEPTED
_TRANSACTIONAL = DispositionType.TRANSACTIONAL_STATE
_REJECTED = DispositionType.REJECTED
_LEAST_FRAME = 512  # 2.8.19: every peer takes frames of this size
_AROUND_ERROR = 64  # bytes around the error in a frame: the header, the performative's other fields, a rejected state
_UNMANAGED = encode_number(UNMANAGED_WINDOW)
_CLOSE_WITHOUT_ERROR = encode_composite(CLOSE, ())


def flush(transport: TransportState) -> None:
    """Writes the frames for everything that the bound connection has marked since the last time."""
    if transport.connection is None:
        return
    connection: ConnectionState = transport.connection._state
    shared = connection.shared
    if not (shared.dirty or shared.dirty_senders or shared.dirty_deliveries) or transport.close_sent:
        return  # nothing may follow a close (2.4.3)
    if transport.out_size >= MAX_OUTPUT:
        return  # a peer that talks and does not read would have us answer into memory without end
    if not transport.open_sent:
        if connection.endpoint.state & LOCAL_UNINIT:
            return
        write_open(transport, connection)
    if transport.close_received:
        _finish(transport, connection, shared.take_dirty())
        return  # the peer reads no more: what is closed is said, nothing else
    if shared.dirty:
        dirty = shared.take_dirty()
        for state in dirty:
            if state.__class__ is SessionState:
                _begin(transport, state)
        if shared.dirty:  # links that waited for a begin
            dirty += shared.take_dirty()
        for state in dirty:
            if isinstance(state, LinkState) and state.binding.handle is None:
                _attach(transport, state)
        for state in dirty:
            if state.__class__ is ReceiverState:
                _flow_receiver(transport, state)
    else:
        dirty = []
    if shared.dirty_senders:
        for delivery in shared.dirty_deliveries:
            if delivery.local_state is _TRANSACTIONAL:
                _write_transactional(transport, shared)
                break
        write_pending_transfers(transport, shared)
        if shared.dirty:  # links that wanted to detach when all is sent
            dirty += shared.take_dirty()
    if shared.dirty_deliveries:
        write_dispositions(transport, shared)
    if dirty:
        _finish(transport, connection, dirty)


def answers_wait(connection: Connection | None, most: int) -> bool:
    """Whether so many sessions and links wait for an answer to what the peer has begun or ended; 0: no limit.

    What this end has begun by itself does not count: two ends that begin much at once must not wait for each other.
    """
    dirty = endpoint_state(connection).shared.dirty if connection is not None else ()
    return len(dirty) >= most > 0 and sum(map(_is_answer_due, dirty)) >= most


def _is_answer_due(state: EndpointState) -> bool:
    if state.endpoint.state & REMOTE_CLOSED:
        return True
    if isinstance(state, LinkState):
        attached = state.binding
        return attached.remotely_detached or (attached.handle is None is not attached.remote_handle)
    return isinstance(state, SessionState) and state.binding.channel is None is not state.binding.remote_channel


def _finish(transport: TransportState, connection: ConnectionState, dirty: list[Any]) -> None:
    """The steps after transfers and dispositions; all but the flows close something."""
    if not transport.close_received:
        for state in dirty:
            if state.__class__ is SessionState:
                _flow_session(transport, state)
        for state in dirty:
            if state.__class__ is SenderState:
                _flow_sender(transport, state)
    for state in dirty:
        if isinstance(state, LinkState):
            _detach(transport, state)
    if transport.open_received:
        for state in dirty:
            if state.__class__ is SessionState:
                _end(transport, state)
        if connection.endpoint.state & LOCAL_CLOSED and not transport.close_sent:
            if connection.shared.dirty_senders and not transport.close_received:
                connection.mark_dirty()  # more can be sent once what is written was taken; it goes first
            else:
                write_close(transport, connection.close_condition)


def write_open(transport: TransportState, connection: ConnectionState | None) -> None:
    transport.open_sent = True
    if connection is None or connection.endpoint.state & LOCAL_UNINIT:
        fields: list[Any] = [""]  # an error comes before anything was opened: a close needs an open before it
    else:
        size = transport.max_frame_size
        # 2.4.5: the peer is told half of what this end waits, so that a heartbeat may be late.
        idle = transport.idle_timeout_ms // 2
        offered, desired, properties = connection.sent_fields
        fields = [
            connection.endpoint.container or "",
            connection.endpoint.hostname,
            size if size and size != SERIAL else None,
            transport.channel_max,
            idle or None,
            None,
            None,
            offered,
            desired,
            properties,
        ]
    write_frame(transport, 0, OPEN, fields)


def _begin(transport: TransportState, session: SessionState) -> None:
    if not _may_begin(session):
        return
    binding, shared = session.binding, session.shared
    if not transport.open_received and is_too_early(shared, shared.channels.lowest()):
        return
    limit = transport.channel_max
    if shared.channels.lowest_up_to(limit) > limit:
        description = f"no free channel for another session: the two peers agreed on 0 to {limit}"
        fail_session(session, RESOURCE_LIMIT_EXCEEDED, description)
        return
    fields = [
        binding.remote_channel,
        binding.next_outgoing_id,
        session.grant_window(),
        session.endpoint.outgoing_window,
        HANDLE_MAX,
        *session.sent_fields,
    ]
    body = encode_composite(BEGIN, fields)
    fault = _begin_fault(transport, session, body)
    if fault is not None:
        if binding.remote_channel is None:
            if transport.open_received or fault[0] != FRAME_SIZE_TOO_SMALL:
                fail_session(session, *fault)
            return  # else how much fits is not known before
        body = encode_composite(BEGIN, fields[:5])  # the peer has begun it: an answer comes before our end
    channel = binding.channel = shared.channels.allocate()
    shared.local_channels[channel] = session
    session.was_begun = True
    write_body(transport, channel, body)
    if fault is not None:
        session.fail(*fault)
    for link in session.members:
        link.mark_dirty()
    if session.endpoint.state & LOCAL_CLOSED:
        session.mark_dirty()


def _may_begin(session: SessionState) -> bool:
    binding, state = session.binding, session.endpoint.state
    if binding.channel is not None or binding.end_sent or state & LOCAL_UNINIT:
        return False
    if state & LOCAL_CLOSED and session.was_begun:
        return False  # it was ended on an earlier transport and stays so
    # It came and went before we answered, or was freed: a begin now would be that of another session.
    return not (binding.remotely_ended or session.final)


def _begin_fault(transport: TransportState, session: SessionState, body: bytes) -> tuple[str, str] | None:
    """Why a session cannot be begun: the name and description of a condition."""
    frame_size = transport.max_frame_size
    capacity = session.capacity
    if frame_size and 0 < capacity < frame_size:
        return INTERNAL_ERROR, f"session capacity {capacity} is less than frame size {frame_size}"
    return _too_large(transport, body, "begin")


def _too_large(transport: TransportState, body: bytes, what: str) -> tuple[str, str] | None:
    """The condition for a body that does not fit into a frame of the peer; before its open, into the smallest one."""
    most = transport.remote_max_frame_size if transport.open_received else _LEAST_FRAME  # 2.4.1
    if len(body) + 8 <= most or not most:
        return None
    return FRAME_SIZE_TOO_SMALL, f"{what}: the peer takes frames of {most} bytes, got one of {len(body) + 8}"


def _attach(transport: TransportState, link: LinkState) -> None:
    if not _may_attach(link) or _waits_for_predecessor(transport, link):
        return
    session, binding = link.session, link.binding
    if link.was_attached and (link.endpoint.state & LOCAL_CLOSED or link.detached):
        return  # it was detached on an earlier transport and stays so
    if binding.recovering and not transport.open_received:
        return  # how much of the unsettled map fits is not known before
    if not has_handle(link):
        return
    fields = _attach_fields(transport, link)  # may raise: changed since the open
    body = encode_composite(ATTACH, fields)
    fault = _too_large(transport, body, "attach")
    is_answer = binding.remote_handle is not None or binding.remotely_detached
    if fault is not None:
        if not is_answer:
            if transport.open_received:
                fail_link(link, *fault)
            return  # else how much fits is not known before
        # The peer has attached it: an answer comes before our detach, without what may be too large (2.6.3).
        # Kept: name, handle, role, settle modes, and the initial delivery-count that a sender must give (2.7.3).
        fields[5:9] = fields[10:] = [None] * 4
        body = encode_composite(ATTACH, fields)
        if _too_large(transport, body, "attach") is not None:
            session.fail(*fault)
            return
    handle = binding.handle = session.binding.handles.allocate()
    binding.handle_bytes = encode_number(handle)
    link.was_attached = True
    session.binding.attached[handle] = link
    if not is_answer:
        session.binding.unanswered.setdefault(link.key, []).append(link)
    write_body(transport, session.binding.channel or 0, body)
    if fault is not None:
        _fail_attached(transport, link, *fault)
        return
    link.mark_sender_dirty()
    if binding.recovering and binding.remote_handle is not None:
        reconcile(link)


def _may_attach(link: LinkState) -> bool:
    session, binding = link.session.binding, link.binding
    if session.channel is None or binding.detach_sent or link.endpoint.state & LOCAL_UNINIT:
        return False
    if link.final and not binding.violated:
        return False  # it was freed before anything of it was said
    return not session.remotely_ended  # else nothing but an end may follow


def _waits_for_predecessor(transport: TransportState, link: LinkState) -> bool:
    """Whether an earlier link of the same name has to be detached first, and cannot be now."""
    predecessor, link.predecessor = link.predecessor, None
    if predecessor is not None and predecessor.binding.handle is not None:
        _detach(transport, predecessor)
        if predecessor.binding.handle is not None and predecessor.endpoint.state & LOCAL_CLOSED:
            link.predecessor = predecessor  # it has something to send before; its detach schedules this link
            return True
    return False


def _attach_fields(transport: TransportState, link: LinkState) -> list[Any]:
    source, target = _encoded_termini(link)
    endpoint = link.endpoint
    coordinator = endpoint.target.type == Terminus.COORDINATOR
    offered, desired, properties = link.sent_fields
    most = link.max_message_size or (transport.limits.max_message_size if link.is_receiver else 0)
    fields: list[Any] = [
        endpoint.name if endpoint.name is not None else "",
        link.session.binding.handles.lowest(),
        link.is_receiver,
        endpoint.snd_settle_mode,
        endpoint.rcv_settle_mode,
        source,
        target,
        None,
        None,
        link.binding.delivery_count if link.is_sender else 0,
        None if coordinator else most,
        offered,
        desired,
        None if coordinator else properties,
    ]
    if link.binding.recovering:
        # 32: the map's own head, and the frame's.
        room = transport.output_frame_size - len(encode_composite(ATTACH, fields)) - 32
        fields[7], endpoint.incomplete_unsettled = unsettled_map(link, room)
        fields[8] = True if endpoint.incomplete_unsettled else None
    return fields


def _encoded_termini(link: LinkState) -> tuple[PreEncoded | None, PreEncoded | None]:
    """Source and target for an attach. Where the program refuses the peer's link, its own terminus is null (2.6.3)."""
    endpoint = link.endpoint
    refused = endpoint.state & LOCAL_CLOSED and not link.opened and not endpoint.state & REMOTE_UNINIT
    return (
        None if refused and link.is_sender else encode_terminus(endpoint.source),
        None if refused and link.is_receiver else encode_terminus(endpoint.target),
    )


def _flow_receiver(transport: TransportState, link: ReceiverState) -> None:
    binding, endpoint = link.binding, link.endpoint
    if binding.handle is None or binding.remotely_detached or endpoint.state & LOCAL_CLOSED:
        if binding.flow_due:  # the other links of the session still need the window
            binding.flow_due = False
            link.session.binding.flow_due = True
            link.session.mark_dirty()
        return
    if binding.flow_due or link.drain_mode or endpoint.credit - endpoint.queued != binding.link_credit:
        write_flow(transport, link.session, link)


def _flow_session(transport: TransportState, session: SessionState) -> None:
    binding = session.binding
    if binding.flow_due and binding.channel is not None and not binding.remotely_ended:
        write_flow(transport, session, None)


def write_flow(transport: TransportState, session: SessionState, link: LinkState | None) -> None:
    binding = session.binding
    window = session.grant_window()
    binding.flow_due = False
    outgoing_window = session.endpoint.outgoing_window
    fields: list[Any] = [
        binding.next_incoming_id if binding.remote_channel is not None else None,
        window,
        binding.next_outgoing_id,
        outgoing_window,
    ]
    if link is not None:
        attached, endpoint = link.binding, link.endpoint
        attached.flow_due = False
        if link.is_receiver:
            credit = max(0, endpoint.credit - endpoint.queued)
            attached.link_credit = credit
            # What was granted may be used even after it was taken back, as long as a flow is on its way (2.6.7).
            limit = attached.delivery_count + credit & SERIAL
            if credit and limit - attached.credit_limit & SERIAL < HALF:
                attached.credit_limit = limit
            if credit > attached.max_credit:
                attached.max_credit = credit
            if link.flow_properties is None and outgoing_window == UNMANAGED_WINDOW and credit <= SERIAL:
                _write_receiver_flow(transport, session, link, window, credit)
                return
        else:
            credit = max(0, attached.link_credit)
        available = endpoint.available if link.is_sender and endpoint.available else None
        # A receiver cannot know the count before it has seen the sender's attach, and must leave it out (2.7.4).
        known = link.is_sender or attached.remote_handle is not None
        fields += [attached.handle, attached.delivery_count if known else None, credit, available, link.drain_mode]
        if link.flow_properties is not None:
            fields += [None, link.flow_properties]
    try:
        write_frame(transport, binding.channel or 0, FLOW, fields)
    except FrameTooLarge as fault:
        if link is None:
            raise
        binding.flow_due = True  # the other links of the session still need the window
        link.flow_properties = None
        _fail_attached(transport, link, FRAME_SIZE_TOO_SMALL, str(fault))


def _write_receiver_flow(
    transport: TransportState, session: SessionState, link: LinkState, window: int, credit: int
) -> None:
    """The usual flow, by hand: one goes out for each turn in which messages were received."""
    number = encode_number
    binding, attached = session.binding, link.binding
    content = b"".join(
        (
            number(binding.next_incoming_id) if binding.remote_channel is not None else b"\x40",
            number(window),
            number(binding.next_outgoing_id),
            _UNMANAGED,
            number(attached.handle or 0),
            number(attached.delivery_count) if attached.remote_handle is not None else b"\x40",
            number(credit),
            b"\x40\x41" if link.drain_mode else b"\x40\x42",  # no `available`
        )
    )
    write_body(transport, binding.channel or 0, b"\x00\x53\x13\xc0%c\x09" % (len(content) + 1) + content)


def _flow_sender(transport: TransportState, link: SenderState) -> None:
    """Tells the peer that credit was given back, after everything that could be sent (2.6.7)."""
    binding = link.binding
    if binding.handle is None or binding.remotely_detached:
        return
    if binding.drained_due:
        # A delivery that has begun comes to its end first: receivers differ in whether they have counted it already.
        # Otherwise at once, even if something waits for the window: it has its own credit. To wait for an empty queue
        # would be a deadlock if more was queued since, as the receiver grants nothing before it hears of this.
        if link.has_begun():
            return
        binding.drained_due = False
        write_flow(transport, link.session, link)
    elif binding.flow_due:
        write_flow(transport, link.session, link)


def _write_transactional(transport: TransportState, shared: Shared) -> None:
    """Answers that are part of a transaction: among the transfers may be the one that discharges it (4.3)."""
    dirty = shared.dirty_deliveries
    shared.dirty_deliveries = [delivery for delivery in dirty if delivery.local_state is _TRANSACTIONAL]
    write_dispositions(transport, shared)
    shared.dirty_deliveries = [delivery for delivery in dirty if delivery.local_state is not _TRANSACTIONAL]


def write_dispositions(transport: TransportState, shared: Shared) -> None:
    """Tells the states and settlements that were noted: neighbours with the same thing to say share a frame (2.7.6)."""
    dirty, shared.dirty_deliveries = shared.dirty_deliveries, []
    ranges: dict[SessionState, list[Any]] = {}  # one open range a session: [role, first, last, state, settled]
    for delivery in dirty:
        if not delivery._dirty:
            continue
        delivery._dirty = False
        number = delivery._id
        link: LinkState = delivery.link._state
        session = link.session
        binding = session.binding
        if number is None or binding.channel is None or binding.remotely_ended:
            continue
        role = link.is_receiver
        if not role and not delivery._sent:
            continue  # the transfer will carry it
        settled = delivery._settled
        if settled and (binding.incoming if role else binding.outgoing).pop(number, None) is not delivery:
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


def _write_disposition(
    transport: TransportState, session: SessionState, pending: list[Any], encoded: Any = None
) -> None:
    role, first, last, state, settled = pending
    if settled and role and state == _ACCEPTED:
        session.binding.progressed = True  # a message that was given back would come again
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
        write_body(transport, session.binding.channel or 0, b"\x00\x53\x15\xc0%c\x05" % (len(content) + 1) + content)
        return
    fields = (
        role,
        first,
        last if last != first else None,
        True if settled else None,
        encoded,
    )
    write_frame(transport, session.binding.channel or 0, DISPOSITION, fields)


def _detach(transport: TransportState, link: LinkState) -> None:
    binding, session, endpoint = link.binding, link.session, link.endpoint
    closed = link.restarting or bool(endpoint.state & LOCAL_CLOSED)
    if binding.handle is None or not (closed or link.detached) or _detaches_later(transport, link):
        return
    # detach() comes first if both were called: the peer is to keep its terminus
    closed = closed and not link.detached
    write_frame(
        transport,
        session.binding.channel or 0,
        DETACH,
        (binding.handle, closed or None, _error(transport, link.close_condition)),
    )
    # 2.6.4: the handle is free for another link when the detach is written; the peer's answer is for its own handle.
    session.binding.handles.release(binding.handle)
    session.binding.attached.pop(binding.handle, None)
    binding.handle = None
    binding.detach_sent = True
    over = endpoint.state & REMOTE_CLOSED or session.binding.remotely_ended or link.final
    if closed and binding.remotely_detached and not over:
        session.binding.remember_crossed(link)
    successor = session.links.get(link.key)
    if successor is not None and successor is not link:
        successor.mark_dirty()
    link.finish_if_done()
    if binding.begin_due:
        link.begin_again()


def _detaches_later(transport: TransportState, link: LinkState) -> bool:
    """Whether something else has to go out before a detach, or in place of it."""
    session = link.session
    session_state = session.endpoint.state
    gone = link.binding.remotely_detached or session_state & REMOTE_CLOSED or transport.close_received
    if link.is_sender and link.endpoint.queued > 0 and not gone and not link.failed:
        return True  # what is queued goes first; its last transfer schedules the link again
    if link.binding.gone_with_session and session_state & LOCAL_CLOSED:
        return True  # the end that follows detaches it
    return link.restarting and session.binding.remotely_ended


def _fail_attached(transport: TransportState, link: LinkState, name: str, description: str) -> None:
    """Ends a link that the peer knows of, for a frame that would have been too large."""
    link.fail(name, description)
    _detach(transport, link)


def _end(transport: TransportState, session: SessionState) -> None:
    binding = session.binding
    if binding.channel is None or not (session.endpoint.state & LOCAL_CLOSED or session.restarting):
        return
    if binding.awaits_begin() and not session.endpoint.connection.state & LOCAL_CLOSED:
        return  # the reply to our begin comes first (2.5.5), and schedules the session again
    if not (transport.close_received or session.failed) and binding.has_queued():
        return
    binding.end_sent = True
    write_frame(transport, binding.channel, END, (_error(transport, session.close_condition),))
    session.unmap_channel()


def answer_close(transport: TransportState) -> None:
    """Answers the peer's close on a connection that this end leaves open, to be made again (2.4.3)."""
    if not transport.open_sent:
        write_open(transport, endpoint_state(transport.connection) if transport.connection is not None else None)
    if not transport.close_sent:
        write_close(transport, None)
        transport.emit(Event.TRANSPORT)


def write_close(transport: TransportState, condition: Condition | None) -> None:
    transport.close_sent = True
    if condition is None:
        write_body(transport, 0, _CLOSE_WITHOUT_ERROR)
    else:
        write_frame(transport, 0, CLOSE, (_error(transport, condition),))


def _error(transport: TransportState, condition: Condition | None) -> PreEncoded | None:
    """The reason in a frame, cut to what fits: words that are too many must not cost the connection (2.4.1)."""
    encoded = encode_condition(condition)
    room = (transport.output_frame_size if transport.open_received else _LEAST_FRAME) - _AROUND_ERROR
    if condition is None or encoded is None or len(encoded) <= room:
        return encoded
    return encode_condition(fitting(condition, room))
