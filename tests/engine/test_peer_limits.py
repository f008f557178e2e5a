"""One link more than the peer's handle-max, one session more than its channel-max: it fails alone (2.7.1, 2.7.2)."""

import pytest

from proton import Endpoint
from proton.endpoints.ends import end_of
from proton.handlers import MessagingHandler
from tests.support.engines import AMQP_HEADER, Script, connected, frames, pump, take
from tests.support.scripted import BEGIN, Recorder, dispatch_all

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
NAME = "amqp:resource-limit-exceeded"


def names(parts):
    return [part["name"] if part.name == "attach" else part.name for part in parts]


def begun(handle_max, links=0):
    """A session whose begin the peer answers with a limit, after so many links were opened on it."""
    script = Script().opened()
    script.connection.handler = Recorder()
    session = script.connection.session()
    session.open()
    made = [session.sender(f"L{number}") for number in range(links)]
    for link in made:
        link.open()
    wrote = script.received()
    script.send("begin", remote_channel=0, handle_max=handle_max, **BEGIN)
    return script, session, made, wrote


def test_link_without_a_handle_fails_alone():
    script, session, _, _ = begun(handle_max=1)
    links = [session.sender(f"L{number}") for number in range(3)]
    for link in links:
        link.open()
    assert names(script.received()) == ["L0", "L1"]
    for number in range(2):
        script.send("attach", name=f"L{number}", handle=number, role=True)
    assert [link.state for link in links[:2]] == [ACTIVE] * 2
    end = end_of(links[2])
    assert (end.endpoint, end.condition.name, end.by_peer) == (links[2], NAME, False)
    assert "the peer takes handles 0 to 1" in end.condition.description
    assert script.transport.condition is None and end_of(session) is None


@pytest.mark.parametrize("own_handler", [True, False])
def test_link_without_a_handle_is_told(own_handler, caplog):
    script, session, _, _ = begun(handle_max=0)
    session.sender("first").open()
    link = session.receiver("second")
    handler = script.connection.handler
    if own_handler:
        handler = link.handler = Recorder()
    link.open()
    script.received()
    handler.notes.clear()
    dispatch_all(script.peer.collector)
    assert [note for note in handler.notes if "link" in note] == ["on_link_error", "on_link_closed"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("ended link second")
    assert line.endswith(f"{NAME}: no free handle for link second: the peer takes handles 0 to 0")


def test_default_handler_leaves_the_connection_open():
    script, session, _, _ = begun(handle_max=0)
    script.connection.handler = MessagingHandler()
    for name in "ab":
        session.sender(name).open()
    script.received()
    dispatch_all(script.peer.collector)
    assert script.connection.state == ACTIVE


def test_handle_that_is_free_again_is_used():
    script, session, _, _ = begun(handle_max=0)
    first = session.sender("first")
    first.open()
    script.received()
    script.send("attach", name="first", handle=0, role=True)
    first.close()
    script.received()
    script.send("detach", handle=0, closed=True)
    second = session.sender("second")
    second.open()
    assert names(script.received()) == ["second"]


@pytest.mark.parametrize("handle_max", [0, 3, 7, 9, 20])
def test_links_that_are_opened_before_the_limit_is_known(handle_max):
    """Some are attached ahead of the begin; of these, the ones above the limit are detached again."""
    script, session, links, wrote = begun(handle_max, links=12)
    assert names(wrote) == ["begin", *(f"L{number}" for number in range(8))]
    later = script.received()
    attached = names(later)[: max(0, min(handle_max + 1, 12) - 8)]
    assert attached == [f"L{number}" for number in range(8, min(handle_max + 1, 12))]
    failed = [link for link in links if end_of(link)]
    assert failed == links[handle_max + 1 :]
    detached = [part for part in later if part.name == "detach"]
    assert [part["handle"] for part in detached] == list(range(handle_max + 1, 8))
    assert all(part["error"].value[0] == NAME for part in detached)
    assert script.transport.condition is None


def test_after_a_reconnect_links_wait_for_the_limit():
    script, session, links, _ = begun(handle_max=9, links=3)
    script.received()
    peer = script.peer.rebind()
    again = frames(take(peer.transport))
    assert names(again) == ["open", "begin", "L0"]
    script.peer, script.transport = peer, peer.transport
    script.raw(AMQP_HEADER).send("open", container_id="script")
    script.send("begin", remote_channel=0, handle_max=1, **BEGIN)
    assert names(script.received()) == ["L1"]
    assert [bool(end_of(link)) for link in links] == [False, False, True]
    assert end_of(links[2]).condition.name == NAME
    assert script.transport.condition is None


def test_link_that_has_failed_is_not_attached_to_the_next_peer():
    script, session, links, _ = begun(handle_max=0, links=0)
    links = [session.sender(name) for name in "ab"]
    for link in links:
        link.open()
    script.received()
    peer = script.peer.rebind()
    script.peer, script.transport = peer, peer.transport
    script.raw(AMQP_HEADER).send("open", container_id="script")
    script.received()
    script.send("begin", remote_channel=0, **BEGIN)
    assert "b" not in names(script.received())


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_session_without_a_channel_fails_alone():
    a, b = connected(server={"channel_max": 1})
    sessions = [a.connection.session() for _ in range(3)]
    for session in sessions:
        session.open()
    link = sessions[2].sender("L")
    link.open()
    pump(a, b)
    assert a.transport.condition is None and b.transport.condition is None
    assert [bool(end_of(session)) for session in sessions] == [False, False, True]
    end = end_of(link)
    assert (end.endpoint, end.condition.name, end.by_peer) == (sessions[2], NAME, False)
    assert "the two peers agreed on 0 to 1" in end.condition.description
    assert [frame.name for frame in a.sent()] == ["begin", "begin"]


def test_session_without_a_channel_is_told_with_its_links(caplog):
    script = Script().opened(channel_max=0)
    script.connection.handler = handler = Recorder()
    script.connection.session().open()
    session = script.connection.session()
    session.open()
    session.sender("L").open()
    script.received()
    dispatch_all(script.peer.collector)
    assert handler.notes == ["on_session_error", "on_session_closed", "on_link_closed"]
    assert len(caplog.records) == 1 and NAME in caplog.text


@pytest.mark.parametrize("channel_max", [0, 2, 9])
def test_sessions_that_are_begun_before_the_limit_is_known(channel_max):
    script = Script()
    script.connection.container = "engine"
    script.connection.open()
    sessions = [script.connection.session() for _ in range(12)]
    for session in sessions:
        session.open()
    assert [part.channel for part in script.received() if part.name == "begin"] == list(range(8))
    script.raw(AMQP_HEADER).send("open", container_id="script", channel_max=channel_max)
    script.received()
    assert [session for session in sessions if end_of(session)] == sessions[channel_max + 1 :]
    assert script.transport.condition is None


def test_after_a_reconnect_sessions_wait_for_the_limit():
    script = Script().opened()
    sessions = [script.connection.session() for _ in range(3)]
    for session in sessions:
        session.open()
    script.received()
    peer = script.peer.rebind()
    script.peer, script.transport = peer, peer.transport
    assert [part.name for part in script.received()] == ["open", "begin"]
    script.raw(AMQP_HEADER).send("open", container_id="script", channel_max=1)
    assert [part.channel for part in script.received()] == [1]
    assert [bool(end_of(session)) for session in sessions] == [False, False, True]
