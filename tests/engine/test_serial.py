"""Serial numbers of 32 bits wrap, and are compared by their distance (RFC 1982; 2.8.10)."""

import pytest

from proton.endpoints.serial import HALF, SERIAL, ahead


@pytest.mark.parametrize(
    "number, other, distance",
    [
        (0, 0, 0),
        (5, 3, 2),
        (3, 5, -2),
        (0, SERIAL, 1),
        (SERIAL, 0, -1),
        (HALF - 1, 0, HALF - 1),
        (HALF, 0, -HALF),
    ],
)
def test_a_number_is_ahead_of_those_that_lead_to_it_in_fewer_than_half_of_all_steps(number, other, distance):
    assert ahead(number, other) == distance
