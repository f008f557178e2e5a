"""How far a client has come on its way to an open connection, in words for error texts. Nothing is changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.transport.io_layers import first_waiting
from proton.transport.protocol import client_header_input, client_sasl_header_input, sasl_input
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.transport.transport import Transport

__all__ = ["awaited_of"]


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
