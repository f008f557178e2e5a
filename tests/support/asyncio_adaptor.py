"""A container whose sockets and timers an asyncio loop waits for: `await container.run_async()`.

It is made while the loop runs. See examples/proton_loop.py for what is to be
known about such containers. Programs of asyncio use `proton.asyncio`: this one is a second loop under the same tests.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from proton_loop import LoopContainer
from proton_loop_handler import LoopHandler

if TYPE_CHECKING:
    from typing import Any

    from proton.io.selectable import Selectable


class AsyncioHandler(LoopHandler):
    def __init__(self, container: LoopContainer, loop: Any) -> None:
        super().__init__(container, loop)
        self.timers: dict[Selectable, asyncio.TimerHandle] = {}

    def watch(self, selectable: Selectable, deadline: float | None) -> None:
        timer = self.timers.pop(selectable, None)
        if timer:
            timer.cancel()
        if deadline:
            delay = max(0, deadline - self.container.mark())
            self.timers[selectable] = self.loop.call_later(delay, self.happened, selectable.expired)
        descriptor = selectable.fileno()
        if descriptor < 0:
            return
        if selectable.reading:
            self.loop.add_reader(descriptor, self.happened, selectable.readable)
        else:
            self.loop.remove_reader(descriptor)
        if selectable.writing:
            self.loop.add_writer(descriptor, self.happened, selectable.writable)
        else:
            self.loop.remove_writer(descriptor)


class Container(LoopContainer):
    def __init__(self, *handlers: object, **options: Any) -> None:
        self.end = asyncio.Event()
        super().__init__(AsyncioHandler, asyncio.get_running_loop(), *handlers, **options)

    async def run_async(self) -> None:
        """Runs until the container ends. Exceptions of callbacks come out of here.

        To cancel it takes the container off the loop at once: its sockets are closed, and no callback is called any
        more. For a friendly end close what is open, `touch`, and wait.
        """
        self.start()
        try:
            self.touch()
            await self.end.wait()
        finally:
            self.leave()
        if self.error is not None:
            raise self.error

    def on_end(self) -> None:
        self.end.set()

    def wakeup(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to wake
            self.loop.call_soon_threadsafe(self.touch)
