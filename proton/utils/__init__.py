"""AMQP without callbacks: each operation waits until it is done. For programs that do one thing after the other."""

from __future__ import annotations

from proton.utils.blocking import BlockingConnection
from proton.utils.blocking_links import BlockingReceiver, BlockingSender
from proton.utils.errors import ConnectionClosed, LinkDetached, SendException
from proton.utils.request import SyncRequestResponse

__all__ = [
    "BlockingConnection",
    "BlockingSender",
    "BlockingReceiver",
    "SyncRequestResponse",
    "SendException",
    "LinkDetached",
    "ConnectionClosed",
]
