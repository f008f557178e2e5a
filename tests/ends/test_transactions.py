"""Transactions of a lost connection are told at the loss, not when a reconnect succeeds (4.2, 4.3)."""

import pytest

from tests.support.engines import frame, state
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
