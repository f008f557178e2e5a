"""`Session`: windows of its own, and its end."""

import sys

import pytest

from proton import Message
from proton.asyncio import SessionClosed, connect
from tests.support.aio import broker, run
from tests.support.aio_peer import peer


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


class Lines:
    """Counts the lines of Python that are run while it is entered: loops over many objects need not call anything."""

    count = 0

    def _trace(self, frame, event, arg):
        self.count += event == "line"
        return self._trace

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)


def lines_of_a_close(others):
    """How many lines run, at both ends, while a session with two links is closed beside links of other sessions."""

    async def main():
        async with peer() as server, connect(server.url) as connection, connection.session() as other:
            for number in range(others):
                await connection.sender(f"common-{number}")
                await other.receiver(f"other-{number}")
            await (await connection.session()).close()  # what runs once has run
            session = await connection.session()
            await session.sender("sent"), await session.receiver("received")
            with Lines() as lines:
                await session.close()
        return lines.count

    return run(main, debug=False)


def test_closing_a_session_costs_the_same_beside_many_links_of_other_sessions():
    few, many = lines_of_a_close(2), lines_of_a_close(300)
    assert 0 < many < 1.2 * few, (few, many)
