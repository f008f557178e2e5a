"""A reason that is too long for the peer's frames is cut, and costs nothing but its words (2.4.1, 2.8.19)."""

import pytest

from proton import Condition, Delivery
from proton.endpoints.condition import fitting
from tests.support.engines import accept, frame_sizes, linked, pump, put

LEAST = 512
NAME = "com.example:quota"
WORDS = "too many apples: ü " * 200

REASONS = {
    "description": Condition(NAME, WORDS),
    "info": Condition(NAME, "short", {"key": "x" * 5000}),
    "both": Condition(NAME, WORDS, {"key": "x" * 5000}),
    "no description": Condition(NAME, None, {"key": "x" * 5000}),
}


def linked_to_small_frames():
    """The receiver's peer takes frames of 512 bytes."""
    return linked(client={"max_frame_size": LEAST})


def end(kind, a, b, sender, receiver, condition):
    """The receiving side gives the reason; what the sending side sees of it."""
    if kind == "rejected":
        delivery = put(sender, b"m")
        pump(a, b)
        answer = receiver.current
        answer.local.condition = condition
        answer.update(Delivery.REJECTED)
        answer.settle()
        pump(a, b)
        assert (delivery.remote_state, delivery.settled) == (Delivery.REJECTED, True)
        return delivery.remote.condition
    mine, theirs = {
        "detach": (receiver, sender),
        "plain detach": (receiver, sender),
        "end": (receiver.session, sender.session),
        "close": (receiver.connection, sender.connection),
    }[kind]
    mine.condition = condition
    mine.detach() if kind == "plain detach" else mine.close()
    pump(a, b)
    return theirs.remote_condition


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("kind", ["rejected", "detach", "plain detach", "end", "close"])
def test_long_reason_is_cut(kind, reason):
    a, b, sender, receiver = linked_to_small_frames()
    condition = REASONS[reason]
    told = end(kind, a, b, sender, receiver, condition)
    assert told.name == NAME
    assert told.info is None
    if reason in ("description", "both"):
        assert WORDS.startswith(told.description[:-3]) and told.description.endswith("...")
        assert len(told.description.encode()) > LEAST // 2
    else:
        assert told.description == condition.description
    assert max(frame_sizes(bytes(b.wire)[8:])) <= LEAST
    assert b.transport.condition is None


@pytest.mark.parametrize("kind", ["rejected", "detach", "end", "close"])
def test_reason_that_fits_stays_whole(kind):
    a, b, sender, receiver = linked()
    condition = Condition(NAME, WORDS, {"key": "x" * 5000})
    assert end(kind, a, b, sender, receiver, condition) == condition


@pytest.mark.parametrize("kind", ["rejected", "detach", "end", "close"])
def test_name_that_does_not_fit_is_told_in_words(kind):
    a, b, sender, receiver = linked_to_small_frames()
    told = end(kind, a, b, sender, receiver, Condition("x:" + "y" * 5000))
    assert told.name == "amqp:internal-error"
    assert told.description.startswith("x:yyyy")


@pytest.mark.parametrize("room", [0, 24, 30, 60, 200])
def test_no_room_is_exceeded(room):
    cut = fitting(Condition("a:b", "ü" * 300), room)
    assert len(cut.name) + len((cut.description or "").encode()) <= max(room, len("amqp:internal-error"))


def test_connection_goes_on_after_a_long_reason():
    a, b, sender, receiver = linked_to_small_frames()
    end("detach", a, b, sender, receiver, REASONS["both"])
    again = sender.session.sender("again")
    again.open()
    pump(a, b)
    accept(b, 10)
    pump(a, b)
    delivery = put(again, b"m")
    pump(a, b)
    assert again.credit == 9 and not delivery.settled
