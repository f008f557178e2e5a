"""What closed connections leave to the garbage collector: --connections of one container to itself, with a link each.

The collector is off while they open and close. What it then frees waited for it: objects, and the bytes that
`tracemalloc` saw (an engine in C allocates others), per connection.
"""

import argparse
import gc
import tracemalloc

from common import Worker, print_result
from proton import Handler
from proton.reactor import Container

#: connections before the measurement: what the first ones make is not their own
FIRST = 20
#: seconds for both ends of the last connection to finish
REST = 0.2


class Then(Handler):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_timer_task(self, event):
        self.act(event.container)


class Closed(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.rest = 0

    def on_start(self, event):
        self.listen(event.container)
        self.begin(event.container, FIRST, self.measure)

    def begin(self, container, count, then):
        self.rest, self.then = count, then
        self.next(container)

    def next(self, container):
        self.rest -= 1
        connection = container.connect(self.url, reconnect=False)
        container.create_sender(connection, "closed")

    def on_link_opened(self, event):
        if event.sender:
            event.connection.close()

    def on_connection_closed(self, event):
        if event.connection.link_head(0).is_receiver:
            return
        if self.rest:
            self.next(event.container)
        else:
            event.container.schedule(REST, Then(self.then))

    def measure(self, container):
        gc.collect()
        gc.disable()
        tracemalloc.start()
        self.begin(container, self.options.connections, self.end)

    def end(self, container):
        before = tracemalloc.get_traced_memory()[0]
        objects = gc.collect()
        freed = before - tracemalloc.get_traced_memory()[0]
        count = self.options.connections
        print_result(objects=objects / count, bytes=freed / count)
        self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args()
    Container(Closed(options)).run()
