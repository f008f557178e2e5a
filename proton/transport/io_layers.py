"""Filters: what stands between the socket's bytes and the frames, TLS (5.2) and the security layers of SASL (5.1).

`transport.filters` has them from the socket inwards. Each has `_ready()` (false while it cannot carry frames yet),
`_unwrap(transport, data)` and `_wrap(transport, data)`, which return bytes, `_peer_finished`, `_finish(transport)`, its
last words, and `_ended(transport)`, called when the socket has ended. Keep true: in `transport.out` the first
`_wrapped` pieces have gone through the filters, the others have not; nothing that is not wrapped is ever shown by
`peek`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proton.transport.transport_state import TransportState

__all__ = ["end_input", "finish", "install", "may_write", "received", "wrap_output"]


def install(transport: TransportState, layer: Any) -> None:
    """Have a filter take part from here on; what was written before goes out without it."""
    if transport.filters:
        wrap_output(transport)
    else:
        transport.wrapped = len(transport.out)
    transport.filters = (*transport.filters, layer)


def received(transport: TransportState, data: bytes, first: int = 0) -> None:
    """Bytes of the socket, or of the filter before `first`, on their way in."""
    layers = transport.filters[first:]
    for layer in layers:
        if data:
            data = layer._unwrap(transport, data)
    if data and not transport.tail_closed:
        transport.feed(data)
    if any(layer._peer_finished for layer in layers):
        transport.close_tail()


def may_write(transport: TransportState) -> bool:
    """Whether frames can go out already."""
    return all(layer._ready() for layer in transport.filters)


def wrap_output(transport: TransportState) -> None:
    """Has what was written since the last call go through the filters, with what they have to say themselves."""
    fresh = transport.out[transport.wrapped :]
    del transport.out[transport.wrapped :]
    data = b"".join(fresh)
    transport.out_size -= len(data)
    for layer in reversed(transport.filters):
        data = layer._wrap(transport, data)
    _append(transport, data)


def finish(transport: TransportState) -> bool:
    """The last words of the filters, after which the output ends; whether there are any, now or later."""
    if transport.encrypted and transport.close_sent and not (transport.close_received or transport.tail_closed):
        return True  # TLS lives until both ends have closed: some peers take its end for that of the answer, too
    data = b""
    for layer in reversed(transport.filters):
        data = layer._wrap(transport, data) + layer._finish(transport)
    _append(transport, data)
    return bool(data)


def _append(transport: TransportState, data: bytes) -> None:
    if data:
        transport.out.append(data)
        transport.out_size += len(data)
    transport.wrapped = len(transport.out)


def end_input(transport: TransportState) -> None:
    """The socket has ended: a filter that was not done knows why."""
    for layer in transport.filters:
        layer._ended(transport)
