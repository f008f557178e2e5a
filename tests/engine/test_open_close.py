"""Opening, closing, ending and detaching in every order; states, conditions, final events.

The rules: 2.4.1 to 2.4.4, 2.4.6, 2.4.7, 2.5.1 to 2.5.3, 2.6.3, 2.6.4.
."""

import itertools

import pytest

from proton import Condition, Connection, Endpoint, SessionException, Transport, TransportException, symbol
from tests.support.engines import AMQP_HEADER, Peer, Script, accept, connected, linked, pump, put, split, take

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])

KINDS = ["connection", "session", "link"]


def endpoints(kind, sender):
    return {"connection": sender.connection, "session": sender.session, "link": sender}[kind]


@CHUNKS
@pytest.mark.parametrize("order", list(itertools.permutations(["a open", "b open", "pump", "pump again"])))
def test_connections_open_in_every_order(order, chunk):
    a, b = Peer().bind(), Peer("server", 2).bind()
    acts = {"a open": a.connection.open, "b open": b.connection.open}
    for step in order:
        acts.get(step, lambda: pump(a, b, chunk))()
    pump(a, b, chunk)
    assert a.connection.state == b.connection.state == ACTIVE
    assert [frame.name for frame in a.sent() + b.sent()] == ["open", "open"]


@CHUNKS
@pytest.mark.parametrize("crossing", [False, True], ids=["answered", "crossing"])
@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_endpoints_close_in_every_order(kind, first, crossing, chunk):
    a, b, sender, receiver = linked()
    pair = [(a, endpoints(kind, sender)), (b, endpoints(kind, receiver))]
    if first == "server":
        pair.reverse()
    (near, mine), (far, theirs) = pair
    mine.close()
    if not crossing:
        pump(a, b, chunk)
        assert mine.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_ACTIVE
        assert theirs.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_CLOSED
    theirs.close()
    pump(a, b, chunk)
    assert mine.state == theirs.state == CLOSED
    closing = {"connection": "close", "session": "end", "link": "detach"}[kind]
    assert [frame.name for frame in near.sent()] == [frame.name for frame in far.sent()] == [closing]


@pytest.mark.parametrize("kind", ["session", "link"])
def test_closing_the_parent_leaves_the_state_of_what_is_inside(kind):
    a, b, sender, receiver = linked()
    endpoints("connection" if kind == "session" else "session", sender).close()
    pump(a, b)
    assert endpoints(kind, sender).state == endpoints(kind, receiver).state == ACTIVE


def test_close_without_open_writes_both_frames():
    a, b = Peer().bind(), Peer("server", 2).bind()
    session = a.connection.session()
    link = session.sender("L")
    link.close()
    session.close()
    a.connection.close()
    b.connection.open()
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["open", "begin", "attach", "detach", "end", "close"]


def test_open_twice_is_one_open():
    a, b = Peer().bind(), Peer("server", 2).bind()
    for _ in range(2):
        a.connection.properties = {"x": 1}
        a.connection.offered_capabilities = ["one"]
        a.connection.open()
    pump(a, b)
    (opened,) = a.sent()
    assert (list(opened["offered_capabilities"]), opened["properties"]) == (["one"], {"x": 1})
    assert b.connection.state & Endpoint.REMOTE_ACTIVE


def test_close_twice_is_one_close():
    a, b, sender, _ = linked()
    sender.close()
    a.events()
    sender.close()
    assert a.events() == ""
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["detach"]


@pytest.mark.parametrize("order", list(itertools.permutations(["connection", "session", "link"])))
def test_children_opened_before_their_parents_are_announced_when_possible(order):
    a, b = Peer().bind(), Peer("server", 2).bind()
    b.connection.open()
    sender = a.connection.session().sender("L")
    for kind in order:
        endpoints(kind, sender).open()
        pump(a, b)
    assert [frame.name for frame in a.sent()] == ["open", "begin", "attach"]
    accept(b)
    pump(a, b)
    assert sender.state == ACTIVE


def test_states_of_a_new_endpoint():
    a = Peer()
    session = a.connection.session()
    assert [x.state for x in (a.connection, session, session.sender("L"))] == [9, 9, 9]
    values = [Endpoint.LOCAL_UNINIT, Endpoint.LOCAL_ACTIVE, Endpoint.LOCAL_CLOSED]
    assert values + [Endpoint.REMOTE_UNINIT, Endpoint.REMOTE_ACTIVE, Endpoint.REMOTE_CLOSED] == [1, 2, 4, 8, 16, 32]


# Local bits alone or remote bits alone: any of them; both kinds: exactly these; 0: all.
MASKS = [
    (0, "uninit active closed"),
    (Endpoint.LOCAL_UNINIT, "uninit"),
    (Endpoint.LOCAL_ACTIVE, "active"),
    (Endpoint.LOCAL_ACTIVE | Endpoint.LOCAL_CLOSED, "active closed"),
    (Endpoint.REMOTE_UNINIT, "uninit"),
    (Endpoint.REMOTE_ACTIVE, "active closed"),
    (Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE, "active"),
    (Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT, ""),
    (Endpoint.LOCAL_UNINIT | Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT, ""),
]


@pytest.mark.parametrize("mask, expected", MASKS)
def test_masks_choose_sessions_and_links(mask, expected):
    a, b = connected()
    named = {}
    for name in ("uninit", "active", "closed"):
        session = named[name] = a.connection.session()
        session.sender(name)
        if name != "uninit":
            session.open()
            a.connection.link_head(Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_UNINIT)
            next(link for link in a.connection.links(0) if link.name == name).open()
    pump(a, b)
    accept(b)
    pump(a, b)
    named["closed"].close()
    next(link for link in a.connection.links(0) if link.name == "closed").close()
    links = []
    link = a.connection.link_head(mask)
    while link is not None:
        links.append(link.name)
        link = link.next(mask)
    sessions = []
    session = a.connection.session_head(mask)
    while session is not None:
        sessions.append(session)
        session = session.next(mask)
    assert links == [link.name for link in a.connection.links(mask)] == expected.split()
    assert sessions == list(a.connection.sessions(mask)) == [named[name] for name in expected.split()]


CONDITIONS = [
    Condition("amqp:not-found"),
    Condition("amqp:not-found", "no such node"),
    Condition("x:y", "text", {"key": 5, "other": [1, 2]}),
    None,
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_condition_travels_with_close(kind, condition):
    a, b, sender, receiver = linked()
    mine, theirs = endpoints(kind, sender), endpoints(kind, receiver)
    mine.condition = condition
    mine.close()
    pump(a, b)
    assert theirs.remote_condition == condition
    assert theirs.condition is None


def test_condition_set_after_close_is_not_sent():
    a, b, sender, receiver = linked()
    sender.close()
    sender.condition = Condition("too:late")
    pump(a, b)
    assert receiver.remote_condition is None


def test_empty_parts_of_a_condition_are_left_out():
    a, b, sender, _ = linked()
    sender.condition = Condition("a:b", "", {})
    sender.close()
    pump(a, b)
    (detach,) = a.sent()
    assert detach["error"].value == ["a:b"]


def test_a_detach_without_closed_has_the_reason_too():
    a, b, sender, receiver = linked()
    sender.condition = Condition("amqp:link:stolen", "another came", {symbol("by"): "x"})
    sender.detach()
    sender.condition.name = "too:late"
    pump(a, b)
    (detach,) = a.sent()
    assert bool(detach["closed"]) is False
    assert receiver.remote_condition == Condition("amqp:link:stolen", "another came", {symbol("by"): "x"})


def test_a_condition_of_another_class_is_refused_by_detach():
    a, b, sender, _ = linked()
    sender.condition = "not a condition"
    with pytest.raises(AttributeError):
        sender.detach()
    pump(a, b)
    assert a.sent() == []


@pytest.mark.parametrize("kind", KINDS)
def test_condition_of_another_class_is_refused_by_close(kind):
    _, _, sender, _ = linked()
    endpoint = endpoints(kind, sender)
    endpoint.condition = "not a condition"
    with pytest.raises(AttributeError):
        endpoint.close()
    assert endpoint.state & Endpoint.LOCAL_ACTIVE


def test_detach_keeps_the_states_and_says_closed_false():
    a, b, sender, receiver = linked()
    sender.detach()
    sender.detach()
    pump(a, b)
    (detach,) = a.sent()
    assert (detach.name, bool(detach["closed"])) == ("detach", False)
    assert sender.state == receiver.state == ACTIVE
    assert b.events() == "LINK_REMOTE_DETACH"
    a.events()
    sender.close()
    pump(a, b)
    assert a.sent() == [] and a.events() == "LINK_LOCAL_CLOSE TRANSPORT"


FINAL = [
    ("never attached", lambda x: x.sender.session.sender("new"), [], "LINK_FINAL"),
    ("attached", lambda x: x.sender, [], ""),
    ("closed here", lambda x: x.sender, ["close"], ""),
    ("closed there", lambda x: x.sender, ["remote close"], ""),
    ("closed on both sides", lambda x: x.sender, ["close", "remote close"], "LINK_FINAL"),
    ("detached on both sides", lambda x: x.sender, ["detach", "remote detach"], "LINK_FINAL"),
    ("session ended on both sides", lambda x: x.sender, ["end", "remote end"], "LINK_FINAL"),
    ("unbound", lambda x: x.sender, ["unbind"], "LINK_FINAL"),
]


class Quad:
    def __init__(self):
        self.a, self.b, self.sender, self.receiver = linked()

    def do(self, name):
        {
            "close": self.sender.close,
            "detach": self.sender.detach,
            "end": self.sender.session.close,
            "remote close": self.receiver.close,
            "remote detach": self.receiver.detach,
            "remote end": self.receiver.session.close,
            "unbind": self.a.transport.unbind,
        }[name]()
        pump(self.a, self.b)


@pytest.mark.parametrize("early", [True, False], ids=["free first", "free last"])
@pytest.mark.parametrize("row", FINAL, ids=[row[0] for row in FINAL])
def test_link_is_final_when_freed_and_off_the_wire(row, early):
    _, pick, steps, expected = row
    quad = Quad()
    link = pick(quad)
    quad.a.events()
    if early:
        link.free()
    for step in steps:
        quad.do(step)
    if not early:
        link.free()
    pump(quad.a, quad.b)
    assert quad.a.events().count("LINK_FINAL") == expected.count("LINK_FINAL")
    assert link not in list(quad.a.connection.links(0))
    assert link.name and link.state  # still readable


def test_free_session_frees_its_links_and_connection_everything():
    a, _, sender, _ = linked()
    sender.session.free()
    assert list(a.connection.links(0)) == list(a.connection.sessions(0)) == []
    a.transport.unbind()
    a.events()
    a.connection.free()
    a.connection.free()
    assert a.events() == "CONNECTION_FINAL"


def test_free_settles_the_deliveries_of_the_link():
    a, b, sender, receiver = linked()
    put(sender, b"one")
    pump(a, b)
    receiver.free()
    pump(a, b)
    (delivery,) = sender.unsettled_deliveries
    assert delivery.settled and not delivery.remote_state


@pytest.mark.parametrize("mode", [None, Transport.CLIENT, Transport.SERVER])
def test_modes(mode):
    assert Transport(mode).capacity() > 0


@pytest.mark.parametrize("mode", [0, 3, -1, "client", True])
def test_unknown_mode_is_refused(mode):
    with pytest.raises(TransportException):
        Transport(mode)


def test_bind_is_one_to_one():
    a, b = Peer().bind(), Peer()
    for transport, connection in ((a.transport, b.connection), (b.transport, a.connection)):
        with pytest.raises(TransportException):
            transport.bind(connection)
        transport.bind_nothrow(connection)
    assert a.transport.connection == a.connection and b.connection.transport is None
    a.transport.unbind()
    a.transport.unbind()
    assert a.connection.transport is None


def test_input_may_come_before_the_connection_is_bound():
    a = Peer().bind()
    a.connection.container = "early"
    a.connection.open()
    a.connection.session().open()
    transport, connection = Transport(Transport.SERVER), Connection()
    transport.push(take(a.transport))
    peer = Peer("late", connection=connection)
    peer.events()
    transport.bind(connection)
    assert peer.events() == "CONNECTION_BOUND CONNECTION_REMOTE_OPEN SESSION_INIT SESSION_REMOTE_OPEN"
    assert connection.remote_container == "early"


def test_output_is_over_after_close_and_the_input_after_the_close_of_the_peer():
    script = Script().opened()
    script.send("close")
    assert script.transport.capacity() == -1
    with pytest.raises(TransportException):
        script.raw(b"x")
    script.connection.close()
    assert [frame.name for frame in script.received()] == ["close"]
    assert script.transport.pending() == -1
    assert script.transport.peek(10) is None
    assert script.transport.closed


def test_client_offers_its_header_at_once_and_a_server_waits():
    assert split(take(Transport())) == [AMQP_HEADER]
    server = Transport(Transport.SERVER)
    assert take(server) == b""
    server.push(AMQP_HEADER)
    assert split(take(server)) == [AMQP_HEADER]


def test_late_settings():
    a, _ = connected()
    with pytest.raises(SessionException):
        a.transport.channel_max = 5
    before = a.transport.max_frame_size
    a.transport.tracer = lambda transport, text: None
    a.transport.max_frame_size = 4096
    assert a.transport.max_frame_size == before


def test_error_is_written_after_a_header_and_an_open():
    server = Peer("server", 2).bind()
    server.transport.push(b"garbage!")
    parts = split(take(server.transport))
    assert parts[0] == AMQP_HEADER
    assert [frame.name for frame in parts[1:]] == ["open", "close"]


def test_nothing_follows_our_close():
    a, b, sender, receiver = linked()
    receiver.flow(5)
    b.connection.close()
    pump(a, b)
    b.sent()
    receiver.flow(5)
    receiver.session.incoming_capacity = 1 << 20
    receiver.close()
    pump(a, b)
    assert b.sent() == []


def test_a_peer_that_has_closed_gets_no_flow():
    a, b, sender, receiver = linked()
    b.connection.close()
    pump(a, b)
    a.sent()
    sender.session.incoming_capacity = 1 << 20
    sender.flow_properties = {"x": 1}
    a.connection.close()
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["close"]


def test_freeing_a_session_again_frees_the_links_that_came_since():
    a, b = connected()
    session = a.connection.session()
    session.open()
    pump(a, b)
    theirs = b.connection.session_head(0)
    theirs.open()
    theirs.free()
    session.sender("late").open()
    pump(a, b)
    late = b.connection.link_head(0)
    assert late is not None
    theirs.free()
    assert b.connection.link_head(0) is None


def test_a_session_that_was_freed_before_its_begin_is_not_begun():
    a, b = connected()
    session = a.connection.session()
    session.open()
    session.free()
    pump(a, b)
    assert a.sent() == [] and b.connection.session_head(0) is None


def test_a_session_that_the_peer_has_ended_gets_nothing_but_an_end():
    a, b, sender, receiver = linked()
    late = receiver.session.receiver("late")
    late.open()
    sender.session.close()
    take(b.transport)  # the attach of a link without an answer
    pump(a, b)
    b.sent()
    late.flow(5)
    receiver.session.incoming_capacity = 1 << 20
    receiver.session.close()
    pump(a, b)
    assert [frame.name for frame in b.sent()] == ["end"]
