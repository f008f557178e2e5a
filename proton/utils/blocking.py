"""The blocking interface: `BlockingConnection`. Each operation runs the loop until its condition is met.

Rules for editors:
1. An operation holds the container's lock, except while it waits (`sharing.py`), so threads share a connection. With a
   heartbeat a thread of ours (the pump) runs the loop while the program works; what handlers raise in it, the next
   operation raises.
2. `disconnected` says that there is no connection now. An operation gives up when none will come any more
   (`_lost_for_good`), so a connection that can be made elsewhere, or again, goes on with its links.
3. Callbacks raise nothing for the end of a link, session or connection. An operation asks `end_of` about what it uses
   (`_why`), at its start and after each turn; so it does not matter when the end has come, and in which thread.
4. No URL in an exception shows a password.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from proton.endpoints.arguments import NotCopied, check_timeout
from proton.endpoints.condition import UNAUTHORIZED_ACCESS, Condition
from proton.endpoints.endpoint import Endpoint
from proton.endpoints.ends import End, end_of, is_retried
from proton.endpoints.handler import Handler
from proton.endpoints.notices import shown
from proton.endpoints.printable import condition_text, printable
from proton.exceptions import ConnectionException, LinkException, ProtonException, Timeout
from proton.handlers.endpoint_state import is_temporary
from proton.options.connect_options import check_connect
from proton.reactor.container import Container
from proton.transport.progress import awaited_of
from proton.url import connection_url
from proton.utils.blocking_links import BlockingReceiver, BlockingSender, Fetcher
from proton.utils.errors import ConnectionClosed, LinkDetached
from proton.utils.pump import keep_up
from proton.utils.sharing import SharedLoop, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from typing_extensions import Unpack

    from proton.handlers.events import ConnectionEvent, LinkEvent, SessionEvent, TransportEvent
    from proton.options.connect_options import ConnectKeywords
    from proton.options.link_options import LinkOption
    from proton.reconnect import Backoff
    from proton.transport.tls.domain import SSLDomain
    from proton.url import Url

__all__ = ["BlockingConnection"]

#: Seconds that an operation may take when nothing else was said.
DEFAULT_TIMEOUT = 60

#: Turns of the loop that a wait makes at least: to write and to look at the sockets, to read, to handle.
TURNS = 5

#: Seconds that one wait for the selector takes at most: selectors refuse more than some weeks.
MAX_TURN = 86400

#: Seconds after which a thread that closes looks again whether the container has ended, while other threads use it.
SHARED_WAIT = 0.05

_Result = TypeVar("_Result")
_CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


class BlockingConnection(Handler, NotCopied):
    """A connection whose operations return when they are done. It is open when the constructor returns.

    Threads may share it. While one waits, in `receive` for example, the operations of the others go on; handlers of the
    program are called in any thread that waits. After `close` each operation raises `ConnectionException`.

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
        url: str | Url | None = None,
        timeout: float | None = None,
        container: Container | None = None,
        ssl_domain: SSLDomain | None = None,
        heartbeat: float | None = None,
        urls: Iterable[str | Url] | None = None,
        reconnect: Backoff | Iterable[float] | Literal[False] | None = None,
        **kwargs: Unpack[ConnectKeywords],
    ) -> None:
        if "handler" in kwargs:
            raise TypeError("BlockingConnection takes no handler: it is the handler of its connection")
        known: Any = kwargs
        if container is None or getattr(container.connect, "__func__", None) is Container.connect:
            known = check_connect(kwargs, blocking=True)  # the program's own container may know others
        #: False, or why there is no connection: the transport's condition, or "unknown"
        self.disconnected: Any = False
        #: True once `close` was called
        self.closing: bool = False
        #: seconds that an operation may take
        self.timeout: float = check_timeout("timeout", timeout) if timeout else DEFAULT_TIMEOUT
        #: the container and the connection, None after `close`
        self.container: Any = container or Container()
        self.conn: Any = None
        self._opened = False  # since the last loss
        self._losses = 0  # how often the connection was lost
        self._failures = 0  # attempts to connect that have failed since there was a connection
        self._pumped_error: BaseException | None = None
        self._pump_ended = threading.Event()
        self._closed_place = ""  # how to call the connection that was closed
        # All connections of a container share its loop.
        self._loop = SharedLoop.of(self.container)
        self._lock = self._loop.lock
        self._patient = reconnect is not None
        if url and not urls and reconnect is None:
            url = connection_url(url)
            reconnect = False
        options = dict(known, handler=self, ssl_domain=ssl_domain, reconnect=reconnect, heartbeat=heartbeat)
        try:
            self._run(self._connect, self._deadline(), url, urls, options)
        except BaseException:
            with contextlib.suppress(ProtonException):
                self.close()
            raise
        if heartbeat:
            pump = threading.Thread(target=keep_up, args=(weakref.ref(self), self._pump_ended, heartbeat), daemon=True)
            pump.start()

    def __del__(self) -> None:
        connection = self.__dict__.get("conn")
        if connection is not None and connection.transport is not None and not self.closing:
            # Its sockets are closed with it, whenever that is.
            text = f"unclosed {type(self).__name__} to {self._place()}"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    def _connect(self, deadline: float | None, url: Any, urls: Any, options: dict[str, Any]) -> None:
        self._loop.connections.add(self)
        self.container.timeout = min(self.timeout, MAX_TURN)
        self.container.start()
        connection = self.conn = self.container.connect(url=url, urls=urls, **options)
        connection._raises_errors = True
        try:
            self._wait(
                lambda: not connection.state & Endpoint.REMOTE_UNINIT, deadline, "Opening connection", Watch(connection)
            )
            self._check(Watch(connection))  # it may have been closed in one read with the open
        except Timeout:
            if self.disconnected:
                raise self._loss() from None
            raise

    def _run(self, operation: Callable[..., _Result], deadline: float | None, *args: Any) -> _Result:
        """Calls an operation with its deadline and arguments, with the lock; inside a callback this thread has it."""
        loop = self._loop
        lock = loop.lock
        if lock._is_owned():
            if self.closing or self._pumped_error is not None:
                self._check_open()
            return operation(deadline, *args)
        try:
            if not lock.acquire(False) and not loop.acquire(deadline):
                raise Timeout(f"{self._timed_out(None)}: another thread has used it all the time")
            if self.closing or self._pumped_error is not None:
                self._check_open()
            result = operation(deadline, *args)
            if loop.runner is not None and self.container is not None and not self.container.quiesced:
                self.container.wakeup()  # what has changed is to be written at once
            return result
        finally:
            if loop.followers or loop.starving or not lock._is_owned():
                loop.release()
            else:
                lock.release()  # nearly always

    def _deadline(self, timeout: Any = False) -> float | None:
        """When an operation that begins now has to end, as of `time.monotonic`; None for no limit."""
        if timeout is False:
            timeout = self.timeout
        if timeout is None:
            return None
        if (timeout.__class__ is not int and timeout.__class__ is not float) or not timeout >= 0:
            check_timeout("timeout", timeout)
        return time.monotonic() + float(timeout)

    def _check_open(self) -> None:
        if self._pumped_error is not None:
            error, self._pumped_error = self._pumped_error, None
            raise error
        if self.closing:
            raise self._closed_error()

    def _closed_error(self) -> ConnectionException:
        return ConnectionException(f"Connection {self._place()} is closed")

    @property
    def url(self) -> str | None:
        """The address of the connection, None after `close`."""
        return self.conn.connected_address if self.conn is not None else None

    def create_sender(
        self,
        address: str | None,
        handler: object = None,
        name: str | None = None,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> BlockingSender:
        """Make a sender, and wait until the peer has attached it.

        :param address: where to send to; None for an anonymous sender.
        :param handler: gets the events of the link.
        :param name: the name of the link.
        :param options: a `LinkOption`, or a list of them.
        :raises LinkDetached: the peer refuses it.
        """
        settings = {"name": name, "handler": handler, "options": options}
        return self._run(self._create_sender, self._deadline(), address, settings)

    def _create_sender(self, deadline: float | None, address: str | None, options: dict[str, Any]) -> BlockingSender:
        link = self.container.create_sender(self.conn, address, **options)
        link._made_by = threading.current_thread()
        return BlockingSender(self, link, deadline)

    def create_receiver(
        self,
        address: str | None = None,
        credit: int | None = None,
        dynamic: bool = False,
        handler: object = None,
        name: str | None = None,
        options: LinkOption | Sequence[LinkOption] | None = None,
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
        settings = {"name": name, "handler": handler or fetcher, "options": options, "dynamic": dynamic}
        return self._run(self._create_receiver, self._deadline(), address, fetcher, credit, settings)

    def _create_receiver(
        self, deadline: float | None, address: str | None, fetcher: Any, credit: int | None, options: dict[str, Any]
    ) -> BlockingReceiver:
        link = self.container.create_receiver(self.conn, address, **options)
        link._made_by = threading.current_thread()
        return BlockingReceiver(self, link, fetcher, credit, deadline)

    def close(self) -> None:
        """Close the connection, and end its container with all that it does. Closing twice does nothing.

        It returns when all other connections, tasks and acceptors of the container have ended too; other threads may
        go on with theirs meanwhile.

        :raises Timeout: the peer does not answer; everything is closed in spite of it.
        """
        loop = self._loop
        nested = loop.lock._is_owned()
        try:
            if not nested:
                loop.acquire(None)
            container = self.container
            if container is None or self.closing:
                return  # another thread is at it, or a callback of this one
            self.closing = True
            loop.notify_all()
            self._finish(container)
        finally:
            if not nested:
                loop.release()

    def _finish(self, container: Container) -> None:
        links = list(self.conn.links()) if self.conn is not None else []
        try:
            self._close_own()
        finally:
            try:
                self._run_out(container)
            finally:
                container.stop_events()
                for link in links:
                    link.handler = None  # a `SyncRequestResponse` is one, and would keep all of this by way of its link
                self._closed_place = self._place()
                self.conn = self.container = None

    def _close_own(self) -> None:
        self._pump_ended.set()
        self._pumped_error = None  # no operation will be told any more
        connection = self.conn
        try:
            self.container.errors = []
            if connection is not None:
                connection.close()
                self._wait(lambda: self._is_over(connection), self._deadline(), "Closing connection", Watch())
        finally:
            if connection is not None:
                transport = connection.transport
                if transport is not None:
                    # Closed by both, or given up: nothing more is to come.
                    transport.close_tail()
                    transport.close_head()
                connection.free()
            self._loop.connections.discard(self)

    def _run_out(self, container: Container) -> None:
        """Runs the container to its end, whatever handlers raise; the first error of theirs comes out after that."""
        first: Exception | None = None
        more = True
        while more:
            try:
                more = self._advance(container)
            except Exception as error:
                first = first or error
                # Its event would come again for ever; what waits behind it closes sockets.
                container._collector.pop()
                if not self._loop.connections:  # the others would have no loop any more
                    container.stop()
        if first is not None:
            raise first

    def _advance(self, container: Container) -> bool:
        """A turn on the way to the end of the container, by the thread that runs its loop; False at the end."""
        if self._loop.follow_runner(SHARED_WAIT):
            return True
        with self._loop.running():
            if container._turn(None):
                return True
            container.stop()
            container.process()
        return False

    def _look(self, turns: int = TURNS) -> None:
        """Handles and writes what there is, reads what has come, and waits for nothing."""
        loop, container = self._loop, self.container
        if loop.runner is not None and loop.runner != threading.get_ident():
            container.wakeup()  # that thread does it
            return
        usual = container.timeout
        try:
            with loop.running():
                container.timeout = 0
                for _ in range(turns):
                    container._turn(None)
        finally:
            container.timeout = usual

    def _is_over(self, connection: Any) -> bool:
        transport = connection.transport
        if not connection.state & Endpoint.REMOTE_ACTIVE or transport is None or self.container._stopped:
            return True
        return bool(transport.closed)

    def run(self) -> None:
        """Run the container until nothing is left to do."""
        self._run(self._run_all, None)

    def _run_all(self, deadline: float | None) -> None:
        container = self.container
        while self._advance(container):
            pass

    def wait(
        self, condition: Callable[[], object], timeout: float | Literal[False] | None = False, msg: str | None = None
    ) -> None:
        """Run the container until a condition is met.

        :param condition: a callable without arguments.
        :param timeout: seconds; that of the connection when left out, None for no limit.
        :param msg: what is waited for, for the text of `Timeout`.
        :raises Timeout: the condition was not met in time.
        :raises LinkDetached: a link that this thread has made, without a handler of its own, has ended meanwhile.
        :raises ConnectionException: the connection is closed, or lost.
        """
        self._run(self._wait_for, self._deadline(timeout), condition, msg)

    def _wait_for(self, deadline: float | None, condition: Callable[[], Any], msg: str | None) -> None:
        maker = threading.current_thread()
        connection = self.conn
        links = [
            link
            for link in connection.links()
            if getattr(link, "_made_by", None) is maker
            and (link.handler is None or isinstance(link.handler, Fetcher))
            and end_of(link) is None
        ]
        try:
            self._wait(condition, deadline, msg, Watch(connection, *links, own_thread=True))
        except ConnectionException:
            end = end_of(connection)
            if self.closing or end is None or end.by_peer or not connection.state & Endpoint.LOCAL_CLOSED:
                raise
            # The program itself has closed `conn`, and waits for the end.

    def _wait(
        self,
        condition: Callable[[], Any],
        deadline: float | None,
        msg: str | None,
        watch: Watch,
        begin_with_turn: bool = False,
    ) -> None:
        """Waits until the condition is true, with the lock; raises the end of what is watched, and `Timeout`.

        A true condition goes before an end: what has come before it can be used.
        :param begin_with_turn: without a look at the condition, which cannot be true yet.
        """
        loop, container, connection = self._loop, self.container, self.conn
        me = threading.get_ident()
        why: Exception | None = None
        done = False
        turns = 0

        def over() -> bool:
            nonlocal done, why
            if condition():
                done, why = True, None
            elif watch.endpoints and (self.closing or self.disconnected or connection._ends != watch.seen):
                why = self._why(watch)
                done = why is not None
            return done

        nested = loop.runner == me
        usual: float | None = None
        try:
            while begin_with_turn or not (done or over()):
                begin_with_turn = False
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    if turns >= TURNS:
                        raise Timeout(self._timed_out(msg))
                    left = 0
                if loop.runner is not None and loop.runner != me:
                    if left == 0 or not container.quiesced:
                        container.wakeup()  # it writes what this thread has made
                    if not loop.follow(None if left == 0 or watch.own_thread else over, deadline):
                        raise Timeout(self._timed_out(msg))
                    done = False  # the condition may be true no longer
                    turns += 2
                    continue
                if usual is None:
                    usual = container.timeout
                    loop.runner = me
                container.timeout = usual if left is None else min(left, MAX_TURN)
                if not container._turn(over) and not over():
                    raise ConnectionException(f"Connection {self._place()} has ended: its container was stopped")
                turns += 1
        finally:
            if usual is not None:
                container.timeout = usual
            if loop.runner == me and not nested:
                loop.runner = None
        if why is not None:
            raise why

    def _timed_out(self, msg: str | None) -> str:
        text = f"Connection {self._place()} timed out{f': {msg}' if msg else ''}"
        connection = self.conn
        if self.closing or connection is None or not connection.state & Endpoint.LOCAL_ACTIVE:
            return text
        transport = connection.transport
        if self.disconnected:
            text += f": not connected, last attempt: {self._reason()}"
            if transport is None or transport.condition is not None or transport.closed:
                return text  # the next attempt has not begun
        elif not connection.state & Endpoint.REMOTE_UNINIT:
            return text
        return f"{text}: {awaited_of(transport)}"

    def _check(self, watch: Watch) -> None:
        """Raises the end of what is watched, if it has ended."""
        if self.closing or self.disconnected or self.conn._ends != watch.seen:
            why = self._why(watch)
            if why is not None:
                raise why

    def _why(self, watch: Watch) -> Exception | None:
        """What to raise for the end of what is watched; None when nothing of it has ended."""
        if self.closing:
            return self._closed_error()
        connection = self.conn
        if self.disconnected and not connection.state & _CLOSED and self._lost_for_good():
            return self._loss()
        for endpoint in watch.endpoints:
            end = end_of(endpoint)
            error = None if end is None else self._error_of(endpoint, end)
            if error is not None:
                return error
        watch.seen = connection._ends
        return None

    def _error_of(self, endpoint: Any, end: End) -> Exception | None:
        connection = self.conn
        if end.endpoint is not connection:
            if end.condition is None and not end.by_peer:
                return LinkException(f"expected an open link, got {endpoint.name}, which was closed")
            return LinkDetached(endpoint, end)
        if end.by_peer:
            return ConnectionClosed(self.conn, end)
        if not connection.state & Endpoint.LOCAL_CLOSED:
            return self._loss() if self._lost_for_good() else None
        if endpoint is connection and connection.state & Endpoint.REMOTE_ACTIVE and not self.disconnected:
            return None  # the program has closed it, and waits for the peer to do the same
        return self._closed_error()

    def _place(self) -> str:
        return self._closed_place or shown(self.conn.url if self.conn is not None else None)

    def _lost_for_good(self) -> bool:
        """When there is no connection: true if none will be made."""
        connector = self.conn._overrides
        if connector.finished or self.conn.state & Endpoint.LOCAL_CLOSED:
            return True
        # All places have refused: only who asked for patience wants to see them asked again and again.
        return not self._losses and not self._patient and self._failures >= len(connector.address.values)

    def _reason(self) -> str:
        """Why there is no connection, as the last attempt to connect or the loss has told."""
        reason = self.disconnected
        return condition_text(reason) if isinstance(reason, Condition) else str(reason or "unknown")

    def _loss(self) -> ConnectionException:
        reason = printable(str(self.disconnected or "unknown"))
        return ConnectionException(f"Connection {self._place()} disconnected: {reason}")

    def on_link_remote_close(self, event: LinkEvent) -> None:
        """Closes a link that the peer has closed; the next operation on it raises."""
        if not is_retried(event.link, event.container.now):
            event.link.close()

    def on_link_remote_detach(self, event: LinkEvent) -> None:
        """Detaches a link that the peer has detached; the next operation on it raises."""
        if not is_retried(event.link, event.container.now):
            event.link.detach()

    def on_session_remote_close(self, event: SessionEvent) -> None:
        """Ends a session that the peer has ended; the next link gets a new one."""
        if not is_retried(event.session, event.container.now):
            event.session.close()

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        """Closes the connection that the peer has closed; the next operation raises."""
        connection = event.connection
        if not is_retried(connection, event.container.now):  # else it is as good as lost, and will be made again
            connection.close()

    def on_connection_remote_open(self, event: ConnectionEvent) -> None:
        """There is a connection, for the first time or again."""
        self.disconnected = False
        self._failures = 0
        self._opened = True

    def on_transport_error(self, event: TransportEvent) -> None:
        """No other attempt will do better when we are not let in."""
        condition = event.transport.condition
        if is_temporary(event.transport):
            return
        if condition is not None and condition.name == UNAUTHORIZED_ACCESS and event.connection is not None:
            connection: Any = event.connection
            connection._overrides.reconnect = False

    def on_transport_tail_closed(self, event: TransportEvent) -> None:
        """The connection is lost."""
        self._disconnected(event)

    def on_transport_head_closed(self, event: TransportEvent) -> None:
        """The connection is lost."""
        self._disconnected(event)

    def on_transport_closed(self, event: TransportEvent) -> None:
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
