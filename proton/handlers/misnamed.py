"""A method that is named like an event, and is called for none: `on_mesage`. A warning names the event that is meant.

This module is loaded in Python's development mode alone (``python -X dev``): it looks at the class of each object that
becomes the handler of a container, a connection, a session, a link, a task, a selectable or a transaction.
"""

from __future__ import annotations

import re
from typing import Any

from proton.endpoints.events import EventType
from proton.endpoints.handler import event_methods
from proton.handlers.endpoint_state import EndpointStateHandler
from proton.handlers.incoming import IncomingMessageHandler
from proton.handlers.messaging import MessagingHandler
from proton.handlers.outgoing import OutgoingMessageHandler
from proton.handlers.transaction import TransactionHandler
from proton.warn import nearest, warn, warn_at

__all__ = ["warn_of_misnamed"]

_CALLBACKS = frozenset({"on_unhandled"}).union(
    *map(
        event_methods,
        (MessagingHandler, EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler, TransactionHandler),
    )
)
_LIKE_AN_EVENT = re.compile("on(_|[A-Z])")
_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")

#: How like a name must be to be a mistake and not a helper of the program: `on_disconnect` is 0.93 like
#: `on_disconnected`; `on_message_text` is 0.8 like `on_message`, and `on_abort`, an event of an example, 0.89 like
#: `on_aborted`.
_LIKENESS = 0.9

_told: set[tuple[type, str]] = set()


def warn_of_misnamed(handler: Any) -> None:
    """Warn of each method of a handler, and of its children, that looks like an event and is not called for one.

    :param handler: an object that is about to get events.
    """
    kind = type(handler)
    names = set(vars(handler)) if hasattr(handler, "__dict__") else set()
    # The package's own methods are named right, and `dir` of each handler would cost more than the rest.
    if not kind.__module__.startswith("proton."):
        names |= set(dir(kind))
    candidates = [name for name in sorted(names) if _LIKE_AN_EVENT.match(name) and (kind, name) not in _told]
    if candidates:
        known = _CALLBACKS | {etype.method for etype in EventType.TYPES.values()}
        for name in candidates:
            # Once for a class, also if it is right: handlers of one class may be made for each connection.
            _told.add((kind, name))
            if name not in known:
                _look_at(handler, name, known)
    for child in getattr(handler, "handlers", None) or ():
        warn_of_misnamed(child)


def _look_at(handler: Any, name: str, known: frozenset[str]) -> None:
    # Of the class, where a property stays one: calling it is the program's business, and may raise.
    own = vars(handler) if hasattr(handler, "__dict__") else {}
    method = own[name] if name in own else getattr(type(handler), name, None)
    spelt = _WORD.sub("_", name).lower()
    meant = spelt if spelt in known else nearest(name, known, _LIKENESS)
    if meant is None or not callable(method):
        return
    text = f"{type(handler).__qualname__}.{name} is not called for an event: did you mean {meant}?"
    code = getattr(method, "__code__", None)
    if code is not None:  # where the name stands
        warn_at(text, code.co_filename, code.co_firstlineno)
    else:
        warn(text)
