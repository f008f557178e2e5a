"""Outgoing connections, for every face: which transport they get, and how they come back after a loss.

A `Connector` hangs on each connection that a face makes, and sees every event of it. What it needs of the face is a
`Host`, which is the `container` of these events. A sequence of attempts is pairs of a delay and a URL: for each delay
all URLs, in order.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from proton.driver import Driver
from proton.endpoints.connection import Connection
from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.ends import awaits_node, is_retried
from proton.endpoints.events import Event
from proton.endpoints.handler import Handler
from proton.endpoints.notices import place_of, warn_of_unfinished, warn_of_unused_login
from proton.endpoints.printable import condition_text, printable
from proton.endpoints.session import Session
from proton.logs import log
from proton.reconnect import MAX_REPEATS, Backoff, ReconnectPolicy, Urls
from proton.transactions import fail_begun_transactions, fail_transactions
from proton.transport.outbound import answer_close
from proton.transport.sasl.layer import SASL
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.handlers.events import ConnectionEvent, LinkEvent, SessionEvent, TimerEvent, TransportEvent
    from proton.options.connection_options import ConnectionOptions

__all__ = ["CONNECT_TIMEOUT", "Connector", "Host", "SessionPerConnection"]

#: Seconds that each address of a place has for a connect if there are other places: the system takes minutes.
CONNECT_TIMEOUT = 10.0

_LOCAL_CLOSED = Endpoint.LOCAL_CLOSED
_CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED

NO_REASON = "ended by the peer without a reason"


def _has_ended(session: Any) -> bool:
    return bool(session.state & (_LOCAL_CLOSED if endpoint_state(session).restarting else _CLOSED))


class SessionPerConnection:
    """One session for all the links of a connection, made and opened when the first one needs it.

    Links for which the peer gives no handle on that session go to a further one (2.7.2, handle-max).
    """

    def __init__(self) -> None:
        self._session: Any = None

    def session(self, connection: Any) -> Any:
        """The session of a connection.

        :param connection: the connection that this object was made for.
        """
        session = self._session
        if session is None or _has_ended(session):  # some peers refuse a link by ending its session
            self._session = self._open_session(connection)
        elif not endpoint_state(session).has_room():
            self._session = self.further(session) or session
        return self._session

    @staticmethod
    def _open_session(connection: Any) -> Any:
        session = connection.session()
        endpoint_state(session).is_common = True
        session.open()
        return session

    def further(self, session: Any) -> Any:
        """Another session for a link that has no handle on this one.

        :param session: the session of the link.
        :return: None when the session was not made here, or the connection has no channel for another one.
        """
        # A session of the program's own has the links that the program put there; it does not spread.
        if not endpoint_state(session).is_common:
            return None
        latest, connection = self._session, session.connection
        if latest is session or latest is None or _has_ended(latest) or not endpoint_state(latest).has_room():
            transport = connection.transport
            # No free channel (2.7.1, channel-max): a begin beyond it would end the connection.
            if transport is not None and endpoint_state(connection).shared.channels.lowest() > transport.channel_max:
                return None
            self._session = latest = self._open_session(connection)
            # The further session stands for the first one, with what the program has set on that.
            latest.handler = session.handler
            latest.outgoing_window = session.outgoing_window
            latest.incoming_capacity = session.incoming_capacity
            latest.incoming_window = session.incoming_window
            latest.incoming_window_low_water = session.incoming_window_low_water
        return latest


def _fatal_conditions(handler: Any) -> list[Any]:
    """The collections of names that the handlers of a program have as `fatal_conditions`."""
    found = [names for names in (getattr(handler, "fatal_conditions", None),) if names is not None]
    for child in getattr(handler, "handlers", None) or ():
        found += _fatal_conditions(child)
    return found


def _level(connection: Any) -> int:
    # Where nothing is made again, the next blocking call raises it, or the asyncio call that has made the attempt.
    state = endpoint_state(connection)
    policy = state.shared.reconnect
    delays, places = policy.reconnect, policy.addresses.values
    # Of several places it raises what the last one has said.
    once = delays is False or (isinstance(delays, Backoff) and delays.max_tries == 1 and len(places) == 1)
    return logging.INFO if state.raises_errors and once else logging.WARNING


def _kind(endpoint: Any) -> str:
    if isinstance(endpoint, Session):
        return "session"
    return "connection" if isinstance(endpoint, Connection) else f"link {printable(endpoint.name)}"


def _is_refused(transport: Any) -> bool:
    """Whether the server has judged our credentials, or cannot ever: another attempt would end alike (5.3.3.6)."""
    sasl = state_of(transport).sasl
    return sasl is not None and sasl.mech is not None and sasl.outcome in (SASL.AUTH, SASL.SYS, SASL.PERM)


def _tell(event: Any, etype: Any, context: Any, **facts: Any) -> None:
    """Queues an event of the program's handlers, with facts as its attributes."""
    kind = {Session: Event.SESSION_REMOTE_CLOSE, Connection: etype}.get(context.__class__, Event.LINK_REMOTE_CLOSE)
    told = kind.event_class(etype, context)
    told.container = event.container
    vars(told).update(facts)
    event.container.push_event(told, etype)


def _tell_given_up(event: Any, context: Any, reason: str) -> None:
    connection = context.connection
    # A blocking call raises it, and without attempts the failure itself was the end.
    quiet = endpoint_state(connection).raises_errors or endpoint_state(connection).shared.reconnect.reconnect is False
    what = _kind(context)
    if not quiet:
        log.error("Gave up a %s to %s: %s", what, place_of(connection), reason)
    _tell(event, Event.GAVE_UP, context, reason=reason)


class Host(Protocol):
    """What a `Connector` needs of its face: a container, for instance."""

    #: seconds, on a clock that does not go back while the program runs
    now: float
    #: seconds that a peer has for the handshake, None for no limit
    handshake_timeout: float | None
    #: the TLS settings of connections that have none of their own, an `SSLConfig` or None
    ssl: Any
    #: the handler of the program, whose `fatal_conditions` count
    handler: Any

    def schedule(self, delay: float, handler: Any) -> Any:
        """Have `on_timer_task` of a handler called later; the result has `cancel`, and is the event's context.

        :param delay: seconds.
        """

    def push_event(self, event: Any, etype: Any) -> None:
        """Queue an event for the program."""


class Connector(Handler):
    """Makes the transports of one outgoing connection, again and again if need be.

    :param policy: decides whether, when and where to; the connection knows it too.
    :param options: how each attempt is set up.
    """

    def __init__(self, policy: ReconnectPolicy, options: ConnectionOptions) -> None:
        self.policy = policy
        self.options = options
        self._closed_locally = False  # the program has closed the connection before the peer did
        self._was_open = False  # on the transport at hand
        self._task: Any = None  # of the attempt that waits for its time
        self._waiting: Any = None  # the connection of that attempt
        self._ended: dict[Any, Any] = {}  # sessions and links that are to be made again, with the task for it

    def __repr__(self) -> str:
        return f"<Connector {self.address.values!r}>"

    @property
    def address(self) -> Urls:
        """The places to connect to."""
        return self.policy.addresses

    @property
    def reconnect(self) -> Any:
        """The delays, as given; False for no further attempt."""
        return self.policy.reconnect

    @reconnect.setter
    def reconnect(self, reconnect: Any) -> None:
        self.policy.reconnect = reconnect

    @property
    def finished(self) -> bool:
        """True when no further attempt will be made."""
        return self.policy.finished

    def on_connection_local_open(self, event: ConnectionEvent) -> None:
        """Makes the first attempt, at once."""
        connection = event.connection
        # Read at the open: handlers may be added after `connect` has returned.
        self.policy.fatal_conditions = _fatal_conditions(event.handler or event.container.handler)
        url = self.policy.start()
        if connection.transport is None:
            self._connect(event.container, connection, url)
        else:
            # The application has bound one of its own; it still needs to know where to.
            self._set_address(connection, url)

    def on_connection_remote_open(self, event: ConnectionEvent) -> None:
        """The peer has answered."""
        connection = event.connection
        log.info("Connected to %s", connection.hostname)
        warn_of_unused_login(connection)
        self._was_open = True
        down = self.policy.connected(event.container.now)
        if down is not None:
            log.log(_level(connection), "%s: connected again after %.1f seconds", place_of(connection), down)

    def on_connection_local_close(self, event: ConnectionEvent) -> None:
        """Gives up an attempt that waits for its time; links are no longer made in the common session."""
        connection: Any = event.connection
        connection._session_policy = None
        self._cancel_ended()
        # The end that closes first leaves what is under way in transactions, and is not told of it.
        self._closed_locally = not event.connection.state & Endpoint.REMOTE_CLOSED
        if self._task is not None:
            self._task.cancel()
            self._task = self._waiting = None
            self._end_attempts(event, event.connection, "already closed")

    def on_transport_closed(self, event: TransportEvent) -> None:
        """The transport is at its end: gets ready for the next attempt, if there is to be one."""
        connection: Any = event.connection
        transport, policy = event.transport, self.policy
        reason = transport.condition or connection.remote_condition
        self._cancel_ended()
        progress = endpoint_state(connection).shared.has_progressed()
        policy.ended(event.container.now, progress)
        self._tell_failure(connection, transport, reason, event.container.now)
        if not connection.state & Endpoint.LOCAL_ACTIVE:
            self._end_attempts(event, connection, "already closed")
            if state_of(transport).failed and policy.is_fatal(transport.condition):  # closed for the program, not by it
                _tell(event, Event.GAVE_UP, connection, reason=condition_text(reason))
            return
        if self.reconnect is not False and _is_refused(transport):
            policy.finish("the login was refused")
        attempt = None if policy.finished else policy.lost(event.container.now, progress)
        # Those that have not begun are declared on the next transport, when the link is back.
        if attempt is not None:
            fail_begun_transactions(event)
        if self.reconnect is not False:
            if attempt is None:
                warn_of_unfinished(connection)  # once it is unbound, the event has no connection
            # Now, and not by the global handler later: the connection needs its next transport from a clean state.
            transport.unbind()
        if attempt is None:
            self._end_attempts(event, connection, str(policy.reason))
            _tell_given_up(event, connection, f"{policy.reason}: {condition_text(reason) or NO_REASON}")
            return
        # The peer's close came, and the connection is made again all the same: it waits for an open.
        if connection.state & Endpoint.REMOTE_CLOSED:
            endpoint_state(connection).await_again(connection)
        number, delay, address = attempt
        _tell(event, Event.RECONNECTING, connection, attempt=number, delay=delay, address=address)
        if not attempt.delay:
            log.info("Disconnected, reconnecting immediately...")
        else:
            log.info("Disconnected will try to reconnect after %s seconds", attempt.delay)
        self._task = event.container.schedule(attempt.delay, self)
        self._task.url = attempt.address
        self._waiting = connection

    def _cancel_ended(self) -> None:
        """Nothing is made again on this transport any more."""
        for task in self._ended.values():
            task.cancel()
        self._ended.clear()

    def _tell_failure(self, connection: Any, transport: Any, condition: Any, now: float) -> None:
        was_open, self._was_open = self._was_open, False
        if condition is None and not (connection.state & Endpoint.LOCAL_ACTIVE and state_of(transport).lost):
            return
        policy, level = self.policy, logging.INFO
        if connection.state & Endpoint.LOCAL_ACTIVE and policy.is_due(now):
            if not state_of(transport).failure_told:
                level = _level(connection)
            # Of the failures in a row the first one and one for each doubling of the time are at error.
            policy.told(now)
        state_of(transport).failure_told = True
        what = "lost" if was_open else "failed"
        log.log(level, "Connection to %s %s: %s", place_of(connection), what, condition_text(condition) or NO_REASON)

    def on_timer_task(self, event: TimerEvent) -> None:
        """Makes the attempt whose time has come."""
        task = event.context
        if task is self._task:
            connection, self._task, self._waiting = self._waiting, None, None
            self._connect(event.container, connection, task.url)
            return
        for endpoint in [endpoint for endpoint, due in self._ended.items() if due is task]:
            del self._ended[endpoint]
            # The program may have closed it meanwhile; then nothing is to come back.
            if endpoint_state(endpoint).restarting and endpoint.state & Endpoint.LOCAL_ACTIVE:
                endpoint_state(endpoint).begin_again()

    def on_session_remote_open(self, event: SessionEvent) -> None:
        """Notes since when a session is there that was made again."""
        series = endpoint_state(event.session).series
        if series is not None:
            series.opened_at = event.container.now

    def on_link_remote_open(self, event: LinkEvent) -> None:
        """Notes since when a link is there that was attached again, and does not wait for its node."""
        link = event.link
        series = endpoint_state(link).series
        # An attach without source and target is a refusal that a detach follows (2.6.3).
        if series is not None and (link.remote_source.type or link.remote_target.type):
            series.opened_at, series.missing_since = event.container.now, None
        session = link.session
        all_there = session.state & Endpoint.REMOTE_ACTIVE and not endpoint_state(session).binding.unanswered
        if endpoint_state(session).series is not None and all_there:
            endpoint_state(session).series.missing_since = None

    def on_link_remote_close(self, event: LinkEvent) -> None:
        """A link that is to be attached again is, after a delay."""
        self._make_again(event, event.link)

    on_link_remote_detach = on_link_remote_close

    def on_session_remote_close(self, event: SessionEvent) -> None:
        """What was under way in its control links ends with it. One that can pass is made again, after a delay."""
        session = event.session
        if is_retried(session, event.container.now):
            fail_begun_transactions(event, session)
        else:
            fail_transactions(event, session)
        self._make_again(event, session)

    def _make_again(self, event: Any, endpoint: Any) -> None:
        policy, now = self.policy, event.container.now
        retried = is_retried(endpoint, now)
        end, series = endpoint_state(endpoint).remote_end, endpoint_state(endpoint).series
        if end is None or series is None or endpoint_state(endpoint).ended_here_first():
            return
        why = condition_text(end[1])
        missing = awaits_node(endpoint)
        if retried:
            connection = endpoint.connection
            delay = policy.pause(series.step(), series)
            # A node that is missing is asked for again and again: only the first refusal is worth a warning.
            first = not missing or series.missing_since == now
            text = "%s to %s ended by the peer: %s; it is made again after %s seconds"
            level = _level(connection) if first else logging.INFO
            log.log(level, text, _kind(endpoint).capitalize(), place_of(connection), why, delay)
            endpoint_state(endpoint).restart()
            self._ended[endpoint] = event.container.schedule(delay, self)
        elif missing and series.missing_since is not None:
            # If there is time left, it is the program's close of the connection that this refusal crosses.
            if not policy.awaits_node(series, now):
                self._give_up(event, endpoint, f"refused for {now - series.missing_since:.0f} seconds: {why}")
        elif series.count >= MAX_REPEATS:
            self._give_up(event, endpoint, f"ended {series.count} times with {why}, without progress")
        elif series.count and series.peek() is None:
            self._give_up(event, endpoint, f"no attempt is left: {why}")

    def _give_up(self, event: Any, endpoint: Any, reason: str) -> None:
        endpoint_state(endpoint).series = None
        _tell_given_up(event, endpoint, reason)
        endpoint.close()

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        """What was under way in its control links ends with it. Answers a close after which it is made again."""
        # The end that closes first knows what it leaves.
        if not self._closed_locally:
            fail_transactions(event)
        connection = event.connection
        condition = connection.remote_condition
        if is_retried(connection, event.container.now):
            answer_close(state_of(event.transport))
        elif self.policy.can_pass(condition) and self.policy.series.count >= MAX_REPEATS:
            reason = f"closed {self.policy.series.count} times with {condition_text(condition)}, without progress"
            _tell_given_up(event, connection, reason)
            connection.close()

    def _end_attempts(self, event: Any, connection: Any, reason: str) -> None:
        log.info("Disconnected, %s", reason)
        self.policy.finish(reason)
        if not self._closed_locally:
            fail_transactions(event, connection=connection)
        connection._session_policy = None

    def _set_address(self, connection: Any, url: Any) -> None:
        connection.url = url
        if self.options.virtual_host is None:
            connection.hostname = url.host

    def _connect(self, container: Any, connection: Any, url: Any) -> None:
        self._set_address(connection, url)
        log.info("Connecting to %r...", url)
        # As a callable: the domain is made if the URL is amqps, and not before.
        transport = self.options.bind(connection, url, lambda: None if container.ssl is None else container.ssl.client)
        transport.handshake_timeout = container.handshake_timeout
        # With one place only there is nothing to gain by giving up early: the heartbeat or the system decides.
        if len(self.address.values) > 1:
            Driver(transport, endpoint_state(connection).shared.collector).connect_timeout = CONNECT_TIMEOUT
