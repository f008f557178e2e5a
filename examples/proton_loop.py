"""What it takes to have any event loop wait for a container's sockets and timers: a base for adaptors.

proton_asyncio.py and proton_tornado.py are such adaptors. What a program does outside of the container's callbacks,
in a coroutine or a web handler say, is sent by `container.touch()`.
"""

from proton.handlers import IOHandler
from proton.reactor import Container


class LoopHandler:
    """A global handler that leaves the waiting to a loop, and all the rest to an `IOHandler`.

    A subclass has `watch(selectable, deadline)`: have the loop call `happened` with `selectable.readable` while
    `selectable.reading`, with `selectable.writable` while `selectable.writing`, and with `selectable.expired` at the
    deadline, a time of day or None. A `fileno()` of -1 is none.
    """

    def __init__(self, container, loop):
        self.container = container
        self.loop = loop
        self.io = IOHandler()

    def on_reactor_quiesced(self, event):
        event.reactor.yield_()

    def on_unhandled(self, name, event):
        event.dispatch(self.io)

    def on_selectable_init(self, event):
        self.watch(event.context, event.context.deadline)

    on_selectable_updated = on_selectable_init

    def on_selectable_final(self, event):
        selectable = event.context
        selectable.reading = selectable.writing = False
        self.watch(selectable, None)
        selectable.close()

    def happened(self, tell):
        self.container.mark()
        tell()
        self.container.touch()


class LoopContainer(Container):
    """A container under a loop. A subclass has `wakeup()`, which has the loop call `touch` from any thread, and
    `on_end(error)`, which is called once nothing is left to do, or with the exception that came out of a callback."""

    busy = ended = False

    def touch(self):
        """Handles all that is to be handled now, and returns."""
        if self.busy or self.ended:
            return
        self.busy = True
        try:
            while self.process():
                if self.quiesced:
                    return
            self.ended = True
            self.stop()
            self.process()
            self.on_end(None)
        except Exception as error:
            self.ended = True
            self.on_end(error)
        finally:
            self.busy = False
