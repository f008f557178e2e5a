"""`FlowController`: how much credit a receiver has, and when."""

import pytest

from proton import Message
from proton.handlers import FlowController, Handshaker, IncomingMessageHandler, MessagingHandler
from proton.reactor import Container, reactor
from tests.support.pairs import opened
from tests.support.wire import connected


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


@pytest.mark.parametrize(
    ("window", "credits"),
    [
        (1, [1, 1, 1, 1]),
        (2, [1, 1, 1, 1]),
        (3, [2, 1, 2, 1, 2]),
        (10, [9, 8, 7, 6, 5, 9, 8, 7, 6, 5, 9, 8]),
    ],
)
def test_the_sender_hears_of_half_a_window_at_once(window, credits):
    world = receiving(window)
    seen = []
    for _ in credits:
        send(world, 1)
        seen.append(world.sender.credit)
    assert seen == credits


def test_a_window_that_was_made_smaller_is_told_at_once():
    controller = FlowController(10)
    world = opened(Both(controller), Both())
    receiver = world.session.receiver("x")
    receiver.open()
    world.settle()
    sender = world.pair.server.connection.link_head(0)
    controller.window = 4
    sender.send(Message())
    world.settle()
    assert (sender.credit, receiver.credit) == (3, 4)  # the message has not been read


class Ahead:
    """A program that reads messages when more than some of them are there."""

    def __init__(self, kept):
        self.kept = kept
        self.read = 0

    def on_delivery(self, event):
        link = event.link
        while link.is_receiver and link.queued > self.kept:
            delivery = link.current
            link.recv(1000)
            link.advance()
            delivery.settle()
            self.read += 1


@pytest.mark.parametrize(("window", "kept"), [(10, 4), (10, 5), (10, 6), (10, 8), (5, 3), (3, 1), (2, 0), (100, 60)])
def test_messages_come_while_some_are_kept_unread(window, kept):
    ahead = Ahead(kept)
    world = opened(Both(), Both(FlowController(window), ahead))
    sender = world.session.sender("x")
    sender.open()
    world.settle()
    for _ in range(3 * window):
        sender.send(Message())
        world.settle()
    assert ahead.read == 3 * window - kept


def test_credit_that_is_given_while_the_sender_drains_ends_the_drain():
    world = receiving(10)
    send(world, 2)
    world.receiver.drain(0)
    world.settle()
    send(world, 3)
    assert not world.receiver.draining() and not world.sender.drain_mode
    assert world.receiver.credit == world.sender.credit == 9


class Told(MessagingHandler):
    """Notes the credit that the sender has heard of when a message is handled, which takes so many seconds."""

    def __init__(self, prefetch, seconds=0.0):
        super().__init__(prefetch=prefetch)
        self.seconds = seconds
        self.now = 0.0
        self.credits = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_message(self, event):
        self.now += self.seconds
        self.wire.exchange()
        self.credits.append(self.sender.credit)


@pytest.mark.parametrize(
    ("prefetch", "seconds", "credits"),
    [
        (52, 0.0, [0] * 26 + [26] * 26),
        (50, 0.0, [0] * 50),  # so few take as long as a turn
        (10, 0.0, [0] * 10),
        (10, 0.0001, [0] * 10),
        (10, 0.0003, [0] * 5 + [5] * 5),  # the sender can send while these are handled
        (50, 0.0001, [0] * 25 + [25] * 25),
        (5, 1.0, [0] * 5),  # so little credit is not worth a write
    ],
)
def test_the_sender_may_go_on_while_many_messages_or_slow_ones_wait(monkeypatch, prefetch, seconds, credits):
    handler = Told(prefetch, seconds)
    monkeypatch.setattr(reactor.time, "monotonic", lambda: handler.now)
    delivered(handler, prefetch)
    assert handler.credits == credits


def delivered(handler, count):
    """Runs a container to which as many messages come at once as it has asked for, and ends it."""
    container = Container(handler)
    wire, session = connected(container, handler)
    handler.wire = wire
    sender = handler.sender = session.sender("L")
    sender.open()
    wire.step(container, lambda: sender.credit == count)
    deliveries = [sender.send(Message()) for _ in range(count)]
    wire.exchange()
    wire.step(container, lambda: all(delivery.settled for delivery in deliveries))
    handler.acceptor.close()
    wire.peer.connection.close()
    wire.exchange()
    while container.process():
        wire.exchange()
    container.process()
    wire.sock.close()


def test_nothing_is_written_early_for_a_link_that_is_closed():
    class Closing(Told):
        writes = 0

        def on_message(self, event):
            event.receiver.close()
            self.writes = 0

        def on_selectable_writable(self, event):
            self.writes += 1

    handler = Closing(60)
    delivered(handler, 60)
    assert 1 <= handler.writes <= 3  # the detach, and the ends of the connection


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
