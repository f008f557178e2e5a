"""`Session`: windows of its own, and its end."""

import pytest

from proton import Message
from proton.asyncio import SessionClosed, connect
from tests.support.aio import broker, run


def test_a_session_of_its_own_bounds_what_is_held():
    async def main():
        async with broker() as peer, connect(peer.url, max_frame_size=1024) as connection:
            for number in range(40):
                peer.queue("q").put_nowait(Message(body=b"%d" % number * 2000))
            async with connection.session(incoming_capacity=8192) as session, session.receiver("q") as receiver:
                for number in range(40):
                    message, delivery = await receiver.receive()
                    assert message.body == b"%d" % number * 2000
                    assert receiver.engine_link.session.incoming_bytes <= 8192
                    delivery.accept()
            with pytest.raises(SessionClosed):
                await session.sender("q")

    run(main)


def test_the_end_of_a_session_ends_its_links():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            session = await connection.session()
            assert session.is_open
            sender = await session.sender("q")
            await session.close()
            with pytest.raises(SessionClosed):
                await sender.send(Message())
            async with connection.sender("q") as other:
                await other.send(Message())

    run(main)
