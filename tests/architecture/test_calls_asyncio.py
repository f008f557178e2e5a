"""The budget of `proton.asyncio` in Python-level calls a message, counted as in test_calls.py.

The program and its connection run in the loop; the peer is an engine that moves its bytes outside of the count. The
loop's own calls count as well, and differ a little between the versions of Python.
"""

import asyncio
import socket
import sys

from proton import Delivery, Message, Transport
from proton.asyncio import connect, serve
from tests.architecture.test_calls import MESSAGES, Counter, body
from tests.support.aio import run
from tests.support.wire import TURNS, Wire

#: on PyPy futures and tasks are written in Python, and their calls count
SENT = 22 if sys.implementation.name == "cpython" else 25
RECEIVED = 24


async def until(wire, done, counter=None):
    """Turns of the loop, and of the peer between them, until `done`."""
    for _ in range(TURNS):
        wire.exchange()
        if done():
            return
        if counter is None:
            await asyncio.sleep(0)
        else:
            with counter:
                await asyncio.sleep(0)
    raise AssertionError(f"not done after {TURNS} turns")


async def send_all(sender):
    for number in range(MESSAGES):
        await sender.send_soon(Message(id=number, body=body(number)))
    await sender.flush()


def test_a_message_sent_for_its_credit_only_costs_at_most_its_budget():
    async def main():
        counter = Counter()
        with socket.create_server(("127.0.0.1", 0)) as server:
            opening = asyncio.ensure_future(connect(f"127.0.0.1:{server.getsockname()[1]}").open())
            await asyncio.sleep(0)
            server.settimeout(10)
            wire = Wire((await asyncio.get_running_loop().run_in_executor(None, server.accept))[0], Transport.SERVER)
        peer = wire.peer.connection
        peer.container = "peer"
        peer.open()
        await until(wire, opening.done)
        connection = opening.result()
        attaching = asyncio.ensure_future(connection.sender("examples").open())
        await until(wire, lambda: peer.link_head(0) is not None)
        peer.session_head(0).open()
        receiver = peer.link_head(0)
        receiver.target.address = "examples"
        receiver.open()
        receiver.flow(MESSAGES)
        await until(wire, lambda: attaching.done() and attaching.result().credit == MESSAGES)
        sending = asyncio.ensure_future(send_all(attaching.result()))
        await until(wire, lambda: receiver.queued == MESSAGES, counter)
        while receiver.current is not None:
            delivery = receiver.current
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()
        await until(wire, sending.done, counter)
        peer.close()
        closing = asyncio.ensure_future(connection.close())
        await until(wire, closing.done)
        wire.sock.close()
        return counter.calls / MESSAGES

    cost = run(main, debug=False, loop_factory=asyncio.new_event_loop)
    assert cost <= SENT, f"expected {SENT} calls for a sent message at most, got {cost:.1f}"


def test_a_message_of_an_iteration_costs_at_most_its_budget():
    async def main():
        counter = Counter()
        async with serve("127.0.0.1:0") as listener:
            wire = Wire(socket.create_connection(("127.0.0.1", listener.port)))
            peer = wire.peer.connection
            peer.container = "peer"
            peer.open()
            session = peer.session()
            session.open()
            sender = session.sender("L")
            sender.target.address = "examples"
            sender.open()
            getting = asyncio.ensure_future(listener.__aiter__().__anext__())
            await until(wire, getting.done)
            incoming = getting.result().incoming()
            asking = asyncio.ensure_future(incoming.__anext__())
            await until(wire, asking.done)
            receiver = asking.result().accept(prefetch=MESSAGES)
            await until(wire, lambda: sender.credit == MESSAGES)
            deliveries = [sender.send(Message(id=number, body=body(number))) for number in range(MESSAGES)]

            async def receive():
                async for message, delivery in receiver:
                    assert message.body == body(message.id)
                    delivery.accept()

            receiving = asyncio.ensure_future(receive())
            await until(wire, lambda: all(each.settled for each in deliveries), counter)
            assert all(each.remote_state == Delivery.ACCEPTED for each in deliveries)
            peer.close()
            await until(wire, receiving.done)
            await asyncio.wait([receiving])
            receiving.exception()
            await incoming.aclose()
            wire.sock.close()
        return counter.calls / MESSAGES

    cost = run(main, debug=False, loop_factory=asyncio.new_event_loop)
    assert cost <= RECEIVED, f"expected {RECEIVED} calls for a received message at most, got {cost:.1f}"
