"""Transactions: against a coordinator that refuses; real ones are in tests/brokers."""

import pytest

from proton.asyncio import TransactionAborted, connect
from tests.support.aio import run
from tests.support.server import serving


def test_a_peer_without_a_coordinator_refuses():
    async def main(server):
        async with connect(server.url) as connection:
            with pytest.raises(TransactionAborted, match="the transaction was not declared"):
                transaction = await connection.transaction()
                await transaction.commit()

    with serving() as server:
        run(main, server)
