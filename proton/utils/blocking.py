"""The blocking interface: `BlockingConnection`. Each operation runs the loop until its condition is met.

Rules for editors:
1. What operations have in common is in `operations.py`: the lock, the wait, the reason of an end. With a heartbeat a
   thread runs the loop while the program works (`pump.py`).
2. `disconnected` says that there is no connection now; it may be made again.
3. Callbacks raise nothing for the end of a link, session or connection: the operations find it.
"""

from __future__ import annotations

import contextlib
import operator
import threading
import warnings
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from proton.endpoints.arguments import NotCopied, check_timeout
from proton.endpoints.condition import UNAUTHORIZED_ACCESS
from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.ends import end_of, is_retried
from proton.endpoints.handler import Handler
from proton.exceptions import ConnectionException, ProtonException, Timeout
from proton.handlers.endpoint_state import is_temporary
from proton.options.connect_options import check_connect
from proton.reactor.container import Container
from proton.url import connection_url
from proton.utils.blocking_links import BlockingReceiver, BlockingSender, Fetcher, leave
from proton.utils.operations import MAX_TURN, Operations
from proton.utils.pump import start_pump
from proton.utils.sharing import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Literal

    from typing_extensions import Unpack

    from proton.endpoints.connection import Connection
    from proton.handlers.events import ConnectionEvent, LinkEvent, SessionEvent, TransportEvent
    from proton.options.connect_options import ConnectKeywords
    from proton.options.link_options import LinkOption
    from proton.reconnect import Backoff
    from proton.transport.tls.domain import SSLDomain
    from proton.url import Url

__all__ = ["BlockingConnection"]

#: Seconds that an operation may take when nothing else was said.
DEFAULT_TIMEOUT = 60

_Self = TypeVar("_Self", bound="BlockingConnection")


# Public attributes by the reference; their values live in `Operations`, which the links share without the connection.
def _of_operations(name: str) -> Any:
    """An attribute of a `BlockingConnection` that its `Operations` have."""

    def set_value(connection: BlockingConnection, value: Any) -> None:
        setattr(connection._operations, name, value)

    return property(operator.attrgetter(f"_operations.{name}"), set_value)


class BlockingConnection(Handler, NotCopied):
    """A connection whose operations return when they are done. It is open when the constructor returns.

    Threads may share it. While one waits, in `receive` for example, the operations of the others go on; handlers of the
    program are called in any thread that waits. After `close` each operation raises `ConnectionException`.
    ``with`` closes it at the end of the block.

    :param url: where to connect to, a str or `Url`; the connection configuration file is used without.
    :param timeout: seconds that an operation may take, 60 when left out.
    :param container: a `Container` to share; closing the connection waits for all that it does.
    :param ssl_domain: an `SSLDomain` for ``amqps``.
    :param heartbeat: seconds of silence after which the connection counts as lost; a thread then keeps up the
        connection while the program works, and handlers of the program may be called in it.
    :param urls: several places to connect to. When the connection is lost, the next one is tried.
    :param reconnect: the delays between attempts, as for `Container.connect`; by default one URL is tried once, with
        True again and again.
    :param kwargs: further options of `Container.connect`.
    :raises ConnectionException: the connection cannot be made, or the login is refused.
    :raises Timeout: there was no answer in time.
    """

    #: False, or why there is no connection: the condition of the transport, or "unknown"
    disconnected: Any = _of_operations("disconnected")
    #: True once `close` was called
    closing: bool = _of_operations("closing")
    #: seconds that an operation may take
    timeout: float = _of_operations("timeout")
    #: the container, None after `close`
    container: Container = _of_operations("container")
    #: the connection of the engine, None after `close`
    conn: Connection = _of_operations("conn")

    def __init__(
        self,
        url: str | Url | None = None,
        timeout: float | None = None,
        container: Container | None = None,
        ssl_domain: SSLDomain | None = None,
        heartbeat: float | None = None,
        urls: Iterable[str | Url] | None = None,
        reconnect: Backoff | Iterable[float] | bool | None = None,
        **kwargs: Unpack[ConnectKeywords],
    ) -> None:
        if "handler" in kwargs:
            raise TypeError("BlockingConnection takes no handler: it is the handler of its connection")
        known: Any = kwargs
        if container is None or getattr(container.connect, "__func__", None) is Container.connect:
            known = check_connect(kwargs, blocking=True)  # the program's own container may know others
        # Before anything is made that would have to be closed.
        seconds = check_timeout("timeout", timeout) if timeout else DEFAULT_TIMEOUT
        self._operations = Operations(container or Container(), seconds, reconnect is not None)
        self._pump_ended = threading.Event()
        # One place is tried once: the caller waits, and is told of the failure at once.
        if url and not urls and reconnect is None:
            url = connection_url(url)
            reconnect = False
        options = dict(known, handler=self, ssl_domain=ssl_domain, reconnect=reconnect, heartbeat=heartbeat)
        try:
            self._operations.run(self._connect, self._operations.deadline(), url, urls, options)
        except BaseException:
            # `KeyboardInterrupt` too: the caller has no object that it could close.
            with contextlib.suppress(ProtonException):
                self.close()
            raise
        if heartbeat:
            start_pump(self._operations, self._pump_ended, heartbeat)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave(self.close, error)

    def __del__(self) -> None:
        if "_operations" not in self.__dict__:
            return  # the arguments were wrong
        connection = self.conn
        if connection is not None and connection.transport is not None and not self.closing:
            # Its sockets are closed with it, whenever that is.
            text = f"unclosed {type(self).__name__} to {self._operations.place()}"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    def _connect(self, deadline: float | None, url: Any, urls: Any, options: dict[str, Any]) -> None:
        self._operations.loop.connections.add(self)
        self.container.timeout = min(self.timeout, MAX_TURN)
        self.container.start()
        connection = self.container.connect(url=url, urls=urls, **options)
        self._operations.begin(connection)
        # What goes wrong is raised by the operations, so the log has it at info.
        endpoint_state(connection).raises_errors = True
        try:
            self._operations.wait(
                lambda: not connection.state & Endpoint.REMOTE_UNINIT, deadline, "Opening connection", Watch(connection)
            )
            self._operations.check(Watch(connection))  # it may have been closed in one read with the open
        except Timeout:
            if self.disconnected:
                raise self._operations.disconnect_error() from None
            raise

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
        return self._operations.run(self._create_sender, self._operations.deadline(), address, settings)

    def _create_sender(self, deadline: float | None, address: str | None, options: dict[str, Any]) -> BlockingSender:
        link = self.container.create_sender(self.conn, address, **options)
        # For `wait`: only the thread that has made a link is told of its end there.
        self._operations.makers[link] = threading.current_thread()
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
        # With a handler of the program, messages go there, and `receive` has none to give.
        fetcher = None if handler else Fetcher(self, credit)
        if handler and credit is None:
            credit = 1
        settings = {"name": name, "handler": handler or fetcher, "options": options, "dynamic": dynamic}
        return self._operations.run(
            self._create_receiver, self._operations.deadline(), address, fetcher, credit, settings
        )

    def _create_receiver(
        self, deadline: float | None, address: str | None, fetcher: Any, credit: int | None, options: dict[str, Any]
    ) -> BlockingReceiver:
        link = self.container.create_receiver(self.conn, address, **options)
        self._operations.makers[link] = threading.current_thread()
        return BlockingReceiver(self, link, fetcher, credit, deadline)

    def close(self) -> None:
        """Close the connection, and end its container with all that it does. Closing twice does nothing.

        It returns when all other connections, tasks and acceptors of the container have ended too; other threads may
        go on with theirs meanwhile.

        :raises Timeout: the peer does not answer; everything is closed in spite of it.
        """
        loop = self._operations.loop
        nested = loop.is_owned()
        try:
            if not nested:
                loop.acquire(None)
            container = self.container
            if container is None or self.closing:
                return  # another thread is at it, or a callback of this one
            # Before the followers wake up: each finds it, and raises.
            self._operations.closing = True
            loop.notify_all()
            self._close_and_run_out(container)
        finally:
            if not nested:
                loop.release()

    def _close_and_run_out(self, container: Container) -> None:
        links = list(self.conn.links()) if self.conn is not None else []
        try:
            self._close_own()
        finally:
            try:
                self._run_out(container)
            finally:
                # What is queued refers to the connection, and no loop will handle it.
                container.stop_events()
                for link in links:
                    link.handler = None  # a `SyncRequestResponse` is one, and would keep all of this by way of its link
                self._operations.let_go()

    def _close_own(self) -> None:
        self._pump_ended.set()
        self._operations.pumped_error = None  # no operation will be told any more
        connection = self.conn
        try:
            # What handlers gave to `on_error` before: `Reactor.stop` would raise it out of the close.
            self.container.errors = []
            if connection is not None:
                connection.close()
                self._operations.wait(
                    lambda: self._is_over(connection), self._operations.deadline(), "Closing connection", Watch()
                )
        finally:
            if connection is not None:
                transport = connection.transport
                if transport is not None:
                    # Closed by both, or given up: nothing more is to come.
                    transport.close_tail()
                    transport.close_head()
                connection.free()
            self._operations.loop.connections.discard(self)

    def _run_out(self, container: Container) -> None:
        """Runs the container to its end, whatever handlers raise; the first error of theirs comes out after that."""
        first: Exception | None = None
        more = True
        while more:
            try:
                more = self._operations.advance(container)
            except Exception as error:
                first = first or error
                # Its event would come again for ever; what waits behind it closes sockets.
                container._collector.pop()
                if not self._operations.loop.connections:  # the others would have no loop any more
                    container.stop()
        if first is not None:
            raise first

    def _is_over(self, connection: Any) -> bool:
        transport = connection.transport
        if not connection.state & Endpoint.REMOTE_ACTIVE or transport is None or self.container._stopped:
            return True
        return bool(transport.closed)

    def run(self) -> None:
        """Run the container until nothing is left to do."""
        self._operations.run(self._run_all, None)

    def _run_all(self, deadline: float | None) -> None:
        container = self.container
        while self._operations.advance(container):
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
        self._operations.run(self._wait_for, self._operations.deadline(timeout), condition, msg)

    def _wait_for(self, deadline: float | None, condition: Callable[[], Any], msg: str | None) -> None:
        maker = threading.current_thread()
        connection = self.conn
        links = [
            link
            for link in connection.links()
            if self._operations.makers.get(link) is maker
            and (link.handler is None or isinstance(link.handler, Fetcher))
            and end_of(link) is None
        ]
        try:
            self._operations.wait(condition, deadline, msg, Watch(connection, *links, own_thread=True))
        except ConnectionException:
            end = end_of(connection)
            if self.closing or end is None or end.by_peer or not connection.state & Endpoint.LOCAL_CLOSED:
                raise
            # The program itself has closed `conn`, and waits for the end.

    # Callbacks only answer: what they raised would come out of an operation that has nothing to do with this link.
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
        self._operations.opened()

    def on_transport_error(self, event: TransportEvent) -> None:
        """No other attempt will do better when we are not let in."""
        condition = event.transport.condition
        if is_temporary(event.transport):
            return
        if condition is not None and condition.name == UNAUTHORIZED_ACCESS and event.connection is not None:
            policy = event.connection.reconnect_policy
            if policy is not None:
                # All places share the login; a refusal by one holds for them all.
                policy.reconnect = False

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
            self._operations.failures += 1

    def _disconnected(self, event: Any) -> None:
        if not self.closing:
            self._operations.lost(event.transport)
