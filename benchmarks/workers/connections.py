"""Connections: `accept` listens; `cycle` and `blocking` open and close one after the other; `idle` holds many.

`within` does both in one container: it listens, and opens and closes connections to itself, --at-once at a time.

With --marks `accept` and `cycle` measure the --window connections that follow each mark, with --held other
connections open beside them. `links` does the same with links on one session.

With `idle` both sides say by how much their memory grew from the first connection to the last, per connection.
"""

import argparse

from common import Clock, Worker, add_tls, allow_many_files, container, print_result, resident_bytes
from proton import Handler
from proton.utils import BlockingConnection

# Time for both sides to finish what the last connection set off.
REST = 0.5


class Measure(Handler):
    def __init__(self, worker):
        super().__init__()
        self.worker = worker

    def on_timer_task(self, event):
        grown = resident_bytes() - self.worker.before
        print_result(bytes=grown / (self.worker.options.connections - 1))
        self.worker.measured()


class Edges:
    """What the clock says at each mark, and --window later."""

    def __init__(self, options):
        self.numbers = {edge for mark in options.marks for edge in (mark + 1, mark + options.window)}
        self.read = {}

    def pass_by(self, number, clock):
        if number in self.numbers:
            self.read[number] = clock.read()


class Accept(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.opened = 0
        self.closed = 0
        self.before = 0
        self.edges = Edges(options)

    def on_start(self, event):
        self.listen(event.container)

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 1 + self.options.held:
            self.before = resident_bytes()
            self.clock.start()
        self.edges.pass_by(self.opened - self.options.held, self.clock)
        if self.opened == self.options.connections and self.options.hold:
            event.container.schedule(REST, Measure(self))

    def on_connection_closed(self, event):
        self.closed += 1
        if self.closed == self.options.connections:
            if not self.options.hold:
                print_result(**self.clock.read(), edges=self.edges.read)
            self.acceptor.close()

    def measured(self):
        pass


class Cycle(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.count = 0
        self.held = []
        self.edges = Edges(options)

    def on_start(self, event):
        self.next(event.container)

    def next(self, container):
        connection = container.connect(self.url, reconnect=False)
        if len(self.held) < self.options.held:
            self.held.append(connection)
            return
        if not self.count:
            self.clock.start()
        self.edges.pass_by(self.count + 1, self.clock)

    def on_connection_opened(self, event):
        if self.count or event.connection not in self.held:
            event.connection.close()
        else:
            self.next(event.container)

    def on_connection_closed(self, event):
        if event.connection in self.held:
            return
        self.count += 1
        if self.count < self.options.connections:
            self.next(event.container)
        else:
            print_result(**self.clock.read(), edges=self.edges.read)
            for connection in self.held:
                connection.close()


class Within(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.opened = self.closed = 0

    def on_start(self, event):
        self.listen(event.container)
        self.clock.start()
        for _ in range(self.options.at_once):
            self.next(event.container)

    def next(self, container):
        if self.opened < self.options.connections:
            self.opened += 1
            container.connect(self.url, reconnect=False)

    def on_connection_opened(self, event):
        if not self.is_accepted(event.connection):
            event.connection.close()

    def on_connection_closed(self, event):
        if self.is_accepted(event.connection):
            return
        self.closed += 1
        self.next(event.container)
        if self.closed == self.options.connections:
            print_result(**self.clock.read())
            self.acceptor.close()

    def is_accepted(self, connection):
        return getattr(connection, "_acceptor", None) is not None


class Links(Worker):
    """Senders of one session, attached and closed one after the other."""

    def __init__(self, options):
        super().__init__(options)
        self.count = 0
        self.edges = Edges(options)

    def on_start(self, event):
        self.session = event.container.connect(self.url, reconnect=False).session()
        self.session.open()
        self.next(event.container)

    def next(self, container):
        self.count += 1
        self.edges.pass_by(self.count, self.clock)
        container.create_sender(self.session, f"q{self.count}")

    def on_link_opened(self, event):
        event.link.close()

    def on_link_closed(self, event):
        event.link.free()
        if self.count < self.options.connections:
            self.next(event.container)
        else:
            print_result(**self.clock.read(), edges=self.edges.read)
            event.connection.close()


class AcceptLinks(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.count = 0
        self.edges = Edges(options)

    def on_start(self, event):
        self.listen(event.container)

    def on_link_opened(self, event):
        self.count += 1
        self.edges.pass_by(self.count, self.clock)

    def on_link_closed(self, event):
        event.link.free()
        if self.count == self.options.connections:
            print_result(**self.clock.read(), edges=self.edges.read)
            self.acceptor.close()


class Idle(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.connections = []
        self.before = 0

    def on_start(self, event):
        self.connect(event.container)

    def connect(self, container):
        self.connections.append(container.connect(self.url, reconnect=False))

    def on_connection_opened(self, event):
        if len(self.connections) == 1:
            self.before = resident_bytes()
        if len(self.connections) < self.options.connections:
            self.connect(event.container)
        else:
            event.container.schedule(REST * 2, Measure(self))

    def measured(self):
        for connection in self.connections:
            connection.close()


def blocking(options):
    clock = Clock()
    for _ in range(options.connections):
        BlockingConnection(f"127.0.0.1:{options.port}").close()
    print_result(**clock.read())


ROLES = {
    "accept": Accept,
    "cycle": Cycle,
    "within": Within,
    "idle": Idle,
    "links": Links,
    "accept-links": AcceptLinks,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("blocking", *ROLES))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--held", type=int, default=0)
    parser.add_argument("--marks", type=lambda text: [int(part) for part in text.split(",")], default=[])
    parser.add_argument("--window", type=int, default=200)
    parser.add_argument("--hold", action="store_true", help="for accept: the peer is `idle`, not `cycle`")
    add_tls(parser)
    options = parser.parse_args()
    allow_many_files()
    if options.role == "blocking":
        blocking(options)
    else:
        container(ROLES[options.role](options)).run()
