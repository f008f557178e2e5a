"""Long random conversations over small frames and windows: what holds at the end whatever happened on the way.

Two links in opposite directions share one session. Every step is chosen by a seeded generator, so a failure repeats.
"""

import random

import pytest

from proton import Delivery
from tests.support.engines import connected, pump, step

STATES = [Delivery.ACCEPTED, Delivery.RELEASED, Delivery.REJECTED, Delivery.MODIFIED]


class Route:
    """One link: what was sent over it and what came out of it."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.expected, self.got, self.pieces = [], [], []
        self.told, self.sent = {}, {}
        self.filling = b""

    def stream(self, chance):
        sender = self.sender
        if sender.current is None:
            delivery = sender.delivery(sender.delivery_tag())
            self.sent[delivery.tag] = delivery
            self.filling = b""
        data = bytes([chance.randrange(256)]) * chance.randrange(0, 700)
        sender.stream(data)
        self.filling += data

    def finish(self, chance):
        delivery = self.sender.current
        if delivery is None:
            return
        how = chance.random()
        if how < 0.15:
            delivery.abort()
            return
        self.expected.append((delivery.tag, self.filling))
        if how < 0.4:
            delivery.settle()
        else:
            self.sender.advance()

    def read(self, chance):
        receiver = self.receiver
        delivery = receiver.current
        if delivery is None:
            return
        if delivery.aborted:
            receiver.advance()
            delivery.settle()
            self.pieces = []
            return
        data = receiver.recv(chance.choice((1, 100, 1000)))
        if data is not None:
            self.pieces.append(bytes(data))
            return
        receiver.advance()
        self.got.append((delivery.tag, b"".join(self.pieces)))
        self.pieces = []
        if not delivery.settled:
            self.told[delivery.tag] = chance.choice(STATES)
            delivery.update(self.told[delivery.tag])
        delivery.settle()

    def grant(self, chance):
        if self.receiver.credit < 20:
            self.receiver.flow(chance.randrange(1, 5))

    def drain(self, chance):
        self.receiver.drain(chance.randrange(0, 2))

    def give_back(self, chance):
        self.sender.drained()

    def settle(self, chance):
        for delivery in self.sender.unsettled_deliveries:
            if delivery.settled and chance.random() < 0.5:
                delivery.settle()


ACTIONS = [Route.stream] * 5 + [Route.finish] * 3 + [Route.read] * 8 + [Route.grant] * 2
ACTIONS += [Route.settle, Route.give_back, Route.drain]


def routes(frame_size, capacity):
    settings = {"max_frame_size": frame_size}
    a, b = connected(client=settings, server=settings)
    session = a.connection.session()
    session.incoming_capacity = capacity
    session.open()
    session.sender("there").open()
    session.receiver("back").open()
    pump(a, b)
    b.connection.session_head(0).incoming_capacity = capacity
    b.connection.session_head(0).open()
    for link in b.connection.links(0):
        link.open()
    pump(a, b)
    near, far = list(a.connection.links(0)), list(b.connection.links(0))
    return a, b, [Route(near[0], far[0]), Route(far[1], near[1])]


@pytest.mark.parametrize("seed", range(40))
def test_everything_arrives_once_in_order_and_nothing_is_left(seed):
    chance = random.Random(seed)
    a, b, both = routes(*chance.choice([(512, 1024), (512, 4096), (1024, 0), (0, 0), (32768, 40_000)]))
    for _ in range(600):
        chance.choice(ACTIONS)(chance.choice(both), chance)
        if chance.random() < 0.7:
            step(a, b, chance.randrange(1, 3000))
        if chance.random() < 0.7:
            step(b, a, chance.randrange(1, 3000))
        a.events(), b.events()
    for route in both:
        route.finish(chance)
        route.receiver.drain_mode = False
    for _ in range(3000):
        pump(a, b)
        for route in both:
            route.read(chance)
            if route.receiver.credit - route.receiver.queued < 5:
                route.receiver.flow(10)
        if all(route.sender.queued == 0 and route.receiver.current is None for route in both):
            break
    pump(a, b)
    for peer in (a, b):
        assert peer.transport.condition is None
        session = peer.connection.session_head(0)
        assert (session.incoming_bytes, session.outgoing_bytes, session.state) == (0, 0, 2 | 16)
    for route in both:
        assert route.got == route.expected
        assert (route.sender.queued, route.receiver.queued, route.receiver.unsettled) == (0, 0, 0)
        assert route.sender.credit == route.receiver.credit
        # The outcome of each message is the one that its receiver told, or none for those it did not settle.
        assert {tag: x.remote_state for tag, x in route.sent.items() if x.remote_state} == route.told
        route.sender.drained()
    assert any(route.got for route in both)
