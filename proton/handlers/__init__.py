"""What programs are made of: `MessagingHandler` and its parts, the handlers of transactions, and those that do I/O."""

from __future__ import annotations

from proton.handlers.endpoint_state import EndpointStateHandler
from proton.handlers.events import (
    ConnectionEvent,
    ContainerEvent,
    DeliveryEvent,
    DisconnectedEvent,
    GaveUpEvent,
    LinkEvent,
    MessageEvent,
    OutcomeEvent,
    ReconnectingEvent,
    SelectableEvent,
    SendableEvent,
    SessionEvent,
    TimerEvent,
    TransactionEvent,
    TransportEvent,
)
from proton.handlers.flow import FlowController
from proton.handlers.handshake import Handshaker
from proton.handlers.incoming import IncomingMessageHandler, Reject, Release
from proton.handlers.messaging import MessagingHandler
from proton.handlers.outgoing import OutgoingMessageHandler
from proton.handlers.transaction import TransactionalClientHandler, TransactionHandler
from proton.io.socket_handler import IOHandler, PythonIO

# The names that these have in old programs.
CFlowController = FlowController
CHandshaker = Handshaker

__all__ = [
    "MessagingHandler",
    "IncomingMessageHandler",
    "OutgoingMessageHandler",
    "EndpointStateHandler",
    "TransactionHandler",
    "TransactionalClientHandler",
    "Reject",
    "Release",
    "Handshaker",
    "FlowController",
    "IOHandler",
    "PythonIO",
    "ConnectionEvent",
    "ContainerEvent",
    "DeliveryEvent",
    "DisconnectedEvent",
    "GaveUpEvent",
    "LinkEvent",
    "MessageEvent",
    "OutcomeEvent",
    "ReconnectingEvent",
    "SelectableEvent",
    "SendableEvent",
    "SessionEvent",
    "TimerEvent",
    "TransactionEvent",
    "TransportEvent",
]
