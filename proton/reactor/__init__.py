"""The loop that runs programs: `Container`, application events, link options, reconnection, transactions."""

from __future__ import annotations

from proton.endpoints.handler import Handler
from proton.options.link_options import (
    AtLeastOnce,
    AtMostOnce,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
)
from proton.reactor.connector import Backoff
from proton.reactor.container import Container
from proton.reactor.injector import ApplicationEvent, EventInjector
from proton.reactor.transaction import Transaction

__all__ = [
    "Container",
    "ApplicationEvent",
    "EventInjector",
    "Handler",
    "LinkOption",
    "ReceiverOption",
    "SenderOption",
    "AtLeastOnce",
    "AtMostOnce",
    "DynamicNodeProperties",
    "Filter",
    "Selector",
    "DurableSubscription",
    "Copy",
    "Move",
    "Backoff",
    "Transaction",
]
