"""Answers requests, many at once: the body in capitals. asyncio_rpc_client.py makes them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from proton import Message, ProtonException, Url
from proton.asyncio import connect

if TYPE_CHECKING:
    from proton.asyncio import Delivery, Sender


async def answer(request: Message, delivery: Delivery, sender: Sender) -> None:
    async with delivery:
        response = Message(body=str(request.body).upper(), correlation_id=request.correlation_id)
        response.address = request.reply_to
        try:
            await sender.send(response)  # a sender without an address takes that of each message
        except ProtonException as error:  # the client may be gone
            print(f"no response: {error}", file=sys.stderr)


async def main(url: Url) -> None:
    tasks: set[asyncio.Task[None]] = set()
    async with connect(url) as connection:
        print("connected to", connection.remote_container)
        async with connection.sender() as sender, connection.receiver(url.path, prefetch=100) as receiver:
            print("serving")
            async for request, delivery in receiver:
                # What was taken and not settled does not use up the prefetch: this bounds it.
                if len(tasks) >= 1000:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.ensure_future(answer(request, delivery, sender))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/requests", help="default: %(default)s")
    try:
        asyncio.run(main(Url(parser.parse_args().address)))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
    except KeyboardInterrupt:
        pass
