"""What comes in: one function for each performative, acting on endpoints and putting events (2.7).

Each takes the transport, the channel, the decoded fields and what followed them in the frame. Inbound acts
at once; what has to be answered is only marked. A fault of the peer raises `ProtocolViolation` for the
connection, or `EndpointViolation` for the session or link that must be closed for it; the frame loop catches
both. The three hot performatives look at their fields by hand and fall back to the table of the composite when
a field is not of the expected class; the others always use the table.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable

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
)
from proton.codec.types import SymbolList
from proton.endpoints.condition import (
    DECODE_ERROR,
    FRAMING_ERROR,
    HANDLE_IN_USE,
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    TRANSFER_LIMIT_EXCEEDED,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    decode_condition,
)
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import decode_state
from proton.endpoints.endpoint import LOCAL_CLOSED, endpoint_state
from proton.endpoints.events import Event
from proton.endpoints.printable import printable
from proton.endpoints.receiver import ReceiverState
from proton.endpoints.recovery import decode_unsettled, reconcile, resumed_delivery
from proton.endpoints.serial import HALF, SERIAL, ahead
from proton.endpoints.session import HANDLE_MAX
from proton.endpoints.shared import NO_DELIVERIES
from proton.endpoints.terminus import decode_terminus
from proton.exceptions import DataException, ProtocolViolation
from proton.transport.checks import EndpointViolation, bound_connection, check, link_on, session_on
from proton.transport.dispositions import on_disposition
from proton.transport.limits import has_begun, has_opened

if TYPE_CHECKING:
    from proton.endpoints.connection import ConnectionState
    from proton.endpoints.link import Link, LinkState
    from proton.endpoints.session import SessionState
    from proton.transport.transport_state import TransportState

#: How often the most credit that a link has given at once may come beyond it. RabbitMQ 3 forgets what is on its way out
#: of a queue when a flow comes, and sends up to four times that. It bounds what a peer may have us hold unasked.
CREDIT_OVERRUN_FACTOR = 16
_DELIVERY = Event.DELIVERY
_LINK_FLOW = Event.LINK_FLOW


def _symbols(value: list[Any] | None) -> SymbolList | None:
    return None if value is None else SymbolList(value, raise_on_error=False)


def on_open(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    if transport.open_received:
        raise ProtocolViolation(NOT_ALLOWED, "expected one open on a connection, got a second one")
    checked = check(OPEN, fields)
    container, hostname, frame_size, channel_max, idle_ms, _, _, offered, desired, properties = checked
    connection = transport.connection
    # A server reads the open before the program binds a connection to the transport: it is kept until then.
    if connection is None:
        transport.hold(fields)
        return
    transport.open_received = True
    connection.remote_container = container
    connection.remote_hostname = hostname
    connection.remote_offered_capabilities = _symbols(offered)
    connection.remote_desired_capabilities = _symbols(desired)
    connection.remote_properties = properties
    if frame_size is not None:
        transport.set_remote_max_frame_size(frame_size)
    if channel_max is not None:
        transport.remote_channel_max = channel_max
    state: ConnectionState = endpoint_state(connection)
    state.remote_opened()
    # Heartbeats are written at half of the peer's time-out (2.4.5): a very small one makes this end write without end.
    if idle_ms:
        least = transport.limits.min_remote_idle_timeout
        if idle_ms < 1000 * least:
            raise ProtocolViolation(
                NOT_ALLOWED, f"expected an idle-time-out of {1000 * least:g} ms at least, got {idle_ms} ms (2.4.5)"
            )
        transport.remote_idle_timeout_ms = idle_ms
        state.shared.wake()
    # channel-max is the smaller of both ends' (2.7.1), so what was begun before the peer's open may be above it.
    has_opened(state, transport.channel_max)
    _mark_closing_dirty(state)


def _mark_closing_dirty(connection: ConnectionState) -> None:
    """What has waited, for the peer's open or for credit that will not come, is said now: closes, attaches."""
    connection.mark_dirty()
    for session in connection.shared.sessions:
        if session.endpoint.state & LOCAL_CLOSED:
            session.mark_dirty()
        for link in session.members:
            if link.endpoint.state & LOCAL_CLOSED or link.detached or link.binding.handle is None:
                link.mark_dirty()


def on_begin(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    connection = bound_connection(transport)
    checked = check(BEGIN, fields)
    remote_channel, next_outgoing_id, incoming_window, _, handle_max, offered, desired, properties = checked
    if channel > transport.channel_max:
        raise ProtocolViolation(
            FRAMING_ERROR, f"remote channel {channel} is above negotiated channel_max {transport.channel_max}."
        )
    # 2.5.1: a channel carries one session; the two directions of a session may be on different channels.
    if channel in transport.remote_channels:
        raise ProtocolViolation(NOT_ALLOWED, f"begin on channel {channel}, which has a session already")
    # The remote-channel tells an answer from a session that the peer begins (2.5.1).
    if remote_channel is None:
        _check_limit("sessions", len(connection.shared.sessions), transport.limits.max_sessions)
        session: SessionState = endpoint_state(connection.endpoint.session())
    else:
        known = connection.shared.local_channels.get(remote_channel)
        if known is None:
            raise ProtocolViolation(INVALID_FIELD, f"begin reply to unknown channel {remote_channel}.")
        if known.binding.remote_channel is not None:
            raise ProtocolViolation(NOT_ALLOWED, f"second begin reply to channel {remote_channel}")
        session = known
    transport.remote_channels[channel] = session
    binding, endpoint = session.binding, session.endpoint
    binding.remote_channel = channel
    binding.window_end = binding.window_end + next_outgoing_id & SERIAL  # it was counted from 0 before
    binding.next_incoming_id = next_outgoing_id
    # All of it is free: before its begin the peer's window is 0 here, so that no transfer is on its way (2.5.6).
    binding.remote_incoming_window = incoming_window
    if handle_max is not None:
        binding.handle_max = min(handle_max, HANDLE_MAX)
    endpoint.remote_offered_capabilities = _symbols(offered)
    endpoint.remote_desired_capabilities = _symbols(desired)
    endpoint.remote_properties = properties
    session.remote_opened()
    has_begun(session)
    if session.endpoint.state & LOCAL_CLOSED:
        session.mark_dirty()


def _check_limit(what: str, count: int, most: int) -> None:
    """Sessions and links that are still in use, or that still have to be told of, take a hundred times their bytes."""
    if count >= most > 0:
        raise ProtocolViolation(
            RESOURCE_LIMIT_EXCEEDED, f"expected {most} {what} on a connection at most, got one more"
        )


def on_attach(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session.binding.violated:
        return
    checked = check(ATTACH, fields)
    handle, peer_receives = checked[1:3]
    # 2.7.2: a handle above handle-max is a fault of framing, which ends the connection and not the session.
    if handle > HANDLE_MAX:
        raise ProtocolViolation(FRAMING_ERROR, f"remote handle {handle} is above handle_max {HANDLE_MAX}")
    # 2.6.2: a handle names one link until that is detached.
    if handle in session.binding.remote_handles:
        raise EndpointViolation(session, HANDLE_IN_USE, f"attach of {checked[0]!r} on handle {handle}, which is in use")
    # What can raise comes before what changes: a refused attach leaves no link behind.
    found = _link_to_attach(session, peer_receives, checked[0])
    try:
        termini = decode_terminus(checked[5]), decode_terminus(checked[6])
        unsettled = decode_unsettled(checked[7])
    except DataException as error:
        raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    if found is None or found.binding.remotely_detached:
        _check_limit("links", session.shared.link_count, transport.limits.max_links)
    # An attach carries no handle of ours: a name tells what it answers (2.6.1), and those of one name come in order.
    session.binding.answer_first(peer_receives, checked[0])
    link = found
    if link is None or link.binding.remotely_detached:
        link = session.attached_by_peer(peer_receives, checked[0])
    link.binding.remote_handle = handle
    session.binding.remote_handles[handle] = link
    if link.final:
        link.binding.violated = True  # no program uses it any more: what comes for it is dropped
        return
    endpoint = link.endpoint
    endpoint.remote_source, endpoint.remote_target = termini
    endpoint.remote_unsettled = unsettled
    _set_remote_fields(endpoint, checked)
    # 2.7.3: the initial delivery-count is the sender's, and is ignored in an attach of a receiver.
    if link.is_receiver:
        _set_initial_count(link, checked[9] or 0)
    link.remote_opened()
    if link.binding.recovering and link.binding.handle is not None:
        reconcile(link)


def _link_to_attach(session: SessionState, is_sender: bool, name: str | None) -> LinkState | None:
    """The link that an attach of the peer is the other end of, or None.

    A link that was detached before the peer has answered its attach is answered all the same, and first.
    """
    waiting = session.binding.unanswered.get((is_sender, name))
    link = waiting[0] if waiting else session.links.get((is_sender, name))
    if link is not None and link.binding.remote_handle is not None:
        raise EndpointViolation(session, INVALID_FIELD, f"link name already attached: {printable(name)}")
    return link


def _set_remote_fields(link: Link, checked: list[Any]) -> None:
    """What the peer's attach says of its end."""
    snd_settle_mode, rcv_settle_mode = checked[3:5]
    if snd_settle_mode is not None:
        link.remote_snd_settle_mode = snd_settle_mode
    if rcv_settle_mode is not None:
        link.remote_rcv_settle_mode = rcv_settle_mode
    link.remote_incomplete_unsettled = bool(checked[8])
    link.remote_max_message_size = checked[10] or 0
    link.remote_offered_capabilities, link.remote_desired_capabilities = _symbols(checked[11]), _symbols(checked[12])
    link.remote_properties = checked[13]


def _set_initial_count(link: LinkState, delivery_count: int) -> None:
    """The sender has told its delivery-count, to which the credit given so far is added (2.6.7)."""
    binding = link.binding
    binding.start_at(delivery_count)
    if binding.link_credit > 0 and delivery_count:
        # It was granted without a count to add it to: a sender that did not start at 0 may need to hear again.
        binding.flow_due = True
        link.mark_dirty()


def on_flow(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session.binding.violated:
        return
    checked = (fields + _NO_FIELDS)[:11]
    # incoming-window, next-outgoing-id and outgoing-window are mandatory (2.7.4): the table says which is missing.
    if None in checked[1:4] or not _flow_fields_fit(checked):
        checked = check(FLOW, fields)
    next_incoming_id, incoming_window, _, _, handle, delivery_count, link_credit, available, drain, echo = checked[:10]
    binding = session.binding
    # 2.5.6; without a next-incoming-id the peer has not seen our begin, whose ids started at 0
    in_flight = ahead(binding.next_outgoing_id, next_incoming_id or 0)
    binding.remote_incoming_window = max(0, incoming_window - in_flight)
    if binding.blocked and binding.remote_incoming_window:
        binding.unblock()
    # Without a handle the flow is about the session alone, and the fields of links are ignored (2.7.4).
    if handle is None:
        if echo:
            binding.flow_due = True
            session.mark_dirty()
        return
    link = link_on(session, handle, "flow")
    if link.final:
        return
    if link.is_sender:
        link.take_flow(delivery_count, link_credit, bool(drain))  # type: ignore[attr-defined]
    else:
        link.take_flow(delivery_count, available)  # type: ignore[attr-defined]
    if echo:
        link.binding.flow_due = True
        link.mark_dirty()
    collector = session.shared.collector
    if checked[10] is not None:
        link.endpoint.remote_flow_properties = checked[10]
        collector.emit(Event.LINK_FLOW_PROPERTIES, link.endpoint)
    collector.emit(_LINK_FLOW, link.endpoint)


def _flow_fields_fit(fields: list[Any]) -> bool:
    for value in fields[:8]:
        if value is not None and (value.__class__ is not int or not 0 <= value <= SERIAL):
            return False
    drain, echo, properties = fields[8:]
    return (
        properties is None and (drain is None or drain.__class__ is bool) and (echo is None or echo.__class__ is bool)
    )


def on_transfer(transport: TransportState, channel: int, fields: Any, payload: bytes) -> None:
    session = transport.remote_channels.get(channel)
    if session is None or session.binding.violated:
        session_on(transport, channel)
        return
    binding = session.binding
    if binding.incoming_window <= 0 and binding.next_incoming_id - binding.window_end & SERIAL < HALF:
        # A window that was made smaller may still be used by what was on its way; more than was ever given may not.
        raise EndpointViolation(session, WINDOW_VIOLATION, "incoming session window exceeded")
    binding.incoming_window -= 1
    binding.next_incoming_id = binding.next_incoming_id + 1 & SERIAL
    # A tuple comes from the frame loop, which has read the five fields of the usual form and checked their classes.
    if fields.__class__ is tuple:  # the usual form
        handle, number, tag, settled, more = fields
        message_format = state = resume = aborted = None
    else:
        checked = (fields + _NO_FIELDS)[:11]
        if not _transfer_fields_fit(checked):
            checked = check(TRANSFER, fields)
        handle, number, tag, message_format, settled, more, _, state, resume, aborted, _ = checked
    link: Any = binding.remote_handles.get(handle)
    if link is None:
        raise EndpointViolation(session, UNATTACHED_HANDLE, f"no such handle: {handle}, in transfer")
    attached = link.binding
    if attached.violated:
        # 2.7.5: delivery-ids of a session are in sequence; those of dropped transfers count, too.
        if number is not None:
            binding.expected_delivery_id = number + 1 & SERIAL
        # What is dropped has used the window, which the other links need.
        if binding.incoming_window < binding.low_water:
            session.renew_window(link)
        return
    if type(link) is not ReceiverState:
        raise EndpointViolation(
            link, NOT_ALLOWED, f"transfer on link {link.endpoint.name!r}, whose receiver the peer is"
        )
    delivery = attached.arriving
    if delivery is None:
        delivery = _first_frame(link, number, tag, settled, resume)
        if message_format:
            delivery._message_format = message_format
    else:
        _later_frame(session, delivery, number, settled)
        resume = delivery._resuming
    if resume:
        payload = b""  # it has come before, or is to be ignored
    if state is not None:
        try:
            delivery.remote_state, delivery._remote_value = decode_state(state)
        except DataException as error:
            raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    is_settled = delivery._settled
    shared = session.shared
    if payload:
        size = len(payload)
        is_over = delivery._advanced or is_settled  # it cannot be read any more
        buffered = shared.buffered_bytes + size
        if (
            link.max_message_size
            or transport.message_limit
            or is_over
            or buffered > (transport.buffer_limit or buffered)
        ):
            _check_payload(transport, link, delivery, size, is_over)
        if not is_over:
            shared.buffered_bytes = buffered
            delivery._chunks.append(payload)
            delivery._size += size
            session.endpoint.incoming_bytes += size
            if session.window_limit:
                session.unread_frames += 1
    # 2.7.5: an aborted transfer ends the delivery, whatever its `more` says.
    if aborted:
        _drop_aborted(session, delivery)
        more = False
    if more:
        attached.arriving = delivery
    else:
        attached.arriving = None
        delivery.partial = False
    if not is_settled:
        shared.collector.emit(_DELIVERY, delivery)
    if binding.incoming_window < binding.low_water:
        session.renew_window(link)


def _drop_aborted(session: SessionState, delivery: Delivery) -> None:
    """The sender has given the delivery up: what has come of it counts no longer (2.7.5)."""
    # What is dropped makes room: windows are measured by what is held here (2.5.6).
    dropped, frames = delivery._skip()
    if session.window_limit:
        session.unread_frames -= frames
    session.endpoint.incoming_bytes -= dropped
    session.shared.buffered_bytes -= dropped
    delivery.aborted = delivery.settled = delivery.updated = True
    session.binding.incoming.pop(delivery._id, None)  # type: ignore[arg-type]


_NO_FIELDS = [None] * 11


def _transfer_fields_fit(fields: list[Any]) -> bool:
    """Whether the fields of a transfer are of the expected classes; in doubt the table tells."""
    handle, number, tag, message_format, settled, more, mode = fields[:7]
    return (
        handle.__class__ is int
        and (number.__class__ is int or number is None)
        and (tag.__class__ is bytes or tag is None)
        and (message_format is None or message_format.__class__ is int)
        and (settled is None or settled is True or settled is False)
        and (more is None or more is True or more is False)
        and (mode is None or mode.__class__ is int)
        and all(x is None or x.__class__ is bool for x in fields[8:11])
    )


def _first_frame(link: ReceiverState, number: Any, tag: Any, settled: Any, resume: Any) -> Delivery:
    session, binding = link.session, link.binding
    expected = session.binding.expected_delivery_id
    # 2.7.5: the first transfer of a delivery carries its id. A peer that leaves it out means the next one.
    if number != expected:
        if number is None:
            number = expected
        elif expected is not None:
            raise EndpointViolation(
                session, INVALID_FIELD, f"sequencing error, expected delivery-id {expected}, got {number}"
            )
    if number is None:
        raise EndpointViolation(session, INVALID_FIELD, "delivery-id required on initial transfer of session")
    if expected is None and not 0 <= number <= SERIAL:  # later ones are compared with what is expected
        raise ProtocolViolation(
            DECODE_ERROR, f"transfer: field delivery-id must be delivery-number, received the integer {number}"
        )
    session.binding.expected_delivery_id = number + 1 & SERIAL
    endpoint = link.endpoint
    # 2.6.7: a sender must not send without credit, which bounds what this end has to hold.
    if binding.link_credit <= 0 and (
        CREDIT_OVERRUN_FACTOR * binding.max_credit <= binding.delivery_count - binding.credit_limit & SERIAL < HALF
    ):
        # Credit that was taken back may still be used by what was on its way; more than was ever given may not.
        raise EndpointViolation(
            link, TRANSFER_LIMIT_EXCEEDED, f"transfer on link {endpoint.name!r} beyond the credit that it was given"
        )
    if resume:
        return resumed_delivery(link, number, tag, bool(settled))
    # 2.7.3: where our map was cut short, a new delivery may be one that it has left out.
    if binding.resuming_only and endpoint.incomplete_unsettled:
        raise EndpointViolation(
            link,
            NOT_ALLOWED,
            f"expected resumed deliveries only on link {endpoint.name!r}, whose unsettled map was incomplete",
        )
    delivery = Delivery(endpoint, tag or b"", number)
    link.unsettled[delivery] = None
    if settled:
        delivery.settled = delivery.updated = True
    else:
        session.binding.incoming[number] = delivery
    # `LinkBinding.count_transfer`, inline
    binding.delivery_count = binding.delivery_count + 1 & SERIAL
    binding.link_credit -= 1
    endpoint.queued += 1
    if endpoint.current is None:
        endpoint.current = delivery
    elif link.waiting is NO_DELIVERIES:
        link.waiting = deque((delivery,))
    else:
        link.waiting.append(delivery)
    return delivery


def _later_frame(session: SessionState, delivery: Delivery, number: Any, settled: Any) -> None:
    begun = delivery._id
    if number is not None and number != begun:
        raise EndpointViolation(session, INVALID_FIELD, "invalid delivery-id for a continuation transfer")
    if settled:
        if not delivery.settled:
            delivery.settled = delivery.updated = True
            session.binding.incoming.pop(begun, None)  # type: ignore[arg-type]
    # 2.7.5: a later frame may leave the field out, which means what the earlier ones said, but not take it back.
    elif settled is False and delivery.settled:
        raise EndpointViolation(session, INVALID_FIELD, "invalid transition from settled to unsettled")


def _check_payload(
    transport: TransportState, link: ReceiverState, delivery: Delivery, size: int, is_over: bool
) -> None:
    """Holds a part of a message against the limits of its link and of the connection.

    :param is_over: nothing of it is buffered, as the program cannot read it any more.
    """
    # Not the buffered bytes: the program may read them while the rest comes.
    received = delivery._received = delivery._received + size
    most = link.max_message_size or transport.limits.max_message_size
    if most and received > most:
        raise EndpointViolation(
            link,
            MESSAGE_SIZE_EXCEEDED,
            f"expected messages of {most} bytes at most, got {received} bytes of one",
        )
    limit = transport.limits.max_buffered_delivery_bytes
    buffered = link.shared.buffered_bytes
    if limit and buffered + size > limit and not is_over:
        raise ProtocolViolation(
            RESOURCE_LIMIT_EXCEEDED,
            f"connection delivery buffer limit exceeded: {buffered} bytes buffered, limit {limit}",
        )


def on_detach(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session.binding.violated:
        return
    handle, closed, error = check(DETACH, fields)
    link = link_on(session, handle, "detach")
    del session.binding.remote_handles[handle]
    link.binding.remote_handle = None
    link.binding.remotely_detached = True
    if link.final:
        return
    link.cut_arriving()
    if closed:
        link.remote_closed(decode_condition(error))
    else:
        link.remote_detached(decode_condition(error))
    # What waited for queued messages to go waits no longer.
    link.mark_dirty()
    session.mark_dirty()
    link.finish_if_done()


def on_end(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    (error,) = check(END, fields)
    # From here on the channel may carry a new session of the peer (2.5.2).
    del transport.remote_channels[channel]
    for link in list(session.binding.remote_handles.values()):
        link.cut_arriving()
        link.mark_dirty()
    session.remote_closed(decode_condition(error))
    session.mark_dirty()
    session.unmap_remote_channel()


def on_close(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    connection = bound_connection(transport)
    (error,) = check(CLOSE, fields)
    transport.close_received = True
    connection.remote_closed(decode_condition(error))
    if not transport.close_sent:
        _mark_closing_dirty(connection)
    transport.end_input()


INBOUND: dict[int, Callable[[Any, int, list[Any], bytes], None]] = {
    OPEN.code: on_open,
    BEGIN.code: on_begin,
    ATTACH.code: on_attach,
    FLOW.code: on_flow,
    TRANSFER.code: on_transfer,
    DISPOSITION.code: on_disposition,
    DETACH.code: on_detach,
    END.code: on_end,
    CLOSE.code: on_close,
}
