"""Callers' mistakes: each raises at the call, before anything changed, and says what was expected and what came."""

import pytest

from proton import LinkException, Message
from tests.support.engines import linked, pump

SEND = r"send\(\) expects a Message \(or bytes for the current delivery\), got "
STREAM = r"stream\(\) expects bytes, got "
NOT_SENT = [("text", "str 'text'"), (5, "int 5"), (None, "NoneType None"), ({"a": 1}, r"dict {'a': 1}")]


@pytest.mark.parametrize("current", [False, True], ids=["no delivery", "a current delivery"])
@pytest.mark.parametrize(("value", "came"), NOT_SENT, ids=[came for _, came in NOT_SENT])
def test_only_messages_and_bytes_are_sent(value, came, current):
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t") if current else None
    with pytest.raises(TypeError, match=f"^{SEND}{came}$"):
        sender.send(value)
    with pytest.raises(TypeError, match=f"^{STREAM}{came}$"):
        sender.stream(value)
    assert sender.current is delivery and sender.queued == 0
    assert delivery is None or delivery.pending == 0


def test_a_long_value_is_not_shown_whole():
    sender = linked()[2]
    with pytest.raises(TypeError) as caught:
        sender.send("x" * 1000)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=["bytes", "bytearray", "view"])
def test_bytes_need_a_current_delivery(data):
    a, b, sender, receiver = linked()
    with pytest.raises(LinkException, match=r"send\(\) of bytes needs a current delivery, got 3 bytes and no delivery"):
        sender.send(data)
    with pytest.raises(LinkException, match=r"stream\(\) needs a current delivery, got none"):
        sender.stream(data)
    assert (sender.unsettled, sender.queued, sender.session.outgoing_bytes) == (0, 0, 0)
    sender.delivery("t")
    assert sender.send(data) == 3
    sender.advance()
    sender.send(Message(body=1))
    pump(a, b)
    assert receiver.recv(10) == b"abc"
