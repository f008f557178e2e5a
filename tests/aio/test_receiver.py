"""`Receiver`: taking messages, their outcomes, streams, draining."""

import pytest

from proton import Message, Transport
from proton.asyncio import Drained, Receiver, Rejected, Timeout, connect
from proton.testing import Broker
from tests.support.aio import broker, run


def receiving(test, **options):
    """Runs a test with a connection and an open receiver."""

    async def main():
        async with broker() as peer, connect(peer.url) as link, link.receiver("q", **options) as receiver:
            await test(peer, link, receiver)

    run(main)


@pytest.mark.parametrize("prefetch", [0, 1, 2, 100])
def test_messages_come_in_order(prefetch):
    async def test(peer, connection, receiver):
        assert isinstance(receiver, Receiver)
        for number in range(20):
            peer.queue("q").put_nowait(Message(body=number))
        for number in range(20):
            message, delivery = await receiver.receive()
            assert message.body == number
            assert delivery.is_open
            assert delivery.accept()
            assert not delivery.accept()

    receiving(test, prefetch=prefetch)


def test_receive_times_out_and_loses_nothing():
    async def test(peer, connection, receiver):
        with pytest.raises(Timeout, match=r"waiting for a message: receiver from 'q': timed out after 0\.02 s"):
            await receiver.receive(timeout=0.02)
        peer.queue("q").put_nowait(Message(body="late"))
        message, _ = await receiver.receive()
        assert message.body == "late"

    receiving(test)


def test_the_block_of_a_delivery_decides():
    async def test(peer, connection, receiver):
        for number in range(3):
            peer.queue("q").put_nowait(Message(body=number))
        _, delivery = await receiver.receive()
        async with delivery:
            raise Rejected("app:no")
        assert not delivery.is_open
        _, delivery = await receiver.receive()
        with pytest.raises(ZeroDivisionError):
            async with delivery:
                raise ZeroDivisionError
        assert not delivery.is_open

    receiving(test)


def test_a_drain_ends_as_messages_use_up_the_credit():
    async def main():
        with Broker() as peer:
            peer.put("q", *(Message(body=number) for number in range(4)))
            async with connect(peer.url) as connection, connection.receiver("q", prefetch=2) as receiver:
                for _ in range(2):
                    receiver.resume()
                    await receiver.drain(timeout=10)
                    found = [message.body async for message, _ in receiver]
                    assert len(found) == 2

    run(main)


def test_iterating_ends_after_a_drain_and_goes_on_after_resume():
    async def test(peer, connection, receiver):
        for number in range(3):
            peer.queue("q").put_nowait(Message(body=number))
        message, delivery = await receiver.receive()
        delivery.accept()
        await receiver.drain()
        async for _, delivery in receiver:
            delivery.accept()
        with pytest.raises(Drained):
            await receiver.receive()
        receiver.resume()
        peer.queue("q").put_nowait(Message(body="more"))
        message, _ = await receiver.receive()
        assert message.body in ("more", 1, 2)

    receiving(test)


def test_a_body_is_read_while_it_comes():
    async def main():
        async def pieces():
            for number in range(50):
                yield b"%d" % number * 1000

        async with broker() as peer, connect(peer.url) as connection:
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            await sender.send_stream(pieces(), Message(id="big"))
            stream = await receiver.receive_stream()
            data = await stream.read()
            assert data == b"".join(b"%d" % number * 1000 for number in range(50))
            assert stream.message.id == "big"
            assert stream.delivery.accept()

    run(main)


def test_without_prefetch_an_outcome_leaves_before_the_credit_for_the_next_message():
    frames = []

    async def main():
        async with broker() as server, connect(server.url) as connection:
            async with connection.sender("q") as sender:
                await sender.send(Message(body=1))
                await sender.send(Message(body=2))
            async with connection.receiver("q", prefetch=0) as receiver:
                _, delivery = await receiver.receive()
                (served,) = server.connections
                transport = served.engine.transport
                transport.tracer = lambda _, text: frames.append(text)
                transport.trace(Transport.TRACE_FRM)
                delivery.release()
                await receiver.receive()

    run(main)
    came = [text for text in frames if "<- @" in text]
    assert "<- @disposition" in came[0] and "<- @flow" in came[1], came


@pytest.mark.parametrize("way", ["close", "detach"])
def test_an_outcome_after_the_program_has_ended_the_link_says_that_it_has_no_effect(way):
    async def test(peer, connection, receiver):
        peer.queue("q").put_nowait(Message(body="x"))
        _, delivery = await receiver.receive()
        await getattr(receiver, way)()
        assert (delivery.is_open, receiver.unsettled) == (False, 0)
        assert not delivery.accept()
        assert not delivery.release()
        async with delivery:
            pass

    receiving(test)
