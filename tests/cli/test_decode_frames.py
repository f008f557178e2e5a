"""Bytes of one direction: what is not a frame is said, with its place, and decoding goes on behind it."""

import struct

import pytest

from proton.cli.decode import conversation, frames
from proton.cli.decode.frames import FrameReader
from proton.cli.decode.performatives import read_message, read_performative
from proton.codec.composites import OPEN
from tests.support import captures as made
from tests.support.engines import AMQP_HEADER, HEARTBEAT, SASL_HEADER, frame, state
from tests.support.violations import attach, begin, transfer

OPENED = AMQP_HEADER + frame(0, "open", container_id="c")
CLOSE = frame(0, "close")
BAD_OPEN = b"\0\0\0\x10\x02\0\0\0\0\x53\x10\xc0\x03\x01\xa1\x09"
SASL_INIT = SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism="PLAIN", initial_response=b"\0fred\0Pa55word")


def shown(data, *arguments):
    """The exit code, the frames and headers, and the faults as (byte, text)."""
    code, found = made.objects(data, "--format", "raw", *arguments)
    faults = [(each.get("byte"), each["text"]) for each in found if each["kind"] == "fault"]
    return code, [name for _, name, _ in made.frames_of(found)], faults


FAULTS = {
    "a frame that is cut": (
        OPENED + CLOSE[:-1],
        ["AMQP", "open"],
        [(len(OPENED), "expected a frame of 12 bytes, got 11 bytes up to the end")],
    ),
    "a header that is cut": (
        b"AMQP\0\1",
        [],
        [(0, "expected a protocol header of 8 bytes, got 6 bytes: 'AMQP\\x00\\x01'")],
    ),
    "size below eight": (
        OPENED + b"\0\0\0\x07\x02\0\0\0" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "expected a frame of at least 8 bytes, got the size 7")],
    ),
    "size above the limit": (
        OPENED + b"\x7f\0\0\0\x02\0\0\0" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "expected a frame of at most 16777216 bytes, got the size 2130706432")],
    ),
    "data offset too small": (
        OPENED + b"\0\0\0\x0c\x01\0\0\0abcd" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "expected a data offset from 2 to 3, got 1")],
    ),
    "data offset behind the frame": (
        OPENED + b"\0\0\0\x0c\x04\0\0\0abcd" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "expected a data offset from 2 to 3, got 4")],
    ),
    "another type of frame": (
        OPENED + b"\0\0\0\x08\x02\x09\0\0" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "expected frame type 0 (AMQP) or 1 (SASL), got 9")],
    ),
    "a size that is too large hides frames": (
        OPENED + b"\0\0\x10\0" + CLOSE[4:] + CLOSE + HEARTBEAT,
        ["AMQP", "open", "close", None],
        [(len(OPENED), "expected a frame of 4096 bytes, got 32 bytes up to the end")],
    ),
    "a field that is cut": (
        AMQP_HEADER + BAD_OPEN + CLOSE,
        ["AMQP", "open", "close"],
        [
            (
                8,
                "in the frame: open: field container-id: not enough data: string at offset 15 needs 10 bytes, "
                "1 are left",
            )
        ],
    ),
    "a field of another type": (
        AMQP_HEADER + b"\0\0\0\x10\x02\0\0\0\0\x53\x10\xc0\x03\x01\x52\x09" + CLOSE,
        ["AMQP", "open", "close"],
        [(8, "in the frame: open: field container-id must be string, received the integer 9")],
    ),
    "a field that must be there": (
        AMQP_HEADER + b"\0\0\0\x0c\x02\0\0\0\0\x53\x10\x45" + CLOSE,
        ["AMQP", "open", "close"],
        [(8, "in the frame: open: mandatory field container-id is null")],
    ),
    "no performative": (
        OPENED + b"\0\0\0\x0c\x02\0\0\0abcd" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "in the frame: expected a performative, which begins with 0x00, at offset 8, got 0x61")],
    ),
    "an unknown descriptor": (
        OPENED + b"\0\0\0\x0c\x02\0\0\0\0\x53\x99\x45" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "in the frame: expected the descriptor of a performative at offset 9, got another one")],
    ),
    "an outcome as a frame": (
        OPENED + b"\0\0\0\x0c\x02\0\0\0\0\x53\x24\x45" + CLOSE,
        ["AMQP", "open", "close"],
        [(len(OPENED), "in the frame: expected a performative of AMQP at offset 8, got accepted")],
    ),
    "bytes behind a performative": (
        AMQP_HEADER + frame(0, "close", payload=b"xyz"),
        ["AMQP", "close"],
        [(8, "in the frame: expected the end of the frame behind close, got 3 bytes more")],
    ),
    "a section of a message": (
        OPENED + transfer(delivery_id=4, payload=b"\0\x53\x73\xc0\x03\x01\xa1\x09"),
        ["AMQP", "open", "transfer"],
        [
            (
                len(OPENED),
                "message of delivery 4: section at offset 0: properties: field message-id: not enough data: "
                "string at offset 7 needs 10 bytes, 1 are left",
            )
        ],
    ),
    "no section": (
        OPENED + transfer(delivery_id=4, payload=b"\0\x53\x75\xa0\x01x\x41"),
        ["AMQP", "open", "transfer"],
        [
            (
                len(OPENED),
                "message of delivery 4: section at offset 6: expected a message section, found constructor 0x41",
            )
        ],
    ),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(99), [], [(0, "TLS from byte 0 on, cannot be read")]),
    "TLS behind its header": (
        b"AMQP\x02\x01\0\0" + b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(99),
        ["TLS"],
        [(8, "TLS from byte 8 on, cannot be read")],
    ),
    "HTTP": (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        [],
        [(0, "expected an AMQP 1.0 protocol header, got HTTP: 'GET / HTTP/1.1\\x0d\\x0a'")],
    ),
    "AMQP 0-9-1": (
        b"AMQP\0\0\x09\x01" + bytes(20),
        [],
        [
            (
                0,
                "expected an AMQP 1.0 protocol header, got AMQP 0-9-1 connection: "
                "'AMQP\\x00\\x00\\x09\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            )
        ],
    ),
    "noise before a frame": (
        b"\x99" * 100 + CLOSE,
        ["close"],
        [(0, "expected an AMQP 1.0 protocol header, got Unknown protocol: '" + "\\x99" * 16 + "'")],
    ),
}


@pytest.mark.parametrize("data, names, faults", FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_is_said_and_the_rest_is_shown(data, names, faults):
    known = [each for each in shown(data)[2]]
    assert [(byte, text) for byte, text in known] == faults
    assert shown(data)[:2] == (5, names)


@pytest.mark.parametrize("name", FAULTS)
def test_pieces_of_any_size_give_the_same(name):
    data = FAULTS[name][0]

    def items(size):
        reader = FrameReader()
        found = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size])]
        return [(item.kind, item.offset, item.channel) for item in [*found, *reader.end()]]

    assert items(1) == items(7) == items(1 << 20)


def test_offsets_count_from_the_beginning_of_the_direction():
    reader = FrameReader()
    assert [item.offset for item in reader.feed(OPENED + CLOSE)] == [0, 8, len(OPENED)]
    assert reader.offset == len(OPENED + CLOSE)
    assert [(item.offset, item.text) for item in reader.gap(1000)] == [
        (len(OPENED + CLOSE), "1000 bytes are missing in the capture")
    ]
    note, item = reader.feed(HEARTBEAT + CLOSE)
    assert (note.kind, note.size) == ("note", 8)
    assert (item.kind, item.offset) == ("frame", len(OPENED + CLOSE) + 1000 + 8)


def test_extended_headers_and_heartbeats():
    extended = struct.pack(">IBBH", 16, 3, 0, 7) + b"\1\2\3\4" + CLOSE[8:]
    assert shown(OPENED + HEARTBEAT + extended) == (0, ["AMQP", "open", None, "close"], [])


def test_a_frame_is_read_up_to_a_fault():
    found = read_performative(b"\0\x53\x10\xc0\x06\x03\xa1\x01c\x40\xff", 0)
    assert (found.composite, found.values) == (OPEN, ["c", None])
    assert found.faults == ["open: field max-frame-size: unknown constructor 0xff at offset 10"]


def test_sections_up_to_a_fault():
    sections, fault = read_message(b"\0\x53\x70\xc0\x02\x01\x41\0\x53\x77\xff")
    assert [(section.name, section.value) for section in sections] == [("header", [True])]
    assert fault == "amqp-value section at offset 7: unknown constructor 0xff at offset 10"


# -- messages ---------------------------------------------------------------------------------------------------------


def test_messages_of_several_links_and_frames_are_put_together():
    parts = [b"\0\x53\x75\xa0\x03", b"one", b"\0\x53\x77\xa1", b"\x03two"]
    data = OPENED + begin() + attach(name="a", handle=0, target=state(0x29, "A")) + attach(name="b", handle=1)
    data += transfer(handle=0, delivery_id=0, more=True, payload=parts[0])
    data += transfer(handle=1, delivery_id=1, more=True, payload=parts[2])
    data += transfer(handle=0, delivery_id=None, payload=parts[1])
    data += transfer(handle=1, delivery_id=None, payload=parts[3])
    code, found = made.objects(data, "--messages")
    assert code == 0
    messages = [each["message"] for each in found]
    assert [(each["link"], each["address"], each["delivery-id"]) for each in messages] == [
        ("a", "A", 0),
        ("b", None, 1),
    ]
    assert [each["body"] for each in messages] == [{"binary": "6f6e65", "text": "one"}, "two"]


@pytest.mark.parametrize(
    "between", [transfer(handle=0, aborted=True), frame(0, "detach", handle=0, closed=True), frame(0, "end")]
)
def test_the_rest_of_a_message_that_is_given_up_is_forgotten(between):
    data = (
        OPENED
        + begin()
        + attach(name="a", handle=0)
        + transfer(delivery_id=0, more=True, payload=b"\0\x53\x75\xa0\x03on")
    )
    data += between + transfer(handle=0, delivery_id=1, payload=b"\0\x53\x77\x41")
    code, found = made.objects(data, "--messages")
    assert (code, [each["message"]["body"] for each in found]) == (0, [True])


def test_messages_of_another_format_are_not_decoded():
    data = OPENED + transfer(delivery_id=0, message_format=7, payload=b"\x99")
    assert shown(data) == (0, ["AMQP", "open", "transfer"], [])


def test_a_message_above_the_limit_is_said(monkeypatch):
    monkeypatch.setattr(conversation, "MAX_MESSAGE", 100)
    part = b"\0\x53\x75\xa0\x46" + bytes(70)
    data = OPENED + transfer(delivery_id=0, more=True, payload=part) + transfer(delivery_id=None, payload=part)
    data += transfer(delivery_id=1, payload=b"\0\x53\x77\x41")
    code, names, faults = shown(data)
    assert code == 5 and names[-1] == "transfer"
    assert [text for _, text in faults] == ["expected a message of at most 100 bytes, got one of 150: not decoded"]


def test_many_unfinished_messages_are_bounded(monkeypatch):
    monkeypatch.setattr(conversation, "MAX_UNFINISHED", 1000)
    part = b"\0\x53\x75\xa0\x46" + bytes(70)
    data = OPENED + b"".join(
        transfer(handle=number, delivery_id=number, more=True, payload=part) for number in range(20)
    )
    data += b"".join(transfer(handle=number, delivery_id=None) for number in range(20))
    code, found = made.objects(data, "--messages")
    # 13 of 75 bytes fit.
    assert code == 5 and len([each for each in found if "message" in each]) == 13


# -- secrets ----------------------------------------------------------------------------------------------------------

SECRET = {
    "SASL init": SASL_INIT,
    "SASL init that is cut": SASL_INIT[:-3],
    "SASL init that is longer than its frame": SASL_INIT[:11] + b"\x20" + SASL_INIT[12:],
    "SASL response": SASL_HEADER + frame(0, "sasl-response", kind=1, response=b"Pa55word"),
    "SASL outcome": SASL_HEADER + frame(0, "sasl-outcome", kind=1, code=0, additional_data=b"v=Pa55word"),
    "properties of the open": AMQP_HEADER + frame(0, "open", container_id="c", properties={"password": "Pa55word"}),
    "a map in a map": AMQP_HEADER + frame(0, "open", container_id="c", properties={"a": {"api-secret": "Pa55word"}}),
    "token on a link with a fault": OPENED
    + attach(handle=0, target=state(0x29, "$cbs"))
    + transfer(delivery_id=0, payload=b"\0\x53\x77\xa1\x08Pa55word"),
    "token": OPENED
    + attach(name="a", handle=0, target=state(0x29, "$cbs"))
    + transfer(delivery_id=0, payload=b"\0\x53\x77\xa1\x08Pa55word"),
    "token in data": OPENED
    + attach(name="a", handle=0, target=state(0x29, "$cbs"))
    + transfer(delivery_id=0, payload=b"\0\x53\x75\xa0\x08Pa55word"),
    "put-token on an unknown link": OPENED
    + transfer(
        delivery_id=0,
        payload=b"\0\x53\x74\xc1\x16\x02\xa1\x09operation\xa1\x09put-token\0\x53\x77\xa1\x08Pa55word",
    ),
}


@pytest.mark.parametrize("how", [(), ("--json",), ("--diagram",), ("--messages",)], ids=" ".join)
@pytest.mark.parametrize("data", SECRET.values(), ids=SECRET)
def test_secrets_are_hidden(data, how):
    code, out, _ = made.decoded(data, "--format", "raw", *how)
    assert "55" not in out and b"Pa55".hex() not in out
    if how in ((), ("--json",)) and code == 0:
        assert "***" in out
        told = made.decoded(data, "--format", "raw", "--show-secrets", *how)[1]
        assert "Pa55word" in told or b"Pa55word".hex() in told


def test_the_largest_frame_is_kept_and_no_more():
    assert frames.MAX_FRAME == conversation.MAX_MESSAGE == 16 << 20
