"""`VirtualClock`: it moves when it is told to, and forwards only."""

from __future__ import annotations

import time

import pytest

from proton.testing import VirtualClock


def test_it_moves_when_it_is_told_to():
    clock = VirtualClock(1000.0)
    assert (clock.now, clock.elapsed, repr(clock)) == (1000.0, 0.0, "VirtualClock(1000.0)")
    clock.advance(0.1)
    clock.advance(0.2)
    assert clock.elapsed == 0.3
    clock.move_to(1060.5)
    assert (clock.now, clock.elapsed) == (1060.5, 60.5)


def test_it_begins_with_the_time_of_day_in_whole_seconds():
    before = time.time()
    clock = VirtualClock()
    assert before - 1 <= clock.now <= time.time()
    assert clock.now == int(clock.now)


@pytest.mark.parametrize("seconds", [-1, -0.1, float("nan")])
def test_it_does_not_go_back(seconds):
    clock = VirtualClock(5.0)
    with pytest.raises(ValueError, match=f"expected 0 seconds or more, got {seconds!r}"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="expected a time from 5.0 on, got "):
        clock.move_to(5.0 + seconds)
    assert clock.now == 5.0
