"""A server and a client made of the engine's own events, without `MessagingHandler`; the loop is driven by hand.

`Handshaker` opens and closes what the peer opens and closes, `FlowController` keeps receivers supplied with credit. The
rest is what the events say.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from proton import Delivery, Handler, Message, Url
from proton.handlers import FlowController, Handshaker
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import Any

    from proton.handlers import ConnectionEvent, DeliveryEvent, LinkEvent


class Server(Handler):
    """Receives; ends with its first connection."""

    def __init__(self) -> None:
        super().__init__()
        self.acceptor: Any = None
        self.add(Handshaker())
        self.add(FlowController(10))

    def on_delivery(self, event: DeliveryEvent) -> None:
        delivery = event.delivery
        if event.receiver and delivery.readable and not delivery.partial:
            message = Message()
            message.decode(event.receiver.recv(delivery.pending) or b"")
            event.receiver.advance()
            print(message.body, flush=True)
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        self.acceptor.close()


class Client(Handler):
    """Sends some messages and closes when the last is settled."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.add(Handshaker())
        self.total = total
        self.sent = self.settled = 0

    def on_connection_init(self, event: ConnectionEvent) -> None:
        session = event.connection.session()
        sender = session.sender("sender")
        sender.target.address = "examples"
        for endpoint in (event.connection, session, sender):
            endpoint.open()

    def on_link_flow(self, event: LinkEvent) -> None:
        while event.sender and event.sender.credit > 0 and self.sent < self.total:
            self.sent += 1
            event.sender.delivery(str(self.sent))
            event.sender.send(Message(body=f"message {self.sent}").encode())
            event.sender.advance()

    def on_delivery(self, event: DeliveryEvent) -> None:
        if event.sender and event.delivery.updated and event.delivery.settled:
            event.delivery.settle()
            self.settled += 1
            if self.settled == self.total:
                event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:8888", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=5, help="how many; default: %(default)s")
    options = parser.parse_args()
    url, server, container = Url(options.address), Server(), Container()
    container.timeout = 5
    container.start()
    server.acceptor = container.acceptor(url.host, url.port, server)
    client = container.connection(Client(options.messages))
    client.url = url
    while container.process():
        pass
