"""Runs containers under asyncio and tornado by adaptors, and looks at what they leave behind.

`left` is what the loop still waits for, beside what is its own, when the container has ended; `sockets` how many more
descriptors are open than before.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import selectors
import sys

import pytest

from tests.support.loops import SECONDS
from tests.support.programs import ROOT


def adaptor(name):
    """A module that is, or imports, one of the examples."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "examples"))


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


class WatchedLoop(asyncio.SelectorEventLoop):
    """Knows what is registered with it, and collects what it would complain about in the log."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.complaints = []
        super().__init__(self.selector)
        self.own = set(self.selector.get_map())
        self.set_exception_handler(lambda _loop, context: self.complaints.append(context))

    def call_at(self, when, callback, *args, **options):
        timer = super().call_at(when, callback, *args, **options)
        self.timers.append(timer)
        return timer

    def waits(self):
        """The descriptors that are registered, and the timers that are to come."""
        timers = [timer for timer in self.timers if not timer.cancelled() and timer.when() > self.time()]
        return sorted(set(self.selector.get_map()) - self.own) + timers


async def cancel_all_others():
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Under:
    """A kind of loop; `run` runs a container under it, and something beside it."""

    left = None
    sockets = 0

    def begin(self):
        gc.collect()  # what earlier tests have left is not to go meanwhile
        return descriptors()

    def look(self, loop, before):
        self.left = loop.waits()
        self.sockets = descriptors() - before
        # What is not retrieved is complained about when it goes.
        gc.collect()
        self.complaints, loop.complaints = loop.complaints, []  # a loop may stay, and would keep the exceptions


class Asyncio(Under):
    def __init__(self):
        self.adaptor = adaptor("tests.support.asyncio_adaptor")

    def run(self, make, beside=None):
        async def main():
            container = self.adaptor.Container(*make())
            tasks = [container.run_async()]
            if beside:
                tasks.append(beside(container))
            await asyncio.gather(*tasks)
            return container

        return self.run_program(main)

    def run_program(self, main):
        """Runs a coroutine function that does all by itself; it is cancelled if it takes too long."""
        loop = WatchedLoop()
        before = self.begin()
        task = loop.create_task(main())
        limit = loop.call_later(SECONDS, task.cancel)
        try:
            return loop.run_until_complete(task)
        finally:
            limit.cancel()
            self.look(loop, before)
            # What has ended the loop is raised once more where something else awaited the same.
            for _ in range(2):
                others = loop.create_task(cancel_all_others())
                with contextlib.suppress(SystemExit, KeyboardInterrupt, asyncio.CancelledError):
                    loop.run_until_complete(others)
            loop.close()


class Tornado(Under):
    def __init__(self):
        self.ioloop = pytest.importorskip("tornado.ioloop", reason="tornado is not installed")
        self.adaptor = adaptor("proton_tornado")

    def run(self, make, beside=None, run=None):
        """:param run: what to run the container with, in place of its own `run`."""
        watched = WatchedLoop()
        loop = self.ioloop.IOLoop(make_current=False, asyncio_loop=watched)
        before = self.begin()
        late = []
        limit = loop.call_later(SECONDS, lambda: (late.append(True), loop.stop()))
        try:
            container = self.adaptor.Container(*make(), loop=loop)
            if beside:
                loop.add_callback(beside, container)
            (run or self.adaptor.Container.run)(container)
            assert not late, f"the container was still running after {SECONDS} s"
            return container
        finally:
            loop.remove_timeout(limit)
            self.look(watched, before)
            loop.close()
