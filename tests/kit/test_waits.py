"""Waits of the broker for tests: conditions that give commands, and which changes have them tried again."""

from __future__ import annotations

import threading

import pytest

from proton import Message, symbol
from proton.testing import AsyncBroker, Broker, Joined
from proton.utils import BlockingConnection
from tests.support.aio import run
from tests.support.client import Client
from tests.support.kit import BROKERS
from tests.support.transactions import TransactionalClient


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def broker(request):
    with request.param() as made:
        yield made


def send(broker):
    with BlockingConnection(broker.url) as connection:
        connection.create_sender("q").send(Message(body=1))


def send_late(broker):
    broker.slow_down(0.01)
    send(broker)


def put_for_later(broker):
    broker.put("q", Message(annotations={symbol("x-opt-delivery-delay"): 10}))


def take(broker):
    with BlockingConnection(broker.url) as connection:
        receiver = connection.create_receiver("there")
        receiver.receive(timeout=10)
        receiver.accept()


def commit(broker):
    with TransactionalClient(broker.url) as client:
        transaction = client.declare()
        client.post(transaction, client.sender("q"), Message(body=1))
        client.commit(transaction)


#: what happens, what the condition asks the broker for, and whether the answer is the one that it waits for
CHANGES = {
    "a message from a client": (send, lambda broker: broker.messages("q"), len),
    "one that is slowed down": (send_late, lambda broker: broker.messages("q"), len),
    "a message of the test": (lambda broker: broker.put("q", Message()), lambda broker: broker.messages("q"), len),
    "a delayed message": (put_for_later, lambda broker: broker.messages("q"), len),
    "a message that a client has got": (take, lambda broker: broker.messages("there"), lambda found: not found),
    "a message that is too old": (
        lambda broker: broker.advance(60),
        lambda broker: broker.messages("there"),
        lambda found: not found,
    ),
    "a transaction": (commit, lambda broker: broker.messages("q"), len),
    "a purge": (
        lambda broker: broker.purge("there"),
        lambda broker: broker.messages("there"),
        lambda found: not found,
    ),
}


def wait(broker, ask, holds, tried):
    """Waits for the answer to a command; `tried` is set after the first try."""
    if isinstance(broker, Broker):

        def condition(seen):
            answer = ask(broker)
            tried.set()
            return holds(answer)
    else:

        async def condition(seen):
            answer = await ask(broker.broker)
            tried.set()
            return holds(answer)

    broker.wait_for(condition, "the answer", 20)


@pytest.mark.parametrize(("change", "ask", "holds"), CHANGES.values(), ids=CHANGES)
def test_a_condition_that_gives_a_command_is_tried_again_after(broker, change, ask, holds):
    tried, failures = threading.Event(), []

    def act():
        try:
            assert tried.wait(20)
            change(broker)
        except BaseException as error:
            failures.append(error)

    broker.put("there", Message(ttl=30))
    thread = threading.Thread(target=act)
    thread.start()
    try:
        wait(broker, ask, holds, tried)
    finally:
        thread.join()
    assert failures == []


def test_a_condition_gives_commands_while_clients_keep_the_broker_busy():
    with Broker() as broker:

        def act():
            with BlockingConnection(broker.url) as connection:
                sender = connection.create_sender("q")
                for number in range(300):
                    sender.send(Message(body=number))

        thread = threading.Thread(target=act)
        thread.start()
        broker.wait_for(lambda seen: len(broker.messages("q")) >= 150)
        thread.join()
        assert len(broker.messages("q")) == 300


def test_links_that_a_broken_session_had_are_waited_for(broker):
    with Client(broker.url) as client:
        client.sender("q")
        tried = threading.Event()
        thread = threading.Thread(target=lambda: wait(broker, lambda to: to.link_count("q"), lambda n: not n, tried))
        thread.start()
        assert tried.wait(20)
        broker.end_sessions()
        client.round_trip()
        thread.join()
        assert broker.link_count("q") == 0


def test_messages_are_waited_for(broker):
    thread = threading.Thread(target=lambda: [send(broker) for _ in range(3)])
    thread.start()
    assert [message.body for message in broker.wait_for_messages("q", 3)] == [1, 1, 1]
    thread.join()
    with pytest.raises(TimeoutError, match=r"expected 4 messages at 'q' within 0.01 s, got Seen\(3 connections"):
        broker.wait_for_messages("q", 4, 0.01)


def test_joined_waits_for_messages_in_its_own_time():
    delayed = Message(body=1, annotations={symbol("x-opt-delivery-delay"): 5000})
    with Joined(object()) as joined:
        joined.broker.put("q", delayed)
        with pytest.raises(TimeoutError, match="expected 1 messages at 'q' within 2 s, got Seen"):
            joined.broker.wait_for_messages("q", seconds=2)
        assert [message.body for message in joined.broker.wait_for_messages("q")] == [1]
        assert joined.elapsed == 5


MISTAKES = {
    "no function": (("wait_for", True), TypeError, "wait_for takes a function of seen, got bool True"),
    "an address": (("wait_for_messages", 5), TypeError, "address takes a str, got int 5"),
    "a count": (("wait_for_messages", "q", "2"), TypeError, "count takes an int, got str '2'"),
    "a count of none": (("wait_for_messages", "q", 0), ValueError, "count takes 1 or more, got 0"),
}


@pytest.mark.parametrize(("call", "error", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_wait(broker, call, error, text):
    name, *arguments = call
    with pytest.raises(error, match=text):
        getattr(broker, name)(*arguments)
    with Joined(object()) as joined, pytest.raises(error, match=text):
        getattr(joined.broker, name)(*arguments)


def test_a_time_out_of_a_condition_that_is_a_coroutine():
    async def main():
        async with AsyncBroker() as broker:

            async def holds(seen):
                return await broker.messages("q")

            with pytest.raises(TimeoutError, match=r"expected the condition to hold within 0.01 s, got Seen\(0"):
                await broker.wait_for(holds, seconds=0.01)

    run(main)
