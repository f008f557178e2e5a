"""`FlowController`: how much credit a receiver has, and when."""

import pytest

from proton import Message
from proton.handlers import FlowController, Handshaker, IncomingMessageHandler
from tests.support.pairs import opened


class Both:
    """Answers everything, and controls the flow."""

    def __init__(self, *handlers):
        self.handlers = [Handshaker(), *handlers]


class Levels:
    """Notes the credit after each message was read."""

    def __init__(self):
        self.levels = []

    def on_message(self, event):
        self.levels.append(event.link.credit)


def receiving(window):
    levels = Levels()
    world = opened(Both(), Both(FlowController(window), IncomingMessageHandler(delegate=levels)))
    world.sender = world.session.sender("x")
    world.sender.open()
    world.settle()
    world.receiver = world.pair.server.connection.link_head(0)
    world.levels = levels.levels
    return world


def send(world, count):
    for _ in range(count):
        world.sender.send(Message(body="x"))
    world.settle()


def test_the_default_window():
    assert FlowController().window == 1024


def test_a_receiver_that_the_peer_opens_is_given_the_window():
    world = receiving(10)
    assert world.sender.credit == world.receiver.credit == 10


def test_a_receiver_that_this_end_opens_is_given_the_window():
    world = opened(Both(FlowController(7)), Both())
    receiver = world.session.receiver("x")
    receiver.open()
    world.settle()
    assert receiver.credit == 7
    assert world.pair.server.connection.link_head(0).credit == 7


def test_senders_are_left_alone():
    world = opened(Both(FlowController(7)), Both(FlowController(7)))
    sender = world.session.sender("x")
    sender.open()
    world.settle()
    assert sender.credit == 7
    sender.send(Message())
    world.settle()
    assert sender.credit == 6


def test_the_credit_ends_one_below_the_window():
    world = receiving(10)
    send(world, 5)
    assert world.levels == [9] * 5
    assert world.receiver.credit == 9


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_messages_never_stop(window):
    world = receiving(window)
    send(world, 4 * window + 5)
    assert len(world.levels) == 4 * window + 5


def test_no_credit_for_a_receiver_that_was_drained():
    world = receiving(10)
    world.receiver.drain(0)
    world.settle()
    assert world.sender.drained() == 10
    world.settle()
    assert world.receiver.credit == 0
    # Credit is up to the application from now on.
    world.receiver.flow(3)
    world.settle()
    send(world, 2)
    assert world.receiver.credit == 1


def test_draining_one_receiver_leaves_the_others_alone():
    world = receiving(10)
    world.receiver.drain(0)
    world.settle()
    world.sender.drained()
    world.settle()
    other = world.session.sender("other")
    other.open()
    world.settle()
    assert other.credit == 10
    for _ in range(25):
        other.send(Message())
    world.settle()
    assert len(world.levels) == 25
