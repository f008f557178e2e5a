"""Passwords and tokens are nowhere but on the wire: not in traces, logs, conditions, exceptions or reprs.

Whole logins, good and bad, of every mechanism, with everything on that could show something; what came out is searched
for the secret as it is, in base64 at each alignment, in hexadecimal, and in the rows of a raw trace put together again.
"""

from __future__ import annotations

import base64
import logging
import queue
import re
import traceback
import urllib.parse

import pytest

from proton import Credentials, ScramVerifier, SSLDomain, Transport
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection
from tests.support.attacks import (
    PASSWORD,
    USER,
    challenge,
    client,
    offer,
    outcome,
    server,
    speak,
)
from tests.support.certificates import Authority
from tests.support.engines import pump, take
from tests.support.loops import in_thread, watchdog

MECHS = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
WRONG = "wr0ng-Passw0rd-of-the-client"
TOKEN = "eyJhbGciOi.token-of-the-client"
SECRETS = [PASSWORD, WRONG, TOKEN, "%20pa55 w0rd/@:"]
ALL = Transport.TRACE_FRM | Transport.TRACE_RAW | Transport.TRACE_DRV
ROW = re.compile(r"[0-9a-f]{4}/[0-9a-f]{4}: ((?:[0-9a-f]{2} ?)+)")


def forms(secret):
    """How a secret may look in a text."""
    data = secret.encode()
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield data.hex()
    yield data.hex(" ")
    for shift in range(3):
        # The middle of it: what stands before and after changes the characters at the ends.
        yield base64.b64encode(b"\0" * shift + data).decode()[(shift * 8 + 5) // 6 : -4]


def assert_no_secret(*shown):
    text = "\n".join(str(part) for part in shown)
    rows = b"".join(bytes.fromhex(row) for row in ROW.findall(text)).decode("latin-1")
    for secret in SECRETS:
        for form in forms(secret):
            assert form not in text and form not in rows


def watched(peer, lines):
    peer.transport.tracer = lambda transport, line: lines.append(line)
    peer.transport.trace(ALL)
    return peer


def looks_of(peer):
    """Every text that an engine can show of itself."""
    transport, connection = peer.transport, peer.connection
    sasl = transport.sasl()
    objects = [transport, connection, sasl, sasl.credentials, transport.condition, connection.remote_condition]
    objects += [transport.user, connection.user, connection.password, sasl.token, sasl.user, sasl.authorization]
    while peer.collector.peek() is not None:
        objects += [peer.collector.peek(), peer.collector.peek().context]
        peer.collector.pop()
    return [f"{thing} {thing!r}" for thing in objects]


def test_the_search_finds_what_it_looks_for():
    hidden = base64.b64encode(b"x\0" + USER.encode() + b"\0" + PASSWORD.encode() + b"!").decode()
    raw = "-> 0000/0010: 68 75 6e 74 65 72 32 2d  hunter2-\n-> 0010/0010: 53 65 63 72 65 74       Secret"
    for text in (PASSWORD, hidden, raw, f"Condition({TOKEN!r})", PASSWORD.encode().hex()):
        with pytest.raises(AssertionError):
            assert_no_secret("before", text, "after")


USERS = {
    "passwords": {USER: PASSWORD},
    "credentials": Credentials({USER: PASSWORD}),
    "verifiers": {USER: [ScramVerifier.make(mech, PASSWORD, 10) for mech in MECHS[1:]]},
}


@pytest.mark.parametrize("form", USERS)
@pytest.mark.parametrize("mech", MECHS)
@pytest.mark.parametrize("password", [PASSWORD, WRONG], ids=["right", "wrong"])
def test_logins_between_engines(mech, form, password):
    lines = []
    a = watched(client(mech, USER, password, True), lines)
    b = watched(server(USERS[form], insecure=True), lines)
    pump(a, b)
    assert b.transport.authenticated is (password == PASSWORD)
    assert any("sasl-init" in line for line in lines)
    assert_no_secret(*lines, *looks_of(a), *looks_of(b), USERS["credentials"], USERS["verifiers"])


TOKENS = [
    ("taken", [outcome(0)]),
    ("refused", [challenge(b'{"status":"invalid"}'), outcome(1)]),
    ("refused, then taken", [challenge(b"x"), outcome(0)]),
    ("refused without a word", [outcome(1)]),
    ("asked for twice", [challenge(b"x"), challenge(b"x")]),
]


@pytest.mark.parametrize("row", TOKENS, ids=lambda row: row[0])
@pytest.mark.parametrize("mech", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("token", [TOKEN, lambda: TOKEN, TOKEN + "\n"], ids=["text", "callable", "unfit"])
def test_tokens(mech, row, token):
    lines = []
    peer = watched(client(mech, USER, insecure=True, token=token), lines)
    take(peer.transport)
    written = speak(peer, offer(mech))
    for answer in row[1]:
        written += speak(peer, answer)
    assert (TOKEN.encode() in written) is (token is TOKEN or callable(token))
    assert_no_secret(*lines, *looks_of(peer))


@pytest.mark.parametrize("data", range(8))
@pytest.mark.parametrize("kind", ["init", "response"])
def test_frames_with_a_secret_that_are_damaged(kind, data):
    """Each byte in front of the secret changed in turn: nothing that then is wrong may be explained with it."""
    a = client("PLAIN", USER, PASSWORD, True)
    take(a.transport)
    frame = bytearray(speak(a, offer("PLAIN")))
    if kind == "response":
        frame[10] = 0x43
    start = len(frame) - len(PASSWORD)
    assert frame[start:] == PASSWORD.encode()
    for position in range(start):
        spoiled = bytearray(frame)
        spoiled[position] ^= 1 << data
        lines = []
        b = watched(server(USERS["passwords"], insecure=True), lines)
        speak(b, b"AMQP\x03\x01\x00\x00" + bytes(spoiled))
        if b.transport.capacity() >= 0:
            b.transport.close_tail()
        assert b.transport.condition is not None or b.transport.authenticated
        assert_no_secret(*lines, *looks_of(b))


class Program(MessagingHandler):
    """A server and its client in one container, with all traces on; `seen` is what could be shown of the run."""

    def __init__(self, password, mech, in_url):
        super().__init__()
        self.password, self.mech, self.in_url = password, mech, in_url
        self.seen = []

    def on_start(self, event):
        self.acceptor = event.container.listen(
            "127.0.0.1:0", credentials={USER: PASSWORD}, allow_insecure_mechs=True, require_auth=True
        )
        place, options = f"127.0.0.1:{self.acceptor.port}", {"user": USER, "password": self.password}
        if self.in_url:
            place, options = f"amqp://{USER}:{self.password}@{place}", {}
        self.connection = event.container.connect(place, reconnect=False, allowed_mechs=self.mech, **options)

    def on_connection_bound(self, event):
        event.transport.trace(ALL)

    def on_unhandled(self, name, event):
        self.seen.append(f"{name} {event} {event.context!r} {event.connection!r} {event.transport!r}")

    def on_connection_opened(self, event):
        self.seen.append(f"{event.transport.user} {event.connection.url!r}")
        event.connection.close()
        self.acceptor.close()

    def on_transport_error(self, event):
        self.seen.append(f"{event.transport.condition} {event.transport.condition!r} {event}")
        self.acceptor.close()


@pytest.mark.parametrize("in_url", [False, True], ids=["option", "url"])
@pytest.mark.parametrize("mech", MECHS)
@pytest.mark.parametrize("password", [PASSWORD, WRONG], ids=["right", "wrong"])
def test_containers_over_sockets(mech, password, in_url, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    program = Program(password, mech, in_url)
    container = Container(program)
    with watchdog(container):
        container.run()
    out, err = capfd.readouterr()
    assert ("sasl-init" in err) and (("[mech=" in "".join(program.seen)) is (password == WRONG))
    assert_no_secret(caplog.text, out, err, *program.seen, container, repr(program.connection.url))


class Waiting(MessagingHandler):
    """A server that runs until its first connection has ended."""

    def __init__(self, ready):
        super().__init__()
        self.ready = ready

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", credentials={USER: PASSWORD}, allow_insecure_mechs=True)
        self.ready(self.acceptor.port)

    def on_transport_closed(self, event):
        self.acceptor.close()

    def on_transport_error(self, event):
        pass


@pytest.mark.parametrize("password", [WRONG, "%20pa55 w0rd/@:"])
def test_what_a_blocking_connection_raises(password, caplog):
    caplog.set_level(logging.DEBUG)
    ports = queue.Queue()
    with in_thread(Container(Waiting(ports.put))):
        place = f"127.0.0.1:{ports.get(timeout=20)}"
        with pytest.raises(Exception) as raised:
            BlockingConnection(f"{USER}:{urllib.parse.quote(password, safe='')}@{place}", reconnect=False, timeout=20)
    text = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    assert "Authentication failed" in text
    assert_no_secret(caplog.text, text, repr(raised.value), vars(raised.value))


@pytest.mark.parametrize("password", [PASSWORD, None])
def test_the_password_of_a_key(password, tmp_path):
    issued = Authority(tmp_path).issue("localhost", password=WRONG)
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    with pytest.raises(Exception) as raised:
        domain.set_credentials(issued.cert, issued.key, password)
    text = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    domain.set_credentials(issued.cert, issued.key, WRONG)
    assert_no_secret(text.replace("WRONG", ""), repr(domain), domain)
