"""`Delegating`, the base of the handlers that turn raw events into callbacks of an application object.

The callbacks are methods of the handler itself, so a subclass may override them; their default hands the
event on to the delegate. Keep true: a delegate's children are not walked, that is the dispatcher's work.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, TypeVar

from proton.endpoints.handler import GroupedHandler, check_result

__all__ = ["Delegating", "forwarding"]


class Delegating(GroupedHandler):
    """A handler whose callbacks go to a delegate by default.

    :param delegate: any object with callback methods, or None to hand on nothing.
    """

    delegate: Any = None  # of the class too, for a subclass that does not call the constructor

    def __init__(self, delegate: object = None) -> None:
        self.delegate = delegate

    def _forward(self, method: str, event: Any) -> None:
        """Calls the delegate's method, or its `on_unhandled` where there is none."""
        delegate = self.delegate
        if delegate is not None:
            # Looked up for each event: a program may set a callback on the object while it runs.
            bound = getattr(delegate, method, None)
            if bound:
                result = bound(event)
                if result is not None:
                    check_result(delegate, method, result)
            else:
                unhandled = getattr(delegate, "on_unhandled", None)
                if unhandled:
                    unhandled(method, event)


_Callback = TypeVar("_Callback", bound=Callable[..., None])


def forwarding(declared: _Callback) -> _Callback:
    """A callback of a `Delegating` class that runs for each message: `_forward` without its call.

    :param declared: a method with the name, the docstring and the event of the callback.
    """
    method = declared.__name__

    @functools.wraps(declared)
    def callback(self: Delegating, event: Any) -> None:
        delegate = self.delegate
        if delegate is not None:
            bound = getattr(delegate, method, None)
            if bound:
                result = bound(event)
                if result is not None:
                    check_result(delegate, method, result)
            else:
                self._forward(method, event)

    return callback  # type: ignore[return-value]
