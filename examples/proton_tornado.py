"""A container whose sockets and timers a tornado loop waits for.

`container.run()` starts the loop and ends it; a program that runs the loop itself calls `container.initialise()`. See
proton_loop.py for what is to be known about such containers.
"""

import tornado.ioloop

from proton_loop import LoopContainer, LoopHandler


class TornadoHandler(LoopHandler):
    def __init__(self, container, loop):
        super().__init__(container, loop)
        self.timers = {}
        self.watched = set()

    def watch(self, selectable, deadline):
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

    def ready(self, selectable, events):
        if events & (self.loop.READ | self.loop.ERROR) and selectable.reading:
            self.happened(selectable.readable)
        if events & (self.loop.WRITE | self.loop.ERROR) and selectable.writing:
            self.happened(selectable.writable)


class Container(LoopContainer):
    def __init__(self, *handlers, **options):
        self.loop = options.pop("loop", None) or tornado.ioloop.IOLoop.current()
        self.error = None
        super().__init__(*handlers, global_handler=TornadoHandler(self, self.loop), **options)

    def initialise(self):
        self.start()
        self.loop.add_callback(self.touch)

    def run(self):
        self.initialise()
        self.loop.start()
        if self.error:
            raise self.error

    def on_end(self, error):
        self.error = error
        self.loop.stop()

    def wakeup(self):
        self.loop.add_callback(self.touch)
