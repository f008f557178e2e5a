"""Filters: what stands between the socket's bytes and the frames, TLS (5.2) and the security layers of SASL (5.1).

`transport._filters` has them from the socket inwards. Each has `_ready()` (false while it cannot carry frames yet),
`_unwrap(transport, data)` and `_wrap(transport, data)`, which return bytes, `_peer_finished`, `_finish(transport)`, its
last words, and `_ended(transport)`, called when the socket has ended. Keep true: in `transport._out` the first
`_wrapped` pieces have gone through the filters, the others have not; nothing that is not wrapped is ever shown by
`peek`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proton.transport.transport import Transport

__all__ = ["end_input", "finish", "install", "may_write", "received", "wrap_output"]


def install(transport: Transport, layer: Any) -> None:
    """Have a filter take part from here on; what was written before goes out without it."""
    if transport._filters:
        wrap_output(transport)
    else:
        transport._wrapped = len(transport._out)
    transport._filters = (*transport._filters, layer)


def received(transport: Transport, data: bytes, first: int = 0) -> None:
    """Bytes of the socket, or of the filter before `first`, on their way in."""
    layers = transport._filters[first:]
    for layer in layers:
        if data:
            data = layer._unwrap(transport, data)
    if data and not transport._tail_closed:
        transport._take(data)
    if any(layer._peer_finished for layer in layers):
        transport.close_tail()


def may_write(transport: Transport) -> bool:
    """Whether frames can go out already."""
    return all(layer._ready() for layer in transport._filters)


def wrap_output(transport: Transport) -> None:
    """Has what was written since the last call go through the filters, with what they have to say themselves."""
    fresh = transport._out[transport._wrapped :]
    del transport._out[transport._wrapped :]
    data = b"".join(fresh)
    transport._out_size -= len(data)
    for layer in reversed(transport._filters):
        data = layer._wrap(transport, data)
    _append(transport, data)


def finish(transport: Transport) -> bool:
    """The last words of the filters, after which the output ends; whether there are any, now or later."""
    if transport.encrypted and transport._close_sent and not (transport._close_received or transport._tail_closed):
        return True  # TLS lives until both ends have closed: some peers take its end for that of the answer, too
    data = b""
    for layer in reversed(transport._filters):
        data = layer._wrap(transport, data) + layer._finish(transport)
    _append(transport, data)
    return bool(data)


def _append(transport: Transport, data: bytes) -> None:
    if data:
        transport._out.append(data)
        transport._out_size += len(data)
    transport._wrapped = len(transport._out)


def end_input(transport: Transport) -> None:
    """The socket has ended: a filter that was not done knows why."""
    for layer in transport._filters:
        layer._ended(transport)
