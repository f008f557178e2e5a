"""I/O layers, which stand between the network's bytes and the frames: TLS (5.2), and the security layers of SASL (5.1).

`IOLayer` is the interface, public by `proton.driver`. `transport.io_layers` has a transport's, the one next to the
network first. Input goes through them in that order, output in reverse. Keep true: the first `transport.wrapped` pieces
of `transport.out` have gone through the layers, the others have not; `peek` shows no piece that has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from proton.endpoints.condition import FRAMING_ERROR
from proton.exceptions import TransportException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proton.transport.transport_state import TransportState

__all__ = [
    "IOLayer",
    "IOLayerError",
    "add",
    "end_input",
    "feed_rest",
    "finish",
    "first_waiting",
    "install",
    "may_write",
    "unwrap_input",
    "wrap_output",
]


class IOLayerError(TransportException):
    """Raised by a method of an `IOLayer`: the transport cannot go on, for a reason that the peer may read.

    :param description: the reason: what was expected and what came.
    :param condition: the symbol of the error condition of the transport.
    """

    def __init__(self, description: str, condition: str = FRAMING_ERROR) -> None:
        super().__init__(description)
        self.condition = condition


@runtime_checkable
class IOLayer(Protocol):
    """What changes the bytes of one transport on their way between the network and its frames.

    Layers have an order, see `proton.driver.Driver.add_layer`: "below" is the side of the network, "above" that of the
    frames. A class that derives from this one inherits what a layer without handshake and without last words needs; it
    then has to define `unwrap` and `wrap`. No method may block, read a clock or touch a socket.

    An `IOLayerError` that a method raises fails the transport with its condition. If the layer is still `ready`, the
    peer gets an AMQP close with it. Any other exception ends the transport too, and is logged as a bug.
    """

    #: False while frames cannot go out: before the end of the layer's handshake, and once it has failed or finished.
    #: Meanwhile the layers above are not asked for output. It may change in `unwrap` and in `finish`.
    ready: bool = True
    #: True once the peer's layer has said that no more comes: the input of the transport ends.
    peer_finished: bool = False

    def unwrap(self, data: bytes) -> bytes:
        """Take bytes from below, in any division, and return those for above.

        :param data: one byte at least.
        :return: what can be passed on now; none while it is not known what the bytes mean.
        :raises IOLayerError: the bytes are invalid.
        """
        raise NotImplementedError

    def wrap(self, data: bytes) -> bytes:
        """Take bytes from above, and return all that is to go below: those, and what the layer has to say itself.

        It is called each time that output is asked for, before any input too: a handshake that this end begins, or the
        answer to a ping that `unwrap` has met, leaves with the next call.

        :param data: whole frames; empty if there are none, and always while the layer is not `ready`.
        """
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return the last words, such as a close frame, once both ends have closed their connection or one has failed.

        It is called after `wrap`, again and again until nothing is returned; then the output of the transport ends.
        """
        return b""

    def eof_received(self) -> None:
        """Learn that no more comes from below, not even if the layer has waited for more.

        :raises IOLayerError: the end came too early.
        """
        return


def install(transport: TransportState, layer: IOLayer) -> None:
    """Have a layer take part from here on, above the others; what was written before goes out without it."""
    if not transport.io_layers:
        transport.wrapped = len(transport.out)
    elif len(transport.out) > transport.wrapped:  # else the layers would begin their handshakes
        wrap_output(transport)
    transport.io_layers = (*transport.io_layers, layer)


def add(transport: TransportState, layer: Any) -> None:
    """Install a layer of the program.

    :raises TypeError: it lacks a member of `IOLayer`.
    :raises TransportException: bytes have moved already.
    """
    if not isinstance(layer, IOLayer):
        missing = sorted(name for name in _MEMBERS if not hasattr(layer, name))
        raise TypeError(f"expected an IOLayer, got {layer!r:.80} without {', '.join(missing)}")
    if transport.started or transport.bytes_in or transport.out_size:
        raise TransportException("an I/O layer must be added before the first bytes move")
    tls = transport.tls
    if tls is not None and tls not in transport.io_layers:
        # A server's TLS comes in with the client's first bytes (5.2.1); here they are bytes of the layer, or of TLS
        # below it, so TLS has to look at them first.
        tls.await_client()
        install(transport, tls)
    install(transport, layer)


_MEMBERS = ("eof_received", "finish", "peer_finished", "ready", "unwrap", "wrap")


def unwrap_input(transport: TransportState, data: bytes, layers: Sequence[IOLayer]) -> None:
    """Bytes from below some layers, on their way in."""
    try:
        for layer in layers:
            if data:
                data = layer.unwrap(data)
    except IOLayerError as error:
        transport.fail(error.condition, str(error))
        return
    if data and not transport.tail_closed:
        transport.feed(data)
    if any(layer.peer_finished for layer in layers):
        transport.close_tail()


def feed_rest(transport: TransportState, buf: bytes, pos: int) -> int:
    """The bytes behind those that brought the newest layer have gone through the others; returns where they end."""
    unwrap_input(transport, buf[pos:], transport.io_layers[-1:])
    return len(buf)


def first_waiting(transport: TransportState) -> IOLayer | None:
    """The lowest layer that does not take frames, None if all do."""
    for layer in transport.io_layers:
        if not layer.ready:
            return layer
    return None


def may_write(transport: TransportState) -> bool:
    """Whether frames can go out already."""
    return first_waiting(transport) is None


def _writing(transport: TransportState) -> Sequence[IOLayer]:
    """The layers that take part in output, from above; those above one that is not ready would only make it choke."""
    layers = transport.io_layers
    waiting = first_waiting(transport)
    if waiting is not None:
        layers = layers[: layers.index(waiting) + 1]
    return layers[::-1]


def wrap_output(transport: TransportState) -> None:
    """Has what was written since the last call go through the layers, with what they have to say themselves."""
    fresh = transport.out[transport.wrapped :]
    del transport.out[transport.wrapped :]
    data = b"".join(fresh)
    transport.out_size -= len(data)
    if not transport.is_server:
        transport.started = True  # a handshake of a layer counts as the beginning
    for layer in _writing(transport):
        data = _wrap(transport, layer, data)
    _append(transport, data)


def _wrap(transport: TransportState, layer: IOLayer, data: bytes) -> bytes:
    try:
        return layer.wrap(data)
    except IOLayerError as error:
        if not transport.failed:  # the close that tells the peer would come back here
            transport.fail(error.condition, str(error), silent=True)
        return b""


def finish(transport: TransportState) -> bool:
    """The last words of the layers, after which the output ends; whether there are any, now or later."""
    if transport.io_layers and transport.close_sent and not (transport.close_received or transport.tail_closed):
        return True  # a layer lives until both ends have closed: some peers take the end of TLS for their own, too
    data = b""
    for layer in _writing(transport):
        data = _wrap(transport, layer, data) + layer.finish()
    _append(transport, data)
    return bool(data)


def _append(transport: TransportState, data: bytes) -> None:
    if data:
        transport.out.append(data)
        transport.out_size += len(data)
    transport.wrapped = len(transport.out)


def end_input(transport: TransportState) -> None:
    """The socket has ended: a layer that was not done knows why. The lowest that complains is heard."""
    for layer in transport.io_layers:
        try:
            layer.eof_received()
        except IOLayerError as error:
            if not transport.failed:
                transport.fail(error.condition, str(error))
