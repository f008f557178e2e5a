"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.utils import (
    BlockingConnection,
    BlockingReceiver,
    BlockingSender,
    ConnectionClosed,
    LinkDetached,
    SendException,
    SyncRequestResponse,
)
from proton.utils.blocking_links import BlockingLink, Fetcher
from proton.utils.request import AtomicCount

__all__ = [
    "AtomicCount",
    "BlockingConnection",
    "BlockingLink",
    "BlockingReceiver",
    "BlockingSender",
    "ConnectionClosed",
    "Fetcher",
    "LinkDetached",
    "SendException",
    "SyncRequestResponse",
]
