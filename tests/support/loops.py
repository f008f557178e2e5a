"""Containers for tests: one whose time is a number, one that runs in a thread, and peers that are played by hand.

Nothing here sleeps. Every thread is joined and every socket closed when its `with` block ends, and every wait on a
real socket has a limit.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace

from proton.handlers import MessagingHandler
from proton.reactor import Container

SECONDS = 20.0

CALLBACKS = [
    "on_connection_opening",
    "on_session_opening",
    "on_link_opening",
    "on_connection_opened",
    "on_session_opened",
    "on_link_opened",
    "on_connection_closing",
    "on_connection_closed",
    "on_session_closing",
    "on_session_closed",
    "on_link_closing",
    "on_link_closed",
    "on_disconnected",
    "on_sendable",
    "on_message",
    "on_accepted",
    "on_rejected",
    "on_released",
    "on_settled",
    "on_aborted",
    "on_transport_error",
    "on_connection_error",
    "on_session_error",
    "on_link_error",
]


class Recorder(MessagingHandler):
    """Notes its callbacks in `calls`, as "C name" on the connecting side, "S name" on the other, else "- name"."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []
        for name in CALLBACKS:
            self._record(name)

    def _record(self, name):
        inner = getattr(self, name, None)

        def callback(event):
            self.calls.append(f"{side(event)} {name[3:]}")
            if inner is not None:
                inner(event)

        setattr(self, name, callback)


def side(event):
    connection = event.connection
    if connection is None or isinstance(connection, str):
        return "-"
    return "S" if getattr(connection, "_acceptor", None) else "C"


class Clock:
    """A time that moves only when something waits."""

    def __init__(self, now=1000.0):
        self.now = now


class ClockSelector:
    """A selector that lets the whole time-out pass at once; it knows no sockets but that which wakes."""

    def __init__(self, clock):
        self.clock = clock
        self.waits = []

    def register(self, fileobj, events, data=None):
        pass

    def unregister(self, fileobj):
        pass

    def select(self, timeout=None):
        self.waits.append(timeout)
        self.clock.now += timeout or 0
        return []


class VirtualContainer(Container):
    """A container without sockets, whose time is that of a `Clock`."""

    def __init__(self, *handlers, **options):
        self.clock = Clock()
        self.waiting = ClockSelector(self.clock)
        super().__init__(*handlers, selector=self.waiting, **options)
        self.global_handler.base.resolves_in_thread = False  # no thread knows the time of the clock
        self.mark()

    def mark(self):
        self._now = self.clock.now
        return self._now


def run(*handlers, **options):
    """Runs a container to its end."""
    container = Container(*handlers, **options)
    with watchdog(container):
        container.run()
    return container


@contextlib.contextmanager
def watchdog(container):
    """Stops a container that has not ended in time, so that a broken test fails instead of hanging."""
    late = []

    def stop():
        late.append(True)
        container.stop()

    timer = threading.Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        yield container
    finally:
        timer.cancel()
    assert not late, f"the container was still running after {SECONDS} s"


@contextlib.contextmanager
def in_thread(container):
    """Runs a container in a thread, which has ended when the block has; what it raised is raised here."""
    failures = []

    def target():
        try:
            container.run()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(SECONDS)
        assert not thread.is_alive(), "the container did not end"
    if failures:
        raise failures[0]


@contextlib.contextmanager
def peer(*conversations):
    """A listening socket whose connections are served one after the other, each by a function of its socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(SECONDS)
    failures = []

    def serve():
        try:
            for conversation in conversations:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.settimeout(SECONDS)
                    conversation(accepted)
        except Exception as error:
            failures.append(error)
        finally:
            listener.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield SimpleNamespace(port=listener.getsockname()[1], url=f"127.0.0.1:{listener.getsockname()[1]}")
    finally:
        thread.join(SECONDS)
    if failures:
        raise failures[0]


def read_to_end(sock):
    """Reads until the other side ends, and gives what it read."""
    received = b""
    while True:
        data = sock.recv(65536)
        if not data:
            return received
        received += data


SASL_HEADER = bytes.fromhex("414d515003010000")
AMQP_HEADER = bytes.fromhex("414d515000010000")
MECHANISMS = bytes.fromhex("0000001c02010000005340c00f01e00c01a309") + b"ANONYMOUS"
OUTCOME_OK = bytes.fromhex("0000001002010000005344c003015000")
OPEN = bytes.fromhex("0000001002000000005310c00301a100")


def frame(body, channel=0):
    return (len(body) + 8).to_bytes(4, "big") + b"\x02\x00" + channel.to_bytes(2, "big") + body


def authenticate(sock):
    """Plays the server up to its open: ANONYMOUS, then AMQP."""
    assert receive(sock, 8) == SASL_HEADER
    sock.sendall(SASL_HEADER + MECHANISMS)
    receive_frame(sock)
    sock.sendall(OUTCOME_OK)
    assert receive(sock, 8) == AMQP_HEADER
    receive_frame(sock)
    sock.sendall(AMQP_HEADER + OPEN)


def receive(sock, size):
    received = b""
    while len(received) < size:
        data = sock.recv(size - len(received))
        assert data, f"expected {size} bytes, got {received!r}"
        received += data
    return received


def receive_frame(sock):
    size = int.from_bytes(receive(sock, 4), "big")
    return receive(sock, size - 4)[4:]


class FakeLoop:
    """A reactor for objects that only queue events: they are in `events`, as pairs of name and context."""

    def __init__(self, now=0.0):
        self.selectable_count = 0
        self.now = now
        self.events = []

    def push_event(self, obj, etype):
        self.events.append((str(etype), obj))

    def mark(self):
        return self.now

    def names(self):
        return [name for name, _ in self.events]
