"""Gives work to asyncio_workers.py, and waits until the broker has all of it."""

from __future__ import annotations

import argparse
import asyncio
import sys

from proton import Message, ProtonException, Url
from proton.asyncio import connect


async def main(url: Url, count: int) -> None:
    async with connect(url) as connection, connection.sender(url.path) as sender:
        for number in range(1, count + 1):
            # A slow broker or network slows this down: no more waits in memory than it has credit for.
            await sender.send_soon(Message(id=number, body=number, durable=True))
        await sender.flush()
    print(f"{count} jobs sent")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/jobs", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="default: %(default)s")
    options = parser.parse_args()
    try:
        asyncio.run(main(Url(options.address), options.messages))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
