"""What is too large for the peer's frames ends alone: the link, or the session, and nothing else (2.4.1, 2.7.1)."""

import pytest

from proton import Delivery
from proton.endpoints.ends import end_of
from proton.utils import BlockingConnection, LinkDetached
from tests.ends.test_limits import answer, is_open
from tests.support.auto_peer import at_once, auto_peer
from tests.support.engines import AMQP_HEADER, frame, linked, pump
from tests.support.stage import Stage, attach, begin

SMALL = 512
TOO_SMALL = "amqp:frame-size-too-small"
LONG = "x" * 600


def large(endpoint, what):
    """Makes the opening frame of an endpoint too large."""
    setattr(endpoint, what, {"large": LONG} if what == "properties" else [LONG])


KINDS = ["properties", "offered_capabilities", "desired_capabilities"]


def make_link(stage, what):
    name = LONG if what == "name" else "large"
    if what == "filter":
        link = stage.connection.session()
        link.open()
        link = link.receiver(name)
        link.source.filter.put_object({"large": LONG})
    else:
        session = stage.connection.session()
        session.open()
        link = session.sender(name)
        if what in KINDS:
            large(link, what)
    link.handler = stage.link_handler
    link.open()
    return link


@pytest.mark.parametrize("scope", ["container", "link"])
@pytest.mark.parametrize("known", [True, False], ids=["the size is known", "before the peer's open"])
@pytest.mark.parametrize("what", ["name", "filter", *KINDS])
def test_an_attach_that_is_too_large_ends_that_link_alone(what, known, scope, caplog):
    with Stage(scope=scope) as stage:
        if known:
            stage.open(max_frame_size=SMALL)
        link = make_link(stage, what)
        other = link.session.sender("other")
        other.open()
        if not known:
            stage.settle()
            stage.send(AMQP_HEADER + frame(0, "open", container_id="peer", max_frame_size=SMALL))
        stage.settle()
        assert "detach" not in answer(stage)
        assert stage.told("link_error", "link_closed", "session_closed") == ["link_error", "link_closed"]
        assert link.condition.name == TOO_SMALL
        assert link.condition.description.startswith("attach: the peer takes frames of 512 bytes, got one of ")
        end = end_of(link)
        assert end.endpoint is link and end.condition.name == TOO_SMALL and not end.by_peer
        assert is_open(other) and is_open(stage.connection)
        assert any(TOO_SMALL in record.getMessage() for record in caplog.records)


def test_an_attach_above_512_bytes_waits_for_the_open_and_goes_out_where_it_fits():
    """2.4.1: before the open every peer takes 512 bytes, and how many more is not known."""
    with Stage() as stage:
        link = make_link(stage, "name")
        stage.settle()
        assert [part.name for part in stage.written()] == ["open", "begin"]
        stage.send(AMQP_HEADER + frame(0, "open", container_id="peer", max_frame_size=1024))
        stage.settle()
        assert [part.name for part in stage.written()] == ["attach"]
        stage.send(begin(), attach(LONG, sends=False))
        assert is_open(link)


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("known", [True, False], ids=["the size is known", "before the peer's open"])
def test_a_begin_that_is_too_large_ends_that_session_and_its_links(what, known):
    with Stage() as stage:
        if known:
            stage.open(max_frame_size=SMALL)
        session = stage.connection.session()
        large(session, what)
        session.open()
        link = session.receiver("its own")
        link.open()
        other = stage.connection.session()
        other.open()
        if not known:
            stage.settle()
            stage.send(AMQP_HEADER + frame(0, "open", container_id="peer", max_frame_size=SMALL))
        stage.settle()
        answer(stage)
        assert stage.told("link", "session_error", "session_closed") == [
            "session_error",
            "session_closed",
            "link_closed",
        ]
        assert session.condition.name == TOO_SMALL and session.condition.description.startswith("begin: the peer takes")
        assert end_of(link).endpoint is session and end_of(link).condition.name == TOO_SMALL
        assert is_open(other) and is_open(stage.connection)


@pytest.mark.parametrize("what", KINDS)
def test_a_link_of_the_peer_whose_answer_is_too_large_is_answered_and_detached(what):
    does = {"link_opening": lambda event: large(event.link, what)}
    with Stage(server=True, does=does) as stage:
        stage.open(max_frame_size=SMALL)
        stage.send(begin(reply=False), attach())
        attached, detached = [part for part in stage.written() if part.name not in ("begin", "flow")]
        assert attached.name == "attach" and attached["name"] == "L" and attached["target"] is None
        assert detached.name == "detach" and detached["closed"] and detached["error"].value[0] == TOO_SMALL
        stage.send(frame(0, "detach", handle=0, closed=True))
        assert stage.told("link_error", "link_closed") == ["link_error", "link_closed"]
        assert is_open(stage.connection)


@pytest.mark.parametrize("what", KINDS)
def test_a_session_of_the_peer_whose_answer_is_too_large_is_answered_and_ended(what):
    does = {"session_opening": lambda event: large(event.session, what)}
    with Stage(server=True, does=does) as stage:
        stage.open(max_frame_size=SMALL)
        stage.send(begin(reply=False))
        begun, ended = stage.written()
        assert begun.name == "begin" and begun["remote_channel"] == 0
        assert ended.name == "end" and ended["error"].value[0] == TOO_SMALL
        stage.send(frame(0, "end"))
        assert stage.told("session_error", "session_closed") == ["session_error", "session_closed"]
        assert is_open(stage.connection)


@pytest.mark.parametrize("server", [True, False], ids=["begun by the peer", "begun here"])
def test_a_session_whose_capacity_is_below_a_frame_ends_alone(server):
    def limit(event):
        event.session.incoming_capacity = 100

    with Stage(server=server, does={"session_opening": limit}) as stage:
        stage.open()
        if server:
            stage.send(begin(reply=False))
            assert [part.name for part in stage.written()] == ["begin", "end"]
            stage.send(frame(0, "end"))
            session = stage.connection.session_head(0)
        else:
            session = stage.connection.session()
            session.incoming_capacity = 100
            session.open()
            stage.settle()
            assert stage.written() == []
        assert stage.told("session_error", "session_closed") == ["session_error", "session_closed"]
        if not server:
            assert session.condition.name == "amqp:internal-error"
            assert session.condition.description == "session capacity 100 is less than frame size 32768"
        assert is_open(stage.connection)


def test_a_link_that_was_closed_before_its_attach_was_too_large_is_told():
    with Stage().open(max_frame_size=SMALL) as stage:
        make_link(stage, "name").close()
        stage.settle()
        assert stage.told("link") == ["link_closed"]


def test_a_flow_whose_properties_are_too_large_ends_that_link_alone():
    a, b, sender, receiver = linked(server={"max_frame_size": SMALL})
    sender.flow_properties = {"large": LONG}
    pump(a, b)
    assert receiver.remote_condition.name == TOO_SMALL and sender.condition.name == TOO_SMALL
    assert is_open(a.connection) and is_open(sender.session)


def test_a_disposition_that_is_too_large_ends_that_link_alone():
    a, b, sender, receiver = linked(client={"max_frame_size": SMALL}, credit=1)
    sender.delivery("1")
    sender.stream(b"message")
    sender.advance()
    pump(a, b)
    delivery = receiver.current
    delivery.local.annotations = {"large": LONG}
    delivery.update(Delivery.MODIFIED)
    delivery.settle()
    pump(a, b)
    assert sender.remote_condition.name == TOO_SMALL and receiver.condition.name == TOO_SMALL
    assert is_open(b.connection) and is_open(receiver.session)


def test_a_blocking_link_that_is_too_large_raises_its_reason():
    with auto_peer(max_frame_size=SMALL) as peer:
        connection = BlockingConnection(peer.url, timeout=15, sasl_enabled=False)
        with pytest.raises(LinkDetached, match="attach: the peer takes frames of 512 bytes") as caught:
            at_once(lambda: connection.create_sender("q", name=LONG))
        assert caught.value.condition == TOO_SMALL
        connection.create_sender("q").close()
        connection.close()
