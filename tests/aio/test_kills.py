"""Killed and stopped twenty times under load: nothing is lost, nothing comes twice but what was unsettled."""

import asyncio
import os
import random

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, Lost, connect
from tests.support.aio import run
from tests.support.aio_peer import QUICK, peer, until
from tests.support.references import collect

#: the long form runs for minutes
MESSAGES, CONNECTIONS = (500_000, 2_000) if os.environ.get("PROTON_LONG_TESTS") else (20_000, 100)
LOSSES = 20


@pytest.fixture
def traced():
    """Memory in use, by CPython's own count."""
    return pytest.importorskip("tracemalloc", reason="PyPy does not count what is allocated", exc_type=ImportError)


async def more(things, count):
    await until(lambda: len(things) >= count)


async def losses(server, connection):
    """Ends the connection again and again, in order and not, each time after some messages."""
    chance = random.Random(7)
    for number in range(LOSSES):
        await connection.ready()
        await more(server.taken, len(server.taken) + chance.randrange(1, 40))
        server.end("kill" if number % 2 else "stop")
        await more(server.connections, number + 2)


def test_sends_are_lost_only_where_they_say_so_and_resent_ones_never():
    async def main():
        async with peer(20) as server, connect(server.url, reconnect=QUICK) as connection:
            once, again = await connection.sender("once"), await connection.sender("again", resend=True)
            unknown, ended = [], []

            async def send(sender, number):
                try:
                    await sender.send(Message(body=[sender.address, number]))
                except Lost:
                    unknown.append(number)

            async def load(sender):
                tasks = set()
                for number in range(1_000_000):
                    task = asyncio.ensure_future(send(sender, number))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    while len(tasks) >= 30:
                        await asyncio.sleep(0)
                    if ended:
                        break
                await asyncio.gather(*tasks)
                return number + 1

            loads = [asyncio.ensure_future(load(each)) for each in (once, again)]
            await losses(server, connection)
            ended.append(True)
            counts = await asyncio.gather(*loads)
            came = {"once": [], "again": []}
            for address, number in server.bodies:
                came[address].append(number)
            assert unknown
            assert len(came["once"]) == len(set(came["once"]))
            assert set(range(counts[0])) - set(came["once"]) <= set(unknown)
            assert came["once"] == sorted(came["once"])
            assert set(came["again"]) == {*range(counts[1])}
            firsts = list(dict.fromkeys(came["again"]))
            assert firsts == sorted(firsts)
            assert once.unsettled == again.unsettled == 0

    run(main)


def test_what_is_received_comes_twice_only_if_it_was_not_settled():
    async def main():
        async with peer(20) as server, connect(server.url, reconnect=QUICK) as connection:
            receiver = await connection.receiver("q", prefetch=20)
            accepted, sent, unknown = [], [], set()

            async def feed():
                """As a broker: what has no outcome comes again over the next link."""
                number = 0
                while len(server.connections) <= LOSSES:
                    link = server.link
                    try:
                        await link.send(Message(body=number))
                        sent.append(number)
                        server.taken.append((Message(body=number), None))
                        number += 1
                    except ConnectionClosed:
                        unknown.add(number)
                        while server.link is link:
                            await asyncio.sleep(0)

            async def take():
                async for message, delivery in receiver:
                    if delivery.accept():
                        accepted.append(message.body)

            feeding, taking = server.start(feed()), asyncio.ensure_future(take())
            await losses(server, connection)
            await feeding
            await receiver.close()
            await taking
            assert len(sent) > LOSSES
            assert unknown
            assert set(sent) <= set(accepted)
            assert {body for body in accepted if accepted.count(body) > 1} <= unknown

    run(main)


def test_memory_stays_flat_over_many_messages(traced):
    async def main():
        async with peer(100) as server, connect(server.url) as connection:
            sender = await connection.sender("q")

            async def send(count):
                for number in range(count):
                    await sender.send_soon(Message(body=number))
                    if number % 100 == 0:
                        server.taken.clear()
                await sender.flush()
                server.taken.clear()
                collect()
                return traced.get_traced_memory()[0]

            traced.start(1)
            try:
                before = await send(MESSAGES // 10)
                assert await send(MESSAGES) - before < 100_000
            finally:
                traced.stop()

    run(main, debug=False, seconds=600)


def test_memory_stays_flat_over_many_connections(traced):
    async def main():
        async with peer(100) as server:

            async def use(count):
                for number in range(count):
                    async with connect(server.url) as connection, connection.sender("q") as sender:
                        await sender.send(Message(body=number))
                await until(lambda: not server.listener.connections)
                for each in (server.taken, server.links, server.connections):
                    each.clear()
                await asyncio.sleep(0)
                collect()
                return traced.get_traced_memory()[0]

            traced.start(1)
            try:
                before = await use(CONNECTIONS // 2)
                assert await use(CONNECTIONS) - before < 100_000
            finally:
                traced.stop()

    run(main, debug=False, seconds=600)
