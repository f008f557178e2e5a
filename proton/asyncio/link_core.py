"""`LinkCore`: what the cores of senders and receivers share: opening, restoring after a loss, ends, closing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.checks import check_condition, check_flag, check_kind
from proton.asyncio.errors import LinkClosed, error_of, fresh
from proton.asyncio.opening import Faced
from proton.asyncio.waiting import Waiters, limit_of
from proton.endpoints.condition import Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED, endpoint_state
from proton.endpoints.ends import end_of
from proton.endpoints.printable import condition_text, printable
from proton.endpoints.terminus import Terminus
from proton.logs import log
from proton.options.link_options import apply_options, as_options, link_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proton.asyncio.connection_core import ConnectionCore
    from proton.options.link_options import LinkOption

__all__ = ["LinkCore", "LinkSettings"]

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


class LinkCore(Faced[Any]):
    """The state of a link, and the owner of the engine's.

    :param connection: the connection.
    :param settings: how it is made.
    :param session: gives the engine's session for it.
    """

    _kind = "link"
    _is_sender = False

    def __init__(self, connection: ConnectionCore, settings: LinkSettings, session: Callable[[], Any]) -> None:
        #: that of the connection of this link
        self.connection: ConnectionCore = connection
        self.settings = settings
        self._session_for = session
        self.link: Any = None
        self.error: Exception | None = None  # why it can be used no more
        self.waiters: Waiters = Waiters()
        self.was_open: bool = False
        self._is_accepted = False  # the peer has asked for it
        self.is_lost: bool = False  # its connection was lost, and it is not attached again yet

    def __repr__(self) -> str:
        return f"<proton.asyncio.{self._kind.capitalize()}{self._where()}: {self.how()}>"

    def how(self) -> str:
        """Its state in a word or two."""
        if self.error is not None:
            return "closed"
        if self.link is None:
            return "not open"
        return "lost" if self.is_lost else "open" if self.is_open else "opening"

    def described(self) -> str:
        """What it is and where it leads to, in words for an error text."""
        return f"{self._kind}{self._where()}"

    def _where(self) -> str:
        settings = self.settings
        address = settings.address if self.link is None or settings.address is not None else self.address
        return f" {'to' if self._is_sender else 'from'} {printable(address)!r}" if address is not None else ""

    def awaited(self) -> str:
        """As `described`, for the text of a time-out: it says too that there is no connection, and why."""
        connection = self.connection
        if connection.is_connected:
            return self.described()
        reason = connection.reason_text()
        return f"{self.described()}, whose connection is lost{f' ({reason})' if reason else ''}"

    # -- opening -------------------------------------------------------------------------------------------------

    async def open(self, timeout: float | None) -> None:
        """See `Link.open`."""
        limit = self.limit_of(timeout)
        connection = self.connection
        connection.check_open(f"cannot open {self.described()}")
        if self.link is None:
            self._make()
        # A coroutine that opens it beside another one waits with it.
        try:
            await self.waiters.until(connection.loop, self.is_attached, limit, lambda: f"opening {self.awaited()}")
        except BaseException:
            # Another coroutine may still wait for the same.
            if not self.was_open and not self.waiters:
                self.abandon()
            raise
        self.was_open = True

    def limit_of(self, timeout: float | None) -> float | None:
        """The seconds that a call may take."""
        return limit_of(timeout, self.connection.timeout)

    def _make(self) -> None:
        settings, host = self.settings, self.connection.host
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
            self.link = None
            raise
        self._prepare()
        host.turn()

    def adopt(self, link: Any) -> None:
        """For `LinkRequest`: attach a link that the peer has asked for."""
        self._is_accepted = self.was_open = True
        self._adopt(link)
        link.open()
        self._prepare()
        self.connection.host.turn()

    async def attached(self, timeout: float | None) -> None:
        """For `Requester`: wait until the link is attached, again after a loss.

        :param timeout: seconds, None for no limit.
        """
        if self.link is None:
            raise fresh(self.error or self.not_open())
        if self.error is None and not self.is_lost:
            return
        loop = self.connection.loop
        await self.waiters.until(loop, self.is_attached, timeout, lambda: f"attaching {self.awaited()}")

    def not_open(self) -> LinkClosed:
        """The exception for a call on a link that was not opened."""
        return LinkClosed(f"{self.described()} is not open: use async with, or await it")

    def _adopt(self, link: Any) -> None:
        """Becomes the owner of an engine link."""
        self.link = link
        self.error = None
        self.connection.host.links[link] = self

    def _prepare(self) -> None:
        """The link is about to be attached."""

    def abandon(self) -> None:
        """Its opening was given up: the peer is not waited for, and another call of `open` begins afresh."""
        link = self.link
        if link is not None and not link.state & LOCAL_CLOSED:
            link.close()
            self.connection.host.turn()
        self._forget()
        self.link = None

    def is_attached(self) -> bool:
        """Whether it is attached at both ends; raises where it will not be."""
        if self.error is not None:
            raise fresh(self.error)
        link = self.link
        if self.is_lost or link.state != _OPEN:
            return False
        if not (self.settings.address or self.settings.dynamic) or self._is_accepted:
            return True
        # Without a terminus of its own the peer refuses the link: its detach follows (2.6.3).
        remote = link.remote_target if self._is_sender else link.remote_source
        return bool(remote.type != Terminus.UNSPECIFIED)

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """See `Link.name`."""
        return self.settings.name if self.link is None else self.link.name

    @property
    def address(self) -> str | None:
        """See `Link.address`."""
        if self.link is None:
            return self.settings.address
        remote = self.link.remote_target if self._is_sender else self.link.remote_source
        address: str | None = remote.address
        return address if address is not None else self.settings.address

    @property
    def is_open(self) -> bool:
        """True while it is attached at both ends."""
        return self.link is not None and self.error is None and not self.is_lost and self.is_attached()

    # -- what the host tells -------------------------------------------------------------------------------------

    def on_delivery(self, delivery: Any) -> None:
        """Something has happened to a delivery."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_change(self) -> None:
        """The link, its session or its connection has opened, or ended."""
        link = self.link
        if link is None:
            return
        if self.error is None:
            if self.is_lost and self._is_back():
                self.is_lost = False
                self._restored()
                self.connection.wake()  # `ready` waits for all links
            end = end_of(link)
            if end is not None:
                # A client may leave as it likes: no end of a link that it has asked for is an error, unless it says so.
                is_orderly = self._is_accepted and end.by_peer and end.condition is None
                if not is_orderly:
                    self._tell_if_unheard(end)
                self._end(error_of(end, self.described()), is_orderly)
                self.let_go()
        self.waiters.wake()
        self.on_flow()

    def _is_back(self) -> bool:
        """Whether the peer has attached the link again: the remote state is the old one until then."""
        link = self.link
        state, session = endpoint_state(link), endpoint_state(link.session)
        if state.binding.remote_handle is None or state.restarting or session.restarting or link.state != _OPEN:
            return False
        return bool(link.connection.connected)

    def _tell_if_unheard(self, end: Any) -> None:
        """A link that the peer ends while nothing waits for it would end in silence until it is used next."""
        if end.endpoint is self.link and end.by_peer and self.was_open and not self.is_awaited():
            log.warning(
                "%s was closed by the peer: %s", self.described(), condition_text(end.condition) or "without a reason"
            )

    def is_awaited(self) -> bool:
        """Whether a coroutine waits for something of it."""
        return bool(self.waiters)

    def on_loss(self) -> None:
        """The transport is gone; the link will be attached to the next one, if there is one."""
        # Once, and not for each attempt that fails after it.
        if self.error is None and not self.is_lost:
            self.is_lost = True
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
        self.error = error
        self._forget()

    def _forget(self) -> None:
        self.connection.host.links.pop(self.link, None)

    # -- closing -------------------------------------------------------------------------------------------------

    def _closed_error(self) -> LinkClosed:
        return LinkClosed(f"{self.described()} is closed")

    async def leave(self, condition: Condition | None, keep: bool, timeout: float | None) -> None:
        """Closes the link, or detaches it to keep its terminus at the peer."""
        limit = limit_of(timeout, self.connection.close_timeout)
        check_condition(condition)
        link = self.link
        if link is None:
            self.error = self.error or self._closed_error()
            return
        host = self.connection.host
        host.loop.check()
        if not link.state & LOCAL_CLOSED and not endpoint_state(link).detached:
            if condition is not None:
                link.condition = condition
            if self.error is None:
                self._leave()
                self.error = self._closed_error()
            if keep:
                link.detach()
            else:
                link.close()
            host.turn()
            self.waiters.wake()
            self.on_flow()
        await self.waiters.until(host.loop, self._is_gone, limit, f"closing {self.described()}")

    def _leave(self) -> None:
        """The program is about to end the link."""

    def _is_gone(self) -> bool:
        """Whether the peer has answered, or cannot any more."""
        state = endpoint_state(self.link)
        session_has_ended = self.link.session.state & (LOCAL_CLOSED | REMOTE_CLOSED)
        if state.remote_end is None and self.connection.is_connected and not session_has_ended:
            return False
        self._forget()
        self.let_go()
        return True
