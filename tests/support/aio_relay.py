"""A relay between a client and a server in the same loop, which can be cut, and can stand still."""

from __future__ import annotations

import asyncio
import contextlib

from proton.asyncio import connect
from tests.support.aio import broker


class _Half(asyncio.Protocol):
    """One of the two connections of a pair; what it reads goes to the other one."""

    def __init__(self, relay):
        self.relay = relay
        self.other = None
        self.transport = None
        self.early = []

    def connection_made(self, transport):
        self.transport = transport
        self.relay.halves.add(self)
        if self.relay.is_frozen:
            transport.pause_reading()

    def data_received(self, data):
        if self.other is None:
            self.early.append(data)
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)

    def connection_lost(self, exc):
        self.relay.halves.discard(self)
        self.relay.clients.discard(self)
        if self.other is not None:
            self.other.transport.close()


class Relay:
    """Hands bytes on, in both directions, to a port of loopback."""

    def __init__(self, port):
        self.target = port
        self.port = 0
        self.halves = set()
        self.clients = set()  # those of the halves that clients have made
        self.is_frozen = False
        self.connections = 0
        self._tasks = set()
        self._server = None

    @property
    def url(self):
        return f"127.0.0.1:{self.port}"

    async def start(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self):
        near = _Half(self)
        self.clients.add(near)
        self.connections += 1
        task = asyncio.ensure_future(self._join(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return near

    async def _join(self, near):
        _, far = await asyncio.get_running_loop().create_connection(lambda: _Half(self), "127.0.0.1", self.target)
        far.other, near.other = near, far
        for data in near.early:
            far.transport.write(data)

    def freeze(self):
        """Hands nothing on any more."""
        self.is_frozen = True
        for half in self.halves:
            half.transport.pause_reading()

    def hold(self):
        """Hands on what servers say, and nothing of what clients say."""
        for half in self.clients:
            half.transport.pause_reading()

    def thaw(self):
        """Goes on."""
        self.is_frozen = False
        for half in self.halves:
            half.transport.resume_reading()

    def cut(self):
        """Drops all connections."""
        for half in list(self.halves):
            half.transport.abort()

    def stop(self):
        """Takes no more connections, and drops those that there are; `start` takes them again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def end(self):
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self.halves:
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def relay(port):
    """A `Relay` to a port."""
    made = Relay(port)
    await made.start()
    try:
        yield made
    finally:
        await made.end()


@contextlib.asynccontextmanager
async def cuttable(**options):
    """A broker, a relay before it, and a connection through the relay."""
    async with broker() as peer, relay(peer.listener.port) as line, connect(line.url, **options) as connection:
        yield peer, line, connection
