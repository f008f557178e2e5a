"""Listens, with no broker, and answers requests (client.py): the response is the request in capitals.

A client that wants responses opens a receiver with a dynamic source; this server names it and sends them there.
"""

from __future__ import annotations

import argparse
import contextlib
import uuid
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton import Sender
    from proton.handlers import ConnectionEvent, ContainerEvent, LinkEvent, MessageEvent


class Server(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.senders: dict[str | None, Sender] = {}

    def on_start(self, event: ContainerEvent) -> None:
        event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_link_opening(self, event: LinkEvent) -> None:
        link = event.link
        link.target.address = link.remote_target.address
        link.source.address = link.remote_source.address
        if event.sender:
            if link.remote_source.dynamic:
                link.source.dynamic = True
                link.source.address = str(uuid.uuid4())
            self.senders[link.source.address] = event.sender

    def on_link_closing(self, event: LinkEvent) -> None:
        if event.link.is_sender:
            self.senders.pop(event.link.source.address, None)

    def on_connection_closing(self, event: ConnectionEvent) -> None:
        # Clients may leave without closing their links first.
        gone = [address for address, link in self.senders.items() if link.connection == event.connection]
        for address in gone:
            del self.senders[address]

    on_disconnected = on_connection_closing

    def on_message(self, event: MessageEvent) -> None:
        request = event.message
        print(f"Received {request.body}", flush=True)
        sender = self.senders.get(request.reply_to)
        if sender is not None:
            body = str(request.body).upper()
            sender.send(Message(address=request.reply_to, correlation_id=request.correlation_id, body=body))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        Container(Server(parser.parse_args().address)).run()
