"""Sends many messages and receives them at the same time, over one connection, which is made again when it is lost."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from proton import Message, ProtonException, Url
from proton.asyncio import ConnectionEvent, connect

if TYPE_CHECKING:
    from proton.asyncio import Connection


def tell(event: ConnectionEvent) -> None:
    print(f"connection {event.name}: {event.reason}", file=sys.stderr)


async def send(connection: Connection, address: str | None, count: int) -> None:
    async with connection.sender(address, resend=True) as sender:
        for number in range(1, count + 1):
            await sender.send_soon(Message(id=number, body={"sequence": number}))  # waits for credit only
        await sender.flush()  # raises if a message was not accepted
        print("all messages confirmed")


async def receive(connection: Connection, address: str | None, count: int) -> None:
    seen = set()
    async with connection.receiver(address, prefetch=100) as receiver:
        async for message, delivery in receiver:
            delivery.accept()
            seen.add(message.id)  # what is sent again may come twice
            if len(seen) == count:
                break
    print(f"received {len(seen)} messages")


async def main(url: Url, count: int) -> None:
    async with connect(url, reconnect=True, on_event=tell) as connection:
        await asyncio.gather(send(connection, url.path, count), receive(connection, url.path, count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="default: %(default)s")
    options = parser.parse_args()
    try:
        asyncio.run(main(Url(options.address), options.messages))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
