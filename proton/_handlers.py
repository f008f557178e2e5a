"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.endpoints.events import Event
from proton.handlers import (
    CFlowController,
    CHandshaker,
    EndpointStateHandler,
    FlowController,
    Handshaker,
    IncomingMessageHandler,
    IOHandler,
    MessagingHandler,
    OutgoingMessageHandler,
    PythonIO,
    Reject,
    Release,
    TransactionalClientHandler,
    TransactionHandler,
)
from proton.handlers.incoming import Acking, recv_msg
from proton.io.connect import ConnectSelectable

__all__ = [
    "Acking",
    "CFlowController",
    "CHandshaker",
    "ConnectSelectable",
    "ConnectionBoundEvent",
    "ConnectionEvent",
    "DeliveryEvent",
    "EndpointStateHandler",
    "FlowController",
    "Handshaker",
    "IOHandler",
    "IncomingMessageHandler",
    "LinkEvent",
    "MessageEvent",
    "MessagingHandler",
    "OutgoingMessageHandler",
    "PythonIO",
    "Reject",
    "Release",
    "SessionEvent",
    "TransactionHandler",
    "TransactionalClientHandler",
    "TransportEvent",
    "recv_msg",
]

# For annotations only: an event is never one of these, so they are its class by other names.
ConnectionEvent = SessionEvent = LinkEvent = DeliveryEvent = MessageEvent = Event
TransportEvent = ConnectionBoundEvent = Event
