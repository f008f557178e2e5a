"""Edges of sessions and of what waits in them that only a mutant of the engine's sources has shown to be untested."""

import pytest

from proton import Condition, Endpoint
from proton.endpoints.endpoint import endpoint_state
from tests.support.engines import Script, accept, linked, pump, put, read, state

BOTH = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
AGAIN = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT


def names(found):
    return [f.name for f in found]


# -- ends ------------------------------------------------------------------------------------------------------------


def test_an_end_waits_for_what_has_no_credit_yet():
    a, b, sender, receiver = linked(credit=0)
    put(sender, b"queued")
    sender.session.close()
    pump(a, b)
    assert a.sent() == [] and receiver.session.state == BOTH
    receiver.flow(1)
    pump(a, b)
    assert names(a.sent()) == ["transfer", "end"]
    assert read(receiver)[0] == b"queued" and receiver.session.state & Endpoint.REMOTE_CLOSED


def test_an_end_does_not_wait_once_the_peer_has_ended_the_session():
    a, b, sender, receiver = linked(credit=0)
    put(sender, b"queued")
    receiver.session.close()
    pump(a, b)
    sender.session.close()
    pump(a, b)
    assert names(a.sent()) == ["end"]


def restarted():
    """A client whose session, and its link, are made again after the peer has ended it; the peer has not answered."""
    a, b, sender, receiver = linked()
    session = sender.session
    receiver.session.condition = Condition("amqp:connection:forced", "restarts")
    receiver.session.close()
    pump(a, b)
    assert session.remote_condition.name == "amqp:connection:forced"
    endpoint_state(session).restart()
    endpoint_state(session).begin_again()
    a.events(), a.sent()
    pump(a, b)
    assert names(a.sent()) == ["end", "begin", "attach"]
    return a, b, session, sender


def test_what_is_made_again_counts_as_not_yet_opened_by_the_peer():
    a, b, session, sender = restarted()
    assert session.state == sender.state == AGAIN
    assert session.remote_condition is sender.remote_condition is None
    receiver = accept(b)
    pump(a, b)
    assert session.state == sender.state == BOTH and receiver.name == sender.name
    assert a.events().split().count("SESSION_REMOTE_OPEN") == 1


# -- what waits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size, count", [(16_000, 40), (1_000_000, 1)], ids=["one frame", "many frames"])
def test_a_sender_whose_output_is_not_taken_keeps_its_one_place(size, count):
    """With two places among those that have something to send, a sender waits for itself without end."""
    a, b, sender, receiver = linked(credit=100)
    bodies = [b"%d" % (n % 10) * size for n in range(count)]
    for body in bodies:
        put(sender, body)
    assert 0 < a.transport.pending() < size * count
    put(sender, b"last")
    pump(a, b)
    assert [read(receiver)[0] for _ in range(receiver.queued)] == [*bodies, b"last"]


def test_resumed_deliveries_keep_to_the_window():
    """2.5.6: one transfer for a window of one frame, the next one when there is room again."""
    script = Script()
    sender = script.sender()
    session = sender.session
    sender.recoverable = True
    for tag in (b"a", b"b", b"c"):
        put(sender, b"body of " + tag, tag)
    script.received()
    sender.detach()
    script.send("detach", handle=0).received()
    again = session.sender("L")
    again.recover(sender)
    again.open()
    assert sorted(script.received()[0]["unsettled"]) == [b"a", b"b", b"c"]
    fields = {"source": state(0x28), "target": state(0x29), "unsettled": {tag: None for tag in (b"a", b"b", b"c")}}
    script.send("attach", name="L", handle=0, role=True, **fields)
    assert script.received() == []
    for seen, tag in enumerate((b"a", b"b", b"c"), 3):
        script.grant(10, count=seen - 3, window=1, seen=seen)  # the new link counts from 0
        transfers = script.received()
        assert [(f["delivery_tag"], f["resume"], f.payload) for f in transfers] == [(tag, True, b"body of " + tag)]
