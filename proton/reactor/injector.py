"""Events from outside: `ApplicationEvent`, defined by programs, and `EventInjector`, which brings them in from threads.

`trigger` and `close` of the injector may be called from any thread at any time; everything else belongs to
the container's thread. Keep true: both descriptors are closed when the selectable is finished, or with the object.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from proton.endpoints.arguments import NotCopied
from proton.endpoints.events import EventBase, EventType

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.link import Link
    from proton.endpoints.session import Session
    from proton.handlers.events import SelectableEvent

__all__ = ["ApplicationEvent", "EventInjector"]


class ApplicationEvent(EventBase):
    """An event that a program defines; handlers get it in their method ``on_<typename>``.

    It goes to the container's own handlers, whatever it carries. A delivery implies its link, a link its session, a
    session its connection.

    :param typename: a name, or an `EventType`.
    :param connection: the connection that the event is about, if any.
    :param session: the session that the event is about, if any.
    :param link: the link that the event is about, if any.
    :param delivery: the delivery that the event is about, if any.
    :param subject: anything else.
    :raises TypeError: the name is neither a str nor an `EventType`.
    """

    #: the types made so far, by name
    TYPES: ClassVar[dict[str, EventType]] = {}

    def __init__(
        self,
        typename: str | EventType,
        connection: Connection | None = None,
        session: Session | None = None,
        link: Link | None = None,
        delivery: Delivery | None = None,
        subject: object = None,
    ) -> None:
        if isinstance(typename, EventType):
            etype = typename
        elif not isinstance(typename, str):
            raise TypeError(f"typename takes a str or an EventType, got {type(typename).__name__} {typename!r:.50}")
        else:
            known = self.TYPES.get(typename)
            # setdefault: two threads that use a new name at once get one type.
            etype = known if known is not None else self.TYPES.setdefault(typename, EventType(typename))
        super().__init__(etype)
        self.delivery = delivery
        self.link: Any = delivery.link if delivery else link
        self.session: Any = self.link.session if self.link else session
        self.connection: Any = self.session.connection if self.session else connection
        self.subject: Any = subject

    @property
    def context(self) -> ApplicationEvent:
        """The event itself."""
        return self

    def __repr__(self) -> str:
        carried = (self.connection, self.session, self.link, self.delivery, self.subject)
        return f"{self.type}({', '.join(str(thing) for thing in carried if thing is not None)})"


class EventInjector(NotCopied):
    """Brings events into a container from other threads: ``container.selectable(injector)``, then `trigger`.

    It keeps its container running until it is closed.
    """

    def __init__(self) -> None:
        #: the events on their way
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        #: the descriptors that wake the container: reading end, writing end
        self.pipe: tuple[int, int] = os.pipe()
        for descriptor in self.pipe:
            # Both ends: a full pipe must not stop the thread that triggers, nor an empty one the loop.
            os.set_blocking(descriptor, False)
        # A descriptor must not be closed, and given anew, under a writer. A signal handler may come in between.
        self._lock = threading.RLock()
        self._open = True
        self._closed = False
        self._final = False

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # the pipe could not be made
            self._dispose()

    def fileno(self) -> int:
        """The descriptor to watch, -1 when it is closed."""
        return self.pipe[0] if self._open else -1

    def trigger(self, event: EventBase) -> None:
        """Have an event dispatched in the container; from any thread. Nothing happens after `close`.

        :param event: an `ApplicationEvent`, or an `Event` whose context and type are dispatched.
        :raises TypeError: nothing that can be dispatched: it has no context, or no `EventType` as its type.
        """
        # Told here, not in the loop; another object may have both and be as good as an event.
        method = getattr(getattr(event, "type", None), "method", None)
        if not isinstance(method, str) or not hasattr(event, "context"):
            raise TypeError(
                f"trigger() expects an event (ApplicationEvent, or Event), got {type(event).__name__} {event!r:.50}"
            )
        # Before the byte: a reader that has taken the byte finds the event.
        self.queue.put(event)
        self._wake()

    def close(self) -> None:
        """Finish after the events that are queued; from any thread."""
        self._closed = True
        # The loop is done with it and reads no more; else the final event closes the pipe.
        if self._final:
            self._dispose()
        else:
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._open:
                # A full pipe is as readable as can be.
                with contextlib.suppress(BlockingIOError):
                    os.write(self.pipe[1], b"!")

    def _dispose(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                for descriptor in self.pipe:
                    os.close(descriptor)

    def on_selectable_init(self, event: SelectableEvent) -> None:
        """Asks for events when there is something to read."""
        selectable = event.context
        selectable.reading = True
        selectable.update()

    def on_selectable_readable(self, event: SelectableEvent) -> None:
        """Queues what was triggered, and finishes when closed."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.pipe[0], 512)
        # After the read, which may have taken the byte of close; before the queue, so that what was triggered
        # before close is delivered.
        closed = self._closed
        selectable = event.context
        while True:
            try:
                injected = self.queue.get_nowait()
            except queue.Empty:
                break
            selectable.push_event(injected.context, injected.type)
        if closed:
            selectable.terminate()
            selectable.update()

    def on_selectable_final(self, event: SelectableEvent) -> None:
        """The selectable is finished: the next `close`, its own, closes the pipe."""
        self._final = True
