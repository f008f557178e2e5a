"""What must go when the last reference to it goes, with no help of the garbage collector."""

import contextlib
import gc
import platform

import pytest

counting = pytest.mark.skipif(platform.python_implementation() != "CPython", reason="only CPython counts references")


def collect():
    """Collects what finalizers let go of, too: PyPy runs them after a collection, so the next one frees the rest."""
    for _ in range(3):
        gc.collect()


@contextlib.contextmanager
def no_collection():
    """Nothing is collected in the block; what was left before it is gone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
