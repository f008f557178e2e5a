"""Session windows in frames: `incoming_window` and its low-water mark, beside `incoming_capacity` (2.5.6)."""

import pytest

from proton import Message
from tests.support.engines import connected, frame, linked, pump, take

SMALL = {"max_frame_size": 512}


def windowed(frames, low_water=0, capacity=0, credit=100):
    """A link whose receiving session has these limits."""
    a, b, sender, receiver = linked(credit=credit, client=SMALL, server=SMALL)
    receiver.session.incoming_window_low_water = low_water
    receiver.session.incoming_capacity = capacity
    receiver.session.incoming_window = frames
    pump(a, b)
    a.sent(), b.sent()
    return a, b, sender, receiver


def send(sender, count):
    for _ in range(count):
        sender.send(Message(body="m"))


def windows(peer):
    return [f["incoming_window"] for f in peer.sent() if f.name == "flow"]


def test_it_is_told_in_the_begin():
    a, b = connected()
    session = a.connection.session()
    session.incoming_window = 7
    session.open()
    pump(a, b)
    assert a.sent()[0]["incoming_window"] == 7 and session.incoming_window == 7


def test_the_peer_stops_when_it_is_used_up_and_goes_on_when_something_was_read():
    a, b, sender, receiver = windowed(10)
    send(sender, 15)
    pump(a, b)
    assert receiver.queued == 10 and sender.queued == 5 and b.transport.condition is None
    for _ in range(15):
        receiver.advance()
        pump(a, b)
    assert sender.queued == 0 and receiver.queued == 0


@pytest.mark.parametrize("frames, capacity", [(10, 0), (0, 10 * 512)], ids=["in frames", "in bytes"])
@pytest.mark.parametrize("low_water, flows_after", [(0, 6), (2, 9), (10, 1), (1, 10)])
def test_a_flow_is_written_when_the_window_falls_below_the_low_water_mark(low_water, flows_after, frames, capacity):
    a, b, sender, receiver = windowed(frames, low_water, capacity)
    count = 0
    while not windows(b):
        count += 1
        send(sender, 1)
        pump(a, b)
        receiver.advance()
        pump(a, b)
    assert count == flows_after


def test_large_messages_count_by_their_frames():
    a, b, sender, receiver = windowed(4)
    sender.send(Message(body=b"x" * 3000, inferred=True))
    pump(a, b)
    assert receiver.current.partial and 3 * 400 < receiver.session.incoming_bytes <= 4 * 512
    total = 0
    while total < 3000:
        total += len(receiver.recv(100) or b"")
        assert receiver.session.incoming_bytes <= 4 * 512
        pump(a, b)
    assert not receiver.current.partial


def test_what_is_dropped_unread_opens_it_again():
    a, b, sender, receiver = windowed(4)
    send(sender, 20)
    pump(a, b)
    while receiver.advance():
        pump(a, b)
    assert sender.queued == 0 and receiver.credit == 80


def test_an_aborted_delivery_opens_it_again():
    a, b, sender, receiver = windowed(4)
    delivery = sender.delivery("t")
    sender.stream(b"x" * 1500)
    pump(a, b)
    assert receiver.current.partial
    delivery.abort()
    pump(a, b)
    receiver.current.settle()
    send(sender, 8)
    pump(a, b)
    while receiver.advance():
        pump(a, b)
    assert sender.queued == 0


@pytest.mark.parametrize("frames, capacity, expected", [(100, 512 * 5, 5), (3, 512 * 50, 3)])
def test_the_smaller_of_both_limits_counts(frames, capacity, expected):
    a, b, sender, receiver = windowed(frames, capacity=capacity)
    sender.send(Message(body=b"x" * 512 * 60, inferred=True))
    pump(a, b)
    assert receiver.session.incoming_bytes <= min(frames * 512, capacity)
    assert sender.session.outgoing_bytes > 0
    receiver.flow(0)
    b.sent()
    receiver.advance()
    pump(a, b)
    assert windows(b)[0] == expected


def test_a_smaller_window_does_not_blame_what_was_on_its_way():
    a, b, sender, receiver = windowed(10)
    send(sender, 8)
    on_its_way = a.transport.peek(1 << 20)
    receiver.session.incoming_window = 2
    while b.transport.pending() > 0:
        b.transport.pop(b.transport.pending())
    b.transport.push(on_its_way)
    assert b.connection.session_head(0).condition is None and receiver.queued == 8


def test_more_than_was_ever_granted_ends_the_session():
    a, b = connected()
    b.transport.push(frame(0, "begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))
    b.transport.push(frame(0, "attach", name="L", handle=0, role=False, initial_delivery_count=0))
    session, receiver = b.connection.session_head(0), b.connection.link_head(0)
    session.incoming_window = 3
    session.open()
    receiver.open()
    receiver.flow(100)
    take(b.transport)
    for number in range(4):
        assert session.condition is None
        b.transport.push(frame(0, "transfer", b"x", handle=0, delivery_id=number, delivery_tag=b"t", message_format=0))
    assert receiver.session.condition.name == "amqp:session:window-violation"


def test_the_transport_is_woken_only_by_reads_that_make_room():
    a, b, sender, receiver = windowed(2)
    sender.send(Message(body=b"x" * 900, inferred=True))
    pump(a, b)
    b.events()
    assert receiver.recv(1) and b.events() == ""
    assert receiver.recv(500) and b.events() == "TRANSPORT"
    assert b.transport.pending() > 0


@pytest.mark.parametrize("name", ["incoming_window", "incoming_window_low_water"])
@pytest.mark.parametrize("frames", [-1, 1 << 31])
def test_a_number_out_of_range_raises_and_changes_nothing(name, frames):
    session = connected()[0].connection.session()
    setattr(session, name, 5)
    with pytest.raises(OverflowError, match=rf"{name} takes 0 to 2\*\*31 - 1 frames, got {frames}"):
        setattr(session, name, frames)
    assert getattr(session, name) == 5


def test_zero_takes_the_limit_away():
    a, b, sender, receiver = windowed(2)
    receiver.session.incoming_window = 0
    pump(a, b)
    send(sender, 50)
    pump(a, b)
    assert receiver.queued == 50
