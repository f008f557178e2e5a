"""What must go when the last reference to it goes, with no help of the garbage collector."""

import contextlib
import gc
import os
import platform

import pytest

counting = pytest.mark.skipif(platform.python_implementation() != "CPython", reason="only CPython counts references")


#: for tests of how much memory the process has: PyPy's grows by what it compiles, and in large steps
steady = pytest.mark.skipif(platform.python_implementation() != "CPython", reason="PyPy's memory grows in large steps")
#: PyPy runs finalizers after a collection, so the next one frees the rest. In a heap of all tests each takes long.
COLLECTIONS = 1 if platform.python_implementation() == "CPython" else 3


def collect():
    """Collects what finalizers let go of, too."""
    for _ in range(COLLECTIONS):
        gc.collect()


def open_descriptors():
    """The number of open descriptors; 0 on a system that does not tell."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def descriptors():
    """As `open_descriptors`, without those of garbage, which must not be closed between two counts."""
    collect()
    return open_descriptors()


@contextlib.contextmanager
def no_collection():
    """Nothing is collected in the block; what was left before it is gone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
