"""A sender takes a message back without settling it, as RabbitMQ does after its consumer time-out."""

import pytest

from proton import Delivery
from proton.handlers import MessagingHandler
from proton.utils.blocking_links import Fetcher
from tests.support.engines import frame, state
from tests.support.scripted import Scene

STATES = {"released": state(0x26), "modified": state(0x27, True)}
TRANSFER = frame(0, "transfer", b"\x00\x53\x77\x41", handle=0, delivery_id=0, delivery_tag=b"t", message_format=0)


class Holding(MessagingHandler):
    """Keeps messages unsettled."""

    def __init__(self, auto_accept=False):
        super().__init__(prefetch=0, auto_accept=auto_accept)
        self.notes = []

    def on_message(self, event):
        self.notes.append("message")

    def on_settled(self, event):
        self.notes.append("settled")

    def on_released(self, event):
        self.notes.append("released")

    def on_taken_back(self, event):
        self.delivery = event.delivery
        self.notes.append("taken back")


def taken_back(outcome, settled=None):
    return frame(0, "disposition", role=False, first=0, state=STATES.get(outcome), settled=settled)


@pytest.mark.parametrize("scope", ["link", "session", "connection"])
@pytest.mark.parametrize("outcome", STATES)
def test_it_is_told_and_settled(outcome, scope):
    scene = Scene(Holding(), scope, "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    scene.script.raw(taken_back(outcome))
    assert [part.split()[0] for part in scene.turn()] == ["disposition"]
    assert scene.told() == "message taken back"
    assert scene.link.unsettled == 0
    scene.handler.accept(scene.handler.delivery)
    assert scene.turn() == []


def test_what_is_written_settles_it_as_released():
    scene = Scene(Holding(), "connection", "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    scene.script.raw(taken_back("released"))
    scene.dispatch()
    (disposition,) = scene.script.received()
    assert disposition["settled"] is True and disposition["state"].descriptor == int(Delivery.RELEASED)


def test_outcome_that_the_program_gave_before_stays():
    scene = Scene(Holding(), "connection", "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    scene.link.unsettled_head.update(Delivery.ACCEPTED)
    scene.script.received()
    scene.script.raw(taken_back("released"))
    scene.dispatch()
    (disposition,) = scene.script.received()
    assert disposition["settled"] is True and disposition["state"].descriptor == int(Delivery.ACCEPTED)


@pytest.mark.parametrize("auto_accept", [True, False])
def test_message_that_is_taken_back_before_it_is_read_is_not_seen(auto_accept):
    scene = Scene(Holding(auto_accept), "connection", "receiver")
    scene.script.raw(TRANSFER + taken_back("released"))
    scene.turn()
    assert scene.told() == "taken back"
    assert scene.link.current is None and scene.link.unsettled == 0


@pytest.mark.parametrize("outcome", [*STATES, None])
def test_settlement_by_the_sender_is_told_as_such(outcome):
    scene = Scene(Holding(), "connection", "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    scene.script.raw(taken_back(outcome, settled=True))
    scene.turn()
    assert scene.told() == "message settled"


def test_default_logs_it(caplog):
    scene = Scene(MessagingHandler(prefetch=0, auto_accept=False), "connection", "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    scene.script.raw(taken_back("released"))
    scene.turn()
    assert caplog.messages == ["link L: the sender has taken back a message that was not settled"]


def test_blocking_receiver_does_not_give_out_what_was_taken_back():
    scene = Scene(Holding(), "connection", "receiver")
    scene.script.raw(TRANSFER)
    scene.turn()
    fetcher = Fetcher(None, None)
    fetcher.incoming.append(("message", scene.link.unsettled_head))
    scene.script.raw(taken_back("released"))
    scene.link.handler = fetcher
    scene.turn()
    assert not fetcher.has_message
