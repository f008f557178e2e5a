"""Sends as fast as the broker takes it, and says what is not accepted: `confirming_publisher.py URL ADDRESS COUNT`."""

import asyncio
import sys

from proton import Message, ProtonException
from proton.asyncio import Undeliverable, connect


async def main(url: str, address: str, count: str) -> int:
    async with connect(url, reconnect=True) as connection, connection.sender(address, resend=True) as sender:
        for number in range(int(count)):  # each waits while the broker gives no credit
            await sender.send_soon(Message(id=f"order-{number}", body=number, durable=True), timeout=10)
        try:
            await sender.flush()
        except Undeliverable as error:
            for each in (error, *error.others):
                print(each, file=sys.stderr)
            return 1
    print(count, "are safe")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(*sys.argv[1:])))
    except ProtonException as error:
        sys.exit(f"confirming_publisher: {error}")
