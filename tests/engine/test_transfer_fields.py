"""The fields of a transfer, read in place: the same as those that the table of values gives, in every form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton import DataException
from proton.codec.decode import DECODE_ERRORS, decode_fields
from proton.codec.limits import DEFAULT_LIMITS
from proton.transport.frames import decode_transfer_fields
from tests.support.field_lists import NUMBERS, short_list

HANDLES = [b"\x43", b"\x52\x07", b"\x70\x00\x01\x00\x00", b"\x40"]
TAGS = [b"\xa0\x00", b"\xa0\x02ab", b"\xb0\x00\x00\x00\x01a", b"\x40", b"\xa1\x01a"]
FORMATS = [b"\x43", b"\x52\x01", b"\x40"]
REST = [b"\x40", b"\x41", b"\x42", b"\x43", b"\x45", b"\x50\x01", b"\x56\x01"]

fields = st.tuples(
    *map(st.sampled_from, (HANDLES, NUMBERS, TAGS, FORMATS)), st.lists(st.sampled_from(REST), max_size=9)
).map(lambda drawn: [*drawn[:4], *drawn[4]])


def read(decode, data, end):
    """The fields in full, or that an error is raised: the frame loop makes the same condition of each class."""
    try:
        found, stop = decode(data, 0, end, DEFAULT_LIMITS)
    except (DataException, *DECODE_ERRORS):
        return "error"
    if isinstance(found, tuple):
        handle, number, tag, settled, more = found
        found = [handle, number, tag, 0, settled, more]
    return [*found, *[None] * (13 - len(found))], stop


@given(fields, st.sampled_from([b"", b"\x00\x53\x77\x43", b"\x40" * 9]), st.integers(-2, 2), st.integers(-2, 2))
def test_the_fields_are_those_of_the_table(values, payload, count, size):
    data = short_list(values, max(0, len(values) + count), size) + payload
    for end in (len(data), len(data) - len(payload)):
        assert read(decode_transfer_fields, data, end) == read(decode_fields, data, end)


@given(fields, st.data())
def test_what_is_cut_off_is_told_as_by_the_table(values, data):
    whole = short_list(values)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    assert read(decode_transfer_fields, cut, len(cut)) == read(decode_fields, cut, len(cut))


@pytest.mark.parametrize(
    "values",
    [
        [b"\x43", b"\x52\x05", b"\xa0\x01a", b"\x43"],
        [b"\x52\x01", b"\x70\x00\x00\x01\x00", b"\xa0\x01a", b"\x43", b"\x41"],
        [b"\x43", b"\x43", b"\xa0\x01a", b"\x43", b"\x40", b"\x40"],
        [b"\x43", b"\x43", b"\xa0\x01a", b"\x43", b"\x42", b"\x41", *[b"\x40"] * 5],
    ],
)
def test_usual_forms_are_read_in_place(values):
    found, stop = decode_transfer_fields(data := short_list(values), 0, len(data), DEFAULT_LIMITS)
    assert isinstance(found, tuple)
    assert stop == len(data)
