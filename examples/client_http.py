"""A web page that sends requests to a server (server.py or server_direct.py) and shows the responses, with tornado.

GET /client?request=text answers with the response. If a link is refused, the program ends with exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import sys
from typing import TYPE_CHECKING

import tornado.web

import proton_tornado
from proton import Message
from proton.handlers import MessagingHandler

if TYPE_CHECKING:
    from typing import Any, Callable

    from proton.handlers import ContainerEvent, DisconnectedEvent, LinkEvent, MessageEvent

FORM = '<form action="/client"><input name="request"/><input type="submit"/></form>'


class Client(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.ready, self.over = asyncio.Event(), asyncio.Event()  # for requests; since the container has ended
        self.waiting: dict[object, asyncio.Future[Any]] = {}  # a future by its correlation id
        self.number = 0
        self.touch: Callable[[], None]  # of the container

    def on_start(self, event: ContainerEvent) -> None:
        self.sender = event.container.create_sender(self.url)
        self.receiver = event.container.create_receiver(self.sender.connection, None, dynamic=True)

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.receiver == self.receiver:
            self.ready.set()

    def on_message(self, event: MessageEvent) -> None:
        if event.message.correlation_id in self.waiting:
            self.waiting.pop(event.message.correlation_id).set_result(event.message.body)

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        self.ready.clear()
        while self.waiting:
            self.waiting.popitem()[1].set_exception(tornado.web.HTTPError(503))

    def on_reactor_final(self, event: ContainerEvent) -> None:
        self.over.set()

    async def request(self, body: Any) -> Any:
        await self.ready.wait()
        self.number += 1
        future = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        address = self.receiver.remote_source.address
        self.sender.send(Message(reply_to=address, correlation_id=self.number, body=body))
        self.touch()  # called outside of the container's callbacks, so it has to be told
        return await future


class Page(tornado.web.RequestHandler):
    async def get(self) -> None:
        text = self.get_argument("request", None)
        response = await self.settings["client"].request(text) if text else ""
        self.write(f"<p>{html.escape(str(response))}</p>{FORM}")


async def main(options: Any) -> None:
    client = Client(options.address)
    container = proton_tornado.Container(client)
    client.touch = container.touch
    container.initialise()
    tornado.web.Application([("/|/client", Page)], client=client).listen(options.port, address="127.0.0.1")
    print(f"listening on port {options.port}", flush=True)
    await client.over.wait()
    sys.exit("ended before the work was done")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-p", "--port", type=int, default=8888, help="of the web page; default: %(default)s")
    asyncio.run(main(parser.parse_args()))
