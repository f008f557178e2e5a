"""Clients kept out over real sockets: both ends are ours, in one container; peers that break off in the middle."""

from __future__ import annotations

import socket
import ssl
import threading
from types import SimpleNamespace

import pytest

from proton import SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.attacks import PASSWORD, USER
from tests.support.certificates import Authority
from tests.support.engines import AMQP_HEADER, frame
from tests.support.loops import SECONDS, in_thread, watchdog

USERS = {USER: PASSWORD}


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(folder, "Ours"), Authority(folder, "Theirs")
    return SimpleNamespace(ca=ours.cert, other=theirs.cert, server=ours.issue("localhost"))


def domain_of_server(issued, asks=False):
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    domain.set_credentials(*issued.server)
    if asks:
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER, issued.ca)
    return domain


def domain_of_client(ca):
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(ca)
    return domain


class Both(MessagingHandler):
    """A server and one client of it; the reasons of each, and whether a client got in."""

    def __init__(self, scheme, listen, connect):
        super().__init__()
        self.scheme, self.listen, self.connect = scheme, listen, connect
        self.reasons, self.opened, self.users = {}, [], []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", **self.listen)
        url = f"{self.scheme}://localhost:{self.acceptor.port}"
        self.client = event.container.connect(url, reconnect=False, **self.connect)

    def side(self, event):
        return "client" if event.connection == self.client else "server"

    def on_connection_remote_open(self, event):
        self.opened.append(self.side(event))
        if self.side(event) == "server":
            self.users.append(event.transport.user)
        else:
            event.connection.close()
            self.acceptor.close()

    def on_transport_error(self, event):
        self.reasons[self.side(event)] = event.transport.condition.description
        if len(self.reasons) == 2:
            self.acceptor.close()


def run(scheme, listen, connect):
    handler = Both(scheme, listen, connect)
    container = Container(handler)
    with watchdog(container):
        container.run()
    return handler


def cases(issued):
    tls, asks = domain_of_server(issued), domain_of_server(issued, asks=True)
    good, stranger = domain_of_client(issued.ca), domain_of_client(issued.other)
    login = {"user": USER, "password": PASSWORD}
    aborted = "Expected AMQP protocol header got: "
    return {
        "clear text on a port with TLS": ("amqp", {"ssl_domain": tls}, {}, aborted + "AMQP TLS", "unencrypted"),
        "TLS on a port without": (
            "amqps",
            {},
            {"ssl_domain": good},
            "expected a TLS connection",
            "TLS is not configured",
        ),
        "no login": ("amqp", {"credentials": USERS}, {"sasl_enabled": False}, aborted + "AMQP SASL", "skipped"),
        "login required": ("amqp", {"require_auth": True}, {"sasl_enabled": False}, aborted + "AMQP SASL", "skipped"),
        "encryption required": ("amqp", {"require_encryption": True}, {}, aborted + "AMQP TLS", "unencrypted"),
        "nobody": ("amqp", {"credentials": USERS}, {}, "mech=none", "connection aborted"),
        "a wrong password": (
            "amqps",
            {"ssl_domain": tls, "credentials": USERS},
            {"ssl_domain": good, "user": USER, "password": "wrong"},
            "Authentication failed [mech=SCRAM-SHA-512]",
            "wrong user name or password",
        ),
        "an identity that is not his": (
            "amqp",
            {"credentials": USERS},
            {**login, "authorization": "admin"},
            "Authentication failed",
            "user fred may not act as admin",
        ),
        "PLAIN in clear text": (
            "amqp",
            {"credentials": USERS},
            {**login, "allowed_mechs": "PLAIN"},
            "mech=none",
            "connection aborted",
        ),
        "an unknown authority": (
            "amqps",
            {"ssl_domain": tls},
            {"ssl_domain": stranger},
            "certificate verify failed",
            "alert unknown ca",
        ),
        "the authorities of the system": ("amqps", {"ssl_domain": tls}, {}, "certificate verify failed", "unknown ca"),
        "another name": (
            "amqps",
            {"ssl_domain": tls},
            {"ssl_domain": good, "sni": "other.example"},
            "expected a certificate for 'other.example'",
            "alert handshake failure",
        ),
        "no certificate": (
            "amqps",
            {"ssl_domain": asks},
            {"ssl_domain": good},
            "alert certificate required",
            "peer did not return a certificate",
        ),
    }


NAMES = [
    "clear text on a port with TLS",
    "TLS on a port without",
    "no login",
    "login required",
    "encryption required",
    "nobody",
    "a wrong password",
    "an identity that is not his",
    "PLAIN in clear text",
    "an unknown authority",
    "the authorities of the system",
    "another name",
    "no certificate",
]


@pytest.mark.parametrize("name", NAMES)
def test_kept_out(name, issued):
    scheme, listen, connect, at_client, at_server = cases(issued)[name]
    handler = run(scheme, listen, connect)
    assert handler.opened == []
    assert at_client in handler.reasons["client"] and at_server in handler.reasons["server"]


def test_the_table_is_whole(issued):
    assert sorted(cases(issued)) == sorted(NAMES)


@pytest.mark.parametrize("mech", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_let_in(mech, issued):
    listen = {"ssl_domain": domain_of_server(issued), "credentials": USERS, "allowed_mechs": mech}
    connect = {"ssl_domain": domain_of_client(issued.ca), "user": USER, "password": PASSWORD}
    handler = run("amqps", listen, connect)
    assert handler.reasons == {} and sorted(handler.opened) == ["client", "server"] and handler.users == [USER]


class Receiving(MessagingHandler):
    """A server that takes messages from one connection."""

    def __init__(self, domain):
        super().__init__()
        self.domain, self.started = domain, threading.Event()
        self.bodies, self.reason = [], None

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", ssl_domain=self.domain)
        self.started.set()

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_transport_error(self, event):
        self.reason = event.transport.condition.description

    def on_transport_closed(self, event):
        self.acceptor.close()


def message(size):
    body = b"\0\x53\x77\xb0" + size.to_bytes(4, "big") + b"x" * size
    return frame(0, "transfer", payload=body, handle=0, delivery_id=0, delivery_tag=b"0", settled=True)


@pytest.mark.parametrize("said", [0, 20, 5000])
def test_a_sender_that_is_cut_off_in_the_middle_of_a_message(said, issued):
    """The socket ends without the end of TLS: half a message does not count, and a whole one was one."""
    handler = Receiving(domain_of_server(issued))
    container = Container(handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(issued.ca)
    with watchdog(container), in_thread(container):
        assert handler.started.wait(SECONDS)
        plain = socket.create_connection(("127.0.0.1", handler.acceptor.port), SECONDS)
        with context.wrap_socket(plain, server_hostname="localhost") as caller:
            caller.sendall(AMQP_HEADER + frame(0, "open", container_id="x"))
            caller.sendall(frame(0, "begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))
            caller.sendall(frame(0, "attach", name="L", handle=0, role=False, initial_delivery_count=0))
            while b"\0\x53\x13" not in caller.recv(65536):
                pass  # credit has come
            caller.sendall(message(10_000))
            caller.sendall(message(10_000)[:said])
            # Of the socket, not of TLS: no close_notify goes out.
            caller.shutdown(socket.SHUT_WR)
    assert handler.reason == "connection aborted"
    assert [len(body) for body in handler.bodies] == [10_000]
