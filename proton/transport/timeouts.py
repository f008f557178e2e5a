"""Time: a peer that has fallen silent, heartbeats for one that wants them, and the end of a failed transport (2.4.5).

No clock is read: `tick` is told what time it is, and says when it wants to be told again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED
from proton.transport import io_layers
from proton.transport.frames import FRAME_HEADER
from proton.transport.protocol import client_sasl_header_input, refused_input, sasl_input

if TYPE_CHECKING:
    from proton.transport.transport import Transport

_HEARTBEAT = FRAME_HEADER.pack(8, 2, 0, 0)
#: seconds that a failed transport has for sending its close: a dead peer must not keep the socket
_LINGER = 5.0


def tick(transport: Transport, now: float) -> float:
    """What is due now is done; the return value is when something will be due next, 0.0 for never."""
    if transport._failed and not transport._head_closed:
        return _linger(transport, now)
    deadlines = []
    if transport.handshake_timeout and not transport.handshaken:
        if not transport._handshake_by:
            transport._handshake_by = now + transport.handshake_timeout
        elif now >= transport._handshake_by:
            reason = f"expected the end of the handshake within {transport.handshake_timeout:g} s, it is not there"
            transport._fail(RESOURCE_LIMIT_EXCEEDED, reason, silent=not transport._amqp_began)
            return _linger(transport, now)
        deadlines.append(transport._handshake_by)
    if not transport._began:
        return min(deadlines) if deadlines else 0.0
    if transport._idle_timeout_ms:
        if not transport._dead_at or transport._bytes_in != transport._ticked_in:
            transport._ticked_in = transport._bytes_in
            transport._dead_at = now + transport._idle_timeout_ms / 1000.0
        elif now >= transport._dead_at:
            transport._dead_at = now + transport._idle_timeout_ms / 1000.0
            if not transport._tail_closed:
                in_sasl = transport._input in (sasl_input, client_sasl_header_input, refused_input)
                transport._fail(RESOURCE_LIMIT_EXCEEDED, "local-idle-timeout expired", silent=in_sasl)
                return _linger(transport, now)
        deadlines.append(transport._dead_at)
    if transport._remote_idle_timeout_ms and not (transport._close_sent or transport._failed):
        if not transport._keepalive_at or transport._bytes_out > transport._ticked_out:
            transport._ticked_out = transport._bytes_out
            transport._keepalive_at = now + transport._remote_idle_timeout_ms / 2000.0
        elif now >= transport._keepalive_at:
            transport._keepalive_at = now + transport._remote_idle_timeout_ms / 2000.0
            if transport.pending() == 0:
                _write_heartbeat(transport)
        deadlines.append(transport._keepalive_at)
    return min(deadlines) if deadlines else 0.0


def _linger(transport: Transport, now: float) -> float:
    """A failed transport has some time to send its close; a peer that takes nothing does not get longer."""
    if not transport._give_up_at:
        transport._give_up_at = now + min(_LINGER, transport._idle_timeout_ms / 1000.0 or _LINGER)
    elif now >= transport._give_up_at:
        transport.close_head()
        return 0.0
    return transport._give_up_at


def _write_heartbeat(transport: Transport) -> None:
    """An empty frame; it needs an open before it like every other one."""
    if not transport._open_sent:
        return
    before = transport._out_size
    transport._out.append(_HEARTBEAT)
    transport._out_size += len(_HEARTBEAT)
    if transport._filters:
        io_layers.wrap_output(transport)
    transport._ticked_out += transport._out_size - before  # a heartbeat must not put off the next one
    transport.frames_output += 1
    if transport._tracing:
        transport._trace_frame(0, "->", b"")
