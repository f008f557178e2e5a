"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proton.endpoints.handler import Handler
from proton.options.tls_config import SSLConfig
from proton.reactor import (
    ApplicationEvent,
    AtLeastOnce,
    AtMostOnce,
    Backoff,
    Container,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    EventInjector,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
    Transaction,
)
from proton.reactor.acceptor import Acceptor
from proton.reactor.connector import Connector, GlobalOverrides, SessionPerConnection, Urls, delays
from proton.reactor.reactor import Reactor
from proton.reactor.timers import Task, TimerSelectable

__all__ = [
    "Acceptor",
    "ApplicationEvent",
    "AtLeastOnce",
    "AtMostOnce",
    "Backoff",
    "Connector",
    "Container",
    "Copy",
    "DurableSubscription",
    "DynamicNodeProperties",
    "EventInjector",
    "Filter",
    "GlobalOverrides",
    "Handler",
    "LinkOption",
    "Move",
    "Reactor",
    "ReceiverOption",
    "SSLConfig",
    "Selector",
    "SenderOption",
    "SessionPerConnection",
    "Task",
    "TimerSelectable",
    "Transaction",
    "Urls",
    "_Connector",
    "delay_iter",
    "make_backoff_wrapper",
]

_Connector = Connector


def delay_iter(
    initial: float = 0.1, factor: float = 2.0, max_delay: float = 10.0, max_tries: int | None = None
) -> Iterator[float]:
    """The delays of a `Backoff`, in seconds.

    :param initial: the first delay that is not 0, in seconds.
    :param factor: what each delay is multiplied with for the next one.
    :param max_delay: the longest delay, in seconds.
    :param max_tries: how many delays there are, None for no end.
    """
    return iter(Backoff(initial, factor, max_delay, max_tries))


class _Delays:
    def __init__(self, backoff: Any) -> None:
        self.backoff = backoff

    def __iter__(self) -> Iterator[float]:
        return delays(self.backoff)


def make_backoff_wrapper(backoff: Any) -> Any:
    """Something to iterate over for an object with `reset` and `next`; anything else as it is.

    :param backoff: what `Container.connect` takes as `reconnect`.
    """
    return _Delays(backoff) if hasattr(backoff, "reset") and hasattr(backoff, "next") else backoff
