"""`Message.send` and `recv`, against links that record what they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from proton.exceptions import LinkException, MessageException
from proton.message import Message

UNSETTLED, SETTLED, MIXED = 0, 1, 2
ENCODED = bytes.fromhex("005377a10178")


class FakeDelivery:
    message_format = 0

    def __init__(self, tag: Any = None, data: bytes = b"", partial: bool = False) -> None:
        self.tag, self.data, self.partial = tag, data, partial
        self.settled = False
        self.encoded: Any = None

    @property
    def pending(self) -> int:
        return len(self.data)

    def settle(self) -> None:
        self.settled = True


class FakeLink:
    def __init__(self, mode: int = MIXED, current: Any = None, is_sender: bool = True) -> None:
        self.snd_settle_mode = self.remote_snd_settle_mode = mode
        self.current, self.is_sender = current, is_sender
        self.log: list[Any] = []

    def delivery(self, tag: Any) -> FakeDelivery:
        self.current = FakeDelivery(tag)
        return self.current

    def delivery_tag(self) -> str:
        return "made"

    def stream(self, data: bytes) -> int:
        self.log.append(("stream", data))
        return len(data)

    def recv(self, limit: int) -> bytes | None:
        self.log.append(("recv", limit))
        return self.current.data[:limit] or None

    def advance(self) -> bool:
        self.log.append("advance")
        self.current = None
        return True


@pytest.mark.parametrize(("tag", "expected"), [(None, "made"), ("", "made"), (b"", "made"), ("t", "t"), (b"t", b"t")])
@pytest.mark.parametrize(("mode", "settled"), [(UNSETTLED, False), (SETTLED, True), (MIXED, False)])
def test_send(tag: Any, expected: Any, mode: int, settled: bool) -> None:
    sender: Any = FakeLink(mode)
    delivery: Any = Message("x").send(sender, tag)
    assert delivery.tag == expected
    assert delivery.settled is settled
    assert sender.log == [("stream", ENCODED), "advance"]


@pytest.mark.parametrize(("mode", "settled"), [(UNSETTLED, False), (SETTLED, True), (MIXED, False)])
def test_recv(mode: int, settled: bool) -> None:
    delivery = FakeDelivery(data=ENCODED)
    receiver: Any = FakeLink(mode, delivery, is_sender=False)
    message = Message(subject="before")
    assert message.recv(receiver) is delivery
    assert (message.body, message.subject) == ("x", None)
    assert delivery.encoded == ENCODED
    assert delivery.settled is settled
    assert receiver.log == [("recv", len(ENCODED)), "advance"]


@pytest.mark.parametrize(
    "link",
    [
        FakeLink(current=FakeDelivery(data=ENCODED), is_sender=True),
        FakeLink(current=None, is_sender=False),
        FakeLink(current=FakeDelivery(data=ENCODED, partial=True), is_sender=False),
    ],
    ids=["sender", "nothing", "partial"],
)
def test_recv_of_nothing_leaves_message_and_link_alone(link: Any) -> None:
    message = Message("before")
    assert message.recv(link) is None
    assert message.body == "before"
    assert link.log == []


def test_recv_of_an_empty_message() -> None:
    delivery = FakeDelivery(data=b"")
    message = Message("before")
    assert message.recv(FakeLink(current=delivery, is_sender=False)) is delivery  # type: ignore[arg-type]
    assert message.body is None
    assert delivery.encoded == b""


def test_recv_of_malformed_bytes_advances_before_it_raises() -> None:
    receiver: Any = FakeLink(current=FakeDelivery(data=b"\xff"), is_sender=False)
    with pytest.raises(MessageException):
        Message().recv(receiver)
    assert receiver.log[-1] == "advance"


def test_recv_of_an_aborted_delivery_does_not_advance() -> None:
    class Aborted(FakeLink):
        def recv(self, limit: int) -> bytes | None:
            raise LinkException("aborted")

    receiver: Any = Aborted(current=FakeDelivery(data=b"x"), is_sender=False)
    with pytest.raises(LinkException):
        Message().recv(receiver)
    assert receiver.log == []
