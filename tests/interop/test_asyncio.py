"""Whole conversations of `proton.asyncio` with the peer scripts, which run on our callback API and on the reference's.

As in test_interop.py, PROTON_REFERENCE_PYTHON is the python of the reference.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proton import Condition, Message
from proton.asyncio import Modified, Receiver, Rejected, Released, connect, serve
from proton.utils import BlockingConnection
from tests.interop.test_interop import MIB, lines, needs_reference, numbers, peer
from tests.support.aio import broker, run
from tests.support.programs import free_port

COUNT = 200
OUTCOMES = [None, Rejected, Released, Modified]

engines = pytest.mark.parametrize("engine", ["ours", pytest.param("reference", marks=needs_reference)])


@contextlib.contextmanager
def listening(engine, script, *arguments):
    """A peer script that listens, and its address."""
    url = f"127.0.0.1:{free_port()}"
    listen = ["--listen"] if script != "respond.py" else []
    with peer(engine, script, f"{url}/interop", *listen, *arguments) as program:
        program.await_line("listening")
        yield program, url


@engines
def test_a_sender_hears_each_outcome_with_what_it_carries(engine):
    async def send(sender, number):
        try:
            await sender.send(Message(id=number, body=number))
        except (Rejected, Released, Modified) as error:
            return error
        return None

    async def main(url):
        async with connect(url) as connection, connection.sender("interop") as sender:
            return await asyncio.gather(*(send(sender, number) for number in range(COUNT)))

    with listening(engine, "receive.py", "--outcome", "mixed") as (program, url):
        found = run(main, url)
        printed = program.finish()
    assert [line.split()[1] for line in lines(printed, "message")] == numbers(COUNT)
    for number, error in enumerate(found):
        expected = OUTCOMES[number % 4]
        assert error is None if expected is None else type(error) is expected
        if expected is Rejected:
            condition = error.condition
            assert (condition.name, condition.description) == ("amqp:precondition-failed", f"number {number}")
        elif expected is Modified:
            assert (error.failed, error.undeliverable) == (number % 2 == 0, number % 3 == 0)


@engines
def test_messages_sent_soon_arrive_in_order(engine):
    async def main(url):
        async with connect(url) as connection, connection.sender("interop") as sender:
            for number in range(5000):
                await sender.send_soon(Message(id=number, body=number))
            await sender.flush()

    with listening(engine, "receive.py", "--outcome", "accepted") as (program, url):
        run(main, url, debug=False)
        printed = program.finish()
    assert [line.split()[1] for line in printed if line.startswith("outcome ")] == numbers(5000)
    ids = [line.split()[2] for line in printed if line.startswith("message ")]
    assert ids == [f"{ids[0][:-2]}{number})" for number in range(5000)]


@engines
def test_a_receiver_gives_each_outcome_with_what_it_carries(engine):
    async def main(url):
        async with connect(url) as connection, connection.receiver("interop", prefetch=7) as receiver:
            for number in range(COUNT):
                _, delivery = await receiver.receive(timeout=10)
                if number % 4 == 1:
                    assert delivery.reject("app:bad", f"number {number}", {"n": number})
                elif number % 4 == 2:
                    assert delivery.release()
                elif number % 4 == 3:
                    assert delivery.modify(number % 2 == 0, number % 3 == 0)
                else:
                    assert delivery.accept()
            await connection.wait_closed()

    with listening(engine, "send.py", "--count", COUNT) as (program, url):
        run(main, url)
        printed = program.finish()
    outcomes = lines(printed, "outcome")
    assert [line.split()[2] for line in outcomes] == ["accepted", "rejected", "released", "modified"] * (COUNT // 4)
    assert outcomes[1].startswith("outcome 1 rejected app:bad 'number 1'")
    assert outcomes[3].startswith("outcome 3 modified False True")


@engines
def test_large_bodies_both_ways(engine):
    body = bytes(range(256)) * (8 * MIB // 256)

    async def send(url):
        async with connect(url) as connection, connection.sender("interop") as sender:
            await sender.send_stream([body[:MIB], body[MIB:]], Message(id=0), size=len(body))

    async def receive(url):
        async with connect(url) as connection, connection.receiver("interop", prefetch=1) as receiver:
            stream = await receiver.receive_stream(timeout=10)
            size = 0
            async for piece in stream:
                size += len(piece)
            stream.delivery.accept()
            await connection.wait_closed()
            return size

    with listening(engine, "receive.py", "--outcome", "accepted") as (program, url):
        run(send, url, debug=False)
        (line,) = lines(program.finish(), "message")
    assert f".. {len('binary()') + 2 * len(body)} " in line
    with listening(engine, "send.py", "--count", 1, "--size", 8 * MIB) as (program, url):
        assert run(receive, url, debug=False) == 8 * MIB
        assert "outcome 0 accepted" in program.finish()


@engines
def test_requests_to_a_service_of_callbacks(engine):
    async def main(url):
        async with connect(url) as connection, connection.requester("interop") as ask:
            answers = await asyncio.gather(*(ask(Message(body=number)) for number in range(COUNT)))
        return [answer.body for answer in answers]

    with listening(engine, "respond.py") as (program, url):
        assert run(main, url) == list(range(COUNT))
        assert sum(line.startswith("request ") for line in program.finish()) == COUNT


async def serve_one(take, program):
    """Serves the first client of a program, until it has closed."""
    async with serve("127.0.0.1:0") as listener:
        with program(f"127.0.0.1:{listener.port}/interop") as started:
            async for connection in listener:
                await take(connection)
                await connection.wait_closed()
                break
            return await asyncio.get_running_loop().run_in_executor(None, started.finish)


@engines
def test_a_server_takes_what_a_client_of_callbacks_sends(engine):
    async def take(connection):
        async for request in connection.incoming():
            receiver = request.accept(prefetch=10)
            number = 0
            async for _, delivery in receiver:
                if number % 2:
                    delivery.reject("app:odd", f"number {number}")
                else:
                    delivery.accept()
                number += 1

    printed = run(serve_one, take, lambda url: peer(engine, "send.py", url, "--count", COUNT))
    assert [line.split()[2] for line in lines(printed, "outcome")] == ["accepted", "rejected"] * (COUNT // 2)


@engines
def test_a_server_answers_requests_of_a_client_of_callbacks(engine):
    async def answer(connection):
        senders = {}
        async for request in connection.incoming():
            link = request.accept("answers" if request.is_dynamic else None)
            senders[link.address] = link
            if len(senders) == 2:
                break
        receiver = next(link for link in senders.values() if isinstance(link, Receiver))
        async for message, delivery in receiver:
            delivery.accept()
            response = Message(correlation_id=message.correlation_id, body=message.body, inferred=message.inferred)
            await senders[message.reply_to].send_soon(response)

    printed = run(serve_one, answer, lambda url: peer(engine, "request.py", url, "--count", 20))
    assert [line.split()[1] for line in lines(printed, "response")] == numbers(20)


@engines
def test_a_client_of_callbacks_hears_why_a_server_closes(engine):
    async def close(connection):
        async for request in connection.incoming():
            request.accept()
            await connection.close(Condition("amqp:not-allowed", "down for the night"))

    printed = run(serve_one, close, lambda url: peer(engine, "send.py", url, "--count", 1))
    assert "closed amqp:not-allowed down for the night" in printed


def test_a_blocking_client_of_an_asyncio_server():
    def block(url):
        connection = BlockingConnection(url, timeout=10)
        sender = connection.create_sender("q")
        for number in range(10):
            sender.send(Message(body=number))
        receiver = connection.create_receiver("q")
        bodies = []
        for _ in range(10):
            bodies.append(receiver.receive().body)
            receiver.accept()
        connection.close()
        return bodies

    async def main():
        async with broker() as server:
            return await asyncio.get_running_loop().run_in_executor(None, block, server.url)

    assert run(main) == list(range(10))
