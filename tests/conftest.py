"""What every test keeps to: no error of our own code is contained in silence, no socket is left to the collector, and
names of tests are the same in each run.

PROTON_RERUNS is how often a test of processes, sockets under load or brokers is repeated after a failure: on a machine
that others use, a process may stand still for seconds. Other tests are not repeated.
"""

from __future__ import annotations

import gc
import logging
import os
import pathlib
import re
import signal
import socket
import threading
import weakref

import pytest
from hypothesis import given, settings, strategies

from proton.transport import failure

INTERNAL = logging.getLogger(failure.log.name)

# A shell that runs the tests in the background has SIGINT ignored: tests of Ctrl-C would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on the machine and on what else runs there; tests of cost compare two counts.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

TESTS = pathlib.Path(__file__).parent
#: folders whose tests start processes or brokers, or depend on the speed of the machine
REPEATED = ("aio", "brokers", "cli", "examples", "faults", "interop", "rhea")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """The address of an object in a name differs between the workers of pytest-xdist, which must agree on the names."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        ids = mark.kwargs.get("ids")
        if callable(ids):
            mark.kwargs["ids"] = lambda value, make=ids: _without_address(make(value))
        elif isinstance(ids, (list, tuple)):
            mark.kwargs["ids"] = [_without_address(name) for name in ids]


def _without_address(name):
    return ADDRESS.sub("", name) if isinstance(name, str) else name


def pytest_collection_modifyitems(items):
    """Has tests of processes and brokers repeated."""
    reruns = int(os.environ.get("PROTON_RERUNS", 0))
    for item in items if reruns else ():
        if item.path.relative_to(TESTS).parts[0] in REPEATED:
            item.add_marker(pytest.mark.flaky(reruns=reruns))


@settings(max_examples=1, database=None)
@given(strategies.none())
def _first_example(value):
    """Has Hypothesis register its source of random numbers, which it does not find again in what is frozen."""


def pytest_collection_finish():
    """Takes the thousands of collected tests out of what each later collection of garbage goes through."""
    _first_example()
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()


_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # what this test and its fixtures made in the main thread
_init = socket.socket.__init__
_FAILED = pytest.StashKey[bool]()


def _noted(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    if threading.current_thread() is threading.main_thread():
        _sockets.add(self)


socket.socket.__init__ = _noted


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo is not None:
        item.stash[_FAILED] = True
    yield


@pytest.fixture(autouse=True)
def sockets_are_closed(request):
    """The `ResourceWarning` of a socket that a test has dropped open comes in this test, not in any later one.

    A test that fails may leave sockets open: its traceback keeps them until a later test.
    """
    _sockets.clear()  # those before belong to fixtures of a module
    yield
    if any(_still_open()):
        if request.node.stash.get(_FAILED, False):
            for sock in _still_open():
                sock.close()
        else:
            gc.collect()


def _still_open():
    for sock in list(_sockets):
        if sock.fileno() != -1:
            yield sock


class _Recorder(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture(autouse=True)
def internal_errors():
    """The records of contained internal errors; a test that provokes some has to clear the list, any other fails."""
    recorder = _Recorder()
    INTERNAL.addHandler(recorder)
    yield recorder.records
    INTERNAL.removeHandler(recorder)
    if recorder.records:
        texts = [logging.Formatter().format(record) for record in recorder.records]
        pytest.fail("contained by the transport, but a bug:\n" + "\n".join(texts), pytrace=False)
