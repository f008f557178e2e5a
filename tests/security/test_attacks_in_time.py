"""Peers that stall, in each step of TLS and SASL, and callers in great number: time and memory are bounded."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading

import pytest

from proton import SSLDomain, Transport
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.reactor.acceptor import MAX_HANDSHAKING
from tests.support.attacks import PASSWORD, USER, bare_client, client, kept_out, server, speak
from tests.support.certificates import Authority
from tests.support.engines import Peer, take
from tests.support.loops import SECONDS, in_thread, watchdog

#: sockets of the flood: more than twice those that an acceptor keeps waiting, unless the environment names a number
FLOOD = int(os.environ.get("PROTON_FLOOD", "2200"))
#: callers that do speak, while the others do not
VISITS = 4
#: bytes for twice the callers that an acceptor keeps waiting: at most that many are there at once
MAX_MEMORY = 2 * MAX_HANDSHAKING * 80_000
LIMIT = 5.0
LATE = "expected the end of the handshake within 5 s"


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    mine, theirs = SSLDomain(SSLDomain.MODE_CLIENT), SSLDomain(SSLDomain.MODE_SERVER)
    mine.set_trusted_ca_db(authority.cert)
    theirs.set_credentials(*authority.issue("localhost"))
    return mine, theirs


def ends(domains, kind):
    """A client and a server that give a handshake five seconds."""
    mine, theirs = domains if "TLS" in kind else (None, None)
    limit = {"handshake_timeout": LIMIT}
    if "SASL" in kind:
        a = client("SCRAM-SHA-256", USER, PASSWORD, domain=mine, host="localhost", **limit)
        return a, server({USER: PASSWORD}, domain=theirs, **limit)
    a = bare_client(mine, "localhost")
    a.transport.handshake_timeout = LIMIT
    return a, server(domain=theirs, **limit)


def walk(a, b, steps):
    """So many flights in turn; whether there was more to say."""
    for number in range(steps):
        source, sink = (a, b) if number % 2 == 0 else (b, a)
        data = take(source.transport)
        if not data:
            return False
        sink.transport.push(data)
    return True


@pytest.mark.parametrize("kind", ["AMQP", "SASL", "TLS", "TLS and SASL"])
def test_a_handshake_that_stalls(kind, domains):
    """The clock moves only after so many flights: an end that still waits then gives up, one that is done does not."""
    stages = 0
    while True:
        a, b = ends(domains, kind)
        for peer in (a, b):
            peer.transport.tick(100.0)
        if not walk(a, b, stages):
            break
        for peer in (a, b):
            is_done = peer.connection.remote_container is not None
            peer.transport.tick(100.0 + LIMIT - 0.01)
            assert peer.transport.condition is None
            peer.transport.tick(100.0 + LIMIT)
            if is_done:
                assert peer.transport.condition is None
            else:
                kept_out(peer, LATE, name="amqp:resource-limit-exceeded") if not peer.transport.authenticated else None
                assert LATE in peer.transport.condition.description
                assert "CONNECTION_REMOTE_OPEN" not in peer.events()
        stages += 1
    assert stages >= {"AMQP": 3, "SASL": 9, "TLS": 5, "TLS and SASL": 11}[kind]
    assert a.connection.remote_container and b.connection.remote_container


def test_the_time_is_told_and_bytes_do_not_move_it(domains):
    """A byte now and then is not progress: the whole handshake has to be over."""
    a, b = ends(domains, "TLS and SASL")
    hello = take(a.transport)
    assert b.transport.tick(50.0) == 50.0 + LIMIT
    for second in range(4):
        b.transport.push(hello[second : second + 1])
        assert b.transport.tick(51.0 + second) == 50.0 + LIMIT
    b.transport.tick(55.0)
    kept_out(b, LATE)


def test_no_limit_unless_there_is_one():
    for peer in (Peer("client").bind(), Peer("server", Transport.SERVER).bind()):
        take(peer.transport)
        assert peer.transport.tick(10.0) == 0.0 and peer.transport.tick(1e9) == 0.0
        assert peer.transport.condition is None


class Server(MessagingHandler):
    """A server that notes why connections end, and stops to listen after so many ends, or so many opens."""

    def __init__(self, domain=None, ends=None, opens=None, **options):
        super().__init__()
        self.domain, self.options, self.ends, self.opens = domain, options, ends, opens
        self.started = threading.Event()
        self.reasons, self.opened, self.ended = [], 0, 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", self.domain, **self.options)
        self.started.set()

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == self.opens:
            self.acceptor.close()

    def on_transport_error(self, event):
        self.reasons.append(event.transport.condition.description)

    def on_transport_closed(self, event):
        self.ended += 1
        if self.ended == self.ends:
            self.acceptor.close()


STALLS = [b"", b"AMQP", b"AMQP\x03\x01\x00\x00", b"\x16\x03\x01\x02\x00", b"AMQP\x02\x01\x00\x00"]


def test_callers_that_stall_over_sockets(domains):
    handler = Server(domains[1], ends=len(STALLS), credentials={USER: PASSWORD})
    container = Container(handler)
    container.handshake_timeout = 0.3
    with watchdog(container), in_thread(container):
        assert handler.started.wait(SECONDS)
        callers = [socket.create_connection(("127.0.0.1", handler.acceptor.port), SECONDS) for _ in STALLS]
        for caller, data in zip(callers, STALLS):
            caller.sendall(data)
        for caller in callers:
            with caller:
                while caller.recv(4096):
                    pass
    assert len(handler.reasons) == len(STALLS) and handler.opened == 0
    assert all("expected the end of the handshake within 0.3 s" in reason for reason in handler.reasons)


class Caller(MessagingHandler):
    def __init__(self, url, **options):
        super().__init__()
        self.url, self.options, self.reasons, self.opened = url, options, [], 0

    def on_start(self, event):
        event.container.connect(self.url, reconnect=False, **self.options)

    def on_connection_opened(self, event):
        self.opened += 1
        event.connection.close()

    def on_transport_error(self, event):
        self.reasons.append(event.transport.condition.description)


@pytest.mark.parametrize("scheme, sasl", [("amqp", True), ("amqp", False), ("amqps", True)])
def test_a_server_that_is_silent(scheme, sasl, domains):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        handler = Caller(url, ssl_domain=domains[0], sasl_enabled=sasl)
        container = Container(handler)
        container.handshake_timeout = 0.2
        with watchdog(container):
            container.run()
    assert len(handler.reasons) == 1 and not handler.opened
    assert "expected the end of the handshake within 0.2 s" in handler.reasons[0]


def open_files(count):
    """Raises the limit of open files so far that `count` sockets fit at both ends, if that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 3000
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))
    return soft, hard


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.timeout(120 + FLOOD // 20)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc to read the memory of this process from")
def test_a_flood_of_callers_that_do_not_finish(domains):
    """They are bounded in number, so in memory, the oldest go first, and callers that speak are served meanwhile."""
    limits = open_files(FLOOD)
    handler = Server(domains[1], opens=VISITS, credentials={USER: PASSWORD}, allow_insecure_mechs=True)
    container = Container(handler)
    container.handshake_timeout = 0.0  # the number alone bounds them here
    hello = take(bare_client(domains[0], "localhost").transport)
    crowd = []
    try:
        with in_thread(container), contextlib.ExitStack() as callers:
            assert handler.started.wait(SECONDS)
            port = handler.acceptor.port
            before = resident()
            for number in range(FLOOD):
                crowd.append(callers.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS)))
                crowd[-1].sendall((hello[:100], hello, b"AMQP", b"")[number % 4])
                if (number + 1) % (FLOOD // VISITS) == 0:
                    visit(f"amqps://{USER}:{PASSWORD}@localhost:{port}", domains[0])
            grown = resident() - before
            while crowd[0].recv(65536):
                pass  # the oldest have been told to go, the youngest still wait
            crowd[-1].setblocking(False)
            with pytest.raises(BlockingIOError):
                crowd[-1].recv(1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert handler.opened == VISITS
    gone = sum("younger callers have not finished" in reason for reason in handler.reasons)
    assert FLOOD - 2 * MAX_HANDSHAKING <= gone <= FLOOD - MAX_HANDSHAKING
    print(f"{grown / 1e6:.0f} MB for {FLOOD} callers, {gone} of whom had to go")
    assert grown < MAX_MEMORY, f"{grown / 1e6:.0f} MB for {FLOOD} callers"


def visit(url, domain):
    guest = Caller(url, ssl_domain=domain)
    container = Container(guest)
    with watchdog(container):
        container.run()
    assert (guest.opened, guest.reasons) == (1, [])


@pytest.mark.parametrize("data", [b"AMQP\x03\x01\x00\x00" + b"\0\0\x1f\xff\2\1\0\0", b"\x16\x03\x01\x3f\xff" * 3000])
def test_what_a_caller_has_us_hold_is_bounded(data, domains):
    """A frame or a record that is announced and never ends: what comes of it is held up to its size and no further."""
    peer = server({USER: PASSWORD}, domain=domains[1])
    total = 0
    while peer.transport.capacity() >= 0 and total < 1 << 20:
        speak(peer, data if not total else bytes(4096), 4096)
        total += 4096
    assert peer.transport.capacity() < 0 and total < 100_000
    kept_out(peer)
