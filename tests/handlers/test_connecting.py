"""Connecting: every address is tried, and each kind of failure becomes a condition of the transport."""

import errno
import itertools
import logging
import socket

import pytest

from proton import Condition, Transport, Url
from proton.handlers import IOHandler, MessagingHandler
from proton.io import sockets
from proton.reactor import Container
from tests.support.loops import AMQP_HEADER, Recorder, authenticate, peer, read_to_end, receive, run, watchdog
from tests.support.programs import free_port

HERE = sockets.Address(socket.AF_INET, ("127.0.0.1", 1))
REFUSED = "Connection refused to all addresses"


class Client(Recorder):
    def __init__(self, url, **options):
        super().__init__()
        self.url = url
        self.options = dict({"reconnect": False}, **options)

    def on_start(self, event):
        self.connection = event.container.connect(self.url, **self.options)

    def on_transport_error(self, event):
        self.condition = event.transport.condition

    def on_connection_opened(self, event):
        event.connection.close()


def failed(url="h:5"):
    client = Client(url)
    run(client)
    assert client.calls == ["C transport_error", "C disconnected"]
    assert client.condition.name == "proton.pythonio"
    return client.condition.description


def results(monkeypatch, *codes):
    """Has the connects of successive addresses fail with these error numbers, at once."""
    resolve(monkeypatch, [HERE] * len(codes))
    left = iter(codes)
    monkeypatch.setattr(sockets, "connect", lambda address: (socket.socket(), next(left)))


def resolve(monkeypatch, addresses):
    monkeypatch.setattr(IOHandler, "resolve", staticmethod(lambda host, port: addresses))


def test_a_refused_connection():
    assert failed(f"127.0.0.1:{free_port()}") == REFUSED


@pytest.mark.parametrize(
    ("codes", "description"),
    [
        ([errno.ECONNREFUSED], REFUSED),
        ([errno.ECONNREFUSED, errno.ECONNREFUSED], REFUSED),
        ([errno.EADDRNOTAVAIL, errno.ECONNREFUSED], REFUSED),
        ([errno.ETIMEDOUT], "cannot connect to h:5: Connection timed out"),
        ([errno.EHOSTUNREACH, errno.ECONNREFUSED], "cannot connect to h:5: No route to host"),
        ([errno.EADDRNOTAVAIL], "cannot connect to h:5: Cannot assign requested address"),
        ([], "cannot connect to h:5: the name has no address"),
    ],
)
def test_what_a_failure_is_called(monkeypatch, codes, description):
    results(monkeypatch, *codes)
    assert failed() == description


def test_a_socket_that_cannot_be_made(monkeypatch):
    resolve(monkeypatch, [HERE])

    def connect(address):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(sockets, "connect", connect)
    assert failed() == "cannot connect to h:5: Too many open files"


def test_a_name_that_cannot_be_resolved(caplog):
    description = failed("no-such-host.invalid:5")
    assert description.startswith("cannot resolve no-such-host.invalid:5: ")
    assert "Couldn't resolve no-such-host.invalid:5" in caplog.text


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(socket.EAI_AGAIN, "try again"), UnicodeError("label too long"), OverflowError("port")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_resolver_raises(monkeypatch, error):
    def resolving(host, port):
        raise error

    monkeypatch.setattr(IOHandler, "resolve", staticmethod(resolving))
    assert failed().startswith("cannot resolve h:5: ")


def test_a_name_that_no_resolver_takes():
    assert failed("x" * 70 + ":5").startswith("cannot resolve ")


def test_a_port_out_of_range():
    with pytest.raises(ValueError, match="^expected a port from 0 to 65535, got 99999999$"):
        failed("127.0.0.1:99999999")

    class ToHost(Client):
        """`connect` refuses such a port; a connection that is made by other means meets it in the loop."""

        def on_start(self, event):
            self.connection = event.container.connection_to_host("127.0.0.1", 99999999, self)
            self.connection.open()

        def on_transport_error(self, event):
            super().on_transport_error(event)
            self.connection.close()

    client = ToHost("")
    run(client)
    assert client.condition.description == "cannot resolve 127.0.0.1:99999999: a port is 0 to 65535, got 99999999"


def test_an_unresolvable_name_is_tried_again():
    client = Client("no-such-host.invalid:5", reconnect=[0, 0.01, 0.01])
    run(client)
    assert client.calls == ["C transport_error", "C disconnected", "C transport_error", "C transport_error"]


def test_all_addresses_of_a_name_are_tried(monkeypatch):
    with peer(lambda sock: (authenticate(sock), read_to_end(sock))) as place:
        dead = [sockets.Address(socket.AF_INET, (f"127.0.0.{n}", free_port())) for n in (2, 3)]
        alive = sockets.Address(socket.AF_INET, ("127.0.0.1", place.port))
        resolve(monkeypatch, [*dead, alive])
        opened = []

        class Opening(Client):
            def on_connection_opened(self, event):
                opened.append(event.connection.transport)
                event.transport.close_tail()
                event.transport.close_head()

        run(Opening("three:5"))
    assert len(opened) == 1


def full_listener():
    """A socket whose queue of callers is full, so that connecting to it stays pending."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    callers = []
    for _ in range(4):
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname())
        callers.append(caller)
    return listener, callers


def test_closing_while_the_connect_is_pending():
    listener, callers = full_listener()

    class Closing(Client):
        def on_start(self, event):
            super().on_start(event)
            event.container.schedule(0.05, self)

        def on_timer_task(self, event):
            self.connection.close()

        raw = []

        def on_unhandled(self, method, *args):
            if method.startswith(("on_transport_", "on_connection_unbound")):
                self.raw.append(method[3:])

    closing = Closing(f"127.0.0.1:{listener.getsockname()[1]}")
    run(closing)
    for sock in (listener, *callers):
        sock.close()
    assert closing.raw == ["transport_head_closed", "transport_tail_closed", "transport_closed", "connection_unbound"]
    assert closing.calls == ["- transport_error"]


def test_a_plain_connection_has_neither_sasl_nor_a_hostname():
    heard = []

    class Plain(MessagingHandler):
        def on_start(self, event):
            self.connection = event.container.connection()
            self.connection.url = Url(f"127.0.0.1:{place.port}")
            self.connection.open()

    with peer(lambda sock: heard.append(receive(sock, 8))) as place:
        plain = Plain()
        run(plain)
    assert heard == [AMQP_HEADER]
    assert plain.connection.hostname is None


@pytest.mark.parametrize("hostname", ["127.0.0.1:{}", "127.0.0.1:{}/path"])
def test_the_address_may_come_from_the_hostname(hostname):
    class ByName(MessagingHandler):
        def on_start(self, event):
            self.connection = event.container.connection()
            self.connection.hostname = hostname.format(port)
            self.connection.open()

        def on_transport_error(self, event):
            self.condition = event.transport.condition
            event.connection.close()

    port = free_port()
    handler = ByName()
    run(handler)
    assert handler.condition == Condition("proton.pythonio", REFUSED)


def test_a_hostname_that_is_not_an_address_fails_the_transport():
    class ByName(MessagingHandler):
        def on_start(self, event):
            connection = event.container.connection()
            connection.hostname = "host:nonsense"
            connection.open()

        def on_transport_error(self, event):
            self.condition = event.transport.condition

    handler = ByName()
    run(handler)
    assert handler.condition.description.startswith("no address: ")


def test_a_transport_of_the_applications_own_is_connected():
    transports = []

    class Own(Recorder):
        def on_start(self, event):
            connection = event.container.connect(place.url, reconnect=False, sasl_enabled=False)
            transport = Transport()
            transport.sasl().allowed_mechs("ANONYMOUS")
            transport.bind(connection)
            transports.append(transport)

        def on_connection_opened(self, event):
            transports.append(event.transport)
            event.transport.close_tail()
            event.transport.close_head()

    with peer(lambda sock: (authenticate(sock), read_to_end(sock))) as place:
        run(Own())
    assert transports[0] is transports[1]


def test_the_first_refusal_and_the_end_are_logged(caplog):
    # Nothing was logged before: a program without handlers tried for ever in silence.
    caplog.set_level(logging.WARNING, "proton")
    container = Container()
    port = free_port()
    container.connect(f"127.0.0.1:{port}", reconnect=itertools.repeat(0, 3))
    with watchdog(container):
        container.run()
    refused = "proton.pythonio: Connection refused to all addresses"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"Connection to amqp://127.0.0.1:{port} failed: {refused}"),
        ("ERROR", f"Gave up a connection to amqp://127.0.0.1:{port}: no attempt is left: {refused}"),
    ]
