"""A few bytes that claim much: counts, sizes, depth. Refused with a word, in little time and memory."""

from __future__ import annotations

import gc
import struct
import time
import tracemalloc

import pytest

from proton import Message, MessageException
from tests.support.violations import Stage, transfer

MEMORY = 4 << 20
SECONDS = 2.0
BILLION = 1_000_000_000
NULL, TRUE, ZERO, EMPTY_LIST = b"\x40", b"\x41", b"\x43", b"\x45"


def array32(count, constructor, content=b""):
    return b"\xf0" + struct.pack(">II", 4 + len(constructor) + len(content), count) + constructor + content


def list32(count, content=b"", size=None):
    return b"\xd0" + struct.pack(">II", 4 + len(content) if size is None else size, count) + content


def map32(count, content=b""):
    return b"\xd1" + struct.pack(">II", 4 + len(content), count) + content


def nested(depth, inner=EMPTY_LIST):
    for _ in range(depth):
        inner = list32(1, inner)
    return inner


def nested_maps(depth):
    inner = NULL
    for _ in range(depth):
        inner = map32(2, b"\xa3\x01a" + inner)
    return inner


def nested_arrays(depth):
    inner = array32(0, NULL)
    content = inner[1:]
    for _ in range(depth):
        content = array32(1, b"\xf0", content)[1:]
    return b"\xf0" + content


VALUES = {
    "a billion nulls": array32(BILLION, NULL),
    "a billion trues": array32(BILLION, TRUE),
    "a billion zeros": array32(BILLION, ZERO),
    "a billion empty lists": array32(BILLION, EMPTY_LIST),
    "described ones": array32(BILLION, b"\x00\x53\x01" + NULL),
    "four billion, less one": array32(0xFFFFFFFF, NULL),
    "arrays of a million nulls each": list32(2000, array32(60_000, NULL) * 2000),
    "a list of four billion": list32(0xFFFFFFFF),
    "a list of 4 GiB": list32(1, NULL, size=0xFFFFFFFF),
    "a map of four billion": map32(0xFFFFFFFE),
    "an array of a billion numbers": array32(BILLION, b"\x70"),
    "an array of a billion strings": array32(BILLION, b"\xa1"),
    "a string of 4 GiB": b"\xb1\xff\xff\xff\xffx",
    "a binary of 4 GiB": b"\xb0\xff\xff\xff\xffx",
    "lists in lists": nested(1000),
    "lists in lists, just too deep": nested(70),
    "described in described": b"\x00\x53\x01" * 5000 + NULL,
    "descriptors of descriptors": b"\x00" * 5000,
    "arrays of arrays": nested_arrays(1000),
    "arrays with many descriptors": array32(1, b"\x00\x53\x01" * 5000 + NULL),
    "maps in maps": nested_maps(1000),
}


def framed(body):
    return struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body


def performative(code, count, *fields):
    return b"\x00\x53" + bytes([code]) + list32(count, b"".join(fields))


class Bounded:
    """Holds a block of a test to its bounds of memory and processor time."""

    def __enter__(self):
        gc.collect()
        self.start = time.process_time()
        tracemalloc.start()
        return self

    def __exit__(self, problem, *details):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if problem is None:
            assert peak < MEMORY, f"expected {MEMORY} bytes at most, took {peak}"
            taken = time.process_time() - self.start
            assert taken < SECONDS, f"expected {SECONDS} s at most, took {taken}"


PLACES = {
    "open.properties": lambda value: performative(0x10, 10, b"\xa1\x01p", NULL * 8, map32(2, b"\xa3\x01k" + value)),
    "open.offered-capabilities": lambda value: performative(0x10, 8, b"\xa1\x01p", NULL * 6, value),
    "transfer.state": lambda value: performative(0x14, 8, ZERO, ZERO, b"\xa0\x01t", NULL * 4, value),
    "attach.source": lambda value: performative(
        0x12, 6, b"\xa1\x01n\x52\x09\x42", NULL * 2, b"\x00\x53\x28" + list32(8, NULL * 7 + value)
    ),
    "close.error": lambda value: performative(
        0x18, 1, b"\x00\x53\x1d" + list32(3, b"\xa3\x01c" + NULL + map32(2, b"\xa3\x01k" + value))
    ),
    "descriptor": lambda value: b"\x00" + value + EMPTY_LIST,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", VALUES)
def test_absurd_value_in_a_performative_closes_connection(case, place):
    engine = Stage(max_frame_size=1 << 20)
    engine.greeted() if place.startswith("open") or place == "descriptor" else engine.linked()
    data = framed(PLACES[place](VALUES[case]))
    with Bounded():
        engine.feed(data)
    description = engine.transport.condition.description
    engine.check_closed("amqp:decode-error", description)
    assert len(description) < 300


SECTIONS = {"amqp-value": 0x77, "properties": 0x73, "application-properties": 0x74, "annotations": 0x72, "footer": 0x78}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("case", VALUES)
def test_absurd_value_in_a_message_is_refused(case, section):
    value = VALUES[case]
    if section == "properties":
        value = list32(1, value)
    elif section != "amqp-value":
        value = map32(2, b"\xa3\x01k" + value)
    data = b"\x00\x53" + bytes([SECTIONS[section]]) + value
    with Bounded(), pytest.raises(MessageException) as failure:
        Message().decode(data)
    assert len(str(failure.value)) < 300


def test_absurd_body_comes_through_the_engine_as_bytes():
    engine = Stage().linked()
    body = b"\x00\x53\x77" + VALUES["a billion nulls"]
    with Bounded():
        engine.feed(transfer(delivery_id=0, payload=body))
        receiver = engine.connection.link_head()
        assert receiver.recv(1000) == body
    engine.check_clean_close()


@pytest.mark.parametrize("size", [1 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_frame_that_claims_gigabytes_reserves_nothing(size):
    engine = Stage(max_frame_size=0).opened()
    with Bounded():
        engine.transport.push(struct.pack(">IBBH", size, 2, 0, 0))
        for _ in range(100):
            engine.transport.push(bytes(1000))
        assert 0 < engine.transport.capacity() <= 1 << 20
    engine.transport.close_tail()
    engine.feed(b"").check_closed("amqp:connection:framing-error", "connection aborted")


def test_messages_that_are_not_read_are_limited():
    engine = Stage().linked(credit=1000)
    engine.transport.max_buffered_delivery_bytes = 1 << 20
    part = transfer(delivery_id=0, more=True, payload=bytes(30_000))
    with Bounded():
        for _ in range(1000):
            engine.feed(part)
    engine.check_closed(
        "amqp:resource-limit-exceeded",
        "connection delivery buffer limit exceeded: 1020000 bytes buffered, limit 1048576",
    )
