"""Hello World by way of a broker, in an asyncio program."""

from __future__ import annotations

import argparse
import asyncio
import sys

from proton import Message, ProtonException, Url
from proton.asyncio import connect


async def main(url: Url) -> None:
    async with connect(url) as connection:
        sender = await connection.sender(url.path)  # closed with the connection
        async with connection.receiver(url.path) as receiver:
            await sender.send(Message(body="Hello World!"))
            message, delivery = await receiver.receive(timeout=30)
            delivery.accept()
            print(message.body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    try:
        asyncio.run(main(Url(parser.parse_args().address)))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
