"""The classes of events as callbacks get them, for annotations: ``def on_message(self, event: MessageEvent) -> None``.

What an event of a kind always has is not optional here, where it is on `Event`. Checkers see the classes below; at run
time each name is the class of `proton.endpoints.events` that the event is made of, so no message pays for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.events import Event

__all__ = [
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

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.link import Link
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender
    from proton.endpoints.session import Session
    from proton.io.selectable import Selectable
    from proton.message import Message
    from proton.reactor.container import Container
    from proton.reactor.timers import Task
    from proton.reactor.transaction import Transaction
    from proton.transport.transport import Transport
    from proton.url import Url

    # These are for checkers: they narrow what an event has by the callback that it is given to.
    class ContainerEvent(Event):
        """Of `on_start`, and of the raw events of the loop."""

        context: Container

    class ConnectionEvent(Event):
        """Of the callbacks of connections. A raw event that comes before `bind` has no transport."""

        connection: Connection
        transport: Transport

    class SessionEvent(Event):
        """Of the callbacks of sessions."""

        context: Session
        session: Session
        connection: Connection

    class LinkEvent(Event):
        """Of the callbacks of links."""

        context: Link
        link: Link
        session: Session
        connection: Connection

    class SendableEvent(LinkEvent):
        """Of `on_sendable`."""

        link: Sender
        sender: Sender

    class DeliveryEvent(Event):
        """Of callbacks of deliveries that are called at both ends, and of the raw `on_delivery`."""

        context: Delivery
        delivery: Delivery
        link: Link
        session: Session
        connection: Connection

    class OutcomeEvent(DeliveryEvent):
        """Of the callbacks that tell a sender what became of a message."""

        link: Sender
        sender: Sender

    class MessageEvent(DeliveryEvent):
        """Of `on_message`."""

        message: Message
        link: Receiver
        receiver: Receiver
        transport: Transport

    class TransportEvent(Event):
        """Of the callbacks of transports. There is no connection when the transport was unbound."""

        context: Transport
        transport: Transport

    class DisconnectedEvent(ConnectionEvent):
        """Of `on_disconnected`; `session` or `link` is what was lost, both None for the connection."""

    class ReconnectingEvent(ConnectionEvent):
        """Of `on_reconnecting`: the number of the attempt, the seconds before it, and where it goes to."""

        attempt: int
        delay: float
        address: Url

    class GaveUpEvent(ConnectionEvent):
        """Of `on_gave_up`; `session` or `link` is what was given up, both None for the connection."""

        reason: str

    class TimerEvent(Event):
        """Of `on_timer_task`."""

        context: Task
        task: Task

    class SelectableEvent(Event):
        """Of the raw events of what is watched."""

        context: Selectable

    class TransactionEvent(Event):
        """Of the callbacks of transactions. There is no connection when the transport was unbound."""

        transaction: Transaction

else:
    ContainerEvent = DisconnectedEvent = GaveUpEvent = TimerEvent = SelectableEvent = TransactionEvent = Event
    ConnectionEvent = ReconnectingEvent = Event.CONNECTION_INIT.event_class
    SessionEvent = Event.SESSION_INIT.event_class
    LinkEvent = SendableEvent = Event.LINK_INIT.event_class
    DeliveryEvent = OutcomeEvent = MessageEvent = Event.DELIVERY.event_class
    TransportEvent = Event.TRANSPORT.event_class
