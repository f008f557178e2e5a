"""The brokers of the test kit for tests: `InLoop` is an `AsyncBroker` in a thread, with the calls of `Broker`.

The tests of `Broker` run with it too, so that both do the same.
"""

from __future__ import annotations

import asyncio
import inspect
import threading

from proton.testing import AsyncBroker, Broker

SECONDS = 30.0


class InLoop:
    """Each command is given in the loop's thread, and returns what the coroutine returns."""

    def __init__(self, port=0, **options):
        self.broker = AsyncBroker(port, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self):
        self._call(self.broker.start)
        return self

    def __exit__(self, *problem):
        self._call(self.broker.__aexit__, *problem)
        self.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def _call(self, function, *args, **options):
        async def call():
            result = function(*args, **options)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(SECONDS)

    def __getattr__(self, name):
        found = getattr(self.broker, name)
        if not callable(found) or name == "seen":
            return found
        return lambda *args, **options: self._call(found, *args, **options)

    @property
    def addresses(self):
        return self._call(self.broker.addresses)


BROKERS = {"in a thread": Broker, "in a loop": InLoop}
