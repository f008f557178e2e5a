"""A sender and a receiver of many messages: `messages.py receive` listens, `messages.py send` connects.

Each measures itself between its first message and its last, so connecting and attaching do not count. With --marks
both also measure the --window messages that follow each mark. --links and --idle put more links on the session and
more connections beside it.
"""

import argparse

from common import Clock, Worker, add_tls, allow_many_files, container, print_result
from proton import Message


class Counter:
    """Counts messages; reads the clock at the ends and around the windows."""

    def __init__(self, options):
        self.total = options.messages
        self.count = 0
        self.clock = Clock()
        self.windows = []
        self.edges = {}
        for mark in options.marks:
            self.edges[mark] = self.edges[mark + options.window] = None

    def first(self):
        self.clock.start()

    def next(self):
        """Counts one; true for the last."""
        self.count += 1
        if self.count in self.edges:
            self.edges[self.count] = self.clock.read()
        return self.count == self.total

    def print_result(self):
        print_result(**self.clock.read(), edges=self.edges)


class Send(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.counter = Counter(options)
        self.sent = 0
        self.filler = bytes(options.size)
        self.busy = []
        self.connections = []
        self.idle_opened = 0
        self.links_opened = 0

    def on_start(self, event):
        for _ in range(self.options.idle):
            self.connections.append(event.container.connect(self.url, reconnect=False))
        if not self.options.idle:
            self.attach(event.container)

    def on_connection_opened(self, event):
        if not self.busy:
            self.idle_opened += 1
            if self.idle_opened == self.options.idle:
                self.attach(event.container)

    def attach(self, container):
        connection = container.connect(self.url, reconnect=False)
        links = [container.create_sender(connection, f"q{n}") for n in range(self.options.links)]
        self.connections.append(connection)
        self.busy = links[: self.options.busy or None]

    def on_link_opened(self, event):
        self.links_opened += 1

    def on_sendable(self, event):
        if self.sent == 0 and self.links_opened == self.options.links:
            # All links are there: from now on messages are all that happens.
            self.counter.first()
            for link in self.busy:
                self.send(link)
        elif self.sent and (len(self.busy) == self.options.links or event.link in self.busy):
            self.send(event.link)

    def send(self, link):
        if self.filler:
            while link.credit > 0 and self.sent < self.options.messages:
                self.sent += 1
                link.send(Message(id=self.sent, body=self.filler, inferred=True))
            return
        while link.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            link.send(Message(id=self.sent, body={"sequence": self.sent, "d": "x" * 100}))

    def on_accepted(self, event):
        if self.counter.next():
            self.counter.print_result()
            for connection in self.connections:
                connection.close()


class Receive(Worker):
    def __init__(self, options):
        super().__init__(options, prefetch=options.prefetch)
        self.counter = Counter(options)

    def on_start(self, event):
        self.listen(event.container)

    def on_message(self, event):
        if self.counter.count == 0:
            self.counter.first()
        if self.counter.next():
            self.counter.print_result()
            self.acceptor.close()


def marks(text):
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=100)
    parser.add_argument("--size", type=int, default=0, help="bytes in a data section, in place of the small map")
    parser.add_argument("--links", type=int, default=1)
    parser.add_argument("--busy", type=int, default=0, help="how many of the links carry messages; 0: all")
    parser.add_argument("--idle", type=int, default=0, help="connections that do nothing")
    parser.add_argument("--marks", type=marks, default=[])
    parser.add_argument("--window", type=int, default=1000)
    add_tls(parser)
    options = parser.parse_args()
    allow_many_files()
    container({"send": Send, "receive": Receive}[options.role](options)).run()
