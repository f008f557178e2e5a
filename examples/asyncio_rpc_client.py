"""Makes requests of asyncio_rpc_server.py, all of them at once."""

from __future__ import annotations

import argparse
import asyncio
import sys

from proton import Message, ProtonException, Url
from proton.asyncio import connect

VERSE = (
    "Twas brillig, and the slithy toves",
    "Did gire and gymble in the wabe.",
    "All mimsy were the borogroves,",
    "And the mome raths outgrabe.",
)


async def main(url: Url) -> None:
    async with connect(url) as connection, connection.requester(url.path) as ask:
        responses = await asyncio.gather(*(ask(Message(body=line), timeout=30) for line in VERSE))
    for line, response in zip(VERSE, responses):
        print(f"{line} => {response.body}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/requests", help="default: %(default)s")
    try:
        asyncio.run(main(Url(parser.parse_args().address)))
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
