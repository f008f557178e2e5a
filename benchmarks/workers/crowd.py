"""Many connections, ten of which carry messages: `crowd.py receive` listens, `crowd.py send` connects.

The connections are opened fifty at a time. Both sides measure the opening, and the messages from the first to the last.
"""

import argparse

from common import Clock, Worker, allow_many_files, print_result, resident_bytes
from proton import Message
from proton.reactor import Container

AT_ONCE = 50
BUSY = 10


class Side(Worker):
    """What both sides count: connections as they open, messages as they are done."""

    def __init__(self, options, **settings):
        super().__init__(options, **settings)
        self.opened = self.done = 0
        self.traffic = Clock()

    def count_opened(self):
        self.opened += 1
        if self.opened == self.options.connections:
            self.opening = self.clock.read()
            self.traffic.start()

    def count_done(self):
        """True for the last one."""
        self.done += 1
        if self.done < self.options.messages:
            return False
        traffic = self.traffic.read()
        print_result(**traffic, opening=self.opening["cpu"], bytes=resident_bytes())
        return True


class Send(Side):
    def __init__(self, options):
        super().__init__(options)
        self.connections = []
        self.sent = 0

    def on_start(self, event):
        for _ in range(min(AT_ONCE, self.options.connections)):
            self.connect(event.container)

    def connect(self, container):
        self.connections.append(container.connect(self.url, reconnect=False))

    def on_connection_opened(self, event):
        self.count_opened()
        if len(self.connections) < self.options.connections:
            self.connect(event.container)
        elif self.opened == self.options.connections:
            for connection in self.connections[:BUSY]:
                event.container.create_sender(connection, "crowd")

    def on_sendable(self, event):
        while event.sender.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent, "d": "x" * 100}))

    def on_accepted(self, event):
        if self.count_done():
            for connection in self.connections:
                connection.close()


class Receive(Side):
    def __init__(self, options):
        super().__init__(options, prefetch=100)

    def on_start(self, event):
        self.listen(event.container)

    def on_connection_opened(self, event):
        if not self.opened:
            self.clock.start()
        self.count_opened()

    def on_message(self, event):
        if self.count_done():
            self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--connections", type=int, default=BUSY)
    options = parser.parse_args()
    allow_many_files()
    Container({"send": Send, "receive": Receive}[options.role](options)).run()
