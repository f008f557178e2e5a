"""Sends requests, one after the other, and prints each with its response.

The server is server_direct.py, or server.py with a broker between. Responses come to an address that the peer makes
for this connection (a dynamic source), which every request carries as its `reply_to`.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proton.handlers import ContainerEvent, LinkEvent, MessageEvent

REQUESTS = (
    "Twas brillig, and the slithy toves",
    "Did gire and gymble in the wabe.",
    "All mimsy were the borogroves,",
    "And the mome raths outgrabe.",
)


class Client(MessagingHandler):
    def __init__(self, url: str, requests: Sequence[str]) -> None:
        super().__init__()
        self.done = False
        self.url = url
        self.waiting = list(requests)

    def on_start(self, event: ContainerEvent) -> None:
        self.sender = event.container.create_sender(self.url)
        self.receiver = event.container.create_receiver(self.sender.connection, None, dynamic=True)

    def on_link_opened(self, event: LinkEvent) -> None:
        # The address to reply to is known once the peer has opened the receiver.
        # Nothing can be asked if the sender was refused, which is the next callback.
        if event.receiver == self.receiver and not self.sender.state & Endpoint.REMOTE_CLOSED:
            self.ask()

    def ask(self) -> None:
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message(reply_to=reply_to, correlation_id=len(self.waiting), body=self.waiting[0]))

    def on_message(self, event: MessageEvent) -> None:
        if event.message.correlation_id != len(self.waiting):
            return
        print(f"{self.waiting.pop(0)} => {event.message.body}")
        if self.waiting:
            self.ask()
        else:
            self.done = True
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("requests", nargs="*", default=REQUESTS, help="texts to send; a verse when left out")
    options = parser.parse_args()
    program = Client(options.address, options.requests)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
