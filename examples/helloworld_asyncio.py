"""Hello World by way of a broker, in an asyncio program that does something else at the same time."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import proton_asyncio
from proton import Message, Url
from proton.handlers import MessagingHandler

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, LinkEvent, MessageEvent


class HelloWorld(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = Url(url)
        self.opened = asyncio.Event()
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    def on_start(self, event: ContainerEvent) -> None:
        self.connection = event.container.connect(self.url)
        event.container.create_receiver(self.connection, self.url.path)
        self.sender = event.container.create_sender(self.connection, self.url.path)

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.sender:
            self.opened.set()

    def on_message(self, event: MessageEvent) -> None:
        self.messages.put_nowait(event.message)


async def talk(hello: HelloWorld, container: proton_asyncio.Container) -> None:
    await hello.opened.wait()
    hello.sender.send(Message(body="Hello World!"))
    container.touch()
    message = await hello.messages.get()
    print(message.body)
    hello.connection.close()
    container.touch()


async def main(url: str) -> None:
    hello = HelloWorld(url)
    container = proton_asyncio.Container(hello)
    running = asyncio.ensure_future(container.run_async())
    talking = asyncio.ensure_future(talk(hello, container))
    await asyncio.wait([running, talking], return_when=asyncio.FIRST_COMPLETED)
    if not talking.done():
        sys.exit("ended before the work was done")
    await asyncio.gather(running, talking)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    asyncio.run(main(parser.parse_args().address))
