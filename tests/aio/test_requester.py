"""`Requester`: many requests at once."""

import asyncio

import pytest

from proton import Message
from proton.asyncio import Requester, Timeout, connect
from proton.reactor import AtMostOnce
from tests.support.aio import broker, run


async def answer(connection, count):
    async with connection.receiver("ask") as requests, connection.sender() as responses:
        for _ in range(count):
            message, delivery = await requests.receive()
            delivery.accept()
            await responses.send(
                Message(address=message.reply_to, correlation_id=message.correlation_id, body=message.body * 2)
            )


def test_many_requests_at_once_get_their_own_responses():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            task = asyncio.ensure_future(answer(connection, 200))
            async with connection.requester("ask") as ask:
                assert isinstance(ask, Requester)
                answers = await asyncio.gather(*(ask(Message(body=number)) for number in range(200)))
                assert [message.body for message in answers] == [2 * number for number in range(200)]
                await task

    run(main)


def test_a_request_without_a_response_times_out():
    async def main():
        async with broker() as peer, connect(peer.url) as connection, connection.requester("ask") as ask:
            with pytest.raises(Timeout, match=r"waiting for a response \(sender to '\w+'\): timed out after 0\.05 s"):
                await ask(Message(body=1), timeout=0.05)

    run(main)


def test_responses_may_come_to_an_address_that_is_there():
    async def exchange(connection, ask):
        assert ask.reply_to == "answers"
        asking = asyncio.ensure_future(ask(Message(body=1), timeout=5))
        async with connection.receiver("service") as requests, connection.sender() as answers:
            request, _ = await requests.receive()
            assert request.reply_to == "answers"
            await answers.send(Message(address="answers", correlation_id=request.correlation_id, body=2))
            assert (await asking).body == 2

    async def main():
        async with broker() as server, connect(server.url) as connection:
            ask = await connection.requester("service", reply_to="answers", options=AtMostOnce())
            await exchange(connection, ask)
            await ask.close()

    run(main)
