"""`Transaction`: transactions of the callback interface; `proton/transactions.py` has what they do and wait for.

`declare` finds or makes the control link of a connection or session. The outcomes are callbacks of a handler; a loss of
the link, its session or its connection is one too (`fail_transactions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints.endpoint import REMOTE_CLOSED
from proton.endpoints.handler import Handler, check_result, dispatch, inspect
from proton.handlers.outgoing import OutgoingMessageHandler
from proton.transactions import ControlLink, Outcome, TransactionState, control_link, fail_transactions

if TYPE_CHECKING:
    from proton.endpoints.sender import Sender
    from proton.handlers.events import ConnectionEvent, DeliveryEvent, LinkEvent, SessionEvent

__all__ = ["Transaction", "declare"]


class Transaction(TransactionState):
    """A transaction. Made by `Container.declare_transaction`; usable once `on_transaction_declared` was called.

    :param txn_ctrl: the control link.
    :param handler: gets the outcomes, see `TransactionHandler`.
    :param settle_before_discharge: settle what is accepted at once, not only on success.
    """

    def __init__(self, txn_ctrl: Sender, handler: object, settle_before_discharge: bool = False) -> None:
        inspect(handler)
        self.handler = handler
        super().__init__(txn_ctrl, settle_before_discharge)

    def handle_outcome(self, event: DeliveryEvent) -> None:
        """Takes what the coordinator has said about a declare or a discharge."""
        self.take_outcome(event.delivery, event)

    def _report(self, outcome: Outcome, event: Any) -> None:
        event.transaction = self
        method = f"on_transaction_{outcome.value}"
        # Missing methods are passed over: a handler need not care for each outcome.
        callback = getattr(self.handler, method, None)
        if callback:
            result = callback(event)
            if result is not None:
                check_result(self.handler, method, result)


class _ControlHandler(OutgoingMessageHandler):
    """Handles a control link: outcomes go to their transactions, all other events to the application.

    :param delegate: the handler that the first transaction was declared with.
    :param control: the link with its transactions.
    """

    def __init__(self, delegate: Any, control: ControlLink) -> None:
        super().__init__(auto_settle=True)
        self._application = delegate
        self._control = control

    def on_settled(self, event: DeliveryEvent) -> None:
        """Gives a settled outcome to its transaction."""
        transaction = getattr(event.delivery, "transaction", None)
        if transaction is not None:
            event.transaction = transaction
            self._control.settled(transaction, event.delivery, event)

    def on_link_remote_close(self, event: LinkEvent) -> None:
        """Tells that the coordinator has closed the link, after the application has heard of that."""
        self.on_unhandled("on_link_remote_close", event)
        # Before the transactions end, whose handlers may declare another one: the name of the link is free then.
        event.link.close()
        self._control.fail_transactions(event)

    def on_link_remote_detach(self, event: LinkEvent) -> None:
        """Control links cannot be resumed (4.1): a detached one counts as closed."""
        event.link.close()
        self.on_unhandled("on_link_remote_detach", event)
        self._control.fail_transactions(event)

    def on_unhandled(self, method: str, *args: Any) -> None:
        """Passes the opens, closes and errors of the link on.

        :param method: the name of the event method.
        :param args: the event.
        """
        if self._application is not None:
            dispatch(self._application, method, args[0])


# Accepted connections have no `Connector`, but can carry transactions too; without this their losses would be silent.
class _LossWatcher(Handler):
    """Tells of the losses of a connection without a `Connector`: one that was accepted, or that the program has bound.

    The global handler shows it the events of that connection; a `Connector` tells of the losses of its own.
    """

    _closed_locally = False  # the program has closed the connection before the peer did, and leaves what is under way

    def on_connection_local_close(self, event: ConnectionEvent) -> None:
        """Notes which end closes first."""
        self._closed_locally = not event.connection.state & REMOTE_CLOSED

    def on_session_remote_close(self, event: SessionEvent) -> None:
        """What was under way in the control links of the session ends with it."""
        fail_transactions(event, event.session)

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        """What was under way ends with the connection."""
        if not self._closed_locally:
            fail_transactions(event)

    on_transport_closed = on_connection_remote_close


def declare(session: Any, context: Any, handler: Any, settle_before_discharge: bool) -> Transaction:
    """Declare a transaction over the control link of a context, made now if there is none.

    :param session: gives the session for a new control link when called.
    :param context: the connection or session that the control link is kept for.
    """

    def set_up(control: ControlLink) -> None:
        control.link.handler = _ControlHandler(handler, control)
        connection: Any = control.link.connection
        # A `Connector` is there already on connections that the container makes; it tells of the losses.
        if connection._overrides is None:
            connection._overrides = _LossWatcher()

    control = control_link(session, context, set_up)
    return control.add(Transaction(control.link, handler, settle_before_discharge))
