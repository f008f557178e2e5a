"""Mutated conversations: a short part for every run, the long one by hand (see `tests/support/conversations.py`)."""

from __future__ import annotations

import os

import pytest

from tests.support.conversations import converse, run
from tests.support.engines import AMQP_HEADER, frame
from tests.support.violations import attach, begin, flow, transfer
from tests.support.wirecheck import Illegal, WireCheck

#: how many experiments, and the seed of the first
COUNT = int(os.environ.get("PROTON_FUZZ_CONVERSATIONS", "3000"))
FIRST = int(os.environ.get("PROTON_FUZZ_SEED", "0"))
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_conversations_end_without_exception_stall_or_illegal_frame(part):
    size = COUNT // PARTS
    failures = run(FIRST + part * size, size)
    assert not failures, f"seeds and what they raised: {failures}"


#: seeds that have found something, or something of the checker itself
FOUND = [86, 171, 293, 476, 850, 3436, 4219, 12102, 14358, 19633, 31030, 38367, 65821, 81975]


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed):
    converse(seed)


def test_unspoiled_conversations_are_good_too():
    for seed in range(200):
        converse(seed, spoiled=False)


OPEN = AMQP_HEADER + frame(0, "open", container_id="x")
BEGUN = OPEN + begin(0)
LINKED = BEGUN + attach(0, name="S", handle=0)
GRANT = flow(0, handle=0, delivery_count=0, link_credit=2)
ANSWERS = AMQP_HEADER + frame(0, "open", container_id="y") + begin(0, remote_channel=0)
ACCEPTS = ANSWERS + attach(0, name="S", handle=0, role=True, initial_delivery_count=None) + GRANT
SETTLED = frame(0, "disposition", role=False, first=0, settled=True)
GIVES_BACK = flow(0, handle=0, delivery_count=5, link_credit=0)
GONE = frame(0, "detach", handle=0, closed=True)
FIRST_MESSAGE = transfer(0, delivery_id=0, message_format=0)
TOO_HIGH = frame(0, "open", container_id="y", channel_max=8)
SMALL = frame(0, "open", container_id="y", max_frame_size=512)
#: what the engine writes, what the peer answers, what the engine writes then, and what is said of it
ILLEGAL = {
    "frames before open": (AMQP_HEADER, b"", begin(0), "before open"),
    "a second open": (OPEN, b"", frame(0, "open", container_id="x"), "one open"),
    "a second header": (OPEN, b"", AMQP_HEADER, "a header in the middle"),
    "something behind a close": (OPEN + frame(0, "close"), b"", begin(0), "follows a close"),
    "no session": (OPEN, b"", attach(0, name="S", handle=0), "which has no session"),
    "a channel in use": (BEGUN, b"", begin(0), "in use"),
    "a channel too high": (OPEN, AMQP_HEADER + TOO_HIGH, begin(9), "above 8"),
    "an answer to nothing": (OPEN, b"", begin(0, remote_channel=3), "which has no session"),
    "frames behind an end": (BEGUN + frame(0, "end"), b"", attach(0, name="S", handle=0), "after end"),
    "a handle in use": (LINKED, b"", attach(0, name="T", handle=0), "in use"),
    "a name in use": (LINKED, b"", attach(0, name="S", handle=1), "a second attach"),
    "no link": (BEGUN, b"", FIRST_MESSAGE, "not attached"),
    "no credit": (LINKED, ANSWERS, FIRST_MESSAGE + frame(0, "end"), "transfer without credit"),
    "an id out of order": (LINKED, ACCEPTS, transfer(0, delivery_id=7, message_format=0), "delivery-id"),
    "no tag": (LINKED, ACCEPTS, transfer(0, delivery_id=0, delivery_tag=None, message_format=0), "first transfer"),
    "an unknown delivery": (LINKED, ACCEPTS, frame(0, "disposition", role=True, first=0) + frame(0, "end"), "unknown"),
    "settled twice": (LINKED, ACCEPTS, FIRST_MESSAGE + 2 * SETTLED + frame(0, "end"), "unknown or settled"),
    "a frame too large": (BEGUN, AMQP_HEADER + SMALL, attach(0, name="x" * 600, handle=0), "limit 512"),
    "SASL behind AMQP": (OPEN, b"", frame(0, "sasl-outcome", kind=1, code=0), "outside of SASL"),
    "half a frame": (OPEN, b"", begin(0)[:-3], "no frame"),
    "credit given back twice": (LINKED, ACCEPTS, GIVES_BACK + frame(0, "end"), "delivery-count"),
    "a window that is closed": (
        LINKED,
        ACCEPTS + flow(0, incoming_window=0),
        FIRST_MESSAGE + frame(0, "end"),
        "window",
    ),
    "a transfer after a detach": (LINKED, ACCEPTS + GONE, FIRST_MESSAGE + frame(0, "end"), "after the peer's detach"),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_the_checker_sees_what_is_illegal(case):
    before, heard, after, text = ILLEGAL[case]
    check = WireCheck()
    check.wrote(before)
    check.hear(heard)
    assert not check.lost
    with pytest.raises(Illegal, match=text):
        check.wrote(after)


def test_the_checker_takes_what_is_legal():
    check = WireCheck()
    check.wrote(LINKED)
    check.hear(ACCEPTS)
    check.wrote(FIRST_MESSAGE + SETTLED + frame(0, "detach", handle=0, closed=True) + frame(0, "end"))
    check.hear(frame(0, "end") + frame(0, "close"))
    check.wrote(frame(0, "close"))
    check.finish()
    assert not check.lost
