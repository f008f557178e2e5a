"""What must go when the last reference to it goes, with no help of the garbage collector."""

import contextlib
import gc
import os
import platform

import pytest

counting = pytest.mark.skipif(platform.python_implementation() != "CPython", reason="only CPython counts references")


def collect():
    """Collects what finalizers let go of, too: PyPy runs them after a collection, so the next one frees the rest."""
    for _ in range(3):
        gc.collect()


def descriptors():
    """The number of open descriptors, without those of garbage: what earlier tests left must not be closed between two
    counts. It is 0 on a system that does not tell."""
    collect()
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@contextlib.contextmanager
def no_collection():
    """Nothing is collected in the block; what was left before it is gone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
