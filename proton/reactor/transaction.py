"""`Transaction`: work that the peer's coordinator commits or undoes as a whole (4.1 to 4.4, 4.4.1 to 4.4.4).

Declares and discharges are messages on a control link, one per connection or session; their outcomes come back
as the states of these deliveries. Only a settled outcome counts. `declare` finds or makes the control link.
Keep true: each transaction ends with exactly one callback. Where the control link goes, the coordinator has rolled
back what it held (4.2), so that is the outcome of every transaction of the link that has none yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.codec.types import Described, symbol
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import DispositionType, TransactionalDisposition
from proton.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from proton.endpoints.handler import Handler, check_result, dispatch, inspect
from proton.endpoints.terminus import Terminus
from proton.exceptions import ProtonException
from proton.handlers.outgoing import OutgoingMessageHandler
from proton.logs import log
from proton.message import Message

if TYPE_CHECKING:
    from proton.endpoints.sender import Sender
    from proton.handlers.events import ConnectionEvent, DeliveryEvent, LinkEvent, SessionEvent

__all__ = ["Transaction", "declare", "lose", "lose_begun"]

_DECLARED = DispositionType.TRANSACTION_DECLARED


class Transaction:
    """A transaction. Made by `Container.declare_transaction`; usable once `on_transaction_declared` was called.

    :param txn_ctrl: the control link.
    :param handler: gets the outcomes, see `TransactionHandler`.
    :param settle_before_discharge: settle what is accepted at once, not only on success.
    """

    def __init__(self, txn_ctrl: Sender, handler: object, settle_before_discharge: bool = False) -> None:
        inspect(handler)
        self.txn_ctrl = txn_ctrl
        self.handler = handler
        #: the id that the coordinator has given it, bytes; None before
        self.id: bytes | None = None
        #: True once it was discharged with an abort
        self.failed: bool = False
        self.settle_before_discharge = settle_before_discharge
        self._declare: Delivery | None = None
        self._discharge: Delivery | None = None
        self._pending: list[Delivery] = []
        self._lost = False  # ended with its control link: nobody is there to discharge it
        self.declare()

    def commit(self) -> None:
        """Make all of its work count. Does nothing once it was lost with the control link, which was reported."""
        self.discharge(False)

    def abort(self) -> None:
        """Undo all of its work."""
        self.discharge(True)

    def declare(self) -> None:
        """Ask the coordinator for the transaction; the constructor does."""
        self._declare = self._send_ctrl("amqp:declare:list", [None])

    def discharge(self, failed: bool) -> None:
        """End it.

        :param failed: True to undo its work.
        :raises ProtonException: it is not declared (yet), or its end is under way: what became of it would be unknown.
        """
        if self._lost:
            self.failed = failed
            return
        self._need_id()
        if self._discharge is not None:
            done, wanted = (("commit", "abort")[end] for end in (self.failed, failed))
            raise ProtonException(f"expected one commit or abort of a transaction, got {wanted} after {done}")
        self.failed = failed
        self._discharge = self._send_ctrl("amqp:discharge:list", [self.id, failed])

    def _send_ctrl(self, descriptor: str, value: list[Any]) -> Delivery:
        delivery: Any = self.txn_ctrl.send(Message(body=Described(symbol(descriptor), value)))
        delivery.transaction = self
        return delivery  # type: ignore[no-any-return]

    def send(self, sender: Sender, msg: Message, tag: str | bytes | None = None) -> Delivery:
        """Send a message as part of it, when there is credit: a message that has to wait may miss the commit.

        :param sender: a link.
        :param msg: the message.
        :param tag: the delivery tag, if it is not to be made.
        :raises ProtonException: it is not declared (yet).
        """
        self._need_id()
        delivery: Delivery = sender.send(msg, tag=tag)
        delivery.update(TransactionalDisposition(self._need_id()))
        return delivery

    def accept(self, delivery: Delivery) -> None:
        """Accept a message as part of it; once it was lost, give the message back.

        :param delivery: the delivery of the message.
        :raises ProtonException: it is not declared (yet).
        """
        if self._lost:
            _release(delivery)
            return
        self._need_id()
        self.update(delivery, Delivery.ACCEPTED)
        if self.settle_before_discharge:
            delivery.settle()
        else:
            self._pending.append(delivery)

    def update(self, delivery: Delivery, state: DispositionType | int | None = None) -> None:
        """Give a delivery an outcome as part of it.

        :param delivery: the delivery.
        :param state: the outcome, such as `Delivery.REJECTED`; nothing happens without one.
        :raises ProtonException: it is not declared (yet).
        """
        if state:
            delivery.update(TransactionalDisposition(self._need_id(), state))

    def _need_id(self) -> bytes:
        """The coordinator has given no id yet, or refused: without one nothing may be said of it (4.4.4)."""
        if self.id is None:
            raise ProtonException("expected a declared transaction, got one before on_transaction_declared")
        return self.id

    def handle_outcome(self, event: DeliveryEvent) -> None:
        """Takes what the coordinator has said about a declare or a discharge."""
        delivery: Delivery = event.delivery
        if self._lost:
            return
        # Forgotten afterwards: a delivery knows its transaction, and the two would keep each other.
        if delivery is self._declare:
            self._declared(event, delivery)
            if delivery is self._declare:
                self._declare = None
        elif delivery is self._discharge:
            self._discharge = None
            self._discharged(event, delivery)

    def _declared(self, event: Any, delivery: Delivery) -> None:
        state = delivery.remote_state
        if state == _DECLARED and delivery.remote.id is not None:
            self.id = bytes(delivery.remote.id)
            self._report("on_transaction_declared", event)
            return
        if state != Delivery.REJECTED:
            log.warning("Unexpected outcome for declare: %s", state)
        self._report("on_transaction_declare_failed", event)

    def _discharged(self, event: Any, delivery: Delivery) -> None:
        if delivery.remote_state == Delivery.REJECTED:
            if not self.failed:
                self._report("on_transaction_commit_failed", event)
                self._release_pending()
        elif self.failed:
            self._report("on_transaction_aborted", event)
            self._release_pending()
        else:
            self._report("on_transaction_committed", event)
            for accepted in self._pending:
                if accepted.settled:  # nothing can be said of it any more: no need to keep it
                    accepted.settle()
        self._pending = []

    def _lose(self, event: Any) -> None:
        """The control link is gone, and what the coordinator held is rolled back."""
        self._lost = True
        if self.id is None:
            self._report("on_transaction_declare_failed", event)
        elif self._discharge is None or self.failed:
            self._report("on_transaction_aborted", event)
        else:
            self._report("on_transaction_commit_failed", event)
        self._release_pending()
        self._pending = []
        for delivery in (self._declare, self._discharge):
            if delivery is not None:
                delivery.settle()
        self._declare = self._discharge = None

    def _release_pending(self) -> None:
        for delivery in self._pending:
            _release(delivery)

    def _report(self, method: str, event: Any) -> None:
        event.transaction = self
        callback = getattr(self.handler, method, None)
        if callback:
            result = callback(event)
            if result is not None:
                check_result(self.handler, method, result)


def _release(delivery: Delivery) -> None:
    delivery.update(Delivery.RELEASED)
    delivery.settle()


class _ControlHandler(OutgoingMessageHandler):
    """Handles a control link: outcomes go to their transactions, all other events to the application.

    :param delegate: the handler that the first transaction was declared with.
    """

    def __init__(self, delegate: Any) -> None:
        super().__init__(auto_settle=True)
        self._application = delegate
        self._open: dict[Transaction, None] = {}  # what has no outcome yet, the oldest first

    def declare(self, link: Any, handler: Any, settle_before_discharge: bool) -> Transaction:
        """Declares a transaction over the link of this handler."""
        transaction = Transaction(link, handler, settle_before_discharge)
        self._open[transaction] = None
        return transaction

    def on_settled(self, event: DeliveryEvent) -> None:
        """Gives a settled outcome to its transaction."""
        transaction = getattr(event.delivery, "transaction", None)
        if transaction is not None:
            event.transaction = transaction
            discharge = transaction._discharge
            transaction.handle_outcome(event)
            if transaction.id is None or event.delivery is discharge:
                self._open.pop(transaction, None)

    def on_link_remote_close(self, event: LinkEvent) -> None:
        """Tells that the coordinator has closed the link, after the application has heard of that."""
        self.on_unhandled("on_link_remote_close", event)
        event.link.close()
        self._lose(event, list(self._open))

    def on_link_remote_detach(self, event: LinkEvent) -> None:
        """Control links cannot be resumed (4.1): detached is as good as closed."""
        event.link.close()
        self.on_unhandled("on_link_remote_detach", event)
        self._lose(event, list(self._open))

    def lose_all(self, event: Any) -> None:
        """The link has gone with its session or connection."""
        self._lose(event, list(self._open))

    def lose_begun(self, event: Any, link: Any) -> None:
        """The connection will be made again: what has not left yet is sent then, everything else is lost."""
        waiting = [delivery for delivery in link._outgoing if delivery._id is None]
        self._lose(event, [transaction for transaction in self._open if transaction._declare not in waiting])

    def _lose(self, event: Any, transactions: list[Transaction]) -> None:
        for transaction in transactions:
            del self._open[transaction]
            transaction._lose(event)

    def on_unhandled(self, method: str, *args: Any) -> None:
        """Passes the opens, closes and errors of the link on.

        :param method: the name of the event method.
        :param args: the event.
        """
        if self._application is not None:
            dispatch(self._application, method, args[0])


class _LossWatcher(Handler):
    """Tells of the losses of a connection without a `Connector`: one that was accepted, or that the program has bound.

    The global handler shows it the events of that connection; a `Connector` tells of the losses of its own.
    """

    _left = False  # the program has closed the connection before the peer did, and leaves what is under way

    def on_connection_local_close(self, event: ConnectionEvent) -> None:
        """Notes which end closes first."""
        self._left = not event.connection.state & REMOTE_CLOSED

    def on_session_remote_close(self, event: SessionEvent) -> None:
        """What was under way in the control links of the session ends with it."""
        lose(event, event.session)

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        """What was under way ends with the connection."""
        if not self._left:
            lose(event)

    on_transport_closed = on_connection_remote_close


def declare(session: Any, context: Any, handler: Any, settle_before_discharge: bool) -> Transaction:
    """Declare a transaction over the control link of a context, made now if there is none.

    :param session: gives the session for a new control link when called.
    :param context: the connection or session that the control link is kept for.
    """
    txn_ctrl = getattr(context, "_txn_ctrl", None)
    if txn_ctrl is not None and (txn_ctrl.state | txn_ctrl.session.state) & (LOCAL_CLOSED | REMOTE_CLOSED):
        txn_ctrl.close()  # the peer has closed it: its name is to be free before there is another
        txn_ctrl = None
    if txn_ctrl is None:
        txn_ctrl = session().sender("txn-ctrl")
        txn_ctrl.target.type = Terminus.COORDINATOR
        txn_ctrl.target.capabilities.put_object(symbol("amqp:local-transactions"))
        txn_ctrl.handler = _ControlHandler(handler)
        txn_ctrl.open()
        context._txn_ctrl = txn_ctrl
        connection = txn_ctrl.connection
        links = [link for link in getattr(connection, "_txn_links", ()) if link.handler._open]
        connection._txn_links = [*links, txn_ctrl]
        if getattr(connection, "_overrides", None) is None:
            connection._overrides = _LossWatcher()
    return txn_ctrl.handler.declare(txn_ctrl, handler, settle_before_discharge)  # type: ignore[no-any-return]


def lose(event: Any, session: Any = None, connection: Any = None) -> None:
    """Tell of the transactions whose control links are gone with a session, or a connection, for good.

    :param event: what has happened.
    :param session: the session that is over; None for the whole connection.
    :param connection: the connection, where the event has none any more.
    """
    for link in list(getattr(connection or event.connection, "_txn_links", ())):
        if session is None or link.session == session:
            link.handler.lose_all(event)


def lose_begun(event: Any, session: Any = None) -> None:
    """Tell at the loss of a connection or session, which will be made again, of the transactions that have begun on it.

    :param event: the loss; its connection still has the transport.
    :param session: the session that is lost; None for the whole connection.
    """
    for link in list(getattr(event.connection, "_txn_links", ())):
        if session is None or link.session == session:
            link.handler.lose_begun(event, link)
