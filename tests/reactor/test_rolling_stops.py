"""Brokers that are stopped in an orderly way and come back, one after the other, under load: over real sockets."""

import logging

import pytest

from proton import LinkException, Message
from proton.exceptions import ConnectionException
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.loops import watchdog
from tests.support.resending import Resending

ORDERLY = ["amqp:connection:forced", "amqp:internal-error"]
QUICK = {"reconnect": Backoff(initial=0.01, max_delay=0.05)}
COUNT = 300


@pytest.fixture
def brokers():
    with Broker() as first, Broker() as second:
        yield first, second


class Sending(Resending):
    """Has a broker do something each time that so many more messages are accepted."""

    def __init__(self, url, disturb, every=60, **options):
        super().__init__(url, COUNT, **options)
        self.disturb, self.every = disturb, every
        self.disturbed = 0
        self.gave_up = None

    def on_accepted(self, event):
        super().on_accepted(event)
        if len(self.accepted) >= self.every * (self.disturbed + 1) and len(self.accepted) < COUNT:
            self.disturbed += 1
            self.disturb(self.disturbed)

    def on_gave_up(self, event):
        self.gave_up = event.reason


def run(client):
    container = Container(client)
    with watchdog(container):
        container.run()
    return client


@pytest.mark.parametrize("name", ORDERLY)
def test_a_sender_survives_connections_that_are_closed(brokers, name):
    broker, _ = brokers
    client = run(Sending(broker.url, lambda number: broker.close_connections(name, "shutdown"), **QUICK))
    assert len(client.accepted) == COUNT and client.gave_up is None
    losses = client.calls.count("C disconnected")
    # Outcomes come in numbers: two closes may meet one connection.
    assert 2 <= losses <= client.disturbed and losses <= client.calls.count("C connection_error")
    assert client.calls.count("C connection_opened") == losses + 1


def test_each_loss_after_progress_is_told_with_its_return(brokers, caplog):
    caplog.set_level(logging.WARNING, "proton")
    broker, _ = brokers
    client = run(Sending(broker.url, lambda number: broker.close_connections(ORDERLY[0], "shutdown"), **QUICK))
    losses = client.calls.count("C disconnected")
    lines = [record.getMessage() for record in caplog.records if record.name == "proton"]
    assert [line for line in lines if " lost: " in line or "connected again after 0" in line] == lines[: 2 * losses]
    assert ["lost" in line for line in lines[: 2 * losses]] == [True, False] * losses


@pytest.mark.parametrize("name", ORDERLY)
def test_a_sender_survives_sessions_that_are_ended(brokers, name):
    broker, _ = brokers
    client = run(Sending(broker.url, lambda number: broker.end_sessions(name, "shutdown"), **QUICK))
    assert len(client.accepted) == COUNT and client.gave_up is None
    assert client.calls.count("C connection_opened") == 1
    losses = client.calls.count("C disconnected")
    assert 2 <= losses <= client.disturbed and client.calls.count("C session_opened") == losses + 1


def test_a_sender_goes_on_at_the_next_of_its_brokers(brokers, caplog):
    caplog.set_level(logging.WARNING, "proton")
    first, second = brokers

    class Rolling(Sending):
        def on_start(self, event):
            self.connection = event.container.connect(urls=[first.url, second.url], **QUICK)
            self.sender = event.container.create_sender(self.connection, "queue")

    def disturb(number):
        down, up = (first, second) if number % 2 else (second, first)
        up.start() if not up.running else None
        down.stop()  # it waits for the answer, which this thread would give: a second

    client = run(Rolling(None, disturb, every=100))
    assert len(client.accepted) == COUNT and client.gave_up is None
    assert client.calls.count("C disconnected") >= 1
    lines = [record.getMessage() for record in caplog.records if record.name == "proton"]
    assert any(": amqp:connection:forced: the broker is shut down" in line and "lost" in line for line in lines)
    assert any("connected again after" in line for line in lines) and len(lines) < 40


def test_a_receiver_gets_its_credit_back(brokers):
    broker, _ = brokers
    broker.put("queue", *(Message(id=number) for number in range(60)))

    class Receiving(MessagingHandler):
        ids = set()
        losses = 0

        def on_start(self, event):
            self.connection = event.container.connect(broker.url, **QUICK)
            event.container.create_receiver(self.connection, "queue")

        def on_message(self, event):
            self.ids.add(event.message.id)
            if len(self.ids) in (20, 40) and len(self.ids) > 20 * self.losses:
                broker.end_sessions("amqp:internal-error") if self.losses else broker.close_connections(ORDERLY[0])
            if len(self.ids) == 60:
                self.connection.close()

        def on_disconnected(self, event):
            self.losses += 1

    client = Receiving()
    run(client)
    assert client.ids == set(range(60)) and client.losses == 2


@pytest.mark.parametrize("what", ["close_connections", "end_sessions"])
@pytest.mark.parametrize("name", ORDERLY)
def test_a_blocking_connection_goes_on(brokers, what, name):
    broker, _ = brokers
    connection = BlockingConnection(broker.url, timeout=10, **QUICK)
    sender = connection.create_sender("queue")
    receiver = connection.create_receiver("queue")
    for number in range(3):
        sender.send(Message(id=number))
        while receiver.receive().id != number:  # what was not settled before the loss comes again
            receiver.accept()
        receiver.accept()
        getattr(broker, what)(name, "shutdown")
        while True:
            try:
                sender.send(Message(id=100 + number))
                break
            except (ConnectionException, LinkException):
                pass  # it was under way when the loss came
        while receiver.receive().id != 100 + number:
            receiver.accept()
        receiver.accept()
    connection.close()
    assert len(broker.seen.sessions) == 4
    assert len(broker.seen.connections) == (4 if what == "close_connections" else 1)


def test_a_blocking_connection_with_urls_goes_on_at_the_next(brokers):
    first, second = brokers
    connection = BlockingConnection(urls=[first.url, second.url], timeout=10)
    sender = connection.create_sender("queue")
    sender.send(Message(id=1))
    first.stop()
    while True:
        try:
            sender.send(Message(id=2))
            break
        except (ConnectionException, LinkException):
            pass
    assert [message.id for message in second.messages("queue")][-1] == 2
    connection.close()
