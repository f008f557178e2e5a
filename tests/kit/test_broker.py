"""The broker for tests: what it does when nothing is wrong, its stop and start, and what it records."""

from __future__ import annotations

import contextlib
import socket

import pytest

from proton import ConnectionException, Delivery, Message, Timeout
from proton.reactor import AtMostOnce, DynamicNodeProperties
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.client import Client
from tests.support.kit import BROKERS

SHORT = 0.2


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def broker(request):
    with request.param() as made:
        yield made


@pytest.fixture
def client(broker):
    with Client(broker.url, container_id="tester") as made:
        yield made


def settle(state):
    def answer(delivery):
        delivery.update(state)
        delivery.settle()

    return answer


def ids(messages):
    return [message.id for message in messages]


def test_messages_are_queued_and_given_out_in_order(broker, client):
    assert client.send(client.sender("q"), *(Message(id=n) for n in range(5))) == ["accepted"] * 5
    assert ids(broker.messages("q")) == [0, 1, 2, 3, 4]
    receiver = client.receiver("q", credit=3)
    client.bodies(receiver, 3)
    assert [message.id for message, _ in client.of(receiver)] == [0, 1, 2]
    assert ids(broker.messages("q")) == [3, 4]


def test_messages_that_the_test_puts_are_given_out(broker, client):
    receiver = client.receiver("q", credit=10)
    broker.put("q", Message(body="a"), Message(body="b"))
    assert client.bodies(receiver, 2) == ["a", "b"]


def test_consumers_get_messages_in_turn_as_far_as_their_credit_goes(broker, client):
    first, second = client.receiver("q", credit=10), client.receiver("q", credit=2)
    broker.put("q", *(Message(body=n) for n in range(6)))
    assert client.bodies(first, 4) == [0, 2, 4, 5]
    assert client.bodies(second, 2) == [1, 3]


@pytest.mark.parametrize(
    ("state", "left", "count"),
    [
        (Delivery.ACCEPTED, [2], 0),
        (Delivery.REJECTED, [2], 0),
        (Delivery.RELEASED, [1, 2], 0),
        (Delivery.MODIFIED, [1, 2], 0),
    ],
    ids=["accepted", "rejected", "released", "modified"],
)
def test_an_outcome_decides_whether_a_message_comes_back(broker, client, state, left, count):
    broker.put("q", Message(id=1), Message(id=2))
    receiver = client.receiver("q", credit=1)
    client.bodies(receiver, 1)
    client.answer(receiver, settle(state))
    assert ids(broker.messages("q")) == left
    (outcome,) = broker.seen.outcomes
    assert (outcome.address, outcome.id, outcome.state, outcome.settled) == ("q", 1, state.name, True)


def test_what_a_lost_client_has_not_settled_comes_back_at_its_old_place(broker):
    broker.put("q", Message(id=1), Message(id=2))
    with Client(broker.url) as client:
        client.bodies(client.receiver("q", credit=1), 1)
        assert ids(broker.messages("q")) == [2]
        client.drop()
    broker.wait_for(lambda seen: any(end.kind == "loss" for end in seen.ends), "loss")
    (first, second) = broker.messages("q")
    assert (first.id, second.id) == (1, 2)
    with contextlib.closing(BlockingConnection(broker.url)) as connection:
        message = connection.create_receiver("q").receive(timeout=5)
        assert (message.id, message.delivery_count, message.first_acquirer) == (1, 1, False)


def test_settled_messages_leave_nothing_unsettled(broker, client):
    broker.put("q", Message(body=1))
    receiver = client.receiver("q", credit=5, options=AtMostOnce())
    assert client.bodies(receiver, 1) == [1]
    client.close_link(receiver)
    assert broker.messages("q") == []


def test_a_relay_sends_each_message_to_its_own_address(broker, client):
    client.send(client.sender(None), Message(address="a", id=1), Message(address="b", id=2))
    assert (ids(broker.messages("a")), ids(broker.messages("b"))) == ([1], [2])


def test_dynamic_nodes_have_addresses(broker, client):
    receiver = client.receiver(None, credit=1, dynamic=True, options=DynamicNodeProperties({"x": "y"}))
    address = receiver.remote_source.address
    assert address.startswith("dynamic/")
    client.send(client.sender(address), Message(body="to you"))
    assert client.bodies(receiver, 1) == ["to you"]


def test_a_receiver_without_messages_is_drained(broker, client):
    receiver = client.receiver("q")
    receiver.drain(7)
    client.until(lambda: receiver.credit == 0, "drained credit")


def test_credit_is_what_the_test_says(broker, client):
    broker.set_credit(0)
    sender = client.sender("q")
    client.round_trip()
    assert sender.credit == 0
    broker.set_credit(3)
    client.until(lambda: sender.credit == 3, "credit")


def test_what_clients_did_is_recorded(broker):
    with Client(broker.url, container_id="tester") as client:
        client.send(client.sender("q", name="to-q"), Message(id=1, body="x"))
        client.close_link(client.receiver("q", name="from-q"))
    seen = broker.seen
    (connection,) = seen.connections
    assert (connection.number, connection.container_id, connection.hostname) == (0, "tester", "127.0.0.1")
    assert [(link.name, link.role, link.address, link.refused) for link in seen.links] == [
        ("to-q", "sender", "q", False),
        ("from-q", "receiver", "q", False),
    ]
    (message,) = seen.messages
    assert (message.address, message.message.body, message.answer, message.settled) == ("q", "x", "accepted", False)
    assert [(end.kind, end.name) for end in seen.ends] == [
        ("link", "from-q"),
        ("connection", None),
    ]
    broker.forget()
    assert (seen.connections, seen.links, seen.messages, seen.ends) == ([], [], [], [])


@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_a_user_is_recorded(kind):
    with kind(credentials={"fred": "pencil"}, allow_insecure_mechs=True) as broker:
        connection = BlockingConnection(broker.url, user="fred", password="pencil", allow_insecure_mechs=True)
        connection.close()
        with pytest.raises(ConnectionException, match="unauthorized"):
            BlockingConnection(broker.url, user="fred", password="wrong", allow_insecure_mechs=True)
        assert [seen.user for seen in broker.seen.connections] == ["fred"]


@pytest.mark.parametrize("empty", [False, True], ids=["with its messages", "empty"])
def test_a_stopped_broker_starts_again_on_the_same_port(broker, empty):
    url = broker.url
    broker.put("q", Message(body="kept"))
    broker.stop()
    with pytest.raises(ConnectionException):
        BlockingConnection(url, timeout=1, reconnect=False)
    broker.start(empty=empty)
    assert broker.url == url
    with contextlib.closing(BlockingConnection(url)) as connection:
        receiver = connection.create_receiver("q")
        if empty:
            with pytest.raises(Timeout):
                receiver.receive(timeout=SHORT)
        else:
            assert receiver.receive(timeout=5).body == "kept"


def test_a_broker_that_does_not_run_can_be_filled(broker):
    broker.stop()
    broker.put("q", Message(id=7))
    assert ids(broker.messages("q")) == [7]
    assert not broker.running
    with pytest.raises(RuntimeError, match="does not run"):
        broker.cut()
    with pytest.raises(RuntimeError, match="does not run"):
        broker.stop()
    broker.start()
    with pytest.raises(RuntimeError, match="runs already"):
        broker.start()


def test_a_port_in_use_is_an_error(broker):
    with pytest.raises(OSError, match=r"(?i)in use"):
        Broker(port=broker.port).start()


def test_a_wait_says_what_it_waited_for(broker):
    with pytest.raises(TimeoutError, match=r"expected second client within 0.01 s, got Seen\(0 connections"):
        broker.wait_for(lambda seen: len(seen.connections) == 2, "second client", seconds=0.01)


@pytest.mark.parametrize("sent", [b"", b"AMQP\0\1\0\0"], ids=["nothing", "a header"])
def test_a_client_that_has_not_opened_its_connection_does_not_keep_the_broker(broker, sent):
    with socket.create_connection(("127.0.0.1", broker.port)) as client:
        client.sendall(sent)
        client.settimeout(20)
        received = client.recv(100) if sent else b""
        broker.stop()
        assert not broker.running
        with contextlib.suppress(ConnectionError):  # a reset is an end, too
            received += client.recv(100)
        assert received in (b"", b"AMQP\0\1\0\0")
