"""A browser leaves messages where they are; 50 MiB go through whole, and as a stream in little memory."""

import asyncio

import pytest

from proton import Message, Terminus
from proton.asyncio import Drained, connect, serve
from proton.reactor import Copy, Selector
from proton.testing import AsyncBroker
from tests.support.aio import run
from tests.support.costs import peak

MIB = 1 << 20
SIZE = 50 * MIB


async def browsed(connection, *options):
    async with connection.receiver("q", options=[Copy(), *options]) as browser:
        assert browser.engine_link.remote_source.distribution_mode == Terminus.DIST_MODE_COPY
        await browser.drain()
        bodies = []
        async for message, delivery in browser:
            bodies.append(message.body)
            delivery.accept()
        with pytest.raises(Drained):
            await browser.receive()
    return bodies


def test_a_browser_sees_all_messages_and_takes_none():
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as connection:
            async with connection.sender("q") as sender:
                for number in range(5):
                    await sender.send(Message(body=number, properties={"n": number}))
            assert await browsed(connection) == [0, 1, 2, 3, 4]
            assert await browsed(connection, Selector("n > 2")) == [3, 4]
            async with connection.receiver("q") as receiver:
                for number in range(5):
                    message, delivery = await receiver.receive(timeout=10)
                    assert message.body == number and delivery.accept()
            assert await browsed(connection) == []

    run(main)


def test_a_message_of_50_mib_goes_through_whole():
    body = bytes(range(256)) * (SIZE // 256)

    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as connection:
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            await sender.send(Message(body=body))
            message, delivery = await receiver.receive(timeout=20)
            assert message.body == body and delivery.accept()

    run(main, debug=False)


@pytest.mark.parametrize("size", [SIZE, None])
def test_a_stream_of_50_mib_takes_little_memory_at_both_ends(size):
    received = []

    async def take(listener):
        async for request in (await listener.__anext__()).incoming():
            receiver = request.accept(prefetch=1)
            async with await receiver.receive_stream(timeout=20) as stream:
                received.append(sum([len(piece) async for piece in stream]))
            stream.delivery.accept()

    async def main():
        async with serve("127.0.0.1:0") as listener:
            taking = asyncio.ensure_future(take(listener))
            async with connect(f"127.0.0.1:{listener.port}") as connection, connection.sender("q") as sender:
                await sender.send_stream((bytes(MIB) for _ in range(50)), size=size)
            await taking

    most = peak(lambda: run(main, debug=False))
    assert received == [SIZE]
    assert most < 10 * MIB
