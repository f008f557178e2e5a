"""How a transport ends before its time: what fails it, the end of the stream, and errors of our own code.

`contain` is the second line of defence. A fault of a peer becomes a condition where it is read; what raises all the
same is a bug of this package. It costs the connection on which it showed, never the loop with the others. Keep true:
nothing in here raises, and only `contain` logs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from proton.endpoints.condition import FRAMING_ERROR, INTERNAL_ERROR, Condition
from proton.endpoints.events import Event
from proton.logs import EngineLog
from proton.transport import io_layers, protocol_header
from proton.transport.protocol import (
    HEADER_EXPECTED,
    failed_output,
    final_output,
    refused_input,
    sasl_input,
    server_header_input,
)
from proton.transport.sasl import negotiation

if TYPE_CHECKING:
    from proton.transport.transport_state import TransportState

__all__ = ["contain", "end_of_stream", "fail"]

# A logger of its own, so that tests, and programs that want to, can tell a bug of this package from all else.
log: EngineLog = EngineLog(logging.getLogger("proton.internal"))


def fail(transport: TransportState, name: str, description: str, info: Any, silent: bool) -> None:
    """Condition, event, a close frame unless `silent`, and no more input; a second fault is added to the first."""
    condition = transport.condition
    if condition is not None:
        condition = Condition(condition.name, f"{condition.description} ({description})", condition.info)
    else:
        condition = Condition(name, description, info)
    transport.condition = condition
    if transport.failed:
        return
    transport.failed = True
    transport.emit(Event.TRANSPORT_ERROR)
    if silent or transport.close_sent or not io_layers.may_write(transport):
        transport.output = final_output
    else:
        transport.output = failed_output
    transport.end_input()


def contain(transport: TransportState, error: Exception, doing: str) -> None:
    """An error of our own code ends this connection, and this one only.

    The peer learns the class of the error alone: its text may quote what the peer must not see.

    :param doing: what the transport was doing, for the log.
    """
    kind = type(error).__name__
    connection = transport.connection
    place = connection.hostname or connection.remote_container if connection is not None else None
    log.error("internal error on the connection with %.80r while %s: %s", place, doing, kind, exc_info=error)
    # Whole frames are written; what had not been counted yet counts now.
    transport.out_size = len(transport.head) - transport.head_offset + sum(map(len, transport.out))
    again = transport.failed
    try:
        in_sasl = transport.input in (sasl_input, refused_input)
        fail(transport, INTERNAL_ERROR, f"internal error while {doing}: {kind}", None, in_sasl)
    except Exception:
        again = True
    if again:  # it shows in what tells the peer of the first one
        transport.close_head()
        transport.end_input()


def end_of_stream(transport: TransportState) -> None:
    """The socket gives no more: a fault unless both ends had said that it is over."""
    if transport.input is refused_input and not transport.tail_closed:
        transport.end_input()
        negotiation.fail(transport)  # the reason why the peer has left, whatever the socket says
        return
    data, transport.partial, transport.partial_size = b"".join(transport.partial), [], 0
    if transport.condition is not None and not transport.amqp_started:
        # Set by what owns the socket: the reason why nothing came.
        reason, transport.condition = transport.condition, None
        transport.end_input()
        fail(transport, reason.name, reason.description or "", reason.info, not transport.is_server)
        return
    transport.end_input()
    io_layers.end_input(transport)
    if transport.close_received or transport.failed:
        return
    if transport.input is server_header_input:
        found = protocol_header.identify(data, at_end=True)
        fail(transport, FRAMING_ERROR, protocol_header.server_error(data, found, at_end=True), None, not data)
    elif transport.input in HEADER_EXPECTED:
        expected = HEADER_EXPECTED[transport.input]
        found = protocol_header.identify(data, at_end=True)
        fail(transport, FRAMING_ERROR, protocol_header.client_error(expected, data, found, at_end=True), None, False)
    else:
        fail(transport, FRAMING_ERROR, "connection aborted", None, transport.input is sasl_input)
