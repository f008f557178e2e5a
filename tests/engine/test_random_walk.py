"""Two engines, random steps, bytes divided at random: nothing is lost, doubled, reordered or left counted.

Each seed is a walk of its own: messages of all sizes, streamed, aborted, drained, settled early or late, over small
frames and windows. A seed that fails is a test case: run it alone with `-k`.
"""

import os
import random

import pytest

from proton import Delivery, Link, Message
from tests.support.engines import Peer, pump, step

SEEDS = int(os.environ.get("PROTON_WALKS", "60"))
CHUNKS = (1, 7, 100, 5000, 1 << 20)
SIZES = (0, 1, 50, 500, 3000, 40000)
STATES = (Delivery.ACCEPTED, Delivery.RELEASED, Delivery.REJECTED, Delivery.MODIFIED)


class Walk:
    def __init__(self, seed):
        self.random = random.Random(seed)
        size = self.random.choice((512, 1024, 32768))
        self.a, self.b = Peer("a", max_frame_size=size).bind(), Peer("b", max_frame_size=size).bind()
        self.a.connection.open(), self.b.connection.open()
        self.session = self.a.connection.session()
        self.session.open()
        self.senders = [self.session.sender(f"L{n}") for n in range(self.random.randint(1, 3))]
        for sender in self.senders:
            sender.open()
        pump(self.a, self.b)
        self.peer_session = self.b.connection.session_head(0)
        self.peer_session.incoming_capacity = self.random.choice((0, 0, size, 4 * size))
        self.peer_session.open()
        self.receivers = {}
        link = self.b.connection.link_head(0)
        while link is not None:
            link.open()
            self.receivers[link.name] = link
            link = link.next(0)
        self.sent = {sender.name: [] for sender in self.senders}  # what must arrive, in order
        self.got = {sender.name: [] for sender in self.senders}
        self.streamed = {}  # what the unfinished delivery of a link holds
        self.deliveries = []

    def send(self, sender):
        if sender.current is None:
            message = Message(body=b"x" * self.random.choice(SIZES), inferred=True)
            self.deliveries.append(sender.send(message))
            self.sent[sender.name].append(message.encode())

    def stream(self, sender):
        if sender.current is None:
            self.deliveries.append(sender.delivery(sender.delivery_tag()))
            self.streamed[sender.name] = b""
        data = bytes([self.random.randrange(256)]) * self.random.choice((0, 1, 600, 2000))
        sender.stream(data)
        self.streamed[sender.name] += data
        chance = self.random.random()
        if chance < 0.4:
            self.finish(sender)
        elif chance < 0.5:
            sender.current.abort()
            del self.streamed[sender.name]

    def finish(self, sender):
        if sender.current is not None:
            sender.advance()
            self.sent[sender.name].append(self.streamed.pop(sender.name))

    def grant(self, sender):
        self.receivers[sender.name].flow(self.random.randint(0, 5))

    def drain(self, sender):
        self.receivers[sender.name].drain(self.random.randint(0, 3))

    def give_back(self, sender):
        sender.drained()
        self.receivers[sender.name].drained()

    def receive(self, sender):
        receiver = self.receivers[sender.name]
        while receiver.current is not None:
            delivery = receiver.current
            if delivery.aborted:
                delivery.settle()
                continue
            data = receiver.recv(self.random.choice((10, 1000, 1 << 20)))
            if data:
                delivery.read = getattr(delivery, "read", b"") + data
            if data is not None:
                if delivery.partial:
                    return
                continue
            self.got[receiver.name].append(getattr(delivery, "read", b""))
            delivery.update(self.random.choice(STATES))
            receiver.advance()
            if self.random.random() < 0.7:
                delivery.settle()
            else:
                self.deliveries.append(delivery)

    def settle(self, sender):
        for delivery in self.random.sample(self.deliveries, min(3, len(self.deliveries))):
            if delivery.updated or delivery.link.is_receiver:
                delivery.settle()
                self.deliveries.remove(delivery)

    def move(self):
        for _ in range(self.random.randint(1, 8)):
            chunk = self.random.choice(CHUNKS)
            step(self.a, self.b, chunk)
            step(self.b, self.a, chunk)
        self.check()

    def check(self):
        self.a.events(), self.b.events()
        assert self.a.transport.condition is None and self.b.transport.condition is None
        for sender in self.senders:
            assert sender.credit + sender.queued >= 0, "what is queued is counted against credit, nothing else"

    def end(self):
        """Everything arrives once the receivers ask for it, and nothing stays behind."""
        for sender in self.senders:
            self.finish(sender)
        for _ in range(2000):
            for sender in self.senders:
                receiver = self.receivers[sender.name]
                if receiver.credit < 5:
                    receiver.flow(10)
                self.receive(sender)
            pump(self.a, self.b)
            self.check()
            if self.got == self.sent:
                break
        assert {name: len(data) for name, data in self.got.items()} == {name: len(x) for name, x in self.sent.items()}
        assert self.got == self.sent
        assert self.peer_session.incoming_bytes == self.session.outgoing_bytes == 0
        for link in [*self.senders, *self.receivers.values()]:
            for delivery in link.unsettled_deliveries:
                delivery.settle()
            assert link.unsettled == 0 and link.queued == 0
        self.a.connection.close(), self.b.connection.close()
        pump(self.a, self.b)
        assert self.a.transport.closed and self.b.transport.closed
        assert self.a.transport.condition is None and self.b.transport.condition is None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_walk_delivers_everything_in_order(seed):
    walk = Walk(seed)
    steps = [walk.send] * 6 + [walk.stream] * 4 + [walk.grant] * 2 + [walk.receive] * 3
    steps += [walk.drain, walk.give_back, walk.settle]
    for _ in range(walk.random.randint(20, 150)):
        walk.random.choice(steps)(walk.random.choice(walk.senders))
        walk.move()
    walk.end()


def test_a_delivery_that_has_begun_keeps_its_credit_when_the_rest_is_given_back():
    walk = Walk(0)
    sender = walk.senders[0]
    receiver = walk.receivers[sender.name]
    receiver.flow(3)
    pump(walk.a, walk.b)
    sender.delivery("begun")
    sender.stream(b"one")
    pump(walk.a, walk.b)
    receiver.drain(0)
    pump(walk.a, walk.b)
    assert sender.drained() == 2 and sender.credit == 1
    sender.stream(b"two")
    sender.advance()
    pump(walk.a, walk.b)
    assert receiver.recv(100) == b"onetwo" and receiver.recv(100) is None
    assert receiver.drained() == 2 and receiver.advance() and receiver.credit == sender.credit == 0


def test_credit_given_back_is_told_while_more_was_queued_since():
    """Told only when the queue was empty, sender and receiver would wait for each other for ever."""
    walk = Walk(0)
    sender = walk.senders[0]
    receiver = walk.receivers[sender.name]
    receiver.drain(5)
    pump(walk.a, walk.b)
    assert sender.drained() == 5
    walk.send(sender)
    pump(walk.a, walk.b)
    assert receiver.drained() == 5 and receiver.credit == 0
    assert sender.snd_settle_mode == Link.SND_MIXED
    walk.end()
