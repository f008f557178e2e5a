"""A peer that takes a delivery back without settling it is told by `on_taken_back` (3.4.4, RabbitMQ)."""

import pytest

from proton import Message
from tests.support.auto_peer import at_once, auto_peer, connect
from tests.support.engines import frame, state
from tests.support.stage import joined

STATES = {"released": state(0x26), "modified": state(0x27, True)}
states = pytest.mark.parametrize("back", STATES.values(), ids=STATES)
scopes = pytest.mark.parametrize("scope", ["container", "connection", "link"])
MESSAGE = frame(0, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
CALLS = ("message", "taken_back", "settled", "released", "link", "session")


def taken_back(back, settled=False):
    return frame(0, "disposition", role=False, first=0, settled=settled, state=back)


def unaccepted(scope="container"):
    return joined(scope=scope, settings={"auto_accept": False})


@states
@scopes
def test_a_message_that_is_not_settled_yet(back, scope):
    stage, link = unaccepted(scope)
    with stage:
        stage.send(MESSAGE)
        stage.send(taken_back(back))
        assert stage.told(*CALLS) == ["message", "taken_back"]
        assert link.unsettled == 0  # nothing that this end could say counts any more
        stage.send(taken_back(back, settled=True))
        assert stage.told(*CALLS) == []
        stage.send(frame(0, "detach", handle=0, closed=True))
        assert stage.told("link") == ["link_closing", "link_closed"]
        assert stage.written()[-1].name == "detach"


@states
def test_a_message_that_is_taken_back_in_the_read_that_brings_it_is_never_handed_out(back):
    stage, link = unaccepted()
    with stage:
        stage.send(MESSAGE, taken_back(back))
        assert stage.told(*CALLS) == ["taken_back"] and link.unsettled == 0
        after = frame(0, "transfer", Message("y").encode(), handle=0, delivery_id=1, delivery_tag=b"2")
        stage.send(after)
        assert stage.told(*CALLS) == ["message"]


def test_one_that_the_sender_settles_is_told_as_settled():
    stage, link = unaccepted()
    with stage:
        stage.send(MESSAGE)
        stage.send(taken_back(STATES["released"], settled=True))
        assert stage.told(*CALLS) == ["message", "settled"]


@states
def test_an_accepted_message_is_not_taken_back_any_more(back):
    stage, link = joined()
    with stage:
        stage.send(MESSAGE)
        stage.send(taken_back(back))
        assert "taken_back" not in stage.told()


@states
def test_a_blocking_receiver_goes_on(back):
    def deliver(peer, part):
        first = frame(part.channel, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
        second = frame(part.channel, "transfer", Message("y").encode(), handle=0, delivery_id=1, delivery_tag=b"2")
        return first + taken_back(back) + second

    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q", credit=5)
        peer.on(None, lambda peer, part: deliver(peer, peer.seen[-1]))
        peer.go.set()
        assert at_once(lambda: receiver.receive(timeout=None)).body == "y"
        peer.over.set()
        receiver.accept()
        at_once(receiver.close)
        at_once(connection.close)
