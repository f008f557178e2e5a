"""Outgoing connections: which transport they get, and how they come back after a loss.

A `Connector` hangs on each connection that `Container.connect` makes. `GlobalOverrides` shows it every event of that
connection before the global handler sees it, so the connector's transport (SASL, TLS) is bound before the global
handler would make a plain one. A sequence of attempts is pairs of a delay and a URL: for each delay all URLs, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proton.endpoints.endpoint import Endpoint
from proton.endpoints.handler import Handler, dispatch, event_methods
from proton.endpoints.printable import condition_text
from proton.exceptions import SSLUnavailable
from proton.handlers.socket_io import IOHandler
from proton.logs import log
from proton.reactor.tls_config import NO_TLS
from proton.reactor.transaction import lose
from proton.reconnect import Backoff, Urls, check_reconnect, delays
from proton.transport.transport import Transport
from proton.url import Url

__all__ = ["Backoff", "Connector", "GlobalOverrides", "SessionPerConnection", "Urls", "delays"]

#: Seconds that each address of a place has for a connect, where there are other places: the system takes minutes.
PATIENCE = 10.0


class SessionPerConnection:
    """One session for all the links of a connection, made and opened when the first one needs it."""

    def __init__(self) -> None:
        self._session: Any = None

    def session(self, connection: Any) -> Any:
        """The session of a connection.

        :param connection: the connection that this object was made for.
        """
        session = self._session
        if session is None or session.state & (Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED):
            self._session = connection.session()  # some peers refuse a link by ending its session
            self._session.open()
        return self._session


class Connector(Handler):
    """Makes the transports of one outgoing connection, again and again if need be.

    :param address: the places to connect to.
    :param reconnect: None, False, or a sequence of delays; see `Container.connect`.
    """

    heartbeat: float | None = None
    ssl_domain: Any = None
    allow_insecure_mechs = True
    allowed_mechs: Any = None
    sasl_enabled = True
    user: str | None = None
    password: str | None = None
    token: Any = None
    authorization: str | None = None
    session_details: Any = None
    virtual_host: str | None = None
    ssl_sni: str | None = None
    max_frame_size: int | None = None

    def __init__(self, address: Urls, reconnect: Any) -> None:
        self.address = address
        self.reconnect = reconnect
        check_reconnect(reconnect)
        #: True when no further attempt will be made
        self.finished = False
        self._left = False  # the program has closed the connection before the peer did
        self._attempts: Iterator[tuple[float, Url]] = iter(())
        self._task: Any = None  # of the attempt that waits for its time
        self._waiting: Any = None  # the connection of that attempt

    def __repr__(self) -> str:
        return f"<Connector {self.address.values!r}>"

    def _sequence(self) -> Iterator[tuple[float, Url]]:
        for delay in delays(self.reconnect):
            for url in self.address:
                yield delay, url

    def _begin_sequence(self) -> None:
        self._attempts = iter(()) if self.reconnect is False else self._sequence()

    def on_connection_local_open(self, event: Any) -> None:
        """Makes the first attempt, at once."""
        connection = event.connection
        self.finished = False
        self._begin_sequence()
        first = next(self._attempts, None)
        url = self.address.values[0] if first is None else first[1]
        if connection.transport is None:
            self._connect(event.container, connection, url)
        else:
            # The application has bound one of its own; it still needs to know where to.
            self._set_address(connection, url)

    def on_connection_remote_open(self, event: Any) -> None:
        """The peer has answered: the next loss finds all delays and places fresh."""
        log.info("Connected to %s", event.connection.hostname)
        self._begin_sequence()

    def on_connection_local_close(self, event: Any) -> None:
        """Gives up an attempt that waits for its time; links are no longer made in the common session."""
        event.connection._session_policy = None
        # Who closes first leaves what is under way in transactions; nobody has to tell him.
        self._left = not event.connection.state & Endpoint.REMOTE_CLOSED
        if self._task is not None:
            self._task.cancel()
            self._task = self._waiting = None
            self._finish(event, event.connection, "already closed")

    def on_transport_closed(self, event: Any) -> None:
        """The transport is at its end: gets ready for the next attempt, if there is to be one."""
        connection = event.connection
        condition = event.transport.condition
        if condition is not None:
            log.info("Connection to %r failed: %s", connection.url, condition_text(condition))
        if not connection.state & Endpoint.LOCAL_ACTIVE:
            self._finish(event, connection, "already closed")
            return
        if self.reconnect is False:
            self._finish(event, connection, "reconnect disabled")
            return
        event.transport.unbind()
        delay, url = next(self._attempts, (None, None))
        if delay is None:
            self._finish(event, connection, "giving up retrying")
        elif not delay:
            log.info("Disconnected, reconnecting immediately...")
            self._connect(event.container, connection, url)
        else:
            log.info("Disconnected will try to reconnect after %s seconds", delay)
            self._task = event.container.schedule(delay, self)
            self._task.url = url
            self._waiting = connection

    def on_timer_task(self, event: Any) -> None:
        """Makes the attempt whose time has come."""
        task = event.context
        if task is self._task:
            connection, self._task, self._waiting = self._waiting, None, None
            self._connect(event.container, connection, task.url)

    def on_session_remote_close(self, event: Any) -> None:
        """What was under way in its control links ends with it."""
        lose(event, event.session)

    def on_connection_remote_close(self, event: Any) -> None:
        """What was under way in its control links ends with it."""
        if not self._left:
            lose(event)

    def _finish(self, event: Any, connection: Any, reason: str) -> None:
        log.info("Disconnected, %s", reason)
        self.finished = True
        if not self._left:
            lose(event, connection=connection)
        connection._session_policy = None

    def _set_address(self, connection: Any, url: Any) -> None:
        connection.url = url
        if self.virtual_host is None:
            connection.hostname = url.host

    def _connect(self, container: Any, connection: Any, url: Any) -> None:
        self._set_address(connection, url)
        log.info("Connecting to %r...", url)
        transport = Transport()
        transport.handshake_timeout = container.handshake_timeout
        if self.sasl_enabled:
            sasl = transport.sasl()
            sasl.allow_insecure_mechs = self.allow_insecure_mechs
            connection.user = url.username or self.user
            connection.password = url.password or self.password
            sasl.token = self.token
            if self.authorization:
                connection.authorization = self.authorization
            if self.allowed_mechs:
                sasl.allowed_mechs(self.allowed_mechs)
        if url.scheme == Url.AMQPS:
            # Before the transport is bound: a failure must not leave one that would speak in the clear.
            self._secure(container, transport, url)
        transport.bind(connection)
        if len(self.address.values) > 1:
            transport._connect_limit = PATIENCE  # type: ignore[attr-defined]
        if self.heartbeat:
            transport.idle_timeout = self.heartbeat
        if self.max_frame_size:
            transport.max_frame_size = self.max_frame_size

    def _secure(self, container: Any, transport: Transport, url: Any) -> None:
        domain = self.ssl_domain
        if domain is None and container.ssl is not None:
            domain = container.ssl.client
        if domain is None:
            raise SSLUnavailable(NO_TLS)
        ssl = transport.ssl(domain, self.session_details)
        ssl.peer_hostname = self.ssl_sni or self.virtual_host or url.host


class GlobalOverrides(Handler):
    """Shows each event to the connector of its connection, if it has one, and then to the base handler.

    :param base: the global handler proper.
    """

    _reacts_to = event_methods(IOHandler) | event_methods(Connector)
    _overridden = event_methods(Connector)

    def __init__(self, base: Any) -> None:
        self.base = base

    def reacts_to(self) -> frozenset[str] | None:
        """The names of the event methods that anybody here has; None when it cannot be known beforehand.

        Most events of a busy connection are for none of them: the loop need not come here then.
        """
        base = self.base
        return self._reacts_to if base.__class__ is IOHandler and not base.handlers and not self.handlers else None

    def react(self, method: str, event: Any) -> None:
        """As `on_unhandled`, for an event that `reacts_to` names.

        :param method: the name of the event method.
        :param event: the event.
        """
        if method in self._overridden:
            overrides = getattr(getattr(event, "connection", None), "_overrides", None)
            if overrides is not None:
                dispatch(overrides, method, event)
        bound = getattr(self.base, method, None)
        if bound:
            bound(event)

    def on_unhandled(self, name: str, *args: Any) -> None:
        """Passes an event on.

        :param name: the name of the event method.
        :param args: the event.
        """
        event = args[0]
        overrides = getattr(getattr(event, "connection", None), "_overrides", None)
        if overrides is not None:
            dispatch(overrides, name, event)
        dispatch(self.base, name, event)
