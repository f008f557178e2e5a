"""What comes in: one function for each performative, acting on endpoints and putting events (2.7).

Each takes the transport, the channel, the decoded fields and what followed them in the frame. Inbound acts
at once; what has to be answered is only marked. A fault of the peer raises `ProtocolViolation` for the
connection, or `EndpointViolation` for the session or link that must be closed for it; the frame loop catches
both. The three hot performatives look at their fields by hand and fall back to the table of the composite when
a field is not of the expected class; the others always use the table.
"""

from __future__ import annotations

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
from proton.endpoints.endpoint import LOCAL_CLOSED
from proton.endpoints.events import Event
from proton.endpoints.printable import printable
from proton.endpoints.receiver import Receiver
from proton.endpoints.recovery import load_unsettled, reconcile, resumed_delivery
from proton.endpoints.sender import Sender
from proton.endpoints.session import HANDLE_MAX, Session
from proton.endpoints.terminus import load_terminus
from proton.exceptions import DataException, ProtocolViolation
from proton.transport.checks import EndpointViolation, ahead, bound_connection, check, link_on, session_on
from proton.transport.dispositions import on_disposition
from proton.transport.limits import has_begun, has_opened

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.transport.transport_state import TransportState

_SERIAL = 0xFFFFFFFF
_HALF = 0x80000000
#: How often the most credit that a link has given at once may come beyond it. RabbitMQ 3 forgets what is on its way out
#: of a queue when a flow comes, and sends up to four times that. It bounds what a peer may have us hold unasked.
_OVERRUN = 16
_DELIVERY = Event.DELIVERY
_LINK_FLOW = Event.LINK_FLOW
_new_event = _DELIVERY.event_class


def _symbols(value: list[Any] | None) -> SymbolList | None:
    return None if value is None else SymbolList(value, raise_on_error=False)


def on_open(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    if transport.open_received:
        raise ProtocolViolation(NOT_ALLOWED, "expected one open on a connection, got a second one")
    checked = check(OPEN, fields)
    container, hostname, frame_size, channel_max, idle_ms, _, _, offered, desired, properties = checked
    connection = transport.connection
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
    connection._remote_opened()
    if idle_ms:
        least = transport.limits.min_remote_idle_timeout
        if idle_ms < 1000 * least:
            raise ProtocolViolation(
                NOT_ALLOWED, f"expected an idle-time-out of {1000 * least:g} ms at least, got {idle_ms} ms (2.4.5)"
            )
        transport.remote_idle_timeout_ms = idle_ms
        transport.emit(Event.TRANSPORT)
    has_opened(transport, connection)
    _schedule_closing(connection)


def _schedule_closing(connection: Connection) -> None:
    """What has waited, for the peer's open or for credit that will not come, is said now: closes, attaches."""
    connection._schedule(connection)
    for session in connection._members:
        if session.state & LOCAL_CLOSED:
            connection._schedule(session)
        for link in session._members:
            if link.state & LOCAL_CLOSED or link._detached or link._handle is None:
                connection._schedule(link)


def on_begin(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    connection = bound_connection(transport)
    checked = check(BEGIN, fields)
    remote_channel, next_outgoing_id, incoming_window, _, handle_max, offered, desired, properties = checked
    if channel > transport.channel_max:
        raise ProtocolViolation(
            FRAMING_ERROR, f"remote channel {channel} is above negotiated channel_max {transport.channel_max}."
        )
    if channel in transport.remote_channels:
        raise ProtocolViolation(NOT_ALLOWED, f"begin on channel {channel}, which has a session already")
    if remote_channel is None:
        _check_limit("sessions", len(connection._members), transport.limits.max_sessions)
        session = connection.session()
    else:
        known = connection._local_channels.get(remote_channel)
        if known is None:
            raise ProtocolViolation(INVALID_FIELD, f"begin reply to unknown channel {remote_channel}.")
        if known._remote_channel is not None:
            raise ProtocolViolation(NOT_ALLOWED, f"second begin reply to channel {remote_channel}")
        session = known
    transport.remote_channels[channel] = session
    session._remote_channel = channel
    session._window_end = session._window_end + next_outgoing_id & _SERIAL  # it was counted from 0 before
    session._next_incoming_id = next_outgoing_id
    session._remote_incoming_window = incoming_window
    if handle_max is not None:
        session._handle_max = min(handle_max, HANDLE_MAX)
    session.remote_offered_capabilities = _symbols(offered)
    session.remote_desired_capabilities = _symbols(desired)
    session.remote_properties = properties
    session._remote_opened()
    has_begun(session)
    if session.state & LOCAL_CLOSED:
        connection._schedule(session)


def _check_limit(what: str, count: int, most: int) -> None:
    """Sessions and links that are still in use, or that still have to be told of, take a hundred times their bytes."""
    if count >= most > 0:
        raise ProtocolViolation(
            RESOURCE_LIMIT_EXCEEDED, f"expected {most} {what} on a connection at most, got one more"
        )


def on_attach(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session._violated:
        return
    checked = check(ATTACH, fields)
    name, handle, peer_receives, snd_settle_mode, rcv_settle_mode, source, target = checked[:7]
    initial_delivery_count, max_message_size = checked[9:11]
    if handle > HANDLE_MAX:
        raise ProtocolViolation(FRAMING_ERROR, f"remote handle {handle} is above handle_max {HANDLE_MAX}")
    if handle in session._remote_handles:
        raise EndpointViolation(session, HANDLE_IN_USE, f"attach of {name!r} on handle {handle}, which is in use")
    # A link that was detached before the peer has answered its attach is answered all the same, and first.
    waiting = session._unanswered.get((peer_receives, name))
    link = waiting[0] if waiting else session._links.get((peer_receives, name))
    if link is not None and link._remote_handle is not None:
        raise EndpointViolation(session, INVALID_FIELD, f"link name already attached: {printable(name)}")
    try:
        remote_source, remote_target = load_terminus(source), load_terminus(target)
        remote_unsettled = load_unsettled(checked[7])
    except DataException as error:
        raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    if waiting:
        waiting.pop(0)
        if not waiting:
            del session._unanswered[peer_receives, name]
    if link is None or link._remotely_detached:
        _check_limit("links", session.connection._link_count, transport.limits.max_links)
        link = session._attached_by_peer(peer_receives, name)
    link._remote_handle = handle
    session._remote_handles[handle] = link
    if link._final:
        link._violated = True  # no program uses it any more: what comes for it is dropped
        return
    link.remote_source, link.remote_target = remote_source, remote_target
    link.remote_unsettled, link.remote_incomplete_unsettled = remote_unsettled, bool(checked[8])
    if snd_settle_mode is not None:
        link.remote_snd_settle_mode = snd_settle_mode
    if rcv_settle_mode is not None:
        link.remote_rcv_settle_mode = rcv_settle_mode
    link.remote_max_message_size = max_message_size or 0
    link.remote_offered_capabilities, link.remote_desired_capabilities = _symbols(checked[11]), _symbols(checked[12])
    link.remote_properties = checked[13]
    if not peer_receives:
        link._delivery_count = initial_delivery_count or 0
        link._credit_limit = link._delivery_count + max(0, link._link_credit) & _SERIAL
        if link._link_credit > 0 and link._delivery_count:
            # It was granted without a count to add it to: a sender that did not start at 0 may need to hear again.
            link._flow_due = True
            session.connection._schedule(link)
    link._remote_opened()
    if link._recovering and link._handle is not None:
        reconcile(link)


def on_flow(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session._violated:
        return
    checked = (fields + _NO_FIELDS)[:11]
    if None in checked[1:4] or not _flow_fields_fit(checked):
        checked = check(FLOW, fields)
    next_incoming_id, incoming_window, _, _, handle, delivery_count, link_credit, available, drain, echo = checked[:10]
    connection = session.connection
    # 2.5.6; without a next-incoming-id the peer has not seen our begin, whose ids started at 0
    in_flight = ahead(session._next_outgoing_id, next_incoming_id or 0)
    session._remote_incoming_window = max(0, incoming_window - in_flight)
    if session._blocked and session._remote_incoming_window:
        session._unblock()
    if handle is None:
        if echo:
            session._flow_due = True
            connection._schedule(session)
        return
    link = link_on(session, handle, "flow")
    if link._final:
        return
    if link.is_sender:
        _flow_to_sender(link, delivery_count, link_credit, bool(drain))  # type: ignore[arg-type]
    else:
        _flow_to_receiver(link, delivery_count, available)  # type: ignore[arg-type]
    if echo:
        link._flow_due = True
        connection._schedule(link)
    if checked[10] is not None:
        link.remote_flow_properties = checked[10]
        connection._collector.emit(Event.LINK_FLOW_PROPERTIES, link)
    connection._collector.emit(_LINK_FLOW, link)


def _flow_fields_fit(fields: list[Any]) -> bool:
    for value in fields[:8]:
        if value is not None and (value.__class__ is not int or not 0 <= value <= _SERIAL):
            return False
    drain, echo, properties = fields[8:]
    return (
        properties is None and (drain is None or drain.__class__ is bool) and (echo is None or echo.__class__ is bool)
    )


def _flow_to_sender(link: Sender, delivery_count: int | None, link_credit: int | None, drain: bool) -> None:
    if link_credit is not None:
        # 2.6.7; before its attach was seen the receiver does not know our delivery-count, which starts at 0. A count
        # that lies ahead of ours is invalid, and would make credit that no flow of ours could tell.
        credit = min(_SERIAL, max(0, link_credit - ahead(link._delivery_count, delivery_count or 0)))
        link.credit += credit - link._link_credit
        link._link_credit = credit
    link._drain_mode = drain
    link._queue()


def _flow_to_receiver(link: Receiver, delivery_count: int | None, available: int | None) -> None:
    if available is not None:
        link.available = available
    if delivery_count is not None:
        given_back = (delivery_count - link._delivery_count) & _SERIAL
        if 0 < given_back < _HALF:
            granted = max(0, ahead(link._credit_limit, link._delivery_count))
            link._delivery_count = delivery_count
            if given_back > granted:  # a sender cannot give that back, and credit would fall without end
                given_back, link._credit_limit = granted, delivery_count
            link._link_credit -= given_back
            link.credit -= given_back
            link._drained += given_back


def on_transfer(transport: TransportState, channel: int, fields: Any, payload: bytes) -> None:
    session = transport.remote_channels.get(channel)
    if session is None or session._violated:
        session_on(transport, channel)
        return
    if session._incoming_window <= 0 and session._next_incoming_id - session._window_end & _SERIAL < _HALF:
        # A window that was made smaller may still be used by what was on its way; more than was ever given may not.
        raise EndpointViolation(session, WINDOW_VIOLATION, "incoming session window exceeded")
    session._incoming_window -= 1
    session._next_incoming_id = session._next_incoming_id + 1 & _SERIAL
    if fields.__class__ is tuple:  # the usual form
        handle, number, tag, settled, more = fields
        message_format = state = resume = aborted = None
    else:
        checked = (fields + _NO_FIELDS)[:11]
        if not _transfer_fields_fit(checked):
            checked = check(TRANSFER, fields)
        handle, number, tag, message_format, settled, more, _, state, resume, aborted, _ = checked
    link = session._remote_handles.get(handle)
    if link is None:
        raise EndpointViolation(session, UNATTACHED_HANDLE, f"no such handle: {handle}, in transfer")
    if link._violated:
        if number is not None:
            session._expected_delivery_id = number + 1 & _SERIAL
        # What is dropped has used the window, which the other links need.
        if session._incoming_window < session._low_water:
            session._renew_window(link)
        return
    if link.is_sender:
        raise EndpointViolation(link, NOT_ALLOWED, f"transfer on link {link.name!r}, whose receiver the peer is")
    delivery = link._arriving  # type: ignore[attr-defined]
    if delivery is None:
        delivery = _first_frame(link, number, tag, settled, resume)  # type: ignore[arg-type]
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
    if payload:
        size = len(payload)
        buffered = link.connection._buffered_bytes + size
        if (
            link._max_message_size
            or transport.limits.max_message_size
            or delivery._advanced
            or delivery._settled
            or buffered > (transport.limits.max_buffered_delivery_bytes or buffered)
        ):
            _check_payload(transport, link, delivery, size)  # type: ignore[arg-type]
        if not (delivery._advanced or delivery._settled):  # else nobody can read it any more
            link.connection._buffered_bytes = buffered
            delivery._chunks.append(payload)
            delivery._size += size
            session.incoming_bytes += size
            if session._window_limit:
                session._unread_frames += 1
    if aborted:
        _drop_aborted(session, delivery)
        more = False
    if more:
        link._arriving = delivery  # type: ignore[attr-defined]
    else:
        link._arriving = None  # type: ignore[attr-defined]
        delivery.partial = False
    if not delivery._settled:
        collector = link.connection._collector
        events = collector.events
        # A new delivery cannot equal the last event: what `emit` would find out (0.2 of 11 microseconds a message).
        if events and events[-1].context is not delivery:
            event = _new_event(_DELIVERY, delivery)
            event.container = collector.container
            events.append(event)
        else:
            collector.emit(_DELIVERY, delivery)
    if session._incoming_window < session._low_water:
        session._renew_window(link)


def _drop_aborted(session: Session, delivery: Delivery) -> None:
    """The sender has given the delivery up: what has come of it counts no longer (2.7.5)."""
    if session._window_limit:
        session._unread_frames -= len(delivery._chunks)
    dropped = len(delivery._take())
    session.incoming_bytes -= dropped
    session.connection._buffered_bytes -= dropped
    delivery.aborted = delivery.settled = delivery.updated = True
    session._incoming.pop(delivery._id, None)  # type: ignore[arg-type]


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


def _first_frame(link: Receiver, number: Any, tag: Any, settled: Any, resume: Any) -> Delivery:
    session = link.session
    expected = session._expected_delivery_id
    if number != expected:
        if number is None:
            number = expected
        elif expected is not None:
            raise EndpointViolation(
                session, INVALID_FIELD, f"sequencing error, expected delivery-id {expected}, got {number}"
            )
    if number is None:
        raise EndpointViolation(session, INVALID_FIELD, "delivery-id required on initial transfer of session")
    if expected is None and not 0 <= number <= _SERIAL:  # later ones are compared with what is expected
        raise ProtocolViolation(
            DECODE_ERROR, f"transfer: field delivery-id must be delivery-number, received the integer {number}"
        )
    session._expected_delivery_id = number + 1 & _SERIAL
    if link._link_credit <= 0 and (
        _OVERRUN * link._credit_most <= link._delivery_count - link._credit_limit & _SERIAL < _HALF
    ):
        # Credit that was taken back may still be used by what was on its way; more than was ever given may not.
        raise EndpointViolation(
            link, TRANSFER_LIMIT_EXCEEDED, f"transfer on link {link.name!r} beyond the credit that it was given"
        )
    if resume:
        return resumed_delivery(link, number, tag, bool(settled))
    if link._resuming_only and link.incomplete_unsettled:
        raise EndpointViolation(
            link,
            NOT_ALLOWED,
            f"expected resumed deliveries only on link {link.name!r}, whose unsettled map was incomplete",
        )
    delivery = Delivery(link, tag or b"")
    delivery._id = number
    link._unsettled[delivery] = None
    if settled:
        delivery.settled = delivery.updated = True
    else:
        session._incoming[number] = delivery
    link._delivery_count = link._delivery_count + 1 & _SERIAL
    link._link_credit -= 1
    link.queued += 1
    if link.current is None:
        link.current = delivery
    else:
        link._waiting.append(delivery)
    return delivery


def _later_frame(session: Session, delivery: Delivery, number: Any, settled: Any) -> None:
    if number is not None and number != delivery._id:
        raise EndpointViolation(session, INVALID_FIELD, "invalid delivery-id for a continuation transfer")
    if settled:
        if not delivery.settled:
            delivery.settled = delivery.updated = True
            session._incoming.pop(delivery._id, None)  # type: ignore[arg-type]
    elif settled is False and delivery.settled:
        raise EndpointViolation(session, INVALID_FIELD, "invalid transition from settled to unsettled")


def _check_payload(transport: TransportState, link: Receiver, delivery: Delivery, size: int) -> None:
    """Holds a part of a message against the limits of its link and of the connection."""
    delivery._received += size
    most = link._max_message_size or transport.limits.max_message_size
    if most and delivery._received > most:
        raise EndpointViolation(
            link,
            MESSAGE_SIZE_EXCEEDED,
            f"expected messages of {most} bytes at most, got {delivery._received} bytes of one",
        )
    limit = transport.limits.max_buffered_delivery_bytes
    buffered = link.connection._buffered_bytes
    if limit and buffered + size > limit and not (delivery._advanced or delivery._settled):
        raise ProtocolViolation(
            RESOURCE_LIMIT_EXCEEDED,
            f"connection delivery buffer limit exceeded: {buffered} bytes buffered, limit {limit}",
        )


def on_detach(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    if session._violated:
        return
    handle, closed, error = check(DETACH, fields)
    link = link_on(session, handle, "detach")
    del session._remote_handles[handle]
    link._remote_handle = None
    link._remotely_detached = True
    if link._final:
        return
    connection = session.connection
    if link.is_receiver:
        link._cut_arriving()  # type: ignore[attr-defined]
    if closed:
        link._remote_closed(decode_condition(error))
    else:
        link._remote_detached(decode_condition(error))
    # What waited for queued messages to go waits no longer.
    connection._schedule(link)
    connection._schedule(session)
    link._finish_if_done()


def on_end(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    session = session_on(transport, channel)
    (error,) = check(END, fields)
    del transport.remote_channels[channel]
    for link in list(session._remote_handles.values()):
        if link.is_receiver:
            link._cut_arriving()  # type: ignore[attr-defined]
        session.connection._schedule(link)
    session._remote_closed(decode_condition(error))
    session.connection._schedule(session)
    session._unmap_remote_channel()


def on_close(transport: TransportState, channel: int, fields: list[Any], payload: bytes) -> None:
    connection = bound_connection(transport)
    (error,) = check(CLOSE, fields)
    transport.close_received = True
    connection._remote_closed(decode_condition(error))
    if not transport.close_sent:
        _schedule_closing(connection)
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
