"""What RabbitMQ gives back of what it was sent: all types that it reads, sections, large messages, outcomes, credit."""

from __future__ import annotations

import uuid

import pytest

from proton import Array, Data, Delivery, Described, Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container
from tests.interop.peers import values
from tests.support.client import Client

MIB = 1 << 20
#: arrays of these types RabbitMQ 3.10 does not read
UNREAD_ARRAYS = {
    *(Data.FLOAT, Data.DOUBLE, Data.DECIMAL32, Data.DECIMAL64, Data.DECIMAL128, Data.CHAR, Data.TIMESTAMP, Data.UUID),
    *(Data.BINARY, Data.LIST, Data.MAP),
}


@pytest.fixture
def client(rabbitmq):
    with Client(rabbitmq.address) as made:
        yield made


def is_read(body, inferred):
    """Whether RabbitMQ 3.10 reads such a body; its session dies of the others."""
    if isinstance(body, Array):
        return body.type not in UNREAD_ARRAYS
    if isinstance(body, list):
        return not body or (inferred and not any(isinstance(element, Described) for element in body))
    return True


def bodies():
    for n, make in enumerate(values.BODIES):
        body = make(n)
        for inferred in (False, True) if type(body) in (bytes, list) else (False,):
            if is_read(body, inferred):
                yield body, inferred


def transmit(client, queue, *messages):
    """Sends messages to a queue and takes them from there."""
    sender, receiver = client.sender(queue), client.receiver(queue)
    assert set(client.send(sender, *messages)) == {"accepted"}
    receiver.flow(len(messages))
    client.until(lambda: len(client.received) == len(messages), f"{len(messages)} messages")
    received = [message for _, message, _ in client.received]
    client.answer(receiver, settle(Delivery.ACCEPTED))
    return received


def settle(state):
    def answer(delivery):
        delivery.update(state)
        delivery.settle()

    return answer


def test_bodies_of_every_type_that_it_reads(client, queue):
    sent = [Message(id=n, body=body, inferred=inferred) for n, (body, inferred) in enumerate(bodies())]
    assert len(sent) > 50
    received = transmit(client, queue, *sent)
    assert [(m.id, m.inferred, values.canonical(m.body)) for m in received] == [
        (m.id, m.inferred, values.canonical(m.body)) for m in sent
    ]


# RabbitMQ takes them, as programs in use send them.
@pytest.mark.filterwarnings("ignore:application property .nested.:UserWarning")
def test_sections_come_back(client, queue):
    sent = Message(
        id=uuid.UUID(int=5),
        correlation_id="c",
        # Anything but the name of the user that is logged in is refused.
        user_id=b"guest",
        address="to",
        subject="subject é",
        reply_to="/queue/answers",
        content_type="text/plain",
        content_encoding="identity",
        expiry_time=2_000_000_000.125,
        creation_time=1_600_000_000.5,
        group_id="g",
        group_sequence=7,
        reply_to_group_id="r",
        priority=7,
        ttl=3600.5,
        properties={"n": 1, "text": "é", "nested": [1, {"a": b"b"}], "none": None},
        annotations={symbol("x-opt-a"): 1},
        body="x",
    )
    (received,) = transmit(client, queue, sent)
    names = (
        *("id", "correlation_id", "address", "subject", "reply_to", "content_type", "content_encoding", "expiry_time"),
        *("creation_time", "group_id", "group_sequence", "reply_to_group_id", "priority", "ttl", "properties"),
        *("user_id", "annotations", "body"),
    )
    assert {name: getattr(received, name) for name in names} == {name: getattr(sent, name) for name in names}


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "transient"])
def test_durability_comes_back(client, queue, durable):
    (received,) = transmit(client, queue, Message(id=1, durable=durable, body="x"))
    assert received.durable is durable


@pytest.mark.parametrize("inferred", [True, False], ids=["data", "value"])
def test_large_messages(client, queue, inferred):
    """Each is many frames of 32 KiB; a receiver is handed the second one while the first still comes."""
    sent = [Message(id=n, body=bytes(range(256)) * (size // 256), inferred=inferred) for n, size in enumerate(SIZES)]
    received = transmit(client, queue, *sent)
    assert [(m.id, len(m.body)) for m in received] == list(enumerate(SIZES))
    assert all(got.body == made.body for got, made in zip(received, sent))


SIZES = (4 * MIB, 256, 32768, 12 * MIB)


def test_released_messages_come_again(client, queue):
    sender, receiver = client.sender(queue), client.receiver(queue, credit=1)
    client.send(sender, Message(id=1, body="x"))
    for times in range(3):
        receiver.flow(1 - receiver.credit)
        client.until(lambda: client.received, "a message")
        ((_, message, delivery),) = client.received
        # It was given out before: what the header says of it, the other way round.
        assert (message.body, message.first_acquirer) == ("x", times == 0)
        client.answer(receiver, settle(Delivery.RELEASED))
    receiver.flow(1 - receiver.credit)
    client.until(lambda: client.received, "a message")
    client.answer(receiver, settle(Delivery.ACCEPTED))


@pytest.mark.parametrize("state", [Delivery.ACCEPTED, Delivery.REJECTED], ids=["accepted", "rejected"])
def test_settled_messages_are_gone(client, queue, state):
    sender, receiver = client.sender(queue), client.receiver(queue)
    client.send(sender, *(Message(id=n, body=n) for n in range(5)))
    receiver.flow(4)
    assert client.bodies(receiver, 4) == [0, 1, 2, 3]
    client.answer(receiver, settle(state))
    receiver.flow(2)
    assert client.bodies(receiver, 1) == [4]
    client.answer(receiver, settle(Delivery.ACCEPTED))


def test_credit_is_kept_to(client, queue):
    """What one receiver has no credit for goes to the other."""
    sender, first, second = client.sender(queue), client.receiver(queue, credit=3), client.receiver(queue)
    client.send(sender, *(Message(id=n, body=n) for n in range(10)))
    assert client.bodies(first, 3) == [0, 1, 2]
    second.flow(20)
    assert client.bodies(second, 7) == [3, 4, 5, 6, 7, 8, 9]
    assert (first.credit, len(client.of(first))) == (0, 3)
    for receiver in (first, second):
        client.answer(receiver, settle(Delivery.ACCEPTED))


def test_settled_messages(client, queue):
    sender = client.sender(queue, options=AtMostOnce())
    receiver = client.receiver(queue, credit=10, options=AtMostOnce())
    client.until(lambda: sender.credit >= 10, "credit")
    for n in range(10):
        sender.send(Message(id=n, body=n))
    assert client.bodies(receiver, 10) == list(range(10))
    assert all(delivery.settled for _, delivery in client.of(receiver))


class Prefetching(MessagingHandler):
    """Sends to a queue and receives from it, with some credit ahead, which RabbitMQ goes beyond when it is small."""

    def __init__(self, url, queue, total, prefetch):
        super().__init__(prefetch=prefetch)
        self.url, self.queue, self.total = url, queue, total
        self.sent = 0
        self.bodies = []
        self.accepted = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, self.queue)
        event.container.create_receiver(connection, self.queue)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.total:
            event.sender.send(Message(id=self.sent, body=self.sent))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1
        self.end(event)

    def on_message(self, event):
        self.bodies.append(event.message.body)
        self.end(event)

    def end(self, event):
        if self.accepted == len(self.bodies) == self.total:
            event.connection.close()

    def on_link_error(self, event):
        raise AssertionError(event.link.condition or event.link.remote_condition)


@pytest.mark.parametrize("prefetch", [2, 10, 100, 500])
def test_prefetch(rabbitmq, queue, prefetch):
    handler = Prefetching(rabbitmq.address, queue, 2000, prefetch)
    Container(handler).run()
    assert handler.bodies == list(range(2000))


class RequestResponse(MessagingHandler):
    """A client and a server, with queues for both ways, as RabbitMQ makes no addresses for a receiver."""

    def __init__(self, url, queue, requests):
        super().__init__()
        self.url, self.queue, self.waiting = url, queue, list(requests)
        self.responses = {}
        self.reply_senders = {}

    def on_start(self, event):
        container = event.container
        self.client, self.server = (container.connect(self.url, reconnect=False) for _ in range(2))
        container.create_receiver(self.server, self.queue)
        self.answers = container.create_receiver(self.client, self.queue + "-answers")
        self.requests = container.create_sender(self.client, self.queue)
        self.ask()

    def ask(self):
        text = self.waiting[0]
        self.requests.send(Message(reply_to=self.queue + "-answers", correlation_id=text, body=text))

    def on_message(self, event):
        message = event.message
        if event.connection == self.server:
            address = message.reply_to
            if address not in self.reply_senders:
                self.reply_senders[address] = event.container.create_sender(self.server, address)
            answer = Message(correlation_id=message.correlation_id, body=message.body.upper())
            self.reply_senders[address].send(answer)
            return
        self.responses[message.correlation_id] = message.body
        self.waiting.pop(0)
        if self.waiting:
            self.ask()
        else:
            self.client.close()
            self.server.close()


def test_request_and_response(rabbitmq, queue):
    texts = [f"request {n}" for n in range(50)]
    handler = RequestResponse(rabbitmq.address, queue, texts)
    Container(handler).run()
    assert handler.responses == {text: text.upper() for text in texts}
