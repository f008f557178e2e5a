"""Listening: ports and addresses, what becomes of callers, and of a system that runs out of descriptors."""

import errno
import logging
import socket

import pytest

from proton import Transport
from proton.exceptions import SSLUnavailable
from proton.handlers import MessagingHandler
from proton.io import sockets
from proton.reactor import Container
from tests.io.test_sockets import needs_ipv6
from tests.support.loops import Recorder, in_thread, run


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
    monkeypatch.setattr("proton.reactor.acceptor.REST", 0.01)
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
