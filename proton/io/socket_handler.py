"""`IOHandler`, which waits for the sockets of drivers and moves their bytes; `connect.py` makes the sockets.

It is the container's global handler and sees each event after the other handlers. It works in one of two ways,
depending on whether it was asked to watch the selectable (`on_selectable_init`):
* for its own loop: a driver with output is only marked. Just before the loop waits, all marked ones are ticked, asked
  for output and written, so one turn of the loop makes one send. A socket is registered for writing only after it
  took less than it was offered.
* for a foreign loop: interests are computed at once and announced by `Selectable.update`.
Keep true: a tick comes before the question for output, because it may make some; errors of sockets and resolvers never
leave as exceptions, each becomes a condition of its transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.driver import BLOCKED, DONE, DRAINED, ENDED, FAILED, Driver
from proton.endpoints.endpoint import Endpoint
from proton.endpoints.events import Event
from proton.endpoints.handler import Handler
from proton.endpoints.notices import warn_of_missing_filters, warn_of_unfinished
from proton.io import sockets
from proton.io.connect import (
    ConnectAttempt,
    ConnectSelectable,
    PendingSelectable,
    failure_level,
)
from proton.io.poller import NEVER, READ, WRITE, Poller
from proton.io.resolving import resolve_in_thread, resolved
from proton.io.selectable import Selectable
from proton.logs import log
from proton.transport.transport import Transport
from proton.url import Url

if TYPE_CHECKING:
    from proton.endpoints.events import EventBase
    from proton.handlers.events import (
        ConnectionEvent,
        ContainerEvent,
        LinkEvent,
        SelectableEvent,
        SessionEvent,
        TransportEvent,
    )
    from proton.io.poller import Selector

__all__ = ["ConnectSelectable", "IOHandler", "PythonIO"]

#: Turns that may go to writing alone before the selector is asked again, so that no other socket starves.
MAX_WRITING_TURNS = 8

_WRITABLE = Event.SELECTABLE_WRITABLE


# The lines of `_note`'s test stand in three methods again: a call less for each read, write and mark.
class IOHandler(Handler):
    """Connects, reads and writes sockets, and waits for them: the default global handler of a container.

    :param selector: an object with the interface of the standard library's selectors, for waiting; the best
        one of the platform when left out.
    """

    #: finds the addresses of a host: called with host and port; in a thread of its own if the host is a name
    resolve: Callable[..., list[sockets.Address]] = staticmethod(sockets.resolve)
    #: False for names that are resolved in the thread of the loop, which stands still meanwhile
    resolves_in_thread = True

    def __init__(self, selector: Selector | None = None) -> None:
        self._poller = Poller(selector)
        self._dirty: dict[Selectable, None] = {}  # transports' selectables to look at before the next wait
        self._writing_turns = 0

    # Selectables

    def on_selectable_init(self, event: SelectableEvent) -> None:
        """Watches a new selectable."""
        selectable = event.context
        if selectable.driver is None:
            self._poller.add(selectable)
        else:
            # It will be written before the next wait; only then is it known whether that has to be waited for.
            self._poller.add(selectable, writing=False)
            self._dirty[selectable] = None

    def on_selectable_updated(self, event: SelectableEvent) -> None:
        """Takes notice of changed interests."""
        selectable = event.context
        if selectable.driver is None:
            self._poller.update(selectable)
        elif selectable in self._poller:
            self._dirty[selectable] = None

    def on_selectable_final(self, event: SelectableEvent) -> None:
        """Stops watching, and closes the selectable."""
        selectable = event.context
        self._poller.remove(selectable)
        self._dirty.pop(selectable, None)
        selectable.close()

    def on_selectable_readable(self, event: SelectableEvent) -> None:
        """Reads what there is and gives it to the transport."""
        self._read(event.container, event.context)

    def _read(self, reactor: Any, selectable: Any) -> None:
        """Reads once from the socket of a driver."""
        driver = selectable.driver
        if driver is None:
            return
        # One read for an event: the others get their turn, and the kernel keeps what did not fit.
        result = driver.read_from(selectable.recv)
        if result == BLOCKED:
            return
        if result == ENDED:
            _end(selectable)
            return
        if result == FAILED:
            log.log(failure_level(driver.transport), "Couldn't recv: %s", driver.failure)
            # A failed read is the end of the input alone: the peer may still read the close that tells why.
            driver.eof_received()
        if selectable in self._poller.watches:
            self._dirty[selectable] = None
        else:
            self._note(reactor, selectable)

    def on_selectable_writable(self, event: SelectableEvent) -> None:
        """Gives the socket what the transport has to send."""
        self._write(event.container, event.context)

    def _write(self, reactor: Any, selectable: Any) -> None:
        """Writes once to the socket of a driver."""
        driver = selectable.driver
        if driver is None:
            return
        # Handlers that made output since its interest in writing was found out have marked it.
        result = driver.write_to(selectable.send, selectable.writing)
        watched = selectable in self._poller.watches
        if result >= DRAINED:
            selectable.writing = False
            # After `DONE` no byte waits and no timer runs: nothing is left to look at before the next wait.
            if result == DONE and watched:
                return
            if result == FAILED:
                log.log(failure_level(driver.transport), "Couldn't send: %s", driver.failure)
        if watched:
            self._dirty[selectable] = None
        else:
            self._note(reactor, selectable)

    def on_selectable_error(self, event: SelectableEvent) -> None:
        """Ends both directions of the transport, whose socket is at its end."""
        _end(event.context)

    def on_selectable_expired(self, event: SelectableEvent) -> None:
        """Looks at the transport's timers."""
        selectable = event.context
        if selectable.driver is not None:
            self._note(event.container, selectable)

    def _note(self, reactor: Any, selectable: Any) -> None:
        """Marks a selectable to be looked at before the next wait if this handler waits for it; else looks at once."""
        driver = selectable.driver
        if driver is None:
            return
        if selectable in self._poller.watches:
            self._dirty[selectable] = None
        elif driver.must_read_first(reactor.now):
            # In this order: what the socket has is read before the idle time-out is looked at.
            selectable.readable()
            selectable.expired()
        else:
            driver.update_interests(selectable, reactor.now)
            selectable.update()

    # The wait

    def on_reactor_quiesced(self, event: ContainerEvent) -> None:
        """Sends what there is to send; waits if no other event is queued."""
        reactor = event.container
        # Another handler, or an earlier child, has queued something: waiting now would delay it.
        if reactor.quiesced and self._turn(reactor, False):
            reactor.yield_()

    def _turn(self, reactor: Any, is_direct: bool) -> bool:
        """Sends what there is to send, and waits, unless that has queued events.

        :param is_direct: no handler has a method for readiness to read or write: that needs no event.
        :return: True if it has waited.
        """
        timeout = reactor.timeout
        if self._dirty:
            self._flush(reactor, is_direct)
            if not (reactor.quiesced or is_direct and reactor._drop_answered()):
                # What was queued is handled in this turn of the loop.
                self._writing_turns += 1
                if self._writing_turns < MAX_WRITING_TURNS:
                    return False
                timeout = 0.0
            elif self._dirty:
                timeout = 0.0
        self._writing_turns = 0
        _wait(self._poller, reactor, timeout, self._read if is_direct else None)
        return True

    def _flush(self, reactor: Any, is_direct: bool) -> None:
        """Brings all noted selectables up to date, and writes those that can be written at once."""
        # One look at the clock for all: what the handlers of this turn took counts in the deadlines.
        now = reactor.mark()
        for selectable in list(self._dirty):
            driver = selectable.driver
            if driver is not None:
                # Stays marked, so that the wait takes no time: what the socket has is read before the time-out counts.
                if driver.deadline and driver.must_read_first(now):
                    continue
                driver.update_interests(selectable, now)
                # At once: the peer works on it while this end handles the events that the output has queued.
                # Read once: the `__getattr__` of selectables makes each look at an attribute dear.
                writing = selectable.writing
                if writing and not driver.would_block:
                    if is_direct and selectable.handler is None:
                        self._write(reactor, selectable)
                    else:
                        reactor._handle(selectable, _WRITABLE)
                    writing = selectable.writing
                    if writing and selectable.driver is not None:
                        driver.update_interests(selectable, now)
                        writing = selectable.writing
                waits = writing and driver.would_block
                watch = self._poller.watches.get(selectable)
                mask = (READ if selectable.reading else 0) | (WRITE if waits else 0)
                # Without an earlier deadline and with the interests as they were there is nothing to tell: no call.
                if watch is not None and (
                    watch.mask != mask
                    or driver.deadline
                    and driver.deadline < self._poller.armed.get(selectable, NEVER)
                ):
                    self._poller.update(selectable, waits)
                if writing and not waits:
                    selectable.writable()
            self._dirty.pop(selectable, None)

    def on_reactor_final(self, event: ContainerEvent) -> None:
        """Lets go of the selector."""
        self._poller.close()

    # Connections and transports

    def on_connection_local_open(self, event: ConnectionEvent) -> None:
        """Gives an outgoing connection a plain transport, if the program gave it none."""
        connection = event.connection
        if connection.state & Endpoint.REMOTE_UNINIT and connection.transport is None:
            Transport().bind(connection)

    def on_connection_bound(self, event: ConnectionEvent) -> None:
        """Starts to connect an outgoing connection."""
        connection = event.connection
        transport = connection.transport
        if transport is None or getattr(connection, "_acceptor", None):
            return
        # A driver that the program has made keeps its collector and its settings.
        driver = transport.driver or Driver(transport)
        if driver.watch is not None:
            return
        try:
            url = connection.url or Url(connection.hostname)
            url.defaults()
            host, port = url.host, int(url.port or 0)
        except ValueError as error:
            ConnectAttempt(event.container, driver, str(connection.hostname), 0).fail(f"no address: {error}")
            return
        # What the program has set comes first; a `Connector` takes user and password of the URL for each attempt.
        if not connection.user and getattr(connection, "_overrides", None) is None:
            connection.user = url.username
            connection.password = url.password
        attempt = ConnectAttempt(event.container, driver, host, port)
        if sockets.is_address(host) or not self.resolves_in_thread:
            try:
                found: Any = self.resolve(host, port)
            except Exception as error:
                # `resolve` may be the program's own: what it raises is a failure of this connection, not of the loop.
                found = error
            resolved(attempt, found)
        else:
            resolve_in_thread(attempt, self.resolve, host, port)

    def on_connection_local_close(self, event: ConnectionEvent) -> None:
        """Gives up a connect that is under way, or the resolution of its name."""
        transport = event.transport
        if transport is None:  # nothing will be heard of the connection any more
            warn_of_unfinished(event.connection)
        driver = transport.driver if transport is not None else None
        if driver is not None and isinstance(driver.watch, PendingSelectable):
            driver.watch.abandon()

    def on_link_remote_open(self, event: LinkEvent) -> None:
        """Looks at what the peer has made of a link."""
        # The peer says in its attach which filters it applies (3.5.3); one that it has left out is ignored.
        warn_of_missing_filters(event.link)

    def on_link_local_close(self, event: LinkEvent) -> None:
        """Lets go of a link that both ends have closed or detached."""
        event.link._retire_if_ended()

    on_link_remote_close = on_link_local_close
    on_link_local_detach = on_link_local_close
    on_link_remote_detach = on_link_local_close

    def on_session_local_close(self, event: SessionEvent) -> None:
        """Lets go of a session that both ends have closed, and of its links."""
        event.session._retire_if_ended()

    on_session_remote_close = on_session_local_close

    def on_connection_unbound(self, event: ConnectionEvent) -> None:
        """Lets go of what the program has closed."""
        event.connection._retire_closed()

    def on_transport(self, event: TransportEvent) -> None:
        """Sees to it that what was made is sent."""
        driver = event.context.driver
        if driver is not None:
            selectable = driver.watch
            if selectable is None or selectable.driver is None or selectable in self._dirty:
                return
            if selectable in self._poller.watches:
                self._dirty[selectable] = None
            else:
                self._note(event.container, selectable)

    def on_transport_closed(self, event: TransportEvent) -> None:
        """Finishes the selectable of a transport and unbinds it."""
        transport: Any = event.transport
        # Before the unbind below, after which the transport has no connection.
        if event.connection is not None:
            warn_of_unfinished(event.connection)
        driver = transport.driver
        if driver is None:
            transport.unbind()
            return
        selectable = driver.watch
        if selectable is not None:
            selectable.terminate()
            selectable.update()
        driver.unbind()


def _wait(poller: Poller, reactor: Any, timeout: float, read: Callable[[Any, Any], None] | None = None) -> None:
    """Waits for readiness, the next deadline or the time-out, and queues the events of what has come true.

    :param read: reads from the sockets of drivers at once if nothing else is ready: then the order of all events that
        this causes is the same. None if a handler is to hear of it.
    """
    # Asked before the wait: it is compared with the time after it, so a deadline is not missed by what comes meanwhile.
    deadline = poller.deadline()
    if deadline is not None:
        timeout = max(0.0, min(timeout, deadline - reactor.mark()))
    ready = poller.wait(timeout, reactor.waker, reactor.wait_hook)
    if read is not None:
        for selectable, mask in ready:
            if mask != READ or selectable.driver is None or selectable.handler is not None:
                break
        else:
            for selectable, _ in ready:
                read(reactor, selectable)
            ready = []
    for selectable, mask in ready:
        # Both events are queued, reading first, and handled in the next turn: the wait itself calls no handler.
        if mask & READ:
            selectable.readable()
        if mask & WRITE:
            selectable.writable()
    # After the readiness, so that bytes that came are read before a time-out of the same turn counts.
    if deadline is not None and reactor.mark() >= deadline:
        for selectable in poller.due(reactor.now):
            selectable.expired()


def _end(selectable: Any) -> None:
    """Ends both directions of a transport whose socket is at its end."""
    driver = selectable.driver
    if driver is not None:
        driver.lost()
        # Before the next wait, since the selector would report the closed socket again and again.
        selectable.terminate()
        selectable.update()


class PythonIO:
    """Another global handler: waits for all selectables anew each time, and leaves the rest to an `IOHandler`.

    Slow for many connections; an example of how to drive selectables oneself.
    """

    def __init__(self) -> None:
        #: the selectables that are waited for
        self.selectables: list[Any] = []
        self.delegate: IOHandler = IOHandler()

    def on_unhandled(self, method: str, event: EventBase) -> None:
        """Hands every other event on.

        :param method: the name of the method that was looked for.
        """
        event.dispatch(self.delegate)

    def on_selectable_init(self, event: SelectableEvent) -> None:
        """Watches a new selectable."""
        self.selectables.append(event.context)

    def on_selectable_updated(self, event: SelectableEvent) -> None:
        """Nothing: interests are read anew for each wait."""

    def on_selectable_final(self, event: SelectableEvent) -> None:
        """Stops watching, and closes the selectable."""
        selectable = event.context
        if selectable in self.selectables:
            self.selectables.remove(selectable)
        selectable.close()

    def on_reactor_quiesced(self, event: ContainerEvent) -> None:
        """Waits until one of the selectables is ready or due."""
        reactor = event.reactor
        if not reactor.quiesced:
            return
        # Made for each wait: the descriptors of selectables that were finished are gone by themselves.
        poller = Poller()
        for selectable in self.selectables:
            poller.add(selectable)
        _wait(poller, reactor, reactor.timeout)
        poller.close()
        reactor.yield_()
