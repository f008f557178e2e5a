"""Several data or sequence sections in one body (3.2.6, 3.2.7), and the message-format of a transfer (2.8.11)."""

import pytest

from proton import Described, Message, symbol, ulong
from proton.handlers.incoming import recv_msg
from tests.support.engines import linked, pump


@pytest.mark.parametrize("values", [[b"a", b"bc"], [b"", b"x", b""], [[1, 2], [], ["x"]], [[1]], [b"only"]])
def test_sections_survive_encode_and_decode(values):
    message = Message()
    message.sections = values
    again = Message()
    again.decode(message.encode())
    assert again.sections == values and again.inferred
    assert again.body == (b"".join(values) if isinstance(values[0], bytes) else sum(values, []))


def test_bytes_on_the_wire():
    message = Message()
    message.sections = [b"a", b"b"]
    assert message.encode() == b"\x00Su\xa0\x01a\x00Su\xa0\x01b"


def test_a_changed_body_is_one_section():
    message = Message()
    message.sections = [[1], [2]]
    message.body.append(3)
    assert message.sections == [[1, 2, 3]]
    message.body = [9]
    assert message.sections == [[9]] and message.encode().count(b"\x00Sv") == 1


def test_a_decoded_body_is_passed_on_as_it_came():
    encoded = b"\x00Su\xa0\x01a\x00Su\xa0\x01b"
    message = Message()
    message.decode(encoded)
    assert message.encode() == encoded


def test_decoding_another_message_forgets_them():
    message = Message()
    message.sections = [b"a", b"b"]
    message.decode(Message(body=b"ab", inferred=True).encode())
    assert message.sections == [b"ab"]
    message.sections = [b"a", b"b"]
    message.clear()
    assert message.sections is None and message.body is None


@pytest.mark.parametrize(
    "body, inferred", [("text", True), (b"x", False), ([1], False), (None, True), ({"a": 1}, True)]
)
def test_one_value_has_no_sections(body, inferred):
    assert Message(body=body, inferred=inferred).sections is None


@pytest.mark.parametrize("values", [[], ["text"], [b"a", [1]], [1], [None]])
def test_other_values_raise_and_change_nothing(values):
    message = Message(body="kept")
    with pytest.raises(TypeError, match="sections takes bytes, or lists"):
        message.sections = values
    assert message.body == "kept" and not message.inferred


def test_sections_by_keyword_and_of_buffers():
    assert Message(sections=[bytearray(b"a"), memoryview(b"b")]).body == b"ab"


@pytest.mark.parametrize("through", ["link", "message", "stream"])
@pytest.mark.parametrize("number", [0, 1, 0xFFFFFFFF])
def test_the_message_format_goes_with_the_transfer(number, through):
    a, b, sender, receiver = linked()
    message = Message(body="x", message_format=number)
    if through == "link":
        sender.send(message)
    elif through == "message":
        message.send(sender)
    else:
        sender.send_stream([b"x"], Message(message_format=number))
    pump(a, b)
    assert [f["message_format"] for f in a.sent() if f.name == "transfer"] == [number]
    assert receiver.current.message_format == number
    received = Message(message_format=5)
    received.recv(receiver)
    assert received.message_format == number


def test_a_delivery_made_by_hand_has_its_message_format():
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t")
    delivery.message_format = 77
    sender.stream(b"anything")
    sender.advance()
    pump(a, b)
    assert receiver.current.message_format == 77


@pytest.mark.parametrize("wrong, error", [(-1, OverflowError), (1 << 32, OverflowError), ("x", TypeError)])
def test_a_wrong_message_format_raises_and_sends_nothing(wrong, error):
    a, b, sender, _ = linked()
    with pytest.raises(error, match="message_format takes"):
        sender.send(Message(body="x", message_format=wrong))
    assert (sender.queued, sender.unsettled, sender.session.outgoing_bytes) == (0, 0, 0)
    with pytest.raises(error, match="message_format takes"):
        sender.delivery("t").message_format = wrong


LARGE = {
    "data": dict(body=b"d" * 200_000, inferred=True),
    "binary value": dict(body=b"v" * 200_000),
    "text": dict(body="t" * 200_000),
    "with all around it": dict(
        body=b"a" * 70_000, inferred=True, id=1, properties={"k": "p" * 300}, annotations={"a": 1}, footer={"f": 1}
    ),
    "large properties": dict(body=b"b" * 70_000, inferred=True, properties={"k": "p" * 100_000}),
    "several sections": dict(sections=[b"1" * 70_000, b"2" * 70_000]),
    "a list": dict(body=["x" * 1000] * 100, inferred=True),
    "described bytes": dict(body=Described(symbol("d"), b"v" * 200_000)),
    "described text": dict(body=Described(symbol("d"), "t" * 200_000)),
    "described twice": dict(body=Described(symbol("d"), Described(ulong(1), b"v" * 200_000))),
}


@pytest.mark.parametrize("frame_size", [512, 32768, 1 << 20])
@pytest.mark.parametrize("case", LARGE)
def test_large_messages_arrive_as_they_were(case, frame_size):
    settings = {"max_frame_size": frame_size}
    a, b, sender, receiver = linked(client=settings, server=settings)
    message = Message(**LARGE[case])
    sender.send(message)
    pump(a, b)
    received = recv_msg(receiver.current)
    for name in ("body", "inferred", "id", "properties", "annotations", "footer", "sections"):
        assert getattr(received, name) == getattr(message, name), name
    assert receiver.session.incoming_bytes == 0 and receiver.queued == 0
