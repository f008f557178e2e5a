"""A server without a broker: what a client sends to an address, it receives from there, or at its `reply_to`."""

from __future__ import annotations

import argparse
import asyncio
import collections
import signal
import sys

from proton import Message, ProtonException
from proton.asyncio import Connection, Receiver, ReceiverRequest, Sender, serve


class Echo:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queues: dict[str | None, asyncio.Queue[Message]] = collections.defaultdict(asyncio.Queue)

    async def run(self) -> None:
        print("client:", self.connection.remote_container)
        tasks: list[asyncio.Task[None]] = []
        async for request in self.connection.incoming():  # ends with the connection
            address = f"made-{len(tasks)}" if request.is_dynamic else None
            if isinstance(request, ReceiverRequest):
                work = self.take(request.accept(address))
            else:
                work = self.give(request.accept(address))
            tasks.append(asyncio.ensure_future(work))
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, ProtonException):
                print(result, file=sys.stderr)

    async def take(self, receiver: Receiver) -> None:
        async for message, delivery in receiver:
            async with delivery:
                print("echo:", message.body)
                self.queues[message.reply_to or receiver.address].put_nowait(message)

    async def give(self, sender: Sender) -> None:
        while True:
            message = await self.queues[sender.address].get()
            await sender.send(message)


async def main(url: str) -> None:
    stop = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def accept() -> None:
        async for connection in listener:
            task = asyncio.ensure_future(Echo(connection).run())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async with serve(url) as listener:
        accepting = asyncio.ensure_future(accept())
        print("listening on port", listener.port)
        await stop.wait()
        await listener.drain(timeout=5)
        await asyncio.gather(accepting, *tasks)
    print("stopped")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672", help="default: %(default)s")
    asyncio.run(main(parser.parse_args().address))
