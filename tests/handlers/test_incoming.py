"""`IncomingMessageHandler`, `Acking`, `recv_msg`: from a delivery to a message and back to an outcome."""

import logging

import pytest

from proton import Delivery, Message, MessageException
from proton.endpoints.reading import read_message
from proton.handlers import Handshaker, IncomingMessageHandler, MessagingHandler, Reject, Release
from proton.handlers.incoming import Acking, recv_msg
from tests.support.pairs import opened


class Incoming:
    def __init__(self, handler):
        self.handlers = [Handshaker(), handler]


class Application:
    def __init__(self, action=None):
        self.seen = []
        self.action = action

    def on_message(self, event):
        self.seen.append(event.message.body)
        self.event = event
        if self.action:
            self.action(event)

    def on_settled(self, event):
        self.seen.append("settled")

    def on_aborted(self, event):
        self.seen.append("aborted")
        assert event.message is None


def world_of(handler):
    world = opened(Handshaker(), Incoming(handler))
    world.sender = world.session.sender("x")
    world.sender.open()
    world.settle()
    world.receiver = world.pair.server.connection.link_head(0)
    world.receiver.flow(100)
    world.settle()
    return world


def sent(application, auto_accept=True, body="x"):
    world = world_of(IncomingMessageHandler(auto_accept, application))
    world.delivery = world.sender.send(Message(body=body))
    world.settle()
    return world


def test_a_message_is_accepted_by_itself():
    application = Application()
    world = sent(application)
    assert application.seen == ["x"]
    assert (world.delivery.remote_state, world.delivery.settled) == (Delivery.ACCEPTED, True)
    assert world.receiver.unsettled == 0


def test_or_left_to_the_application():
    world = sent(Application(), auto_accept=False)
    assert (world.delivery.remote_state, world.delivery.settled) == (0, False)
    assert world.receiver.unsettled == 1


@pytest.mark.parametrize("auto_accept", [True, False])
@pytest.mark.parametrize(("exception", "state"), [(Reject, Delivery.REJECTED), (Release, Delivery.MODIFIED)])
def test_exceptions_are_outcomes(exception, state, auto_accept):
    def action(event):
        raise exception

    world = sent(Application(action), auto_accept)
    assert (world.delivery.remote_state, world.delivery.settled) == (state, True)


def test_other_exceptions_come_out_and_leave_the_message_unsettled():
    class Failure(Exception):
        pass

    def action(event):
        raise Failure

    world = world_of(IncomingMessageHandler(True, Application(action)))
    world.sender.send(Message())
    with pytest.raises(Failure):
        world.settle()
    assert world.receiver.unsettled == 1


def test_a_message_in_pieces_comes_once():
    application = Application()
    sent(application, body="x" * 100_000)
    assert application.seen == ["x" * 100_000]


def test_the_link_has_advanced_when_the_message_is_shown():
    def action(event):
        assert event.link.current is None and event.link.queued == 0

    application = Application(action)
    sent(application)
    assert application.seen == ["x"]


def test_several_messages_in_one_read():
    application = Application()
    world = world_of(IncomingMessageHandler(delegate=application))
    for number in range(5):
        world.sender.send(Message(body=number))
    world.settle()
    assert application.seen == list(range(5))


@pytest.mark.parametrize("limit", [{"incoming_window": 4}, {"incoming_capacity": 4 * 512}], ids=["frames", "bytes"])
def test_messages_that_were_read_open_the_window_of_the_session_again(limit):
    application = Application()
    world = opened(Handshaker(), Incoming(IncomingMessageHandler(True, application)))
    world.pair.server.transport.max_frame_size = 512
    sender = world.session.sender("x")
    sender.open()
    world.settle()
    ((name, most),) = limit.items()
    setattr(world.pair.server.connection.session_head(0), name, most)
    world.pair.server.connection.link_head(0).flow(100)
    world.settle()
    bodies = [str(number) * 200 for number in range(10, 30)]  # one of them fills most of a frame
    for body in bodies:
        sender.send(Message(body=body))
    world.settle()
    assert application.seen == bodies and sender.queued == 0
    for body in bodies[:17]:  # one at a time, until the window has just been opened again
        sender.send(Message(body=body))
        world.settle()
    transport = world.pair.client.transport
    frames = transport.frames_output
    for body in bodies:
        sender.send(Message(body=body))
    assert transport.pending() > 0 and transport.frames_output - frames == 3, "all that was read counts no longer"


def test_a_message_after_a_local_close_is_given_back():
    application = Application()
    world = world_of(IncomingMessageHandler(True, application))
    delivery = world.sender.send(Message())
    world.receiver.close()
    world.settle()
    assert application.seen == []
    assert (delivery.remote_state, delivery.settled) == (Delivery.RELEASED, True)


@pytest.mark.parametrize("settled", [True, False])
def test_without_auto_accept_messages_after_a_local_close_are_dropped_in_silence(settled):
    application = Application()
    world = world_of(IncomingMessageHandler(False, application))
    deliveries = [world.sender.send(Message()) for _ in range(3)]
    for delivery in deliveries if settled else ():
        delivery.settle()
    world.receiver.close()
    world.settle()
    assert application.seen == [] and [delivery.remote_state for delivery in deliveries] == [0, 0, 0]
    assert (world.receiver.queued, world.receiver.unsettled) == (0, 3)


def settled_with(delivery, state):
    delivery.update(state)
    delivery.settle()


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (lambda delivery: delivery.settle(), Delivery.ACCEPTED),
        (lambda delivery: delivery.abort(), Delivery.ACCEPTED),
        (lambda delivery: settled_with(delivery, Delivery.RECEIVED), Delivery.ACCEPTED),  # 3.4.1: not an outcome
        (lambda delivery: settled_with(delivery, Delivery.REJECTED), Delivery.REJECTED),
        (lambda delivery: settled_with(delivery, Delivery.RELEASED), Delivery.RELEASED),
        (lambda delivery: settled_with(delivery, Delivery.MODIFIED), Delivery.MODIFIED),
    ],
)
@pytest.mark.parametrize("auto_accept", [True, False])
def test_auto_accept_gives_an_outcome_to_what_the_application_settles_without_one(action, state, auto_accept):
    application = Application(lambda event: action(event.delivery))
    world = sent(application, auto_accept)
    if auto_accept:
        assert (world.delivery.remote_state, world.delivery.settled) == (state, True)
    else:
        expected = state if state is not Delivery.ACCEPTED else application.event.delivery.local_state
        assert (world.delivery.remote_state, world.delivery.settled) == (expected, True)
    assert world.receiver.unsettled == 0


def raising(error):
    raise error


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (lambda delivery: raising(Reject()), Delivery.REJECTED),
        (lambda delivery: raising(Release()), Delivery.MODIFIED),
        (lambda delivery: Acking().reject(delivery), Delivery.REJECTED),
        (lambda delivery: Acking().release(delivery, delivered=False), Delivery.RELEASED),
        (lambda delivery: Acking().accept(delivery), Delivery.ACCEPTED),
    ],
)
@pytest.mark.parametrize("auto_accept", [True, False])
def test_an_outcome_that_is_given_right_after_the_settlement_goes_with_it(answer, state, auto_accept):
    def action(event):
        event.delivery.settle()
        answer(event.delivery)

    world = sent(Application(action), auto_accept)
    assert (world.delivery.remote_state, world.delivery.settled) == (state, True)


def test_auto_accept_has_nothing_to_add_once_the_settlement_is_on_its_way():
    def action(event):
        event.delivery.settle()
        assert event.transport.pending() > 0  # the disposition is written

    world = sent(Application(action))
    assert (world.delivery.remote_state, world.delivery.settled) == (0, True)


def test_an_aborted_delivery_is_reported_and_settled():
    application = Application()
    world = world_of(IncomingMessageHandler(True, application))
    delivery = world.sender.delivery("t")
    world.sender.stream(b"part")
    world.settle()
    delivery.abort()
    world.settle()
    assert application.seen == ["aborted"]
    assert world.receiver.unsettled == 0


def test_a_settlement_by_the_sender_is_reported():
    application = Application()
    world = sent(application, auto_accept=False)
    world.delivery.settle()
    world.settle()
    assert application.seen == ["x", "settled"]


def test_deliveries_of_senders_are_not_its_business():
    application = Application()
    world = opened(Incoming(IncomingMessageHandler(True, application)), Incoming(MessagingHandler()))
    sender = world.session.sender("x")
    sender.open()
    world.settle()
    sender.send(Message())
    world.settle()
    assert application.seen == []


@pytest.mark.parametrize("auto_accept", [True, False])
def test_a_message_that_cannot_be_decoded_is_rejected(caplog, auto_accept):
    application = Application()
    world = world_of(IncomingMessageHandler(auto_accept, application))
    delivery = world.sender.delivery("t")
    world.sender.stream(b"\x00\x53\x75\xa0\xff")
    world.sender.advance()
    world.settle()
    good = world.sender.send(Message(body="good"))
    world.settle()
    assert (delivery.remote_state, delivery.settled) == (Delivery.REJECTED, True)
    assert delivery.remote.condition.name == "amqp:decode-error"
    assert application.seen == ["good"]
    assert good.settled is auto_accept
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_recv_msg_reads_and_advances():
    world = sent(None, auto_accept=False)
    world = world_of(Application())
    world.sender.send(Message(body="one"))
    world.sender.send(Message(body="two"))
    world.settle()
    first = world.receiver.current
    assert read_message(first).body == "one"
    assert recv_msg(world.receiver.current).body == "two"
    assert world.receiver.current is None


def test_recv_msg_of_nonsense_raises_and_advances():
    world = world_of(Application())
    world.sender.delivery("t")
    world.sender.stream(b"nonsense")
    world.sender.advance()
    world.settle()
    with pytest.raises(MessageException):
        recv_msg(world.receiver.current)
    assert world.receiver.current is None


def acked(action):
    world = sent(Application(lambda event: action(Acking(), event.delivery)), auto_accept=False)
    return world.delivery


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (lambda acking, delivery: acking.accept(delivery), Delivery.ACCEPTED),
        (lambda acking, delivery: acking.reject(delivery), Delivery.REJECTED),
        (lambda acking, delivery: acking.release(delivery), Delivery.MODIFIED),
        (lambda acking, delivery: acking.release(delivery, delivered=True), Delivery.MODIFIED),
        (lambda acking, delivery: acking.release(delivery, delivered=False), Delivery.RELEASED),
        (lambda acking, delivery: acking.settle(delivery), 0),
        (lambda acking, delivery: acking.settle(delivery, Delivery.RELEASED), Delivery.RELEASED),
    ],
)
def test_acking_settles_with_a_state(action, state):
    delivery = acked(action)
    assert (delivery.remote_state, delivery.settled) == (state, True)


@pytest.mark.parametrize(
    ("options", "failed", "undeliverable"),
    [({}, True, False), ({"failed": False}, False, False), ({"undeliverable": True}, True, True)],
)
def test_release_says_how(options, failed, undeliverable):
    remote = acked(lambda acking, delivery: acking.release(delivery, **options)).remote
    assert (remote.failed, remote.undeliverable) == (failed, undeliverable)
