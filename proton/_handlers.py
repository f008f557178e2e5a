"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.handlers import (
    CFlowController,
    CHandshaker,
    ConnectionEvent,
    ContainerEvent,
    DeliveryEvent,
    DisconnectedEvent,
    EndpointStateHandler,
    FlowController,
    GaveUpEvent,
    Handshaker,
    IncomingMessageHandler,
    IOHandler,
    LinkEvent,
    MessageEvent,
    MessagingHandler,
    OutcomeEvent,
    OutgoingMessageHandler,
    PythonIO,
    ReconnectingEvent,
    Reject,
    Release,
    SelectableEvent,
    SendableEvent,
    SessionEvent,
    TimerEvent,
    TransactionalClientHandler,
    TransactionEvent,
    TransactionHandler,
    TransportEvent,
)
from proton.handlers.incoming import Acking, recv_msg
from proton.io.connect import ConnectSelectable

__all__ = [
    "ContainerEvent",
    "DisconnectedEvent",
    "GaveUpEvent",
    "OutcomeEvent",
    "ReconnectingEvent",
    "SelectableEvent",
    "SendableEvent",
    "TimerEvent",
    "TransactionEvent",
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

# For annotations only.
ConnectionBoundEvent = ConnectionEvent
