"""Blocking operations go on over an end that can pass: of a link, a session or the connection (ends.md 2)."""

import pytest

from proton import Message, Timeout
from tests.ends.test_blocking import named
from tests.support.auto_peer import at_once, auto_peer, connect, mirrored
from tests.support.engines import frame
from tests.support.stage import error

MOVED = error("x:y", "moved")
PASSING = {"reconnect": [0.0, 0.01, 0.1, 0.1, 0.1], "retry_on": ["x:y"]}
ENDS = {
    "link": lambda peer, channel, handle: peer.detach(channel, handle, closed=True, error=MOVED),
    "session": lambda peer, channel, handle: peer.end(channel, error=MOVED),
    "connection": lambda peer, channel, handle: peer.shut(error=MOVED),
    "loss": lambda peer, channel, handle: None,
}
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def transfer(channel, handle, body, number=0):
    message = Message(body=body).encode()
    fields = {"delivery_id": number, "delivery_tag": b"0", "message_format": 0, "settled": True}
    return frame(channel, "transfer", payload=message, handle=handle, **fields)


@pytest.mark.parametrize("kind", ["link", "session", "connection"])
def test_receive_goes_on_where_the_end_came_in_one_read_with_a_message(kind):
    with auto_peer() as peer:
        connection = connect(peer, **PASSING)
        receiver = connection.create_receiver("q", credit=5)
        channel, handle = peer.link(True)
        peer.on(None, lambda *_: transfer(channel, handle, "first") + ENDS[kind](peer, channel, handle))
        peer.go.set()
        assert receiver.receive().body == "first"
        number = 1 if kind == "link" else 0  # its session goes on

        def again(part):  # not the flow of before, which may come late
            return part.name == "flow" and sum(seen.name == "attach" for seen in peer.seen) == 2

        peer.on(again, lambda peer, part: transfer(part.channel, part["handle"], "second", number))
        assert receiver.receive().body == "second"
        connection.close()


@ends
def test_close_of_a_link_is_over_with_what_it_was_made_in(end):
    with auto_peer() as peer:
        connection = connect(peer, **PASSING)
        sender = connection.create_sender("q")
        channel, handle = peer.link(False)
        peer.on(named("detach"), lambda *_: end(peer, channel, handle))
        at_once(sender.close)
        peer.over.set()
        connection.create_sender("other").send(Message(body="x"))
        connection.close()


def test_a_link_whose_opening_timed_out_is_closed():
    """The peer attaches it late: what it sends then must not be held by a link that no caller has."""
    with auto_peer() as peer:
        connection = connect(peer)
        attach = []
        peer.on(named("attach"), lambda _, part: attach.append(mirrored(part)) or b"")
        connection.timeout = 0.1
        with pytest.raises(Timeout):
            connection.create_receiver("q", credit=5)
        peer.over.set()
        connection.timeout = 10
        peer.on(None, lambda *_: attach[0])
        peer.go.set()
        assert peer.acted.wait(10)
        peer.over.set()
        connection.wait(lambda: not list(connection.conn.links(0)))
        assert [part.name for part in peer.seen].count("detach") == 1
        connection.close()
