"""Hello World by way of a broker (broker.py will do): sends one message to an address and receives it from there."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Message, Url
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, MessageEvent, SendableEvent


class HelloWorld(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.done = False
        self.url = Url(url)

    def on_start(self, event: ContainerEvent) -> None:
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path)
        event.container.create_sender(connection, self.url.path)

    def on_sendable(self, event: SendableEvent) -> None:
        event.sender.send(Message(body="Hello World!"))
        event.sender.close()

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body)
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    program = HelloWorld(parser.parse_args().address)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
