"""The coordinator of a broker for tests: local transactions, which hold messages and answers back (4.3, 4.4).

Keep true: a transaction belongs to its connection, and ends with the link that has declared it (4.3).
"""

from __future__ import annotations

import uuid
from typing import Any, Callable, NamedTuple

from proton import UNDESCRIBED, Array, Condition, Data, Delivery, Described, Link, Message, Terminus, symbol, ulong
from proton.testing.consumers import Consumer, Entry
from proton.testing.nodes import Node, Queue

__all__ = ["Coordinator", "Outcome", "Transaction", "state_of"]

#: what the coordinator is capable of (4.5.2)
CAPABILITIES = ("amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn")

#: delivery states, by the number of their descriptor (4.5.5, 4.5.8)
DECLARED, TRANSACTIONAL = 0x33, 0x34

#: the outcomes (3.4), by the name and the number of their descriptor
OUTCOMES: dict[object, Any] = {
    "amqp:accepted:list": Delivery.ACCEPTED,
    "amqp:rejected:list": Delivery.REJECTED,
    "amqp:released:list": Delivery.RELEASED,
    "amqp:modified:list": Delivery.MODIFIED,
}
OUTCOMES.update({int(state): state for state in [*OUTCOMES.values()]})


class Outcome(NamedTuple):
    """What a consumer says of a message.

    :param state: the delivery state.
    :param failed: the delivery counts as failed (3.4.5).
    :param undeliverable: the message is not for this consumer (3.4.5).
    """

    state: Any
    failed: bool
    undeliverable: bool

    @property
    def is_terminal(self) -> bool:
        """True for the four outcomes (3.4)."""
        return self.state in OUTCOMES.values()


class Transaction:
    """What was done in it and is not yet discharged.

    :param link: the link that has declared it.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.messages: list[tuple[Node, Message]] = []
        self.answers: dict[Entry, tuple[Consumer, Delivery, Outcome]] = {}
        #: why it cannot be committed any more
        self.failure: Condition | None = None


class Coordinator:
    """All transactions of a broker.

    :param settle: settles a delivery with a state.
    :param refuse: ends a link with the name of a condition and its description.
    :param retire: does what an outcome says of a message.
    :param dispatch: sends what a queue has.
    """

    def __init__(
        self,
        settle: Callable[[Delivery, Any], object],
        refuse: Callable[[Link, str, str], object],
        retire: Callable[[Entry, Consumer, Outcome], object],
        dispatch: Callable[[Queue], object],
    ) -> None:
        self._settle = settle
        self._refuse = refuse
        self._retire = retire
        self._dispatch = dispatch
        self._transactions: dict[object, Transaction] = {}

    def attach(self, link: Link) -> None:
        """Set up the end of a link to the coordinator (4.2)."""
        link.target.type = Terminus.COORDINATOR
        link.target.capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, CAPABILITIES)))

    def remove_link(self, link: Link) -> list[Queue]:
        """Roll back what a link has declared and not discharged; the queues that have messages again."""
        left = []
        for txn_id, transaction in list(self._transactions.items()):
            if transaction.link is link:
                del self._transactions[txn_id]
                left += self._roll_back(transaction)
        return left

    def find(self, link: Link, txn_id: object) -> Transaction | None:
        """The transaction with an id, which its own connection alone may use, or None."""
        found = self._transactions.get(txn_id)
        return found if found is not None and found.link.connection is link.connection else None

    # -- control -------------------------------------------------------------------------------------------------

    def control(self, link: Link, delivery: Delivery, body: Any) -> None:
        """Do what a client tells the coordinator."""
        command: object = None
        fields: tuple[Any, ...] = ()
        if isinstance(body, Described) and isinstance(body.value, list):
            command, fields = body.descriptor, (*body.value, None, None)
        if delivery.settled:
            # 4.2: the coordinator could not tell what has become of it.
            self._refuse(link, "amqp:illegal-state", "the outcome of a settled message cannot be sent")
        elif command in ("amqp:declare:list", 0x31):
            self._declare(link, delivery, fields[0])
        elif command in ("amqp:discharge:list", 0x32):
            self._discharge(link, delivery, fields[0], bool(fields[1]))
        else:
            self._reject(delivery, Condition("amqp:not-implemented", "expected a declare or a discharge"))

    def _reject(self, delivery: Delivery, condition: Condition) -> None:
        delivery.local.condition = condition
        self._settle(delivery, Delivery.REJECTED)

    def _declare(self, link: Link, delivery: Delivery, global_id: Any) -> None:
        if global_id is not None:
            self._reject(delivery, Condition("amqp:not-implemented", "transactions are local here"))
            return
        txn_id = uuid.uuid4().bytes
        self._transactions[txn_id] = Transaction(link)
        delivery.local.data = [txn_id]
        self._settle(delivery, DECLARED)

    def _discharge(self, link: Link, delivery: Delivery, txn_id: Any, failed: bool) -> None:
        txn_id = bytes(txn_id) if isinstance(txn_id, (bytes, bytearray, memoryview)) else b""
        transaction = self.find(link, txn_id)
        if transaction is None:
            self._reject(delivery, unknown(txn_id))
            return
        del self._transactions[txn_id]
        left: list[Queue] = []
        if failed or transaction.failure is not None:
            left = self._roll_back(transaction)
        else:
            self._commit(transaction)
        if transaction.failure is not None and not failed:
            description = transaction.failure.description
            self._reject(delivery, Condition("amqp:transaction:rollback", description))
        else:
            self._settle(delivery, Delivery.ACCEPTED)
        for queue in left:
            self._dispatch(queue)

    def _commit(self, transaction: Transaction) -> None:
        for node, message in transaction.messages:
            node.post(message)
        for entry, (consumer, delivery, outcome) in transaction.answers.items():
            entry.transaction = None
            if consumer.unsettled.pop(delivery, None) is not None:
                self._settle(delivery, outcome.state)
            self._retire(entry, consumer, outcome)

    def _roll_back(self, transaction: Transaction) -> list[Queue]:
        """Undo it; the queues that have messages again."""
        left = []
        for entry, (consumer, delivery, _) in transaction.answers.items():
            entry.transaction = None
            if delivery not in consumer.unsettled:  # settled: its consumer cannot answer again
                entry.queue.restore(entry)
                left.append(entry.queue)
        return left

    # -- work ----------------------------------------------------------------------------------------------------

    def post(self, delivery: Delivery, txn_id: Any, node: Node, message: Message) -> Condition | None:
        """Take a message into a transaction, and tell the client (4.4.1); the reason if there is no such one."""
        transaction = self.find(delivery.link, txn_id)
        if transaction is None:
            return unknown(txn_id)
        transaction.messages.append((node, message))
        delivery.local.data = [txn_id, Described(ulong(Delivery.ACCEPTED), [])]
        self._settle(delivery, TRANSACTIONAL)
        return None

    def fail(self, link: Link, txn_id: Any, condition: Condition) -> None:
        """Note that a message of a transaction was not taken: it can only be rolled back (4.4.1)."""
        transaction = self.find(link, txn_id)
        if transaction is not None:
            transaction.failure = condition

    def answer(self, consumer: Consumer, delivery: Delivery, txn_id: Any, outcome: Outcome) -> bool:
        """Note what a consumer says of a message in a transaction (4.4.2), or outside of one.

        :return: True if a transaction holds it back.
        """
        entry = consumer.unsettled[delivery]
        if entry.transaction is not None:  # the client has changed its mind
            del entry.transaction.answers[entry]
        entry.transaction = transaction = self.find(consumer.link, txn_id)
        if transaction is None:
            return False
        transaction.answers[entry] = (consumer, delivery, outcome)
        if delivery.settled:
            del consumer.unsettled[delivery]
            delivery.settle()
        return True


def state_of(delivery: Delivery) -> tuple[Any, Outcome]:
    """What the client says of a delivery: the id of a transaction or None, and an outcome."""
    remote = delivery.remote
    if delivery.remote_state != TRANSACTIONAL:
        failed, undeliverable = bool(remote and remote.failed), bool(remote and remote.undeliverable)
        return None, Outcome(delivery.remote_state, failed, undeliverable)
    fields: list[Any] = [*(remote.data or ()), None, None]
    txn_id, outcome = fields[:2]
    state = OUTCOMES.get(outcome.descriptor, outcome.descriptor) if isinstance(outcome, Described) else 0
    failed, undeliverable = (*(outcome.value if state == Delivery.MODIFIED else ()), False, False)[:2]
    return bytes(txn_id or b""), Outcome(state, bool(failed), bool(undeliverable))


def unknown(txn_id: Any) -> Condition:
    """The condition for a transaction that does not exist."""
    return Condition("amqp:transaction:unknown-id", f"no transaction {txn_id!r}")
