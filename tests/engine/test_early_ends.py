"""Sessions that are over before both ends have begun them: opened and closed at once, at either end (2.5.5)."""

import pytest

from proton import Endpoint
from tests.support.engines import connected, frame, pump, step
from tests.support.violations import BOTH, Stage, begin

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


@pytest.fixture(params=list(BOTH.values()), ids=list(BOTH))
def chunk(request):
    return request.param


def early_and_later(engine):
    """A session that is closed at once, and one that stays; what was written for them."""
    early, later = engine.connection.session(), engine.connection.session()
    early.open()
    early.close()
    later.open()
    engine.feed(b"")
    return early, later


def test_end_waits_for_the_reply_to_its_begin(chunk):
    engine = Stage().opened()
    early, later = early_and_later(engine)
    assert [(part.name, part.channel) for part in engine.wrote] == [("begin", 0), ("begin", 1)]
    engine.feed(begin(5, remote_channel=0) + begin(6, remote_channel=1), chunk)
    assert [(part.name, part.channel) for part in engine.wrote[2:]] == [("end", 0)]
    engine.feed(frame(5, "end"), chunk)
    assert (early.state, later.state) == (CLOSED, ACTIVE)
    engine.check_clean_close()


def test_connection_that_closes_waits_for_no_reply(chunk):
    """The reply may come between our close and the peer's: it is not a fault."""
    engine = Stage().opened()
    early_and_later(engine)
    engine.connection.close()
    engine.wrote.clear()
    engine.feed(b"")
    assert [part.name for part in engine.wrote] == ["close"]
    engine.feed(begin(5, remote_channel=0) + begin(6, remote_channel=1) + frame(5, "end") + frame(0, "close"), chunk)
    assert engine.transport.condition is None and engine.transport.closed


def test_end_with_the_close_before_the_reply(chunk):
    engine = Stage().opened()
    session = engine.connection.session()
    session.open()
    session.close()
    engine.connection.close()
    engine.feed(b"")
    assert [part.name for part in engine.wrote] == ["begin", "end", "close"]
    engine.feed(begin(5, remote_channel=0) + frame(5, "end") + frame(0, "close"), chunk)
    assert engine.transport.condition is None and engine.transport.closed
    assert session.state == CLOSED


def test_session_that_came_and_went_is_not_begun(chunk):
    """A begin for it would name no session of the peer's: the peer would take it for a new one, and answer that."""
    engine = Stage().opened()
    engine.transport.push(begin(3) + frame(3, "end"))
    session = engine.connection.session_head()
    session.open()
    session.close()
    engine.feed(b"", chunk)
    assert engine.wrote == []
    engine.check_clean_close()


def answer(peer):
    for session in peer.connection.sessions():
        if session.state & Endpoint.LOCAL_UNINIT:
            session.open()
        if session.state & Endpoint.REMOTE_CLOSED:
            session.close()


@pytest.mark.parametrize("early", [True, False])
def test_two_ends_that_answer_each_other_come_to_rest(early):
    a, b = connected()
    session = a.connection.session()
    session.open()
    if early:
        session.close()
    for _ in range(10):
        step(a, b)
        answer(b)
        step(b, a)
        answer(a)
    session.close()
    pump(a, b)
    answer(b)
    pump(a, b)
    assert session.state == CLOSED
    assert [len(list(peer.connection.sessions())) for peer in (a, b)] == [1, 1]
