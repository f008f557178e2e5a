"""Messages by way of a broker: `broker.py receive` and `broker.py send` connect to a queue at the same time.

Each measures itself between its first message and its last, or the last outcome. The receiver says `ready` when its
link is open, so that the queue is there. `broker.py both` is one program that sends and receives, over two connections.

`broker.py limit` finds out what the broker takes and gives when its client costs nothing: all bytes are made before the
clock starts, and what comes is only counted.
"""

import argparse
import select
import socket
import struct

from common import Clock, Worker, print_result
from proton import Collector, Connection, Message, Transport
from proton.reactor import Container

TRANSFER, DISPOSITION = 0x14, 0x15


def message(number):
    return Message(id=number, body={"sequence": number, "d": "x" * 100})


class Send(Worker):
    def __init__(self, options, **settings):
        super().__init__(options, **settings)
        self.sent = self.accepted = 0

    def on_start(self, event):
        connection = event.container.connect(f"127.0.0.1:{self.options.port}", reconnect=False)
        event.container.create_sender(connection, self.options.queue)

    def on_sendable(self, event):
        if self.sent == 0:
            self.clock.start()
        while event.sender.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.sender.send(message(self.sent))

    def on_accepted(self, event):
        self.accepted += 1
        self.end_if_done(event)

    def end_if_done(self, event):
        if self.accepted == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


class Receive(Worker):
    def __init__(self, options):
        super().__init__(options, prefetch=options.prefetch)
        self.count = 0

    def on_start(self, event):
        connection = event.container.connect(f"127.0.0.1:{self.options.port}", reconnect=False)
        event.container.create_receiver(connection, self.options.queue)

    def on_link_opened(self, event):
        print("ready", flush=True)

    def on_message(self, event):
        if self.count == 0:
            self.clock.start()
        self.count += 1
        if self.count == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


class Both(Send):
    def __init__(self, options):
        super().__init__(options, prefetch=options.prefetch)
        self.received = 0
        self.connections = []

    def connect(self, container):
        self.connections.append(container.connect(f"127.0.0.1:{self.options.port}", reconnect=False))
        return self.connections[-1]

    def on_start(self, event):
        event.container.create_receiver(self.connect(event.container), self.options.queue)

    def on_link_opened(self, event):
        if event.receiver:
            event.container.create_sender(self.connect(event.container), self.options.queue)

    def on_message(self, event):
        self.received += 1
        self.end_if_done(event)

    def end_if_done(self, event):
        if self.accepted == self.received == self.options.messages:
            print_result(**self.clock.read())
            for connection in self.connections:
                connection.close()


class Bare:
    """A link over a socket of its own; the engine only makes and answers what comes before the messages."""

    def __init__(self, options):
        self.options = options
        self.socket = socket.create_connection(("127.0.0.1", options.port))
        self.transport = Transport()
        self.transport.sasl()
        connection = Connection()
        connection.container = "limit"
        connection.collect(Collector())
        self.transport.bind(connection)
        connection.open()
        self.session = connection.session()
        self.session.open()

    def made(self):
        """The bytes that wait to be sent."""
        pieces = []
        while self.transport.pending() > 0:
            pieces.append(self.transport.peek(self.transport.pending()))
            self.transport.pop(len(pieces[-1]))
        return b"".join(pieces)

    def exchange_until(self, condition):
        self.socket.sendall(self.made())
        while not condition():
            self.transport.push(self.socket.recv(min(4096, self.transport.capacity())))
            self.socket.sendall(self.made())

    def send(self, to_send):
        """Sends bytes while the peer takes them, and gives back whole frames as they come."""
        rest = b""
        while True:
            readable, writable, _ = select.select([self.socket], [self.socket] if to_send else [], [])
            if writable:
                to_send = to_send[self.socket.send(to_send[:65536]) :]
            if readable:
                data = self.socket.recv(1 << 18)
                if not data:
                    raise RuntimeError("the broker has closed the connection")
                data = rest + data
                start = 0
                while len(data) - start >= 8:
                    size = struct.unpack_from(">I", data, start)[0]
                    if size > len(data) - start:
                        break
                    yield data[start : start + size]
                    start += size
                rest = data[start:]

    def measure_sending(self):
        link = self.session.sender(self.options.queue)
        link.target.address = self.options.queue
        link.open()
        self.exchange_until(lambda: link.credit >= self.options.messages)
        pieces = []
        for number in range(self.options.messages):
            link.delivery(str(number))
            link.stream(message(number).encode())
            link.advance()
            if number % 100 == 99:
                pieces.append(self.made())
        to_send = memoryview(b"".join([*pieces, self.made()]))
        clock = Clock()
        # A number takes five bytes where the broker does not bother to find a shorter form.
        last = b"\x70" + struct.pack(">I", self.options.messages - 1)
        for frame in self.send(to_send):
            if frame[10] == DISPOSITION and last in frame:
                return clock.read()

    def measure_receiving(self):
        link = self.session.receiver(self.options.queue)
        link.source.address = self.options.queue
        link.open()
        self.exchange_until(lambda: link.remote_source.address is not None)
        link.flow(self.options.messages)
        clock = Clock()
        count = 0
        for frame in self.send(memoryview(self.made())):
            count += frame[10] == TRANSFER
            if count == self.options.messages:
                return clock.read()


def measure_limit(options):
    sent, received = Bare(options).measure_sending(), Bare(options).measure_receiving()
    print_result(sent=sent["seconds"], received=received["seconds"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive", "both", "limit"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=500)
    options = parser.parse_args()
    if options.role == "limit":
        measure_limit(options)
    else:
        Container({"send": Send, "receive": Receive, "both": Both}[options.role](options)).run()
