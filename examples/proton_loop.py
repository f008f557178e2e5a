"""A container whose sockets and timers any event loop waits for: a base for adaptors.

proton_tornado.py is such an adaptor; how it waits is in proton_loop_handler.py. What a program
does outside of the container's callbacks, in a coroutine or a web handler say, is sent by `container.touch()`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from proton import Event
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import Any

    from proton import EventType
    from proton.io.selectable import Selectable


class LoopContainer(Container):
    """A container under a loop.

    It ends when nothing is left to do, by `stop`, by `leave`, or by an exception of a callback, which is in `error`.
    However it ends, it has left the loop then: nothing stays registered, no callback is called any more, and sockets
    that are still open are closed, which their peers see as a lost connection.

    A subclass has `wakeup()`, which has the loop call `touch` from any thread, and `on_end()`, which is called once,
    last of all: the code that runs the container goes on, or raises the error.
    """

    busy = ended = False
    error: BaseException | None = None

    def __init__(self, adaptor: Any, loop: Any, *handlers: object, **options: Any) -> None:
        self.loop = loop
        self.adaptor = adaptor(self, loop)
        self.selectables: set[Selectable] = set()  # all that are not closed yet
        super().__init__(*handlers, global_handler=self.adaptor, **options)

    def push_event(self, obj: Any, etype: EventType) -> None:
        # From its first moment on: an exception may come before the event is handled.
        if etype is Event.SELECTABLE_INIT:
            self.selectables.add(obj)
        super().push_event(obj, etype)

    def touch(self) -> None:
        """Handles all that is to be handled now, and returns; an exception of a callback goes to `error`."""
        if self.busy or self.ended:
            return
        self.busy = True
        try:
            while self.process():
                if self.quiesced:
                    return
            self.stop()
            self.process()
        except BaseException as error:
            self.error = error
        finally:
            self.busy = False
        self.leave()
        if isinstance(self.error, (KeyboardInterrupt, SystemExit)):
            raise self.error

    def on_end(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Takes the container off the loop at once. Not for callbacks, which have `stop`."""
        if self.ended:
            return
        self.ended = True
        self.stop_events()
        with contextlib.ExitStack() as stack:  # goes through all of them, even if one raises
            stack.callback(self.on_end)
            for selectable in self.selectables:
                stack.callback(self.adaptor.drop, selectable)
