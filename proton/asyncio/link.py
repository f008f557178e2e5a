"""`Link`: what programs have of senders and receivers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from proton.asyncio.link_core import LinkCore
from proton.asyncio.opening import Cored, Openable
from proton.asyncio.waiting import DEFAULT

if TYPE_CHECKING:
    from typing_extensions import Self

    from proton.asyncio.connection import Connection
    from proton.endpoints.condition import Condition

__all__ = ["Link"]

_Core = TypeVar("_Core", bound=LinkCore)


class Link(Openable, Cored[_Core]):
    """The base of `Sender` and `Receiver`. Awaiting it, or ``async with``, opens it."""

    def __init__(self, core: _Core) -> None:
        super().__init__(core)
        core.show(self)

    def __repr__(self) -> str:
        return repr(self._core)

    async def open(self, timeout: float | None = DEFAULT) -> Self:
        """Attach the link, and wait until the peer has attached it.

        Opening an open link does nothing.

        :param timeout: seconds, None for no limit; the connection's `timeout` if left out.
        :return: the link.
        :raises LinkClosed: the peer has refused it: `condition` says why.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: the peer has not answered in time.
        """
        await self._core.open(timeout)
        return self

    @property
    def connection(self) -> Connection:
        """The connection of this link."""
        return self._core.connection.face

    @property
    def name(self) -> str | None:
        """The name of the link; None before it is opened, if none was given."""
        return self._core.name

    @property
    def address(self) -> str | None:
        """The address at the peer: for a dynamic node the one that the peer has made; None before."""
        return self._core.address

    @property
    def is_open(self) -> bool:
        """True while it is attached at both ends."""
        return self._core.is_open

    @property
    def properties(self) -> dict[Any, Any] | None:
        """What the peer's attach has as properties, or None."""
        link = self._core.link
        found: dict[Any, Any] | None = None if link is None else link.remote_properties
        return found

    @property
    def max_message_size(self) -> int:
        """The largest message that the peer takes, in bytes; 0 for no limit, and before the link is open."""
        link = self._core.link
        return 0 if link is None else int(link.remote_max_message_size)

    async def close(self, condition: Condition | None = None, timeout: float | None = DEFAULT) -> None:
        """Close the link, and wait until the peer has. A link that has ended is closed already.

        :param condition: the reason, an error; None for an orderly close.
        :param timeout: seconds, None for no limit; the connection's `close_timeout` if left out.
        :raises Timeout: the peer has not answered in time; the link is closed at this end.
        """
        await self._core.leave(condition, False, timeout)

    async def detach(self, timeout: float | None = DEFAULT) -> None:
        """Detach the link without closing it: the peer keeps its terminus, such as a durable subscription (2.6.3).

        :param timeout: seconds, None for no limit; the connection's `close_timeout` if left out.
        :raises Timeout: the peer has not answered in time.
        """
        await self._core.leave(None, True, timeout)
