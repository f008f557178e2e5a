"""`write_body`: the body of a message from an asynchronous source, as fast as the peer and the network take it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from proton.asyncio.waiting import timed_out
from proton.endpoints import hooks as _hooks
from proton.endpoints.streaming import StreamEncoder
from proton.message import Message
from proton.transport.progress import awaited_of_sender

if TYPE_CHECKING:
    from proton.asyncio.host import Host

__all__ = ["MAX_UNSENT", "begin_body", "check_source", "write_body"]

#: bytes that may wait to be written before a sender waits: as many as one write of the loop takes
MAX_UNSENT = 65536


def check_source(source: Any) -> None:
    """Checks what the bytes of a body come from.

    :raises TypeError: neither an asynchronous iterator, an iterable nor a binary file.
    """
    is_one = any(hasattr(source, name) for name in ("__aiter__", "__iter__", "read"))
    if not is_one or isinstance(source, (str, bytes, bytearray, memoryview)):
        wanted = "an iterator of bytes, asynchronous or not, or a binary file"
        raise TypeError(f"source takes {wanted}, got {type(source).__name__} {source!r:.50}")


def begin_body(link: Any, message: Message | None, size: int | None, tag: Any) -> tuple[Any, StreamEncoder]:
    """The delivery of a message whose body comes piece by piece, and what encodes the pieces.

    :param link: the sender of the engine.
    :param message: what surrounds the body, or None.
    :param size: bytes of the body, or None.
    :param tag: the delivery tag; made by the link if it is empty.
    """
    made: list[StreamEncoder] = []

    def begin(message: Message | None) -> Any:
        made.append(StreamEncoder(message, size))
        delivery = link.delivery(tag or link.delivery_tag())
        if message is not None and message.message_format:
            delivery.message_format = message.message_format
        return delivery

    if _hooks.active is None:
        return begin(message), made[0]
    return _hooks.active.send(link, Message() if message is None else message, begin), made[0]


async def write_body(
    host: Host, delivery: Any, ended: Any, encoder: StreamEncoder, source: Any, limit: float | None
) -> None:
    """Write the bytes of a message whose body comes piece by piece.

    :param delivery: the current delivery of its link.
    :param ended: a future that is done if there is no need for the rest.
    :param source: an asynchronous iterator, an iterable, or a binary file.
    :param limit: seconds for each wait, None for no limit.
    """
    link = delivery.link
    link.stream(encoder.begin())
    pieces = _pieces(source)
    interrupt = host.loop.interrupt(ended)
    try:
        # Lost, or the receiver has seen enough: a source that is slow, or stands still, is not waited for.
        with interrupt:
            interrupt.limit(limit)
            async for piece in pieces:
                if ended.done():
                    return
                interrupt.limit(None)
                for part in encoder.piece(piece):
                    link.stream(part)
                while link.session.outgoing_bytes > MAX_UNSENT and not ended.done():
                    host.turn()
                    if link.session.outgoing_bytes > MAX_UNSENT:
                        await _room(host, ended, link, limit)
                interrupt.limit(limit)
    finally:
        await pieces.aclose()
    if ended.done():
        return
    if interrupt.is_late:
        raise timed_out("waiting for the next piece of a source", limit)
    link.stream(encoder.end())
    link.advance()


async def _room(host: Host, ended: Any, link: Any, limit: float | None) -> None:
    """Wait until some of what is to be written has left, or need not any more."""
    future = host.loop.create_future()
    room = _Room(future)
    ended.add_done_callback(room.on_flow)
    host.blocked[room] = None
    try:
        what = "waiting for {} in a stream to {!r}"
        error = await host.loop.wait(
            future, limit, lambda: timed_out(what.format(awaited_of_sender(link), link.target.address), limit)
        )
    finally:
        host.blocked.pop(room, None)
        ended.remove_done_callback(room.on_flow)
    if error is not None:
        raise error


class _Room:
    """Waits in the host's list for room."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def on_flow(self, _: Any = None) -> None:
        """There is room, or no need for it."""
        if not self._future.done():
            self._future.set_result(None)


async def _pieces(source: Any) -> AsyncGenerator[bytes, None]:
    """The bytes of a source. An asynchronous generator that is given up is closed at once, not by the collector."""
    if hasattr(source, "__aiter__"):
        try:
            async for piece in source:
                yield piece
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
        return
    read: Any = getattr(source, "read", None)
    iterator: Iterator[bytes] = iter(lambda: read(MAX_UNSENT), b"") if read is not None else iter(source)
    for piece in iterator:
        yield piece
