"""The broker for tests, in a thread and in a loop: transactions. All duties of a coordinator are in tests/examples."""

from __future__ import annotations

import pytest

from proton import Delivery, Message
from tests.support.client import Client
from tests.support.kit import BROKERS
from tests.support.transactions import TransactionalClient


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def broker(request):
    with request.param(dead_letters="dead") as made:
        yield made


@pytest.fixture
def client(broker):
    with TransactionalClient(broker.url) as made:
        yield made


def bodies(messages):
    return [message.body for message in messages]


@pytest.mark.parametrize(("end", "left"), [("commit", [1, 2]), ("abort", [])])
def test_messages_are_sent_in_a_transaction(broker, client, end, left):
    receiver = client.receiver("q", credit=5)
    transaction = client.declare()
    client.post(transaction, client.sender("q"), Message(body=1), Message(body=2))
    assert (broker.messages("q"), client.of(receiver)) == ([], [])
    getattr(client, end)(transaction)
    assert client.bodies(receiver, len(left)) == left
    assert [record.answer for record in broker.seen.messages] == ["accepted"] * 2


@pytest.mark.parametrize(
    ("end", "state", "left"),
    [
        ("commit", Delivery.ACCEPTED, ([], [])),
        ("abort", Delivery.ACCEPTED, ([1], [])),
        ("commit", Delivery.REJECTED, ([], [1])),
        ("commit", Delivery.RELEASED, ([1], [])),
    ],
)
def test_messages_are_answered_in_a_transaction(broker, client, end, state, left):
    broker.put("q", Message(body=1))
    receiver = client.receiver("q", credit=1)
    client.bodies(receiver, 1)
    transaction = client.declare()
    client.answer(receiver, lambda delivery: transaction.update(delivery, state))
    assert (broker.messages("q"), broker.messages("dead")) == ([], [])
    getattr(client, end)(transaction)
    client.close_link(receiver)
    assert (bodies(broker.messages("q")), bodies(broker.messages("dead"))) == left
    assert broker.seen.outcomes[0].transaction == transaction.id
    assert broker.seen.outcomes[0].state == state.name


def test_a_message_that_is_rejected_on_demand_spoils_its_transaction(broker, client):
    broker.answer_next("rejected", "app:bad", when=lambda message: message.body == "bad")
    transaction = client.declare()
    states = client.post(transaction, client.sender("q"), Message(body="good"), Message(body="bad"))
    assert states[1][2] == 0 and states[1][0] == Delivery.REJECTED
    transaction.commit()
    assert client.result(transaction) == "commit failed"
    assert broker.messages("q") == []


def test_what_is_delayed_in_a_transaction_waits_after_its_commit(broker, client):
    transaction = client.declare()
    client.post(transaction, client.sender("q"), Message(body=1, annotations={"x-opt-delivery-delay": 5000}))
    assert broker.scheduled("q") == []
    client.commit(transaction)
    assert bodies(broker.scheduled("q")) == [1]
    broker.advance(5)
    assert bodies(broker.messages("q")) == [1]


def test_a_transaction_goes_with_its_client(broker):
    broker.put("q", Message(body=1))
    client = TransactionalClient(broker.url)
    receiver = client.receiver("q", credit=1)
    client.bodies(receiver, 1)
    transaction = client.declare()
    client.post(transaction, client.sender("q"), Message(body=2))
    client.answer(receiver, transaction.accept)
    client.drop()
    with Client(broker.url) as other:
        assert other.bodies(other.receiver("q", credit=5), 1) == [1]
