"""The blocking interface: `BlockingConnection`. Each operation runs the loop until its condition is met.

Rules for editors:
1. A whole operation holds the container's lock, so threads may share a connection. With a heartbeat a thread of
   our own (the pump) turns the loop while the program works; what handlers raise in it, the next operation raises.
2. `disconnected` says that there is no connection now. An operation gives up when none will come any more
   (`_lost_for_good`), so a connection that can be made elsewhere, or again, goes on with its links.
3. The end of a link is told to who made it or uses it, not to whatever thread has met it (`_link_ended`).
4. No URL in an exception shows a password.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from typing import Any, Callable

from proton.endpoints.condition import UNAUTHORIZED_ACCESS
from proton.endpoints.endpoint import Endpoint
from proton.endpoints.handler import Handler
from proton.endpoints.printable import printable
from proton.exceptions import ConnectionException, ProtonException, Timeout
from proton.handlers.endpoint_state import FORCED
from proton.reactor.container import Container
from proton.url import Url
from proton.utils.errors import ConnectionClosed, LinkDetached
from proton.utils.links import BlockingReceiver, BlockingSender, Fetcher, locked

__all__ = ["BlockingConnection"]

#: Seconds that an operation may take when nothing else was said.
DEFAULT_TIMEOUT = 60

#: Turns of the loop that a wait makes at least: to write and to look at the sockets, to read, to handle.
TURNS = 5

#: Seconds of a turn while others share a container that is to end, and of the pause in which they get the lock.
SHARED_TURN = 0.05
HANDING_OVER = 0.001

_CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def _shown(url: Any) -> str:
    """A URL as it may appear in an error: without its password."""
    if not isinstance(url, Url):
        return str(url)
    shown = Url(url, defaults=False)
    shown.password = None
    return str(shown)


class BlockingConnection(Handler):
    """A connection whose operations return when they are done. It is open when the constructor returns.

    Threads may share it: one operation goes on at a time, and the others wait for its end. Where a thread must not wait
    for a `receive` of another one, give each its own connection.

    :param url: where to connect to, a str or `Url`; the connection configuration file is used without.
    :param timeout: seconds that an operation may take, 60 when left out.
    :param container: a `Container` to share; closing the connection waits for all that it does.
    :param ssl_domain: an `SSLDomain` for ``amqps``.
    :param heartbeat: seconds of silence after which the connection counts as lost; a thread then keeps up the
        connection while the program works, and handlers of the program may be called in it.
    :param urls: several places to connect to. When the connection is lost, the next one is tried.
    :param reconnect: the delays between attempts, as for `Container.connect`; by default one URL is tried once.
    :param kwargs: further options of `Container.connect`.
    :raises ConnectionException: nobody is there, or we are not let in.
    :raises Timeout: there was no answer in time.
    """

    def __init__(
        self,
        url: Any = None,
        timeout: float | None = None,
        container: Container | None = None,
        ssl_domain: Any = None,
        heartbeat: float | None = None,
        urls: Any = None,
        reconnect: Any = None,
        **kwargs: Any,
    ) -> None:
        #: False, or why there is no connection: the transport's condition, or "unknown"
        self.disconnected: Any = False
        #: True once `close` was called
        self.closing = False
        #: seconds that an operation may take
        self.timeout: float = timeout or DEFAULT_TIMEOUT
        #: the container and the connection, None after `close`
        self.container: Any = container or Container()
        self.conn: Any = None
        self._opened = False  # since the last loss
        self._losses = 0  # how often the connection was lost
        self._failures = 0  # attempts to connect that have failed since there was a connection
        self._pumped_error: BaseException | None = None
        self._pump_ended = threading.Event()
        self._at_work_on: Any = None  # the link of the operation under way
        self._owed: dict[Any, LinkDetached] = {}  # ends of links that were met by threads they do not concern
        # All connections of a container take turns.
        self._lock: Any = self.container.__dict__.setdefault("_blocking_lock", threading.RLock())
        self._sharing: set[BlockingConnection] = self.container.__dict__.setdefault("_blocking_connections", set())
        self._patient = reconnect is not None
        if url and not urls and reconnect is None:
            url = Url(url).defaults()
            reconnect = False
        with self._lock:
            self._sharing.add(self)
            self.container.timeout = self.timeout
            self.container.start()
            try:
                self.conn = self.container.connect(
                    url=url,
                    handler=self,
                    ssl_domain=ssl_domain,
                    reconnect=reconnect,
                    heartbeat=heartbeat,
                    urls=urls,
                    **kwargs,
                )
                self.conn._raises_errors = True
                self._open()
            except BaseException:
                with contextlib.suppress(ProtonException):
                    self.close()
                raise
        if heartbeat:
            pump = threading.Thread(target=_pump, args=(weakref.ref(self), self._pump_ended, heartbeat), daemon=True)
            pump.start()

    def _open(self) -> None:
        try:
            self._wait(lambda: not self.conn.state & Endpoint.REMOTE_UNINIT, msg="Opening connection")
        except Timeout:
            if self.disconnected:
                raise self._loss() from None
            raise

    @property
    def url(self) -> str | None:
        """The address of the connection, None after `close`."""
        return self.conn.connected_address if self.conn is not None else None

    @locked
    def create_sender(
        self, address: str | None, handler: Any = None, name: str | None = None, options: Any = None
    ) -> Any:
        """Make a sender, and wait until the peer has attached it.

        :param address: where to send to; None for an anonymous sender.
        :param handler: gets the events of the link.
        :param name: the name of the link.
        :param options: a `LinkOption`, or a list of them.
        :raises LinkDetached: the peer refuses it.
        """
        link = self.container.create_sender(self.conn, address, name=name, handler=handler, options=options)
        link._made_by = threading.current_thread()
        return BlockingSender(self, link)

    @locked
    def create_receiver(
        self,
        address: str | None = None,
        credit: int | None = None,
        dynamic: bool = False,
        handler: Any = None,
        name: str | None = None,
        options: Any = None,
    ) -> BlockingReceiver:
        """Make a receiver, and wait until the peer has attached it.

        :param address: where to receive from.
        :param credit: messages to ask for ahead; without it `receive` asks for one at a time.
        :param dynamic: have the peer make a node.
        :param handler: gets the messages, in place of `receive`.
        :param name: the name of the link.
        :param options: a `LinkOption`, or a list of them.
        :raises LinkDetached: the peer refuses it.
        """
        if credit is not None and not isinstance(credit, int):
            raise TypeError(f"credit takes a number of messages or None, got {type(credit).__name__} {credit!r:.50}")
        fetcher = None if handler else Fetcher(self, credit)
        if handler and credit is None:
            credit = 1
        link = self.container.create_receiver(
            self.conn, address, name=name, dynamic=dynamic, handler=handler or fetcher, options=options
        )
        link._made_by = threading.current_thread()
        return BlockingReceiver(self, link, fetcher, credit=credit)

    def close(self) -> None:
        """Close the connection, and end its container with all that it does. Closing twice does nothing.

        It returns when all other connections, tasks and acceptors of the container have ended too; other threads may
        go on with theirs meanwhile.

        :raises Timeout: the peer does not answer; everything is closed in spite of it.
        """
        with self._lock:
            container = self.container
            if container is None or self.closing:
                return  # another thread is at it, or a callback of this one
            self.closing = True
            links = list(self.conn.links()) if self.conn is not None else []
        try:
            self._close_own()
        finally:
            try:
                self._run_out()
            finally:
                container.stop_events()
                for link in links:
                    link.handler = None  # a `SyncRequestResponse` is one, and would keep all of this by way of its link
                self.conn = self.container = None

    @locked
    def _close_own(self) -> None:
        self._pump_ended.set()
        self._pumped_error = None  # no operation will be told any more
        self._owed.clear()
        connection = self.conn
        try:
            self.container.errors = []
            if connection is not None:
                connection.close()
                self._wait(lambda: self._is_over(connection), msg="Closing connection")
        finally:
            if connection is not None:
                transport = connection.transport
                if transport is not None:
                    # Closed by both, or given up: nothing more is to come.
                    transport.close_tail()
                    transport.close_head()
                connection.free()
            self._sharing.discard(self)

    def _run_out(self) -> None:
        """Runs the container to its end, whatever handlers raise; the first error of theirs comes out after that."""
        first: Exception | None = None
        more = True
        while more:
            with self._lock:
                try:
                    more = self._run_on()
                except Exception as error:
                    first = first or error
                    # Its event would come again for ever; what waits behind it closes sockets.
                    self.container._collector.pop()
                    if not self._sharing:  # the others would have no loop any more
                        self.container.stop()
            if self._sharing:
                time.sleep(HANDING_OVER)
        if first is not None:
            raise first

    def _run_on(self) -> bool:
        """A turn on the way to the end of the container, a short one while others are open; False at the end."""
        container = self.container
        usual = container.timeout
        if self._sharing:
            container.timeout = min(usual, SHARED_TURN)
        try:
            if container._turn(None):
                return True
        finally:
            container.timeout = usual
        container.stop()
        container.process()
        return False

    def _look(self, turns: int = TURNS) -> None:
        """Handles and writes what there is, reads what has come, and waits for nothing."""
        container = self.container
        usual, container.timeout = container.timeout, 0
        try:
            for _ in range(turns):
                container._turn(None)
        finally:
            container.timeout = usual

    def _is_over(self, connection: Any) -> bool:
        transport = connection.transport
        if not connection.state & Endpoint.REMOTE_ACTIVE or transport is None or self.container._stopped:
            return True
        return bool(transport.closed)

    @locked
    def run(self) -> None:
        """Run the container until nothing is left to do."""
        while self.container.process():
            pass
        self.container.stop()
        self.container.process()

    @locked
    def wait(self, condition: Callable[[], Any], timeout: Any = False, msg: str | None = None) -> None:
        """Run the container until a condition is met, or the connection is lost for good.

        :param condition: a callable without arguments.
        :param timeout: seconds; that of the connection when left out, None for no limit.
        :param msg: what is waited for, for the text of `Timeout`.
        :raises Timeout: the condition was not met in time; the text has the peer's condition if it ended a session.
        :raises ConnectionException: the connection is lost.
        """
        self._wait(condition, timeout, msg)

    def _wait(self, condition: Callable[[], Any], timeout: Any = False, msg: str | None = None) -> None:
        """As `wait`, for who has the lock."""
        if self._pumped_error is not None:
            error, self._pumped_error = self._pumped_error, None
            raise error
        if self._owed:
            self._tell_owed()
        limit = self.timeout if timeout is False else timeout
        container = self.container
        usual = container.timeout
        deadline = None if limit is None else time.monotonic() + limit
        turns = 0
        done = False

        def over() -> bool:
            nonlocal done
            done = condition() or (self.disconnected and self._lost_for_good())
            return done

        try:
            while not (done or over()):
                left = usual if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    if turns >= TURNS:
                        reason = f": {msg}" if msg else ""
                        raise Timeout(f"Connection {self._place()} timed out{reason}{self._ended_session()}")
                    left = 0
                container.timeout = left
                if not container._turn(over) and not over():
                    raise ConnectionException(f"Connection {self._place()} has ended: its container was stopped")
                turns += 1
        finally:
            container.timeout = usual
        if self.disconnected and self._lost_for_good() and not self.conn.state & _CLOSED:
            raise self._loss()

    def _tell_owed(self) -> None:
        for link in list(self._owed):
            if self._concerns(link):
                raise self._owed.pop(link)

    def _ended_session(self, *sessions: Any) -> str:
        """Why nothing came: some peers refuse a link by ending its session, which ends no operation.

        :param sessions: those to look at; all of the connection that the peer has ended when there are none.
        """
        ended = sessions or (self.conn.sessions(Endpoint.REMOTE_CLOSED) if self.conn is not None else ())
        condition = next((session.remote_condition for session in ended if session.remote_condition), None)
        return f" (session ended by peer due to: {printable(repr(condition))})" if condition else ""

    def _place(self) -> str:
        return _shown(self.conn.url if self.conn is not None else None)

    def _lost_for_good(self) -> bool:
        """When there is no connection: true if none will be made."""
        connector = self.conn._overrides
        if connector.finished or self.conn.state & Endpoint.LOCAL_CLOSED:
            return True
        # All places have refused: only who asked for patience wants to see them asked again and again.
        return not self._losses and not self._patient and self._failures >= len(connector.address.values)

    def _loss(self) -> ConnectionException:
        if self.conn.state == _CLOSED:
            return ConnectionClosed(self.conn)
        reason = printable(str(self.disconnected or "unknown"))
        return ConnectionException(f"Connection {self._place()} disconnected: {reason}")

    def on_link_remote_close(self, event: Any) -> None:
        """Ends the operation under way when the peer closes a link."""
        self._link_ended(event.link)

    def _link_ended(self, link: Any) -> None:
        """Closes a link that the peer has closed, and tells whom it concerns."""
        if not link.state & Endpoint.LOCAL_ACTIVE:
            return
        link.close()
        if self.closing:
            return
        error = LinkDetached(link)
        if self._concerns(link):
            raise error
        self._owed[link] = error

    def _concerns(self, link: Any) -> bool:
        """True when this thread has made the link, or is at work on it."""
        return link is self._at_work_on or getattr(link, "_made_by", None) in (None, threading.current_thread())

    def on_connection_remote_close(self, event: Any) -> None:
        """Ends the operation under way when the peer closes the connection."""
        connection = event.connection
        if not connection.state & Endpoint.LOCAL_ACTIVE:
            return
        condition = connection.remote_condition
        if condition is not None and condition.name == FORCED and connection._overrides.reconnect is not False:
            return  # as good as a lost socket: it will be made again
        connection.close()
        if not self.closing:
            raise ConnectionClosed(connection)

    def on_connection_remote_open(self, event: Any) -> None:
        """There is a connection, for the first time or again."""
        self.disconnected = False
        self._failures = 0
        self._opened = True

    def on_transport_error(self, event: Any) -> None:
        """No other attempt will do better when we are not let in."""
        condition = event.transport.condition
        if condition is not None and condition.name == UNAUTHORIZED_ACCESS and event.connection is not None:
            event.connection._overrides.reconnect = False

    def on_transport_tail_closed(self, event: Any) -> None:
        """The connection is lost."""
        self._disconnected(event)

    def on_transport_head_closed(self, event: Any) -> None:
        """The connection is lost."""
        self._disconnected(event)

    def on_transport_closed(self, event: Any) -> None:
        """The connection is lost, or an attempt to make it has failed."""
        self._disconnected(event)
        if not self.closing:
            self._failures += 1

    def _disconnected(self, event: Any) -> None:
        if not self.closing:
            self.disconnected = event.transport.condition or "unknown"
            if self._opened:
                self._opened = False
                self._losses += 1


def _pump(reference: Any, ended: threading.Event, heartbeat: float) -> None:
    """Turns the loop of a connection while no operation does, so that heartbeats go out and come in."""
    interval = heartbeat / 4.0
    while not ended.wait(interval):
        connection = reference()
        # Whoever has the lock turns the loop himself.
        if connection is None:
            return
        if connection._lock.acquire(blocking=False):
            try:
                interval = _turn(connection, heartbeat)
            finally:
                connection._lock.release()
        del connection


def _turn(connection: BlockingConnection, heartbeat: float) -> float:
    container = connection.container
    if container is None or connection._pumped_error is not None:
        return heartbeat / 4.0
    try:
        connection._look()
    except Exception as error:
        connection._pumped_error = error
    transport = connection.conn.transport
    wanted = transport.remote_idle_timeout if transport is not None else 0.0
    return min(heartbeat, wanted or heartbeat) / 4.0
