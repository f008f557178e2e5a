"""`AsyncBroker` with clients of `proton.asyncio` in the same loop; that nothing is left is looked up by `run`."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proton import Message
from proton.asyncio import LinkClosed, Rejected, Timeout, connect
from proton.testing import AsyncBroker
from tests.support.aio import run
from tests.support.engines import AMQP_HEADER, frame


def test_messages_pass_between_clients_of_the_same_loop():
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as connection:
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            await sender.send(Message(body="x"))
            message, delivery = await receiver.receive()
            assert message.body == "x"
            delivery.accept()
            await broker.wait_for(lambda seen: seen.outcomes)
            assert broker.connection_count == 1 and await broker.link_count("q") == 2
            await sender.close()
            await receiver.close()
        assert repr(broker) == f"AsyncBroker({broker.url!r}, stopped)"
        assert [end.kind for end in broker.seen.ends] == ["link", "link", "connection"]

    run(main)


def test_faults_on_demand():
    async def main():
        async with AsyncBroker() as broker, connect(broker.url) as connection:
            await broker.refuse("missing", description="gone fishing")
            with pytest.raises(LinkClosed, match="amqp:not-found: gone fishing"):
                await connection.sender("missing")
            await broker.answer_next("rejected", "app:bad", "not today")
            async with connection.sender("q") as sender:
                with pytest.raises(Rejected, match="app:bad: not today"):
                    await sender.send(Message(body=1))
                await broker.stall()
                with pytest.raises(Timeout):
                    await sender.send(Message(body=2), timeout=0.05)
                await broker.resume()
                await broker.wait_for(lambda seen: seen.messages.total == 2)

    run(main)


def test_a_stop_and_a_start_with_the_same_messages():
    async def main():
        broker = AsyncBroker()
        await broker.put("q", Message(body="kept"))
        for _ in range(2):
            await broker.start()
            url = broker.url
            with pytest.raises(RuntimeError, match="runs already"):
                await broker.start()
            async with connect(broker.url) as connection, connection.receiver("q") as receiver:
                message, delivery = await receiver.receive()
                assert message.body == "kept"
                delivery.release()
                await broker.wait_for(lambda seen: seen.outcomes)
            broker.forget()
            await broker.stop()
            assert broker.url == url
        await broker.start(empty=True)
        assert await broker.messages("q") == []
        await broker.kill()

    run(main)


def test_a_broker_belongs_to_the_loop_that_it_was_started_in():
    broker = AsyncBroker()

    async def first():
        await broker.start()
        with pytest.raises(RuntimeError, match="expected a call in the event loop of the connection"):
            await asyncio.to_thread(asyncio.run, broker.put("q", Message()))
        await broker.stop()

    async def second():
        async with broker:
            await broker.put("q", Message())

    run(first)
    run(second)


@pytest.mark.parametrize("closes", [False, True], ids=["the loop is open", "the loop is closed"])
def test_a_broker_that_was_left_running_is_stopped_from_outside(closes):
    broker = AsyncBroker()
    broker.discard()  # it was never started
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.start())
    port = broker.port
    if closes:
        loop.close()
    broker.discard()
    assert not broker.running
    loop.close()

    async def again():
        async with AsyncBroker(port) as other:
            assert other.running

    run(again)


def test_a_wait_ends_when_its_time_is_over_or_its_task_is_cancelled():
    async def main():
        async with AsyncBroker() as broker:
            with pytest.raises(TimeoutError, match=r"expected message within 0.01 s, got Seen\(0 connections"):
                await broker.wait_for(lambda seen: seen.messages, "message", seconds=0.01)
            waiting = asyncio.ensure_future(broker.wait_for(lambda seen: seen.connections.total == 2))
            async with connect(broker.url):
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

    run(main)


@pytest.mark.parametrize("sent", [b"", AMQP_HEADER, AMQP_HEADER + frame(0, "open", container_id="mute")], ids=len)
def test_a_client_that_does_not_answer_does_not_keep_the_broker(sent):
    async def main():
        async with AsyncBroker() as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            writer.write(sent)
            if len(sent) > 8:
                await broker.wait_for(lambda seen: seen.connections)
            await broker.stop()
            assert not broker.running
            with contextlib.suppress(ConnectionError):  # a reset is an end, too
                await reader.read()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    run(main)


def test_a_port_in_use_is_an_error_and_leaves_the_broker_stopped():
    async def main():
        async with AsyncBroker() as broker:
            other = AsyncBroker(broker.port)
            with pytest.raises(OSError, match=r"(?i)in use"):
                await other.start()
            assert not other.running
            await other.put("q", Message())

    run(main)
