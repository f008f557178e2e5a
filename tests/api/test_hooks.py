"""`proton.hooks`: which hooks are called for a message, and that no hook costs a message."""

import contextlib

import pytest

from proton import Delivery, LinkException, Message, Terminus
from proton.handlers import IncomingMessageHandler, MessagingHandler
from proton.hooks import MessageHooks, add_hooks, remove_hooks
from tests.support.engines import accept, connected, linked, pump
from tests.support.hooks import Hello, Recorder, added, divide, handle_one
from tests.support.loops import run

ACCEPTED, RELEASED = Delivery.ACCEPTED, Delivery.RELEASED


@pytest.fixture
def hooks():
    with added(Recorder()) as recorder:
        yield recorder


# -- what a hook may do ----------------------------------------------------------------------------------------------


def test_a_hook_may_change_what_is_sent():
    class Marks(MessageHooks):
        def before_send(self, sender, message):
            message.properties = {"trace": "t"}

    a, b, sender, receiver = linked()
    with added(Marks()):
        sender.send(Message(body=1))
    pump(a, b)
    message = Message()
    message.recv(receiver)
    assert message.properties == {"trace": "t"}


class Broken(MessageHooks):
    def before_send(self, sender, message):
        raise ValueError("b")

    after_send = send_failed = outcome = received = around_message = answered = before_send


class BrokenAround(MessageHooks):
    def __init__(self, enter):
        self.enter = enter

    def around_message(self, receiver, message, delivery):
        return self

    def __enter__(self):
        if self.enter:
            raise ValueError

    def __exit__(self, *error):
        raise ValueError


@pytest.mark.parametrize("broken", [Broken, lambda: BrokenAround(True), lambda: BrokenAround(False)])
def test_what_a_hook_raises_is_logged_and_costs_no_message(hooks, broken, caplog):
    with added(broken()):
        run(Hello())
    assert len(hooks.take()) == 6  # those of the other hooks
    assert caplog.messages and all(text.startswith("a hook has failed: Broken") for text in caplog.messages)


def test_a_hook_cannot_swallow_what_on_message_raises():
    class Swallows(MessageHooks):
        def around_message(self, receiver, message, delivery):
            return contextlib.suppress(BaseException)

    with added(Swallows()), pytest.raises(ZeroDivisionError):
        handle_one(divide)


def test_they_are_called_in_order_and_once():
    first, second = Recorder(), Recorder()
    first.calls = second.calls
    a, b, sender, _ = linked()
    with added(first), added(second):
        add_hooks(first)
        sender.send(Message(body=1))
    assert second.take() == [("before", 1), ("before", 1), ("after", 1), ("after", 1)]


@pytest.mark.parametrize("stays", [True, False])
def test_removed_hooks_hear_nothing_more(stays):
    recorder, other = Recorder(), Recorder()
    a, b, sender, receiver = linked()
    with contextlib.ExitStack() as stack:
        if stays:
            stack.enter_context(added(other))
        with added(recorder):
            sender.send(Message(body=1))
            recorder.take()
        remove_hooks(recorder)  # it is not there
        sender.send(Message(body=2))
        pump(a, b)
        for _ in range(2):
            receiver.current.settle()
        pump(a, b)
    assert recorder.take() == []
    assert len([call for call in other.take() if call[0] == "outcome"]) == (2 if stays else 0)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="expected an object of a subclass of MessageHooks, got <class"):
        add_hooks(Recorder)


# -- outcomes --------------------------------------------------------------------------------------------------------


def sent(hooks, **options):
    a, b, sender, receiver = linked(**options)
    delivery = sender.send(Message(body="x"))
    pump(a, b)
    assert hooks.take() == [("before", "x"), ("after", "x")]
    return a, b, sender, receiver, delivery


def outcomes(hooks):
    return [call[2:] for call in hooks.take() if call[0] == "outcome"]


def settles_first(a, b, sender, receiver, delivery):
    delivery.settle()


def outcome_before_settlement(a, b, sender, receiver, delivery):
    receiver.current.update(ACCEPTED)
    pump(a, b)
    delivery.settle()


def settlement_after_outcome(a, b, sender, receiver, delivery):
    taken = receiver.current
    taken.update(RELEASED)
    pump(a, b)
    taken.settle()
    pump(a, b)
    delivery.settle()


def peer_closes(a, b, sender, receiver, delivery):
    receiver.close()


def peer_detaches(a, b, sender, receiver, delivery):
    receiver.detach()


def session_ends(a, b, sender, receiver, delivery):
    receiver.session.close()


def transport_is_lost(a, b, sender, receiver, delivery):
    a.transport.unbind()
    a.connection.free()


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (settles_first, (0, False)),
        (outcome_before_settlement, (ACCEPTED, False)),
        (settlement_after_outcome, (RELEASED, True)),
        (peer_closes, (0, False)),
        (peer_detaches, (0, False)),
        (session_ends, (0, False)),
        (transport_is_lost, (0, False)),
    ],
)
def test_each_message_has_one_outcome(hooks, end, outcome):
    a, b, sender, receiver, delivery = sent(hooks)
    end(a, b, sender, receiver, delivery)
    pump(a, b)
    told = outcomes(hooks)
    delivery.settle()
    sender.close()
    pump(a, b)
    a.transport.unbind()
    assert (told, outcomes(hooks)) == ([outcome], [])


def test_what_is_sent_settled_has_its_outcome_at_once(hooks):
    a, b, sender, _ = linked()
    sender.snd_settle_mode = sender.SND_SETTLED
    sender.send(Message(body="x"))
    assert hooks.take() == [("before", "x"), ("after", "x"), ("outcome", "x", 0, False)]


def test_what_was_not_sent_waits_for_the_next_transport(hooks):
    a, b, sender, receiver = linked(credit=0)
    delivery = sender.send(Message(body="x"))
    again, other = a.rebind(), connected()[1]
    assert outcomes(hooks) == []
    delivery.abort()
    assert outcomes(hooks) == [(0, False)]
    assert again.connection is sender.connection and other.connection is not sender.connection


def test_a_recoverable_link_keeps_its_outcomes_waiting(hooks):
    a, b, sender, receiver = linked()
    sender.recoverable = True
    delivery = sender.send(Message(body="x"))
    pump(a, b)
    a.transport.unbind()
    assert outcomes(hooks) == []
    delivery.settle()
    assert outcomes(hooks) == [(0, False)]


def test_a_message_that_is_not_sent_has_no_outcome(hooks):
    a, b, sender, _ = linked()
    sender.remote_max_message_size = 1
    with pytest.raises(LinkException):
        sender.send(Message(body="x"))
    assert hooks.take() == [("before", "x"), ("failed", "x", LinkException)]


def test_what_goes_to_a_coordinator_is_not_told(hooks):
    a, b = connected()
    session = a.connection.session()
    session.open()
    control = session.sender("control")
    control.target.type = Terminus.COORDINATOR
    control.open()
    pump(a, b)
    accept(b, 10)
    pump(a, b)
    control.send(Message(body=[None])).settle()
    assert hooks.take() == []


class Own(Message):
    """A message class of a program."""


class Other:
    """Sends itself, as a message."""

    def send(self, sender, tag=None):
        return sender.send(Message(body="inner"), tag=tag)


def test_messages_of_other_classes(hooks):
    a, b, sender, _ = linked()
    sender.send(Own(body="own"))
    assert hooks.take() == [("before", "own"), ("after", "own")]
    sender.send(Other())
    assert hooks.take() == [("before", "inner"), ("after", "inner")]
    sender.delivery("tag")
    sender.send(b"bytes")
    sender.advance()
    assert hooks.take() == []


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settled", "answers"), [(True, []), (False, [("answered", None, ACCEPTED)])])
def test_what_its_sender_has_settled_is_not_answered(settled, answers):
    a, b, sender, receiver = linked()
    if settled:
        sender.snd_settle_mode = sender.SND_SETTLED
    sender.send(Message(body="x"))
    pump(a, b)
    handler = IncomingMessageHandler(delegate=MessagingHandler())
    with added(Recorder()) as hooks:
        handler.accept(receiver.current)
        handler.accept(receiver.current) if receiver.current else None
        assert hooks.take() == answers


def test_what_its_sender_has_given_up_is_not_answered(hooks):
    a, b, sender, receiver = linked()
    delivery = sender.delivery("tag")
    sender.stream(b"begun")
    pump(a, b)
    delivery.abort()
    pump(a, b)
    receiver.current.settle()
    assert hooks.take() == []
