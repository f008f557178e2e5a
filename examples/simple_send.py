"""Sends numbered messages to an address and ends when each has been answered for.

The peer is a broker (broker.py) or a program that listens (direct_recv.py). When the connection is lost it is made
again, and what was not confirmed is sent again: the receiving side may then see a message twice.
"""

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Send(MessagingHandler):
    def __init__(self, url, total):
        super().__init__()
        self.url = url
        self.total = total
        self.sent = 0
        self.confirmed = 0
        self.refused = 0

    def on_start(self, event):
        event.container.create_sender(self.url)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.total:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent}))

    def on_accepted(self, event):
        self.confirmed += 1
        self.close_after_last(event)

    def on_rejected(self, event):
        self.refused += 1
        self.close_after_last(event)

    on_released = on_rejected

    def close_after_last(self, event):
        if self.confirmed + self.refused == self.total:
            print("all messages confirmed" if not self.refused else f"{self.refused} messages refused")
            event.connection.close()

    def on_disconnected(self, event):
        self.sent = self.confirmed + self.refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    options = parser.parse_args()
    Container(Send(options.address, options.messages)).run()
