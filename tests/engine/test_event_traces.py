"""Which events each step puts, on both sides, exactly: programs are written against these sequences.

Each row is one step. The whole life of a connection is one scenario; every row of it is a test of its own, run with
bytes moved whole and one at a time, since the division of the stream must not show.
"""

import pytest

from proton import Delivery, Endpoint
from tests.support.engines import Peer, connected, linked, pump, put

CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])


class Life:
    """The objects of the scenario, by the names that the rows use."""

    def __init__(self, chunk):
        self.chunk = chunk
        self.C, self.S = Peer("client"), Peer("server", 2)

    def exchange(self):
        pump(self.C, self.S, self.chunk)

    def bind(self):
        self.C.bind(), self.S.bind()

    def client_session(self):
        self.ssn = self.C.connection.session()

    def client_sender(self):
        self.snd = self.ssn.sender("L")

    def server_session_open(self):
        self.S.connection.session_head(0).open()

    def receiver_open(self):
        self.rcv = self.S.connection.link_head(0)
        self.rcv.open()
        self.rcv.flow(10)

    def deliver(self):
        self.sent = self.snd.delivery("t1")

    def accept(self):
        self.got = self.rcv.current
        self.got.update(Delivery.ACCEPTED)

    def close_server_session(self):
        self.S.connection.session_head(0).close()

    def free(self):
        for peer in (self.C, self.S):
            peer.transport.unbind()


# what is done, the client's events, the server's events
LIFE = [
    ("collect", lambda x: None, "CONNECTION_INIT", "CONNECTION_INIT"),
    ("bind", Life.bind, "CONNECTION_BOUND", "CONNECTION_BOUND"),
    ("client opens", lambda x: x.C.connection.open(), "CONNECTION_LOCAL_OPEN TRANSPORT", ""),
    ("exchange open", Life.exchange, "", "CONNECTION_REMOTE_OPEN"),
    ("server opens", lambda x: x.S.connection.open(), "", "CONNECTION_LOCAL_OPEN TRANSPORT"),
    ("exchange reply", Life.exchange, "CONNECTION_REMOTE_OPEN", ""),
    ("session", Life.client_session, "SESSION_INIT", ""),
    ("session opens", lambda x: x.ssn.open(), "SESSION_LOCAL_OPEN TRANSPORT", ""),
    ("exchange begin", Life.exchange, "", "SESSION_INIT SESSION_REMOTE_OPEN"),
    ("server session opens", Life.server_session_open, "", "SESSION_LOCAL_OPEN TRANSPORT"),
    ("exchange begin reply", Life.exchange, "SESSION_REMOTE_OPEN", ""),
    ("sender", Life.client_sender, "LINK_INIT", ""),
    ("sender opens", lambda x: x.snd.open(), "LINK_LOCAL_OPEN TRANSPORT", ""),
    ("exchange attach", Life.exchange, "", "LINK_INIT LINK_REMOTE_OPEN"),
    ("receiver opens, flow", Life.receiver_open, "", "LINK_LOCAL_OPEN TRANSPORT"),
    ("exchange attach, flow", Life.exchange, "LINK_REMOTE_OPEN LINK_FLOW", ""),
    ("delivery", Life.deliver, "", ""),
    ("stream", lambda x: x.snd.stream(b"hello"), "TRANSPORT", ""),
    ("advance", lambda x: x.snd.advance(), "TRANSPORT", ""),
    ("exchange transfer", Life.exchange, "LINK_FLOW", "DELIVERY"),
    ("accept", Life.accept, "", "TRANSPORT"),
    ("exchange disposition", Life.exchange, "DELIVERY", ""),
    ("receiver advances", lambda x: x.rcv.advance(), "", ""),
    ("receiver settles", lambda x: x.got.settle(), "", "TRANSPORT"),
    ("exchange settlement", Life.exchange, "DELIVERY", ""),
    ("sender settles", lambda x: x.sent.settle(), "TRANSPORT", ""),
    ("exchange nothing", Life.exchange, "", ""),
    ("sender closes", lambda x: x.snd.close(), "LINK_LOCAL_CLOSE TRANSPORT", ""),
    ("exchange detach", Life.exchange, "", "LINK_REMOTE_CLOSE"),
    ("receiver closes", lambda x: x.rcv.close(), "", "LINK_LOCAL_CLOSE TRANSPORT"),
    ("exchange detach reply", Life.exchange, "LINK_REMOTE_CLOSE", ""),
    ("session closes", lambda x: x.ssn.close(), "SESSION_LOCAL_CLOSE TRANSPORT", ""),
    ("exchange end", Life.exchange, "", "SESSION_REMOTE_CLOSE"),
    ("server session closes", Life.close_server_session, "", "SESSION_LOCAL_CLOSE TRANSPORT"),
    ("exchange end reply", Life.exchange, "SESSION_REMOTE_CLOSE", ""),
    ("client closes", lambda x: x.C.connection.close(), "CONNECTION_LOCAL_CLOSE TRANSPORT", ""),
    ("exchange close", Life.exchange, "TRANSPORT_HEAD_CLOSED", "CONNECTION_REMOTE_CLOSE TRANSPORT_TAIL_CLOSED"),
    ("server closes", lambda x: x.S.connection.close(), "", "CONNECTION_LOCAL_CLOSE TRANSPORT"),
    (
        "exchange close reply",
        Life.exchange,
        "CONNECTION_REMOTE_CLOSE TRANSPORT_TAIL_CLOSED TRANSPORT_CLOSED",
        "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED",
    ),
    ("unbind", Life.free, "CONNECTION_UNBOUND TRANSPORT", "CONNECTION_UNBOUND TRANSPORT"),
    ("free", lambda x: x.C.connection.free(), "LINK_FINAL SESSION_FINAL CONNECTION_FINAL", ""),
]
STEPS = [row[0] for row in LIFE]


@pytest.fixture(scope="module", params=[None, 1], ids=["whole", "bytes"])
def life(request):
    scenario = Life(request.param)
    seen = {}
    for step, act, _, _ in LIFE:
        act(scenario)
        seen[step] = (scenario.C.events(), scenario.S.events())
    return seen


@pytest.mark.parametrize("row", LIFE, ids=STEPS)
def test_each_step_of_a_connection_puts_these_events(life, row):
    step, _, client, server = row
    assert life[step] == (client, server)


@CHUNKS
def test_everything_requested_before_the_first_exchange(chunk):
    a, b = Peer().bind(), Peer("server", 2).bind()
    b.events()
    a.connection.open()
    session = a.connection.session()
    session.open()
    session.sender("a").open()
    receiver = session.receiver("b")
    receiver.open()
    receiver.flow(3)
    opening = (
        "CONNECTION_INIT CONNECTION_BOUND CONNECTION_LOCAL_OPEN TRANSPORT SESSION_INIT SESSION_LOCAL_OPEN TRANSPORT"
    )
    link = " LINK_INIT LINK_LOCAL_OPEN TRANSPORT"
    assert a.events() == opening + link + link
    pump(a, b, chunk)
    written = [(frame.name, frame["handle"]) for frame in a.sent()]
    assert written == [("open", None), ("begin", None), ("attach", 0), ("attach", 1), ("flow", 1)]
    remote = "CONNECTION_REMOTE_OPEN SESSION_INIT SESSION_REMOTE_OPEN"
    assert b.events() == remote + " LINK_INIT LINK_REMOTE_OPEN" * 2 + " LINK_FLOW"


def pre_settled(x):
    delivery = x.snd.delivery("t")
    x.snd.stream(b"m")
    delivery.settle()


def stream_part(x):
    if x.snd.current is None:
        x.snd.delivery("t")
    x.snd.stream(b"part")


def abort_current(x):
    x.snd.current.abort()


def start_and_abort(x):
    x.snd.delivery("t")
    x.snd.stream(b"part")
    x.snd.current.abort()


def settle_both(x):
    put(x.snd, b"m")
    x.exchange()
    x.a.events(), x.b.events()
    x.snd.unsettled_head.settle()
    x.rcv.current.settle()


def free_after_close(x):
    x.snd.close()
    x.exchange()
    x.a.events(), x.b.events()
    x.snd.free()
    x.rcv.close()


def free_session_after_close(x):
    x.snd.session.close()
    x.exchange()
    x.a.events(), x.b.events()
    x.snd.session.free()
    x.rcv.session.close()


def drained_with_one_queued(x):
    x.rcv.drain(0)
    x.exchange()
    x.a.events(), x.b.events()
    put(x.snd, b"m")
    x.snd.drained()


def drained(x):
    x.rcv.drain(0)
    x.exchange()
    x.a.events(), x.b.events()
    x.snd.drained()


class Pair:
    def __init__(self, chunk):
        self.a, self.b, self.snd, self.rcv = linked(credit=5, chunk=chunk)
        self.chunk = chunk

    def exchange(self):
        pump(self.a, self.b, self.chunk)


# what is done on a link with 5 credits, followed by an exchange
EXCHANGES = [
    ("stream part", stream_part, "TRANSPORT LINK_FLOW", "DELIVERY"),
    ("pre-settled", pre_settled, "TRANSPORT LINK_FLOW", "DELIVERY"),
    ("abort before any frame", start_and_abort, "TRANSPORT LINK_FLOW", ""),
    ("drain", lambda x: x.rcv.drain(5), "LINK_FLOW", "TRANSPORT"),
    ("drained", drained, "TRANSPORT", "LINK_FLOW"),
    ("drained, one queued", drained_with_one_queued, "TRANSPORT LINK_FLOW", "DELIVERY LINK_FLOW"),
    ("detach", lambda x: x.snd.detach(), "LINK_LOCAL_DETACH TRANSPORT", "LINK_REMOTE_DETACH"),
    ("session closed", lambda x: x.snd.session.close(), "SESSION_LOCAL_CLOSE TRANSPORT", "SESSION_REMOTE_CLOSE"),
    (
        "connection closed",
        lambda x: x.a.connection.close(),
        "CONNECTION_LOCAL_CLOSE TRANSPORT TRANSPORT_HEAD_CLOSED",
        "CONNECTION_REMOTE_CLOSE TRANSPORT_TAIL_CLOSED",
    ),
    ("free after close", free_after_close, "LINK_REMOTE_CLOSE LINK_FINAL", "LINK_LOCAL_CLOSE TRANSPORT"),
    (
        "session free after close",
        free_session_after_close,
        "SESSION_REMOTE_CLOSE LINK_FINAL SESSION_FINAL",
        "SESSION_LOCAL_CLOSE TRANSPORT",
    ),
]


@CHUNKS
@pytest.mark.parametrize("row", EXCHANGES, ids=[row[0] for row in EXCHANGES])
def test_exchange_puts_these_events(row, chunk):
    _, act, client, server = row
    pair = Pair(chunk)
    act(pair)
    pair.exchange()
    assert (pair.a.events(), pair.b.events()) == (client, server)


@CHUNKS
def test_streaming_puts_the_same_events_for_every_part(chunk):
    pair = Pair(chunk)
    for act in (stream_part, stream_part, lambda x: x.snd.advance()):
        act(pair)
        pair.exchange()
        assert (pair.a.events(), pair.b.events()) == ("TRANSPORT LINK_FLOW", "DELIVERY")
    assert not pair.rcv.current.partial


@CHUNKS
def test_abort_after_some_frames_is_a_delivery_event(chunk):
    pair = Pair(chunk)
    stream_part(pair)
    pair.exchange()
    pair.a.events(), pair.b.events()
    abort_current(pair)
    pair.exchange()
    assert (pair.a.events(), pair.b.events()) == ("TRANSPORT LINK_FLOW", "DELIVERY")
    delivery = pair.rcv.current
    assert delivery.aborted and delivery.settled and delivery.updated and not delivery.partial


@CHUNKS
def test_attaches_that_cross_meet_in_one_link(chunk):
    a, b = connected()
    session = a.connection.session()
    session.open()
    pump(a, b)
    other = b.connection.session_head(0)
    other.open()
    pump(a, b)
    a.events(), b.events()
    session.sender("X").open()
    other.receiver("X").open()
    pump(a, b, chunk)
    events = "LINK_INIT LINK_LOCAL_OPEN TRANSPORT LINK_REMOTE_OPEN"
    assert (a.events(), b.events()) == (events, events)
    assert a.connection.link_head(0).state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def test_end_and_close_wait_for_the_open_of_the_peer():
    a, b = Peer().bind(), Peer("server", 2).bind()
    a.connection.open()
    session = a.connection.session()
    session.open()
    link = session.sender("L")
    link.open()
    link.close()
    session.close()
    a.connection.close()
    a.events()
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["open", "begin", "attach", "detach"]
    assert a.events() == ""
    b.connection.open()
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["end", "close"]
    assert a.events() == "CONNECTION_REMOTE_OPEN TRANSPORT_HEAD_CLOSED"
    b.connection.close()
    pump(a, b)
    assert a.events() == "CONNECTION_REMOTE_CLOSE TRANSPORT_TAIL_CLOSED TRANSPORT_CLOSED"


def test_settled_by_both_is_told_by_the_end_that_comes_first():
    pair = Pair(None)
    settle_both(pair)
    pair.exchange()
    assert (pair.a.events(), pair.b.events()) == ("TRANSPORT", "TRANSPORT DELIVERY")
    assert [len(peer.sent()) for peer in (pair.a, pair.b)] == [2, 0]


FAILURES = [
    ("illegal frame", lambda p: p.transport.push(b"\0\0\0\1\2\0\0\0"), "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED"),
    ("end of input", lambda p: p.transport.close_tail(), "TRANSPORT_TAIL_CLOSED TRANSPORT_ERROR"),
    ("unknown performative", lambda p: p.transport.push(b"\0\0\0\x0c\2\0\0\0\0\x53\x30\x45"), None),
    ("cut performative", lambda p: p.transport.push(b"\0\0\0\x0b\2\0\0\0\0\x53\x10"), None),
    ("idle timeout", lambda p: (p.transport.tick(1), p.transport.tick(99)), None),
]


@pytest.mark.parametrize("row", FAILURES, ids=[row[0] for row in FAILURES])
def test_failure_puts_error_and_closes_both_directions(row):
    _, act, events = row
    a, _ = connected(client={"idle_timeout": 10})
    act(a)
    assert a.events() == (events or "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED")
    size = a.transport.pending()
    assert size > 0 and a.events() == ""
    a.transport.pop(size)
    assert a.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"
    assert a.transport.closed


def test_close_head_after_a_failure_closes_the_transport():
    a, _ = connected()
    a.transport.close_tail()
    a.events()
    a.transport.close_head()
    assert a.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


def test_own_capacity_error_ends_the_session_alone():
    """The C binding closes the connection; an end that concerns a session is told for that session (2.5.4)."""
    a, b = connected(client={"max_frame_size": 1024})
    session = a.connection.session()
    session.incoming_capacity = 512
    session.open()
    a.events()
    pump(a, b)
    assert set(a.events().split()) == {"SESSION_LOCAL_CLOSE", "TRANSPORT"}
    assert session.condition.description.startswith("session capacity 512 is less than frame size 1024")
    assert b.events() == "" and a.transport.condition is None


def test_connection_freed_while_bound_is_final_when_unbound():
    a, _, _, _ = linked()
    a.connection.free()
    a.events()
    a.transport.unbind()
    events = a.events().replace("TRANSPORT", "").split()
    assert events == ["CONNECTION_UNBOUND", "LINK_FINAL", "SESSION_FINAL", "CONNECTION_FINAL"]
