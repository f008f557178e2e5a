"""Transactions whose control link goes: refused, closed, detached, with its session, or lost with the connection.

Whatever happens, each transaction ends with exactly one callback, and what was accepted in it is given back.
"""

from __future__ import annotations

import pytest

from proton import Condition, DeclaredDisposition, Delivery, Described, Endpoint, Message, ProtonException, Terminus
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container
from tests.support.loops import watchdog

GONE = Condition("amqp:transaction:rollback", "gone")


class Coordinator(MessagingHandler):
    """Acts on control messages as `script` says, one word for each; after that it is a good coordinator."""

    def __init__(self, *script, refuse=False):
        super().__init__(prefetch=10, auto_accept=False)
        self.script = list(script)
        self.refuse = refuse
        self.control_links = 0
        self.known = set()
        self.given_back = []

    def on_link_remote_open(self, event):
        link = event.link
        if link.state & Endpoint.LOCAL_UNINIT:
            link.source.copy(link.remote_source)
            link.target.copy(link.remote_target)
            link.open()
            if link.remote_target.type == Terminus.COORDINATOR:
                self.control_links += 1
                if self.refuse:
                    link.condition = Condition("amqp:not-implemented", "no transactions here")
                    link.close()

    def on_sendable(self, event):
        if not event.link.queued and not event.link.unsettled:
            event.sender.send(Message(body="to be received"))

    def on_released(self, event):
        self.given_back.append(event.delivery.tag)

    def on_message(self, event):
        if event.link.remote_target.type == Terminus.COORDINATOR:
            getattr(self, self.script.pop(0) if self.script else "answer")(event)

    def answer(self, event):
        delivery, body = event.delivery, event.message.body
        assert isinstance(body, Described)
        if str(body.descriptor) == "amqp:declare:list":
            delivery.update(DeclaredDisposition(b"txn-%d" % len(self.known)))
            self.known.add(b"txn-%d" % len(self.known))
        elif body.value[0] in self.known:
            delivery.update(Delivery.ACCEPTED)
        else:
            delivery.local.condition = Condition("amqp:transaction:unknown-id")
            delivery.update(Delivery.REJECTED)
        delivery.settle()

    def close(self, event):
        event.link.condition = GONE
        event.link.close()

    def close_without_condition(self, event):
        event.link.close()

    def detach(self, event):
        event.link.detach()

    def drop(self, event):
        self.known.clear()
        event.transport.close_head()
        event.transport.close_tail()

    def end_session(self, event):
        event.session.condition = GONE
        event.session.close()

    def end_session_without_condition(self, event):
        event.session.close()

    def close_connection(self, event):
        event.connection.condition = GONE
        event.connection.close()

    def answer_and_drop(self, event):
        self.answer(event)
        self.drop(event)


class Program(MessagingHandler, TransactionHandler):
    """Works in one transaction after the other until `rounds` have ended; `told` has all that it hears of them."""

    end_with = "commit"

    def __init__(self, coordinator, rounds=1, reconnect=False):
        super().__init__(prefetch=0, auto_accept=False)
        self.coordinator = coordinator
        self.rounds = rounds
        self.reconnect = reconnect
        self.told = []
        self.errors = []
        self.accepted = []

    def on_start(self, event):
        self.container = event.container
        self.acceptor = event.container.acceptor("127.0.0.1", 0, self.coordinator)
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=self.reconnect)
        self.declare()

    def declare(self):
        self.transaction = self.container.declare_transaction(self.connection, self)

    def on_link_error(self, event):
        self.errors.append(event.link.remote_condition.name)

    def on_transaction_declared(self, event):
        self.told.append("declared")
        self.work(event.transaction)

    def work(self, transaction):
        getattr(transaction, self.end_with)()

    def ended(self, name, event):
        self.told.append(name)
        assert event.transaction is self.transaction
        self.rounds -= 1
        if self.rounds:
            self.declare()
        else:
            self.connection.close()
            self.acceptor.close()

    def on_transaction_committed(self, event):
        self.ended("committed", event)

    def on_transaction_aborted(self, event):
        self.ended("aborted", event)

    def on_transaction_declare_failed(self, event):
        self.ended("declare failed", event)

    def on_transaction_commit_failed(self, event):
        self.ended("commit failed", event)


def run(program):
    container = Container(program)
    with watchdog(container):
        container.run()
    return program.told


def test_a_coordinator_that_is_refused():
    program = Program(Coordinator(refuse=True))
    assert run(program) == ["declare failed"]
    assert program.errors == ["amqp:not-implemented"]


@pytest.mark.parametrize("how", ["close", "close_without_condition", "detach"])
def test_a_link_that_goes_instead_of_an_answer_to_a_declare(how):
    program = Program(Coordinator(how))
    assert run(program) == ["declare failed"]
    assert program.errors == ["amqp:transaction:rollback"] * (how == "close")


@pytest.mark.parametrize("how", ["close", "close_without_condition", "detach"])
@pytest.mark.parametrize(("end_with", "told"), [("commit", "commit failed"), ("abort", "aborted")])
def test_a_link_that_goes_instead_of_an_answer_to_a_discharge(how, end_with, told):
    program = Program(Coordinator("answer", how))
    program.end_with = end_with
    assert run(program) == ["declared", told]


@pytest.mark.parametrize("how", ["close", "close_without_condition", "detach"])
def test_another_declare_gets_another_link_at_once(how):
    # Declared in the callback of the loss, when the old link of that name is not yet closed at this end.
    coordinator = Coordinator("answer", how)
    program = Program(coordinator, rounds=3)
    assert run(program) == ["declared", "commit failed", "declared", "committed", "declared", "committed"]
    assert coordinator.control_links == 2


LOSSES = ["drop", "end_session", "close_connection"]


@pytest.mark.parametrize("how", LOSSES)
def test_a_declare_whose_session_or_connection_goes_for_good(how):
    assert run(Program(Coordinator(how))) == ["declare failed"]


@pytest.mark.parametrize("how", LOSSES)
@pytest.mark.parametrize(("end_with", "told"), [("commit", "commit failed"), ("abort", "aborted")])
def test_a_discharge_whose_session_or_connection_goes_for_good(how, end_with, told):
    program = Program(Coordinator("answer", how))
    program.end_with = end_with
    assert run(program) == ["declared", told]


def test_another_declare_after_the_session_has_gone():
    program = Program(Coordinator("answer", "end_session_without_condition"), rounds=2)
    assert run(program) == ["declared", "commit failed", "declared", "committed"]


class Early(Program):
    """Works in its transaction before it is declared."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.refused = []

    def on_start(self, event):
        super().on_start(event)
        sender = event.container.create_sender(self.connection, "queue")
        for work in (self.transaction.commit, self.transaction.abort, lambda: self.transaction.send(sender, Message())):
            with pytest.raises(ProtonException, match="expected a declared transaction") as caught:
                work()
            self.refused.append(caught)
        assert sender.queued == 0 and self.transaction.failed is False


def test_work_before_it_is_declared_is_refused():
    program = Early(Coordinator())
    assert run(program) == ["declared", "committed"] and len(program.refused) == 3


class Holding(Program):
    """Accepts a message in its transaction and then waits."""

    def work(self, transaction):
        self.receiver = self.container.create_receiver(self.connection, "queue")
        self.receiver.flow(1)

    def on_message(self, event):
        self.transaction.accept(event.delivery)
        self.accepted.append(event.delivery)
        self.then(event)

    def then(self, event):
        self.container.create_sender(self.connection, "please close")


class Closing(Coordinator):
    """Closes the control links when the test asks for it."""

    def on_link_remote_open(self, event):
        super().on_link_remote_open(event)
        if event.link.remote_target.address == "please close":
            link = event.connection.link_head(0)
            while link is not None:
                if link.remote_target.type == Terminus.COORDINATOR:
                    link.close()
                link = link.next(0)


def test_a_link_that_goes_while_there_is_nothing_to_answer():
    coordinator = Closing()
    program = Holding(coordinator)
    assert run(program) == ["declared", "aborted"]
    assert program.receiver.unsettled == 0
    assert program.accepted[0].local_state == Delivery.RELEASED


def test_work_after_the_loss_is_given_back_and_a_discharge_does_nothing():
    class Late(Holding):
        def ended(self, name, event):
            self.told.append(name)
            self.container.create_receiver(self.connection, "another", handler=self.Other(self))

        class Other(MessagingHandler):
            def __init__(self, program):
                super().__init__(auto_accept=False)
                self.program = program

            def on_message(self, event):
                program = self.program
                program.transaction.accept(event.delivery)
                program.late = event.delivery
                program.transaction.commit()
                program.connection.close()
                program.acceptor.close()

    program = Late(Closing())
    assert run(program) == ["declared", "aborted"]
    assert program.late.local_state == Delivery.RELEASED
    assert program.late.link.unsettled == 0


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (("drop",), ["declare failed", "declared", "committed"]),
        (("answer", "drop"), ["declared", "commit failed", "declared", "committed"]),
        (("answer", "answer_and_drop"), ["declared", "commit failed", "declared", "committed"]),
    ],
    ids=["declare", "discharge", "answer lost"],
)
def test_a_connection_that_is_lost_and_made_again(script, told):
    program = Program(Coordinator(*script), rounds=2, reconnect=[0, 0, 0.01])
    assert run(program) == told


@pytest.mark.parametrize(
    ("script", "told"),
    [(("drop",), "declare failed"), (("answer", "drop"), "commit failed")],
    ids=["declare", "commit"],
)
def test_loss_of_the_connection_is_told_before_it_is_made_again(script, told):
    """It may not be made again for long, or never."""

    class Waiting(Program):
        def ended(self, name, event):
            self.down = event.connection.connected
            self.told.append(name)
            self.connection.close()
            self.acceptor.close()

    program = Waiting(Coordinator(*script), reconnect=[1000] * 9)
    assert run(program)[-1] == told
    assert program.down is False


def test_a_connection_lost_with_messages_accepted():
    class Dropped(Holding):
        def then(self, event):
            self.transaction.commit()

        def work(self, transaction):
            if self.rounds == 2:
                super().work(transaction)
            else:
                self.receiver.flow(1)

    coordinator = Coordinator("answer", "drop")
    program = Dropped(coordinator, rounds=2, reconnect=[0, 0, 0.01])
    assert run(program)[:2] == ["declared", "commit failed"]
    assert program.told[-1] == "committed"
    assert program.accepted[0].local_state == Delivery.RELEASED
    # The release concerned the old transport: nothing was said about deliveries of the new one.
    assert coordinator.given_back == []


def test_a_declare_that_waits_for_the_connection_is_declared_when_there_is_one():
    class Early(Program):
        def on_start(self, event):
            super().on_start(event)
            self.others = [event.container.declare_transaction(self.connection) for _ in range(3)]

    program = Early(Coordinator())
    assert run(program) == ["declared", "committed"]
    assert [transaction.id for transaction in program.others] == [b"txn-1", b"txn-2", b"txn-3"]


def test_deliveries_that_the_peer_has_settled_are_not_kept_after_a_commit():
    class Settling(Coordinator):
        def on_delivery(self, event):
            if event.link.is_sender and event.delivery.updated:
                event.delivery.settle()

    class Accepting(Holding):
        def then(self, event):
            # After a round trip, so that the settlement has come.
            session = self.connection.session()
            session.open()

        def on_session_opened(self, event):
            if self.accepted:
                self.transaction.commit()

    program = Accepting(Settling())
    assert run(program) == ["declared", "committed"]
    assert program.receiver.unsettled == 0
