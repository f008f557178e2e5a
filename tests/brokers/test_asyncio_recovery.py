"""`proton.asyncio` through brokers that are stopped and killed; requests, streams and the edges of a message's size.

Only the brokers of today: what 3.10 lacks is in docs/brokers.md.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proton import LinkException, Message, Terminus, symbol
from proton.asyncio import Undeliverable, connect
from proton.reactor import AtMostOnce, Backoff, LinkOption
from tests.brokers.test_asyncio import connected, durable
from tests.support.aio import run
from tests.support.peers import started

MIB = 1 << 20
#: messages that go through a broker that is restarted, and those after which it is
LOAD, BEFORE = 3000, 500
SECONDS = 60.0


@pytest.fixture(scope="module", params=["RabbitMQ 4.0", "RabbitMQ 4.3", "Artemis 2.40"])
def broker(request):
    with started(request.param) as peer:
        yield request.param, peer


def test_settled_messages_and_those_that_wait_for_credit_only_arrive_in_order(broker):
    peer = broker[1]

    async def main(address):
        async with connected(peer) as connection:
            async with connection.sender(address, options=AtMostOnce()) as sender:
                receipt = await sender.send(durable(0))
                assert (receipt.state, sender.unsettled) == (0, 0)
            async with connection.sender(address) as sender:
                for number in range(1, 300):
                    await sender.send_soon(durable(number))
                await sender.flush()
                assert sender.unsettled == 0
            async with connection.receiver(address, prefetch=300) as receiver:
                bodies = []
                for _ in range(300):
                    message, delivery = await receiver.receive(timeout=10)
                    bodies.append(message.body)
                    delivery.accept()
        return bodies

    assert run(main, peer.queue()) == list(range(300))


def test_a_body_is_streamed_both_ways(broker):
    peer = broker[1]
    pieces = [bytes([number]) * 65536 for number in range(128)]  # 8 MiB

    async def source():
        for piece in pieces:
            yield piece

    async def main(address):
        async with connected(peer) as connection, connection.sender(address) as sender:
            await sender.send_stream(source(), durable(None, id="large"), size=8 * MIB)
            receiver = await connection.receiver(address, prefetch=1)
            async with await receiver.receive_stream(timeout=10) as stream:
                body = await stream.read()
                assert stream.message.id == "large"
                stream.delivery.accept()
        return body

    assert run(main, peer.queue(), debug=False) == b"".join(pieces)


def test_a_message_is_refused_here_that_the_broker_would_not_take(broker):
    name, peer = broker
    peer_limit = 16 * MIB if name.startswith("Rabbit") else 0

    async def main(address):
        async with connected(peer) as connection, connection.sender(address) as sender:
            assert sender.max_message_size == peer_limit
            if peer_limit:
                with pytest.raises(LinkException, match="the peer takes messages of 16777216 bytes"):
                    await sender.send(durable(bytes(peer_limit)))
            # Credit and order are as before.
            await sender.send(durable("small"))
            async with connection.receiver(address) as receiver:
                message, delivery = await receiver.receive(timeout=10)
                delivery.accept()
                return message.body

    assert run(main, peer.queue()) == "small"


class DirectReply(LinkOption):
    """Responses without a queue of RabbitMQ, which gives each only to a consumer that takes settled ones."""

    def apply(self, link):
        link.snd_settle_mode = link.SND_SETTLED
        link.source.expiry_policy = Terminus.EXPIRE_WITH_LINK
        link.source.capabilities.put_object(symbol("rabbitmq:volatile-queue"))


def test_requests_get_their_own_responses(broker):
    name, peer = broker
    responses = {"RabbitMQ 4.0": {"reply_to": peer.queue()}, "RabbitMQ 4.3": {"reply_options": DirectReply()}}

    async def serve(connection, requests, count):
        async with connection.sender(options=AtMostOnce()) as answers:
            for _ in range(count):
                request, delivery = await requests.receive(timeout=10)
                delivery.accept()
                response = Message(correlation_id=request.correlation_id, body=request.body * 2)
                response.address = request.reply_to
                await answers.send(response)

    async def main(address):
        async with connected(peer) as service, connected(peer) as client, service.receiver(address) as requests:
            serving = asyncio.ensure_future(serve(service, requests, 50))
            async with client.requester(address, **responses.get(name, {})) as ask:
                answers = await asyncio.gather(*(ask(durable(number)) for number in range(50)))
            await serving
        return [answer.body for answer in answers]

    assert run(main, peer.queue()) == [2 * number for number in range(50)]


class Load:
    """Sends and receives `LOAD` messages over two connections that are made again."""

    def __init__(self, peer, address):
        self.peer = peer
        self.address = address
        self.under_way = asyncio.Event()
        self.events = []
        self.received = []
        self.failed = []

    def connect(self):
        reconnect = Backoff(max_delay=0.2)
        return connect(self.peer.url(), reconnect=reconnect, timeout=SECONDS, on_event=self.events.append)

    async def send(self):
        """Each message until it is accepted; those without an outcome at the loss again, by the sender itself."""
        async with self.connect() as connection, connection.sender(self.address, resend=True) as sender:
            waiting = asyncio.Semaphore(100)

            async def send(number):
                try:
                    while True:
                        with contextlib.suppress(Undeliverable):
                            return await sender.send(durable(number, id=number))
                finally:
                    waiting.release()

            tasks = []
            for number in range(LOAD):
                await waiting.acquire()
                tasks.append(asyncio.ensure_future(send(number)))
            await asyncio.gather(*tasks)

    async def receive(self):
        async with self.connect() as connection, connection.receiver(self.address, prefetch=50) as receiver:
            async for message, delivery in receiver:
                self.received.append(message.body)
                delivery.accept()
                if len(self.received) == BEFORE:
                    self.under_way.set()
                if len(set(self.received)) == LOAD:
                    return

    async def restart(self, how):
        await self.under_way.wait()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, getattr(self.peer.broker, how))
        await loop.run_in_executor(None, self.peer.broker.start)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_that_is_restarted_under_load_is_found_again_and_nothing_is_lost(broker, how):
    name, peer = broker
    address = peer.queue()
    if name.startswith("Rabbit") and how == "kill":
        # A quorum queue loses its messages if its node is killed before it has written down that the queue is there.
        peer.broker.stop()
        peer.broker.start()

    async def main():
        load = Load(peer, address)
        await asyncio.gather(load.send(), load.receive(), load.restart(how))
        return load

    load = run(main, debug=False, seconds=SECONDS)
    assert set(load.received) == set(range(LOAD))
    # Those that had no outcome: 100 at the sender, and at the receiver what was on its way and what it had accepted.
    assert len(load.received) - LOAD <= 100 + 2 * 50
    names = [event.name for event in load.events]
    assert names.count("lost") == names.count("restored") == 2 and "gave up" not in names
