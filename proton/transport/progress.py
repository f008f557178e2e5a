"""How far a client has come on its way to an open connection, in words for error texts. Nothing is changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.transport.protocol import client_header_input, client_sasl_header_input, sasl_input

if TYPE_CHECKING:
    from proton.transport.transport import Transport

__all__ = ["awaited_of"]


def awaited_of(transport: Transport | None) -> str:
    """What a client waits for, until the connection is open: TCP, TLS, a header, SASL or the open (2.2, 2.4.1, 5.3.2).

    :param transport: a client's transport; None counts as one without a socket.
    """
    if transport is None or not transport._began:  # a connected socket is asked for output at once
        return "TCP is not connected"
    if transport._ssl is not None and not transport.encrypted:
        awaited = "the end of the TLS handshake"
    elif transport._input is client_sasl_header_input:
        awaited = "the SASL header"
    elif transport._input is sasl_input:
        sasl = transport._sasl
        awaited = "the SASL mechanisms" if sasl is None or sasl.mech is None else "the SASL outcome"
    elif transport._input is client_header_input:
        awaited = "the AMQP header"
    else:
        awaited = "the open"
    return f"TCP is connected, waiting for {awaited}"
