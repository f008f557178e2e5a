"""Each await, and each way in which what it waits for ends: it raises at once, and so does the next call."""

import asyncio
import contextlib

import pytest

from proton import Condition, Message
from proton.asyncio import connect
from proton.exceptions import ProtonException
from tests.support.aio import run
from tests.support.aio_peer import peer, until

ERROR = Condition("app:over", "it is over")


async def no_pieces():
    yield b"x" * 1000
    await asyncio.Event().wait()


async def stream_without_end(sender):
    with contextlib.suppress(ProtonException):
        await sender.send_stream(no_pieces())


class Scene:
    """A connection, a sender and a receiver with a message half come; the peer gives no credit and settles nothing."""

    def __init__(self, server, connection):
        self.server, self.connection = server, connection

    async def set_up(self, waits):
        self.server.holds = True
        if waits == "credit":
            self.server.prefetch = 0
        self.sender = await self.connection.sender("q")
        self.sender_link = self.server.link
        self.receiver = await self.connection.receiver("q")
        self.receiver_link = self.server.link
        if waits == "flush":
            await self.sender.send_soon(Message())
        if waits == "body":
            self.server.start(stream_without_end(self.receiver_link))
            self.stream = await self.receiver.receive_stream()
            await self.stream.read(1000)

    async def end(self, how):
        links = self.sender_link, self.receiver_link
        if how == "connection closed":
            self.server.start(self.server.connection.close(ERROR))
        elif how == "lost":
            self.server.kill()
        elif how == "session ended":
            self.server.end_session(ERROR)
        elif how == "closed here":
            for link in (self.sender, self.receiver):
                self.server.start(link.close())
        elif how == "connection closed here":
            self.server.start(self.connection.close())
        else:
            for link in links:
                condition = ERROR if how == "link closed with an error" else None
                self.server.start(link.detach() if how == "detached" else link.close(condition))


WAITS = {
    "credit": lambda scene: scene.sender.send(Message()),
    "outcome": lambda scene: scene.sender.send(Message()),
    "flush": lambda scene: scene.sender.flush(),
    "receive": lambda scene: scene.receiver.receive(),
    "receive_stream": lambda scene: scene.receiver.receive_stream(),
    "body": lambda scene: scene.stream.read(1000),
}
LATER = {
    "credit": lambda scene: scene.sender.send_soon(Message()),
    "flush": lambda scene: scene.sender.send_soon(Message()),
}
ENDS = [
    "link closed",
    "link closed with an error",
    "detached",
    "session ended",
    "connection closed",
    "lost",
    "closed here",
    "connection closed here",
]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("waits", WAITS)
def test_an_await_raises_at_once_and_so_does_the_next_call(waits, how):
    async def main():
        async with peer() as server:
            # Without any limit: what does not raise hangs.
            connection = await connect(server.url, timeout=None)
            scene = Scene(server, connection)
            await scene.set_up(waits)
            waiting = asyncio.ensure_future(WAITS[waits](scene))
            if waits == "outcome":
                await until(lambda: server.taken)
            for _ in range(3):
                await asyncio.sleep(0)
            assert not waiting.done()
            await scene.end(how)
            with pytest.raises(ProtonException):
                await waiting
            with pytest.raises(ProtonException):
                await LATER.get(waits, WAITS[waits])(scene)
            await connection.close()

    run(main)


OF_THE_CONNECTION = {
    "request": lambda scene: scene.ask(Message()),
    "commit": lambda scene: scene.transaction.commit(),
    "opening": lambda scene: scene.connection.sender("silent", name="one").open(),
    "declaring": lambda scene: scene.connection.transaction().declare(),
}


@pytest.mark.parametrize("how", ["connection closed", "lost", "connection closed here"])
@pytest.mark.parametrize("waits", OF_THE_CONNECTION)
def test_what_has_links_of_its_own_raises_with_its_connection(waits, how):
    async def main():
        async with peer() as server:
            connection = await connect(server.url, timeout=None)
            scene = Scene(server, connection)
            scene.ask = await connection.requester("ask")
            if waits == "commit":
                scene.transaction = await connection.transaction()
            await scene.set_up(waits)
            server.is_silent = True
            waiting = asyncio.ensure_future(OF_THE_CONNECTION[waits](scene))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
            await scene.end(how)
            for call in (waiting, OF_THE_CONNECTION[waits](scene), connection.ready()):
                with pytest.raises(ProtonException):
                    await call
            await connection.close()

    run(main)


def test_iterating_over_what_the_peer_asks_for_ends_with_the_connection_and_the_listener():
    async def main():
        async with peer() as server:
            connection = await connect(server.url)
            requests = asyncio.ensure_future(anext_of(connection.incoming()))
            await asyncio.sleep(0)
            server.kill()
            assert await requests is None
            assert await anext_of(connection.incoming()) is None
            waiting = asyncio.ensure_future(anext_of(server.listener))
            await asyncio.sleep(0)
            await server.listener.close()
            assert await waiting is None
            assert await anext_of(server.listener) is None
            await connection.close()

    run(main)


async def anext_of(iterable):
    """The first of them, None where there is none."""
    async for each in iterable:
        return each
    return None
