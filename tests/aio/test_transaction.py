"""Transactions: against a coordinator that refuses; real ones are in tests/brokers."""

import asyncio

import pytest

from proton import Condition, DeclaredDisposition, Message
from proton.asyncio import Lost, TransactionAborted, connect, serve
from proton.asyncio.opening import core_of
from proton.exceptions import ProtonException
from proton.testing import AsyncBroker
from tests.support.aio import broker, run


def test_a_peer_without_a_coordinator_refuses():
    async def main():
        async with broker() as server, connect(server.url) as connection:
            with pytest.raises(TransactionAborted, match="the transaction was not declared"):
                transaction = await connection.transaction()
                await transaction.commit()

    run(main)


def test_a_transaction_tells_why_the_peer_has_ended_its_session():
    async def end_session(listener):
        async for connection in listener:
            async for _ in connection.incoming():
                session = connection.engine.session_head(0)
                session.condition = Condition("amqp:not-implemented", "no transactions here")
                session.close()
                core_of(connection).host.turn()

    async def main():
        async with serve("127.0.0.1:0") as listener:
            task = asyncio.ensure_future(end_session(listener))
            async with connect(f"127.0.0.1:{listener.port}") as connection:
                with pytest.raises(TransactionAborted, match="no transactions here") as caught:
                    await connection.transaction()
            task.cancel()
            await asyncio.wait([task])
        assert caught.value.condition.name == "amqp:not-implemented"

    run(main)


def test_a_committed_transaction_that_is_used_again_is_not_called_aborted():
    # What a program hears as an abort, it does once more.
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as connection, connection.sender("q") as sender:
            transaction = await connection.transaction()
            await transaction.send(sender, Message("x"))
            await transaction.commit()
            for again in (transaction.commit, transaction.abort, lambda: transaction.send(sender, Message("y"))):
                with pytest.raises(ProtonException, match="under way, got one that was committed") as caught:
                    await again()
                assert not isinstance(caught.value, TransactionAborted)
            assert [message.body for message in await broker.messages("q")] == ["x"]

    run(main)


@pytest.mark.parametrize("abort", [False, True])
def test_a_commit_whose_answer_is_lost_is_not_called_an_abort(abort):
    async def coordinate(listener):
        async for connection in listener:
            async for request in connection.incoming():
                messages = request.accept()
                _, declare = await messages.receive()
                declare.settle(DeclaredDisposition(b"1"))
                await messages.receive()
                core_of(connection).host.pipe.abort()

    async def main():
        async with serve("127.0.0.1:0") as listener:
            task = asyncio.ensure_future(coordinate(listener))
            async with connect(f"127.0.0.1:{listener.port}") as connection:
                transaction = await connection.transaction()
                if abort:
                    await transaction.abort()  # what is not committed is rolled back
                else:
                    with pytest.raises(Lost, match="the transaction may have been committed"):
                        await transaction.commit()
            task.cancel()
            await asyncio.wait([task])

    run(main)
