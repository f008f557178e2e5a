"""The event loops that the tests of `proton.asyncio` run on: asyncio's own, uvloop, and one without readers.

The environment variable PROTON_TEST_LOOP (a name of `LOOPS`) has all of tests/aio run on another one than asyncio's.
"""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

try:
    import uvloop
except ImportError:  # PyPy and Windows have none
    uvloop = None


def _refused(name):
    own = getattr(asyncio.SelectorEventLoop, name)

    def method(self, *args):
        # asyncio's own methods for sockets call them too.
        if not sys._getframe(1).f_globals["__name__"].startswith("asyncio."):
            raise NotImplementedError(name)
        return own(self, *args)

    return method


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """Refuses what the loop of Windows, the proactor, refuses: readers and writers of descriptors, and signals."""

    add_reader, remove_reader = _refused("add_reader"), _refused("remove_reader")
    add_writer, remove_writer = _refused("add_writer"), _refused("remove_writer")
    add_signal_handler, remove_signal_handler = _refused("add_signal_handler"), _refused("remove_signal_handler")


if uvloop is not None:
    uvloop.new_event_loop().close()  # the first one opens descriptors that stay

LOOPS = {
    "asyncio": asyncio.new_event_loop,
    "no-readers": LoopWithoutReaders,
    "uvloop": uvloop.new_event_loop if uvloop is not None else None,
}

_name = os.environ.get("PROTON_TEST_LOOP", "asyncio")


def use(name):
    """Has `new_loop` make loops of this name; the name of those before. Skips the test where they cannot be had."""
    global _name
    if LOOPS[name] is None:
        pytest.skip("uvloop is not installed: it has no wheels for PyPy and Windows")
    before, _name = _name, name
    return before


def new_loop():
    """A loop of the kind that the tests run on."""
    make = LOOPS[_name]
    if make is None:
        pytest.skip("uvloop is not installed: it has no wheels for PyPy and Windows")
    return make()
