"""A pool of workers that share a receiver. Work that fails is given back, work that makes no sense is rejected."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from proton import Message, ProtonException, Url
from proton.asyncio import Rejected, Timeout, connect

if TYPE_CHECKING:
    from proton.asyncio import Receiver


def work(message: Message) -> int:
    """It takes its time, so it runs in a thread: the loop goes on with heartbeats and the other workers."""
    if not isinstance(message.body, int):
        raise Rejected("app:bad-job", f"expected a number, got {message.body!r}")
    return message.body**2


async def worker(receiver: Receiver, idle: float) -> int:
    done = 0
    loop = asyncio.get_running_loop()
    while True:
        try:
            message, delivery = await receiver.receive(timeout=idle)
        except Timeout:
            return done
        async with delivery:  # accepts; or tells why not
            print(message.body, "=>", await loop.run_in_executor(None, work, message))
            done += 1


async def main(url: Url, workers: int, idle: float) -> None:
    # A prefetch of twice as many as there are workers: the next message is here when one is done.
    async with connect(url, reconnect=True) as link, link.receiver(url.path, prefetch=2 * workers) as receiver:
        done = await asyncio.gather(*(worker(receiver, idle) for _ in range(workers)))
    print(f"{sum(done)} jobs done by {workers} workers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/jobs", help="default: %(default)s")
    parser.add_argument("-w", "--workers", type=int, default=4, help="default: %(default)s")
    parser.add_argument("-i", "--idle", type=float, default=10, help="seconds without work; default: %(default)s")
    options = parser.parse_args()
    try:
        asyncio.run(main(Url(options.address), options.workers, options.idle))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
