"""`Reactor`: the loop. It gives each event of its collector to one scope of handlers, and to the global handler.

The wait for sockets and timers is the global handler's answer to `reactor_quiesced`, so any other loop may take its
place. Rules for editors:
1. `process` runs once per event of every message: no call may be added to its path without looking at the counts.
2. An event leaves the queue after its dispatch. If a handler raises, the next `process` begins with the same event.
3. What keeps the loop running is counted where it is made and finished (`selectable_count`, pending tasks), whatever
   the global handler does.
4. `stop`, `wakeup`, `call_soon` and the injectors may be used from other threads, nothing else.
"""

from __future__ import annotations

import logging
import time
import traceback
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Callable

from proton.endpoints.arguments import NotCopied, check_seconds
from proton.endpoints.connection import Connection
from proton.endpoints.events import Collector, Event, EventType
from proton.endpoints.handler import Handler, as_handler, dispatch, inspect, is_heard
from proton.io import sockets
from proton.io.deadlines import DeadlineHeap
from proton.io.poller import Waker
from proton.io.selectable import Selectable
from proton.io.socket_handler import IOHandler
from proton.logs import log
from proton.reactor.acceptor import Acceptor
from proton.reactor.connector import GlobalOverrides
from proton.reactor.timers import Task, TimerSelectable
from proton.url import Url

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import TypeVarTuple, Unpack

    from proton.options.connect_options import ContainerKeywords
    from proton.transport.sasl.credentials import Credentials, Users

    _Arguments = TypeVarTuple("_Arguments")

__all__ = ["Reactor"]

#: Seconds that a wait of `run` takes at most. Nothing depends on it but what polls without saying so.
RUN_TIMEOUT = 3.14159265359

_QUIESCED = Event.REACTOR_QUIESCED
_TRANSPORT = Event.TRANSPORT
_DELIVERY = Event.DELIVERY
_DELIVERY_EVENT = _DELIVERY.event_class
_LINK_EVENT = Event.LINK_FLOW.event_class

#: What each turn has, and few programs a method for: without one a turn needs neither the events nor the walks. In a
#: round trip they would take 46,000 instructions of 864,000 (benchmarks/instructions.py, CPython 3.11).
_OF_TURNS = tuple(
    etype.method for etype in (_QUIESCED, Event.SELECTABLE_READABLE, Event.SELECTABLE_WRITABLE, Event.TRANSPORT)
)


def _always() -> bool:
    return True


class Reactor(NotCopied):
    """The event loop of a container.

    :param handlers: get the events that no handler of a narrower scope takes.
    :param kwargs: `global_handler` sees every event after the others (default: an `IOHandler`); `selector` is what that
        one waits with.
    """

    #: the users that acceptors let in by default: what `proton.Credentials` takes, None to let in every client
    credentials: Users | Credentials | None = None
    #: seconds that TLS and SASL may take on a connection before it is given up, 0 for no limit
    handshake_timeout: float = 30.0
    #: makes the waits of the loop, None for nothing special: called with a function and its argument, a time-out; the
    #: blocking interface lets other threads use the container meanwhile
    wait_hook: Any = None
    #: makes the sockets: the module, or an object with its functions `listen`, `accept`, `connect`, `connect_result`
    network: Any = sockets

    def __init__(self, *handlers: object, **kwargs: Unpack[ContainerKeywords]) -> None:
        #: connections, acceptors and injectors that are not finished
        self.selectable_count = 0
        #: seconds that one wait for input or output may take
        self.timeout: float = 0
        #: what `on_error` has collected: triples as of `sys.exc_info`
        self.errors: list[Any] = []
        #: ends the wait of a global handler that watches it, from any thread
        self.waker: Waker = Waker()
        # What turns `time.monotonic` into a time of day, see `mark`.
        self._epoch = time.time() - time.monotonic()
        self._now = time.time()
        # For `Acceptor._rest` alone: an acceptor lives by its selectables, and is not kept when these are finished.
        self._acceptors: weakref.WeakSet[Acceptor] = weakref.WeakSet()
        self._tasks: DeadlineHeap[Task] = DeadlineHeap()
        self._timers: TimerSelectable | None = None
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()  # of `call_soon`
        self._yield = False
        # In this turn: no handler has a method for what each turn has. None until all events are handled.
        self._is_direct: bool | None = None
        self._has_paused = False  # the last `process` has returned to let its caller wait, and no event says so
        self._stopped = False
        self._ended = False  # the final event was queued
        self._collector = Collector()
        self._collector.container = self
        self._handler: Any = Handler()
        for handler in handlers:
            self._handler.add(handler)
        self._reacts: frozenset[str] | None = None  # the events that the global handler is interested in, None for all
        # Last, since the setter looks at what it is.
        global_handler = kwargs.get("global_handler")
        self.global_handler = IOHandler(kwargs.get("selector")) if global_handler is None else global_handler

    # -- handlers and settings -----------------------------------------------------------------------------------

    @property
    def handler(self) -> Handler:
        """The handler of events that no narrower scope takes; ``container.handler.add(h)`` adds to it."""
        return self._handler  # type: ignore[no-any-return]

    @handler.setter
    def handler(self, handler: object) -> None:
        self._handler = as_handler(handler)

    @property
    def global_handler(self) -> object:
        """The handler that sees every event after all others: it does the input and output."""
        return self._global_handler

    @global_handler.setter
    def global_handler(self, handler: object) -> None:
        self._global_handler: Any = handler
        self._reacts = handler.reacts_to() if handler.__class__ is GlobalOverrides else None

    @property
    def now(self) -> float:
        """The time of this turn of the loop, in seconds as of `time.time`."""
        return self._now

    def mark(self) -> float:
        """Bring `now` up to date, and return it."""
        # The time of day as of the start, and no jump when the clock is set: all deadlines would be due at once.
        self._now = self._epoch + time.monotonic()
        return self._now

    def _lap(self) -> float:
        """Seconds since the last look at the clock."""
        before = self._now
        return self.mark() - before

    @property
    def quiesced(self) -> bool:
        """True when no event waits but the one that says so."""
        events = self._collector.events
        return not events or (len(events) == 1 and events[0].type is _QUIESCED)

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until nothing is left to do: no connection, acceptor or injector open, no task pending.

        Exceptions of handlers come out of here. Once it has returned, calling it again does nothing.
        """
        # It has run to its end: a second `run` must not begin with `reactor_init` again.
        if self._handler is None:
            return
        self.timeout = RUN_TIMEOUT
        self.start()
        # Without pauses: a turn goes on to its wait, where `process` returns first, as foreign loops expect.
        while self._run_once(None):
            pass
        self.stop()
        self.process()
        # Handlers often know the container: letting go of them frees both without the collector.
        self._handler = self.global_handler = None

    def start(self) -> None:
        """Begin: queue the first event. `run` does this itself."""
        self._ended = False
        self.push_event(self, Event.REACTOR_INIT)
        if self._timers is None:
            self._timers = TimerSelectable(None, self)

    def stop(self) -> None:
        """End the loop after the events that are queued, even if connections are open; from any thread.

        :raises Exception: the last one given to `on_error`; those before it are printed.
        """
        self._stopped = True
        self.wakeup()
        # Only one can be raised; none is lost in silence.
        errors, self.errors = self.errors, []
        for error in errors[:-1]:
            traceback.print_exception(*error)
        if errors:
            _kind, value, trace = errors[-1]
            raise value.with_traceback(trace)

    def process(self) -> bool:
        """Handle events until it is time to wait, or wait once; False when nothing is left to do."""
        return self._run_once(_always)

    def _run_once(self, pauses: Callable[[], Any] | None) -> bool:
        """As `process`, but goes on to write and to wait, unless `pauses` is true when all events are handled."""
        events = self._collector.events
        self.mark()
        # Once a turn, not once an event: a program may add handlers to the global one between turns.
        handler = self._global_handler
        self._reacts = handler.reacts_to() if handler.__class__ is GlobalOverrides else None
        self._is_direct = None
        debugging = log.is_enabled_for(logging.DEBUG)
        previous = None
        has_waited: bool | None = False
        # What was queued since is handled first.
        has_paused, self._has_paused = self._has_paused and not events, False
        if self._calls:
            self._make_calls()
        while True:
            if self._yield:
                self._yield = False
                log.debug("%s Yielding", self)
                return True
            if events:
                event = events[0]
                # As `event.type` and `event.handler`, which cost more than elsewhere as events have a `__getattr__`: a
                # message takes 8,000 instructions less, with `Delivery._mark_dirty` (benchmarks/instructions.py).
                kind = type(event)
                if kind is _DELIVERY_EVENT or kind is _LINK_EVENT:
                    previous, link = _DELIVERY if kind is _DELIVERY_EVENT else event.type, event.link
                    handler = link._handler or link.session._handler or link.connection._handler
                    link = None  # the wait is not to keep it
                else:
                    previous = event.type
                    # The loop itself is the context of this one, which comes twice a turn.
                    handler = None if previous is _QUIESCED else event.handler
                if debugging:
                    log.debug("%s recvd Event: %r", self, event)
                if previous is _TRANSPORT and self._is_direct:
                    self._handle_output(event, handler)
                else:
                    method = previous.method
                    dispatch(handler or self._handler, method, event)
                    reacts = self._reacts
                    if reacts is None:
                        dispatch(self._global_handler, method, event)
                    elif method in reacts:
                        self._global_handler.react(method, event)
                # A handler may have dropped the event (`Task.cancel`), or all of them (`stop_events`).
                if events and events[0] is event:
                    events.popleft()
            elif has_paused or not self._stopped and (self.selectable_count > 0 or self._calls or self._tasks.armed):
                # Nothing came of the wait: the caller decides whether there is another one.
                if has_waited or previous is _QUIESCED:
                    return True
                has_waited = self._finish_turn(None if has_paused else pauses, debugging)
                if has_waited is None:
                    return True
                has_paused = False
            elif self._has_ended(debugging):
                return False

    def _finish_turn(self, pauses: Callable[[], Any] | None, debugging: bool) -> bool | None:
        """All events are handled: writes and waits, or queues the event that has it done where a handler hears of it.

        :return: whether this has waited, with events to handle now; None if it is the caller's turn.
        """
        is_direct = self._is_direct
        if is_direct is None:
            is_direct = self._reacts is not None and not debugging and not is_heard(self._handler, _OF_TURNS)
            self._is_direct = is_direct
        if not is_direct:
            self._collector.put(self, _QUIESCED)
        if pauses is not None and pauses():
            self._has_paused = is_direct
            return None
        if not is_direct or not self._global_handler.base._turn(self, True):
            return False
        # What was read has changed the endpoints: the events of that come before the caller looks at them.
        if not self._collector.events:
            return None
        self.mark()
        if self._calls:
            self._make_calls()
        return True

    def _handle_output(self, event: Any, handler: Any) -> None:
        """Handles a `TRANSPORT` event where the container's own handlers have no method for it."""
        if handler is not None and handler is not self._handler:
            dispatch(handler, _TRANSPORT.method, event)
        self._global_handler.base.on_transport(event)

    def _drop_answered(self) -> bool:
        """Drops events of output that was written meanwhile, for a turn in which no handler hears of them.

        :return: True if no other event is queued.
        """
        events = self._collector.events
        while events:
            event = events[-1]
            if event.type is not _TRANSPORT or event.handler not in (None, self._handler):
                return False
            driver = event.context.driver
            if driver is None or not driver.awaits_handshake():
                return False
            events.pop()
        return True

    def _handle(self, context: Any, etype: EventType) -> None:
        """Handles an event at once, without the queue."""
        event = etype.event_class(etype, context)
        event.container = self  # type: ignore[assignment]
        method = etype.method
        dispatch(event.handler or self._handler, method, event)
        reacts = self._reacts
        if reacts is None:
            dispatch(self._global_handler, method, event)
        elif method in reacts:
            self._global_handler.react(method, event)

    def _has_ended(self, debugging: bool) -> bool:
        """Nothing is left to do: ends the loop, unless an event is to be handled before."""
        if self._timers is not None:
            # The last selectable: its final event goes through the loop, so that foreign loops forget it too.
            timers, self._timers = self._timers, None
            timers.terminate()
            timers.update()
            return False
        if self._ended:
            # The final event has been handled: nothing waits any more.
            self.waker.close()
        else:
            if debugging:
                log.debug("%s Stopping", self)
            self._ended = True
            self.push_event(self, Event.REACTOR_FINAL)
        return True

    def do_work(self, timeout: float | None = None) -> bool:
        """As `process`, with a limit for the wait.

        :param timeout: seconds, kept for later waits too.
        :raises TypeError, ValueError: it is not a number, or NaN.
        """
        # 0 and None leave the limit as it was, as in the C binding.
        if timeout:
            self.timeout = check_seconds("timeout", timeout, " or None")
        return self.process()

    def yield_(self) -> None:
        """Have `process` return before it handles another event."""
        self._yield = True

    def wakeup(self) -> None:
        """End the wait of the loop; from any thread."""
        self.waker.wake()

    def call_soon(self, function: Callable[[Unpack[_Arguments]], object], *args: Unpack[_Arguments]) -> None:
        """Have a function called in the thread of the loop, in its next turn; from any thread, also before `run`.

        Each is called once, in order; what it raises comes out of `run`, as the exception of a handler does. A
        container that has nothing else to do ends after it; one that has ended calls nothing any more.

        :param function: what to call.
        :param args: its arguments.
        :raises TypeError: it is not callable.
        """
        if not callable(function):
            raise TypeError(f"call_soon expects a callable, got {type(function).__name__} {function!r:.50}")
        if self._ended:
            return
        # A deque needs no lock. Before the wake-up: the loop looks for calls once it is awake.
        self._calls.append((function, args))
        if self._timers is not None:  # else the first turn is still to come
            self.wakeup()

    def _make_calls(self) -> None:
        for _ in range(len(self._calls)):  # what these add waits for the next turn
            function, args = self._calls.popleft()
            function(*args)

    def on_error(self, info: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
        """Keep an exception for `stop` to raise, and have `process` return.

        :param info: a triple as of `sys.exc_info`.
        """
        self.errors.append(info)
        self.yield_()

    def push_event(self, obj: object, etype: EventType) -> None:
        """Queue an event.

        :param obj: its context; an `ApplicationEvent` is dispatched as it is.
        :param etype: its type.
        """
        self._collector.put(obj, etype)

    def drop_event(self, context: object) -> None:
        """Take the queued events about a context out of the queue.

        :param context: the object that the events are about.
        """
        events = self._collector.events
        # A list first: events are taken out of the queue that is walked.
        for event in [event for event in events if event.context is context]:
            events.remove(event)

    def stop_events(self) -> None:
        """Drop the events that are queued, and all later ones."""
        self._collector.release()

    # -- timers --------------------------------------------------------------------------------------------------

    def schedule(self, delay: float, handler: object) -> Task:
        """Have ``on_timer_task`` called later.

        :param delay: seconds, counted from `now`; `mark` brings that up to date outside of callbacks. Below 0 the
            task is due at once.
        :param handler: the object to call; the container's own handlers are called when it is None.
        :raises TypeError, ValueError: the delay is not a number, or NaN.
        """
        # The usual delay passes without a call; NaN would break the order of the heap.
        if delay.__class__ is not float or delay != delay:
            delay = check_seconds("delay", delay)
        inspect(handler)
        first = self._tasks.first()
        deadline = self._now + delay
        task = Task(self, deadline, handler, self._tasks)
        # The poller holds one deadline for all tasks, and hears of it only if it becomes an earlier one.
        if self._timers is not None and (first is None or deadline < first[0]):
            self._timers.update()
        return task

    @property
    def timer_deadline(self) -> float | None:
        """When the next task is due, None when none is pending."""
        first = self._tasks.first()
        return None if first is None else first[0]

    def timer_tick(self) -> None:
        """Queue the events of the tasks that are due."""
        tasks, now = self._tasks, self._now
        first = tasks.first()
        while first is not None and first[0] <= now:
            self.push_event(tasks.pop(), Event.TIMER_TASK)
            first = tasks.first()

    # -- selectables and connections -----------------------------------------------------------------------------

    def selectable(self, handler: object = None, delegate: object = None) -> Selectable:
        """Watch something of one's own.

        :param handler: gets the events.
        :param delegate: has `fileno` and `close`; the handler when left out.
        """
        inspect(handler)
        selectable = Selectable(handler if delegate is None else delegate, self)
        selectable.handler = handler
        return selectable

    def update(self, selectable: Selectable) -> None:
        """Take notice of changed interests of a selectable."""
        selectable.update()

    def acceptor(self, host: str | None, port: int | str | None, handler: object = None) -> Acceptor:
        """Listen.

        :param host: a name or an address.
        :param port: a number, or its digits; 0 for any one that is free.
        :param handler: the handler of accepted connections; the container's own when it is None.
        :raises OSError: the name does not resolve, or the port is in use.
        :raises ValueError: the port is a text that is not a number.
        """
        return Acceptor(self, host, port, handler, self._acceptors)

    def connection(self, handler: object = None) -> Connection:
        """Make a connection of this container, for `open` to connect to its `url`. `Container.connect` does more.

        :param handler: its handler; the container's own when it is None.
        """
        connection = Connection()
        connection.handler = handler
        connection.collect(self._collector)
        return connection

    def connection_to_host(self, host: str, port: int | str, handler: object = None) -> Connection:
        """As `connection`, with the address that it will connect to.

        :param host: a name or an address.
        :param port: a number or a service name.
        """
        connection = self.connection(handler)
        self.set_connection_host(connection, host, port)
        return connection

    def set_connection_host(self, connection: Connection, host: str, port: int | str) -> None:
        """Change the address that a connection will connect to.

        :param host: a name or an address.
        :param port: a number or a service name.
        """
        connection.url = Url(host=host, port=port)

    def get_connection_address(self, connection: Connection) -> str | None:
        """The address that a connection connects to, or comes from, as a URL; None while it has none."""
        return connection.connected_address
