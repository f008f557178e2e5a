"""The broker for tests: what becomes of messages that a client gives back, or leaves behind."""

from __future__ import annotations

import pytest

from proton import Delivery, Message
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
        broker.put("q", Message(id=1, ttl=10), Message(id=2, ttl=1))
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        broker.advance(2)  # the second one expires, and with it goes what is known of the first
        assert broker.messages("q") == []
        release(client, receiver)
        broker.advance(7.5)
        assert ids(broker.messages("q")) == [1]
        broker.advance(0.5)
        assert broker.messages("q") == []


def test_a_message_that_was_given_back_often_expires_in_its_time(kind):
    with kind() as broker, Client(broker.url) as client:
        broker.put("q", Message(id=1, ttl=100))
        receiver = client.receiver("q")
        for _ in range(300):
            receiver.flow(1)
            client.until(lambda: client.of(receiver), "the message")
            release(client, receiver)
        broker.advance(99.5)
        assert ids(broker.messages("q")) == [1]
        broker.advance(0.5)
        assert broker.messages("q") == []
