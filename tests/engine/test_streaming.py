"""Bodies that are not held in memory: read from a source as the peer takes them, read as they come (3.2.6)."""

import io

import pytest

from proton import Delivery, LinkException, Message, MessageException
from proton.handlers import MessagingHandler
from tests.support.engines import accept, linked, pump, step, take
from tests.support.loops import run

PIECE = 65536
SMALL = {"max_frame_size": 512}


class Source:
    """A binary file that counts what was asked of it."""

    def __init__(self, size):
        self.left = self.size = size

    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return b"s" * size

    @property
    def given(self):
        return self.size - self.left


def received(link):
    """The next message of a link, whole."""
    message = Message()
    assert message.recv(link) is not None
    return message


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 200_000])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("settings", [None, SMALL])
def test_a_file_becomes_a_message(size, known, settings):
    a, b, sender, receiver = linked(client=settings, server=settings)
    body = bytes(range(256)) * (size // 256 + 1)
    delivery = sender.send_stream(
        io.BytesIO(body[:size]), Message(id=7, properties={"k": "v"}), "tag", size if known else None
    )
    pump(a, b)
    message = received(receiver)
    assert (message.body or b"") == body[:size] and message.id == 7 and message.properties == {"k": "v"}
    assert delivery.tag == "tag" and not delivery.partial and sender.queued == 0 and sender.session.outgoing_bytes == 0
    assert message.inferred or not size


def test_an_iterable_becomes_a_message_with_a_section_for_each_piece():
    a, b, sender, receiver = linked()
    sender.send_stream([b"one", b"", bytearray(b"two"), memoryview(b"three")])
    pump(a, b)
    message = received(receiver)
    assert message.body == b"onetwothree" and message.sections == [b"one", b"two", b"three"]


def test_the_footer_comes_after_the_body():
    a, b, sender, receiver = linked()
    message = Message()
    message.footer = {"x-sum": 5}
    sender.send_stream([b"body"], message)
    pump(a, b)
    assert received(receiver).footer == {"x-sum": 5}


def test_what_was_sent_later_waits_for_the_end_of_the_source():
    a, b, sender, receiver = linked(client=SMALL, server=SMALL)
    sender.send_stream(Source(3000))
    sender.send(Message(body="after"))
    pump(a, b)
    assert len(received(receiver).body) == 3000 and received(receiver).body == "after"


@pytest.mark.parametrize("size", [10_000_000])
def test_no_more_is_asked_of_the_source_than_output_takes(size):
    a, b, sender, receiver = linked()
    source = Source(size)
    sender.send_stream(source, size=size)
    assert source.given == 0
    while step(a, b, 8192) | step(b, a):
        held = a.transport.pending() + sender.session.outgoing_bytes
        assert held <= (1 << 18) + 3 * PIECE, "one flush and the pieces for the frame after it"
        if receiver.current is not None:
            receiver.recv(1 << 20)
    assert source.left == 0 and sender.queued == 0


def test_the_session_window_holds_back_the_source():
    a, b, sender, receiver = linked(server={"max_frame_size": 1024})
    receiver.session.incoming_capacity = 16 * 1024
    pump(a, b)
    source = Source(1 << 20)
    sender.send_stream(source, size=1 << 20)
    pump(a, b)
    held = source.given
    assert 16 * 1024 - 1024 <= receiver.session.incoming_bytes <= 16 * 1024
    assert held <= 16 * 1024 + 2 * PIECE and sender.session.outgoing_bytes <= 2 * PIECE
    reader = receiver.reader()
    total = 0
    while not reader.finished:
        total += len(reader.read() or b"")
        assert receiver.session.incoming_bytes <= 16 * 1024
        pump(a, b)
    assert total == 1 << 20 and source.left == 0


def failing():
    yield b"x" * 2000
    raise RuntimeError("disk on fire")


def test_a_failing_source_aborts_the_delivery_and_says_why():
    a, b, sender, receiver = linked(client=SMALL, server=SMALL)
    delivery = sender.send_stream(failing())
    sender.send(Message(body="after"))
    with pytest.raises(RuntimeError, match="disk on fire"):
        pump(a, b)
    pump(a, b)
    assert delivery.aborted and sender.unsettled == 1, "of the message after it"
    assert receiver.current.aborted
    receiver.current.settle()
    assert received(receiver).body == "after"
    assert sender.session.outgoing_bytes == 0 and (sender.credit, sender.queued) == (8, 0)


def test_a_source_that_fails_at_once_leaves_no_trace_of_a_body():
    a, b, sender, receiver = linked()
    delivery = sender.send_stream(iter([5]))
    with pytest.raises(TypeError, match="expected bytes from the source of a body, got 5"):
        pump(a, b)
    pump(a, b)
    assert delivery.aborted and sender.queued == 0
    sender.send(Message(body="after"))
    pump(a, b)
    while receiver.current.aborted:
        receiver.current.settle()
    assert received(receiver).body == "after"


@pytest.mark.parametrize("pieces, text", [([b"12345"], "expected a body of 4 bytes, got 5"), ([b"1"], "bytes, got 1")])
def test_a_wrong_size_aborts_the_delivery(pieces, text):
    a, b, sender, _ = linked()
    delivery = sender.send_stream(pieces, size=4)
    with pytest.raises(ValueError, match=text):
        pump(a, b)
    assert delivery.aborted


def test_the_peers_max_message_size_holds_for_streams():
    a, b, sender, receiver = linked()
    sender.remote_max_message_size = 1000
    with pytest.raises(LinkException, match="messages of 1000 bytes, got a body of 1001"):
        sender.send_stream(Source(1001), size=1001)
    assert sender.queued == 0


@pytest.mark.parametrize("frame_size", [512, 32768])
@pytest.mark.parametrize("queued", [0, 3])
@pytest.mark.parametrize("first", [b"", b"x" * 900])
def test_a_stream_that_grows_too_large_costs_its_link_alone(first, queued, frame_size):
    """What the peer announced is not a mistake of the program's loop: the delivery is aborted, the link ended."""
    a, b, sender, receiver = linked(server={"max_frame_size": frame_size})
    other = sender.session.sender("other")
    other.open()
    pump(a, b)
    receiver_of_other = accept(b, 5)
    pump(a, b)
    sender.remote_max_message_size = 1000
    delivery = sender.send_stream(iter([first, *[b"y" * 100] * 20]))
    waiting = [sender.send(Message(body="behind")) for _ in range(queued)]
    a.events()
    pump(a, b)
    assert delivery.aborted and not any(x.aborted for x in waiting)
    assert sender.condition.name == "amqp:link:message-size-exceeded"
    assert "the peer takes messages of 1000 bytes, got 10" in sender.condition.description
    assert "LINK_LOCAL_CLOSE" in a.events()
    assert receiver.remote_condition.name == "amqp:link:message-size-exceeded"
    assert receiver.current.aborted
    other.send(Message(body="goes on"))
    pump(a, b)
    assert received(receiver_of_other).body == "goes on"
    assert a.transport.condition is None


def test_mistakes_of_the_caller_change_nothing():
    a, b, sender, receiver = linked()
    for error, arguments in [
        (MessageException, ([b"x"], Message(body="own"))),
        (OverflowError, ([b"x"], None, None, 1 << 32)),
        (TypeError, (5,)),
        (LinkException, ([b"x"], None, b"t" * 401)),
    ]:
        with pytest.raises(error):
            sender.send_stream(*arguments)
    assert (sender.credit, sender.queued, sender.unsettled) == (10, 0, 0)


def test_a_stream_that_was_not_begun_goes_out_on_the_next_transport():
    a, b, sender, receiver = linked(credit=0)
    delivery = sender.send_stream([b"later"])
    a.transport.unbind()
    assert delivery.partial and sender.queued == 1


def test_a_stream_can_be_aborted():
    a, b, sender, receiver = linked(client=SMALL, server=SMALL)
    receiver.session.incoming_capacity = 1024
    pump(a, b)
    delivery = sender.send_stream(Source(100_000))
    pump(a, b)
    delivery.abort()
    receiver.recv(1 << 20)
    pump(a, b)
    assert receiver.current.aborted and sender.queued == 0 and sender.session.outgoing_bytes == 0


def test_settling_early_sends_the_rest_settled():
    a, b, sender, receiver = linked(client=SMALL, server=SMALL)
    delivery = sender.send_stream(Source(3000))
    delivery.settle()
    pump(a, b)
    assert receiver.current.settled and len(received(receiver).body) == 3000


# -- reading


def test_a_body_is_read_as_it_comes():
    a, b, sender, receiver = linked()
    receiver.session.incoming_capacity = 1 << 20
    encoded = Message(id=3, body=b"0123456789" * 10, inferred=True).encode()
    sender.delivery("t")
    reader = None
    got = b""
    for start in range(0, len(encoded), 7):
        sender.stream(encoded[start : start + 7])
        pump(a, b)
        reader = reader or receiver.reader()
        got += reader.read() or b""
    assert got == b"0123456789" * 10 and not reader.finished and reader.read() is None
    sender.advance()
    pump(a, b)
    assert reader.read() == b"" and reader.finished and receiver.current is None and reader.message.id == 3
    assert receiver.session.incoming_bytes == 0
    reader.delivery.update(Delivery.ACCEPTED)
    reader.delivery.settle()


@pytest.mark.parametrize("limit", [1, 2, 3, 50, 1000])
def test_every_part_of_a_message_is_found_wherever_it_is_cut(limit):
    a, b, sender, receiver = linked()
    message = Message(id="x", annotations={"a": 1}, instructions={"i": 2}, durable=True, properties={"p": 12})
    message.sections = [b"abc", b"", b"d" * 300]
    message.footer = {"f": 1}
    sender.send(message)
    pump(a, b)
    reader = receiver.reader()
    body = b"".join(iter(lambda: reader.read(limit) or b"", b""))
    assert body == b"abc" + b"d" * 300
    read = reader.message
    assert (read.id, read.annotations, read.instructions, read.durable) == ("x", {"a": 1}, {"i": 2}, True)
    assert read.properties == {"p": 12} and read.footer == {"f": 1} and read.body is None


def test_it_is_a_file_and_an_iterator():
    a, b, sender, receiver = linked()
    for _ in range(3):
        sender.send_stream([b"line\n"] * 3)
    pump(a, b)
    assert io.BufferedReader(receiver.reader()).readlines() == [b"line\n"] * 3
    assert b"".join(receiver.reader()) == b"line\n" * 3
    buffer = bytearray(4)
    reader = receiver.reader()
    assert (
        reader.readable()
        and reader.readinto(buffer) == 4
        and buffer == b"line"
        and reader.readall() == b"\n" + b"line\n" * 2
    )


@pytest.mark.parametrize("body", ["text", [1, 2], None, {"a": 1}])
def test_other_bodies_are_refused(body):
    a, b, sender, receiver = linked()
    sender.send(Message(body=body, inferred=True))
    pump(a, b)
    with pytest.raises(MessageException, match="expected data sections"):
        receiver.reader().read()


@pytest.mark.parametrize(
    "data, text",
    [
        (b"\x00\x53\x75\xa0\x05abc", "ends 2 bytes before its data section does"),
        (b"\x00\x53\x73\xc0\x05\x01", "ends within a section"),
        (b"junk", "expected a message section, found constructor 0x6a"),
        (b"\x00\x53\x75\x01", "expected the value of a section, found constructor 0x01"),
    ],
)
def test_malformed_messages_are_errors(data, text):
    a, b, sender, receiver = linked()
    sender.delivery("t")
    sender.stream(data)
    sender.advance()
    pump(a, b)
    reader = receiver.reader()
    with pytest.raises(MessageException, match=text):
        while reader.read() is not None:
            assert not reader.finished


def test_sections_before_the_body_are_bounded():
    a, b, sender, receiver = linked()
    sender.delivery("t")
    sender.stream(b"\x00\x53\x74\xd1" + b"\x7f\xff\xff\xff" + bytes(2 << 20))
    pump(a, b)
    with pytest.raises(MessageException, match="expected 1048576 bytes at most around the body"):
        receiver.reader().read()


def test_an_aborted_body_is_told():
    a, b, sender, receiver = linked(client=SMALL, server=SMALL)
    delivery = sender.delivery("t")
    sender.stream(Message(body=b"x" * 1000, inferred=True).encode())
    pump(a, b)
    reader = receiver.reader()
    assert len(reader.read()) == 1000
    delivery.abort()
    pump(a, b)
    with pytest.raises(LinkException, match="aborted"):
        reader.read()


def test_reader_needs_a_delivery_and_stays_with_it():
    a, b, sender, receiver = linked()
    with pytest.raises(LinkException, match="needs a current delivery, got none"):
        receiver.reader()
    sender.send(Message(body=b"x" * 9, inferred=True))
    pump(a, b)
    reader = receiver.reader()
    receiver.advance()
    with pytest.raises(LinkException, match="advanced past"):
        reader.read()


def test_pending_after_a_failure_is_not_disturbed():
    a, _, sender, _ = linked()
    sender.send_stream(iter([None]))
    with pytest.raises(TypeError):
        take(a.transport)
    assert a.transport.pending() >= 0 and a.transport.condition is None


class Streaming(MessagingHandler):
    """Sends a stream that grows beyond what the peer takes; listens to itself."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.sender = event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/a")

    def on_link_opening(self, event):
        if event.link.is_receiver:
            event.link.max_message_size = 1000

    def on_sendable(self, event):
        if event.sender is self.sender and not event.sender.unsettled and not self.told:
            self.told.append("sends")
            event.sender.send_stream(iter([b"x" * 100] * 20))

    def on_link_error(self, event):
        if event.link is self.sender:
            self.told.append(event.link.condition.name)
            event.connection.close()
            self.acceptor.close()


def test_a_handler_hears_of_the_link_that_its_stream_has_cost():
    handler = Streaming()
    run(handler)
    assert handler.told == ["sends", "amqp:link:message-size-exceeded"]
