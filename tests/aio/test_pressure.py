"""Back-pressure: what waits to be written is bounded where the socket, or the window of the session, takes no more."""

import asyncio
import contextlib

from proton import Message
from proton.asyncio import connect
from tests.support.aio import run
from tests.support.aio_peer import peer, until
from tests.support.aio_relay import relay

#: what a sender lets wait, and the message that comes on top of it
UNSENT = 64 * 1024


async def stalled(count):
    """The number at which something stands still."""
    before = -1
    while before != count():
        before = count()
        await asyncio.sleep(0.1)
    return before


def test_a_socket_that_takes_no_more_holds_the_program_up():
    async def main():
        async with peer(10_000) as server, relay(server.port) as line, connect(line.url) as connection:
            sender = await connection.sender("q")
            await until(lambda: sender.credit == 10_000)
            line.freeze()
            sent = 0

            async def send():
                nonlocal sent
                for number in range(4000):
                    await sender.send_soon(Message(body=bytes(10_000), id=number))
                    sent += 1

            sending = asyncio.ensure_future(send())
            assert 0 < await stalled(lambda: sent) < 4000  # 40 MB: more than the buffers of the system
            assert sender.credit > 0
            assert sender.engine_link.session.outgoing_bytes < UNSENT + 11_000
            line.thaw()
            await sending
            await sender.flush()
            assert [message.id for message, _ in server.taken] == [*range(4000)]

    run(main, debug=False)


def test_a_session_whose_window_is_closed_holds_the_program_up():
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(peer())
            connection = await stack.enter_async_context(connect(server.url, max_frame_size=1024))
            session = await stack.enter_async_context(connection.session(incoming_capacity=8192))
            receiver = await session.receiver("q", prefetch=1000)
            sender = server.link
            await until(lambda: sender.credit == 1000)
            sent = 0

            async def send():
                nonlocal sent
                for number in range(500):
                    await sender.send_soon(Message(body=bytes(2000), id=number))
                    sent += 1

            sending = server.start(send())
            assert 8192 < 2000 * await stalled(lambda: sent) < 8192 + UNSENT + 5000
            assert sender.credit > 0
            for number in range(500):
                message, delivery = await receiver.receive()
                assert message.id == number
                delivery.accept()
            await sending

    run(main)
