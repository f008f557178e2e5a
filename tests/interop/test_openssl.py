"""TLS with the `openssl` command at the other end: which get in, what arrives, what each says of a refusal."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from proton import SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.certificates import Authority
from tests.support.engines import AMQP_HEADER, frame
from tests.support.loops import SECONDS, in_thread, watchdog
from tests.support.programs import free_port

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no command openssl")
VERSIONS = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
NAMES = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}
HELLO = AMQP_HEADER + frame(0, "open", container_id="openssl")


class Command:
    """A running `openssl`; `text` is what it has said so far, on both outputs."""

    def __init__(self, *arguments):
        self.text = b""
        self._process = subprocess.Popen(
            [OPENSSL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def say(self, data):
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def until(self, *wanted):
        """Reads until one of these was said, or all is said; whether one was."""
        deadline = time.monotonic() + SECONDS
        while not any(words in self.text for words in wanted):
            left = deadline - time.monotonic()
            assert left > 0, self.text
            if select.select([self._process.stdout], [], [], left)[0]:
                data = os.read(self._process.stdout.fileno(), 65536)
                if not data:
                    return False
                self.text += data
        return True

    def to_the_end(self):
        self.until(b"\0 never \0")
        return self.text.decode("latin-1")

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(folder, "Ours"), Authority(folder, "Theirs")
    return SimpleNamespace(
        ca=ours.cert,
        other_ca=theirs.cert,
        server=ours.issue("localhost"),
        client=ours.issue(subject=[("CN", "fred")], usage="client"),
        unknown=theirs.issue(subject=[("CN", "mallory")], usage="client"),
    )


class Watching(MessagingHandler):
    """Either end of ours, for one connection: what it has seen of it."""

    def __init__(self, start):
        super().__init__()
        self.start, self.started = start, threading.Event()
        self.reason, self.seen, self.ended = None, {}, threading.Event()

    def on_start(self, event):
        self.acceptor = self.start(event.container)
        self.started.set()

    def on_connection_remote_open(self, event):
        ssl = event.transport.ssl()
        self.seen = {"peer": event.connection.remote_container, "subject": ssl.remote_subject}
        self.seen["version"] = ssl.protocol_name()

    def on_transport_error(self, event):
        self.reason = event.transport.condition.description

    def on_transport_closed(self, event):
        if hasattr(self.acceptor, "port"):
            self.acceptor.close()
        self.ended.set()


@contextlib.contextmanager
def our_server(issued, asks=False, protocols=None):
    """A server of ours for one connection."""
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    domain.set_credentials(*issued.server)
    if asks:
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER, issued.ca)
    if protocols:
        domain.set_protocols(protocols)
    handler = Watching(lambda container: container.listen("127.0.0.1:0", domain))
    container = Container(handler)
    with watchdog(container), in_thread(container):
        assert handler.started.wait(SECONDS)
        yield handler


def s_client(handler, issued, *arguments, ca=None):
    place = ("-connect", f"127.0.0.1:{handler.acceptor.port}", "-servername", "localhost")
    return Command("s_client", *place, "-CAfile", ca or issued.ca, "-verify_return_error", *arguments)


def own(one):
    return ("-cert", one.cert, "-key", one.key)


@VERSIONS
@pytest.mark.parametrize("asks", [False, True], ids=["anybody", "certificate"])
def test_s_client_is_served(version, asks, issued):
    with our_server(issued, asks) as handler:
        arguments = own(issued.client) if asks else ()
        with s_client(handler, issued, version, "-verify_hostname", "localhost", "-quiet", *arguments) as other:
            other.say(HELLO)
            assert other.until(AMQP_HEADER)
    expected = {"peer": "openssl", "subject": "CN=fred" if asks else None, "version": NAMES[version]}
    assert handler.seen == expected


@VERSIONS
@pytest.mark.parametrize("shown", ["nothing", "unknown"])
def test_s_client_without_the_certificate_that_is_asked_for(version, shown, issued):
    with our_server(issued, asks=True) as handler:
        arguments = own(issued.unknown) if shown == "unknown" else ()
        with s_client(handler, issued, version, *arguments) as other:
            text = other.to_the_end()
    reason, alert = {
        "nothing": ("peer did not return a certificate", ("handshake failure", "certificate required")),
        "unknown": ("certificate verify failed", ("unknown ca",)),
    }[shown]
    assert handler.reason.startswith("SSL Failure: ") and reason in handler.reason and handler.seen == {}
    assert any(words in text for words in alert)


@VERSIONS
@pytest.mark.parametrize("mistake", ["authority", "name"])
def test_s_client_that_does_not_accept_the_server(version, mistake, issued):
    arguments = ("-verify_hostname", "other.example") if mistake == "name" else ()
    ca = issued.other_ca if mistake == "authority" else None
    with our_server(issued) as handler, s_client(handler, issued, version, *arguments, ca=ca) as other:
        text = other.to_the_end()
    assert "verify error" in text and handler.seen == {}
    assert handler.reason.startswith("SSL Failure: ") and "alert" in handler.reason


def test_s_client_of_another_version(issued):
    with our_server(issued, protocols="TLSv1.3") as handler, s_client(handler, issued, "-tls1_2") as other:
        text = other.to_the_end()
    assert "alert protocol version" in text and handler.seen == {}
    assert handler.reason == "SSL Failure: unsupported protocol"


def test_s_client_that_wants_to_negotiate_again(issued):
    """Each time would cost the server more than the client, so it is refused (TLS 1.2 has it, 1.3 has not)."""
    with our_server(issued) as handler:
        with s_client(handler, issued, "-tls1_2") as other:
            assert other.until(b"Verify return code")
            other.say(b"R\n")
            text = other.to_the_end()
        assert handler.ended.wait(SECONDS)
    assert "RENEGOTIATING" in text and "no renegotiation" in text
    assert handler.seen == {} and handler.reason


def test_s_client_that_breaks_off(issued):
    """Killed in the middle of a message: the end of TLS has not come."""
    with our_server(issued) as handler, s_client(handler, issued, "-quiet") as other:
        other.say(HELLO + frame(0, "begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)[:-3])
        assert other.until(AMQP_HEADER)
    assert handler.reason == "connection aborted"


@contextlib.contextmanager
def s_server(issued, *arguments):
    """A server of openssl, and its port."""
    port = free_port()
    with Command("s_server", "-accept", f"127.0.0.1:{port}", *own(issued.server), *arguments) as other:
        assert other.until(b"ACCEPT")
        yield other, port


def our_client(port, issued, ca=None, certificate=None, **options):
    """Runs a client of ours to its end."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(ca or issued.ca)
    if certificate:
        domain.set_credentials(*certificate)
    options = {"reconnect": False, "ssl_domain": domain, "sasl_enabled": False, "sni": "localhost", **options}
    handler = Watching(lambda container: container.connect(f"amqps://127.0.0.1:{port}", **options))
    return handler, Container(handler)


@VERSIONS
@pytest.mark.parametrize("asks", [False, True], ids=["anybody", "certificate"])
def test_s_server_hears_our_header(version, asks, issued):
    arguments = ("-Verify", "1", "-verify_return_error", "-CAfile", issued.ca) if asks else ()
    with s_server(issued, version, *arguments) as (other, port):
        handler, container = our_client(port, issued, certificate=issued.client if asks else None)
        with watchdog(container), in_thread(container):
            assert other.until(AMQP_HEADER)
            other.until(b"CIPHER is")
            other.say(b"Q\n")
    assert b"CIPHER is" in other.text
    assert (b"CN = fred" in other.text or b"CN=fred" in other.text) is asks
    # It closes the socket without close_notify, before it has said anything: what a server does that lets no client in.
    assert handler.reason.startswith("SSL Failure: unexpected end after the handshake")
    assert ("certificate" in handler.reason) is not asks


@VERSIONS
@pytest.mark.parametrize("mistake, options", [("authority", {}), ("name", {"sni": "other.example"})])
def test_s_server_that_our_client_does_not_accept(version, mistake, options, issued):
    with s_server(issued, version) as (other, port):
        ca = issued.other_ca if mistake == "authority" else None
        handler, container = our_client(port, issued, ca=ca, **options)
        with watchdog(container):
            container.run()
        other.until(b"alert", b"ERROR", b"DONE", b"CONNECTION CLOSED")
    assert handler.reason.startswith("SSL Failure: certificate verify failed") and AMQP_HEADER not in other.text


@VERSIONS
@pytest.mark.parametrize("shown", ["nothing", "unknown"])
def test_s_server_that_does_not_accept_our_client(version, shown, issued):
    asks = ("-Verify", "1", "-verify_return_error", "-CAfile", issued.ca)
    with s_server(issued, version, *asks) as (other, port):
        handler, container = our_client(port, issued, certificate=issued.unknown if shown == "unknown" else None)
        with watchdog(container):
            container.run()
        other.until(b"verify failed", b"did not return a certificate")
    assert handler.reason.startswith("SSL Failure: ") and "alert" in handler.reason
    assert handler.seen == {} and AMQP_HEADER not in other.text
