"""`OutgoingMessageHandler`: credit and outcomes, as the sender is told of them."""

import pytest

from proton import Delivery, Endpoint, Message, TransactionalDisposition
from proton.handlers import Handshaker, OutgoingMessageHandler
from tests.support.pairs import opened


class Application:
    def __init__(self):
        self.seen = []

    def on_unhandled(self, method, event):
        self.seen.append(method[3:])


class Outgoing:
    def __init__(self, handler):
        self.handlers = [handler]


def world_of(auto_settle=True, credit=10):
    application = Application()
    world = opened(Outgoing(OutgoingMessageHandler(auto_settle, application)), Handshaker())
    world.seen = application.seen
    world.application = application
    world.sender = world.session.sender("x")
    world.sender.open()
    world.settle()
    world.receiver = world.pair.server.connection.link_head(0)
    if credit:
        world.receiver.flow(credit)
        world.settle()
    return world


def after(world, *actions):
    """What the sender is told after one message was sent and the receiver has done something."""
    world.sender.send(Message())
    world.settle()
    del world.seen[:]
    delivery = world.receiver.current
    for action in actions:
        action(delivery)
        world.settle()
    return world.seen


def settle(delivery):
    delivery.settle()


def update(state):
    return lambda delivery: delivery.update(state)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Delivery.ACCEPTED, ["accepted", "delivery_updated"]),
        (Delivery.REJECTED, ["rejected", "delivery_updated"]),
        (Delivery.RELEASED, ["released", "delivery_updated"]),
        (Delivery.MODIFIED, ["released", "delivery_updated"]),
        (Delivery.RECEIVED, ["delivery_updated"]),
        (TransactionalDisposition(b"t", Delivery.ACCEPTED), ["delivery_updated"]),
        (0x99, ["delivery_updated"]),
    ],
)
def test_states(state, expected):
    assert after(world_of(), update(state)) == expected


def test_settled_after_its_state():
    def both(delivery):
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()

    assert after(world_of(), both) == ["accepted", "delivery_updated", "settled"]


def test_settled_without_a_state():
    assert after(world_of(), settle) == ["delivery_updated", "settled"]


@pytest.mark.parametrize("auto_settle", [True, False])
def test_settling_in_answer(auto_settle):
    world = world_of(auto_settle)
    after(world, settle)
    assert world.sender.unsettled == (0 if auto_settle else 1)


def test_sendable_with_each_grant_and_after_own_messages():
    world = world_of(credit=0)
    assert world.seen == []
    world.receiver.flow(2)
    world.settle()
    assert world.seen == ["sendable"]
    world.sender.send(Message())
    world.settle()
    assert world.seen == ["sendable"] * 2
    world.sender.send(Message())
    world.settle()
    # All credit is used: nothing to say.
    assert world.seen == ["sendable"] * 2
    world.receiver.flow(1)
    world.settle()
    assert world.seen == ["sendable"] * 3


def test_not_sendable_once_the_link_closes():
    world = world_of(credit=0)
    world.receiver.flow(5)
    world.sender.close()
    world.settle()
    assert world.seen == []


def test_not_sendable_before_the_answer_to_the_attach():
    class Link:
        is_sender = True
        credit = 5
        state = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT

    class Event:
        link = Link

    application = Application()
    OutgoingMessageHandler(delegate=application).on_link_flow(Event)
    assert application.seen == []


def test_receivers_are_not_its_business():
    application = Application()
    world = opened(Handshaker(), Outgoing(OutgoingMessageHandler(True, application)))
    world.pair.server.handler.handlers.append(Handshaker())
    sender = world.session.sender("x")
    sender.open()
    world.settle()
    world.pair.server.connection.link_head(0).flow(5)
    world.settle()
    sender.send(Message()).settle()
    world.settle()
    assert application.seen == []
