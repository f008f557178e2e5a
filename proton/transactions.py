"""Transactions, for every face: work that is committed or undone as a whole, by the peer's coordinator (4.1 to 4.4).

Declares and discharges are messages on a control link, one per connection or session; their outcomes come back as the
states of these deliveries. Only a settled outcome counts. How the program hears of an outcome is up to the face.
Keep true: each transaction ends with exactly one report. If the control link goes, the coordinator has rolled back what
it held (4.2), so that is the outcome of every transaction of the link that has none yet.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from proton.codec.types import Described, symbol
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import DispositionType, TransactionalDisposition
from proton.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from proton.endpoints.terminus import Terminus
from proton.exceptions import ProtonException
from proton.logs import log
from proton.message import Message

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.sender import Sender
    from proton.endpoints.session import Session

__all__ = [
    "ControlLink",
    "Outcome",
    "TransactionState",
    "control_link",
    "control_links",
    "fail_begun_transactions",
    "fail_transactions",
]

_DECLARED = DispositionType.TRANSACTION_DECLARED


class Outcome(enum.Enum):
    """What has become of a transaction."""

    DECLARED = "declared"
    DECLARE_FAILED = "declare_failed"
    COMMITTED = "committed"
    COMMIT_FAILED = "commit_failed"
    ABORTED = "aborted"


class TransactionState:
    """One transaction: what this end has said of it, and what the coordinator has. A face overrides `_report`.

    :param txn_ctrl: the control link.
    :param settle_before_discharge: settle what is accepted at once, not only on success.
    """

    def __init__(self, txn_ctrl: Sender, settle_before_discharge: bool = False) -> None:
        self.txn_ctrl = txn_ctrl
        #: the id that the coordinator has given it, bytes; None before
        self.id: bytes | None = None
        #: True once it was discharged with an abort
        self.failed: bool = False
        self.settle_before_discharge = settle_before_discharge
        self._declare: Delivery | None = None
        self._discharge: Delivery | None = None
        # What was accepted and not settled: it is settled by the discharge, or given back if that fails (4.4.4).
        self._pending: list[Delivery] = []
        self._lost = False  # ended with its control link: no coordinator is left to discharge it
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
            # 4.3: a transaction is discharged once.
            done, wanted = (("commit", "abort")[end] for end in (self.failed, failed))
            raise ProtonException(f"expected one commit or abort of a transaction, got {wanted} after {done}")
        self.failed = failed
        self._discharge = self._send_ctrl("amqp:discharge:list", [self.id, failed])

    def _send_ctrl(self, descriptor: str, value: list[Any]) -> Delivery:
        delivery: Any = self.txn_ctrl.send(Message(body=Described(symbol(descriptor), value)))
        # The way back from the outcome, which comes as an event of this delivery.
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
        # After `send`, which queues only: the state leaves with the transfer (4.4.1).
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
        # 4.4.4: settling before the discharge gives up the choice that a failed discharge would leave.
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

    def take_outcome(self, delivery: Delivery, event: object) -> None:
        """Takes what the coordinator has said about a declare or a discharge.

        :param delivery: of the message to the coordinator, settled by it.
        :param event: passed on to the report of the outcome.
        """
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

    def _declared(self, event: object, delivery: Delivery) -> None:
        state = delivery.remote_state
        # 4.5.5: without an id the transaction could not be named, so it counts as refused.
        if state == _DECLARED and delivery.remote.id is not None:
            self.id = bytes(delivery.remote.id)
            self._report(Outcome.DECLARED, event)
            return
        if state != Delivery.REJECTED:
            log.warning("Unexpected outcome for declare: %s", state)
        self._report(Outcome.DECLARE_FAILED, event)

    def _discharged(self, event: object, delivery: Delivery) -> None:
        # 4.3: a coordinator rejects a discharge that it cannot do; the work is then undone.
        if delivery.remote_state == Delivery.REJECTED:
            if not self.failed:
                self._report(Outcome.COMMIT_FAILED, event)
                self._release_pending()
        elif self.failed:
            self._report(Outcome.ABORTED, event)
            self._release_pending()
        else:
            self._report(Outcome.COMMITTED, event)
            for accepted in self._pending:
                if accepted.settled:  # nothing can be said of it any more: no need to keep it
                    accepted.settle()
        self._pending = []

    def fail(self, event: object) -> None:
        """The control link is gone, and what the coordinator held is rolled back.

        :param event: passed on to the report of the outcome.
        """
        # First, since the reports call the program, which may discharge or accept in them.
        self._lost = True
        if self.id is None:
            self._report(Outcome.DECLARE_FAILED, event)
        elif self._discharge is None or self.failed:
            self._report(Outcome.ABORTED, event)
        else:
            self._report(Outcome.COMMIT_FAILED, event)
        self._release_pending()
        self._pending = []
        # No outcome comes for these any more; settled they are forgotten by their link. One that has not left does not
        # leave, settled, when the link is made again: a coordinator refuses that.
        for delivery in (self._declare, self._discharge):
            if delivery is not None:
                delivery.abort()
        self._declare = self._discharge = None

    def _release_pending(self) -> None:
        for delivery in self._pending:
            _release(delivery)

    @property
    def is_waiting(self) -> bool:
        """True while its declare has not left: it is sent when the link is back."""
        return self._declare is not None and self._declare.pending > 0

    def is_discharge(self, delivery: Delivery) -> bool:
        """Whether a delivery to the coordinator is that of the commit or abort."""
        return delivery is self._discharge

    def _report(self, outcome: Outcome, event: object) -> None:
        """Tells the program what has become of the transaction."""


def _release(delivery: Delivery) -> None:
    delivery.update(Delivery.RELEASED)
    delivery.settle()


_State = TypeVar("_State", bound=TransactionState)


class ControlLink:
    """A link to the coordinator, and its transactions that have no outcome yet.

    :param link: the sender.
    :param context: the connection or session that it is kept for.
    """

    def __init__(self, link: Sender, context: Any) -> None:
        self.link = link
        self.context = context
        self._open: dict[TransactionState, None] = {}  # the oldest first

    @property
    def is_usable(self) -> bool:
        """False once the link or its session has ended, at either end."""
        return not (self.link.state | self.link.session.state) & (LOCAL_CLOSED | REMOTE_CLOSED)

    @property
    def is_busy(self) -> bool:
        """True while a transaction has no outcome."""
        return bool(self._open)

    def add(self, transaction: _State) -> _State:
        """Take in a transaction that was declared over the link."""
        self._open[transaction] = None
        return transaction

    def settled(self, transaction: TransactionState, delivery: Delivery, event: object) -> None:
        """The coordinator has settled a message about a transaction.

        :param delivery: of that message.
        :param event: passed on to the report.
        """
        # Before the outcome is taken, which forgets the delivery.
        ends = transaction.is_discharge(delivery)
        transaction.take_outcome(delivery, event)
        if ends or transaction.id is None:
            self._open.pop(transaction, None)

    def fail_transactions(self, event: object, begun_only: bool = False) -> None:
        """The link has gone: ends its transactions.

        :param event: passed on to the reports.
        :param begun_only: leave those whose declare has not left, because the link will be made again.
        """
        # A list first: entries are deleted, and the reports call the program, which may begin others.
        for transaction in [each for each in self._open if not (begun_only and each.is_waiting)]:
            del self._open[transaction]
            transaction.fail(event)


def control_links(connection: Connection | None, session: Session | None = None) -> list[ControlLink]:
    """The control links of a connection, or of one of its sessions.

    :param session: None for all.
    """
    known: tuple[ControlLink, ...] = () if connection is None else connection._control_links
    return [each for each in known if session is None or each.link.session == session]


def control_link(session: Callable[[], Session], context: Any, set_up: Callable[[ControlLink], None]) -> ControlLink:
    """The control link of a context, made now if there is none.

    :param session: gives the session for a new one when called.
    :param context: the connection or session that the link is kept for.
    :param set_up: called with a new one before its link is opened.
    """
    connection = getattr(context, "connection", None)
    for known in control_links(connection) if connection is not None else ():
        if known.context is context:
            if known.is_usable:
                return known
            known.link.close()  # the peer has closed it: its name is to be free before there is another
    link = session().sender("txn-ctrl")
    link.target.type = Terminus.COORDINATOR
    # 4.5.7: what is wished of the coordinator; transactions over several resources or sessions are not asked for.
    link.target.capabilities.put_object(symbol("amqp:local-transactions"))
    made = ControlLink(link, context)
    # Before the open, whose events the handler has to see.
    set_up(made)
    link.open()
    connection = link.connection
    # Those with an open transaction stay until it has an outcome.
    connection._control_links = (*(each for each in control_links(connection) if each.is_busy), made)
    return made


def fail_transactions(event: Any, session: Any = None, connection: Any = None) -> None:
    """Tell of the transactions whose control links are gone with a session, or a connection, for good.

    :param event: what has happened.
    :param session: the session that is over; None for the whole connection.
    :param connection: the connection, where the event has none any more.
    """
    for control in control_links(connection or event.connection, session):
        control.fail_transactions(event)


def fail_begun_transactions(event: Any, session: Any = None) -> None:
    """Tell at the loss of a connection or session, which will be made again, of the transactions that have begun on it.

    :param event: the loss; its connection still has the transport.
    :param session: the session that is lost; None for the whole connection.
    """
    for control in control_links(event.connection, session):
        control.fail_transactions(event, begun_only=True)
