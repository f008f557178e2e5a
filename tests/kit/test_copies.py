"""The broker for tests and its messages: what the test does to one of its own changes none of the broker's."""

from __future__ import annotations

import copy

import pytest

from proton import Delivery, Message, symbol
from proton.testing import Joined
from proton.utils import BlockingConnection
from tests.support.client import Client
from tests.support.kit import BROKERS


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def broker(request):
    with request.param(dead_letters="dead", max_deliveries=2) as made:
        yield made


def full():
    return Message(
        id=1,
        body={"items": ["tea"]},
        properties={"n": 1},
        annotations={symbol("x-opt-a"): [1]},
        instructions={symbol("x-opt-i"): 1},
        footer={symbol("x-opt-f"): 1},
        ttl=50,
    )


def spoil(message):
    """Changes all that can be changed."""
    message.body["items"].append("milk")
    message.properties["n"] = 2
    message.annotations[symbol("x-opt-a")].append(2)
    message.instructions[symbol("x-opt-i")] = message.footer[symbol("x-opt-f")] = 2
    message.id, message.ttl = 2, 1


def fail(delivery):
    delivery.local.failed = True
    delivery.update(Delivery.MODIFIED)
    delivery.settle()


def state(message):
    parts = message.body, message.properties, message.annotations, message.instructions, message.footer
    return copy.deepcopy((message.id, message.ttl, message.delivery_count, message.first_acquirer, *parts))


def test_a_message_is_used_again_after_it_was_put(broker):
    message = Message()
    for number in range(3):
        message.body = number
        broker.put("q", message)
    assert [found.body for found in broker.messages("q")] == [0, 1, 2]


def test_what_was_put_and_what_is_shown_are_copies(broker):
    message = full()
    message.annotations[symbol("x-opt-delivery-delay")] = 60000
    broker.put("later", message)
    del message.annotations[symbol("x-opt-delivery-delay")]
    broker.put("q", message)
    expected = state(message)
    spoil(message)
    for _ in range(2):
        (shown,), (scheduled,) = broker.messages("q"), broker.scheduled("later")
        assert state(shown) == expected
        spoil(shown)
        spoil(scheduled)
    broker.advance(61)
    (due,) = broker.messages("later")
    assert due.body == {"items": ["tea"]}


def test_records_and_messages_do_not_change_each_other(broker):
    shown = []
    broker.answer_next("accepted", when=lambda message: shown.append(message) or True)
    with Client(broker.url) as client:
        client.send(client.sender("q"), full())
        record = broker.seen.messages[0].message
        before = state(record)
        receiver = client.receiver("q", credit=1)
        client.until(lambda: client.of(receiver), "the message")
        client.answer(receiver, fail)
        assert state(record) == before
        spoil(record)
        assert shown == [record]
        (waiting,) = broker.messages("q")
        assert (waiting.body, waiting.delivery_count) == ({"items": ["tea"]}, 1)


def test_subscriptions_of_a_topic_do_not_share_a_message(broker):
    broker.make_topic("news")
    with Client(broker.url) as client:
        first, second = client.receiver("news", name="first"), client.receiver("news", name="second")
        broker.put("news", full())
        first.flow(1)
        client.until(lambda: client.of(first), "the message of the first")
        client.answer(first, fail)
        second.flow(1)
        client.until(lambda: client.of(second), "the message of the second")
        (message,) = [message for message, _ in client.of(second)]
        assert (message.delivery_count, message.first_acquirer) == (0, True)


def test_a_dead_letter_has_the_count_of_its_deliveries(broker):
    broker.put("q", full())
    with Client(broker.url) as client:
        receiver = client.receiver("q", credit=1)
        for count in range(2):
            client.until(lambda: client.of(receiver), "the message")
            assert client.of(receiver)[0][0].delivery_count == count
            receiver.flow(1)
            client.answer(receiver, fail)
        (dead,) = broker.messages("dead")
        assert dead.delivery_count == 2


def test_a_function_returns_the_same_response_again(broker):
    answer = Message(body="yes")
    broker.answer_requests("service", lambda request: answer)
    for number in (1, 2):
        broker.put("service", Message(id=number, reply_to="q"))
    assert [message.correlation_id for message in broker.messages("q")] == [1, 2]
    assert answer.correlation_id is None


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: [data]], ids=["body", "nested"])
def test_a_value_that_has_no_copy_is_put_as_its_bytes(broker, wrap):
    data = bytearray(b"tea")
    broker.put("q", Message(body=wrap(memoryview(data)), message_format=5))
    data[0] = 0
    (message,) = broker.messages("q")
    assert (message.body, message.message_format) == (wrap(b"tea"), 5)
    with BlockingConnection(broker.url) as connection:
        assert connection.create_receiver("q").receive(timeout=10).body == wrap(b"tea")


def test_joined_copies_too():
    with Joined(object()) as joined:
        message = full()
        joined.broker.put("q", message)
        spoil(message)
        assert joined.broker.messages("q")[0].id == 1
