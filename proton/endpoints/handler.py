"""`Handler`, the base of what programs are made of, and `dispatch`, the only walker over handlers.

Whoever wants events delivered calls `dispatch`; nothing else in the package walks handler chains, so
any caching of look-ups belongs into this one function or nowhere.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Handler", "dispatch"]


class _Children:
    """Makes the list of child handlers on first use, so that subclasses need not call `__init__`."""

    def __get__(self, handler: Any, owner: type) -> Any:
        if handler is None:
            return self
        children: list[Any] = []
        handler.__dict__["handlers"] = children
        return children


class Handler:
    """A receiver of events: define a method named like the event, for example ``on_link_flow(event)``.

    A handler may have children in `handlers`; they get each event after it, in order, whether or not
    it has a method for it. Any object may serve as a handler: this base class is a convenience.
    """

    handlers: list[Any] = _Children()  # type: ignore[assignment]

    def add(self, handler: Any, on_error: Any = None) -> None:
        """Append a child handler.

        :param handler: any object with event methods.
        :param on_error: ignored; kept for programs that pass it.
        """
        self.handlers.append(handler)

    def on_unhandled(self, method: str, *args: Any) -> None:
        """Called in place of a missing event method; does nothing.

        :param method: the name of the method that was looked for.
        :param args: the event.
        """


def dispatch(handler: Any, method: str, event: Any) -> None:
    """Give `event` to `handler` and then to its children, parents first, depth first.

    An exception ends the walk at once.
    """
    bound = getattr(handler, method, None)
    if bound:
        bound(event)
    elif handler.__class__ not in _QUIET:
        _unhandled(handler, method, event)
    children = getattr(handler, "handlers", None)
    if children:
        for child in children:
            # A leaf is the common case; a handler with children of its own goes the general way.
            if getattr(child, "handlers", None):
                dispatch(child, method, event)
                continue
            bound = getattr(child, method, None)
            if bound:
                bound(event)
            elif child.__class__ not in _QUIET:
                _unhandled(child, method, event)


# Classes whose `on_unhandled` is the one that does nothing: it need not be called to do nothing. Without this a
# message costs three more calls and 0.9 microseconds (CPython 3.11, benchmarks/run.py).
_QUIET: set[type] = set()


def _unhandled(handler: Any, method: str, event: Any) -> None:
    unhandled = getattr(handler, "on_unhandled", None)
    if unhandled is None:
        return
    if getattr(unhandled, "__func__", None) is Handler.on_unhandled:
        _QUIET.add(handler.__class__)
    else:
        unhandled(method, event)
