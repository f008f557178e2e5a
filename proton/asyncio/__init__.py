"""AMQP 1.0 for asyncio programs: `connect`, senders and receivers to be awaited, requests, transactions, servers.

No thread, no polling, and no task while a connection is open: the engine moves within the calls of the loop. The guide
is docs/asyncio.md.
"""

from proton.asyncio.connection import Connection, ConnectionEvent, connect
from proton.asyncio.delivery import BodyStream, Delivery
from proton.asyncio.errors import (
    ConnectionClosed,
    Drained,
    LinkClosed,
    Lost,
    Modified,
    Rejected,
    Released,
    SessionClosed,
    Timeout,
    TransactionAborted,
    Undeliverable,
)
from proton.asyncio.incoming import LinkRequest, ReceiverRequest, SenderRequest
from proton.asyncio.outcomes import Receipt
from proton.asyncio.receiver import Receiver
from proton.asyncio.requester import Requester
from proton.asyncio.sender import Sender
from proton.asyncio.server import Listener, serve
from proton.asyncio.session import Session
from proton.asyncio.transaction import Transaction

__all__ = [
    "BodyStream",
    "Connection",
    "ConnectionClosed",
    "ConnectionEvent",
    "Delivery",
    "Drained",
    "LinkClosed",
    "LinkRequest",
    "Listener",
    "Lost",
    "Modified",
    "Receipt",
    "Receiver",
    "ReceiverRequest",
    "Rejected",
    "Released",
    "Requester",
    "Sender",
    "SenderRequest",
    "Session",
    "SessionClosed",
    "Timeout",
    "Transaction",
    "TransactionAborted",
    "Undeliverable",
    "connect",
    "serve",
]
