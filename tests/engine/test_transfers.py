"""Transfers of every size over one or many frames, whole and streamed, aborted, pre-settled (2.6.12 to 2.6.14)."""

import pytest

from proton import Delivery, LinkException
from tests.support.engines import Script, frame_sizes, linked, pump, put, read, state, take

CHUNKS = pytest.mark.parametrize("chunk", [None, 1, 777], ids=["whole", "bytes", "777"])
SIZES = [0, 1, 10, 254, 255, 256, 257, 470, 480, 485, 490, 512, 513, 1000, 1024, 5000, 70_000]


def pattern(size):
    return bytes(n * 7 % 251 for n in range(size))


@CHUNKS
@pytest.mark.parametrize("frame_size", [512, 1024, 32768, 0])
def test_messages_of_every_size_arrive_unchanged(frame_size, chunk):
    a, b, sender, receiver = linked(100, client={"max_frame_size": 512}, server={"max_frame_size": frame_size})
    sizes = SIZES[:-1] if chunk == 1 else SIZES
    for size in sizes:
        put(sender, pattern(size))
    pump(a, b, chunk)
    assert [read(receiver)[0] for _ in sizes] == [pattern(size) for size in sizes]
    assert receiver.current is None
    if frame_size:
        assert max(frame_sizes(a.wire)) <= frame_size


@pytest.mark.parametrize("tag", [b"", b"1", b"\xff" * 32], ids=repr)
@pytest.mark.parametrize("size", range(440, 520))
def test_frames_are_filled_to_the_limit_and_not_beyond(size, tag):
    script = Script()
    sender = script.sender(max_frame_size=512)
    delivery = sender.delivery(tag)
    sender.stream(pattern(size))
    sender.advance()
    data = take(script.transport)
    sizes = frame_sizes(data)
    assert max(sizes) <= 512 and len(sizes) <= 2
    # No frame is split that would have fitted: what was split makes up a whole frame with one byte to spare at most.
    assert len(sizes) == 1 or sizes[0] >= 511
    assert not delivery.partial and delivery.pending == 0


def test_every_frame_of_a_delivery_names_it_and_all_but_the_last_say_more():
    a, b, sender, _ = linked(server={"max_frame_size": 512})
    put(sender, pattern(1500), b"tag")
    put(sender, b"next", b"tag2")
    pump(a, b)
    *parts, last = a.sent()
    assert [(f["handle"], f["delivery_id"], f["delivery_tag"], f["more"] or False) for f in parts] == [
        (0, 0, b"tag", True)
    ] * (len(parts) - 1) + [(0, 0, b"tag", False)]
    assert (last["delivery_id"], last["delivery_tag"], last.payload) == (1, b"tag2", b"next")
    assert b"".join(f.payload for f in parts) == pattern(1500)


def test_ids_count_over_all_links_of_a_session_in_order_of_creation():
    a, b, sender, _ = linked()
    other = sender.session.sender("M")
    other.open()
    pump(a, b)
    second = next(link for link in b.connection.links(0) if link.name == "M")
    second.open()
    second.flow(10)
    pump(a, b)
    a.sent()
    for n in range(6):
        put((sender, other)[n % 2], b"%d" % n)
    pump(a, b)
    assert [(f["delivery_id"], f["handle"], f.payload) for f in a.sent()] == [(n, n % 2, b"%d" % n) for n in range(6)]


def test_counters_while_queued_on_little_credit():
    a, b, sender, receiver = linked(credit=1)
    for n in range(3):
        put(sender, b"%d" % n)
    assert (sender.credit, sender.queued, sender.unsettled) == (-2, 3, 3)
    pump(a, b)
    assert (sender.credit, sender.queued, sender.unsettled) == (-2, 2, 3)
    receiver.flow(5)
    pump(a, b)
    assert (sender.credit, sender.queued) == (3, 0)
    assert (receiver.credit, receiver.queued, receiver.unsettled) == (6, 3, 3)
    assert [read(receiver)[0] for _ in range(3)] == [b"0", b"1", b"2"]
    assert (receiver.credit, receiver.queued, receiver.unsettled) == (3, 0, 3)


@CHUNKS
@pytest.mark.parametrize("step", [1, 3, 100, 5000])
def test_recv_in_pieces(step, chunk):
    a, b, sender, receiver = linked()
    put(sender, pattern(1000))
    pump(a, b, chunk)
    pieces = []
    while receiver.recv(0) is not None:
        pieces.append(bytes(receiver.recv(step)))
        assert receiver.current.pending == 1000 - sum(map(len, pieces))
    assert b"".join(pieces) == pattern(1000)
    assert all(len(piece) == step for piece in pieces[:-1])


@CHUNKS
def test_streaming_with_reads_in_between(chunk):
    a, b, sender, receiver = linked(server={"max_frame_size": 512})
    delivery = sender.delivery("t")
    for n in range(20):
        assert sender.stream(pattern(n * 100)) == n * 100
        assert sender.session.outgoing_bytes == delivery.pending == n * 100
        pump(a, b, chunk)
        assert sender.session.outgoing_bytes == delivery.pending == 0
        if n:
            assert receiver.session.incoming_bytes == receiver.current.pending == n * 100
            assert receiver.recv(100_000) == pattern(n * 100)
            assert receiver.recv(100_000) == b"" and receiver.current.partial
    assert sender.queued == 0 and sender.current is delivery
    sender.advance()
    pump(a, b, chunk)
    assert receiver.recv(10) is None and not receiver.current.partial
    assert receiver.session.incoming_bytes == 0


def test_nothing_overtakes_a_delivery_that_is_being_filled():
    a, b, sender, receiver = linked()
    first, second = sender.delivery("1"), sender.delivery("2")
    assert sender.current == first and first.writable and not second.writable
    sender.stream(b"one ")
    pump(a, b)
    sender.stream(b"more")
    sender.advance()
    assert sender.current == second
    sender.stream(b"two")
    sender.advance()
    pump(a, b)
    assert [read(receiver)[0] for _ in range(2)] == [b"one more", b"two"]
    assert sender.current is None and not sender.advance()


def test_advance_past_a_partial_delivery_drops_what_comes_later():
    a, b, sender, receiver = linked()
    sender.delivery("1")
    sender.stream(b"dropped")
    pump(a, b)
    first = receiver.current
    assert receiver.advance() and receiver.current is None
    sender.stream(b"dropped too")
    sender.advance()
    put(sender, b"read")
    pump(a, b)
    assert not first.partial
    assert read(receiver)[0] == b"read"
    assert receiver.session.incoming_bytes == 0


def test_no_current_delivery():
    _, _, sender, receiver = linked()
    with pytest.raises(LinkException):
        sender.stream(b"x")
    with pytest.raises(LinkException):
        receiver.recv(1)
    assert not sender.advance() and not receiver.advance()


@pytest.mark.parametrize("data", ["text", None, 5])
def test_stream_takes_bytes_only(data):
    _, _, sender, _ = linked()
    sender.delivery("t")
    with pytest.raises(TypeError):
        sender.stream(data)


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=["bytes", "bytearray", "view"])
def test_stream_keeps_a_copy_of_what_it_is_given(data):
    a, b, sender, receiver = linked()
    sender.delivery(data)
    assert sender.stream(data) == 3
    if isinstance(data, bytearray):
        data[0] = 0
    sender.advance()
    pump(a, b)
    got, delivery = read(receiver)
    assert (got, delivery.tag) == (b"abc", "abc")


def test_send_goes_to_the_object_when_it_can_send():
    class Sendable:
        def send(self, link, tag=None):
            self.seen = (link, tag)
            return "sent"

    _, _, sender, _ = linked()
    thing = Sendable()
    assert sender.send(thing, tag="t") == "sent" and thing.seen == (sender, "t")
    sender.delivery("t")
    assert sender.send(b"bytes") == 5


def test_delivery_tags():
    _, _, sender, _ = linked()
    assert [sender.delivery_tag() for _ in range(3)] == ["1", "2", "3"]
    for tag in (5, None):
        with pytest.raises(TypeError):
            sender.delivery(tag)
    with pytest.raises(LinkException, match="401 bytes does not fit into the smallest frame"):
        sender.delivery(b"x" * 401)  # 2.8.7 has 32 bytes at most, but programs use the 36 of a UUID: those are sent


ABORTS = [
    # streamed, pumped before the abort, frames written by the abort, credit used by it
    ("nothing streamed", b"", False, [], 0),
    ("nothing sent", b"data", False, [], 0),
    ("partly sent", b"data", True, [True], 1),
]


@CHUNKS
@pytest.mark.parametrize("row", ABORTS, ids=[row[0] for row in ABORTS])
def test_abort(row, chunk):
    _, data, pumped, written, used = row
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t")
    sender.stream(data)
    if pumped:
        pump(a, b, chunk)
    a.sent()
    sender.stream(b"never sent")
    delivery.abort()
    delivery.abort()
    pump(a, b, chunk)
    sent = a.sent()
    assert [frame["aborted"] for frame in sent] == written
    assert all(frame["settled"] and not frame.payload for frame in sent)
    assert (sender.credit, sender.queued, sender.unsettled, sender.session.outgoing_bytes) == (10 - used, 0, 0, 0)
    if written:
        aborted = receiver.current
        assert (aborted.aborted, aborted.settled, aborted.updated, aborted.partial) == (True, True, True, False)
        assert aborted.pending == 1 and receiver.session.incoming_bytes == 0
        with pytest.raises(LinkException):
            receiver.recv(10)
        aborted.settle()
    put(sender, b"after")
    pump(a, b, chunk)
    assert read(receiver)[0] == b"after"


def test_abort_of_a_delivery_that_was_sent_only_settles_it():
    a, b, sender, receiver = linked()
    delivery = put(sender, b"m")
    pump(a, b)
    a.sent()
    delivery.abort()
    pump(a, b)
    (frame,) = a.sent()
    assert (frame.name, frame["settled"], frame["role"]) == ("disposition", True, False)
    assert receiver.current.settled and not receiver.current.aborted
    assert read(receiver)[0] == b"m"


@CHUNKS
@pytest.mark.parametrize("size", [5, 2000])
def test_pre_settled(size, chunk):
    a, b, sender, receiver = linked(server={"max_frame_size": 512})
    delivery = sender.delivery("t")
    sender.stream(pattern(size))
    delivery.settle()
    pump(a, b, chunk)
    sent = a.sent()
    assert sent[-1]["settled"] is True and b.sent() == []
    got, arrived = read(receiver)
    assert got == pattern(size) and arrived.settled and arrived.updated
    arrived.update(Delivery.ACCEPTED)
    arrived.settle()
    pump(a, b, chunk)
    assert b.sent() == [] and sender.unsettled == receiver.unsettled == 0


def test_state_set_before_the_transfer_travels_in_it():
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t")
    delivery.update(Delivery.MODIFIED)
    sender.stream(b"m")
    sender.advance()
    pump(a, b)
    (frame,) = a.sent()
    assert frame["state"].descriptor == Delivery.MODIFIED
    assert receiver.current.remote_state == Delivery.MODIFIED and not receiver.current.updated


def test_a_transfer_may_come_without_tag_and_with_wide_fields():
    script = Script()
    receiver = script.receiver()
    script.send("transfer", payload=b"m", handle=0, delivery_id=0)
    assert (receiver.current.tag, read(receiver)[0]) == ("", b"m")
    # handle, delivery-id in the long form of uint; booleans as 56 01
    fields = bytes.fromhex("70 00000000 70 00000001 a001 74 43 5600 5601")
    body = b"\0\x53\x14\xc0" + bytes([len(fields) + 1, 6]) + fields + b"more"
    script.raw((len(body) + 8).to_bytes(4, "big") + b"\2\0\0\0" + body)
    assert receiver.recv(10) == b"more" and receiver.current.partial
    script.send("transfer", payload=b"!", handle=0)
    assert receiver.recv(10) == b"!" and receiver.recv(10) is None


def test_settled_on_a_later_frame_settles_the_delivery():
    script = Script()
    receiver = script.receiver()
    script.send("transfer", payload=b"a", handle=0, delivery_id=0, delivery_tag=b"t", more=True)
    assert not receiver.current.settled
    script.send("transfer", payload=b"b", handle=0, settled=True, state=state(0x23, 1, 2))
    assert receiver.current.settled and receiver.current.updated
    assert read(receiver)[0] == b"ab"


def test_message_format_and_batching_fields_do_no_harm():
    script = Script()
    receiver = script.receiver()
    terms = {"message_format": 77, "batchable": True, "resume": False, "rcv_settle_mode": 1}
    script.send("transfer", payload=b"m", handle=0, delivery_id=0, delivery_tag=b"t", **terms)
    assert read(receiver)[0] == b"m"
