"""`GlobalOverrides`: shows the events of a connection to its `Connector`, before the global handler sees them.

The connector's transport (SASL, TLS) is bound before the global handler would make a plain one.
"""

from __future__ import annotations

from typing import Any

from proton.connector import Connector, SessionPerConnection
from proton.endpoints.handler import Handler, dispatch, event_methods
from proton.io.socket_handler import IOHandler
from proton.reconnect import Backoff, Urls, delays

__all__ = ["Backoff", "Connector", "GlobalOverrides", "SessionPerConnection", "Urls", "delays"]


class GlobalOverrides(Handler):
    """Shows each event to the connector of its connection, if it has one, and then to the base handler.

    :param base: the global handler proper.
    """

    # Computed once from the classes: `reacts_to` is asked once a turn of the loop.
    _reacts_to = event_methods(IOHandler) | event_methods(Connector)
    _overridden = event_methods(Connector)

    def __init__(self, base: Any) -> None:
        self.base = base

    def reacts_to(self) -> frozenset[str] | None:
        """The names of the event methods that a handler here has; None if it cannot be known beforehand.

        Most events of a busy connection are for none of them: the loop need not come here then.
        """
        # Exact class: a derived handler may have methods of any name, also by `__getattr__`.
        base = self.base
        return self._reacts_to if base.__class__ is IOHandler and not base.handlers and not self.handlers else None

    def react(self, method: str, event: Any) -> None:
        """As `on_unhandled`, for an event that `reacts_to` names.

        :param method: the name of the event method.
        :param event: the event.
        """
        # The connector first, see the top; most of the methods that it lacks need no look-up of the connection.
        if method in self._overridden:
            overrides = getattr(getattr(event, "connection", None), "_overrides", None)
            if overrides is not None:
                dispatch(overrides, method, event)
        bound = getattr(self.base, method, None)
        if bound:
            bound(event)

    def on_unhandled(self, name: str, *args: Any) -> None:
        """Passes an event on.

        :param name: the name of the event method.
        :param args: the event.
        """
        event = args[0]
        overrides = getattr(getattr(event, "connection", None), "_overrides", None)
        if overrides is not None:
            dispatch(overrides, name, event)
        dispatch(self.base, name, event)
