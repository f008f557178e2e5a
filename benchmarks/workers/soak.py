"""Very many messages over very many connections within one process, which is both ends: what grows with them?

Ten connections at a time; each sends its share of messages and closes. Beside them one connection stays, on which a
link is opened, used once and closed for each of them. Ten marks tell the memory and the descriptors in use; two more,
a tenth further, how much of what was allocated in between is still there.
"""

import argparse
import gc
import os
import tracemalloc

from common import Worker, allow_many_files, print_result, resident_bytes
from proton import Message
from proton.reactor import Container

AT_ONCE = 10
MARKS = 10


class Soak(Worker):
    def __init__(self, options):
        super().__init__(options, prefetch=100)
        self.share = options.messages // options.connections
        self.step = options.connections // MARKS
        self.traced_step = max(1, self.step // 10)
        self.last = self.step * MARKS + 2 * self.traced_step
        self.next_mark = self.step
        self.begun = self.ended = self.received = 0
        self.unsent = {}  # by connection
        self.marks = []
        self.traced = []

    def on_start(self, event):
        self.listen(event.container)
        self.stays = event.container.connect(self.url, reconnect=False)
        for _ in range(AT_ONCE):
            self.begin(event.container)

    def begin(self, container):
        if self.begun < self.last:
            self.begun += 1
            connection = container.connect(self.url, reconnect=False)
            self.unsent[connection] = self.share
            container.create_sender(connection, "soak")
            container.create_sender(self.stays, f"soak{self.begun}")

    def on_sendable(self, event):
        sender, connection = event.sender, event.connection
        if connection is self.stays:
            if not hasattr(sender, "used"):
                sender.used = sender.send(Message(body="once"))
            return
        while sender.credit > 0 and self.unsent.get(connection, 0) > 0:
            self.unsent[connection] -= 1
            sender.send(Message(id=self.unsent[connection], body={"number": self.begun, "text": "x" * 80}))

    def on_settled(self, event):
        if event.connection is self.stays:
            event.link.close()
        elif self.unsent.get(event.connection) == 0 and event.link.unsettled == 1:
            del self.unsent[event.connection]
            event.connection.close()

    def on_message(self, event):
        self.received += 1

    def on_connection_closed(self, event):
        if getattr(event.connection, "_acceptor", None) or event.connection is self.stays:
            return
        self.ended += 1
        if self.ended == self.next_mark:
            self.mark(self.ended > self.step * MARKS)
        if self.ended < self.last:
            self.begin(event.container)
        else:
            self.acceptor.close()
            self.stays.close()

    def mark(self, traced):
        gc.collect()
        if traced:
            self.traced.append({"connections": self.ended, "bytes": tracemalloc.get_traced_memory()[0]})
        else:
            descriptors = len(os.listdir("/proc/self/fd"))
            objects = len(gc.get_objects())
            seen = {"messages": self.received, "connections": self.ended, "bytes": resident_bytes()}
            self.marks.append(dict(seen, descriptors=descriptors, objects=objects))
        if self.ended >= self.step * MARKS:
            if not tracemalloc.is_tracing():
                tracemalloc.start()
            self.next_mark += self.traced_step
        else:
            self.next_mark += self.step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args()
    allow_many_files()
    soak = Soak(options)
    Container(soak).run()
    print_result(marks=soak.marks, traced=soak.traced, **soak.clock.read())
