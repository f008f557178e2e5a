"""Nodes that answer requests, and addresses that stand for others: `answer_requests`, `resolve`, `selectors`."""

from __future__ import annotations

import pytest

from proton import Message, symbol
from proton.asyncio import connect
from proton.reactor import Copy, Selector
from proton.testing import AsyncBroker, Broker, Joined
from proton.utils import BlockingConnection, LinkDetached, SendException, SyncRequestResponse
from tests.support.aio import run


def double(request):
    return Message(body=request.body * 2)


def test_a_request_with_a_dynamic_address_for_the_answer():
    with Broker() as broker:
        broker.answer_requests("double", double)
        with BlockingConnection(broker.url) as connection:
            client = SyncRequestResponse(connection, "double")
            assert [client.call(Message(body=number)).body for number in (1, 2)] == [2, 4]
        assert broker.messages("double") == [] and broker.link_count("double") == 0


@pytest.mark.parametrize(
    ("fields", "own", "expected"),
    [
        ({"id": 7}, None, 7),
        ({"id": 7, "correlation_id": "c"}, None, "c"),
        ({"id": 7}, "own", "own"),
        ({}, None, None),
    ],
    ids=["its-id", "its-correlation-id", "that-of-the-function", "none"],
)
def test_the_correlation_id(fields, own, expected):
    with Broker() as broker:
        broker.answer_requests("node", lambda request: Message(correlation_id=own))
        broker.put("node", Message(reply_to="answers", **fields))
        assert [answer.correlation_id for answer in broker.messages("answers")] == [expected]


@pytest.mark.parametrize("reply_to", [None, "$me", "mine"])
def test_an_answer_to_the_receiver_of_the_same_node_and_client(reply_to):
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as other, connect(broker.url) as client:
            await broker.answer_requests("double", double)
            await other.receiver("double", target="mine")
            receiver = await client.receiver("double", target="mine")
            sender = await client.sender("double")
            await sender.send(Message(body=21, reply_to=reply_to))
            message, _ = await receiver.receive(timeout=10)
            assert message.body == 42
            assert await broker.link_count("double") == 3

    run(main)


def test_each_session_gets_the_answers_to_its_own_requests():
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as client:
            await broker.answer_requests("double", double)
            pairs = []
            for _ in range(2):
                session = await client.session()
                pairs.append((await session.sender("double"), await session.receiver("double")))
            for number, (sender, _) in enumerate(pairs):
                await sender.send(Message(body=number))
            assert [(await receiver.receive(timeout=10))[0].body for _, receiver in pairs] == [0, 2]

    run(main)


def test_no_answer_and_another_function():
    with Broker() as broker:
        taken = []
        broker.answer_requests("node", taken.append)
        broker.put("node", Message(body=1, reply_to="answers"))
        assert [message.body for message in taken] == [1]
        assert broker.messages("answers") == []
        broker.answer_requests("node", double)
        broker.stop()
        broker.start()
        broker.put("node", Message(body=1, reply_to="answers"))
        assert [message.body for message in broker.messages("answers")] == [2]


def test_the_function_gives_commands():
    with Broker() as broker:
        broker.answer_requests("node", lambda request: broker.put("kept", request))
        with BlockingConnection(broker.url) as connection:
            connection.create_sender("node").send(Message(body=1))
        assert [message.body for message in broker.messages("kept")] == [1]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda request: 1 / 0, "division by zero"),
        (lambda request: "text", "the function for requests returns a Message or None, got str 'text'"),
    ],
    ids=["raises", "returns-text"],
)
def test_an_error_of_the_function_is_told_to_the_client_and_to_the_test(function, text):
    told = pytest.raises(RuntimeError, match="answer_requests failed for the address 'node'")
    with told as caught, Broker() as broker:
        broker.answer_requests("node", function)
        with BlockingConnection(broker.url) as connection, pytest.raises(SendException):
            connection.create_sender("node").send(Message(body=1))
        (failure,) = broker.seen.failures
        assert (failure.address, failure.message.body, str(failure.error)) == ("node", 1, text)
    assert str(caught.value.__cause__) == text


def test_an_error_that_the_test_has_seen_is_forgotten():
    with Broker() as broker:
        broker.answer_requests("node", lambda request: 1 / 0)
        broker.put("node", Message())
        assert len(broker.seen.failures) == 1
        broker.forget()
    assert broker.seen.failures == []


def test_asyncio_and_joined_raise_the_error_too():
    async def main():
        async with AsyncBroker() as broker:
            await broker.answer_requests("node", lambda request: 1 / 0)
            await broker.put("node", Message())

    with pytest.raises(RuntimeError, match="failed for the address 'node'"):
        run(main)
    with pytest.raises(RuntimeError, match="failed for the address 'node'"), Joined(object()) as joined:
        joined.broker.answer_requests("node", lambda request: 1 / 0)
        joined.broker.put("node", Message())


def test_messages_are_purged():
    with Broker() as broker:
        delayed = Message(annotations={symbol("x-opt-delivery-delay"): 60000})
        broker.put("q", Message(), Message(), delayed)
        assert broker.purge("q") == 3
        assert (broker.messages("q"), broker.scheduled("q"), broker.purge("q")) == ([], [], 0)
        with pytest.raises(ValueError, match="there is no node at 'other'"):
            broker.purge("other")

    async def main():
        async with AsyncBroker() as other:
            await other.put("q", Message())
            assert await other.purge("q") == 1

    run(main)


def test_mistakes():
    broker = Broker()
    broker.make_queue("q")
    with pytest.raises(ValueError, match="there is a node at 'q' already"):
        broker.answer_requests("q", double)
    with pytest.raises(TypeError, match="answer_requests takes a function of a message, got str"):
        broker.answer_requests("node", "double")
    with pytest.raises(TypeError, match="resolve takes a function of an address, got str"):
        Broker(resolve="q")
    with pytest.raises(TypeError, match="selectors takes a bool, got int 1"):
        Broker(selectors=1)
    assert broker.addresses == ["q"]


def test_addresses_that_stand_for_others():
    with Broker(resolve=lambda address: address.rpartition("/")[2]) as broker:
        with BlockingConnection(broker.url) as connection:
            connection.create_sender("amqp://host/a/q").send(Message(body=1))
            connection.create_sender(None).send(Message(address="/queues/q", body=2))
            receiver = connection.create_receiver("b/q")
            assert receiver.link.remote_source.address == "b/q"
            assert [receiver.receive(timeout=10).body for _ in range(2)] == [1, 2]
            assert broker.link_count("q") == 2
        assert broker.addresses == ["q"]
        assert [message.address for message in broker.seen.messages] == ["q", "q"]


def test_an_error_of_resolve():
    told = pytest.raises(RuntimeError, match="resolve failed for the address 'q'")
    with told as caught, Broker(resolve=lambda address: 5) as broker, BlockingConnection(broker.url) as connection:
        refused = pytest.raises(LinkDetached, connection.create_sender, "q")
        assert "amqp:not-found" in str(refused.value)
    assert str(caught.value.__cause__) == "resolve returns a str, got int 5"


def test_selectors_that_are_ignored_are_not_in_the_answer():
    with Broker(selectors=False) as broker:
        broker.put("q", Message(body=1))
        with BlockingConnection(broker.url) as connection:
            receiver = connection.create_receiver("q", options=[Selector("wrong ="), Copy()])
            assert receiver.receive(timeout=10).body == 1
            receiver.link.remote_source.filter.rewind()
            assert not receiver.link.remote_source.filter.next()
    with Broker() as broker, BlockingConnection(broker.url) as connection:
        receiver = connection.create_receiver("q", options=[Selector("a = 1")])
        receiver.link.remote_source.filter.rewind()
        receiver.link.remote_source.filter.next()
        assert list(receiver.link.remote_source.filter.get_object()) == [symbol("selector")]
