"""Works on messages until SIGTERM or Ctrl-C, then ends gracefully: what was begun is finished, the rest goes back."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from proton import ProtonException, Url
from proton.asyncio import connect

if TYPE_CHECKING:
    from proton.asyncio import Receiver


async def work(receiver: Receiver, seconds: float) -> int:
    done = 0
    async for message, delivery in receiver:  # ends when the connection is drained
        async with delivery:
            print("begun:", message.body)
            await asyncio.sleep(seconds)
            print("done:", message.body)
            done += 1
    return done


async def main(url: Url, seconds: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with connect(url, reconnect=True) as connection:
        receiver = await connection.receiver(url.path, prefetch=10)
        working = asyncio.ensure_future(work(receiver, seconds))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            print("stopping")
            await connection.drain(timeout=10)
        stopping.cancel()
        print(f"ended after {await working} messages")  # raises if it has ended by an error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/jobs", help="default: %(default)s")
    parser.add_argument("-s", "--seconds", type=float, default=1, help="for each message; default: %(default)s")
    options = parser.parse_args()
    try:
        asyncio.run(main(Url(options.address), options.seconds))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
