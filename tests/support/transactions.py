"""A stepped client that works in transactions, and the control messages that a well-behaved one would not send.

An editor must keep: only what both engines know is used, so that a test may look at the same things on either.
"""

from __future__ import annotations

from proton import Delivery, Described, Endpoint, Message, Terminus, symbol
from proton.handlers import TransactionHandler
from tests.support.client import Client


class TransactionalClient(Client, TransactionHandler):
    """`told` are pairs of a transaction and the name of its callback; `states` the last states of what was sent."""

    def __init__(self, url):
        self.told = []
        self.states = {}
        super().__init__(url)

    def declare(self, context=None, **settings):
        """A transaction that was declared."""
        transaction = self.container.declare_transaction(context or self.connection, self, **settings)
        assert self.result(transaction) == "declared"
        return transaction

    def result(self, transaction):
        """Waits for the next news of a transaction."""
        self.until(lambda: any(known is transaction for known, _ in self.told), "news of the transaction")
        found = next(entry for entry in self.told if entry[0] is transaction)
        self.told.remove(found)
        return found[1]

    def commit(self, transaction):
        transaction.commit()
        return self._discharged(transaction)

    def abort(self, transaction):
        transaction.abort()
        return self._discharged(transaction)

    def _discharged(self, transaction):
        result = self.result(transaction)
        self.round_trip()  # what was given back after the callback has arrived
        return result

    def post(self, transaction, sender, *messages):
        """Sends messages in a transaction; what the peer has said of each in the end."""
        self.until(lambda: sender.credit >= len(messages), "credit")
        deliveries = [transaction.send(sender, message) for message in messages]
        self.until(lambda: all(delivery in self.states for delivery in deliveries), "states")
        return [self.states[delivery] for delivery in deliveries]

    def accept_all(self, transaction, receiver):
        self.answer(receiver, transaction.accept)

    def on_settled(self, event):
        remote = event.delivery.remote
        outcome = getattr(remote, "outcome_type", 0)
        self.states[event.delivery] = (int(remote.type), remote.id, int(outcome))

    def on_transaction_declared(self, event):
        self.told.append((event.transaction, "declared"))

    def on_transaction_committed(self, event):
        self.told.append((event.transaction, "committed"))

    def on_transaction_aborted(self, event):
        self.told.append((event.transaction, "aborted"))

    def on_transaction_declare_failed(self, event):
        self.told.append((event.transaction, "declare failed"))

    def on_transaction_commit_failed(self, event):
        self.told.append((event.transaction, "commit failed"))


def coordinator(client, name="coordinator", **modes):
    """An open control link of one's own."""
    session = client.connection.session()
    session.open()
    link = session.sender(name)
    link.target.type = Terminus.COORDINATOR
    for mode, value in modes.items():
        setattr(link, mode, value)
    link.open()
    client.until(lambda: link.state & Endpoint.REMOTE_ACTIVE and link.credit, "the control link has credit")
    return link


def command(client, link, body):
    """What the coordinator answers to a control message: the state's name, and the condition of a rejection."""
    delivery = link.send(Message(body=body))
    client.until(lambda: delivery.settled or link.state & Endpoint.REMOTE_CLOSED, "an answer")
    if link.state & Endpoint.REMOTE_CLOSED:
        return ("closed", link.remote_condition.name)
    if delivery.remote_state == Delivery.REJECTED:
        return ("rejected", delivery.remote.condition.name)
    return (delivery.remote_state.name.lower(), None)


def discharge(txn_id, failed=False):
    return Described(symbol("amqp:discharge:list"), [txn_id, failed])
