"""The memory of what an engine keeps: `sizes.py KIND` makes some of a kind, then --count more, and tells their bytes.

The other end lives in a child process, so that this one holds one end alone: the parent sends what a transport has
written, the child answers with what its own has. Nothing here has a socket, a loop or a handler.

With --traced the bytes are those that Python has allocated, by `tracemalloc`, which does not see what an engine in C
allocates; else those by which the resident memory has grown.
"""

import argparse
import gc
import os
import struct

from common import print_result, resident_bytes
from proton import Collector, Connection, Event, Message, Transport

#: what comes before the bytes of a transport: its number and how many they are
HEADER = struct.Struct(">II")
#: made before the measurement: what the first of a kind makes is not its own
FIRST = 20


class End:
    """Some connections of one end, with their transports and one collector, as a container has them."""

    def __init__(self, server):
        self.server = server
        self.collector = Collector()
        self.transports = []
        self.connections = []

    def add(self):
        connection = Connection()
        connection.collect(self.collector)
        transport = Transport(Transport.SERVER) if self.server else Transport()
        transport.bind(connection)
        self.connections.append(connection)
        self.transports.append(transport)
        return connection

    def take(self, number):
        """What a transport has to say."""
        transport = self.transports[number]
        taken = []
        while transport.pending() > 0:
            data = bytes(transport.peek(transport.pending()))
            transport.pop(len(data))
            taken.append(data)
        return b"".join(taken)

    def give(self, number, data):
        transport = self.transports[number]
        while data:
            room = transport.capacity()
            transport.push(data[:room])
            data = data[room:]
            self.handle()

    def handle(self):
        """Takes the events; the server opens what the client has opened, and sends as much as it has credit for."""
        while self.collector.peek() is not None:
            event = self.collector.peek()
            if self.server:
                self.answer(event)
            self.collector.pop()

    def answer(self, event):
        kind = event.type
        if kind == Event.CONNECTION_REMOTE_OPEN:
            event.connection.open()
        elif kind == Event.SESSION_REMOTE_OPEN:
            event.session.open()
        elif kind == Event.LINK_REMOTE_OPEN:
            event.link.open()
            if event.link.is_receiver:
                event.link.flow(1_000_000)
        elif kind == Event.LINK_FLOW and event.link.is_sender:
            while event.link.credit > 0:
                event.link.send(Message(body="x"))
        elif kind == Event.DELIVERY and event.link.is_receiver and not event.delivery.partial:
            event.link.advance()


def answer_all(source, sink):
    """The child: the other ends, until there is nothing more to read."""
    server = End(server=True)
    while True:
        header = source.read(HEADER.size)
        if not header:
            return
        number, size = HEADER.unpack(header)
        while len(server.connections) <= number:
            server.add()
        server.give(number, source.read(size))
        answer = server.take(number)
        sink.write(HEADER.pack(number, len(answer)) + answer)
        sink.flush()


class Client(End):
    def __init__(self):
        super().__init__(server=False)
        to_child, from_parent = os.pipe(), os.pipe()
        if not os.fork():
            os.close(to_child[1]), os.close(from_parent[0])
            answer_all(os.fdopen(to_child[0], "rb"), os.fdopen(from_parent[1], "wb"))
            os._exit(0)
        os.close(to_child[0]), os.close(from_parent[1])
        self.source, self.sink = os.fdopen(from_parent[0], "rb"), os.fdopen(to_child[1], "wb")

    def exchange(self, number=0):
        """Until neither end has more to say."""
        while True:
            data = self.take(number)
            self.sink.write(HEADER.pack(number, len(data)) + data)
            self.sink.flush()
            _, size = HEADER.unpack(self.source.read(HEADER.size))
            self.give(number, self.source.read(size))
            self.handle()
            if not data and not size:
                return


class Kind:
    """Makes some more of what is measured, and checks that all are there."""

    def __init__(self, name):
        self.name = name
        self.client = Client()
        self.made = []
        if name == "connection":
            return
        self.connection = self.client.add()
        self.connection.open()
        if name != "session":
            self.session = self.connection.session()
            self.session.open()
        if name.endswith("delivery"):
            make = self.session.sender if name == "sent delivery" else self.session.receiver
            self.link = make("link")
            self.link.open()
        self.client.exchange()

    def make(self, count):
        if self.name.endswith("delivery"):
            self.make_deliveries(count)
            assert self.link.unsettled >= count, self.link.unsettled
            return
        for _ in range(count):
            self.made.append(self.make_one(len(self.made)))
        if self.name != "connection":
            self.client.exchange()
        active = self.made[-1].LOCAL_ACTIVE | self.made[-1].REMOTE_ACTIVE
        assert all(endpoint.state == active for endpoint in self.made)

    def make_one(self, number):
        if self.name == "connection":
            endpoint = self.client.add()
        elif self.name == "session":
            endpoint = self.connection.session()
        elif self.name == "sender":
            endpoint = self.session.sender(f"link {number}")
        else:
            endpoint = self.session.receiver(f"link {number}")
        endpoint.open()
        if self.name == "connection":
            self.client.exchange(number)
        return endpoint

    def make_deliveries(self, count):
        if self.name == "sent delivery":
            for _ in range(count):
                self.link.send(Message(body="x"))
            self.client.exchange()
            return
        self.link.flow(count)
        self.client.exchange()
        for _ in range(count):
            self.link.recv(self.link.current.pending)
            self.link.advance()


def traced_bytes():
    import tracemalloc

    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = ("connection", "session", "sender", "receiver", "sent delivery", "received delivery")
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--traced", action="store_true")
    options = parser.parse_args()
    read = traced_bytes if options.traced else resident_bytes
    read()  # tracing begins here
    measured = Kind(options.kind)
    measured.make(FIRST)
    before = read()
    measured.make(options.count)
    print_result(bytes=(read() - before) / options.count)
