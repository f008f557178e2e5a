"""How any event loop waits for a container's sockets and timers: the base of global handlers that tell a loop of them.

proton_asyncio.py and proton_tornado.py have such handlers; the container that belongs to them is in proton_loop.py.
"""

from proton.handlers import IOHandler


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
        self.drop(event.context)

    def drop(self, selectable):
        """Has the loop wait for it no longer, and closes it."""
        selectable.reading = selectable.writing = False
        self.watch(selectable, None)
        selectable.close()
        self.container.selectables.discard(selectable)

    def happened(self, tell):
        self.container.mark()
        tell()
        self.container.touch()
