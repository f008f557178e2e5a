"""A container whose sockets and timers a tornado loop waits for.

`container.run()` starts the loop and ends it; a program that runs the loop itself calls `container.initialise()`. See
proton_loop.py for what is to be known about such containers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tornado.ioloop

from proton_loop import LoopContainer
from proton_loop_handler import LoopHandler

if TYPE_CHECKING:
    from typing import Any

    from proton.io.selectable import Selectable


class TornadoHandler(LoopHandler):
    def __init__(self, container: LoopContainer, loop: Any) -> None:
        super().__init__(container, loop)
        self.timers: dict[Selectable, object] = {}
        self.watched: set[int] = set()

    def watch(self, selectable: Selectable, deadline: float | None) -> None:
        timer = self.timers.pop(selectable, None)
        if timer:
            self.loop.remove_timeout(timer)
        if deadline:
            delay = max(0, deadline - self.container.mark())
            self.timers[selectable] = self.loop.call_later(delay, self.happened, selectable.expired)
        descriptor = selectable.fileno()
        if descriptor in self.watched:
            self.watched.remove(descriptor)
            self.loop.remove_handler(descriptor)
        events = (self.loop.READ if selectable.reading else 0) | (self.loop.WRITE if selectable.writing else 0)
        if descriptor >= 0 and events:
            self.watched.add(descriptor)
            self.loop.add_handler(descriptor, lambda _, events: self.ready(selectable, events), events)

    def ready(self, selectable: Selectable, events: int) -> None:
        if events & (self.loop.READ | self.loop.ERROR) and selectable.reading:
            self.happened(selectable.readable)
        if events & (self.loop.WRITE | self.loop.ERROR) and selectable.writing:
            self.happened(selectable.writable)


class Container(LoopContainer):
    running = False  # by `run`

    def __init__(self, *handlers: object, loop: Any = None, **options: Any) -> None:
        super().__init__(TornadoHandler, loop or tornado.ioloop.IOLoop.current(), *handlers, **options)

    def initialise(self) -> None:
        """Begins, and leaves the loop to the program. The loop logs an exception of a callback, and goes on."""
        self.start()
        self.loop.add_callback(self.touch)

    def run(self) -> None:
        """Runs the loop until the container ends, or the loop is stopped. Exceptions of callbacks come out of here."""
        self.running = True
        self.initialise()
        try:
            self.loop.start()
        finally:
            self.running = False
            self.leave()
        if self.error is not None:
            raise self.error

    def on_end(self) -> None:
        if self.running:
            self.loop.stop()
        elif self.error is not None:
            raise self.error

    def wakeup(self) -> None:
        self.loop.add_callback(self.touch)
