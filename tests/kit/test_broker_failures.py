"""The broker for tests: errors of functions of the test, of messages and of its own, which a wait and `with` raise."""

from __future__ import annotations

import logging
import warnings

import pytest

from proton import ConnectionException, Message, MessageException
from proton.handlers import MessagingHandler
from proton.testing import AsyncBroker, Broker, Joined
from proton.testing.service import Service
from proton.utils import BlockingConnection, SendException
from tests.support.aio import run
from tests.support.client import Client
from tests.support.kit import BROKERS


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def kind(request):
    return request.param


def is_tea(message):
    return message.body["item"] == "tea"


def gives_up(message):
    pytest.fail("no such order")


TOLD = r"when failed for the address 'q': TypeError: string indices must be integers"


def test_a_wait_raises_the_error_of_a_function_at_once_and_the_broker_goes_on(kind):
    with kind() as broker, BlockingConnection(broker.url) as connection:
        broker.answer_next("released", when=is_tea)
        sender = connection.create_sender("q")
        with pytest.raises(SendException):
            sender.send(Message(body="tea"))
        with pytest.raises(RuntimeError, match=TOLD) as caught:
            broker.wait_for(lambda seen: False)
        assert isinstance(caught.value.__cause__, TypeError)
        (failure,) = broker.seen.failures
        assert (failure.function, failure.address, failure.message.body) == ("when", "q", "tea")
        with pytest.raises(SendException):  # the rule is still there
            sender.send(Message(body={"item": "tea"}))
        sender.send(Message(body={"item": "milk"}))
        assert broker.running
        assert [record.answer for record in broker.seen.messages] == ["rejected", "released", "accepted"]


@pytest.mark.parametrize("keep", [None, 0])
def test_the_end_of_with_raises_an_error_that_no_wait_has_raised(kind, keep):
    with pytest.raises(RuntimeError, match=TOLD), kind(keep_records=keep) as broker:
        broker.answer_next("rejected", when=is_tea)
        with BlockingConnection(broker.url) as connection, pytest.raises(SendException):
            connection.create_sender("q").send(Message(body="tea"))
        broker.wait_for(lambda seen: seen.messages.total)  # it holds


def test_a_test_fails_from_a_function_of_its_broker(kind):
    with kind() as broker:
        broker.answer_next("rejected", when=gives_up)
        with BlockingConnection(broker.url) as connection, pytest.raises(SendException):
            connection.create_sender("q").send(Message())
        with pytest.raises(RuntimeError, match="when failed for the address 'q': Failed: no such order"):
            broker.wait_for(lambda seen: False)


def test_joined_raises_the_error_of_a_function():
    class Sender(MessagingHandler):
        def on_start(self, event):
            event.container.create_sender("amqp://broker.example/q")

        def on_sendable(self, event):
            event.sender.send(Message(body="tea"))
            event.sender.close()

    with Joined(Sender()) as joined:
        joined.broker.answer_next("rejected", when=is_tea)
        with pytest.raises(RuntimeError, match=TOLD):
            joined.broker.wait_for(lambda seen: False)


UNENCODABLE = Message(body=object())


def test_a_message_that_cannot_be_encoded_is_not_put(kind):
    with kind() as broker:
        with pytest.raises(MessageException):
            broker.put("q", Message(body=1), UNENCODABLE)
        assert broker.messages("q") == []
        broker.answer_requests("service", lambda request: UNENCODABLE)
        broker.put("service", Message(reply_to="q"))
        assert [failure.function for failure in broker.seen.failures] == ["answer_requests"]
        assert broker.messages("q") == []
        broker.forget()


@pytest.mark.filterwarnings("error")
def test_a_message_that_cannot_be_sent_stays_and_the_broker_goes_on(kind):
    # The warning of a map in the application properties is an error here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = Message(id=1, properties={"map": {"a": 1}}).encode()
    with kind() as broker, Client(broker.url) as client:
        receiver, sender = client.receiver("q", credit=5), client.sender("q")
        client.until(lambda: sender.credit, "credit")
        sender.delivery(b"1")
        sender.stream(data)
        sender.advance()
        client.send(sender, Message(id=2))
        client.until(lambda: client.of(receiver), "the other message")
        assert [message.id for message, _ in client.of(receiver)] == [2]
        assert [message.id for message in broker.messages("q")] == [1]
        assert {failure.function for failure in broker.seen.failures} == {"send"}
        broker.forget()


def fail(self, event):
    raise LookupError("a mistake in the broker")


@pytest.fixture
def mistake(monkeypatch):
    monkeypatch.setattr(Service, "on_session_opening", fail)


def begin(url):
    """Opens a connection and begins a session, on which the broker fails."""
    with pytest.raises(ConnectionException):
        BlockingConnection(url, reconnect=False).create_sender("q")


FAILED = "broker failed: LookupError: a mistake in the broker"


@pytest.mark.usefixtures("mistake")
def test_a_broker_that_fails_says_so_and_ends_its_connections(kind, caplog):
    with pytest.raises(RuntimeError, match=FAILED) as caught, kind() as broker:
        port = broker.port
        begin(broker.url)
        assert [failure.function for failure in broker.seen.failures] == ["broker"]
        assert not broker.running
        with pytest.raises(RuntimeError, match="the broker does not run"):
            broker.cut()
    assert isinstance(caught.value.__cause__, LookupError)
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["the broker has failed"]
    with kind(port) as again:  # its socket is closed
        assert again.running


@pytest.mark.usefixtures("mistake")
def test_a_wait_raises_the_error_of_the_broker_at_once(kind):
    with kind() as broker:
        begin(broker.url)
        with pytest.raises(RuntimeError, match=FAILED):
            broker.wait_for(lambda seen: seen.links)


def test_a_broker_that_has_failed_is_started_again(kind, monkeypatch):
    with kind() as broker:
        broker.put("q", Message(id=1))
        with monkeypatch.context() as patch:
            patch.setattr(Service, "on_session_opening", fail)
            begin(broker.url)
        broker.forget()
        broker.start()
        with BlockingConnection(broker.url) as connection:
            assert connection.create_receiver("q").receive(timeout=10).id == 1


@pytest.mark.parametrize("broker", [Broker, AsyncBroker])
def test_a_start_that_fails_is_not_a_failure_of_a_run(broker):
    with Broker() as first:
        second = broker(first.port)

        async def main():
            await second.start()

        with pytest.raises(OSError, match="(?i)in use"):
            second.start() if broker is Broker else run(main)
        assert (second.running, second.seen.failures) == (False, [])
