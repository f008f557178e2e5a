"""Floods over sockets into a running container: reading stops, memory stays, and it all goes on by itself."""

from __future__ import annotations

import socket

import pytest

from proton import Message
from proton.handlers import IOHandler, MessagingHandler
from proton.io.socket_handler import PythonIO
from proton.reactor import Container
from tests.support.engines import AMQP_HEADER, frame
from tests.support.loops import watchdog
from tests.support.violations import attach, begin, transfer

#: turns of the loop without a byte after which a side counts as waiting
IDLE = 100
OPEN = AMQP_HEADER + frame(0, "open", container_id="flood")


class Server(MessagingHandler):
    """Answers everything; `settings` are those of the transport of each caller."""

    def __init__(self, **settings):
        super().__init__(prefetch=10_000)
        self.settings = settings
        self.messages = 0
        self.closed = 0
        self.connection = None

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_connection_bound(self, event):
        for name, value in self.settings.items():
            setattr(event.transport, name, value)
        self.connection = event.connection

    def on_session_closing(self, event):
        self.closed += 1

    def on_message(self, event):
        self.messages += 1


class Flood:
    """A caller with a raw socket, and a container that is stepped by the test."""

    def __init__(self, server, io=IOHandler):
        self.server = server
        self.container = Container(server, global_handler=io())
        self.container.timeout = 0.001
        self.container.start()
        self.container.process()
        self.sock = socket.socket()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # little lies in between
            self.sock.setsockopt(socket.SOL_SOCKET, option, 16384)
        self.sock.connect(("127.0.0.1", server.acceptor.port))
        self.sock.setblocking(False)
        self.heard = bytearray()

    def send(self, data, turns=IDLE):
        """How much of it goes out before the container takes no more for so many turns."""
        sent = idle = 0
        while sent < len(data) and idle < turns:
            try:
                sent += self.sock.send(data[sent : sent + 65536])
                idle = 0
            except BlockingIOError:
                idle += 1
            self.container.process()
        return sent

    def greet(self, data):
        """What the flood needs, and the answers to it."""
        self.send(data)
        self.read()

    def read(self):
        """What has come, as it comes, until nothing more does."""
        idle = 0
        while idle < IDLE:
            try:
                data = self.sock.recv(1 << 20)
                self.heard += data
                idle = 0 if data else IDLE
            except BlockingIOError:
                idle += 1
            self.container.process()

    def end(self):
        self.sock.close()
        self.server.acceptor.close()
        while self.container.process():
            pass


@pytest.fixture(params=[IOHandler, PythonIO], ids=lambda io: io.__name__)
def io(request):
    return request.param


def test_a_caller_that_reads_no_answers_is_not_read_either_until_it_does(io):
    server = Server(max_waiting_answers=100)
    flood = Flood(server, io)
    one = attach(1, name="n" * 200, handle=0) + frame(1, "detach", handle=0, closed=True)
    count = 20_000
    data = one * count
    with watchdog(flood.container):
        flood.greet(OPEN + begin(1))
        sent = flood.send(data)
        assert sent < len(data), "the container took it all"
        assert len(list(server.connection.links())) < 500, "links that are over wait for their answers"
        rest = data[sent:][: 2 * len(data) // count * 1000]
        rest = rest[: len(rest) - (sent + len(rest)) % len(one)]
        flood.read()
        assert flood.send(rest) == len(rest), "it goes on by itself, once its answers were read"
        flood.read()
        done = (sent + len(rest)) // len(one)
        assert flood.heard.count(b"\x00\x53\x12") == flood.heard.count(b"\x00\x53\x16") == done, "attach, detach"
        flood.end()


@pytest.mark.parametrize("most", [1, 50])
def test_the_loop_goes_on_by_itself_when_events_were_too_many(io, most):
    server = Server(max_waiting_events=most)
    flood = Flood(server, io)
    with watchdog(flood.container):
        flood.greet(OPEN + begin(0) + attach(0, name="a", handle=0))
        body = Message(body="x").encode()
        data = b"".join(transfer(0, delivery_id=n, delivery_tag=b"%d" % n, payload=body) for n in range(5000))
        assert flood.send(data, turns=2000) == len(data)
        for _ in range(2000):
            if server.messages == 5000:
                break
            flood.container.process()
        assert server.messages == 5000
        flood.end()


def test_one_callers_events_do_not_keep_another_out(io):
    server = Server(max_waiting_events=20)
    flood = Flood(server, io)
    other = socket.create_connection(("127.0.0.1", server.acceptor.port))
    other.setblocking(False)
    with watchdog(flood.container):
        flood.greet(OPEN + begin(0) + attach(0, name="a", handle=0))
        body = Message(body="x").encode()
        flood.sock.send(b"".join(transfer(0, delivery_id=n, delivery_tag=b"t", payload=body) for n in range(500)))
        other.send(OPEN + begin(0) + frame(0, "end"))
        for _ in range(500):
            if server.closed and server.messages == 500:
                break
            flood.container.process()
        assert (server.closed, server.messages) == (1, 500)
        other.close()
        flood.end()
