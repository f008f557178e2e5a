"""Connections: `accept` listens; `cycle` and `blocking` open and close one after the other; `idle` holds many.

With `idle` both sides say by how much their memory grew from the first connection to the last, per connection.
"""

import argparse

from common import Clock, Worker, allow_many_files, print_result, resident_bytes
from proton import Handler
from proton.reactor import Container
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


class Accept(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.opened = 0
        self.closed = 0
        self.before = 0

    def on_start(self, event):
        self.listen(event.container)

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 1:
            self.before = resident_bytes()
            self.clock.start()
        if self.opened == self.options.connections and self.options.hold:
            event.container.schedule(REST, Measure(self))

    def on_connection_closed(self, event):
        self.closed += 1
        if self.closed == self.options.connections:
            if not self.options.hold:
                print_result(**self.clock.read())
            self.acceptor.close()

    def measured(self):
        pass


class Cycle(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.count = 0

    def on_start(self, event):
        self.clock.start()
        event.container.connect(self.url, reconnect=False)

    def on_connection_opened(self, event):
        event.connection.close()

    def on_connection_closed(self, event):
        self.count += 1
        if self.count < self.options.connections:
            event.container.connect(self.url, reconnect=False)
        else:
            print_result(**self.clock.read())


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("accept", "cycle", "blocking", "idle"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--hold", action="store_true", help="for accept: the peer is `idle`, not `cycle`")
    options = parser.parse_args()
    allow_many_files()
    if options.role == "blocking":
        blocking(options)
    else:
        Container({"accept": Accept, "cycle": Cycle, "idle": Idle}[options.role](options)).run()
