"""Listens, with no broker, and sends numbered messages to the programs that connect (simple_recv.py)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, DisconnectedEvent, OutcomeEvent, SendableEvent


class Send(MessagingHandler):
    def __init__(self, url: str, total: int) -> None:
        super().__init__()
        self.url = url
        self.total = total
        self.sent = 0
        self.confirmed = 0

    def on_start(self, event: ContainerEvent) -> None:
        self.acceptor = event.container.listen(self.url)

    def on_sendable(self, event: SendableEvent) -> None:
        while event.sender.credit and self.sent < self.total:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent}))

    def on_accepted(self, event: OutcomeEvent) -> None:
        self.confirmed += 1
        if self.confirmed == self.total:
            print("all messages confirmed")
            self.acceptor.close()
            event.connection.close()

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        self.sent = self.confirmed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    options = parser.parse_args()
    Container(Send(options.address, options.messages)).run()
