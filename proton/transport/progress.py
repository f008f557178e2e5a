"""What a wait is for, in words for error texts: how far a connection has come, what holds a message back.

Nothing is changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.endpoint import endpoint_state
from proton.transport.io_layers import first_waiting
from proton.transport.protocol import client_header_input, client_sasl_header_input, sasl_input
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.link import Link
    from proton.transport.transport import Transport

__all__ = ["awaited_of", "awaited_of_delivery", "awaited_of_sender"]


def awaited_of(transport: Transport | None) -> str:
    """What a client waits for, until the connection is open: TCP, TLS, a header, SASL or the open (2.2, 2.4.1, 5.3.2).

    :param transport: a client's transport; None counts as one without a socket.
    """
    state = state_of(transport) if transport is not None else None
    if state is None or not state.started:  # a connected socket is asked for output at once
        return "TCP is not connected"
    waiting = first_waiting(state)
    if waiting is not None:
        name = "TLS" if waiting is state.tls else type(waiting).__name__
        awaited = f"the end of the {name} handshake"
    elif state.input is client_sasl_header_input:
        awaited = "the SASL header"
    elif state.input is sasl_input:
        sasl = state.sasl
        awaited = "the SASL mechanisms" if sasl is None or sasl.mech is None else "the SASL outcome"
    elif state.input is client_header_input:
        awaited = "the AMQP header"
    else:
        awaited = "the open"
    return f"TCP is connected, waiting for {awaited}"


def awaited_of_sender(link: Link) -> str:
    """What a sender that has something to send waits for: the attach, credit, the window of its session, or room.

    :param link: an open sender of a connection that is not lost.
    """
    state = endpoint_state(link)
    if state.binding.remote_handle is None:
        return "the attach of the peer"
    if state.binding.link_credit <= 0:  # 2.6.7
        return "credit"
    if state.session.binding.remote_incoming_window <= 0:  # 2.5.6
        return "the session window of the peer"
    return "the peer to read what was written"


def awaited_of_delivery(delivery: Delivery) -> str:
    """What a message waits for that was given to a sender and is not settled, and where the message is.

    :param delivery: of an open sender of a connection that is not lost.
    """
    if delivery.pending:
        return f"waiting for {awaited_of_sender(delivery.link)}, the message stays queued"
    return "waiting for the outcome, the message may have arrived"
