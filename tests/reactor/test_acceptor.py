"""Listening: ports and addresses, what becomes of callers, and of a system that runs out of descriptors."""

import contextlib
import errno
import logging
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from proton import Transport
from proton.exceptions import SSLUnavailable
from proton.handlers import MessagingHandler
from proton.io import sockets
from proton.reactor import Container
from proton.utils import BlockingConnection
from tests.io.test_sockets import needs_ipv6
from tests.support.loops import SECONDS, Recorder, in_thread, run, side


class Listening(Container):
    """Knows its acceptors."""

    def __init__(self):
        super().__init__()
        self.acceptors = []

    def acceptor(self, *args):
        self.acceptors.append(super().acceptor(*args))
        return self.acceptors[-1]


@pytest.fixture
def container():
    made = Listening()
    yield made
    for acceptor in made.acceptors:
        acceptor.close()
    made.run()


def test_port_0_is_a_free_one(container):
    acceptor = container.listen("127.0.0.1:0")
    assert acceptor.port > 0
    assert acceptor.addresses == [("127.0.0.1", acceptor.port)]
    assert acceptor._selectable._delegate.getsockname() == ("127.0.0.1", acceptor.port)


def test_every_address_of_the_name_is_listened_on(container, monkeypatch):
    addresses = [sockets.Address(socket.AF_INET, (f"127.0.0.{n}", 0)) for n in (1, 2, 3)]
    monkeypatch.setattr(sockets, "resolve", lambda host, port, passive=False: addresses)
    acceptor = container.listen("three:0")
    assert [address[0] for address in acceptor.addresses] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert {address[1] for address in acceptor.addresses} == {acceptor.port}


@needs_ipv6
def test_ipv6_there_and_back():
    class Six(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("[::1]:0")
            event.container.connect(f"[::1]:{self.acceptor.port}")

        def on_connection_opened(self, event):
            self.peer = str(event.connection.url)
            event.connection.close()
            self.acceptor.close()

    six = Six()
    run(six)
    assert six.peer.startswith("amqp://[::1]:")
    assert six.calls[-1].endswith("connection_closed")


def test_a_port_in_use_raises_at_once(container):
    taken = container.listen("127.0.0.1:0")
    with pytest.raises(OSError) as failure:
        container.listen(f"127.0.0.1:{taken.port}")
    assert failure.value.errno == errno.EADDRINUSE


def test_an_unknown_name_raises_at_once(container):
    with pytest.raises(OSError):
        container.listen("no-such-host.invalid:0")


def test_amqps_needs_tls(container):
    container.ssl = None
    with pytest.raises(SSLUnavailable, match="amqps: SSL libraries not found"):
        container.listen("amqps://127.0.0.1:0")


def test_an_acceptor_keeps_the_container_running_until_it_is_closed():
    class Closing(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.schedule(0.01, self)

        def on_timer_task(self, event):
            self.acceptor.close()
            self.acceptor.close()

    closing = Closing()
    run(closing)
    assert closing.acceptor.port == 0 and closing.acceptor.addresses == []


class Server(Recorder):
    """Accepts one caller, looks at it, and stops listening."""

    def __init__(self, handler=None):
        super().__init__()
        self.handler = handler
        self.seen = None

    def listen(self, container):
        self.acceptor = container.acceptor("127.0.0.1", 0, self.handler)
        return self.acceptor.port

    def on_connection_bound(self, event):
        connection, transport = event.connection, event.transport
        self.seen = (connection, transport, connection.state, transport.connection)
        self.acceptor.close()


def call(server, container):
    port = server.listen(container)
    with in_thread(container), socket.create_connection(("127.0.0.1", port)) as caller:
        local = caller.getsockname()
    return local


def test_a_caller_becomes_a_connection_with_a_server_transport(caplog):
    caplog.set_level(logging.INFO, "proton")
    server = Server()
    container = Container(server)
    local = call(server, container)
    connection, transport, state, bound = server.seen
    assert isinstance(transport, Transport) and bound is connection and state == connection.LOCAL_UNINIT | 8
    assert str(connection.url) == connection.connected_address == f"amqp://127.0.0.1:{local[1]}"
    assert connection._acceptor is server.acceptor
    assert (connection.container, connection.hostname) == (None, None)
    assert f"Accepted connection from {local}" in caplog.text


def test_connections_of_an_acceptor_may_have_their_own_handler():
    class Own:
        calls = []

        def on_connection_init(self, event):
            self.calls.append("init")

    own = Own()
    server = Server(own)
    container = Container(server)
    port = server.listen(container)
    closing = _closing(server.acceptor)
    container.schedule(0.05, closing)
    with in_thread(container), socket.create_connection(("127.0.0.1", port)):
        pass
    assert own.calls == ["init"]
    assert server.seen is None


def _closing(acceptor):
    class Closing:
        def on_timer_task(self, event):
            acceptor.close()

    return Closing()


def test_a_caller_that_says_nothing_ends_with_an_error_alone():
    server = Server()
    call(server, Container(server))
    assert [entry for entry in server.calls if "transport_error" not in entry] == []


def test_connections_outlive_their_acceptor():
    class Outliving(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")

        def on_connection_opened(self, event):
            self.acceptor.close()
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            self.connection.close()

    outliving = Outliving()
    run(outliving)
    assert outliving.calls[-2:] == ["S connection_closed", "C connection_closed"]


def test_many_callers_at_once():
    class Counting(MessagingHandler):
        opened = 0

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.connections = [event.container.connect(f"127.0.0.1:{self.acceptor.port}") for _ in range(100)]

        def on_connection_opened(self, event):
            if getattr(event.connection, "_acceptor", None) is None:
                self.opened += 1
                if self.opened == 100:
                    self.acceptor.close()
                    for connection in self.connections:
                        connection.close()

    counting = Counting()
    run(counting)
    assert counting.opened == 100


def test_out_of_descriptors_the_acceptor_rests(monkeypatch, caplog):
    real = sockets.accept
    failures = [OSError(errno.EMFILE, "too many open files")]

    def accept(listener):
        if failures:
            raise failures.pop()
        return real(listener)

    monkeypatch.setattr(sockets, "accept", accept)
    monkeypatch.setattr("proton.reactor.acceptor.ACCEPT_RETRY_DELAY", 0.01)
    server = Server()
    call(server, Container(server))
    assert failures == [] and server.seen is not None
    assert "Couldn't accept: OSError(24, 'too many open files')" in caplog.text


def test_tls_is_set_up_before_the_connection_is_bound(monkeypatch):
    calls = []
    monkeypatch.setattr(Transport, "ssl", lambda self, domain: calls.append((domain, self.connection)))
    server = Server()
    container = Container(server)
    port = server.listen(container)
    server.acceptor.set_ssl_domain("domain")
    with in_thread(container), socket.create_connection(("127.0.0.1", port)):
        pass
    assert calls == [("domain", None)]


class Scarce:
    """A system that has descriptors for so many callers at a time."""

    def __init__(self, monkeypatch, most):
        self.most, self.taken, self.failures, self.accept = most, [], 0, sockets.accept
        monkeypatch.setattr(sockets, "accept", self.accept_if_there_is_room)

    def accept_if_there_is_room(self, listener):
        self.taken = [sock for sock in self.taken if sock.fileno() >= 0]
        if len(self.taken) == self.most:
            self.failures += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        accepted = self.accept(listener)
        if accepted is not None:
            self.taken.append(accepted[0])
        return accepted


NO_ROOM = f"the handshake is not finished, and no other caller can be let in ({os.strerror(errno.EMFILE)})"


class Besieged(MessagingHandler):
    """A client comes in before a crowd that says nothing, another one after it, to an acceptor of its own or not."""

    def __init__(self, silent, own):
        super().__init__()
        self.silent, self.own = silent, own
        self.gone, self.clients, self.served, self.callers = [], [], [], []

    def on_start(self, event):
        self.acceptors = [event.container.listen("127.0.0.1:0") for _ in range(2)]
        self.come(event, self.acceptors[0])

    def come(self, event, acceptor):
        url = f"127.0.0.1:{acceptor.port}"
        self.clients.append(event.container.connect(url, reconnect=False))

    def on_connection_opened(self, event):
        if side(event) == "S":
            self.served.append(event.connection)
        elif len(self.clients) == 1:
            port = self.acceptors[0].port
            self.callers = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(self.silent)]
            self.come(event, self.acceptors[self.own])
        else:
            self.states = [connection.state for connection in (*self.clients, *self.served)]
            for acceptor in self.acceptors:
                acceptor.close()
            for connection in self.clients:
                connection.close()
            for caller in self.callers:
                caller.close()

    def on_transport_error(self, event):
        self.gone.append((event.transport.condition.name, event.transport.condition.description))


@pytest.mark.parametrize("own", [False, True])
def test_out_of_descriptors_the_oldest_unfinished_clients_are_ended(monkeypatch, own):
    monkeypatch.setattr("proton.reactor.acceptor.HANDSHAKE_GRACE", 0.02)
    monkeypatch.setattr("proton.reactor.acceptor.ACCEPT_RETRY_DELAY", 10 * SECONDS)
    scarce = Scarce(monkeypatch, 8)
    program = Besieged(20, own)
    run(program)
    active = program.clients[0].LOCAL_ACTIVE | program.clients[0].REMOTE_ACTIVE
    assert program.states == [active] * 4
    told = [description for name, description in program.gone if name == "amqp:resource-limit-exceeded"]
    assert set(told) == {NO_ROOM} and 4 <= len(told) < 20
    assert scarce.failures < 10


def test_out_of_descriptors_a_client_that_is_about_to_finish_has_the_time_to(monkeypatch):
    monkeypatch.setattr("proton.reactor.acceptor.HANDSHAKE_GRACE", 10 * SECONDS)
    monkeypatch.setattr("proton.reactor.acceptor.ACCEPT_RETRY_DELAY", 0.01)
    scarce = Scarce(monkeypatch, 1)

    class Two(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.clients = [
                event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False) for _ in range(2)
            ]

        def on_connection_opened(self, event):
            if side(event) == "C":
                event.connection.close()

        def on_connection_closed(self, event):
            if event.connection is self.clients[1]:
                self.acceptor.close()
            elif side(event) == "C":
                self.acceptor._selectable.expired()

    two = Two()
    run(two)
    assert scarce.failures >= 1
    assert [call for call in two.calls if "error" in call] == [] and two.calls.count("S connection_opened") == 2


class Visited(MessagingHandler):
    """A client connects and says nothing, another one connects after it."""

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.caller = socket.create_connection(("127.0.0.1", self.acceptor.port), SECONDS)
        event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM])
def test_only_a_want_of_descriptors_or_memory_ends_clients(monkeypatch, code):
    failures = [OSError(code, os.strerror(code))]
    real = sockets.accept
    calls = iter(range(1000))

    def accept(listener):
        """One client is let in, no other waits; then there is a failure, and after it all is well."""
        call = next(calls)
        if call == 2:
            raise failures.pop()
        return None if call == 1 else real(listener)

    monkeypatch.setattr(sockets, "accept", accept)
    for pause in ("HANDSHAKE_GRACE", "ACCEPT_RETRY_DELAY"):
        monkeypatch.setattr(f"proton.reactor.acceptor.{pause}", 0.01)

    class One(Visited):
        def __init__(self):
            super().__init__()
            self.reasons = []

        def on_connection_opened(self, event):
            if side(event) == "C":
                event.connection.close()

        def on_connection_closed(self, event):
            if side(event) == "C":
                self.acceptor.close()
                self.caller.close()

        def on_transport_error(self, event):
            self.reasons.append(event.transport.condition.description)

    one = One()
    run(one)
    ended = f"the handshake is not finished, and no other caller can be let in ({os.strerror(code)})"
    assert failures == [] and len(one.reasons) == 1
    assert (one.reasons == [ended]) == (code != errno.EPERM)


SERVER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from proton.handlers import MessagingHandler
from proton.reactor import Container
class Server(MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        print(self.acceptor.port, flush=True)
    def on_connection_closed(self, event):
        self.acceptor.close()
        event.container.stop()
Container(Server()).run()
"""


@pytest.mark.skipif(os.name != "posix", reason="a limit of descriptors is a matter of POSIX")
def test_at_the_limit_of_descriptors_a_client_that_speaks_is_served():
    root = pathlib.Path(__file__).resolve().parents[2]
    program = [sys.executable, "-c", SERVER]
    environment = dict(os.environ, PYTHONPATH=str(root))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True))
        stack.callback(server.kill)
        port = int(server.stdout.readline())
        for _ in range(90):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS))
        BlockingConnection(f"127.0.0.1:{port}", timeout=SECONDS).close()
        assert server.wait(SECONDS) == 0


def test_at_the_limit_of_descriptors_no_client_is_ended_while_none_waits(monkeypatch, caplog):
    scarce = Scarce(monkeypatch, 2)

    class Full(Visited):
        def on_connection_opened(self, event):
            if side(event) == "C":
                self.acceptor.close()
                self.caller.close()
                event.connection.close()

    run(Full())
    assert scarce.failures >= 1 and "Couldn't accept" not in caplog.text
