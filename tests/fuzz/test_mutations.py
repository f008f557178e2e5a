"""Valid conversations, spoiled: bytes flipped, frames cut, left out, doubled, moved, or sent by the wrong side."""

from __future__ import annotations

import functools
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.engines import Frame, take
from tests.support.fuzzing import CUTS, SERVER, check_end, conversation, engine, feed, fuzz, parts_of

SIDES = pytest.mark.parametrize("sasl", [False, True], ids=["plain", "sasl"])
ENGINES = pytest.mark.parametrize("mode", [None, SERVER], ids=["client", "server"])


@functools.cache
def recorded(mode, sasl):
    """What an engine of this mode hears in a valid conversation, as a list of headers and frames."""
    client_wrote, server_wrote = conversation(sasl)
    return parts_of(client_wrote if mode == SERVER else server_wrote)


def ends_of(mode, sasl):
    """Where the frames end: pushed one by one each gets its answer, such as credit, before the next comes."""
    return list(itertools.accumulate(map(len, recorded(mode, sasl))))


def run(mode, sasl, data, cuts=()):
    peer, app = engine(mode, sasl, max_frame_size=512)
    written = take(peer.transport)
    written += feed(peer, app, data, [*cuts, *ends_of(mode, sasl)])
    return app, check_end(peer, app, written)


@SIDES
@ENGINES
def test_the_conversation_itself_is_good(mode, sasl):
    data = b"".join(recorded(mode, sasl))
    for cuts in ((), range(len(data))):
        app, written = run(mode, sasl, data, cuts)
        assert app.peer.transport.condition is None
        assert not [part for part in written if isinstance(part, Frame) and part["error"]]
        assert app.bodies[0] == "from the application"
        assert mode is None or "x" * 1500 in app.bodies


@SIDES
@ENGINES
@fuzz
@given(flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4), cuts=CUTS)
def test_flipped_bytes(mode, sasl, flips, cuts):
    data = bytearray(b"".join(recorded(mode, sasl)))
    for position, value in flips:
        data[position % len(data)] ^= value
    run(mode, sasl, bytes(data), cuts)


@SIDES
@ENGINES
@fuzz
@given(part=st.integers(0, 100), size=st.integers(0, 600), fix=st.booleans())
def test_cut_frame(mode, sasl, part, size, fix):
    """The frame loses its end; its size says so, or is left as it was."""
    parts = list(recorded(mode, sasl))
    index = part % len(parts)
    whole = parts[index]
    cut = whole[: size % (len(whole) + 1)]
    if fix and len(cut) >= 8:
        cut = struct.pack(">I", len(cut)) + cut[4:]
    parts[index] = cut
    run(mode, sasl, b"".join(parts))


@SIDES
@ENGINES
@fuzz
@given(
    edits=st.lists(
        st.tuples(st.sampled_from(["drop", "double", "move"]), st.integers(0, 99), st.integers(0, 99)),
        min_size=1,
        max_size=4,
    )
)
def test_frames_in_another_order(mode, sasl, edits):
    parts = list(recorded(mode, sasl))
    for edit, source, target in edits:
        if not parts:
            break
        part = parts[source % len(parts)]
        if edit != "double":
            del parts[source % len(parts)]
        if edit != "drop":
            parts.insert(target % (len(parts) + 1), part)
    run(mode, sasl, b"".join(parts))


@SIDES
@ENGINES
@fuzz
@given(data=st.data())
def test_one_byte_of_a_body_takes_every_kind_of_value(mode, sasl, data):
    """Constructors, counts and sizes are where one byte changes most."""
    parts = list(recorded(mode, sasl))
    index = data.draw(st.integers(0, len(parts) - 1))
    part = bytearray(parts[index])
    position = data.draw(st.integers(0, len(part) - 1))
    part[position] = data.draw(
        st.sampled_from([0, 1, 0x40, 0x41, 0x43, 0x45, 0x52, 0x53, 0x80, 0xA1, 0xC0, 0xC1, 0xD0, 0xF0, 0xFF])
    )
    parts[index] = bytes(part)
    run(mode, sasl, b"".join(parts))


@SIDES
@ENGINES
def test_the_words_of_the_other_side(mode, sasl):
    run(mode, sasl, b"".join(recorded(None if mode else SERVER, sasl)))
