"""`Sender`: what programs have of a link over which messages are sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING

from proton.asyncio.checks import check_kind
from proton.asyncio.link import Link
from proton.asyncio.outcomes import Receipt
from proton.asyncio.sender_core import SenderCore
from proton.asyncio.streams import check_source
from proton.asyncio.waiting import DEFAULT
from proton.endpoints.streaming import check_size
from proton.message import Message

if TYPE_CHECKING:
    from types import TracebackType

    from proton.asyncio.sender_core import Tag
    from proton.endpoints.sender import Sender as EngineSender

__all__ = ["Sender"]


class Sender(Link[SenderCore]):
    """A link over which messages are sent. Made by `Connection.sender`."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        core = self._core
        if kind is None and core.soon:
            try:
                await core.flush(core.connection.close_timeout)
            finally:
                await self.close()
        else:
            await self.close()
            if kind is None:
                core.raise_failures()

    @property
    def engine_link(self) -> EngineSender | None:
        """The `proton.Sender` below, None before it is opened. Change nothing on it."""
        link: EngineSender | None = self._core.link
        return link

    @property
    def credit(self) -> int:
        """Messages that the receiver takes now; 0 before the link is open."""
        link = self._core.link
        return 0 if link is None else max(0, int(link.credit))

    @property
    def unsettled(self) -> int:
        """Messages that were sent and have no outcome yet."""
        return len(self._core.pending)

    # `send` and `send_soon` are more than a call of the core each: a call more would be paid for by every message.

    async def send(self, message: Message, *, tag: Tag = None, timeout: float | None = DEFAULT) -> Receipt:
        """Send a message, and wait until its receiver has settled it.

        If this is cancelled before the message has left, it is not sent; afterwards it stays sent, and its outcome goes
        to `on_late_outcome` of the connection.

        :param message: the message.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for credit and outcome together, None for no limit; the connection's if left out.
        :return: the receipt of an accepted message; on a link that sends settled, at once.
        :raises Rejected, Released, Modified: that is its outcome.
        :raises Lost: the connection was lost, or closed, before the outcome: the message may have arrived.
        :raises Timeout: no credit, or no outcome in time. In the second case the text says that it may have arrived.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended; the message was not sent.
        :raises LinkException: the message is larger than the peer takes.
        """
        core = self._core
        connection = core.connection
        limit = connection.timeout if timeout is DEFAULT else core.limit_of(timeout)
        loop = connection.loop
        started = loop.time()
        delivery = await core.put(message, tag, limit)
        if delivery.link.snd_settle_mode == 1:  # SND_SETTLED
            return Receipt(delivery.tag_bytes, 0)
        future = loop.create_future()
        core.pending[delivery] = future
        left = None if limit is None else max(0.0, limit - (loop.time() - started))
        return await core.outcome(delivery, future, left, limit)

    async def send_soon(self, message: Message, *, tag: Tag = None, timeout: float | None = DEFAULT) -> None:
        """Send a message as soon as there is credit, without waiting for its outcome; `flush` tells of all of them.

        :param message: the message.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for the wait for credit, None for no limit; the connection's if left out.
        :raises Timeout: no credit in time; the message was not sent.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended; the message was not sent.
        :raises LinkException: the message is larger than the peer takes.
        """
        core = self._core
        limit = core.connection.timeout if timeout is DEFAULT else core.limit_of(timeout)
        delivery = await core.put(message, tag, limit)
        if delivery.link.snd_settle_mode != 1:  # SND_SETTLED
            core.pending[delivery] = None
            core.soon_count = core.soon[delivery] = core.soon_count + 1

    async def flush(self, timeout: float | None = DEFAULT) -> None:
        """Wait until all that `send_soon` has sent before has an outcome.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises Undeliverable: one or more were not accepted since the last flush: the first one, the rest in `others`.
        :raises Lost: the connection was lost before the outcome of one: it may have arrived.
        :raises Timeout: one has no outcome in time.
        """
        await self._core.flush(self._core.limit_of(timeout))

    async def send_stream(
        self,
        source: AsyncIterable[bytes] | Iterable[bytes],
        message: Message | None = None,
        *,
        size: int | None = None,
        tag: Tag = None,
        timeout: float | None = DEFAULT,
    ) -> Receipt:
        """Send a message whose body comes from a source, piece by piece, as fast as the peer and the network take it.

        Messages sent over the link later wait for it (2.6.12). If the source raises, or this is cancelled, the message
        is given up: the peer drops what it has of it (2.7.5), and a source that is an asynchronous generator is closed.

        :param source: an asynchronous iterator of bytes, an iterable of bytes, or a binary file.
        :param message: a message without body, whose other sections are sent around it.
        :param size: bytes of the body, for one data section; without it each piece becomes one.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds for each wait, for credit, for the source, and for the outcome; not for the whole.
        :return: the receipt of an accepted message.
        :raises ValueError: the source has more or fewer bytes than `size`.
        :raises Rejected, Released, Modified, Lost, Timeout, LinkClosed: as `send`.
        """
        check_size(size)
        limit = self._core.limit_of(timeout)
        check_source(source)
        check_kind("message", message, Message)
        return await self._core.send_stream(source, message, size, tag, limit)
