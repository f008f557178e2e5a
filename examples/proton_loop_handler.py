"""How any event loop waits for a container's sockets and timers: the base of global handlers that tell a loop of them.

proton_tornado.py has such a handler; the container that belongs to it is in proton_loop.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.handlers import IOHandler

if TYPE_CHECKING:
    from typing import Any, Callable

    from proton.handlers import ContainerEvent, SelectableEvent
    from proton.io.selectable import Selectable
    from proton.reactor import ApplicationEvent
    from proton_loop import LoopContainer


class LoopHandler:
    """A global handler that leaves the waiting to a loop, and all the rest to an `IOHandler`.

    A subclass has `watch(selectable, deadline)`: have the loop call `happened` with `selectable.readable` while
    `selectable.reading`, with `selectable.writable` while `selectable.writing`, and with `selectable.expired` at the
    deadline, a time of day or None. A `fileno()` of -1 is not a descriptor.
    """

    def __init__(self, container: LoopContainer, loop: Any) -> None:
        self.container = container
        self.loop = loop
        self.io = IOHandler()

    def watch(self, selectable: Selectable, deadline: float | None) -> None:
        raise NotImplementedError

    def on_reactor_quiesced(self, event: ContainerEvent) -> None:
        event.reactor.yield_()

    def on_unhandled(self, name: str, event: ApplicationEvent) -> None:
        event.dispatch(self.io)

    def on_selectable_init(self, event: SelectableEvent) -> None:
        self.watch(event.context, event.context.deadline)

    on_selectable_updated = on_selectable_init

    def on_selectable_final(self, event: SelectableEvent) -> None:
        self.drop(event.context)

    def drop(self, selectable: Selectable) -> None:
        """Has the loop wait for it no longer, and closes it."""
        selectable.reading = selectable.writing = False
        self.watch(selectable, None)
        selectable.close()
        self.container.selectables.discard(selectable)

    def happened(self, tell: Callable[[], object]) -> None:
        self.container.mark()
        tell()
        self.container.touch()
