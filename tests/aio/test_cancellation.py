"""Cancellations at random points, under load: nothing is lost, nothing comes twice, nothing leaks; `run` sees the rest.

A seed names the points. What a test asserts holds for each of them.
"""

import asyncio
import contextlib
import itertools
import random
from collections import Counter

import pytest

from proton import Message
from proton.asyncio import Receipt, Undeliverable, connect
from tests.support.aio import run
from tests.support.aio_peer import peer, until

seeds = pytest.mark.parametrize("seed", range(3))
CANCELLATIONS = 120  # for each test and seed: 3,000 in all


class Storm:
    """Starts tasks, and cancels some of them later, at random.

    :param most: tasks at once.
    """

    def __init__(self, seed, most=30):
        self.random = random.Random(seed)
        self.most = most
        self.running = []
        self.done = []  # pairs of what a task was started with, and its result: None for one that was cancelled
        self.cancelled = 0

    async def start(self, key, coroutine):
        """Starts one; a random number of turns and cancellations go by."""
        self.running.append((key, asyncio.ensure_future(coroutine)))
        while len(self.running) >= self.most or self.random.random() < 0.5:
            await self.turn()

    async def turn(self):
        await asyncio.sleep(0)
        if self.running and self.random.random() < 0.4:
            _, task = self.random.choice(self.running)
            self.cancelled += task.cancel()
        left = []
        for key, task in self.running:
            if not task.done():
                left.append((key, task))
            else:
                self.done.append((key, None if task.cancelled() else task.result()))
        self.running = left

    async def finish(self):
        while self.running:
            await self.turn()


def stormy(test, seed, prefetch=10, least=CANCELLATIONS, **options):
    async def main():
        async with peer(prefetch) as server, connect(server.url, **options) as connection:
            tasks = asyncio.all_tasks()
            storm = Storm(seed)
            await test(server, connection, storm)
            assert storm.cancelled >= least
            await until(lambda: asyncio.all_tasks() - server.tasks <= tasks)

    run(main)


@seeds
@pytest.mark.parametrize("way", ["send", "send_soon"])
def test_sends(seed, way):
    late = []

    async def test(server, connection, storm):
        sender = await connection.sender("q")
        number = 0
        while storm.cancelled < CANCELLATIONS:
            await storm.start(number, getattr(sender, way)(Message(body=number)))
            number += 1
        await storm.finish()
        await sender.flush()
        await until(lambda: sender.unsettled == 0)
        assert server.bodies == sorted(set(server.bodies))
        sent = {key for key, result in storm.done if result is not None} if way == "send" else set()
        assert sent <= set(server.bodies)
        if way == "send":
            # Each message that has left in spite of the cancellation has its outcome told.
            await until(lambda: len(late) == len(server.taken) - len(sent))
            assert {type(outcome) for outcome in late} <= {Receipt}
        await until(lambda: sender.credit > 5)  # the peer tops it up by halves
        before = len(server.taken)
        await asyncio.gather(*(sender.send(Message(body=number)) for number in range(200)))
        assert server.bodies[before:] == [*range(200)]

    stormy(test, seed, on_late_outcome=late.append)


@seeds
def test_flushes(seed):
    async def test(server, connection, storm):
        sender = await connection.sender("q")
        number = 0
        while storm.cancelled < CANCELLATIONS:
            await sender.send_soon(Message(body=number))
            await storm.start(number, sender.flush())
            number += 1
        await storm.finish()
        await sender.flush()
        assert server.bodies == [*range(number)]

    stormy(test, seed)


@seeds
@pytest.mark.parametrize("prefetch", [0, 1, 10])
def test_receives(seed, prefetch):
    async def test(server, connection, storm):
        receiver = await connection.receiver("q", prefetch=prefetch)
        sent = 0

        async def feed():
            nonlocal sent
            while True:
                await server.link.send_soon(Message(body=sent), timeout=None)
                sent += 1

        async def take():
            message, delivery = await receiver.receive()
            assert delivery.accept()
            return message.body

        feeding = server.start(feed())
        while storm.cancelled < CANCELLATIONS:
            await storm.start(None, take())
        await storm.finish()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        bodies = [body for _, body in storm.done if body is not None]
        while len(bodies) < sent:
            bodies.append(await take())
        assert sorted(bodies) == [*range(sent)]
        await server.link.flush()
        assert receiver.unsettled == receiver.queued == 0
        if prefetch:
            await until(lambda: server.link.credit > prefetch // 2)
        for _ in range(3 * prefetch):
            await server.link.send_soon(Message(body="more"))
            assert await take() == "more"

    stormy(test, seed)


@seeds
def test_iterating(seed):
    async def test(server, connection, storm):
        receiver = await connection.receiver("q", prefetch=10)
        taken = []

        async def work():
            async for message, delivery in receiver:
                async with delivery:
                    await asyncio.sleep(0)
                    taken.append(message.body)

        async def feed(number):
            while True:  # what was released comes again
                with contextlib.suppress(Undeliverable):
                    return await server.link.send(Message(body=number), timeout=None)

        feeding = [server.start(feed(number)) for number in range(1000)]
        while storm.cancelled < CANCELLATIONS:
            await storm.start(None, work())
        for _, task in storm.running:
            task.cancel()
        await storm.finish()
        last = asyncio.ensure_future(work())
        await asyncio.gather(*feeding)
        await receiver.close()
        await last
        assert set(taken) == {*range(1000)}
        # A message comes twice only where its block was cancelled after it was noted: never here.
        assert Counter(taken).most_common(1)[0][1] == 1

    stormy(test, seed)


@seeds
def test_requests(seed):
    async def test(server, connection, storm):
        ask = await connection.requester("ask")
        respond = server.links[0]

        async def serve():
            for done in itertools.count():
                while len(server.taken) <= done:
                    await asyncio.sleep(0)
                message, _ = server.taken[done]
                assert message.reply_to == respond.address
                await respond.send_soon(Message(correlation_id=message.correlation_id, body=message.body * 2))

        server.start(serve())
        number = 0
        while storm.cancelled < CANCELLATIONS:
            await storm.start(number, ask(Message(body=number)))
            number += 1
        await storm.finish()
        answered = [(key, result.body) for key, result in storm.done if result is not None]
        assert answered
        assert all(body == 2 * key for key, body in answered)
        answers = await asyncio.gather(*(ask(Message(body=number)) for number in range(300)))
        assert [message.body for message in answers] == [2 * number for number in range(300)]

    stormy(test, seed)


@seeds
def test_transactions(seed):
    async def test(server, connection, storm):
        sender = await connection.sender("q")

        async def work(number):
            async with connection.transaction() as transaction:
                await transaction.send(sender, Message(body=number))
            return number

        number = 0
        while storm.cancelled < CANCELLATIONS:
            await storm.start(number, work(number))
            number += 1
        await storm.finish()
        done = [result for _, result in storm.done if result is not None]
        committed = [identity for identity, failed in server.discharged if not failed]
        assert 0 < len(done) <= len(committed)
        # Each one that was declared is discharged, once: nothing is left at the coordinator.
        await until(lambda: len(server.discharged) == server.declared)
        assert len({identity for identity, _ in server.discharged}) == server.declared
        assert await work("x") == "x"

    stormy(test, seed)


@seeds
def test_streams(seed):
    async def test(server, connection, storm):
        sender, receiver = await connection.sender("q"), await connection.receiver("r", prefetch=5)
        outgoing = server.link

        async def pieces(number):
            for _ in range(20):
                yield b"%d," % number * 1000
                await asyncio.sleep(0)

        async def send(number):
            return await sender.send_stream(pieces(number))

        async def read(number):
            async with await receiver.receive_stream() as stream:
                data = await stream.read()
                assert stream.delivery.accept()
            assert data in whole
            return data

        whole = {b"%d," % number * 20000 for number in range(2000)}
        number = 0

        async def feed():
            count = 0
            while True:
                with contextlib.suppress(Undeliverable):  # what was not accepted: its reader was cancelled
                    await outgoing.send_stream(pieces(count), timeout=None)
                count += 1

        feeding = server.start(feed())
        while storm.cancelled < CANCELLATIONS:
            await storm.start(("send", number), send(number))
            await storm.start(("read", number), read(number))
            number += 1
        await storm.finish()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        numbers = [int(body[: body.index(b",")]) for body in map(bytes, server.bodies)]
        assert all(bytes(body) == b"%d," % number * 20000 for body, number in zip(server.bodies, numbers))
        assert numbers == sorted(set(numbers))
        sent = {key[1] for key, result in storm.done if key[0] == "send" and result is not None}
        assert sent <= set(numbers)
        await sender.send(Message(body=b"1,"))
        assert server.bodies[-1] == b"1,"

    stormy(test, seed)


@seeds
def test_links_and_sessions(seed):
    async def test(server, connection, storm):
        load = await connection.sender("load")

        async def link(number):
            async with connection.sender("s") as sender, connection.receiver("r"):
                await sender.send(Message(body=number))

        async def session(number):
            async with connection.session() as session, session.sender("t") as sender:
                await sender.send(Message(body=number))

        async def opening(number):
            sender = await connection.sender("u", name=f"u{number}")
            await sender.close()

        ways = [link, session, opening]
        number = 0
        while storm.cancelled < CANCELLATIONS:
            await load.send_soon(Message(body=("load", number)))
            await storm.start(number, storm.random.choice(ways)(number))
            number += 1
        await storm.finish()
        await load.flush()
        assert [body[1] for body in server.bodies if isinstance(body, (list, tuple))] == [*range(number)]
        # What was begun and cancelled has ended at the peer too.
        await until(lambda: [each for each in server.links if each.is_open] == [server.links[0]])
        await link("x")

    stormy(test, seed)


@seeds
def test_connections(seed):
    async def test(server, connection, storm):
        async def use(number):
            async with connect(server.url) as other, other.sender("q") as sender:
                await sender.send(Message(body=number))
            return number

        number = 0
        while storm.cancelled < 60:
            await storm.start(number, use(number))
            number += 1
        await storm.finish()
        done = [result for _, result in storm.done if result is not None]
        assert set(done) <= set(server.bodies)
        assert len(server.bodies) == len(set(server.bodies))
        await until(lambda: len(server.listener.connections) == 1)

    stormy(test, seed, least=60)
