"""Listens, with no broker, and sends numbered messages to whoever connects to receive them (simple_recv.py)."""

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Send(MessagingHandler):
    def __init__(self, url, total):
        super().__init__()
        self.url = url
        self.total = total
        self.acceptor = None
        self.sent = 0
        self.confirmed = 0

    def on_start(self, event):
        self.acceptor = event.container.listen(self.url)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.total:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent}))

    def on_accepted(self, event):
        self.confirmed += 1
        if self.confirmed == self.total:
            print("all messages confirmed")
            self.acceptor.close()
            event.connection.close()

    def on_disconnected(self, event):
        self.sent = self.confirmed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    options = parser.parse_args()
    Container(Send(options.address, options.messages)).run()
