"""Arbitrary bytes, and arbitrary frames, into engines at every stage: progress or a condition, never an exception."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton import UNDESCRIBED, Array, Data, Described, symbol, timestamp, ubyte, uint, ulong, ushort
from proton.codec.encode import encode
from tests.support.engines import AMQP_HEADER, SASL_HEADER, frame, take
from tests.support.fuzzing import CUTS, SERVER, check_end, engine, feed, fuzz
from tests.support.violations import attach, begin, flow, transfer

OPEN = frame(0, "open", container_id="peer")
TO_CLIENT = AMQP_HEADER + OPEN + begin(remote_channel=0)
LINKED = TO_CLIENT + attach(name="R", handle=0) + attach(name="S", handle=1, role=True) + flow(handle=1, link_credit=9)
TO_SERVER = AMQP_HEADER + OPEN + begin() + attach(name="a", handle=0) + attach(name="b", handle=1, role=True)
MECHANISMS = frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=["PLAIN", "ANONYMOUS"])
STAGES = {
    # whether the engine is a server, whether with SASL, what it has received
    "client": (None, False, b""),
    "client, header": (None, False, AMQP_HEADER),
    "client, open": (None, False, AMQP_HEADER + OPEN),
    "client, begin": (None, False, TO_CLIENT),
    "client, attach": (None, False, LINKED),
    "client, mid-delivery": (None, False, LINKED + transfer(delivery_id=0, more=True)),
    "client, half a frame": (None, False, LINKED + transfer(delivery_id=0)[:-2]),
    "client, SASL": (None, True, b""),
    "client, SASL header": (None, True, SASL_HEADER),
    "client, SASL init": (None, True, SASL_HEADER + MECHANISMS),
    "client, behind SASL": (None, True, SASL_HEADER + MECHANISMS + frame(0, "sasl-outcome", kind=1, code=0)),
    "server": (SERVER, False, b""),
    "server, header": (SERVER, False, AMQP_HEADER),
    "server, open": (SERVER, False, AMQP_HEADER + OPEN),
    "server, attach": (SERVER, False, TO_SERVER),
    "server, mid-delivery": (SERVER, False, TO_SERVER + transfer(delivery_id=0, more=True)),
    "server, SASL": (SERVER, True, SASL_HEADER),
    "server, behind SASL": (SERVER, True, SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism="ANONYMOUS")),
}

small = st.integers(0, 3) | st.sampled_from([127, 128, 255, 256, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    small.map(uint),
    small.map(ulong),
    small.map(lambda number: ubyte(number & 0xFF)),
    small.map(lambda number: ushort(number & 0xFFFF)),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1).map(timestamp),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["R", "S", "a", "amqp:accepted:list", "ANONYMOUS", "\N{SNOWMAN}"]),
    st.sampled_from(["R", "amqp:error:list", "PLAIN", "never"]).map(symbol),
    st.binary(max_size=40),
    st.uuids(),
)
CODES = st.sampled_from([*range(0x10, 0x1E), *range(0x23, 0x2F), *range(0x30, 0x35), *range(0x40, 0x45), 0x77, 1 << 40])


def compounds(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "x-opt-b"]).map(symbol) | small.map(ulong), inner, max_size=3),
        st.builds(Described, CODES.map(ulong), st.lists(inner, max_size=4)),
        st.builds(Described, scalars, inner),
        st.lists(small.map(uint), max_size=3).map(lambda items: Array(UNDESCRIBED, Data.UINT, *items)),
        st.lists(st.sampled_from("abc").map(symbol), max_size=3).map(tuple),
    )


values = st.recursive(scalars, compounds, max_leaves=8)


@st.composite
def any_frame(draw):
    """A frame of the right form: known or unknown descriptor, fields of any type, and a payload."""
    fields = draw(st.lists(scalars | values, max_size=14))
    body = encode(Described(ulong(draw(CODES)), fields)) + draw(st.binary(max_size=20))
    kind = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    channel = draw(st.sampled_from([0, 0, 0, 1, 40000]))
    return struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body


@st.composite
def near_frame(draw):
    """Bytes behind a header that fits them, more or less."""
    body = draw(st.binary(max_size=40))
    size = len(body) + 8 + draw(st.sampled_from([0, 0, 0, 1, -1, -8, 1000, 1 << 31]))
    offset = draw(st.sampled_from([2, 2, 2, 3, 1, 0, 255]))
    return struct.pack(">IBBH", size & 0xFFFFFFFF, offset, draw(st.sampled_from([0, 0, 1, 7])), 0) + body


junk = st.binary(max_size=60)
streams = st.lists(
    st.one_of(junk, any_frame(), any_frame(), near_frame(), st.just(b"\0\0\0\x08\2\0\0\0")), max_size=6
).map(b"".join)


@pytest.mark.parametrize("stage", STAGES)
@fuzz
@given(data=streams, cuts=CUTS)
def test_any_bytes_give_progress_or_a_condition(stage, data, cuts):
    mode, sasl, before = STAGES[stage]
    peer, app = engine(mode, sasl)
    written = take(peer.transport)
    written += feed(peer, app, before)
    assert peer.transport.condition is None, "the stage is reached"
    written += feed(peer, app, data, cuts)
    check_end(peer, app, written)


@pytest.mark.parametrize("stage", [name for name, (_, sasl, _) in STAGES.items() if not sasl])
@fuzz
@given(data=streams)
def test_how_the_stream_is_cut_changes_nothing(stage, data):
    mode, _, before = STAGES[stage]
    ends = []
    for cuts in ((), range(len(data))):
        peer, app = engine(mode)
        feed(peer, app, before)
        feed(peer, app, data, cuts)
        condition = peer.transport.condition
        ends.append((condition and (condition.name, condition.description), peer.transport.capacity() < 0))
    # A server may refuse unknown bytes before it has seen all that it could quote.
    if stage in ("server", "client") and ends[0][0] is not None:
        ends = [(condition[0], closed) for condition, closed in ends]
    assert ends[0] == ends[1]
