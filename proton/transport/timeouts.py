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
    from proton.transport.transport_state import TransportState

_HEARTBEAT = FRAME_HEADER.pack(8, 2, 0, 0)
#: seconds that a failed transport has for sending its close: a dead peer must not keep the socket
_LINGER = 5.0


def tick(transport: TransportState, now: float) -> float:
    """What is due now is done; the return value is when something will be due next, 0.0 for never."""
    if transport.failed and not transport.head_closed:
        return _linger(transport, now)
    deadlines = []
    if transport.limits.handshake_timeout and not transport.handshaken:
        if not transport.handshake_by:
            transport.handshake_by = now + transport.limits.handshake_timeout
        elif now >= transport.handshake_by:
            reason = (
                f"expected the end of the handshake within {transport.limits.handshake_timeout:g} s, it is not there"
            )
            transport.fail(RESOURCE_LIMIT_EXCEEDED, reason, silent=not transport.amqp_started)
            return _linger(transport, now)
        deadlines.append(transport.handshake_by)
    if not transport.started:
        return min(deadlines) if deadlines else 0.0
    if transport.idle_timeout_ms:
        if not transport.dead_at or transport.bytes_in != transport.ticked_in:
            transport.ticked_in = transport.bytes_in
            transport.dead_at = now + transport.idle_timeout_ms / 1000.0
        elif now >= transport.dead_at:
            transport.dead_at = now + transport.idle_timeout_ms / 1000.0
            if not transport.tail_closed:
                in_sasl = transport.input in (sasl_input, client_sasl_header_input, refused_input)
                transport.fail(RESOURCE_LIMIT_EXCEEDED, "local-idle-timeout expired", silent=in_sasl)
                return _linger(transport, now)
        deadlines.append(transport.dead_at)
    if transport.remote_idle_timeout_ms and not (transport.close_sent or transport.failed):
        if not transport.keepalive_at or transport.bytes_out > transport.ticked_out:
            transport.ticked_out = transport.bytes_out
            transport.keepalive_at = now + transport.remote_idle_timeout_ms / 2000.0
        elif now >= transport.keepalive_at:
            transport.keepalive_at = now + transport.remote_idle_timeout_ms / 2000.0
            if transport.pending() == 0:
                _write_heartbeat(transport)
        deadlines.append(transport.keepalive_at)
    return min(deadlines) if deadlines else 0.0


def _linger(transport: TransportState, now: float) -> float:
    """A failed transport has some time to send its close; a peer that takes nothing does not get longer."""
    if not transport.give_up_at:
        transport.give_up_at = now + min(_LINGER, transport.idle_timeout_ms / 1000.0 or _LINGER)
    elif now >= transport.give_up_at:
        transport.close_head()
        return 0.0
    return transport.give_up_at


def _write_heartbeat(transport: TransportState) -> None:
    """An empty frame; it needs an open before it like every other one."""
    if not transport.open_sent:
        return
    before = transport.out_size
    transport.out.append(_HEARTBEAT)
    transport.out_size += len(_HEARTBEAT)
    if transport.io_layers:
        io_layers.wrap_output(transport)
    transport.ticked_out += transport.out_size - before  # a heartbeat must not put off the next one
    transport.frames_output += 1
    if transport.tracing:
        transport.trace_frame(0, "->", b"")
