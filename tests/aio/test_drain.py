"""Graceful ends: `Connection.drain` and `Listener.drain`, what they wait for, for how long, and what is left then."""

import asyncio
import contextlib
import time

import pytest

from proton import Message
from proton.asyncio import Drained, Released, Timeout, connect
from tests.support.aio import broker, run
from tests.support.aio_peer import peer, until
from tests.support.aio_relay import relay


def test_what_was_not_taken_goes_back_and_what_was_taken_is_waited_for():
    async def main():
        async with peer() as server, connect(server.url) as connection:
            receiver = await connection.receiver("q", prefetch=3)
            sends = [asyncio.ensure_future(server.link.send(Message(body=number))) for number in range(3)]
            message, delivery = await receiver.receive()
            await until(lambda: receiver.queued == 2)
            draining = asyncio.ensure_future(connection.drain())
            for given_back in sends[1:]:
                with pytest.raises(Released):
                    await given_back
            with pytest.raises(Drained):
                await receiver.receive()
            assert not draining.done()
            assert delivery.accept()
            await draining
            assert message.body == 0
            assert (await sends[0]).tag
            await server.connections[0].wait_closed()

    run(main)


def test_all_receivers_stop_before_the_first_one_is_waited_for():
    async def main():
        async with peer() as server, connect(server.url) as connection:
            slow, other = await connection.receiver("slow"), await connection.receiver("other")
            giving = server.links[-1]
            server.start(server.links[0].send(Message(body="long work")))
            _, delivery = await slow.receive()
            await until(lambda: giving.credit)
            draining = asyncio.ensure_future(connection.drain())
            await until(lambda: not giving.credit)
            assert [each async for each in other] == []
            assert not draining.done()
            delivery.accept()
            await draining

    run(main)


def test_work_that_ends_may_still_make_requests():
    async def main():
        async with peer() as server, connect(server.url) as connection:
            ask = await connection.requester("service")
            responses = server.links[0]
            receiver = await connection.receiver("q")
            await server.link.send_soon(Message(body=1))
            _, delivery = await receiver.receive()
            draining = asyncio.ensure_future(connection.drain())
            asking = asyncio.ensure_future(ask(Message(id="a")))
            await until(lambda: server.taken)
            request, _ = server.taken[0]
            await responses.send_soon(Message(correlation_id=request.correlation_id, body="served"))
            assert (await asking).body == "served"
            assert delivery.accept()
            await draining

    run(main)


def test_messages_that_were_sent_soon_have_their_outcomes():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            sender = await connection.sender("q")
            for number in range(50):
                await sender.send_soon(Message(body=number))
            await connection.drain()
            assert sender.unsettled == 0
            assert [peer.queue("q").get_nowait().body for _ in range(50)] == [*range(50)]

    run(main)


@pytest.mark.parametrize("what", ["taken", "sent"])
def test_a_drain_is_bounded_says_what_is_left_and_closes_in_any_case(what):
    async def main():
        async with peer() as server:
            server.holds = True
            connection = await connect(server.url)
            if what == "taken":
                receiver = await connection.receiver("q")
                await server.link.send_soon(Message())
                await receiver.receive()
                text = "waiting for 1 messages of receiver from 'q' to be settled"
            else:
                sender = await connection.sender("q")
                await sender.send_soon(Message())
                text = "flushing sender to 'q'"
            with pytest.raises(Timeout, match=text):
                await connection.drain(timeout=0.05)
            assert not connection.is_connected
            await connection.wait_closed()

    run(main)


def test_a_drain_that_is_cancelled_closes_the_connection():
    async def main():
        async with peer() as server:
            connection = await connect(server.url)
            receiver = await connection.receiver("q")
            sending = asyncio.ensure_future(server.link.send(Message()))
            await receiver.receive()
            draining = asyncio.ensure_future(connection.drain(timeout=None))
            await asyncio.sleep(0.01)
            draining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await draining
            assert not connection.is_connected
            await asyncio.gather(sending, return_exceptions=True)
            await connection.wait_closed()

    run(main)


def test_a_listener_is_drained_within_one_limit_whatever_the_number_of_its_clients():
    async def main():
        async with peer() as server:
            server.holds = True
            made = [await connect(server.url) for _ in range(5)]
            for connection in made:
                sender = await connection.sender("q")
                await sender.send_soon(Message())
            await until(lambda: len(server.taken) == 5)
            started = time.monotonic()
            with pytest.raises(Timeout, match="waiting for 1 messages of receiver from 'q' to be settled"):
                await server.listener.drain(timeout=0.4)
            assert time.monotonic() - started < 1.2
            assert server.listener.connections == []
            for connection in made:
                await connection.wait_closed()

    run(main)


async def frozen_clients(server, lines):
    """Opens a connection through each relay; then none of their peers answers any more."""
    made = [await connect(line.url, close_timeout=0) for line in lines]
    await until(lambda: len(server.listener.connections) == len(lines))
    for line in lines:
        line.freeze()
    return made


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_listener_is_closed_within_one_limit_and_its_cancellation_drops_its_connections(is_cancelled):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(peer(close_timeout=0.4))
            lines = [await stack.enter_async_context(relay(server.port)) for _ in range(5)]
            made = await frozen_clients(server, lines)
            started = time.monotonic()
            closing = asyncio.ensure_future(server.listener.close())
            if is_cancelled:
                await asyncio.sleep(0.01)
                closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            assert closing.cancelled() is is_cancelled
            assert time.monotonic() - started < 1.2
            await until(lambda: not server.listener.connections)
            for connection in made:
                await connection.close()

    run(main)
