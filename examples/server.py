"""Answers requests that a broker (broker.py) holds at an address: the response is the request in capitals.

One sender without an address carries all responses: each goes where its message is addressed to. The broker says that
it can do so by the capability ANONYMOUS-RELAY.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Condition, Endpoint, Message, Url
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, GaveUpEvent, LinkEvent, MessageEvent

RELAY = "ANONYMOUS-RELAY"


class Server(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = Url(url)

    def on_start(self, event: ContainerEvent) -> None:
        connection = event.container.connect(self.url, desired_capabilities=RELAY)
        self.receiver = event.container.create_receiver(connection, self.url.path)
        self.sender = event.container.create_sender(connection, None)

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        if RELAY not in (event.connection.remote_offered_capabilities or ()):
            print(f"the broker does not offer {RELAY}")
            event.connection.condition = Condition("amqp:not-implemented", f"{RELAY} is needed")
            event.connection.close()

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.receiver == self.receiver and event.connection.state & Endpoint.LOCAL_ACTIVE:
            print(f"serving {self.url.path}", flush=True)

    def on_gave_up(self, event: GaveUpEvent) -> None:
        sys.exit(f"gave up: {event.reason}")

    def on_message(self, event: MessageEvent) -> None:
        request = event.message
        print(f"Received {request.body}", flush=True)
        if request.reply_to:
            response = Message(address=request.reply_to, correlation_id=request.correlation_id)
            response.body = str(request.body).upper()
            self.sender.send(response)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        Container(Server(parser.parse_args().address)).run()
        sys.exit("ended before the work was done")
