"""What something costs: processor time against something harmless of the same size, and memory against its bytes.

Keep true: the factors are generous, since machines are busy, and yet far below what an attack that works would need;
processor time is that of this process, the least of several runs; memory is counted in a run of its own.
"""

from __future__ import annotations

import gc
import time

import pytest

try:
    import tracemalloc
except ImportError:  # PyPy does not count what is allocated
    tracemalloc = None

RUNS = 3
#: how much dearer than harmless bytes others may be, whatever they say
FACTOR = 25
#: seconds that are not an attack, whatever the factor
SLACK = 0.02
#: bytes of memory for a byte of input, and for none at all
EXPANSION = 128
ROOM = 256_000


def seconds(action, enough=0.0):
    """Processor time, the least of some runs; a run that takes no more than `enough` is the last."""
    best = None
    for _ in range(RUNS):
        gc.collect()
        gc.disable()  # it would walk what earlier tests have left alive, whose size is not that of the action
        try:
            start = time.process_time()
            action()
            taken = time.process_time() - start
        finally:
            gc.enable()
        best = taken if best is None else min(best, taken)
        if best <= enough:
            break
    return best


def peak(action):
    """Bytes of memory at the worst moment."""
    if tracemalloc is None:
        pytest.skip("PyPy does not count what is allocated")
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_cost(attack, harmless, size, factor=FACTOR, memory=None):
    """Holds an attack of `size` bytes against something harmless of about the same size.

    :param memory: bytes that it may take, when that is not in proportion to its size.
    """
    allowed = factor * seconds(harmless) + SLACK
    taken = seconds(attack, allowed)
    assert taken <= allowed, f"expected {allowed:.3f} s of processor time at most, took {taken:.3f}"
    most = EXPANSION * size + ROOM if memory is None else memory
    held = peak(attack)
    assert held <= most, f"expected {most} bytes at most, took {held}"
