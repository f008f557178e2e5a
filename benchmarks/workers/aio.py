"""The same topology as messages.py and requests.py, in programs of `proton.asyncio`: `aio.py receive` listens.

`send` waits for credit only, `gather` awaits many outcomes at once; `answer` and `ask` exchange requests, all at once.
"""

import argparse
import asyncio
import contextlib

from common import Clock, print_result
from proton import Message
from proton.asyncio import Receiver, connect, serve

#: outcomes that `gather` awaits at once
AT_ONCE = 500


def message(number):
    return Message(id=number, body={"sequence": number, "d": "x" * 100})


async def send(options):
    async with connect(f"127.0.0.1:{options.port}") as connection, connection.sender("q0") as sender:
        while not sender.credit:
            await asyncio.sleep(0)
        clock = Clock()
        for number in range(1, options.messages + 1):
            await sender.send_soon(message(number))
        await sender.flush()
        print_result(**clock.read())


async def gather(options):
    async with connect(f"127.0.0.1:{options.port}") as connection, connection.sender("q0") as sender:
        clock = Clock()
        for start in range(1, options.messages + 1, AT_ONCE):
            last = min(start + AT_ONCE, options.messages + 1)
            await asyncio.gather(*(sender.send(message(number)) for number in range(start, last)))
        print_result(**clock.read())


async def listen(options, take):
    """Serves one connection with `take`, which gets its links."""
    async with serve(f"127.0.0.1:{options.port}") as listener:
        print("ready", flush=True)
        async for connection in listener:
            await take(connection.incoming(), options)
            await connection.wait_closed()
            return


async def receive_links(incoming, options):
    async for request in incoming:
        receiver = request.accept(prefetch=options.prefetch)
        count = 0
        async for _, delivery in receiver:
            if count == 0:
                clock = Clock()
            delivery.accept()
            count += 1
            if count == options.messages:
                print_result(**clock.read())
                return


async def answer_links(incoming, options):
    senders = {}
    receiver = None
    async for request in incoming:
        address = f"made-{len(senders)}" if request.is_dynamic else request.address
        link = request.accept(address, prefetch=options.prefetch)
        if isinstance(link, Receiver):
            receiver = link
            break
        senders[address] = link
    count = 0
    async for request, delivery in receiver:
        if count == 0:
            clock = Clock()
        delivery.accept()
        response = Message(correlation_id=request.correlation_id, body=request.body)
        await senders[request.reply_to].send_soon(response)
        count += 1
        if count == options.messages:
            print_result(**clock.read())
            return


async def ask(options):
    async with connect(f"127.0.0.1:{options.port}") as connection:
        requester = await connection.requester("requests", prefetch=options.prefetch)
        clock = Clock()
        await asyncio.gather(*(requester(Message(body="x" * 100)) for _ in range(options.messages)))
        print_result(**clock.read())


ROLES = {
    "send": send,
    "gather": gather,
    "receive": lambda options: listen(options, receive_links),
    "answer": lambda options: listen(options, answer_links),
    "ask": ask,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=100)
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(ROLES[options.role](options))
