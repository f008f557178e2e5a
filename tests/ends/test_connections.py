"""A connection ends, and connections, sessions and links that are refused when they open (2.4.3, 2.6.3)."""

import pytest

from proton import Condition, Message
from proton.handlers import MessagingHandler
from tests.support.engines import AMQP_HEADER, frame
from tests.support.stage import Stage, attach, begin, error, joined

CLOSES = {
    "with an error": ({"error": error("amqp:not-allowed", "go away")}, "connection_error"),
    "without": ({}, "connection_closing"),
    # Where no attempt to connect again is made, every condition is an end (2.8.15, 2.8.16).
    "forced": ({"error": error("amqp:connection:forced", "go away")}, "connection_error"),
    "for an error of the peer's own": ({"error": error("amqp:internal-error", "go away")}, "connection_error"),
}
rows = pytest.mark.parametrize(("fields", "first"), CLOSES.values(), ids=CLOSES)
scopes = pytest.mark.parametrize("scope", ["container", "connection", "link"])
roles = pytest.mark.parametrize("server", [False, True], ids=["we are the client", "we are the server"])
ways = pytest.mark.parametrize("sends", [False, True], ids=["receiver", "sender"])
reads = pytest.mark.parametrize("together", [True, False], ids=["in one read", "in reads of their own"])


@rows
@scopes
@roles
@ways
def test_the_peers_close_is_told_once_and_answered_once(fields, first, scope, server, sends):
    stage, link = joined(server, scope, sends)
    with stage:
        stage.send(frame(0, "close", **fields))
        told = stage.told("connection", "disconnected", "transport_error")
        assert told == [first, "connection_closed"]
        (close,) = stage.written()
        assert (close.name, close["error"]) == ("close", None)


@rows
@reads
def test_an_open_and_a_close(fields, first, together):
    """A broker that refuses a connection opens it first (2.4.1)."""
    with Stage() as stage:
        stage.settle()
        stage.send(AMQP_HEADER + frame(0, "open", container_id="peer"), frame(0, "close", **fields), together=together)
        told = stage.told("connection", "disconnected", "transport_error")
        assert [call for call in told if call != "connection_opened"] == [first, "connection_closed"]
        assert stage.written()[-1].name == "close"


@rows
@ways
def test_a_message_before_the_close_is_told_before_it(fields, first, sends):
    stage, link = joined()
    with stage:
        transfer = frame(0, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
        stage.send(transfer, frame(0, "close", **fields))
        assert stage.told("message", "connection") == ["message", first, "connection_closed"]


@scopes
@roles
def test_a_loss_is_told_once(scope, server):
    stage, link = joined(server, scope)
    with stage:
        stage.socket.close()
        for _ in range(50):
            stage.turn()
        told = stage.told("connection", "disconnected", "transport_error")
        # The error comes when the connection has gone from the transport: the handler of a connection misses it.
        assert told.count("disconnected") == 1 and told.count("transport_error") == (scope != "connection")
        assert not {"connection_closed", "connection_error", "connection_closing"} & set(told)


@rows
@roles
def test_a_connection_that_we_closed_is_closed_by_the_peers_close(fields, first, server):
    stage, link = joined(server)
    with stage:
        stage.connection.close()
        stage.settle()
        assert [part.name for part in stage.written()] == ["close"] and stage.told() == []
        stage.send(frame(0, "close", **fields))
        told = stage.told("connection", "disconnected", "transport_error")
        assert told.count("connection_closed") == 1
        assert set(told) <= {"connection_closed", "connection_error"} and told[-1] == "connection_closed"
        assert stage.written() == []


# -- refused in the opening callback ---------------------------------------------------------------------------------

REASONS = pytest.mark.parametrize("reason", [None, Condition("amqp:not-found", "no such node")], ids=["plain", "error"])


def refusing(kind, reason):
    def refuse(event):
        endpoint = getattr(event, kind)
        endpoint.condition = reason
        endpoint.close()

    return {f"{kind}_opening": refuse}


def reason_of(part):
    return None if part["error"] is None else tuple(part["error"].value[:2])


def expected_of(reason):
    return None if reason is None else (reason.name, reason.description)


@REASONS
@ways
@pytest.mark.parametrize("scope", ["container", "connection"])
def test_a_link_that_is_closed_in_its_opening_callback_is_refused(reason, sends, scope):
    """2.6.3: an attach without the terminus, then the detach with the reason."""
    with Stage(True, scope, refusing("link", reason)).open() as stage:
        stage.send(begin(reply=False), attach(sends=not sends))
        frames = stage.written()
        assert [part.name for part in frames] == ["begin", "attach", "detach"]
        refused = frames[1]["source" if sends else "target"]
        assert refused is None and frames[2]["closed"] is True
        assert reason_of(frames[2]) == expected_of(reason)
        stage.send(frame(0, "detach", handle=0, closed=True))
        assert stage.told("link") == ["link_opening", "link_closed"]
        assert stage.written() == []


@REASONS
@reads
def test_a_session_that_is_closed_in_its_opening_callback_is_refused(reason, together):
    with Stage(True, does=refusing("session", reason)).open() as stage:
        stage.send(begin(reply=False), attach(), together=together)
        frames = stage.written()
        assert [part.name for part in frames] == ["begin", "end"]
        assert reason_of(frames[1]) == expected_of(reason)
        stage.send(frame(0, "end"))
        told = stage.told("session", "link")
        assert [call for call in told if call.startswith("session")] == ["session_opening", "session_closed"]
        assert "link_opened" not in told and stage.written() == []


@REASONS
@reads
def test_a_connection_that_is_closed_in_its_opening_callback_is_refused(reason, together):
    with Stage(True, does=refusing("connection", reason)) as stage:
        opening = AMQP_HEADER + frame(0, "open", container_id="peer")
        stage.send(opening, begin(reply=False), attach(), together=together)
        frames = stage.written()
        assert [part.name for part in frames] == ["open", "close"]
        assert reason_of(frames[1]) == expected_of(reason)
        stage.send(frame(0, "close"))
        told = stage.told("connection", "session", "link", "disconnected")
        assert [call for call in told if call.startswith("connection")] == ["connection_opening", "connection_closed"]
        assert not {"session_opened", "link_opened", "disconnected"} & set(told)


def test_a_link_that_is_closed_when_it_is_open_has_its_terminus():
    def close(event):
        event.link.close()

    with Stage(True, does={"link_opened": close}).open() as stage:
        stage.send(begin(reply=False), attach())
        assert [part.name for part in stage.written()] == ["begin", "attach", "detach"]


@rows
def test_the_inherited_on_connection_error_logs_why(fields, first, caplog):
    stage, link = joined(handler=MessagingHandler())
    with stage:
        stage.send(frame(0, "close", **fields))
        errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert ["go away" in text for text in errors] == ([True] if fields else [])
