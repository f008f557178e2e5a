"""A close that crosses what the peer says about links at the same time."""

from proton import Condition
from proton.asyncio import connect
from tests.support.aio import run
from tests.support.aio_peer import QUICK, peer, until


def test_a_refusal_that_crosses_the_close_gives_nothing_up(caplog):
    async def main():
        async with peer() as server:
            connection = await connect(server.url, reconnect=QUICK)
            await connection.sender("q")
            server.refused = Condition("amqp:not-found", "no node yet")
            server.kill()
            await until(lambda: server.refusals == 2)
            await connection.close()

    run(main)
    assert "connected again" in caplog.text
    assert "Gave up" not in caplog.text
