"""The fields of a disposition, read in place: the same as those that the table of values gives, in every form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton import DataException
from proton.codec.decode import DECODE_ERRORS, decode_fields
from proton.codec.limits import DEFAULT_LIMITS
from proton.endpoints.disposition import decode_state
from proton.transport.frames import decode_disposition_fields
from tests.support.field_lists import NUMBERS, short_list

ROLES = [b"\x41", b"\x42", b"\x40", b"\x56\x01"]
SETTLED = [b"\x40", b"\x41", b"\x42", b"\x43", b"\x56\x00"]
ACCEPTED, RELEASED = b"\x00\x53\x24\x45", b"\x00\x53\x26\x45"
STATES = [ACCEPTED, RELEASED, b"\x00\x53\x25\x45", b"\x00\x53\x24\xc0\x01\x00", b"\x00\x80" + bytes(7) + b"\x24\x45"]
REST = [b"\x40", b"\x41", b"\x42", b"\x43", b"\x52\x01"]

fields = st.tuples(
    *map(st.sampled_from, (ROLES, NUMBERS, NUMBERS, SETTLED, [*STATES, b"\x40"])),
    st.lists(st.sampled_from(REST), max_size=2),
).map(lambda drawn: [*drawn[:5], *drawn[5]])


def read(decode, data, end):
    """What counts of the fields, or that an error is raised: the frame loop makes the same condition of each class."""
    try:
        found, stop = decode(data, 0, end, DEFAULT_LIMITS)
    except (DataException, *DECODE_ERRORS):
        return "error"
    if isinstance(found, tuple):
        return found, stop
    role, first, last, settled, state = [*found, *[None] * 5][:5]
    try:
        state = decode_state(state)[0]
    except DataException:
        state = "error"
    return (role, first, first if last is None else last, bool(settled), state), stop


@given(fields, st.sampled_from([b"", b"\x00\x53\x77\x43", b"\x40" * 9]), st.integers(-2, 2), st.integers(-2, 2))
def test_the_fields_are_those_of_the_table(values, payload, count, size):
    data = short_list(values, max(0, len(values) + count), size) + payload
    for end in (len(data), len(data) - len(payload)):
        assert read(decode_disposition_fields, data, end) == read(decode_fields, data, end)


@given(fields, st.data())
def test_what_is_cut_off_is_told_as_by_the_table(values, data):
    whole = short_list(values)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    assert read(decode_disposition_fields, cut, len(cut)) == read(decode_fields, cut, len(cut))


@pytest.mark.parametrize(
    "values",
    [
        [b"\x41", b"\x52\x05", b"\x40", b"\x41", ACCEPTED],
        [b"\x41", b"\x43", b"\x52\x05", b"\x42", RELEASED, b"\x40"],
        [b"\x42", b"\x70\x00\x00\x01\x00", b"\x70\x00\x00\x02\x00", b"\x40", ACCEPTED, b"\x41"],
    ],
)
def test_usual_forms_are_read_in_place(values):
    found, stop = decode_disposition_fields(data := short_list(values), 0, len(data), DEFAULT_LIMITS)
    assert isinstance(found, tuple)
    assert stop == len(data)
