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
MAX_LINGER_SECONDS = 5.0


def tick(transport: TransportState, now: float) -> float:
    """What is due now is done; the return value is when something will be due next, 0.0 for never."""
    if transport.failed and not transport.head_closed:
        return _linger(transport, now)
    first = _tick_handshake(transport, now)
    silence, heartbeat = transport.idle_timeout_ms, transport.remote_idle_timeout_ms
    if silence or heartbeat:
        for is_set, deadline_of in ((silence, _tick_silence), (heartbeat, _tick_heartbeat)):
            if transport.failed and not transport.head_closed:
                break
            deadline = deadline_of(transport, now) if is_set else 0.0
            if deadline and (deadline < first or not first):
                first = deadline
    if transport.failed and not transport.head_closed:  # by one of them: the last words have a deadline of their own
        return _linger(transport, now)
    return first


def _tick_handshake(transport: TransportState, now: float) -> float:
    """The end of the time that a peer has from the first tick to its open: one that stalls must not keep the socket."""
    limit = transport.limits.handshake_timeout
    if not limit or transport.handshaken:
        return 0.0
    if not transport.handshake_by:
        transport.handshake_by = now + limit
    elif now >= transport.handshake_by:
        reason = f"expected the end of the handshake within {limit:g} s, it is not there"
        # Before AMQP frames are what comes next, the peer could not read a close.
        transport.fail(RESOURCE_LIMIT_EXCEEDED, reason, silent=not transport.amqp_started)
    return transport.handshake_by


def _tick_silence(transport: TransportState, now: float) -> float:
    """When the peer counts as gone, if it stays silent until then (2.4.5). Any byte counts, not only whole frames."""
    if not transport.started:
        return 0.0
    if not transport.dead_at or transport.bytes_in != transport.ticked_in:
        transport.ticked_in = transport.bytes_in
        transport.dead_at = now + transport.idle_timeout_ms / 1000.0
    elif now >= transport.dead_at:
        transport.dead_at = now + transport.idle_timeout_ms / 1000.0
        if not transport.tail_closed:
            # A close is an AMQP frame, which a peer that is still at SASL would not take (5.3.2).
            in_sasl = transport.input in (sasl_input, client_sasl_header_input, refused_input)
            transport.fail(RESOURCE_LIMIT_EXCEEDED, "local-idle-timeout expired", silent=in_sasl)
    return transport.dead_at


def _tick_heartbeat(transport: TransportState, now: float) -> float:
    """When the peer needs a sign of life: after half of its time-out, so that one that is slow on its way counts."""
    if not transport.started:
        return 0.0
    if transport.close_sent or transport.failed:  # nothing follows a close (2.4.3)
        return 0.0
    if not transport.keepalive_at or transport.bytes_out > transport.ticked_out:
        transport.ticked_out = transport.bytes_out
        transport.keepalive_at = now + transport.remote_idle_timeout_ms / 2000.0
    elif now >= transport.keepalive_at:
        transport.keepalive_at = now + transport.remote_idle_timeout_ms / 2000.0
        if transport.pending() == 0:  # else what waits is the sign, once the socket takes it
            _write_heartbeat(transport)
    return transport.keepalive_at


def _linger(transport: TransportState, now: float) -> float:
    """A failed transport has some time to send its close; a peer that takes nothing does not get longer."""
    if not transport.give_up_at:
        transport.give_up_at = now + min(MAX_LINGER_SECONDS, transport.idle_timeout_ms / 1000.0 or MAX_LINGER_SECONDS)
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
