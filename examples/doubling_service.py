"""A service that doubles numbers, and its client: `doubling_service.py serve|ask URL ADDRESS [NUMBER ...]`."""

import asyncio
import sys

from proton import Link, Message, ProtonException, symbol
from proton.asyncio import Rejected, connect
from proton.reactor import LinkOption


class TemporaryQueue(LinkOption):
    def apply(self, link: Link) -> None:  # RabbitMQ wants it; others make an address for responses without it
        link.source.capabilities.put_object(symbol("temporary-queue"))


async def serve(url: str, address: str) -> None:
    connection = await connect(url, reconnect=True)
    async with connection, connection.receiver(address, prefetch=10) as requests, connection.sender() as responses:
        async for request, delivery in requests:
            async with delivery:
                if not isinstance(request.body, int) or not request.reply_to:
                    raise Rejected("app:bad-request", f"expected a number, got {request.body!r:.50}")
                to, number = request.reply_to, request.correlation_id
                await responses.send(Message(address=to, correlation_id=number, body=2 * request.body))


async def ask(url: str, address: str, *numbers: str) -> None:
    async with connect(url) as connection, connection.requester(address, reply_options=TemporaryQueue()) as request:
        for response in await asyncio.gather(*(request(Message(body=int(n)), timeout=5) for n in numbers)):
            print(response.body)


if __name__ == "__main__":
    try:
        asyncio.run({"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:]))
    except ProtonException as error:
        sys.exit(f"doubling_service: {error}")
