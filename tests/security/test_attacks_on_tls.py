"""TLS on the wire, in the hands of an attacker: nothing that was changed, cut or repeated is taken."""

from __future__ import annotations

import random
import ssl
import struct

import pytest

from proton import SSLDomain
from tests.support.attacks import (
    CHUNKS,
    FRAMING,
    PASSWORD,
    POLICY,
    USER,
    bare_client,
    client,
    end,
    kept_out,
    login,
    server,
    speak,
)
from tests.support.certificates import Authority
from tests.support.engines import AMQP_HEADER, frame, pump, put, take

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
TLS_HEADER = b"AMQP\x02\x01\x00\x00"
OPEN = frame(0, "open", container_id="evil")
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Makes a pair of domains for a version of TLS."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    issued = authority.issue("localhost")

    def make(version="TLSv1.3"):
        mine, theirs = SSLDomain(SSLDomain.MODE_CLIENT), SSLDomain(SSLDomain.MODE_SERVER)
        mine.set_trusted_ca_db(authority.cert)
        theirs.set_credentials(*issued)
        for domain in (mine, theirs):
            domain.set_protocols(version)
        return mine, theirs

    return make


def pair(domains, **options):
    return client(domain=domains[0], host="localhost", **options), server(domain=domains[1])


def opened(domains):
    """Two ends that talk, with a link from the client to the server."""
    a, b = pair(domains)
    pump(a, b)
    session = a.connection.session()
    session.open()
    sender = session.sender("L")
    sender.open()
    pump(a, b)
    b.connection.session_head(0).open()
    receiver = b.connection.link_head(0)
    receiver.open()
    receiver.flow(10)
    pump(a, b)
    a.events(), b.events()
    return a, b, sender, receiver


def flights(domains, steps=20):
    """What the two ends say to each other in turn until the client has heard the open."""
    a, b = pair(domains)
    said = []
    for _ in range(steps):
        for source, sink in ((a, b), (b, a)):
            data = take(source.transport)
            if data:
                said.append(data)
                speak_only(sink, data)
    assert a.connection.remote_container == "server"
    return said


def speak_only(peer, data):
    if peer.transport.capacity() >= 0:
        peer.transport.push(data)


NOISE = random.Random(5).randbytes(400)
BEFORE = [
    ("noise", NOISE),
    ("an empty record", b"\x16\x03\x01\x00\x00"),
    ("a record of noise", b"\x16\x03\x01\x01\x00" + NOISE[:256]),
    ("a record that is too long", b"\x16\x03\x01\xff\xff" + NOISE),
    ("a hello that is none", b"\x16\x03\x01\x00\x05hello"),
    ("a hello with a wrong length", b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"\x16\x03\x01\x40\x00" + NOISE),
    ("encrypted data first", b"\x17\x03\x03\x00\x20" + NOISE[:32]),
    ("a cipher change first", b"\x14\x03\x03\x00\x01\x01" * 40),
    ("a fatal alert", ALERT),
    ("the end of TLS first", NOTIFY),
    ("warnings without end", b"\x15\x03\x03\x00\x02\x01\x5a" * 100),
    ("a hello in the old form", b"\x80\x2e\x01\x03\x01" + NOISE[:43]),
]


@CHUNKS
@pytest.mark.parametrize("name, data", BEFORE, ids=lambda row: row if isinstance(row, str) else "")
def test_garbage_before_the_handshake(name, data, chunk, tls):
    domains = tls()
    b = server(domain=domains[1])
    answer = speak(b, data, chunk)
    if b.transport.capacity() >= 0:
        answer += end(b)
    kept_out(b)
    a = client(domain=domains[0], host="localhost")
    take(a.transport)
    speak(a, data, chunk)
    if a.transport.capacity() >= 0:
        end(a)
    kept_out(a, "SSL Failure: ", name=FRAMING)
    # What the server answered ends a client, too, and says so.
    a = client(domain=domains[0], host="localhost")
    take(a.transport)
    speak(a, answer, chunk)
    if a.transport.capacity() >= 0:
        end(a)
    kept_out(a, "SSL Failure: ", name=FRAMING)


INSERTS = [
    ("noise", NOISE[:64]),
    ("encrypted noise", b"\x17\x03\x03\x00\x40" + NOISE[:64]),
    ("clear text", AMQP_HEADER + OPEN),
    ("clear text in a record", b"\x17\x03\x03" + struct.pack(">H", len(AMQP_HEADER + OPEN)) + AMQP_HEADER + OPEN),
    ("a fatal alert", ALERT),
    ("the end of TLS", NOTIFY),
]


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("name, data", INSERTS, ids=lambda row: row if isinstance(row, str) else "")
def test_garbage_in_the_handshake(name, data, chunk, version, tls):
    """Put in front of each flight in turn: no end takes it for anything that the other has said."""
    domains = tls(version)
    count = 4 if version == "TLSv1.2" else 3
    for place in range(1, count):
        a, b = pair(domains)
        for number in range(count):
            source, sink = (a, b) if number % 2 == 0 else (b, a)
            flight = take(source.transport)
            speak_only(sink, data + flight if number == place else flight)
            if number == place:
                break
        for peer, other in ((sink, source), (source, sink)):
            speak(other, take(peer.transport), chunk)
        for peer in (a, b):
            if peer.transport.capacity() >= 0:
                end(peer)
        kept_out(sink, "SSL Failure: ", name=FRAMING)
        assert not source.transport.authenticated and "CONNECTION_REMOTE_OPEN" not in source.events()


AFTER = [
    ("noise", NOISE[:64]),
    ("encrypted noise", b"\x17\x03\x03\x00\x40" + NOISE[:64]),
    ("clear text", frame(0, "close")),
    ("the end of TLS, not encrypted", NOTIFY),
    ("a record that is too long", b"\x17\x03\x03\xff\xff" + NOISE),
]


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("name, data", AFTER, ids=lambda row: row if isinstance(row, str) else "")
def test_garbage_after_the_handshake(name, data, chunk, version, tls):
    for number in range(2):
        a, b, _, _ = opened(tls(version))
        victim, other = (a, b) if number else (b, a)
        alert = speak(victim, data, chunk)
        assert victim.transport.condition.description.startswith("SSL Failure: ")
        assert "TRANSPORT_ERROR" in victim.events() and victim.connection.remote_condition is None
        speak_only(other, alert)
        if other.transport.capacity() >= 0:
            end(other)
        assert other.transport.condition.name == FRAMING
        assert other.connection.remote_condition is None


@VERSIONS
@pytest.mark.parametrize("change", ["repeated", "left out", "swapped", "flipped"])
def test_records_that_were_meddled_with(change, version, tls):
    a, b, sender, receiver = opened(tls(version))
    records = []
    for number in range(3):
        put(sender, b"message %d" % number)
        records.append(take(a.transport))
    first, second, third = records
    changed = {
        "repeated": [first, first, second],
        "left out": [first, third],
        "swapped": [first, third, second],
        "flipped": [first, second[:-1] + bytes([second[-1] ^ 1]), third],
    }[change]
    for data in changed:
        speak_only(b, data)
    assert b.transport.condition.description.startswith("SSL Failure: ")
    assert receiver.recv(100) == b"message 0" and receiver.queued == 1


@VERSIONS
@pytest.mark.parametrize("position", range(0, 4000, 157))
def test_one_bit_of_the_handshake(position, version, tls):
    """Either the change does not matter, as in the version of a record, or no client gets in."""
    a, b = pair(tls(version), user=USER, password=PASSWORD, insecure=True)
    flipped, passed = False, 0
    for _ in range(12):
        for source, sink in ((a, b), (b, a)):
            data = bytearray(take(source.transport))
            if not flipped and passed + len(data) > position:
                data[position - passed] ^= 0x10
                flipped = True
            passed += len(data)
            if data:
                speak_only(sink, bytes(data))
            if source.transport.pending() < 0 and sink.transport.capacity() >= 0:
                sink.transport.close_tail()
    for peer in (a, b):
        if peer.transport.capacity() >= 0 and peer.connection.remote_container is None:
            end(peer)
    opens = [peer.connection.remote_container for peer in (a, b)]
    assert opens in (["server", "client"], [None, None], [None, "client"])
    assert None not in opens or any("SSL Failure" in str(peer.transport.condition) for peer in (a, b))


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("size", [100, 50_000])
def test_truncated_in_the_middle_of_a_message(size, chunk, version, tls):
    """The stream ends without TLS having ended: what has come of the message is not one."""
    for cut in (1, 30, 70):
        a, b, sender, receiver = opened(tls(version))
        put(sender, b"x" * size)
        data = take(a.transport)
        speak(b, data[:-cut], chunk and 1000)
        end(b)
        condition = b.transport.condition
        assert (condition.name, condition.description) == (FRAMING, "connection aborted")
        delivery = receiver.current
        assert delivery is None or delivery.partial
        assert "CONNECTION_REMOTE_CLOSE" not in b.events()


@VERSIONS
def test_truncated_between_two_messages(version, tls):
    """What was whole has come; that more was meant to come is an error all the same."""
    a, b, sender, receiver = opened(tls(version))
    put(sender, b"one")
    speak(b, take(a.transport))
    put(sender, b"two")
    end(b)
    assert b.transport.condition.description == "connection aborted"
    assert receiver.recv(10) == b"one" and receiver.queued == 1


@VERSIONS
def test_each_cut_of_the_handshake_is_an_end_without_a_login(version, tls):
    said = flights(tls(version))
    for number in range(3):
        a, b = pair(tls(version))
        for turn in range(number):
            source, sink = (a, b) if turn % 2 == 0 else (b, a)
            speak_only(sink, take(source.transport))
        source, sink = (a, b) if number % 2 == 0 else (b, a)
        data = take(source.transport)
        for cut in range(0, len(data) - 1, 97):
            assert len(said[number]) > cut
            speak_only(sink, data[cut : cut + 97] if cut + 97 < len(data) else b"")
        end(sink)
        kept_out(sink)


@CHUNKS
@pytest.mark.parametrize("sasl", [False, True], ids=["AMQP", "SASL"])
def test_clear_text_client_on_a_server_with_tls(sasl, chunk, tls):
    a, b = (client(user=USER) if sasl else bare_client()), server(domain=tls()[1])
    pump(a, b, chunk)
    assert "Client connection unencrypted - forbidden" in b.transport.condition.description
    assert b.transport.condition.name == POLICY and "CONNECTION_REMOTE_OPEN" not in b.events()
    assert "(the peer requires TLS)" in a.transport.condition.description
    assert "CONNECTION_REMOTE_OPEN" not in a.events()


@CHUNKS
@pytest.mark.parametrize("header", [False, True], ids=["TLS", "header"])
def test_tls_client_on_a_clear_text_server(header, chunk, tls):
    mine, _ = tls()
    if header:
        mine.start_with_header()
    a, b = client(domain=mine, host="localhost"), server()
    pump(a, b, chunk)
    kept_out(b, "TLS is not configured", name=FRAMING)
    kept_out(a, "SSL Failure: expected a TLS connection, got AMQP 1.0 layer", name=FRAMING)


def inside(peer, version=ssl.TLSVersion.TLSv1_3):
    """A client of the standard library with a server of ours: a function that says bytes in TLS, gives the answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    socket = context.wrap_bio(incoming, outgoing)

    def say(data):
        if data:
            socket.write(data)
        incoming.write(speak(peer, outgoing.read()))
        pieces = []
        try:
            while incoming.pending:
                pieces.append(socket.read(1 << 16))
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return b"".join(pieces)

    for _ in range(4):
        try:
            socket.do_handshake()
        except ssl.SSLWantReadError:
            incoming.write(speak(peer, outgoing.read()))
    return say


def test_tls_after_sasl(tls):
    """An attacker that logs in on a connection and hands it to a client that verifies the server and has no SASL."""
    domains = tls()
    b = server(domain=domains[1])
    speak(b, login("ANONYMOUS", b"x"))
    a = bare_client(domains[0], "localhost")
    pump(a, b)
    assert b.transport.condition.description.startswith("expected TLS before SASL")
    assert not b.transport.encrypted and "CONNECTION_REMOTE_OPEN" not in b.events()
    kept_out(a, "SSL Failure: ", name=FRAMING)


@pytest.mark.parametrize("again", [TLS_HEADER, b"\x16\x03\x01\x00\x05hello"], ids=["header", "hello"])
@pytest.mark.parametrize("before", [b"", login("ANONYMOUS", b"x")], ids=["first", "after SASL"])
def test_tls_within_tls(again, before, tls):
    b = server(domain=tls()[1])
    say = inside(b)
    say(before)
    say(again)
    assert "not allowed (maybe detected twice)" in b.transport.condition.description
    assert "CONNECTION_REMOTE_OPEN" not in b.events()


def test_a_login_within_tls_is_one(tls):
    """The helper without an attack."""
    b = server({USER: PASSWORD}, domain=tls()[1])
    say = inside(b)
    say(login("PLAIN", f"\0{USER}\0{PASSWORD}".encode()))
    assert AMQP_HEADER in say(AMQP_HEADER + OPEN)
    assert b.transport.user == USER and b.connection.remote_container == "evil" and b.transport.encrypted


def test_a_password_does_not_go_out_before_the_server_has_shown_its_certificate(tls):
    """Nothing that belongs into TLS leaves before, whatever the server sends in clear text."""
    a = client("PLAIN", USER, PASSWORD, True, domain=tls()[0], host="localhost")
    written = take(a.transport)
    written += speak(a, AMQP_HEADER + OPEN)
    kept_out(a, "expected a TLS connection", name=FRAMING)
    assert PASSWORD.encode() not in written and b"AMQP" not in written
