"""`Selectable`: something that a loop waits for, with its interests and its events.

It says what it is interested in (`reading`, `writing`, `deadline`) and queues an event when that comes true. Any
loop may drive it, ours (`io/poller.py`) or a foreign one: keep waiting out of here.
"""

from __future__ import annotations

from typing import Any, Protocol

from proton.driver import Driver
from proton.endpoints.arguments import NotCopied
from proton.endpoints.events import Event, EventType

__all__ = ["Loop", "Selectable", "SocketSelectable"]


class Loop(Protocol):
    """What a selectable needs of the loop it belongs to."""

    selectable_count: int

    def push_event(self, obj: Any, etype: EventType) -> None: ...

    def _handle(self, context: Any, etype: EventType) -> None: ...

    def _lap(self) -> float: ...


class Selectable(NotCopied):
    """Something that can become readable or writable, or fall due; each queues an event for its handler.

    Attributes that it does not have are looked up on the delegate.

    :param delegate: a socket, or any object with `fileno` and `close`; None for deadlines alone.
    :param reactor: the container that gets the events.
    """

    handler: Any = None
    #: whether the loop goes on while there is this selectable
    keeps_running: bool = True
    #: the driver of the transport whose socket this is, until it is terminated; None for everything else
    driver: Driver | None = None

    def __init__(self, delegate: Any, reactor: Loop) -> None:
        self._delegate = delegate
        self._reactor = reactor
        #: whether events are wanted when it becomes readable, or writable
        self.reading = False
        self.writing = False
        self._deadline: float | None = None
        self._terminal = False
        self._terminated = False  # the final event was queued
        self._released = False
        # Counted here and in `update`, since the loop asks for the number twice a turn.
        reactor.selectable_count += self.keeps_running
        self.push_event(self, Event.SELECTABLE_INIT)

    # Copies and pickles look for dunder names before there is a `__dict__`: without the test this would not end.
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_delegate" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._delegate, name)

    @property
    def deadline(self) -> float | None:
        """When it expires, in seconds as of `time.time`; None for never."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        # Programs of the C binding write 0 for no deadline.
        self._deadline = deadline or None

    @property
    def is_terminal(self) -> bool:
        """True once `terminate` was called."""
        return self._terminal

    def fileno(self) -> int:
        """The descriptor to watch, -1 when there is none."""
        return -1 if self._delegate is None else int(self._delegate.fileno())

    def readable(self) -> None:
        """Queue the event that it can be read."""
        self._reactor.push_event(self, Event.SELECTABLE_READABLE)

    def writable(self) -> None:
        """Queue the event that it can be written."""
        self._reactor.push_event(self, Event.SELECTABLE_WRITABLE)

    def write_now(self) -> None:
        """Have the event that it can be written handled at once, before those in the queue."""
        self._reactor._handle(self, Event.SELECTABLE_WRITABLE)

    def lap(self) -> float:
        """Seconds since the events of this turn began to be handled, or since the last call in this turn."""
        return self._reactor._lap()

    def expired(self) -> None:
        """Queue the event that its deadline has passed."""
        self.push_event(self, Event.SELECTABLE_EXPIRED)

    def update(self) -> None:
        """Say that its interests have changed; after `terminate`, that it is finished."""
        # Once only, whatever is called afterwards: a second final event would count the selectable twice.
        if not self._terminated:
            if self._terminal:
                self._terminated = True
                self._reactor.selectable_count -= self.keeps_running
                self.push_event(self, Event.SELECTABLE_FINAL)
            else:
                self._reactor.push_event(self, Event.SELECTABLE_UPDATED)

    def terminate(self) -> None:
        """Finish it: the next `update` queues its final event."""
        self._terminal = True
        # From here on the selectable is like one of the program's: no handler moves bytes of it any more.
        self.driver = None

    def release(self) -> None:
        """Leave the delegate open when this selectable closes."""
        self._released = True

    def close(self) -> None:
        """Close the delegate, unless it was released."""
        if self._delegate is not None and not self._released:
            self._released = True
            self._delegate.close()

    def push_event(self, context: Any, etype: EventType) -> None:
        """Queue an event with the container.

        :param context: the object that the event is about.
        :param etype: the type of the event.
        """
        self._reactor.push_event(context, etype)


class SocketSelectable(Selectable):
    """The connected socket of a driver.

    :param sock: a non-blocking socket.
    :param driver: reads from it and writes to it.
    """

    def __init__(self, sock: Any, reactor: Loop, driver: Driver) -> None:
        super().__init__(sock, reactor)
        self.driver = driver
        driver.watch = self
        # Here since the look-up on the delegate is a call, for each read and write.
        self.recv: Any = sock.recv
        self.send: Any = sock.send
