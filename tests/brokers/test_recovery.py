"""What is lost and comes again: connections, heartbeats, the broker itself; and what is refused, with its condition.

PROTON_BROKER_MESSAGES is how many messages go through a broker that is restarted.
"""

from __future__ import annotations

import os
import threading
from collections import deque

import pytest

from proton import Delivery, Message, Terminus
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container, LinkOption
from tests.support.client import Client

SECONDS = 90.0
MESSAGES = int(os.environ.get("PROTON_BROKER_MESSAGES", 3000))


def test_what_was_not_settled_comes_again_after_a_loss(rabbitmq, queue):
    with Client(rabbitmq.address) as client:
        sender, receiver = client.sender(queue), client.receiver(queue, credit=10)
        client.send(sender, *(Message(id=n, body=n) for n in range(10)))
        assert client.bodies(receiver, 10) == list(range(10))
        for _, delivery in client.of(receiver)[:4]:
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()
        client.round_trip()
        client.drop()
    with Client(rabbitmq.address) as client:
        receiver = client.receiver(queue, credit=10)
        assert client.bodies(receiver, 6) == [4, 5, 6, 7, 8, 9]
        assert not any(message.first_acquirer for message, _ in client.of(receiver))


class Refused(MessagingHandler):
    def __init__(self, url, make):
        super().__init__()
        self.url, self.make = url, make
        self.conditions = []

    def on_start(self, event):
        self.make(event.container, event.container.connect(self.url, reconnect=False))

    def on_session_error(self, event):
        self.conditions.append(event.session.remote_condition)
        event.connection.close()


@pytest.mark.parametrize(
    ("make", "condition", "text"),
    [
        (lambda c, at: c.create_sender(at, "/exchange/nobody-made-it/x"), "not-found", "no exchange 'nobody-made-it'"),
        (lambda c, at: c.create_receiver(at, "/exchange/nobody-made-it/x"), "not-found", "no exchange"),
        (lambda c, at: c.create_receiver(at, "/amq/queue/nobody-made-it"), "not-found", "no queue 'nobody-made-it'"),
        (lambda c, at: c.create_sender(at, "/nonsense/x/y"), "invalid-field", "unknown_destination"),
        (lambda c, at: c.create_sender(at, None), "invalid-field", "Attach rejected"),
        (lambda c, at: c.create_receiver(at, None, dynamic=True), "not-implemented", "Dynamic sources not supported"),
        (
            lambda c, at: c.declare_transaction(at, handler=Undeclared()),
            "not-implemented",
            "Transactions not supported",
        ),
    ],
    ids=["sender exchange", "receiver exchange", "queue", "destination", "relay", "dynamic", "transaction"],
)
def test_refusals_end_the_session(rabbitmq, make, condition, text):
    handler = Refused(rabbitmq.address, make)
    Container(handler).run()
    (refusal,) = handler.conditions
    assert refusal.name == f"amqp:{condition}" and text in refusal.description


class Undeclared:
    """Takes the outcome of a transaction that is never declared."""


class Quiet(MessagingHandler):
    """A connection that carries nothing but heartbeats; `frames` of them each way are waited for."""

    def __init__(self, url, frames=0, **settings):
        super().__init__()
        self.url, self.frames, self.settings = url, frames, settings
        self.opened = 0
        self.lost = False

    def on_start(self, event):
        event.container.connect(self.url, **self.settings)

    def on_connection_opened(self, event):
        self.opened += 1
        self.transport = event.transport
        self.before = self.transport.frames_input, self.transport.frames_output
        event.container.schedule(0.1, self)

    def on_timer_task(self, event):
        after = self.transport.frames_input, self.transport.frames_output
        if all(now - then >= self.frames for now, then in zip(after, self.before)):
            self.transport.connection.close()
        elif not self.lost:
            event.container.schedule(0.1, self)

    def on_transport_error(self, event):
        self.lost = True


def test_heartbeats_keep_a_quiet_connection(rabbitmq):
    """RabbitMQ asks for a frame each second, and is asked for as many: it sends none when it is asked for more."""
    handler = Quiet(rabbitmq.address, frames=3, heartbeat=4, reconnect=False)
    Container(handler).run()
    assert (handler.opened, handler.lost) == (1, False)
    assert handler.transport.remote_idle_timeout == 2.0


class Silenced(MessagingHandler):
    """Waits for the broker to be given up, then has it go on, and comes back."""

    def __init__(self, broker):
        super().__init__()
        self.broker = broker
        self.opened = 0
        self.conditions = []

    def on_start(self, event):
        event.container.connect(self.broker.address, heartbeat=4, reconnect=Backoff(max_delay=0.2))

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 1:
            self.broker.freeze()
        else:
            event.connection.close()

    def on_transport_error(self, event):
        self.conditions.append(event.transport.condition)
        self.broker.thaw()


def test_a_broker_that_falls_silent_is_given_up_and_found_again(rabbitmq):
    handler = Silenced(rabbitmq)
    try:
        Container(handler).run()
    finally:
        rabbitmq.thaw()
    assert handler.opened == 2
    assert "idle-timeout" in handler.conditions[0].description


class Durable(LinkOption):
    """Has RabbitMQ make a queue that survives it: one that a link makes is as durable as the terminus of the link."""

    def apply(self, link):
        link.source.durability = link.target.durability = Terminus.DELIVERIES


class Load(MessagingHandler):
    """Sends durable messages and receives them, over two connections that are made again when they are lost."""

    def __init__(self, url, queue, total):
        super().__init__(prefetch=50)
        self.url, self.queue, self.total = url, queue, total
        self.to_send = deque(range(total))
        self.unanswered = {}
        self.received = set()
        self.under_way = threading.Event()
        self.conditions = set()
        self.losses = 0

    def on_start(self, event):
        container = event.container
        self.sending, self.receiving = (container.connect(self.url, reconnect=Backoff(max_delay=0.2)) for _ in range(2))
        container.create_sender(self.sending, self.queue, options=Durable())
        container.create_receiver(self.receiving, self.queue, options=Durable())

    def on_sendable(self, event):
        # Some at a time, so that there is load for as long as the broker is there.
        while event.sender.credit > 0 and self.to_send and len(self.unanswered) < 100:
            number = self.to_send.popleft()
            self.unanswered[event.sender.send(Message(id=number, durable=True, body="x" * 100))] = number

    def on_settled(self, event):
        number = self.unanswered.pop(event.delivery, None)
        if number is not None and event.delivery.remote_state != Delivery.ACCEPTED:
            self.to_send.append(number)
        self.on_sendable(event)
        self.end()

    def on_message(self, event):
        self.received.add(event.message.id)
        if len(self.received) == self.total // 4:
            self.under_way.set()
        self.end()

    def end(self):
        if len(self.received) == self.total and not self.to_send and not self.unanswered:
            self.sending.close()
            self.receiving.close()

    def on_connection_closing(self, event):
        condition = event.connection.remote_condition
        self.conditions.add(condition and condition.name)

    def on_disconnected(self, event):
        if event.connection == self.sending:
            self.losses += 1
            self.to_send.extendleft(sorted(self.unanswered.values(), reverse=True))
            self.unanswered.clear()

    def on_session_error(self, event):
        pass  # a broker that stops ends its sessions first

    def on_link_error(self, event):
        pass

    def on_connection_error(self, event):
        pass


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_is_restarted_under_load_loses_nothing(rabbitmq, queue, end):
    handler = Load(rabbitmq.address, queue, MESSAGES)
    thread = threading.Thread(target=Container(handler).run, daemon=True)
    thread.start()
    assert handler.under_way.wait(SECONDS)
    getattr(rabbitmq, end)()
    rabbitmq.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), (
        f"{len(handler.received)} of {MESSAGES} received, {len(handler.unanswered)} unanswered"
    )
    assert handler.received == set(range(MESSAGES))
    assert handler.losses >= 1
