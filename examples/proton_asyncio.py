"""A container whose sockets and timers an asyncio loop waits for: `await container.run_async()`.

It is made while the loop runs. See proton_loop.py for what is to be known about such containers.
"""

import asyncio

from proton_loop import LoopContainer, LoopHandler


class AsyncioHandler(LoopHandler):
    def __init__(self, container, loop):
        super().__init__(container, loop)
        self.timers = {}

    def watch(self, selectable, deadline):
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
    def __init__(self, *handlers, **options):
        self.loop = asyncio.get_running_loop()
        self.end = self.loop.create_future()
        super().__init__(*handlers, global_handler=AsyncioHandler(self, self.loop), **options)

    async def run_async(self):
        self.start()
        self.touch()
        await self.end

    def on_end(self, error):
        if error:
            self.end.set_exception(error)
        else:
            self.end.set_result(None)

    def wakeup(self):
        self.loop.call_soon_threadsafe(self.touch)
