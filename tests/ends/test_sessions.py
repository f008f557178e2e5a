"""A session ends, or a rule of it or of its links is broken: each way in which it may.

The specification is the oracle: 2.5.4 to 2.5.6, 2.6.5, 2.6.7, 2.8.17, 2.8.18.
"""

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from tests.support.engines import frame
from tests.support.stage import Stage, attach, begin, error, joined

ENDS = {
    "with an error": ({"error": error("amqp:resource-limit-exceeded", "too many")}, "session_error"),
    "without": ({}, "session_closing"),
}
rows = pytest.mark.parametrize(("fields", "first"), ENDS.values(), ids=ENDS)
scopes = pytest.mark.parametrize("scope", ["container", "connection", "link"])
roles = pytest.mark.parametrize("server", [False, True], ids=["we are the client", "we are the server"])
ways = pytest.mark.parametrize("sends", [False, True], ids=["receiver", "sender"])
reads = pytest.mark.parametrize("together", [True, False], ids=["in one read", "in reads of their own"])


def is_open(endpoint):
    return endpoint.state == endpoint.LOCAL_ACTIVE | endpoint.REMOTE_ACTIVE


@rows
@scopes
@roles
@ways
def test_the_peers_end_is_told_for_the_session_and_for_its_links(fields, first, scope, server, sends):
    stage, link = joined(server, scope, sends)
    with stage:
        stage.send(frame(0, "end", **fields))
        outer = "outer" if scope == "link" else "program"
        assert stage.calls == [(outer, first), (outer, "session_closed"), ("program", "link_closed")]
        (end,) = stage.written()
        assert (end.name, end["error"]) == ("end", None)
        assert is_open(stage.connection)
        stage.settle()
        assert len(stage.calls) == 3 and stage.written() == []


FINAL = {
    "with an error": ({"error": error("amqp:not-allowed", "no")}, "session_error"),
    "without": ({}, "session_closing"),
}


@pytest.mark.parametrize(("fields", "first"), FINAL.values(), ids=FINAL)
@ways
def test_the_same_where_lost_connections_are_made_again(fields, first, sends):
    """The condition is one that cannot pass, or there is none."""
    stage, link = joined(sends=sends, reconnect=[0.0, 0.1])
    with stage:
        stage.send(frame(0, "end", **fields))
        assert stage.told() == [first, "session_closed", "link_closed"]
        assert [part.name for part in stage.written()] == ["end"] and is_open(stage.connection)


@rows
@pytest.mark.parametrize("links", [2, 3])
def test_each_link_of_the_session_is_told_once_and_those_of_others_not(fields, first, links):
    with Stage().open() as stage:
        for number in range(links):
            stage.attach(number % 2 == 1, name=f"L{number}")
        other = stage.connection.session()
        other.open()
        elsewhere = other.sender("elsewhere")
        elsewhere.open()
        stage.settle()
        channel = next(part.channel for part in stage.written() if part.name == "begin")
        stage.send(begin(channel=1, remote_channel=channel))
        stage.send(frame(1, "attach", name="elsewhere", handle=0, role=True)).forget()
        stage.send(frame(0, "end", **fields))
        assert stage.told() == [first, "session_closed", *["link_closed"] * links]
        assert is_open(other) and is_open(elsewhere)
        assert [part.name for part in stage.written()] == ["end"]


@rows
@reads
@ways
def test_an_end_in_place_of_the_attach(fields, first, sends, together):
    """RabbitMQ 4.0 refuses links so, also in one read with its begin."""
    with Stage().open() as stage:
        stage.attach(sends, answer=False)
        stage.forget()
        stage.send(begin(), frame(0, "end", **fields), together=together)
        told = stage.told()
        assert [call for call in told if call != "session_opened"] == [first, "session_closed", "link_closed"]
        assert len(told) == len(set(told))
        assert [part.name for part in stage.written()] == ["end"]
        assert is_open(stage.connection)


@rows
@reads
def test_a_session_of_the_peer_that_it_ends_at_once(fields, first, together):
    with Stage(server=True).open() as stage:
        stage.send(begin(reply=False), frame(0, "end", **fields), together=together)
        told = stage.told()
        assert [call for call in told if call not in ("session_opening", "session_opened")] == [first, "session_closed"]
        # Where the peer has let the channel go before our begin, an answer would be that to the next session on it.
        silent = [[]] if together else []
        assert [part.name for part in stage.written()] in [["begin", "end"], *silent]
        stage.send(begin(reply=False)).settle()
        assert is_open(stage.connection.session_head(18))


@rows
def test_a_message_before_the_end_is_told_before_it(fields, first):
    stage, link = joined()
    with stage:
        transfer = frame(0, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
        stage.send(transfer, frame(0, "end", **fields))
        assert stage.told() == ["message", first, "session_closed", "link_closed"]


@rows
@ways
def test_the_next_link_gets_a_new_session(fields, first, sends):
    stage, link = joined(sends=sends)
    with stage:
        stage.send(frame(0, "end", **fields)).forget()
        again = stage.attach(sends)
        assert is_open(again) and is_open(again.session) and again.session is not link.session


@rows
@roles
def test_a_session_that_we_ended_is_closed_by_the_peers_end(fields, first, server):
    stage, link = joined(server)
    with stage:
        link.session.close()
        stage.settle()
        (end,) = stage.written()
        assert end.name == "end" and stage.told() == []
        stage.send(frame(0, "end", **fields))
        told = stage.told()
        assert told.count("session_closed") == 1 and told.count("link_closed") == 1
        assert set(told) <= {"session_closed", "link_closed", first} - {"session_closing"}
        assert stage.written() == []


@pytest.mark.parametrize("fields", [row[0] for row in ENDS.values()], ids=ENDS)
def test_the_inherited_on_session_error_closes_the_connection(fields, caplog):
    stage, link = joined(handler=MessagingHandler())
    with stage:
        stage.send(frame(0, "end", **fields))
        names = [part.name for part in stage.written()]
        if fields:
            assert names[-1] == "close"
            (record,) = caplog.records
            assert record.levelname == "ERROR" and "too many" in record.getMessage()
            stage.send(frame(0, "close"))
        else:
            assert names == ["end"] and caplog.messages == []


# -- rules that the peer breaks ---------------------------------------------------------------------------------------


def transfer(payload=b"", **fields):
    fields = {"handle": 0, "delivery_id": 0, "delivery_tag": b"1", **fields}
    return frame(0, "transfer", payload, **fields)


SESSION_RULES = {
    "a transfer over a handle that is not attached": ([transfer(handle=7)], "amqp:session:unattached-handle"),
    "a detach of a handle that is not attached": ([frame(0, "detach", handle=7)], "amqp:session:unattached-handle"),
    "an attach on a handle in use": ([attach("other", 0)], "amqp:session:handle-in-use"),
    "an attach under a name in use": ([attach("L", 1)], None),
    "a delivery-id out of sequence": (
        [transfer(Message().encode()), transfer(Message().encode(), delivery_id=7, delivery_tag=b"2")],
        None,
    ),
}


@pytest.mark.parametrize(("frames", "condition"), SESSION_RULES.values(), ids=SESSION_RULES)
@scopes
@roles
def test_a_broken_rule_of_a_session_ends_it_with_the_reason(frames, condition, scope, server, caplog):
    reasons = []
    does = {"session_error": lambda event: reasons.append(event.session.condition)}
    stage, link = joined(server, scope, does=does)
    with stage:
        if scope == "link":
            stage.handler.does["session_error"] = does["session_error"]
        stage.send(*frames)
        told = stage.told("session", "link")
        assert told[0] == "session_error" and told.count("session_error") == 1
        (reason,) = reasons
        (end,) = (part for part in stage.written() if part.name not in ("disposition", "flow"))
        assert end.name == "end" and end["error"].value[0] == reason.name
        assert condition in (None, reason.name) and reason.description
        assert any(reason.description in record.getMessage() for record in caplog.records)
        stage.send(frame(0, "end"))
        told += stage.told("session", "link")
        assert sorted(told) == ["link_closed", "session_closed", "session_error"]
        assert is_open(stage.connection) and stage.written() == []


LINK_RULES = {
    "a message above the size that the receiver takes": (
        [transfer(Message(b"x" * 200).encode())],
        "amqp:link:message-size-exceeded",
    ),
    "more messages than any credit": (
        [transfer(Message().encode(), delivery_id=n, delivery_tag=b"%d" % n) for n in range(400)],
        "amqp:link:transfer-limit-exceeded",
    ),
}


@pytest.mark.parametrize(("frames", "condition"), LINK_RULES.values(), ids=LINK_RULES)
@scopes
def test_a_broken_rule_of_a_link_ends_it_with_the_reason(frames, condition, scope, caplog):
    reasons = []
    does = {
        "link_opening": None,
        "link_error": lambda event: reasons.append(event.link.condition),
    }
    with Stage(scope=scope, does=does, settings={"auto_accept": False}).open() as stage:
        link = stage.container.create_receiver(
            stage.connection, "q", name="L", handler=stage.link_handler, options=Limited()
        )
        stage.settle()
        stage.send(begin(incoming_window=2000), attach()).forget()
        stage.send(*frames)
        told = stage.told("link")
        assert told == ["link_error"]
        (reason,) = reasons
        assert reason.name == condition and reason is link.condition
        (detach,) = (part for part in stage.written() if part.name not in ("disposition", "flow"))
        assert detach.name == "detach" and detach["error"].value[0] == condition
        assert any(reason.description in record.getMessage() for record in caplog.records)
        stage.send(frame(0, "detach", handle=0, closed=True))
        assert stage.told("link", "session", "connection") == ["link_closed"]
        assert stage.written() == [] and is_open(stage.connection)


class Limited:
    """A receiver of small messages."""

    def test(self, link):
        return True

    def apply(self, link):
        link.max_message_size = 100
