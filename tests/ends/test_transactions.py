"""Transactions of a lost connection are told at the loss, not when a reconnect succeeds (4.2, 4.3)."""

import pytest

from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container
from tests.reactor.test_transaction_losses import Coordinator
from tests.support.engines import frame, state
from tests.support.loops import watchdog
from tests.support.stage import Stage, begin


@pytest.mark.parametrize("reconnect", [False, [100.0]], ids=["no reconnect", "reconnect later"])
@pytest.mark.parametrize("what", ["declare", "discharge", "declared"])
def test_a_transaction_of_a_lost_connection_is_told_at_the_loss(reconnect, what):
    with Stage(reconnect=reconnect).open() as stage:
        transaction = stage.container.declare_transaction(stage.connection, stage.handler)
        stage.settle()
        (asked,) = (part for part in stage.written() if part.name == "attach")
        coordinator = frame(
            0, "attach", name=asked["name"], handle=0, role=True, source=asked["source"], target=asked["target"]
        )
        window = {"next_incoming_id": 0, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9}
        stage.send(begin(), coordinator, frame(0, "flow", handle=0, delivery_count=0, link_credit=9, **window))
        if what != "declare":
            declared = state(0x33, b"tx")
            stage.send(frame(0, "disposition", role=True, first=0, settled=True, state=declared))
        if what == "discharge":
            transaction.commit()
        stage.forget()
        stage.socket.close()
        for _ in range(60):
            stage.turn()
        expected = {
            "declare": "transaction_declare_failed",
            "declared": "transaction_aborted",
            "discharge": "transaction_commit_failed",
        }
        assert stage.told("transaction") == [expected[what]]


class Accepting(MessagingHandler, TransactionHandler):
    """Declares a transaction on the connection that it has accepted; `client` is the coordinator, and drops it."""

    def __init__(self, client, discharge):
        super().__init__()
        self.client, self.discharge = client, discharge
        self.told = []

    def on_start(self, event):
        self.acceptor = event.container.acceptor("127.0.0.1", 0, self)
        event.container.connect(f"127.0.0.1:{self.acceptor.port}", handler=self.client, reconnect=False)

    def on_connection_opened(self, event):
        event.container.declare_transaction(event.connection, self)

    def on_transaction_declared(self, event):
        getattr(event.transaction, self.discharge)()

    def told_of(self, name):
        self.told.append(name)
        self.acceptor.close()

    def on_transaction_declare_failed(self, event):
        self.told_of("declare failed")

    def on_transaction_aborted(self, event):
        self.told_of("aborted")

    def on_transaction_commit_failed(self, event):
        self.told_of("commit failed")


@pytest.mark.parametrize("how", ["drop", "close_connection", "end_session"])
@pytest.mark.parametrize(
    ("script", "discharge", "told"),
    [((), "commit", "declare failed"), (("answer",), "commit", "commit failed"), (("answer",), "abort", "aborted")],
)
def test_a_transaction_on_an_accepted_connection_is_told_of_its_loss(how, script, discharge, told):
    program = Accepting(Coordinator(*script, how), discharge)
    container = Container(program)
    with watchdog(container):
        container.run()
    assert program.told == [told]
