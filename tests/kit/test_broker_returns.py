"""The broker for tests: what becomes of messages that a client gives back, or leaves behind."""

from __future__ import annotations

import threading

import pytest

from proton import Delivery, Message
from proton.utils import BlockingConnection
from tests.support.client import Client
from tests.support.kit import BROKERS


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def kind(request):
    return request.param


def ids(messages):
    return [message.id for message in messages]


def release(client, receiver):
    client.answer(receiver, lambda delivery: (delivery.update(Delivery.RELEASED), delivery.settle()))


def close(client, receiver):
    client.close_link(receiver)


def lose(client, receiver):
    client.drop()


@pytest.mark.parametrize("give_back", [release, close, lose])
def test_a_message_that_became_too_old_while_it_was_held_is_not_taken_back(kind, give_back):
    with kind() as broker, Client(broker.url) as client:
        broker.put("q", Message(id=1, ttl=1), Message(id=2, ttl=1000))
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        broker.advance(5)
        give_back(client, receiver)
        broker.wait_for(lambda seen: seen.outcomes or seen.ends)
        assert ids(broker.messages("q")) == [2]


def test_a_message_that_was_held_expires_in_its_time(kind):
    with kind() as broker, Client(broker.url) as client:
        broker.put("q", Message(id=1, ttl=1000), Message(id=2, ttl=100))
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        broker.advance(200)  # the second one expires, and with it goes what is known of the first
        assert broker.messages("q") == []
        release(client, receiver)
        broker.advance(600)
        assert ids(broker.messages("q")) == [1]
        broker.advance(200)
        assert broker.messages("q") == []


def test_a_message_that_was_given_back_often_expires_in_its_time(kind):
    with kind() as broker, Client(broker.url) as client:
        broker.put("q", Message(id=1, ttl=1000))
        receiver = client.receiver("q")
        for _ in range(300):
            receiver.flow(1)
            client.until(lambda: client.of(receiver), "the message")
            release(client, receiver)
        broker.advance(800)
        assert ids(broker.messages("q")) == [1]
        broker.advance(200)
        assert broker.messages("q") == []


def end_session(client, receiver):
    receiver.session.close()
    client.round_trip()


def end_connection(client, receiver):
    client.close()


def detach(client, receiver):
    receiver.detach()
    client.round_trip()


def fail(client, receiver):
    def answer(delivery):
        delivery.local.failed = True
        delivery.update(Delivery.MODIFIED)
        delivery.settle()

    client.answer(receiver, answer)


#: how a client gives a message back, and whether its delivery counts as failed
ENDS = {
    "released": (release, 0),
    "modified as failed": (fail, 1),
    "the link closed": (close, 0),
    "the link detached": (detach, 0),
    "the session ended": (end_session, 0),
    "the connection closed": (end_connection, 0),
    "the connection lost": (lose, 1),
}


@pytest.mark.parametrize(("give_back", "failures"), ENDS.values(), ids=ENDS)
def test_losses_and_what_clients_say_count_as_failed_deliveries(kind, give_back, failures):
    with kind() as broker, Client(broker.url) as client:
        broker.put("q", Message(id=1))
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        give_back(client, receiver)
        (message,) = broker.wait_for_messages("q")
        assert message.delivery_count == failures


#: what the broker itself does to a client that holds a message
FAULTS = {
    "detach": (lambda broker: broker.detach("q"), 0),
    "end": (lambda broker: broker.end_sessions(), 0),
    "close": (lambda broker: broker.close_connections(), 0),
    "cut": (lambda broker: broker.cut(), 1),
    "kill": (lambda broker: broker.kill(), 1),
    "stop": (lambda broker: broker.stop(), 0),
}


@pytest.mark.parametrize(("fault", "failures"), FAULTS.values(), ids=FAULTS)
def test_a_fault_counts_as_a_failed_delivery_if_the_connection_is_lost(kind, fault, failures):
    with kind() as broker:
        client = Client(broker.url)
        broker.put("q", Message(id=1))
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        thread = threading.Thread(target=client.run_to_its_end)
        thread.start()
        fault(broker)
        (message,) = broker.wait_for_messages("q")
        assert message.delivery_count == failures
        if broker.running:
            broker.cut()
        thread.join()


def test_messages_that_a_client_never_looked_at_are_not_dead_letters(kind):
    with kind(max_deliveries=2, dead_letters="dead") as broker:
        broker.put("q", *(Message(id=number) for number in range(5)))
        for _ in range(3):
            with BlockingConnection(broker.url) as connection:
                receiver = connection.create_receiver("q", credit=10)
                receiver.receive(timeout=10)
                receiver.accept()
        assert ids(broker.wait_for_messages("q", 2)) == [3, 4]
        assert broker.messages("dead") == []
