"""`Link`: what senders and receivers have in common: opening, restoring after a loss, ends, closing."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from proton.asyncio.checks import check_condition, check_flag, check_kind
from proton.asyncio.errors import LinkClosed, error_of
from proton.asyncio.waiting import DEFAULT, Waiters, limit_of
from proton.endpoints.condition import Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED, endpoint_state
from proton.endpoints.ends import end_of
from proton.endpoints.printable import condition_text, printable
from proton.endpoints.terminus import Terminus
from proton.logs import log
from proton.options.link_options import apply_options, as_options, link_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from proton.asyncio.connection import Connection
    from proton.options.link_options import LinkOption

__all__ = ["Link", "LinkSettings"]

_Self = TypeVar("_Self", bound="Link")
_OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE


class LinkSettings:
    """How a link is made: what a program has given, checked.

    :raises TypeError: an address is not a str, or an option is not a `LinkOption`.
    """

    def __init__(
        self,
        address: str | None,
        other: str | None,
        name: str | None,
        options: LinkOption | Sequence[LinkOption] | None,
        dynamic: bool = False,
    ) -> None:
        check_kind("address", address, str)
        check_kind("name", name, str)
        check_flag("dynamic", dynamic)
        self.address = address
        self.other = other
        self.name = name
        self.options: list[Any] = as_options(options)
        self.dynamic = dynamic


class Link:
    """The base of `Sender` and `Receiver`. Awaiting it, or ``async with``, opens it.

    :param connection: the connection.
    :param settings: how it is made.
    :param session: gives the engine's session for it.
    """

    _kind = "link"
    _is_sender = False

    def __init__(self, connection: Connection, settings: LinkSettings, session: Callable[[], Any]) -> None:
        #: the connection of this link
        self.connection: Connection = connection
        self._settings = settings
        self._session_for = session
        self._link: Any = None
        self._error: Exception | None = None  # why it can be used no more
        self._waiters = Waiters()
        self._was_open = False
        self._is_accepted = False  # the peer has asked for it
        self._is_lost = False  # its connection was lost, and it is not attached again yet

    def __repr__(self) -> str:
        return f"<proton.asyncio.{type(self).__name__} {self._described()}>"

    def _described(self) -> str:
        settings = self._settings
        address = settings.address if self._link is None or settings.address is not None else self.address
        where = f" {'to' if self._is_sender else 'from'} {printable(address)!r}" if address is not None else ""
        return f"{self._kind}{where}"

    # -- opening -------------------------------------------------------------------------------------------------

    def __await__(self: _Self) -> Generator[Any, Any, _Self]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def open(self, timeout: float | None = DEFAULT) -> Self:
        """Attach the link, and wait until the peer has attached it.

        Opening an open link does nothing.

        :param timeout: seconds, None for no limit; the connection's `timeout` if left out.
        :return: the link.
        :raises LinkClosed: the peer has refused it: `condition` says why.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: the peer has not answered in time.
        """
        limit = self._limit(timeout)
        connection = self.connection
        connection.check_open(f"cannot open {self._described()}")
        if self._link is None:
            self._make()
        # A coroutine that opens it beside another one waits with it.
        try:
            await self._waiters.until(connection.loop, self._is_attached, limit, f"opening {self._described()}")
        except BaseException:
            # Another coroutine may still wait for the same.
            if not self._was_open and not self._waiters:
                self._abandon()
            raise
        self._was_open = True
        return self

    def _limit(self, timeout: float | None) -> float | None:
        return limit_of(timeout, self.connection.timeout)

    def _make(self) -> None:
        settings, host = self._settings, self.connection.host
        session = self._session_for()
        name = link_name(session.connection, settings.name, (settings.address, settings.other))
        link = session.sender(name) if self._is_sender else session.receiver(name)
        ours, theirs = (link.target, link.source) if self._is_sender else (link.source, link.target)
        if settings.address:
            ours.address = settings.address
        if settings.other:
            theirs.address = settings.other
        if settings.dynamic:
            ours.dynamic = True
        apply_options(settings.options, link)
        # Before the open: what is wrong with a terminus raises there, and nothing of the link may be left.
        self._adopt(link)
        try:
            link.open()
        except BaseException:
            del host.links[link]
            link.free()
            self._link = None
            raise
        self._prepare()
        host.turn()

    def adopt(self, link: Any) -> None:
        """For `LinkRequest`: attach a link that the peer has asked for."""
        self._is_accepted = self._was_open = True
        self._adopt(link)
        link.open()
        self._prepare()
        self.connection.host.turn()

    async def attached(self, timeout: float | None) -> None:
        """For `Requester`: wait until the link is attached, again after a loss.

        :param timeout: seconds, None for no limit.
        """
        if self._link is None:
            raise self._error or LinkClosed(f"{self._described()} is not open: use async with, or await it")
        if self._error is None and not self._is_lost:
            return
        await self._waiters.until(self.connection.loop, self._is_attached, timeout, f"attaching {self._described()}")

    def abandon(self) -> None:
        """For `Requester`: end the link without waiting for the peer."""
        self._abandon()

    def _adopt(self, link: Any) -> None:
        """Becomes the owner of an engine link."""
        self._link = link
        self._error = None
        self.connection.host.links[link] = self

    def _prepare(self) -> None:
        """The link is about to be attached."""

    def _abandon(self) -> None:
        """Its opening was given up: another call of `open` begins afresh."""
        link = self._link
        if link is not None and not link.state & LOCAL_CLOSED:
            link.close()
            self.connection.host.turn()
        self._forget()
        self._link = None

    def _is_attached(self) -> bool:
        """Whether it is attached at both ends; raises where it will not be."""
        if self._error is not None:
            raise self._error
        link = self._link
        if self._is_lost or link.state != _OPEN:
            return False
        if not (self._settings.address or self._settings.dynamic) or self._is_accepted:
            return True
        # Without a terminus of its own the peer refuses the link: its detach follows (2.6.3).
        remote = link.remote_target if self._is_sender else link.remote_source
        return bool(remote.type != Terminus.UNSPECIFIED)

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name of the link; None before it is opened, if none was given."""
        return self._settings.name if self._link is None else self._link.name

    @property
    def address(self) -> str | None:
        """The address at the peer: for a dynamic node the one that the peer has made; None before."""
        if self._link is None:
            return self._settings.address
        remote = self._link.remote_target if self._is_sender else self._link.remote_source
        address: str | None = remote.address
        return address if address is not None else self._settings.address

    @property
    def is_open(self) -> bool:
        """True while it is attached at both ends."""
        return self._link is not None and self._error is None and not self._is_lost and self._is_attached()

    @property
    def properties(self) -> dict[Any, Any] | None:
        """What the peer's attach has as properties, or None."""
        found: dict[Any, Any] | None = None if self._link is None else self._link.remote_properties
        return found

    @property
    def max_message_size(self) -> int:
        """The largest message that the peer takes, in bytes; 0 for no limit, and before the link is open."""
        return 0 if self._link is None else int(self._link.remote_max_message_size)

    @property
    def engine_link(self) -> Any:
        """The `proton.Sender` or `proton.Receiver` below, None before it is opened. Change nothing on it."""
        return self._link

    # -- what the host tells -------------------------------------------------------------------------------------

    def on_delivery(self, delivery: Any) -> None:
        """Something has happened to a delivery."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_change(self) -> None:
        """The link, its session or its connection has opened, or ended."""
        link = self._link
        if link is None:
            return
        if self._error is None:
            if self._is_lost and self._is_back():
                self._is_lost = False
                self._restored()
                self.connection.wake()  # `ready` waits for all links
            end = end_of(link)
            if end is not None:
                # A client may leave as it likes: no end of a link that it has asked for is an error, unless it says so.
                is_orderly = self._is_accepted and end.by_peer and end.condition is None
                if not is_orderly:
                    self._tell_if_unheard(end)
                self._end(error_of(end, self._described()), is_orderly)
        self._waiters.wake()
        self.on_flow()

    def _is_back(self) -> bool:
        """Whether the peer has attached the link again: the remote state is the old one until then."""
        link = self._link
        state, session = endpoint_state(link), endpoint_state(link.session)
        if state.binding.remote_handle is None or state.restarting or session.restarting or link.state != _OPEN:
            return False
        return bool(link.connection.connected)

    def _tell_if_unheard(self, end: Any) -> None:
        """A link that the peer ends while nothing waits for it would end in silence until it is used next."""
        if end.endpoint is self._link and end.by_peer and self._was_open and not self._is_awaited():
            log.warning(
                "%s was closed by the peer: %s", self._described(), condition_text(end.condition) or "without a reason"
            )

    def _is_awaited(self) -> bool:
        return bool(self._waiters)

    def on_loss(self) -> None:
        """The transport is gone; the link will be attached to the next one, if there is one."""
        # Once, and not for each attempt that fails after it.
        if self._error is None and not self._is_lost:
            self._is_lost = True
            self._drop_binding()
        self.on_change()

    def _drop_binding(self) -> None:
        """What was under way with the transport is lost."""

    def _restored(self) -> None:
        """The link is attached again after a loss."""

    def _end(self, error: Exception, is_orderly: bool) -> None:
        """The link has ended for good.

        :param is_orderly: the peer has asked for it, and has ended it without an error.
        """
        self._error = error
        self._forget()

    def _forget(self) -> None:
        self.connection.host.links.pop(self._link, None)

    # -- closing -------------------------------------------------------------------------------------------------

    def _closed_error(self) -> LinkClosed:
        return LinkClosed(f"{self._described()} is closed")

    async def close(self, condition: Condition | None = None, timeout: float | None = DEFAULT) -> None:
        """Close the link, and wait until the peer has. A link that has ended is closed already.

        :param condition: the reason, an error; None for an orderly close.
        :param timeout: seconds, None for no limit; the connection's `close_timeout` if left out.
        :raises Timeout: the peer has not answered in time; the link is closed at this end.
        """
        await self._finish(condition, False, timeout)

    async def detach(self, timeout: float | None = DEFAULT) -> None:
        """Detach the link without closing it: the peer keeps its terminus, such as a durable subscription (2.6.3).

        :param timeout: seconds, None for no limit; the connection's `close_timeout` if left out.
        :raises Timeout: the peer has not answered in time.
        """
        await self._finish(None, True, timeout)

    async def _finish(self, condition: Condition | None, keep: bool, timeout: float | None) -> None:
        limit = limit_of(timeout, self.connection.close_timeout)
        check_condition(condition)
        link = self._link
        if link is None:
            self._error = self._error or self._closed_error()
            return
        host = self.connection.host
        host.loop.check()
        if not link.state & LOCAL_CLOSED and not endpoint_state(link).detached:
            if condition is not None:
                link.condition = condition
            if self._error is None:
                self._leave()
                self._error = self._closed_error()
            if keep:
                link.detach()
            else:
                link.close()
            host.turn()
            self._waiters.wake()
            self.on_flow()
        await self._waiters.until(host.loop, self._is_gone, limit, f"closing {self._described()}")

    def _leave(self) -> None:
        """The program is about to end the link."""

    def _is_gone(self) -> bool:
        """Whether the peer has answered, or cannot any more."""
        state = endpoint_state(self._link)
        session_has_ended = self._link.session.state & (LOCAL_CLOSED | REMOTE_CLOSED)
        if state.remote_end is None and self.connection.is_connected and not session_has_ended:
            return False
        self._forget()
        return True
