"""A link ends: each way in which it may, as a `MessagingHandler` hears of it and as the wire shows it.

The specification is the oracle: 2.6.3 to 2.6.6, 2.7.7. The rows are played with the peer as server and as client, with
the program as handler of the container, of the connection and of the link, sending and receiving, and with the frames
in one read and in reads of their own.
"""

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from tests.support.engines import frame, state
from tests.support.stage import Stage, attach, begin, error, joined

DETACH = {
    "closed, with an error": ({"closed": True, "error": error("amqp:not-found", "gone")}, ["link_error"], True),
    "closed": ({"closed": True}, ["link_closing"], True),
    # After an error the endpoint is destroyed (2.6.5): the answer may close it or not.
    "not closed, with an error": ({"error": error("amqp:link:stolen", "gone")}, ["link_error"], None),
    "not closed": ({}, ["link_closing"], False),
}
rows = pytest.mark.parametrize(("fields", "first", "closed"), DETACH.values(), ids=DETACH)
scopes = pytest.mark.parametrize("scope", ["container", "connection", "link"])
roles = pytest.mark.parametrize("server", [False, True], ids=["we are the client", "we are the server"])
ways = pytest.mark.parametrize("sends", [False, True], ids=["receiver", "sender"])
reads = pytest.mark.parametrize("together", [True, False], ids=["in one read", "in reads of their own"])


def one_detach(frames, closed):
    """The one frame that was written is our detach."""
    (detach,) = frames
    assert (detach.name, detach["handle"], detach["error"]) == ("detach", 0, None)
    if closed is not None:
        assert bool(detach["closed"]) == closed


def is_open(endpoint):
    return endpoint.state == endpoint.LOCAL_ACTIVE | endpoint.REMOTE_ACTIVE


@rows
@scopes
@roles
@ways
def test_the_peers_detach_is_told_once_and_answered_once(fields, first, closed, scope, server, sends):
    stage, link = joined(server, scope, sends)
    with stage:
        stage.send(frame(0, "detach", handle=0, **fields))
        assert stage.calls == [("program", call) for call in [*first, "link_closed"]]
        one_detach(stage.written(), closed)
        stage.settle()
        assert len(stage.calls) == 2 and stage.written() == []


@rows
@roles
@ways
@reads
def test_an_attach_and_its_end(fields, first, closed, server, sends, together):
    """Also in one read with the attach: a broker that refuses a link does so (2.6.3)."""
    with Stage(server).open() as stage:
        if not server:
            stage.attach(sends, answer=False)
            stage.forget()
        answer = [begin(reply=not server), attach(sends=not sends), frame(0, "detach", handle=0, **fields)]
        stage.send(*answer, together=together)
        told = stage.told("link")
        # What is over before the program could hear of it may be told as opened, or not.
        assert [call for call in told if call not in ("link_opening", "link_opened")] == [*first, "link_closed"]
        assert len(told) == len(set(told))
        frames = [part for part in stage.written() if part.name in ("attach", "detach")]
        assert [part.name for part in frames] == (["attach", "detach"] if server else ["detach"])
        one_detach(frames[-1:], closed)


@rows
@ways
@reads
def test_a_message_before_the_end_is_told_before_it(fields, first, closed, sends, together):
    stage, link = joined(sends=sends)
    with stage:
        detach = frame(0, "detach", handle=0, **fields)
        if sends:
            stage.send(credit(1))
            link.send(Message("x"))
            stage.forget()
            accepted = frame(0, "disposition", role=True, first=0, settled=True, state=state(0x24))
            stage.send(accepted, detach, together=together)
            assert stage.told("accepted", "settled", "link") == ["accepted", "settled", *first, "link_closed"]
        else:
            transfer = frame(0, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
            stage.send(transfer, detach, together=together)
            assert stage.told("message", "link") == ["message", *first, "link_closed"]
        assert [part.name for part in stage.written()].count("detach") == 1


def credit(messages):
    return frame(
        0,
        "flow",
        next_incoming_id=0,
        incoming_window=9,
        next_outgoing_id=0,
        outgoing_window=9,
        handle=0,
        delivery_count=0,
        link_credit=messages,
    )


@rows
@ways
def test_the_same_where_lost_connections_are_made_again(fields, first, closed, sends):
    stage, link = joined(sends=sends, reconnect=[0.0, 0.1])
    with stage:
        stage.send(frame(0, "detach", handle=0, **fields))
        assert stage.told() == [*first, "link_closed"]
        one_detach(stage.written(), closed)


@rows
@ways
def test_the_connection_goes_on_and_the_name_is_free_again(fields, first, closed, sends):
    stage, link = joined(sends=sends)
    with stage:
        stage.send(frame(0, "detach", handle=0, **fields)).forget()
        assert is_open(stage.attach(sends)) and is_open(stage.connection)


@pytest.mark.parametrize("fields", [row[0] for row in DETACH.values()], ids=DETACH)
def test_the_inherited_on_link_error_closes_the_connection(fields, caplog):
    """And logs why, at error; without an error the inherited callbacks do nothing."""
    stage, link = joined(handler=MessagingHandler())
    with stage:
        stage.send(frame(0, "detach", handle=0, **fields))
        names = [part.name for part in stage.written()]
        if fields.get("error") is None:
            assert names == ["detach"] and caplog.messages == []
        else:
            assert names[-1] == "close" and names.count("detach") <= 1
            (record,) = caplog.records
            assert record.levelname == "ERROR" and "gone" in record.getMessage()
            stage.send(frame(0, "close"))


# -- we closed it ---------------------------------------------------------------------------------------------------

ANSWERS = {
    "a closing detach": ([frame(0, "detach", handle=0, closed=True)], []),
    "a closing detach with an error": ([frame(0, "detach", handle=0, closed=True, error=error())], []),
    "a detach that does not close": ([frame(0, "detach", handle=0)], []),
    "a detach with an error that does not close": ([frame(0, "detach", handle=0, error=error())], []),
    "the session's end": ([frame(0, "end")], ["end"]),
    "the session's end with an error": ([frame(0, "end", error=error())], ["end"]),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
@scopes
@roles
@ways
def test_a_link_that_we_closed_is_closed_by_any_answer(answer, expected, scope, server, sends):
    stage, link = joined(server, scope, sends)
    with stage:
        link.close()
        stage.settle()
        (detach,) = stage.written()
        assert (detach.name, detach["closed"]) == ("detach", True)
        assert stage.told() == []
        stage.send(*answer)
        told = stage.told("link")
        # An error of the peer may be told before; that the link is closing is not news.
        assert told in (["link_closed"], ["link_error", "link_closed"])
        assert [part.name for part in stage.written()] == expected
        if not expected and not server:
            assert is_open(stage.attach(sends))


@ways
@reads
def test_a_peer_whose_detach_crossed_our_close_attaches_again_to_close(sends, together):
    """2.6.6: its attach is answered, without telling the program, and so is its closing detach."""
    stage, link = joined(sends=sends)
    with stage:
        link.close()
        stage.forget()
        stage.send(
            frame(0, "detach", handle=0),
            attach(sends=not sends, handle=0),
            frame(0, "detach", handle=0, closed=True),
            together=together,
        )
        assert stage.told("link") == ["link_closed"]
        frames = stage.written()
        assert [part.name for part in frames] == ["attach", "detach"]
        assert frames[1]["closed"] is True and frames[0]["handle"] == frames[1]["handle"]
        assert frames[0]["name"] == "L" and bool(frames[0]["role"]) == (not sends)
        assert is_open(stage.connection)


@ways
def test_a_link_that_we_only_detached_is_let_go_by_the_peers_detach(sends):
    stage, link = joined(sends=sends)
    with stage:
        link.detach()
        stage.settle()
        (detach,) = stage.written()
        assert not detach["closed"]
        stage.send(frame(0, "detach", handle=0))
        assert stage.told("link") in (["link_closed"], [])
        assert stage.written() == []


# -- a program that decides itself ----------------------------------------------------------------------------------


class Deciding(MessagingHandler):
    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def on_link_remote_detach(self, event):
        self.calls.append("link_remote_detach")

    def on_link_error(self, event):
        self.calls.append("link_error")

    def on_link_closing(self, event):
        self.calls.append("link_closing")

    def on_link_closed(self, event):
        self.calls.append("link_closed")


@pytest.mark.parametrize("fields", [{}, {"error": error("amqp:link:detach-forced")}], ids=["plain", "with an error"])
@ways
@pytest.mark.parametrize("scope", ["container", "link"])
def test_a_program_with_its_own_on_link_remote_detach_decides_what_it_means(fields, sends, scope):
    calls = []
    own = Deciding(calls)
    with Stage(handler=own if scope == "container" else None).open() as stage:
        stage.link_handler = own if scope == "link" else None
        link = stage.attach(sends)
        stage.send(frame(0, "detach", handle=0, **fields))
        assert calls == ["link_remote_detach"] and stage.written() == []
        link.detach()
        stage.settle()
        (detach,) = stage.written()
        assert detach.name == "detach" and not detach["closed"]


@pytest.mark.parametrize("fields", [{"closed": True}, {"closed": True, "error": error()}], ids=["closed", "error"])
def test_it_does_not_decide_what_a_closing_detach_means(fields):
    calls = []
    with Stage(handler=Deciding(calls)).open() as stage:
        stage.attach()
        stage.send(frame(0, "detach", handle=0, **fields))
        assert calls == ["link_error" if "error" in fields else "link_closing", "link_closed"]
        assert [part.name for part in stage.written()] == ["detach"]
