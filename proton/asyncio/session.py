"""`Session`: a session of a program's own, whose windows are apart from those of other links (2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.asyncio.errors import SessionClosed, error_of, fresh
from proton.asyncio.making import LinkMaker
from proton.asyncio.opening import Cored, Openable
from proton.asyncio.waiting import DEFAULT, Waiters, limit_of
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED, endpoint_state
from proton.endpoints.ends import end_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from proton.asyncio.connection import Connection
    from proton.asyncio.connection_core import ConnectionCore
    from proton.endpoints.session import Session as EngineSession

__all__ = ["Session", "SessionCore"]

_OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE


class SessionCore:
    """The state of a session, and the owner of the engine's."""

    def __init__(self, connection: ConnectionCore, incoming_capacity: int, outgoing_window: int | None) -> None:
        #: that of the connection of this session
        self.connection: ConnectionCore = connection
        self._settings = incoming_capacity, outgoing_window
        self._session: EngineSession | None = None
        self._error: Exception | None = None
        self._waiters = Waiters()

    def __repr__(self) -> str:
        how = "closed" if self._error is not None else "open" if self.is_open else "not open"
        return f"<proton.asyncio.Session at {self.connection.place()!r}: {how}>"

    def engine_session(self) -> Any:
        """The engine's session; raises where it has ended."""
        if self._error is not None:
            raise fresh(self._error)
        if self._session is None:
            raise SessionClosed("the session is not open: use async with, or await it")
        return self._session

    @property
    def is_open(self) -> bool:
        """True while it is open at both ends."""
        session = self._session
        if session is None or self._error is not None or session.state != _OPEN:
            return False
        # The state of the peer's end is the old one between a loss and its next begin.
        return self.connection.is_connected and endpoint_state(session).binding.remote_channel is not None

    async def open(self, timeout: float | None) -> None:
        """See `Session.open`."""
        limit = limit_of(timeout, self.connection.timeout)
        self.connection.check_open("cannot begin a session")
        host = self.connection.host
        if self._session is None:
            session = host.connection.session()
            capacity, window = self._settings
            if capacity:
                session.incoming_capacity = capacity
            if window is not None:
                session.outgoing_window = window
            self._session = session
            host.links[session] = self  # type: ignore[assignment]
            session.open()
            host.turn()
        await self._waiters.until(host.loop, self._is_begun, limit, "beginning a session")

    def _is_begun(self) -> bool:
        if self._error is not None:
            raise fresh(self._error)
        return self.engine_session().state == _OPEN  # type: ignore[no-any-return]

    def on_change(self) -> None:
        """The session, or its connection, has opened or ended."""
        session = self._session
        if session is not None and self._error is None:
            end = end_of(session)
            if end is not None:
                self._error = error_of(end, "no session")
                self.connection.host.links.pop(session, None)
        self._waiters.wake()

    def on_loss(self) -> None:
        """The transport is gone."""
        self.on_change()

    async def close(self, timeout: float | None) -> None:
        """See `Session.close`."""
        limit = limit_of(timeout, self.connection.close_timeout)
        session = self._session
        if session is None:
            self._error = self._error or SessionClosed("the session is closed")
            return
        host = self.connection.host
        host.loop.check()
        if not session.state & LOCAL_CLOSED:
            session.close()
            for link in list(endpoint_state(session).members):
                owner = host.links.get(link.endpoint)
                if owner is not None:
                    owner.on_change()
            self._error = self._error or SessionClosed("the session is closed")
            host.turn()
        await self._waiters.until(host.loop, lambda: self._is_gone(session), limit, "ending a session")
        host.links.pop(session, None)

    def _is_gone(self, session: EngineSession) -> bool:
        return bool(session.state & REMOTE_CLOSED) or not self.connection.is_connected


class Session(LinkMaker, Openable, Cored[SessionCore]):
    """A session of a program's own. Made by `Connection.session`."""

    def __repr__(self) -> str:
        return repr(self._core)

    def _owner(self) -> ConnectionCore:
        return self._core.connection

    def _engine_session(self) -> Any:
        return self._core.engine_session()

    @property
    def connection(self) -> Connection:
        """The connection of this session."""
        return self._core.connection.face

    @property
    def is_open(self) -> bool:
        """True while it is open at both ends."""
        return self._core.is_open

    async def open(self, timeout: float | None = DEFAULT) -> Self:
        """Begin the session, and wait until the peer has.

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises SessionClosed: the peer has ended it.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: the peer has not answered in time.
        """
        await self._core.open(timeout)
        return self

    async def close(self, timeout: float | None = DEFAULT) -> None:
        """End the session and its links, and wait until the peer has.

        :param timeout: seconds, None for no limit; the connection's `close_timeout` if left out.
        :raises Timeout: the peer has not answered in time.
        """
        await self._core.close(timeout)
