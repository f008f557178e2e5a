"""Transactions, against a coordinator that answers as it is told (4.1 to 4.5, 4.4.1 to 4.4.4, 4.5.8)."""

import logging
import weakref

import pytest

from proton import (
    UNDESCRIBED,
    Array,
    Condition,
    Data,
    DeclaredDisposition,
    Delivery,
    Described,
    Message,
    ProtonException,
    Terminus,
    symbol,
)
from proton.handlers import MessagingHandler, TransactionalClientHandler, TransactionHandler
from proton.reactor import Container
from tests.support.loops import Recorder, watchdog
from tests.support.references import counting, no_collection

TXN_ID = b"txn-1"


class Coordinator(MessagingHandler):
    """Answers control messages with `answers`, one after the other, and takes notes of everything."""

    def __init__(self, *answers):
        super().__init__(auto_accept=False)
        self.answers = list(answers)
        self.control = []
        self.states = []

    def on_link_opening(self, event):
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if link.is_receiver and link.remote_target.type == Terminus.COORDINATOR:
            capabilities = link.remote_target.capabilities
            capabilities.rewind()
            capabilities.next()
            self.capability = capabilities.get_object()

    def on_sendable(self, event):
        if not event.link.queued and not event.link.unsettled:
            event.sender.send(Message(body="to be received"))

    def on_message(self, event):
        body, delivery = event.message.body, event.delivery
        if not isinstance(body, Described):
            self.states.append((int(delivery.remote_state), delivery.remote.id))
            delivery.settle()
            return
        self.control.append((str(body.descriptor), list(body.value)))
        answer = self.answers.pop(0)
        if answer in ("declared", "nameless"):
            delivery.update(DeclaredDisposition(TXN_ID if answer == "declared" else b""))
        elif answer == "rejected":
            delivery.local.condition = Condition("amqp:transaction:rollback")
            delivery.update(Delivery.REJECTED)
        elif answer == "accepted":
            delivery.update(Delivery.ACCEPTED)
        delivery.settle()

    def on_delivery_updated(self, event):
        state = event.delivery.remote
        self.states.append((int(state.type), getattr(state, "id", None), int(getattr(state, "outcome_type", 0))))


class Client(Recorder, TransactionHandler):
    """Does `work` in a transaction; ends with the first outcome."""

    def __init__(self, coordinator, settle_before_discharge=False, handler=True):
        super().__init__(auto_accept=False)
        self.coordinator = coordinator
        self.settle_before_discharge = settle_before_discharge
        self.with_handler = handler
        self.pending = None

    def on_start(self, event):
        container = event.container
        self.acceptor = container.acceptor("127.0.0.1", 0, self.coordinator)
        self.connection = container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
        self.sender = container.create_sender(self.connection, "queue")
        self.transaction = container.declare_transaction(
            self.connection, self if self.with_handler else None, self.settle_before_discharge
        )

    def on_transaction_declared(self, event):
        assert event.transaction is self.transaction
        self.calls.append("declared")
        self.work(event.transaction)

    def work(self, transaction):
        transaction.commit()

    def end(self, name):
        self.calls.append(name)
        self.connection.close()
        self.acceptor.close()

    def on_transaction_committed(self, event):
        self.end("committed")

    def on_transaction_aborted(self, event):
        self.end("aborted")

    def on_transaction_declare_failed(self, event):
        self.end("declare failed")

    def on_transaction_commit_failed(self, event):
        self.end("commit failed")


def outcomes(client):
    container = Container(client)
    with watchdog(container):
        container.run()
    known = ("declared", "committed", "aborted", "declare failed", "commit failed")
    return [call for call in client.calls if call in known]


def test_a_new_transaction_has_no_id():
    client = Client(Coordinator("declared", "accepted"))
    outcomes(client)
    assert client.transaction.id == TXN_ID
    assert client.transaction.failed is False
    assert client.transaction.handler is client


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("declared", "accepted"), ["declared", "committed"]),
        (("declared", "rejected"), ["declared", "commit failed"]),
        (("declared", "settled"), ["declared", "committed"]),
        (("nameless", "accepted"), ["declared", "committed"]),
        (("rejected",), ["declare failed"]),
        (("accepted",), ["declare failed"]),
        (("settled",), ["declare failed"]),
    ],
)
def test_outcomes_of_declare_and_commit(answers, expected):
    assert outcomes(Client(Coordinator(*answers))) == expected


@pytest.mark.parametrize("first", ["commit", "abort"])
@pytest.mark.parametrize("second", ["commit", "abort"])
def test_a_transaction_ends_once(first, second):
    class Twice(Client):
        def work(self, transaction):
            getattr(transaction, first)()
            expected = f"one commit or abort of a transaction, got {second} after {first}"
            with pytest.raises(ProtonException, match=expected):
                getattr(transaction, second)()

    client = Twice(Coordinator("declared", "accepted"))
    assert outcomes(client) == ["declared", "committed" if first == "commit" else "aborted"]
    assert client.transaction.failed is (first == "abort")


def test_a_commit_that_failed_may_be_followed_by_an_abort():
    class Careful(Client):
        def on_transaction_commit_failed(self, event):
            self.calls.append("commit failed")
            event.transaction.abort()

    client = Careful(Coordinator("declared", "rejected", "accepted"))
    assert outcomes(client) == ["declared", "commit failed", "aborted"]


def test_an_unexpected_outcome_is_logged(caplog):
    caplog.set_level(logging.WARNING, "proton")
    outcomes(Client(Coordinator("accepted")))
    assert "Unexpected outcome for declare: " in caplog.text


class Aborting(Client):
    def work(self, transaction):
        transaction.abort()


def test_an_abort_is_reported():
    assert outcomes(Aborting(Coordinator("declared", "accepted"))) == ["declared", "aborted"]


def test_a_rejected_abort_is_not_reported():
    class Following(Coordinator):
        """Sends a message after the outcome, so that the client has seen the outcome when it has that."""

        def on_message(self, event):
            super().on_message(event)
            if len(self.control) == 2:
                self.sender.send(Message(body="after"))

        def on_sendable(self, event):
            self.sender = event.sender

    class Waiting(Aborting):
        def work(self, transaction):
            self.receiver = self.container.create_receiver(self.connection, "queue")

        def on_link_opened(self, event):
            if event.receiver:
                self.transaction.abort()

        def on_start(self, event):
            self.container = event.container
            super().on_start(event)

        def on_message(self, event):
            self.end("told")

    client = Waiting(Following("declared", "rejected"))
    assert outcomes(client) == ["declared"]
    assert client.calls[-1] == "C connection_closed" and "told" in client.calls


def test_what_goes_to_the_coordinator():
    coordinator = Coordinator("declared", "accepted")
    outcomes(Client(coordinator))
    assert coordinator.capability == Array(UNDESCRIBED, Data.SYMBOL, symbol("amqp:local-transactions"))
    assert coordinator.control == [("amqp:declare:list", [None]), ("amqp:discharge:list", [TXN_ID, False])]
    coordinator = Coordinator("declared", "accepted")
    outcomes(Aborting(coordinator))
    assert coordinator.control[1] == ("amqp:discharge:list", [TXN_ID, True])


def test_a_message_is_sent_in_the_transaction():
    class Sending(Client):
        def work(self, transaction):
            self.delivery = transaction.send(self.sender, Message(body="x"), tag="mine")
            transaction.commit()

    coordinator = Coordinator("declared", "accepted")
    client = Sending(coordinator)
    assert outcomes(client) == ["declared", "committed"]
    assert coordinator.states == [(0x34, TXN_ID)]
    assert client.delivery.tag == "mine"


class Receiving(Client):
    discharge_with = False

    def on_transaction_declared(self, event):
        self.calls.append("declared")
        self.receiver = event.container.create_receiver(self.connection, "queue")

    def on_message(self, event):
        self.transaction.accept(event.delivery)
        self.delivery = event.delivery
        self.transaction.discharge(self.discharge_with)


def test_a_message_is_accepted_in_the_transaction():
    coordinator = Coordinator("declared", "accepted")
    client = Receiving(coordinator)
    assert outcomes(client) == ["declared", "committed"]
    assert coordinator.states[0] == (0x34, TXN_ID, int(Delivery.ACCEPTED))
    # Accepted in the transaction, and left unsettled.
    assert client.receiver.unsettled == 1


def test_settling_before_the_discharge():
    client = Receiving(Coordinator("declared", "accepted"), settle_before_discharge=True)
    assert outcomes(client) == ["declared", "committed"]
    assert client.receiver.unsettled == 0


@pytest.mark.parametrize(("answer", "abort"), [("rejected", False), ("accepted", True)])
def test_what_was_accepted_in_vain_is_given_back(answer, abort):
    client = Receiving(Coordinator("declared", answer))
    client.discharge_with = abort
    outcomes(client)
    assert client.receiver.unsettled == 0
    assert client.delivery.local_state == Delivery.RELEASED


def test_an_update_without_a_state_does_nothing():
    class Updating(Receiving):
        def on_message(self, event):
            self.transaction.update(event.delivery)
            self.state = event.delivery.local_state
            super().on_message(event)

    client = Updating(Coordinator("declared", "accepted"))
    outcomes(client)
    assert client.state == 0


def test_one_control_link_serves_a_connection():
    class Twice(Client):
        count = 0

        def on_transaction_committed(self, event):
            self.count += 1
            if self.count == 2:
                self.end("committed")
            else:
                first = self.transaction
                self.transaction = event.container.declare_transaction(self.connection, self)
                assert self.transaction.txn_ctrl is first.txn_ctrl

    coordinator = Coordinator("declared", "accepted", "declared", "accepted")
    client = Twice(coordinator)
    outcomes(client)
    assert client.count == 2
    assert client.transaction.txn_ctrl.name == "txn-ctrl"


def test_the_application_sees_the_control_link_open_but_not_its_credit():
    client = Client(Coordinator("declared", "accepted"))
    outcomes(client)
    assert client.calls.count("C link_opened") == 2
    assert client.calls.count("C sendable") == 1


def test_outcomes_without_a_handler_are_passed_over():
    class Silent(Client):
        def on_start(self, event):
            super().on_start(event)
            event.container.schedule(0.01, self)

        def on_timer_task(self, event):
            # No callback comes when the answer does.
            self.id = self.transaction.id
            if self.id is None:
                event.container.schedule(0.01, self)
            else:
                self.end("ended")

    client = Silent(Coordinator("declared"), handler=False)
    assert outcomes(client) == []
    assert client.id == TXN_ID


def test_a_session_may_be_the_context():
    class InSession(Client):
        def on_start(self, event):
            self.acceptor = event.container.acceptor("127.0.0.1", 0, self.coordinator)
            self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
            self.session = self.connection.session()
            self.session.open()
            self.transaction = event.container.declare_transaction(self.session, self)

    client = InSession(Coordinator("declared", "accepted"))
    assert outcomes(client) == ["declared", "committed"]
    assert client.transaction.txn_ctrl.session is client.session


def test_the_client_handler_accepts_with_and_without_a_transaction():
    calls = []

    class Fake:
        def accept(self, delivery):
            calls.append(("transaction", delivery))

        def update(self, state):
            calls.append(("update", int(state)))

        def settle(self):
            calls.append(("settle",))

    handler = TransactionalClientHandler()
    handler.accept("delivery", Fake())
    handler.accept(Fake())
    assert calls == [("transaction", "delivery"), ("update", int(Delivery.ACCEPTED)), ("settle",)]


@counting
def test_a_transaction_that_is_over_is_freed_without_the_garbage_collector():
    alive = []

    class Many(Client):
        def on_transaction_committed(self, event):
            alive.append(weakref.ref(event.transaction))
            if len(alive) == 5:
                self.end("committed")
            else:
                self.transaction = event.container.declare_transaction(self.connection, self)

        def end(self, name):
            # What the last one needs is still in use.
            self.calls.append(sum(reference() is not None for reference in alive))
            super().end(name)

    client = Many(Coordinator(*["declared", "accepted"] * 5))
    with no_collection():
        outcomes(client)
    assert [call for call in client.calls if isinstance(call, int)] == [1]
