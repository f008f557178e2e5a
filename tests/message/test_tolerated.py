"""What is received though the specification does not have it: sections of others, and maps with half a pair."""

import pytest

from proton import AnnotationDict, Data, Described, Message, symbol, ulong
from proton.codec.encode import encode
from tests.support.engines import linked, pump

OTHERS = {
    "symbol": Described(symbol("router:private"), {"a": 1}),
    "long symbol": Described(symbol("x" * 300), [1]),
    "ulong": Described(ulong(0x79), [1, 2]),
    "large ulong": Described(ulong(0xFFFF_FFFF_0000_0070), "text"),
    "a performative": Described(ulong(0x10), []),
    "an outcome by its symbol": Described(symbol("amqp:accepted:list"), []),
    "string": Described("x", 5),
    "null": Described(None, None),
    "described": Described(symbol("x"), Described(symbol("y"), b"z" * 500)),
    "described descriptor": Described(Described(symbol("x"), 1), True),
}
REST = Message(id=1, annotations={"a": 1}, properties={"p": 2}, body=b"body", inferred=True, footer={"f": 3})


def sections(message):
    """The bytes of each section of a message."""
    encoded, parts = message.encode(), []
    while encoded:
        data = Data()
        size = data.decode(encoded)
        parts.append(encoded[:size])
        encoded = encoded[size:]
    return parts


def with_others(other):
    """The message with the other section before each of its own, and at the end."""
    added = encode(other)
    return added + b"".join(section + added for section in sections(REST))


others = pytest.mark.parametrize("kind", OTHERS)


@others
def test_a_section_that_is_not_known_is_passed_over_wherever_it_stands(kind):
    message = Message()
    message.decode(with_others(OTHERS[kind]))
    assert (message.id, message.body, message.properties) == (1, b"body", {"p": 2})
    assert message.annotations == AnnotationDict({"a": 1}) and message.footer == AnnotationDict({"f": 3})
    assert message.encode() == REST.encode()


@others
@pytest.mark.parametrize("piece", [1, 3, 70, 100_000])
def test_a_reader_passes_over_it_too(kind, piece):
    a, b, sender, receiver = linked()
    receiver.flow(1)
    encoded = with_others(OTHERS[kind])
    sender.delivery("t")
    pump(a, b)
    reader = None
    read = b""
    for start in range(0, len(encoded), piece):
        sender.stream(encoded[start : start + piece])
        if start + piece >= len(encoded):
            sender.advance()
        pump(a, b)
        reader = reader or receiver.reader()
        read += reader.read() or b""
    while not reader.finished:
        read += reader.read() or b""
    assert read == b"body" and reader.message.properties == {"p": 2} and reader.message.footer == {"f": 3}


@others
def test_a_large_message_with_it_is_read_as_another(kind):
    large = Message(id=2, body=b"x" * 200_000)
    a, b, sender, receiver = linked()
    receiver.flow(1)
    sender.delivery("t")
    sender.stream(encode(OTHERS[kind]) + large.encode())
    sender.advance()
    pump(a, b)
    message = Message()
    message.recv(receiver)
    assert (message.id, message.body) == (2, large.body)


def test_a_map_with_half_a_pair_is_received_and_never_sent():
    message = Message()
    message.decode(bytes.fromhex("005374 c10803 a10161 41 a10162" + "005377 c10401 a10163"))
    assert message.properties == {"a": True, "b": None} and message.body == {"c": None}
    encoded = message.encode()
    assert bytes.fromhex("c10904 a10161 41 a10162 40") in encoded
    again = Message()
    again.decode(encoded)
    assert again.properties == message.properties
