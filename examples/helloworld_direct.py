"""Hello World with no broker: this program listens, connects to itself, sends one message and prints it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, MessageEvent, OutcomeEvent, SendableEvent


class HelloWorld(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def on_start(self, event: ContainerEvent) -> None:
        self.acceptor = event.container.listen(self.url)
        event.container.create_sender(self.url)

    def on_sendable(self, event: SendableEvent) -> None:
        event.sender.send(Message(body="Hello World!"))
        # One message is all: a closed sender is not asked for more.
        event.sender.close()

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body)

    def on_accepted(self, event: OutcomeEvent) -> None:
        event.connection.close()

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        # Called for both ends of the connection; closing twice does no harm.
        self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:8888/examples", help="default: %(default)s")
    Container(HelloWorld(parser.parse_args().address)).run()
