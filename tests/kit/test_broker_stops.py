"""The broker for tests: stops while something is still to come, and what becomes of it."""

from __future__ import annotations

import contextlib
import threading

import pytest

from proton import ConnectionException, Message, symbol
from proton.handlers import MessagingHandler
from proton.testing import Broker, Joined
from proton.utils import BlockingConnection
from tests.support.client import Client
from tests.support.kit import BROKERS


def answer(broker, client):
    broker.slow_down(60)
    sender = client.sender("q")
    client.until(lambda: sender.credit, "credit")
    sender.send(Message(body=1))
    client.round_trip()


def supply(broker, client):
    broker.put("q", Message(body=1))
    broker.slow_down(60)
    client.receiver("q", credit=1)


def dispatch(broker, client):
    client.receiver("q", credit=1)
    broker.slow_down(60)
    broker.put("q", Message(body=1))


def deliver(broker, client):
    broker.put("q", Message(annotations={symbol("x-opt-delivery-delay"): 60000}))


def expire(broker, client):
    broker.put("q", Message(ttl=60))


#: what is still to come
PENDING = {
    "the answer to a message": answer,
    "a message for new credit": supply,
    "a message that is new": dispatch,
    "a message that is delayed": deliver,
    "the end of a message": expire,
}


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("begin", PENDING.values(), ids=PENDING)
@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_what_is_still_to_come_does_not_keep_a_broker(kind, begin, end):
    with kind() as broker:
        client = Client(broker.url)
        begin(broker, client)
        thread = threading.Thread(target=client.run_to_its_end)
        thread.start()
        getattr(broker, end)()
        assert (broker.running, broker.connection_count) == (False, 0)
        thread.join()
        # What was not answered is not in a queue; what waited is there for the next run.
        broker.behave()
        assert len(broker.messages("q")) + len(broker.scheduled("q")) == (begin is not answer)


class Sender(MessagingHandler):
    def __init__(self):
        super().__init__()
        self.accepted = 0

    def on_start(self, event):
        event.container.create_sender("amqp://broker.example/q")

    def on_sendable(self, event):
        if not self.accepted:
            event.sender.send(Message(body=1))

    def on_accepted(self, event):
        self.accepted += 1


def test_a_message_that_comes_while_a_broker_stops_is_not_answered_later():
    sender = Sender()
    with Joined(sender) as joined:
        joined.broker.slow_down(60)
        joined.run()
        assert len(joined.broker.seen.messages) >= 1
        joined.broker.stop()
        joined.advance(61)
        assert (sender.accepted, joined.broker.messages("q")) == (0, [])


def test_commands_of_other_threads_are_done_though_a_broker_stops():
    broker, over, failures = Broker(), threading.Event(), []
    broker.start()

    def give(number):
        count = 0
        while not over.is_set():
            try:
                broker.put("q", Message(id=number))
                broker.messages("q")
                count += 1
            except BaseException as error:
                failures.append(error)
        counts.append(count)

    counts = []
    threads = [threading.Thread(target=give, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        broker.purge("q")
        broker.kill()
        broker.start()
    before = len(broker.messages("q"))
    over.set()
    for thread in threads:
        thread.join()
    broker.stop()
    assert failures == []
    assert sum(counts) >= before  # none was done twice


def test_a_command_for_a_run_that_another_thread_stops_says_that_the_broker_does_not_run():
    with Broker() as broker:
        broker.stall()
        errors = []

        def give(command):
            try:
                command()
            except RuntimeError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=give, args=(command,)) for command in (broker.stop, broker.kill)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The second found no run, unless both have come before the end of the first: which is by chance.
        assert errors in ([], ["the broker does not run"])
        assert not broker.running


def test_a_function_of_the_test_stops_the_broker():
    with Broker() as broker:
        broker.answer_requests("off", lambda request: broker.stop())
        # Its close follows the acceptance.
        with contextlib.suppress(ConnectionException), BlockingConnection(broker.url, reconnect=False) as connection:
            connection.create_sender("off").send(Message())
        broker.wait_for(lambda seen: not broker.running)


@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_a_second_stall_does_nothing(kind):
    with kind() as broker, Client(broker.url) as client:
        sender = client.sender("q")
        client.until(lambda: sender.credit, "credit")
        for _ in range(3):
            broker.stall()
            broker.stall()
            sender.send(Message())
            broker.resume()
            client.round_trip()
        broker.resume()
        assert broker.seen.messages.total == 3
