"""Receiving: `IncomingMessageHandler` turns deliveries into `on_message`, `Acking` answers them.

`on_delivery` runs once per message; nothing may be added to its straight path without looking at the call
count. A message that cannot be decoded is rejected with `amqp:decode-error` (2.8.15): the peer's fault must
not leave the loop as an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints import hooks as _hooks
from proton.endpoints.condition import DECODE_ERROR, PRECONDITION_FAILED, Condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import ModifiedDisposition
from proton.endpoints.endpoint import LOCAL_CLOSED
from proton.endpoints.handler import check_result, for_receivers
from proton.endpoints.printable import printable
from proton.endpoints.reading import read_message as recv_msg
from proton.exceptions import MessageException, ProtonException
from proton.handlers.delegate import Delegating, forwarding
from proton.logs import log

if TYPE_CHECKING:
    from proton.endpoints.disposition import Disposition
    from proton.handlers.events import DeliveryEvent, MessageEvent

__all__ = ["Acking", "IncomingMessageHandler", "Reject", "Release", "recv_msg"]

# Looked up once: an enumeration's members are found through its class each time.
_ACCEPTED = Delivery.ACCEPTED
_REJECTED = Delivery.REJECTED
_RELEASED = Delivery.RELEASED
_TAKEN_BACK = (Delivery.RELEASED, Delivery.MODIFIED)
_NOT_SAID = (0, Delivery.RECEIVED)  # no outcome (3.4.1)


class Reject(ProtonException):
    """Raise it in `on_message` to have the message rejected.

    A text, ``Reject("reason")``, goes to the sender as the description of ``amqp:precondition-failed``; a `Condition`
    goes as it is. Without either it is the program's own ``event.delivery.local.condition``, if that is set.
    """


class Release(ProtonException):
    """Raise it in `on_message` to have the message given back, as a failed attempt."""


class Acking:
    """Methods that answer a received delivery and settle it."""

    def accept(self, delivery: Delivery) -> None:
        """Accept a message (3.4.2).

        :param delivery: the delivery of the message, `event.delivery`.
        """
        self.settle(delivery, _ACCEPTED)

    def reject(self, delivery: Delivery) -> None:
        """Reject a message as invalid (3.4.3); `delivery.local.condition` says why.

        :param delivery: the delivery of the message.
        """
        self.settle(delivery, _REJECTED)

    def release(
        self, delivery: Delivery, delivered: bool = True, failed: bool = True, undeliverable: bool = False
    ) -> None:
        """Give a message back to the sender (3.4.4, 3.4.5).

        :param delivery: the delivery of the message.
        :param delivered: False if the message was not looked at: it is released then, and nothing else counts.
        :param failed: it counts as a failed attempt.
        :param undeliverable: it must not be sent here again.
        """
        self.settle(delivery, ModifiedDisposition(failed, undeliverable) if delivered else _RELEASED)

    def settle(self, delivery: Delivery, state: Disposition | int | None = None) -> None:
        """Settle a delivery; nothing happens when it is settled already and the peer has been told.

        :param delivery: the delivery of the message.
        :param state: the outcome to give it, if any.
        """
        # A program may answer a delivery that `auto_accept` or the peer's settlement has settled before.
        if getattr(delivery, "_settled", False):
            if state and delivery._lacks_outcome():
                delivery.update(state)
            return
        if state:
            delivery.update(state)
        delivery.settle()


class IncomingMessageHandler(Delegating, Acking):
    """Calls `on_message` for each message that has arrived completely.

    Also `on_settled` when the sender settles a delivery that this end has not, `on_aborted` when it gives one up, and
    `on_taken_back` when it takes one back.

    :param auto_accept: accept and settle each message after `on_message`.
    :param delegate: the object whose methods are called.
    """

    auto_accept: bool = True

    def __init__(self, auto_accept: bool = True, delegate: object = None) -> None:
        Delegating.__init__(self, delegate)
        self.auto_accept = auto_accept

    @for_receivers
    def on_delivery(self, event: DeliveryEvent) -> None:
        """Turns the event into the callback that is due."""
        delivery = event.delivery
        link = delivery.link
        if not link.is_receiver:
            return
        # Before `partial` and `current`: an aborted delivery has no message, whatever has come of it (2.6.14).
        if delivery.aborted:
            self.on_aborted(event)
            delivery.settle()
        elif link.current is delivery and not delivery.partial:
            # The program has closed the link: it is not shown what was on its way, and the sender gets it back.
            if link.state & LOCAL_CLOSED:
                if self.auto_accept:
                    delivery.update(_RELEASED)
                    delivery.settle()
                else:
                    link.advance()  # dropped, or those behind it would count as read, and be told as settled
                return
            # The test of the state first: nearly all messages have none, and pay no call.
            if delivery.remote_state and self._take_back(event):
                return
            try:
                event.message = recv_msg(delivery)
            except MessageException as error:
                _reject_undecodable(delivery, error)
                self._undecodable(event, error)
                return
            try:
                # A `try` of its own: a `MessageException` of the program is not a message that cannot be decoded.
                result = self.on_message(event) if _hooks.active is None else self._on_watched_message(event)  # type: ignore[arg-type]
                if result is not None:
                    check_result(self, "on_message", result)
                # In the `try`, after the callback: what it raises leaves the delivery unsettled.
                if self.auto_accept:
                    delivery._settle_with(_ACCEPTED)
            except Reject as error:
                _give_reason(delivery, error)
                self.reject(delivery)
            except Release:
                self.release(delivery)
        elif delivery.updated:
            if delivery.settled:
                self.on_settled(event)
            else:
                self._take_back(event)

    def _take_back(self, event: Any) -> bool:
        """Whether the sender has taken the message back, without settling it: that is told, and settled here.

        RabbitMQ does so when its consumer time-out has run out. Its settlement is not waited for: nothing that this end
        could say counts any more.
        """
        delivery = event.delivery
        if delivery.settled or delivery._settled or delivery.remote_state not in _TAKEN_BACK:
            return False
        # What the program has said stays; a settlement without any outcome would leave the state to the sender.
        if delivery.local_state in _NOT_SAID:
            delivery.update(_RELEASED)
        delivery.settle()
        self.on_taken_back(event)
        return True

    def _on_watched_message(self, event: Any) -> Any:
        # A blocking operation hands the message to the program, and tells the hooks then.
        if hasattr(self._program(), "_on_undecodable"):
            return self.on_message(event)
        return _hooks.active.handle(self.on_message, event)  # type: ignore[union-attr]

    def _program(self) -> Any:
        return self if self.delegate is None else self.delegate

    @forwarding
    def on_message(self, event: MessageEvent) -> None:
        """Called with `event.message` set, for each message."""

    def _undecodable(self, event: Any, error: MessageException) -> None:
        """Tells of a rejected message: in the log, unless a blocking operation raises it."""
        # Of blocking receivers and requests only: a public callback would be a method that programs do not expect.
        told = getattr(self._program(), "_on_undecodable", None)
        if told is not None:
            told(event, error)
            return
        log.error(
            "rejected a message on link %s that cannot be decoded: %s", printable(event.link.name), printable(error)
        )

    def on_settled(self, event: DeliveryEvent) -> None:
        """Called when the sender has settled a delivery."""
        self._forward("on_settled", event)

    def on_taken_back(self, event: DeliveryEvent) -> None:
        """Called when the sender has taken a message back that this end has not settled; it is settled then."""
        self._forward("on_taken_back", event)

    def on_aborted(self, event: DeliveryEvent) -> None:
        """Called when the sender has given a delivery up; there is no message."""
        self._forward("on_aborted", event)


def _give_reason(delivery: Delivery, error: Reject) -> None:
    """The reason of a `Reject` as what the sender is told."""
    if error.args and isinstance(error.args[0], Condition):
        delivery.local.condition = error.args[0]
    elif str(error):
        # The name that the specification itself has messages rejected with (3.2.1). What UTF-8 cannot say is replaced.
        text = str(error).encode("utf-8", "replace").decode()
        delivery.local.condition = Condition(PRECONDITION_FAILED, text)


def _reject_undecodable(delivery: Delivery, error: MessageException) -> None:
    delivery.local.condition = Condition(DECODE_ERROR, str(error))
    delivery.update(_REJECTED)
    delivery.settle()
