"""A sender of large bodies, and a receiver that reads them as they come, behind a session window in bytes.

`streams.py receive` listens, `streams.py send` connects. No body is held by the receiver: it counts what it reads.
"""

import argparse

from common import Clock, Worker, print_result
from proton import Delivery, Handler, Message
from proton.handlers import Handshaker
from proton.reactor import Container


class Send(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.body = bytes(options.size)
        self.sent = self.accepted = 0

    def on_start(self, event):
        event.container.create_sender(event.container.connect(self.url, reconnect=False), "bodies")

    def on_sendable(self, event):
        if self.sent == 0:
            self.clock.start()
        while event.link.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.link.send(Message(id=self.sent, body=self.body, inferred=True))

    def on_accepted(self, event):
        self.accepted += 1
        if self.accepted == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


class Reading(Handler):
    """Takes the place of the handlers that wait for whole messages, on the listener's connections."""

    def __init__(self, options, done):
        super().__init__()
        self.add(Handshaker())
        self.options = options
        self.done = done
        self.clock = Clock()
        self.count = self.read = 0

    def on_session_remote_open(self, event):
        event.session.incoming_capacity = self.options.capacity

    def on_link_remote_open(self, event):
        event.link.flow(10)

    def on_delivery(self, event):
        delivery = event.delivery
        link = delivery.link
        if link.current != delivery:
            return
        if not self.read:
            self.clock.start()
        data = link.recv(delivery.pending) if delivery.pending else b""
        self.read += len(data or b"")
        if not delivery.partial:
            link.advance()
            link.flow(1)
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()
            self.count += 1
            if self.count == self.options.messages:
                print_result(**self.clock.read(), read=self.read)
                self.done()


class Receive(Worker):
    def on_start(self, event):
        reading = Reading(self.options, lambda: self.acceptor.close())
        self.acceptor = event.container.acceptor("127.0.0.1", self.options.port, reading)
        print("ready", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--size", type=int, default=1 << 20)
    parser.add_argument("--capacity", type=int, default=1 << 20, help="bytes of the session's incoming window")
    options = parser.parse_args()
    Container({"send": Send, "receive": Receive}[options.role](options)).run()
