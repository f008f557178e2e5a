"""Waits for an answer of the peer that is on its way for ever, and what else may end them: none of them hangs."""

import asyncio

import pytest

from proton import Condition, Message
from proton.asyncio import Lost, Released, Timeout, connect
from proton.exceptions import ProtonException
from proton.reactor import LinkOption
from tests.support.aio import run
from tests.support.aio_peer import peer, until
from tests.support.aio_relay import relay

ERROR = Condition("app:over", "it is over")


class Scene:
    """A connection through a relay, a session with two links, and a link of the connection's own."""

    async def set_up(self, server, line):
        self.server, self.line = server, line
        # Without any limit: what does not end hangs.
        self.connection = await connect(line.url, timeout=None, close_timeout=None)
        self.session = await self.connection.session()
        self.receiver = await self.session.receiver("q")
        self.sender = await self.session.sender("q")
        self.tasks = []

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.append(task)
        return task

    async def end(self, how):
        if how == "lost":
            self.server.kill()
        elif how == "connection closed":
            self.server.start(self.server.connection.close(ERROR))
        elif how == "session ended":
            self.server.end_session(ERROR)
        elif how == "links closed":
            for link in self.server.links:
                self.server.start(link.close(ERROR))
        elif how == "session ended here":
            self.start(self.session.close())
        else:
            self.start(self.connection.close())


RAISES = {
    "drain": (
        lambda scene: scene.receiver.drain(),
        ["lost", "connection closed", "session ended", "links closed", "session ended here", "connection closed here"],
    ),
    "opening a session": (
        lambda scene: scene.connection.session().open(),
        ["lost", "connection closed", "connection closed here"],
    ),
    "opening a link": (
        lambda scene: scene.session.sender("r").open(),
        ["lost", "connection closed", "session ended", "session ended here", "connection closed here"],
    ),
    "ready": (
        lambda scene: ready_while_a_link_opens(scene),
        ["lost", "connection closed", "connection closed here"],
    ),
}
RETURNS = {
    "close of a link": (
        lambda scene: scene.sender.close(),
        ["lost", "connection closed", "session ended", "links closed", "session ended here", "connection closed here"],
    ),
    "close of a session": (
        lambda scene: scene.session.close(),
        ["lost", "connection closed", "session ended", "connection closed here"],
    ),
    "close of the connection": (lambda scene: scene.connection.close(), ["lost", "connection closed"]),
    "wait_closed": (lambda scene: scene.connection.wait_closed(), ["lost", "connection closed"]),
}


async def ready_while_a_link_opens(scene):
    opening = scene.start(scene.connection.sender("r").open())
    await asyncio.sleep(0)
    try:
        await scene.connection.ready()
    finally:
        with pytest.raises(ProtonException):
            await opening


def rows(table):
    return [pytest.param(waits, how, id=f"{waits}-{how}") for waits, (_, ends) in table.items() for how in ends]


def ending(table, waits, how, check):
    async def main():
        async with peer() as server, relay(server.port) as line:
            scene = Scene()
            await scene.set_up(server, line)
            line.hold()
            waiting = asyncio.ensure_future(table[waits][0](scene))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            await scene.end(how)
            await check(waiting, scene)
            line.cut()
            await asyncio.gather(*scene.tasks, return_exceptions=True)
            await scene.connection.close()

    run(main)


@pytest.mark.parametrize(("waits", "how"), rows(RAISES))
def test_an_answer_that_cannot_come_raises_at_once_and_so_does_the_next_call(waits, how):
    async def check(waiting, scene):
        with pytest.raises(ProtonException):
            await waiting
        if waits == "ready" or how == "links closed" or "session" not in how:
            with pytest.raises(ProtonException):
                await RAISES[waits][0](scene)

    ending(RAISES, waits, how, check)


@pytest.mark.parametrize(("waits", "how"), rows(RETURNS))
def test_a_close_returns_at_once_if_its_answer_cannot_come_and_so_does_the_next_one(waits, how):
    async def check(waiting, scene):
        assert await waiting is None
        assert await RETURNS[waits][0](scene) is None

    ending(RETURNS, waits, how, check)


@pytest.mark.parametrize("how", ["closed", "lost"])
@pytest.mark.parametrize(
    "call",
    [
        lambda connection: connection.ready(),
        lambda connection: connection.session().open(),
        lambda connection: connection.sender("q").open(),
        lambda connection: connection.receiver("q").open(),
        lambda connection: connection.requester("q").open(),
        lambda connection: connection.transaction().declare(),
        lambda connection: connection.drain(),
        lambda connection: connection.open(),
    ],
    ids=["ready", "session", "sender", "receiver", "requester", "transaction", "drain", "open"],
)
def test_a_call_after_the_end_of_the_connection_raises(call, how):
    async def main():
        async with peer() as server:
            connection = await connect(server.url, timeout=None)
            if how == "lost":
                server.kill()
                await connection.wait_closed()
            await connection.close()
            for _ in range(2):
                with pytest.raises(ProtonException):
                    await call(connection)

    run(main)


class SettlesSecond(LinkOption):
    """Its receiver settles second (2.8.3)."""

    def apply(self, link):
        link.rcv_settle_mode = 1


@pytest.mark.parametrize("how", ["lost", "closed"])
def test_settled_raises_after_the_end_too_if_the_sender_has_not_settled(how):
    async def main():
        async with peer() as server, relay(server.port) as line:
            connection = await connect(line.url, timeout=None)
            receiver = await connection.receiver("q", options=SettlesSecond())
            sending = server.start(server.link.send(Message()))
            _, delivery = await receiver.receive()
            line.hold()
            assert delivery.accept()
            waiting = asyncio.ensure_future(delivery.settled())
            await asyncio.sleep(0)
            if how == "lost":
                server.kill()
            else:
                server.start(server.link.close())
            with pytest.raises(Lost):
                await waiting
            with pytest.raises(Lost, match="connection was lost" if how == "lost" else "link has ended"):
                await delivery.settled()
            line.cut()
            await asyncio.wait([sending])
            assert isinstance(sending.exception(), ProtonException)
            await connection.close()

    run(main)


async def first_piece_only():
    yield b"x" * 1000
    await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["lost", "closed"])
def test_a_stream_whose_source_stands_still_ends_with_its_link(how):
    closed = []

    async def source():
        try:
            yield b"x" * 1000
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def main():
        async with peer() as server:
            connection = await connect(server.url, timeout=None)
            sender = await connection.sender("q")
            streaming = asyncio.ensure_future(sender.send_stream(source()))
            await until(lambda: server.links and server.link.engine_link.current is not None)
            if how == "lost":
                server.kill()
            else:
                server.start(server.link.close(ERROR))
            with pytest.raises(Lost if how == "lost" else Released):
                await streaming
            assert closed == [True]
            await connection.close()

    run(main)


def test_a_stream_whose_source_stands_still_times_out():
    async def main():
        async with peer() as server, connect(server.url) as connection, connection.sender("q") as sender:
            with pytest.raises(Timeout, match="waiting for the next piece of a source: timed out after 0.05 s"):
                await sender.send_stream(first_piece_only(), timeout=0.05)
            await sender.send_stream([b"y"])
            assert server.bodies == [b"y"]

    run(main)


def test_a_cancellation_of_a_stream_at_its_end_is_not_taken_for_the_end():
    async def main():
        async with peer() as server, connect(server.url) as connection:
            sender = await connection.sender("q")
            streaming = asyncio.ensure_future(sender.send_stream(first_piece_only()))
            await until(lambda: server.links and server.link.engine_link.current is not None)
            server.start(server.link.close(ERROR))
            await until(lambda: not sender.is_open)
            streaming.cancel()
            with pytest.raises((asyncio.CancelledError, ProtonException)):
                await streaming

    run(main)
