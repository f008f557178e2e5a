"""Credit, drain, and the windows of sessions: how much each end may send, and when it is told (2.5.6, 2.6.7)."""

import pytest

from proton import Delivery
from proton.codec.composites import DISPOSITION, FLOW, encode_composite
from proton.codec.decode import decode_fields
from tests.support.engines import Script, connected, frame_sizes, linked, pump, put, read, take

CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])


def test_nothing_goes_without_credit():
    a, b, sender, receiver = linked(credit=0)
    delivery = put(sender, b"m")
    pump(a, b)
    assert a.sent() == [] and not delivery.writable and delivery.pending == 1
    receiver.flow(1)
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["transfer"]


FLOWS = [
    # what the receiver does, the link-credit in the flows that go out, its credit afterwards
    ("one", [10], [10], 10),
    ("merged", [1, 2, 3], [6], 6),
    ("taken back", [10, -4], [6], 6),
    ("nothing", [0], [], 0),
]


@pytest.mark.parametrize("row", FLOWS, ids=[row[0] for row in FLOWS])
def test_flow(row):
    _, calls, written, credit = row
    a, b, sender, receiver = linked(credit=0)
    for n in calls:
        receiver.flow(n)
    pump(a, b)
    assert [frame["link_credit"] for frame in b.sent()] == written
    assert (receiver.credit, sender.credit) == (credit, credit)


@pytest.mark.parametrize("n", [1 << 31, -(1 << 31) - 1, 1 << 40])
def test_flow_takes_32_bits(n):
    _, _, _, receiver = linked()
    with pytest.raises(OverflowError):
        receiver.flow(n)


def test_credit_reduced_below_what_is_on_its_way_is_not_error():
    a, b, sender, receiver = linked(credit=5)
    for _ in range(5):
        put(sender, b"m")
    data = take(a.transport)
    receiver.flow(-5)
    pump(a, b)
    b.transport.push(data)
    assert receiver.queued == 5 and b.transport.condition is None and b.connection.link_head(0).state == 18


def test_flow_counts_from_the_delivery_count_of_the_receiver():
    script = Script()
    sender = script.sender(credit=0)
    script.grant(5)
    for _ in range(3):
        put(sender, b"m")
    assert len(script.received()) == 3
    script.grant(5, count=1, seen=1)  # written before the last two transfers were seen
    assert sender.credit == 3
    script.grant(0, count=1, seen=1)  # less than is used already
    assert sender.credit == 0
    script.grant(2, count=None, seen=3)  # 2.6.7: a receiver that has not seen the count yet leaves it out
    assert sender.credit == 0


def test_every_link_flow_is_an_event_and_session_flows_are_not():
    script = Script()
    sender = script.sender()
    script.grant(100)
    assert script.peer.events() == "LINK_FLOW"
    script.send("flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9)
    assert script.peer.events() == ""
    assert sender.credit == 100


def test_echo_is_answered_with_the_state_of_the_link():
    script = Script()
    sender = script.sender(credit=5)
    put(sender, b"m")
    script.received()
    script.grant(4, count=1, seen=1, echo=True)
    (flow,) = script.received()
    assert (flow.name, flow["handle"], flow["delivery_count"], flow["link_credit"]) == ("flow", 0, 1, 4)
    assert flow["next_outgoing_id"] == 1 and not flow["echo"]


@CHUNKS
@pytest.mark.parametrize("queued", [0, 1, 3])
def test_drain_gives_back_what_is_left(queued, chunk):
    a, b, sender, receiver = linked(credit=5)
    for _ in range(queued):
        put(sender, b"m")
    receiver.drain(0)
    assert receiver.draining() and receiver.drain_mode
    pump(a, b, chunk)
    assert sender.drain_mode
    assert sender.drained() == 5 - queued and sender.drained() == 0 and sender.credit == 0
    pump(a, b, chunk)
    assert (receiver.credit, receiver.queued) == (queued, queued)
    assert not receiver.draining() and receiver.drain_mode
    assert receiver.drained() == 5 - queued and receiver.drained() == 0
    flow = [frame for frame in a.sent() if frame.name == "flow"]
    if queued < 5:
        assert (flow[-1]["link_credit"], flow[-1]["drain"], flow[-1]["delivery_count"]) == (0, True, 5)


def test_drained_without_drain_or_credit_does_nothing():
    a, b, sender, receiver = linked(credit=5)
    assert sender.drained() == 0 and sender.credit == 5
    for _ in range(5):
        put(sender, b"m")
    receiver.drain_mode = True
    pump(a, b)
    assert sender.drain_mode and sender.drained() == 0


def test_drained_flow_waits_for_the_data_of_the_newest_delivery():
    a, b, sender, receiver = linked(credit=2, server={"max_frame_size": 512})
    receiver.drain(0)
    pump(a, b)
    sender.delivery("t")
    sender.stream(b"x" * 2000)
    sender.advance()
    assert sender.drained() == 1
    pump(a, b)
    names = [frame.name for frame in a.sent()]
    assert names.index("flow") == len(names) - 1
    assert receiver.drained() == 1 and len(read(receiver)[0]) == 2000


def test_credit_granted_before_the_attach_of_a_sender():
    for count, again in ((0, []), (7, [(7, 3)])):
        script = Script()
        link = script.begun().receiver("L")
        link.open()
        link.flow(3)
        _, flow = script.received()
        assert flow["delivery_count"] is None and flow["link_credit"] == 3  # 2.7.4: it is not known yet
        script.send("attach", name="L", handle=0, role=False, initial_delivery_count=count)
        assert [(frame["delivery_count"], frame["link_credit"]) for frame in script.received()] == again
        for n in range(3):
            script.send("transfer", payload=b"m", handle=0, delivery_id=n, delivery_tag=b"t")
        assert (link.queued, link.state) == (3, 18)


@CHUNKS
def test_a_delivery_that_has_begun_keeps_its_credit_when_the_rest_is_given_back(chunk):
    a, b, sender, receiver = linked(credit=3)
    sender.delivery("t")
    sender.stream(b"part")
    pump(a, b, chunk)
    receiver.drain(0)
    pump(a, b, chunk)
    a.sent()
    assert (sender.drained(), sender.credit) == (2, 1)
    pump(a, b, chunk)
    assert a.sent() == []  # the count is told when it is the same for both ends
    sender.advance()
    pump(a, b, chunk)
    transfer, flow = a.sent()
    assert (flow["delivery_count"], flow["link_credit"]) == (3, 0)
    assert receiver.drained() == 2 and not receiver.draining()
    assert (sender.credit, receiver.credit - receiver.queued) == (0, 0)
    receiver.flow(1)
    put(sender, b"next")
    pump(a, b, chunk)
    assert receiver.queued == 2


DRAIN_MODES = [
    ("drain then flow", lambda r: (r.drain(1), r.flow(1)), False),
    ("drain then drain", lambda r: (r.drain(1), r.drain(1)), True),
    ("mode then flow", lambda r: (setattr(r, "drain_mode", True), r.flow(1)), True),
    ("mode off", lambda r: (r.drain(1), setattr(r, "drain_mode", False)), False),
]


@pytest.mark.parametrize("row", DRAIN_MODES, ids=[row[0] for row in DRAIN_MODES])
def test_what_switches_draining_off(row):
    _, act, expected = row
    a, b, sender, receiver = linked(credit=0)
    act(receiver)
    assert receiver.drain_mode is expected
    pump(a, b)
    assert sender.drain_mode is expected


def test_credit_after_a_drain_can_be_used():
    a, b, sender, receiver = linked(credit=5)
    receiver.drain(0)
    pump(a, b)
    sender.drained()
    pump(a, b)
    receiver.flow(3)
    pump(a, b)
    assert not sender.drain_mode and sender.credit == receiver.credit == 3
    for _ in range(3):
        put(sender, b"m")
    pump(a, b)
    assert receiver.queued == 3 and b.transport.condition is None


def test_offered_is_told_with_the_next_flow():
    a, b, sender, receiver = linked(credit=0)
    sender.offered(7)
    pump(a, b)
    assert a.sent() == []
    receiver.drain(1)
    pump(a, b)
    sender.drained()
    pump(a, b)
    assert a.sent()[-1]["available"] == 7


# -- session windows -------------------------------------------------------------------------------------------------


def windowed(capacity, frame_size=512):
    """A sender, and a receiver whose session takes `capacity` bytes ahead of what is read."""
    a, b = connected(server={"max_frame_size": frame_size})
    session = a.connection.session()
    session.open()
    sender = session.sender("L")
    sender.open()
    pump(a, b)
    b.connection.session_head(0).incoming_capacity = capacity
    b.connection.session_head(0).open()
    receiver = b.connection.link_head(0)
    receiver.open()
    receiver.flow(100)
    pump(a, b)
    return a, b, sender, receiver


def test_windows_as_announced():
    a, b, _, _ = windowed(2048)
    begin = next(frame for frame in b.sent() if frame.name == "begin")
    assert begin["incoming_window"] == 4
    assert next(frame for frame in a.sent() if frame.name == "begin")["incoming_window"] == 2147483647


def test_a_window_without_a_frame_size_is_not_managed():
    _, b, _, _ = windowed(2048, frame_size=0)
    assert next(frame for frame in b.sent() if frame.name == "begin")["incoming_window"] == 2147483647


@CHUNKS
def test_no_more_frames_than_the_window_are_ever_on_their_way(chunk):
    a, b, sender, receiver = windowed(2048)
    a.sent(), b.sent()
    message = bytes(5000)
    for _ in range(3):
        put(sender, message)
    got = []
    for _ in range(100):
        pump(a, b, chunk)
        sent = a.sent()
        assert len(sent) <= 4 and max(frame_sizes(a.wire)) <= 512
        assert receiver.session.incoming_bytes <= 2048
        if receiver.current is None:
            break
        data = receiver.recv(100_000)
        if data is None:
            receiver.advance()
        else:
            got.append(bytes(data))
    assert b"".join(got) == message * 3
    assert b.transport.condition is None and sender.queued == 0


def test_flows_are_written_below_the_low_water_mark_only():
    a, b, sender, receiver = windowed(2048)
    b.sent()
    put(sender, bytes(300))
    pump(a, b)
    assert b.sent() == []  # window 3 of 4: above half of the capacity
    for _ in range(2):
        put(sender, bytes(300))
    pump(a, b)
    flows = b.sent()
    # 900 unread bytes leave room for two frames, one more than the peer knows of.
    assert [(flow["next_incoming_id"], flow["incoming_window"], flow["handle"]) for flow in flows] == [(3, 2, 0)]
    while receiver.current is not None:
        read(receiver)
    pump(a, b)
    assert all(flow["incoming_window"] <= 4 for flow in b.sent())
    assert receiver.session.incoming_bytes == 0


def test_a_link_that_always_has_more_to_send_does_not_starve_those_that_share_its_window():
    a, b, busy, receiver = windowed(1024)
    others = [busy.session.sender(f"M{n}") for n in range(4)]
    for link in others:
        link.open()
    pump(a, b)
    receivers = list(b.connection.links(0))
    for link in receivers[1:]:
        link.open()
        link.flow(10)
    pump(a, b)
    for link in others:
        put(link, bytes(1500))
    done = []
    while len(done) < 10:
        put(busy, bytes(1500))  # three frames each, and the window takes two
        a.sent()
        pump(a, b)
        assert 0 < sum(frame.name == "transfer" for frame in a.sent()) <= 2
        for link in receivers:
            while link.current is not None and link.recv(10_000):
                pass
            if link.current is not None and not link.current.partial:
                link.advance()
                done.append(link.name)
    assert {"M0", "M1", "M2", "M3"} <= set(done[:5]) and done[5:] == ["L"] * 5


def test_capacity_set_later_is_announced():
    a, b, _, receiver = linked(server={"max_frame_size": 512})
    receiver.session.incoming_capacity = 5120
    pump(a, b)
    (flow,) = b.sent()
    assert (flow.name, flow["incoming_window"], flow["handle"]) == ("flow", 10, None)
    with pytest.raises(OverflowError):
        receiver.session.incoming_capacity = -1


def test_outgoing_window_is_announced():
    a, b = connected()
    session = a.connection.session()
    session.outgoing_window = 77
    session.open()
    pump(a, b)
    assert a.sent()[0]["outgoing_window"] == 77


def test_sender_stops_at_the_window_of_the_peer_and_goes_on():
    script = Script()
    sender = script.sender(window=0)
    for n in range(5):
        put(sender, b"%d" % n)
    assert script.received() == []
    script.grant(100, window=2)
    assert [frame.payload for frame in script.received()] == [b"0", b"1"]
    script.grant(98, count=2, window=2, seen=1)  # the second one is still on its way
    assert [frame.payload for frame in script.received()] == [b"2"]
    script.send("flow", next_incoming_id=3, incoming_window=2048, next_outgoing_id=0, outgoing_window=0)
    assert [frame.payload for frame in script.received()] == [b"3", b"4"]
    assert (sender.queued, sender.credit) == (0, 95)


def test_ids_wrap_around():
    script = Script()
    receiver = script.receiver()
    last = 0xFFFFFFFF
    for number in (last - 1, last, 0, 1):
        script.send("transfer", payload=b"m", handle=0, delivery_id=number, delivery_tag=b"t")
        read(receiver)[1].update(36)
    assert script.transport.condition is None and receiver.unsettled == 4
    # 2.8.10: a range may pass the end of the numbers
    ranges = [(frame["first"], frame["last"]) for frame in script.received() if frame.name == "disposition"]
    covered = [
        (first + n) % (1 << 32) for first, end in ranges for n in range(((end or first) - first) % (1 << 32) + 1)
    ]
    assert sorted(covered) == [0, 1, last - 1, last]
    script.send("disposition", role=False, first=last - 1, last=1, settled=True)
    assert all(delivery.settled for delivery in receiver.unsettled_deliveries)


def assert_as_the_table_writes_it(frame, composite):
    body = frame[8:]
    fields, end = decode_fields(body, 3, len(body))
    assert end == len(body) and int.from_bytes(frame[:4], "big") == len(frame)
    assert body == encode_composite(composite, fields)


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("credit", [1, 255, 256, (1 << 31) - 1])
def test_a_flow_is_written_as_its_table_says(credit, drain):
    _, b, _, receiver = linked(credit=0)
    receiver.flow(credit)
    receiver.drain_mode = drain
    assert_as_the_table_writes_it(take(b.transport), FLOW)


@pytest.mark.parametrize("state", [Delivery.ACCEPTED, Delivery.RELEASED, Delivery.MODIFIED])
@pytest.mark.parametrize(("count", "settle"), [(1, True), (3, True), (300, False)])
def test_a_disposition_is_written_as_its_table_says(state, count, settle):
    a, b, sender, receiver = linked(credit=1000)
    for _ in range(count):
        put(sender, b"m")
    pump(a, b)
    deliveries = list(receiver.unsettled_deliveries)
    for delivery in deliveries if state != Delivery.MODIFIED else deliveries[-1:]:
        delivery.update(state)
        if settle:
            delivery.settle()
    assert_as_the_table_writes_it(take(b.transport), DISPOSITION)
