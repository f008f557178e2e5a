"""Each rule that a peer can break: the bytes, the condition and the words that answer them, and a clean end.

A connection ends with a close; a session or a link that the fault belongs to ends alone, and the others live on. Every
case is fed whole and byte by byte. Wrong types and missing fields: `test_violations_fields.py`. The rules of frames:
2.3, 2.3.1, 2.3.2; the conditions: 2.8.15 to 2.8.18.
"""

from __future__ import annotations

import struct

import pytest

from proton import TransportException
from tests.support.engines import frame, state
from tests.support.violations import BOTH, Stage, attach, begin, error_of, flow, transfer

FRAMING = "amqp:connection:framing-error"
DECODE = "amqp:decode-error"
NOT_ALLOWED = "amqp:not-allowed"
NOT_IMPLEMENTED = "amqp:not-implemented"
INVALID = "amqp:invalid-field"


@pytest.fixture(params=list(BOTH.values()), ids=list(BOTH))
def chunk(request):
    return request.param


def raw(size, offset=2, kind=0, channel=0, body=b""):
    return struct.pack(">IBBH", size, offset, kind, channel) + body


def body(data):
    return raw(len(data) + 8, body=data)


MALFORMED = {
    "size 0": (raw(0), "malformed frame: expected 8 bytes at least, got 0"),
    "size 7": (raw(7), "malformed frame: expected 8 bytes at least, got 7"),
    "size one above ours": (raw(32769), "malformed frame: expected 32768 bytes at most, got 32769"),
    "size of 4 GiB": (raw(0xFFFFFFFF), "malformed frame: expected 32768 bytes at most, got 4294967295"),
    "data offset 0": (raw(8, 0), "malformed frame: expected a data offset of 2 to 2 words, got 0"),
    "data offset 1": (raw(8, 1), "malformed frame: expected a data offset of 2 to 2 words, got 1"),
    "data offset behind the end": (raw(12, 4), "malformed frame: expected a data offset of 2 to 3 words, got 4"),
    "data offset 1 in a frame as large as ours": (
        raw(32768, 1),
        "malformed frame: expected a data offset of 2 to 8192 words, got 1",
    ),
    "data offset 255": (raw(20, 255), "malformed frame: expected a data offset of 2 to 5 words, got 255"),
    "SASL frame": (raw(8, kind=1), "expected an AMQP frame (type 0), got type 1"),
    "unknown type": (raw(8, kind=200), "expected an AMQP frame (type 0), got type 200"),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("stage", ["greeted", "opened", "linked"])
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_malformed_frame_closes_connection(case, stage, server, chunk):
    data, description = MALFORMED[case]
    engine = getattr(Stage(server), stage)()
    engine.feed(data, chunk).check_closed(FRAMING, description)


def test_frame_above_the_size_that_we_announced(chunk):
    engine = Stage(max_frame_size=512).opened().feed(raw(513), chunk)
    engine.check_closed(FRAMING, "malformed frame: expected 512 bytes at most, got 513")


UNDECODABLE = {
    "no descriptor": (b"\x40\x40\x40", DECODE, "expected a performative (constructor 0x00), got constructor 0x40"),
    "descriptor alone": (b"\x00\x53\x10", DECODE, "a value is cut off by the end of the frame"),
    "descriptor cut off": (b"\x00\x80\x00", DECODE, "a value is cut off by the end of the frame"),
    "descriptor a string": (
        b"\x00\xa1\x01x\x45",
        DECODE,
        "expected a known descriptor of a performative, got 'x'",
    ),
    "unknown symbol": (
        b"\x00\xa3\x0eamqp:nope:list\x45",
        DECODE,
        "expected a known descriptor of a performative, got symbol('amqp:nope:list')",
    ),
    "map for list": (b"\x00\x53\x10\xc1\x01\x00", DECODE, "expected a list at offset 11, found constructor 0xc1"),
    "list passes frame": (
        b"\x00\x53\x10\xc0\x09\x01\x40",
        DECODE,
        "list at offset 11 ends at 22 by its size, its frame or section ends at 15",
    ),
    "list shorter than its fields": (
        b"\x00\x53\x10\xc0\x02\x02\x40",
        DECODE,
        "list at offset 11 claims 2 elements in 1 bytes",
    ),
    "bad utf-8": (b"\x00\x53\x10\xc0\x05\x01\xa1\x02\xc3\x28", DECODE, "expected utf-8 text, got b'\\xc3('"),
    "bad ascii": (
        b"\x00\x53\x10\xc0\x09\x06\xa1\x00\x40\x40\x40\x40\xa3\x01\xe9",
        DECODE,
        "expected ascii text, got b'\\xe9'",
    ),
    "unknown constructor": (b"\x00\x53\x10\xc0\x02\x01\x3f", DECODE, None),
    "reserved performative": (
        b"\x00\x53\x19\x45",
        NOT_IMPLEMENTED,
        "expected a performative, 0x10 to 0x18, got descriptor 0x19",
    ),
    "an outcome": (b"\x00\x53\x24\x45", NOT_IMPLEMENTED, "expected a performative, 0x10 to 0x18, got descriptor 0x24"),
    "a vendor's descriptor": (
        b"\x00\x80\x00\x00\x46\x8c\x00\x00\x00\x04\x45",
        NOT_IMPLEMENTED,
        "expected a performative, 0x10 to 0x18, got descriptor 0x468c00000004",
    ),
}


@pytest.mark.parametrize("case", UNDECODABLE)
@pytest.mark.parametrize("stage", ["greeted", "linked"])
def test_undecodable_body_closes_connection(case, stage, chunk):
    data, condition, description = UNDECODABLE[case]
    engine = getattr(Stage(), stage)().feed(body(data), chunk)
    told = engine.transport.condition.description
    assert description is None or told.endswith(description)
    if condition == DECODE:
        assert told.startswith(f"cannot decode a frame of {len(data) + 8} bytes: ")
    engine.check_closed(condition, told)


def test_symbolic_descriptor_is_as_good_as_the_number(chunk):
    engine = Stage().greeted().feed(body(b"\x00\xa3\x0eamqp:open:list\xc0\x05\x01\xa1\x02me"), chunk)
    assert engine.connection.remote_container == "me"


BEFORE_OPEN = {
    "begin": begin(),
    "attach": attach(name="x", handle=0),
    "flow": flow(),
    "transfer": transfer(),
    "disposition": frame(0, "disposition", role=True, first=0),
    "detach": frame(0, "detach", handle=0),
    "end": frame(0, "end"),
    "close": frame(0, "close"),
}


@pytest.mark.parametrize("case", BEFORE_OPEN)
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_frame_before_open_closes_connection(case, server, chunk):
    engine = Stage(server).greeted().feed(BEFORE_OPEN[case], chunk)
    engine.check_closed(NOT_ALLOWED, "expected open as the first frame")
    assert [part["container_id"] for part in engine.written("open")] == [""]


ON_UNKNOWN_CHANNEL = {name: data for name, data in BEFORE_OPEN.items() if name not in ("begin", "close")}


@pytest.mark.parametrize("case", ON_UNKNOWN_CHANNEL)
def test_frame_on_unknown_channel_closes_connection(case, chunk):
    engine = Stage().opened().feed(ON_UNKNOWN_CHANNEL[case], chunk)
    engine.check_closed(NOT_ALLOWED, "no such channel: 0")


@pytest.mark.parametrize("case", ON_UNKNOWN_CHANNEL)
def test_frame_behind_end_closes_connection(case, chunk):
    engine = Stage().linked().feed(frame(0, "end") + ON_UNKNOWN_CHANNEL[case], chunk)
    engine.check_closed(NOT_ALLOWED, "no such channel: 0")


CONNECTION = {
    "second open": (
        frame(0, "open", container_id="again"),
        NOT_ALLOWED,
        "expected one open on a connection, got a second one",
    ),
    "second begin on a channel": (begin(0), NOT_ALLOWED, "begin on channel 0, which has a session already"),
    "second reply to a begin": (begin(7, remote_channel=0), NOT_ALLOWED, "second begin reply to channel 0"),
    "reply to no begin": (begin(7, remote_channel=9), INVALID, "begin reply to unknown channel 9."),
    "channel above channel_max": (begin(32768), FRAMING, "remote channel 32768 is above negotiated channel_max 32767."),
    "handle above handle-max": (
        attach(name="x", handle=0x80000000),
        FRAMING,
        "remote handle 2147483648 is above handle_max 2147483647",
    ),
    "range backwards": (
        frame(0, "disposition", role=True, first=5, last=3),
        NOT_ALLOWED,
        "illegal delivery range: 5-3",
    ),
    "state of a wrong shape": (
        frame(0, "disposition", role=True, first=0, state=state(0x23)),
        DECODE,
        "received: mandatory field section-number is null",
    ),
    "transfer with such a state": (
        transfer(delivery_id=0, state=state(0x23, "x", 0)),
        DECODE,
        "received: field section-number must be uint, received string",
    ),
    "source of a wrong shape": (
        attach(name="x", handle=5, source=state(0x28, None, "x")),
        DECODE,
        "source: field durable must be terminus-durability, received string",
    ),
    "error of a wrong shape": (
        frame(0, "close", error=state(0x28)),
        DECODE,
        "close: field error must be error, received described",
    ),
}


@pytest.mark.parametrize("case", CONNECTION)
def test_fault_of_the_connection_closes_it(case, chunk):
    data, condition, description = CONNECTION[case]
    Stage().linked().feed(data, chunk).check_closed(condition, description)


def test_channel_above_the_one_that_we_announced(chunk):
    engine = Stage(channel_max=1).opened().feed(begin(1) + begin(2), chunk)
    engine.check_closed(FRAMING, "remote channel 2 is above negotiated channel_max 1.")


def settled_then_not():
    first = transfer(delivery_id=0, settled=True, more=True)
    return first + transfer(delivery_id=0, settled=False)


SESSION = {
    "flow on unknown handle": (
        flow(handle=9),
        "amqp:session:unattached-handle",
        "no such handle: 9, in flow",
    ),
    "transfer on unknown handle": (
        transfer(handle=9, delivery_id=0),
        "amqp:session:unattached-handle",
        "no such handle: 9, in transfer",
    ),
    "detach of unknown handle": (
        frame(0, "detach", handle=9),
        "amqp:session:unattached-handle",
        "no such handle: 9, in detach",
    ),
    "transfer behind detach": (
        frame(0, "detach", handle=0) + transfer(delivery_id=0),
        "amqp:session:unattached-handle",
        "no such handle: 0, in transfer",
    ),
    "handle in use": (
        attach(name="x", handle=0),
        "amqp:session:handle-in-use",
        "attach of 'x' on handle 0, which is in use",
    ),
    "name in use": (attach(name="R", handle=5), INVALID, "link name already attached: R"),
    "gap in delivery-ids": (
        transfer(delivery_id=7) + transfer(delivery_id=9),
        INVALID,
        "sequencing error, expected delivery-id 8, got 9",
    ),
    "delivery-id again": (
        transfer(delivery_id=7) + transfer(delivery_id=7),
        INVALID,
        "sequencing error, expected delivery-id 8, got 7",
    ),
    "no delivery-id at first": (transfer(), INVALID, "delivery-id required on initial transfer of session"),
    "another id in a continuation": (
        transfer(delivery_id=0, more=True) + transfer(delivery_id=1),
        INVALID,
        "invalid delivery-id for a continuation transfer",
    ),
    "settled taken back": (settled_then_not(), INVALID, "invalid transition from settled to unsettled"),
}


@pytest.mark.parametrize("case", SESSION)
def test_fault_of_a_session_ends_it_alone(case, chunk):
    data, condition, description = SESSION[case]
    engine = Stage().linked().feed(data, chunk)
    engine.wrote = [part for part in engine.wrote if part.name != "detach" or part["error"]]
    engine.check_ended(condition, description)


def test_transfer_beyond_window_ends_session(chunk):
    engine = Stage(max_frame_size=512).linked(credit=10, capacity=1024)
    data = b"".join(transfer(delivery_id=n, payload=bytes(400)) for n in range(3))
    engine.feed(data, chunk).check_ended("amqp:session:window-violation", "incoming session window exceeded")
    assert next(engine.connection.links()).queued == 2


def test_transfer_on_session_that_we_have_not_begun_ends_it(chunk):
    engine = Stage().opened().feed(begin(3) + transfer(3, delivery_id=0), chunk)
    (end,) = engine.written("end")
    assert [part.name for part in engine.wrote] == ["begin", "end"]
    assert end["error"].value[0] == "amqp:session:window-violation"
    engine.check_clean_close()


#: messages that a link with a credit of 3 takes
OVERRUN = 3 + 16 * 3

LINK = {
    "beyond credit": (
        b"".join(transfer(delivery_id=n) for n in range(OVERRUN + 1)),
        "amqp:link:transfer-limit-exceeded",
        "transfer on link 'R' beyond the credit that it was given",
        "R",
    ),
    "message too large": (
        transfer(delivery_id=0, payload=bytes(101)),
        "amqp:link:message-size-exceeded",
        "expected messages of 100 bytes at most, got 101 bytes of one",
        "R",
    ),
    "message too large in parts": (
        transfer(delivery_id=0, payload=bytes(60), more=True) + transfer(payload=bytes(60)),
        "amqp:link:message-size-exceeded",
        "expected messages of 100 bytes at most, got 120 bytes of one",
        "R",
    ),
    "transfer to a sender": (
        transfer(handle=1, delivery_id=0),
        NOT_ALLOWED,
        "transfer on link 'S', whose receiver the peer is",
        "S",
    ),
}


@pytest.mark.parametrize("case", LINK)
def test_fault_of_a_link_detaches_it_alone(case, chunk):
    data, condition, description, name = LINK[case]
    engine = Stage().linked(max_message_size=100).feed(data, chunk)
    engine.check_detached(condition, description, name)


def test_transfers_somewhat_beyond_the_credit_are_taken(chunk):
    """RabbitMQ forgets what is on its way out of a queue when a flow comes."""
    engine = Stage().linked()
    engine.feed(b"".join(transfer(delivery_id=n) for n in range(OVERRUN)), chunk)
    receiver = next(link for link in engine.connection.links() if link.name == "R")
    assert receiver.queued == OVERRUN
    assert not engine.written("detach")
    # A new grant counts from what has come.
    for _ in range(OVERRUN):
        receiver.advance()
    receiver.flow(10 - receiver.credit)
    engine.feed(b"")
    (granted,) = engine.written("flow")
    assert (granted["delivery_count"], granted["link_credit"]) == (OVERRUN, 10)


def test_a_transfer_where_no_credit_was_ever_given_detaches_the_link(chunk):
    engine = Stage().linked(credit=0).feed(transfer(delivery_id=0), chunk)
    (detach,) = engine.written("detach")
    assert error_of(detach) == LINK["beyond credit"][1:3]


def test_transfers_of_a_closed_link_do_not_use_up_the_window(chunk):
    """The peer may send until it has seen our detach; the window that this takes is announced again."""
    engine = Stage(max_frame_size=512).linked(credit=3, capacity=512 * (OVERRUN + 5))
    engine.feed(b"".join(transfer(delivery_id=n) for n in range(OVERRUN + 5)), chunk)
    engine.check_detached("amqp:link:transfer-limit-exceeded", LINK["beyond credit"][2])


def test_outcome_of_unknown_delivery_is_nothing(chunk):
    """It may cross the settlement on its way: no fault."""
    engine = (
        Stage()
        .linked()
        .feed(
            frame(0, "disposition", role=True, first=40, last=50, settled=True, state=state(0x24))
            + frame(0, "disposition", role=False, first=40, settled=True),
            chunk,
        )
    )
    assert not engine.wrote
    engine.check_clean_close()


def test_outcomes_of_four_billion_deliveries_cost_nothing():
    engine = Stage().linked().feed(frame(0, "disposition", role=True, first=0, last=0x7FFFFFFE, settled=True))
    engine.check_clean_close()


@pytest.mark.parametrize("case", BEFORE_OPEN)
def test_frame_behind_close_is_not_looked_at(case):
    engine = Stage().linked().feed(frame(0, "close") + BEFORE_OPEN[case])
    assert engine.transport.capacity() == -1 and engine.transport.condition is None
    with pytest.raises(TransportException, match="the input is closed"):
        engine.transport.push(b"x")
    engine.connection.close()
    engine.feed(b"")
    assert engine.written("close")[0]["error"] is None
    assert engine.transport.closed


CUT = {
    "between frames": b"",
    "in a size": b"\x00\x00",
    "in a header": raw(20)[:7],
    "in a body": transfer(delivery_id=0)[:-1],
}


@pytest.mark.parametrize("case", CUT)
@pytest.mark.parametrize("stage", ["greeted", "opened", "linked"])
def test_end_of_input_before_close(case, stage, chunk):
    engine = getattr(Stage(), stage)().feed(CUT[case], chunk)
    assert engine.transport.condition is None
    engine.transport.close_tail()
    engine.feed(b"").check_closed(FRAMING, "connection aborted")


def test_server_that_is_cut_off_before_open_still_answers(chunk):
    engine = Stage(server=True).greeted().feed(b"\x00", chunk)
    engine.transport.close_tail()
    engine.feed(b"").check_closed(FRAMING, "connection aborted")
    assert [getattr(part, "name", "header") for part in engine.wrote] == ["header", "open", "close"]


NAMES = {"ascii": "n" * 2000, "wide": "\N{SNOWMAN}" * 700}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_error_that_quotes_the_peer_fits_into_the_smallest_frame(name, chunk):
    engine = Stage().opened().feed(begin(0) + attach(name=name, handle=0) + attach(name=name, handle=1), chunk)
    (end,) = engine.written("end")
    condition, description = error_of(end)
    assert condition == INVALID and description.startswith("link name already attached: ")
    assert len(description.encode()) <= 400
    engine.check_clean_close()
