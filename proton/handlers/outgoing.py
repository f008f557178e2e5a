"""`OutgoingMessageHandler`: tells a sending application when it may send, and what became of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import LOCAL_ACTIVE, REMOTE_ACTIVE
from proton.endpoints.handler import for_senders
from proton.handlers.delegate import Delegating, forwarding

if TYPE_CHECKING:
    from proton.handlers.events import LinkEvent, OutcomeEvent, SendableEvent

__all__ = ["OutgoingMessageHandler"]

_OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE
_ACCEPTED = Delivery.ACCEPTED
_REJECTED = Delivery.REJECTED
_RELEASED = Delivery.RELEASED
_MODIFIED = Delivery.MODIFIED


class OutgoingMessageHandler(Delegating):
    """Calls `on_sendable` when a sender has credit, and a callback for each outcome of a message.

    :param auto_settle: settle a delivery after the receiver has.
    :param delegate: the object whose methods are called.
    """

    auto_settle: bool = True

    def __init__(self, auto_settle: bool = True, delegate: object = None) -> None:
        Delegating.__init__(self, delegate)
        self.auto_settle = auto_settle

    @for_senders
    def on_link_flow(self, event: LinkEvent) -> None:
        """Calls `on_sendable` for a sender that is open and has credit."""
        link = event.link
        # A flow may come before the link is open at both ends, and after this end has closed it.
        if link.is_sender and link.credit and link.state & _OPEN == _OPEN:
            self.on_sendable(event)  # type: ignore[arg-type]

    @for_senders
    def on_delivery(self, event: OutcomeEvent) -> None:
        """Turns what the receiver has said into callbacks."""
        delivery = event.delivery
        if not delivery.link.is_sender or not delivery.updated:
            return
        # The most frequent one first. Programs rely on the order of the callbacks: outcome, update, settlement.
        state = delivery.remote_state
        if state == _ACCEPTED:
            self.on_accepted(event)
        elif state == _REJECTED:
            self.on_rejected(event)
        elif state in (_RELEASED, _MODIFIED):
            self.on_released(event)
        self.on_delivery_updated(event)
        if delivery.settled:
            self.on_settled(event)
            # After the callbacks, which may look at the delivery.
            if self.auto_settle:
                delivery.settle()

    @forwarding
    def on_sendable(self, event: SendableEvent) -> None:
        """Called when messages may be sent, `event.sender.credit` of them."""

    @forwarding
    def on_accepted(self, event: OutcomeEvent) -> None:
        """Called when the receiver has accepted a message."""

    def on_rejected(self, event: OutcomeEvent) -> None:
        """Called when the receiver has rejected a message."""
        self._forward("on_rejected", event)

    def on_released(self, event: OutcomeEvent) -> None:
        """Called when the receiver has given a message back, released or modified."""
        self._forward("on_released", event)

    @forwarding
    def on_delivery_updated(self, event: OutcomeEvent) -> None:
        """Called for each change that the receiver makes, after the callback for an outcome."""

    @forwarding
    def on_settled(self, event: OutcomeEvent) -> None:
        """Called when the receiver has settled a message, whatever its outcome."""
