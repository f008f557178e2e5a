"""A base for servers that answer requests which a broker (broker.py) holds: a subclass says what the answer is.

The links are made before the loop runs; they are opened as soon as it does. Run as a program it is a server that
reverses what it gets.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Message, Url
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import Any

    from proton.handlers import LinkEvent, MessageEvent


class Server(MessagingHandler):
    """Answers what comes to an address: `on_request` gets the body of a request and returns that of its response."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = Url(url)
        self.container = Container(self)
        self.connection = self.container.connect(self.url)
        self.receiver = self.container.create_receiver(self.connection, self.url.path)
        self.sender = self.container.create_sender(self.connection, None)

    def on_request(self, body: Any) -> Any:
        raise NotImplementedError

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.receiver == self.receiver:
            print(f"serving {self.url.path}", flush=True)

    def on_message(self, event: MessageEvent) -> None:
        request = event.message
        if request.reply_to:
            response = Message(address=request.reply_to, correlation_id=request.correlation_id)
            response.body = self.on_request(request.body)
            self.sender.send(response)

    def run(self) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            self.container.run()
            sys.exit("ended before the work was done")


class Reverse(Server):
    def on_request(self, body: Any) -> Any:
        return body[::-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    Reverse(parser.parse_args().address).run()
