"""`Receiver`: what programs have of a link over which messages are received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.asyncio.delivery import BodyStream, Delivery
from proton.asyncio.errors import Drained
from proton.asyncio.link import Link
from proton.asyncio.receiver_core import ReceiverCore
from proton.asyncio.waiting import DEFAULT, check_timeout
from proton.endpoints import hooks as _hooks
from proton.message import Message

if TYPE_CHECKING:
    from proton.endpoints.receiver import Receiver as EngineReceiver

__all__ = ["Receiver"]


class Receiver(Link[ReceiverCore]):
    """A link over which messages are received. Made by `Connection.receiver`.

    ``async for message, delivery in receiver`` ends when this end closes the link or its connection, and after
    `drain`; any other end is raised. While a connection that is made again is down, it waits.
    """

    @property
    def engine_link(self) -> EngineReceiver | None:
        """The `proton.Receiver` below, None before it is opened. Change nothing on it."""
        link: EngineReceiver | None = self._core.link
        return link

    @property
    def prefetch(self) -> int:
        """Messages that may be on their way or wait to be taken."""
        return self._core.prefetch

    @property
    def queued(self) -> int:
        """Messages that have come and wait to be taken."""
        core = self._core
        return len(core.ready) + (0 if core.link is None else int(core.link.queued))

    @property
    def unsettled(self) -> int:
        """Messages that were taken and have no outcome yet."""
        return len(self._core.open_deliveries)

    # -- receiving -----------------------------------------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> tuple[Message, Delivery]:
        """The next message, and its delivery, which is to be settled. To cancel this loses no message.

        :param timeout: seconds, None for no limit.
        :raises Timeout: none has come in time.
        :raises Drained: `drain` was called, and no message is left.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended.
        """
        if timeout is not None:
            check_timeout("timeout", timeout)
        core = self._core
        taken = core.take()
        if taken is None:
            taken = await core.wait(timeout)
        if _hooks.active is not None:
            core.tell_received(*taken)
        return taken

    def __aiter__(self) -> Receiver:
        return self

    async def __anext__(self) -> tuple[Message, Delivery]:
        core = self._core
        taken = core.take()
        if taken is None:
            try:
                taken = await core.wait(None)
            except Drained:
                raise StopAsyncIteration from None
            except Exception:
                if core.is_own_end:
                    raise StopAsyncIteration from None
                raise
        if _hooks.active is not None:
            core.tell_received(*taken)
        return taken

    async def receive_stream(self, timeout: float | None = None) -> BodyStream:
        """The next message, whose body is read while it comes (3.2.6).

        To bound what is held in memory, use a `Connection.session` with `incoming_capacity` for the link.

        :param timeout: seconds for its beginning, None for no limit.
        :raises Timeout, Drained, LinkClosed, SessionClosed, ConnectionClosed: as `receive`.
        """
        if timeout is not None:
            check_timeout("timeout", timeout)
        return await self._core.receive_stream(timeout)

    # -- credit --------------------------------------------------------------------------------------------------

    async def drain(self, timeout: float | None = DEFAULT) -> None:
        """Stop the credit, and wait until the sender has used it up or given it back (2.6.7).

        Messages that have come can still be taken; then `receive` raises `Drained`, and iterating ends. `resume` goes
        on.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended.
        :raises Timeout: the sender has not answered in time.
        """
        await self._core.drain(self._core.limit_of(timeout))

    def resume(self) -> None:
        """Give credit again, after `drain`.

        :raises LinkClosed, SessionClosed, ConnectionClosed: the link has ended.
        """
        self._core.resume()
