"""The TLS layer over two engines joined by `pump`: handshakes that succeed and fail, and what is known.

The rules: 5.2, 5.2.1.
"""

import hashlib
import ssl

import pytest

from proton import SSL, Connection, SSLDomain, SSLException, Transport
from proton.transport.tls import stream
from tests.support.engines import AMQP_HEADER, Peer, accept, pump, put, read, take
from tests.support.secured import client_domain, ends, is_open, joined, reasons, server_domain

TLS_HEADER = b"AMQP\x02\x01\x00\x00"
CHUNKS = pytest.mark.parametrize("chunk", [None, 1, 100], ids=["whole", "bytes", "hundreds"])
VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
FAILED = "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"
SUBJECT = [("C", "US"), ("ST", "ST"), ("L", "City"), ("O", "Server"), ("OU", "Dev"), ("CN", "a.example")]


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue("localhost", "127.0.0.1", subject=SUBJECT)


@pytest.fixture(scope="module")
def own(authority):
    return authority.issue(subject=[("O", "Org"), ("CN", "fred")], usage="client")


@CHUNKS
@VERSIONS
def test_a_conversation(authority, issued, version, chunk):
    pair = joined(client_domain(authority, set_protocols=version), server_domain(issued), chunk=chunk)
    a, b = pair.client, pair.server
    assert is_open(pair) and reasons(pair) == ["", ""]
    for peer in (a, b):
        assert peer.transport.encrypted and not peer.transport.authenticated
        assert peer.ssl.protocol_name() == version and peer.ssl.cipher_name() == a.ssl.cipher_name() is not None
        assert peer.ssl.resume_status() == SSL.RESUME_NEW
    assert AMQP_HEADER not in a.wire + b.wire
    a.connection.close()
    b.connection.close()
    pump(a, b, chunk)
    assert a.transport.closed and b.transport.closed and reasons(pair) == ["", ""]


@VERSIONS
def test_the_end_is_told_first_to_the_end_that_hears_of_it(authority, issued, version):
    pair = joined(client_domain(authority, set_protocols=version), server_domain(issued))
    a, b = pair.client, pair.server
    a.events(), b.events()
    a.connection.close()
    pump(a, b)
    assert b.events() == "CONNECTION_REMOTE_CLOSE TRANSPORT_TAIL_CLOSED"
    assert a.transport.pending() == 0  # TLS lives until both have closed
    b.connection.close()
    pump(a, b)
    assert b.events().endswith("TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED") and a.events().endswith("TRANSPORT_CLOSED")


def test_last_words_and_the_end_in_one_read(authority, issued):
    """Both ends close at once: what the peer said before its end still counts."""
    pair = joined(client_domain(authority), server_domain(issued))
    for peer in (pair.client, pair.server):
        peer.connection.close()
    words = [take(peer.transport) for peer in (pair.client, pair.server)]
    for peer, heard in zip((pair.server, pair.client), words):
        assert peer.transport.pending() == 0
        peer.transport.push(heard)
        assert peer.connection.state & Connection.REMOTE_CLOSED
    for peer in (pair.client, pair.server):
        assert take(peer.transport) and peer.transport.closed
    assert reasons(pair) == ["", ""]


@CHUNKS
def test_large_messages_both_ways(authority, issued, chunk):
    pair = joined(client_domain(authority), server_domain(issued))
    a, b = pair.client, pair.server
    session = a.connection.session()
    session.open()
    sender, receiver = session.sender("out"), session.receiver("in")
    sender.open(), receiver.open(), receiver.flow(1)
    pump(a, b)
    accept(b, 1)
    pump(a, b)
    there, back = list(b.connection.links(Connection.LOCAL_ACTIVE))
    size = 3_000_000 if chunk is None else 5_000
    data = bytes(range(256)) * (size // 256)
    put(sender, data)
    put(back if back.is_sender else there, data)
    pump(a, b, chunk)
    assert read(there if there.is_receiver else back)[0] == data and read(receiver)[0] == data


def test_many_pieces_of_output_leave_in_order(authority, issued):
    """A socket that takes little at a time, while more is written."""
    pair = joined(client_domain(authority), server_domain(issued))
    a, b = pair.client, pair.server
    session = a.connection.session()
    session.open()
    sender = session.sender("out")
    sender.open()
    pump(a, b)
    receiver = accept(b, 300)
    pump(a, b)
    for number in range(300):
        put(sender, b"%d" % number * 50)
        data = a.transport.peek(min(a.transport.pending(), 7 * number % 120))
        b.transport.push(data)
        a.transport.pop(len(data))
    pump(a, b)
    assert [read(receiver)[0] for _ in range(300)] == [b"%d" % number * 50 for number in range(300)]


# -- what is known of the other end ----------------------------------------------------------------------------------


def test_the_certificate_of_the_server(authority, issued):
    layer = joined(client_domain(authority), server_domain(issued)).client.ssl
    assert layer.remote_subject == layer.get_cert_subject() == "CN=a.example,OU=Dev,O=Server,L=City,ST=ST,C=US"
    parts = [layer.get_cert_subject_subfield(number) for number in range(6)]
    assert parts == ["US", "ST", "City", "Server", "Dev", "a.example"]
    assert [layer.get_cert_country(), layer.get_cert_state_or_province(), layer.get_cert_locality_or_city()] == parts[
        :3
    ]
    assert [layer.get_cert_organization(), layer.get_cert_organization_unit()] == parts[3:5]
    assert layer.get_cert_common_name() == "a.example"
    assert layer.get_cert_subject_subfield(6) is None and layer.get_cert_subject_subfield(10) is None
    with pytest.raises(OverflowError):
        layer.get_cert_subject_subfield(-1)


def test_fingerprints(authority, issued):
    layer = joined(client_domain(authority), server_domain(issued)).client.ssl
    with open(issued.cert, encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    for number, name, room in ((0, "sha1", 41), (1, "sha256", 65), (2, "sha512", 129), (3, "md5", 33)):
        digest = hashlib.new(name, der).hexdigest()
        assert layer.get_cert_fingerprint(room, number) == layer.get_cert_fingerprint(room + 9, number) == digest
        assert getattr(layer, f"get_cert_fingerprint_{name}")() == digest
        assert layer.get_cert_fingerprint(room - 1, number) is None
    assert layer.get_cert_fingerprint(200, 4) is None and layer.get_cert_fingerprint(200, -1) is None


def test_nothing_is_known_without_a_certificate_or_before_the_handshake(authority, issued):
    before = Transport().ssl(client_domain(authority))
    server = joined(client_domain(authority), server_domain(issued)).server.ssl
    for layer in (before, server):
        assert layer.remote_subject is None and layer.get_cert_common_name() is None
        assert layer.get_cert_fingerprint_sha256() is None
    assert (before.cipher_name(), before.protocol_name(), before.alpn_protocol) == (None, None, None)
    assert before.resume_status() == SSL.RESUME_NEW


def test_a_certificate_that_is_not_verified_can_be_looked_at(issued):
    pair = joined(client_domain(), server_domain(issued))
    assert is_open(pair) and pair.client.ssl.get_cert_common_name() == "a.example"


def test_a_look_at_a_connection_without_tls():
    pair = joined()
    for peer in (pair.client, pair.server):
        layer = peer.transport.ssl()
        assert (layer.cipher_name(), layer.protocol_name(), layer.remote_subject) == (None, None, None)
        assert layer.resume_status() == SSL.RESUME_UNKNOWN and not peer.transport.encrypted
    pair.client.connection.close()
    pair.server.connection.close()
    pump(pair.client, pair.server)
    assert reasons(pair) == ["", ""]


def test_peer_hostname(authority):
    layer = Transport().ssl(client_domain(authority))
    assert layer.peer_hostname == ""
    layer.peer_hostname = "a.example"
    assert layer.peer_hostname == "a.example"
    layer.peer_hostname = None
    assert layer.peer_hostname == ""
    with pytest.raises(SSLException, match="1023 bytes"):
        layer.peer_hostname = "x" * 1024
    with pytest.raises(TypeError, match="host name"):
        layer.peer_hostname = 5


def test_the_name_that_was_set_counts_before_that_of_the_connection(authority, issued):
    pair = ends(client_domain(authority), server_domain(issued), host="elsewhere")
    pair.client.ssl.peer_hostname = "localhost"
    pump(pair.client, pair.server)
    assert is_open(pair)


@pytest.mark.parametrize("host", ["x" * 300, "x." * 140, ".", "a..b", "\u00fc" * 70, "a\0b"], ids=ascii)
def test_names_that_cannot_be_sent(authority, issued, host):
    pair = joined(client_domain(), server_domain(issued), host=host)
    assert is_open(pair)  # it is not verified
    pair = joined(client_domain(authority), server_domain(issued), host=host)
    assert "expected a certificate for" in reasons(pair)[0]


def test_the_protocol_that_was_agreed_on(authority, issued):
    pair = joined(client_domain(authority, set_alpn=["x", "amqp"]), server_domain(issued, set_alpn=["amqp"]))
    assert pair.client.ssl.alpn_protocol == pair.server.ssl.alpn_protocol == "amqp"


# -- refusals --------------------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("sasl", [None, {}])
@pytest.mark.parametrize("shows", [True, False])
def test_an_end_right_after_the_handshake_is_told_as_one_of_tls(authority, issued, own, version, sasl, shows):
    domain = client_domain(authority, own if shows else None, set_protocols=version)
    pair = ends(domain, server_domain(issued), sasl=sasl)
    a, b = pair.client.transport, pair.server.transport
    while not a.encrypted:
        b.push(take(a))
        a.push(take(b))
    take(a)
    pair.client.events()
    a.close_tail()  # without close_notify
    hint = "" if shows else ", the server may want a certificate and was shown none"
    assert reasons(pair)[0] == f"SSL Failure: unexpected end after the handshake{hint}"
    assert pair.client.events() == "TRANSPORT_TAIL_CLOSED TRANSPORT_ERROR"


def test_an_end_in_the_middle_is_not_matter_of_certificates(authority, issued):
    pair = joined(client_domain(authority), server_domain(issued))
    pair.client.transport.close_tail()
    assert reasons(pair)[0] == "connection aborted"


@CHUNKS
def test_a_wrong_name_of_the_server(authority, issued, chunk):
    pair = joined(client_domain(authority), server_domain(issued), host="other.example", chunk=chunk)
    assert reasons(pair) == [
        "SSL Failure: certificate verify failed: expected a certificate for 'other.example', got one for "
        "DNS:localhost, IP:127.0.0.1",
        "SSL Failure: sslv3 alert handshake failure",
    ]
    assert not is_open(pair) and not pair.client.transport.encrypted and pair.client.ssl.remote_subject is None
    assert pair.client.events().endswith(FAILED) and pair.server.events().endswith(FAILED)


def test_a_wrong_name_with_tls_1_2_is_told_too(authority, issued):
    pair = joined(client_domain(authority, set_protocols="TLSv1.2"), server_domain(issued), host="other.example")
    client, server = reasons(pair)
    assert client.startswith("SSL Failure: certificate verify failed: expected a certificate for 'other.example'")
    # Where the standard library shows the certificate only at the end, the server has heard that end.
    early = hasattr(ssl.SSLObject, "get_unverified_chain")
    assert server == "SSL Failure: " + (
        "sslv3 alert handshake failure"
        if early
        else "the peer has left after the handshake, it may not accept the certificate"
    )
    assert not is_open(pair)


def test_no_name_to_verify(authority, issued):
    pair = joined(client_domain(authority), server_domain(issued), host=None)
    assert "a host name is needed" in reasons(pair)[0] and not is_open(pair)
    domain = client_domain(authority)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    assert is_open(joined(domain, server_domain(issued), host=None))


def test_settings_of_before_a_change_are_kept(authority, issued):
    domain = client_domain(authority)
    pair = ends(domain, server_domain(issued), host="other.example")
    domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    later = joined(domain, server_domain(issued), host="other.example")
    pump(pair.client, pair.server)
    assert is_open(later) and not is_open(pair)


def test_no_certificate_and_a_client_that_wants_one(authority):
    client, server = reasons(joined(client_domain(authority), server_domain()))
    assert client.startswith("SSL Failure: ") and server == "SSL Failure: no shared cipher"


def test_neither_end_has_a_certificate():
    pair = joined(client_domain(), server_domain())
    if "no shared cipher" in reasons(pair)[1]:
        pytest.skip("this Python's library has no anonymous ciphers")
    assert is_open(pair) and pair.client.ssl.cipher_name().startswith("ADH-")


def test_clear_text_from_the_server_is_named(authority):
    pair = ends(client_domain(authority))
    pump(pair.client, pair.server)
    client, server = reasons(pair)
    assert server.startswith("SSL/TLS connection detected where TLS is not configured: ")
    assert client.startswith("SSL Failure: expected a TLS connection, got AMQP 1.0 layer ['AMQP")


@pytest.mark.parametrize("answer, found", [(b"HTTP/1.1 400 Bad Request", "HTTP"), (b"hello world", "Unknown protocol")])
def test_other_answers_are_named(authority, answer, found):
    peer = ends(client_domain(authority)).client
    take(peer.transport)
    peer.transport.push(answer)
    assert peer.transport.condition.description.startswith(f"SSL Failure: expected a TLS connection, got {found} ['")


def test_clear_text_from_the_client_is_refused_unless_allowed(issued):
    pair = joined(None, server_domain(issued))
    assert reasons(pair) == [
        "Expected AMQP protocol header got: AMQP TLS layer ['AMQP\\x02\\x01\\x00\\x00'] (the peer requires TLS)",
        "Client connection unencrypted - forbidden",
    ]
    pair = joined(None, server_domain(issued, allow_unsecured_client=True))
    assert is_open(pair) and not pair.server.transport.encrypted
    assert (pair.server.ssl.protocol_name(), pair.server.ssl.cipher_name()) == (None, None)


def test_the_end_of_the_socket_in_the_handshake(authority, issued):
    pair = ends(client_domain(authority), server_domain(issued))
    pair.server.transport.push(take(pair.client.transport))
    for peer in (pair.client, pair.server):
        peer.transport.close_tail()
        assert peer.transport.condition.description == "SSL Failure: unexpected eof while reading"


def test_a_few_bytes_and_the_end(authority):
    peer = ends(client_domain(authority)).client
    take(peer.transport)
    peer.transport.push(b"AM")
    peer.transport.close_tail()
    assert (
        peer.transport.condition.description
        == "SSL Failure: expected a TLS connection, got ['AM'] (connection aborted)"
    )


def test_tls_within_tls_is_refused(authority, issued):
    server = Peer("server", Transport.SERVER)
    server.transport.ssl(server_domain(issued))
    server.bind()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    outer = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        outer.do_handshake()
    server.transport.push(outgoing.read())
    incoming.write(take(server.transport))
    outer.do_handshake()
    outer.write(take(ends(client_domain(authority)).client.transport))  # another client hello
    server.transport.push(outgoing.read())
    assert server.transport.encrypted
    assert "SSL protocol header not allowed (maybe detected twice)" in server.transport.condition.description


# -- client certificates ---------------------------------------------------------------------------------------------


@VERSIONS
def test_a_certificate_of_the_client(authority, issued, own, version):
    client = client_domain(authority, own, set_protocols=version)
    pair = joined(client, server_domain(issued, authority))
    assert is_open(pair)
    assert pair.server.ssl.remote_subject == pair.server.transport.user == "CN=fred,O=Org"
    assert not pair.server.transport.authenticated  # TLS alone is not a login
    pair = joined(client, server_domain(issued, authority), sasl={})
    server = pair.server.transport
    assert (pair.client.transport.sasl().mech, server.sasl().mech, server.user) == ("EXTERNAL",) * 2 + (
        "CN=fred,O=Org",
    )
    assert server.authenticated and server.sasl().authorization == "CN=fred,O=Org"


@VERSIONS
def test_a_client_without_a_certificate(authority, issued, version):
    pair = joined(client_domain(authority, set_protocols=version), server_domain(issued, authority))
    client, server = reasons(pair)
    assert server == "SSL Failure: peer did not return a certificate" and client.startswith("SSL Failure: ")
    assert not pair.server.connection.state & Connection.REMOTE_ACTIVE


# -- the AMQP header for TLS -----------------------------------------------------------------------------------------


@CHUNKS
def test_tls_after_its_amqp_header(authority, issued, chunk):
    pair = joined(client_domain(authority, start_with_header=True), server_domain(issued), chunk=chunk)
    assert is_open(pair) and pair.client.wire.startswith(TLS_HEADER) and pair.server.wire.startswith(TLS_HEADER)


def test_the_header_is_answered_with_the_header(authority):
    peer = ends(client_domain(authority, start_with_header=True)).client
    assert take(peer.transport) == TLS_HEADER and take(peer.transport) == b""
    peer.transport.push(AMQP_HEADER)
    assert "expected a TLS connection, got AMQP 1.0 layer" in peer.transport.condition.description


# -- beside other settings -------------------------------------------------------------------------------------------


@VERSIONS
def test_heartbeats_go_out_in_time(authority, issued, version):
    """One for each half of the peer's time-out, though each is longer than it would be in clear."""
    pair = ends(client_domain(authority, set_protocols=version), server_domain(issued))
    pair.server.transport.idle_timeout = 4.0  # 2 are announced
    pump(pair.client, pair.server)
    transport = pair.client.transport
    frames, now, due = transport.frames_output, 100.0, []
    for _ in range(8):
        now = transport.tick(now)
        take(transport)
        due.append((now, transport.frames_output - frames))
    assert due == [(101.0, 0), *((101.0 + number, number) for number in range(1, 8))]


def test_what_was_asked_for_before_is_kept(issued):
    server = Transport(Transport.SERVER)
    server.require_encryption(True)
    server.ssl(server_domain(issued, allow_unsecured_client=True))
    server.push(AMQP_HEADER)
    assert server.condition.description == "Client connection unencrypted - forbidden"


@pytest.mark.parametrize("start_with_header", [False, True], ids=["hello", "header"])
def test_any_two_pieces_with_what_follows(authority, issued, start_with_header):
    """The first flight in two reads, cut at each place of its beginning."""
    settings = {"start_with_header": True} if start_with_header else {}
    for cut in range(1, 24):
        pair = ends(client_domain(authority, **settings), server_domain(issued))
        flight = take(pair.client.transport)
        if start_with_header:
            pair.client.transport.push(TLS_HEADER)
            flight += take(pair.client.transport)
        pair.server.transport.push(flight[:cut])
        pair.server.transport.push(flight[cut:])
        answer = take(pair.server.transport)
        pair.client.transport.push(answer[len(TLS_HEADER) if start_with_header else 0 :])
        pump(pair.client, pair.server)
        assert is_open(pair), (cut, reasons(pair))


def test_what_a_peer_has_tls_say_is_bounded(authority, issued, monkeypatch):
    """A peer that reads nothing, and asks for an answer again and again."""
    monkeypatch.setattr(stream, "_MAX_OUTPUT_BYTES", 1000)
    pair = joined(client_domain(authority), server_domain(issued))
    session = pair.server.connection.session()
    session.open()
    sender = session.sender("x")
    sender.open()
    pump(pair.client, pair.server)
    accept(pair.client, 10)
    pump(pair.client, pair.server)
    put(sender, bytes(2000))
    assert pair.server.transport.pending() > 2000
    pair.client.connection.session().open()
    pair.server.transport.push(take(pair.client.transport))
    assert pair.server.transport.condition.description.startswith("SSL Failure: expected the peer to read, 2")
