"""Protocol headers: what answers the first bytes, and the words for wrong ones (2.2, 2.8.19, 5.2.2, 5.3.4)."""

import pytest

from proton import Condition, Transport
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Frame, Peer, frame, split, take

FRAMING = "amqp:connection:framing-error"
POLICY = "amqp:connection:policy-error"
TLS_HELLO = bytes.fromhex("16030100a5010000a10303")
CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])


def engine(server, sasl=False):
    peer = Peer("server" if server else "client", Transport.SERVER if server else None).bind()
    if sasl:
        peer.transport.sasl()
    take(peer.transport)
    peer.events()
    return peer


def feed(peer, data, chunk=None):
    """Pushes until the engine wants no more."""
    for start in range(0, len(data), chunk or len(data) or 1):
        if peer.transport.capacity() < 0:
            break
        peer.transport.push(data[start : start + (chunk or len(data))])


SERVER = [
    # what a client sends, the description; the rest of the text may say more
    (b"garbage!", "Unknown protocol detected: 'garbage!'"),
    (b"AMQP\x00\x00\x0a\x00", None),
    (b"AMQP\x01\x01\x00\x0a", "Incompatible AMQP connection detected: 'AMQP\\x01\\x01\\x00\\x0a'"),
    (b"AMQP\x00\x01\x01\x00", "Incompatible AMQP connection detected: 'AMQP\\x00\\x01\\x01\\x00'"),
    (b"AMQP\x00\x00\x09\x01", "Incompatible AMQP connection detected: 'AMQP\\x00\\x00\\x09\\x01'"),
    (b"GET / HTTP/1.1\r\n", "Unknown protocol detected: 'GET / HTTP/1.1\\x0d\\x0a'"),
]


@pytest.mark.parametrize("row", SERVER, ids=lambda row: repr(row[0]))
def test_server_names_what_it_got_and_answers_with_open_and_close(row):
    data, text = row
    peer = engine(server=True)
    feed(peer, data)
    condition = peer.transport.condition
    assert condition.name == FRAMING
    assert condition.description.startswith(text or "")
    assert peer.events() == "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED"
    header, opened, closed = split(take(peer.transport))
    assert (header, opened.name, opened["container_id"], closed.name) == (AMQP_HEADER, "open", "", "close")
    assert closed["error"].value[:2] == [condition.name, condition.description]
    assert peer.transport.closed and peer.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


@pytest.mark.parametrize("data", [row[0] for row in SERVER], ids=repr)
def test_server_refuses_unknown_bytes_as_early_as_it_can(data):
    peer = engine(server=True)
    feed(peer, data, 1)
    assert peer.transport.condition.name == FRAMING and peer.transport.capacity() == -1


SERVER_ENDS = [
    (b"", "No protocol header found (connection aborted)"),
    (b"AM", "End of input stream before protocol detection: 'AM' (connection aborted)"),
    (b"AMQP\0\1", "End of input stream before protocol detection: 'AMQP\\x00\\x01' (connection aborted)"),
]


@pytest.mark.parametrize("row", SERVER_ENDS, ids=lambda row: repr(row[0]))
def test_end_of_input_before_the_header_of_a_client(row):
    data, text = row
    peer = engine(server=True)
    feed(peer, data)
    peer.transport.close_tail()
    assert (peer.transport.condition.name, peer.transport.condition.description) == (FRAMING, text)
    written = take(peer.transport)
    assert bool(written) is bool(data)  # a peer that said nothing is told nothing
    assert peer.transport.closed


CLIENT = [
    (b"garbage!", "Unknown protocol"),
    (TLS_HELLO, "SSL/TLS connection"),
    (b"AMQP\x02\x01\x00\x00", "AMQP TLS layer"),
    (SASL_HEADER, "AMQP SASL layer"),
    (b"AMQP\x01\x01\x00\x0a", "Pre standard AMQP connection"),
]


@CHUNKS
@pytest.mark.parametrize("row", CLIENT, ids=lambda row: row[1])
def test_client_names_what_it_got(row, chunk):
    data, what = row
    peer = engine(server=False)
    feed(peer, data, chunk)
    condition = peer.transport.condition
    assert condition.name == FRAMING
    assert condition.description.startswith(f"Expected AMQP protocol header got: {what} ['")
    take(peer.transport)
    assert peer.transport.closed


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"AMQP\x00\x00\x09\x01"], ids=["http", "0-9-1"])
def test_client_names_peers_that_are_often_met_by_mistake(data):
    peer = engine(server=False)
    feed(peer, data)
    assert ("HTTP" if data.startswith(b"HTTP") else "0-9-1") in peer.transport.condition.description


def test_client_that_is_asked_for_sasl_says_so():
    peer = engine(server=False)
    feed(peer, SASL_HEADER)
    assert "SASL" in peer.transport.condition.description.split("]")[1]


@pytest.mark.parametrize("sasl", [False, True])
@pytest.mark.parametrize("data", [b"", b"AMQ"])
def test_end_of_input_before_the_header_of_a_server(sasl, data):
    peer = engine(server=False, sasl=sasl)
    feed(peer, data)
    peer.transport.close_tail()
    expected = "SASL" if sasl else "AMQP"
    text = {
        b"": f"Expected {expected} protocol header: no protocol header found (connection aborted)",
        b"AMQ": f"Expected {expected} protocol header got: Insufficient data to determine protocol ['AMQ']"
        " (connection aborted)",
    }[data]
    assert (peer.transport.condition.name, peer.transport.condition.description) == (FRAMING, text)


def test_client_with_sasl_expects_the_sasl_header():
    peer = engine(server=False, sasl=True)
    feed(peer, AMQP_HEADER)
    assert peer.transport.condition.description.startswith(
        "Expected SASL protocol header got: AMQP 1.0 layer ['AMQP\\x00\\x01\\x00\\x00']"
    )


def test_server_refuses_a_second_sasl_header():
    peer = engine(server=True)
    feed(peer, SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism="ANONYMOUS"))
    feed(peer, SASL_HEADER)
    text = "AMQP SASL protocol header not allowed (maybe detected twice): 'AMQP\\x03\\x01\\x00\\x00'"
    assert peer.transport.condition.description == text


POLICIES = [
    ("require_auth", "Client skipped authentication - forbidden", SASL_HEADER, "SASL"),
    ("require_encryption", "Client connection unencrypted - forbidden", b"AMQP\x02\x01\x00\x00", "TLS"),
]


@pytest.mark.parametrize("policy, text, acceptable, name", POLICIES)
def test_server_policies(policy, text, acceptable, name):
    peer = engine(server=True)
    getattr(peer.transport, policy)(True)
    feed(peer, AMQP_HEADER)
    assert (peer.transport.condition.name, peer.transport.condition.description) == (POLICY, text)
    assert take(peer.transport) == acceptable and peer.transport.closed
    client = engine(server=False)
    feed(client, acceptable)
    assert client.transport.condition.description.endswith(f"(the peer requires {name})")


def test_end_of_input_after_the_open_is_an_abort():
    peer = engine(server=False)
    feed(peer, AMQP_HEADER)
    peer.transport.close_tail()
    peer.transport.close_tail()
    assert (peer.transport.condition.name, peer.transport.condition.description) == (FRAMING, "connection aborted")
    assert [part.name for part in split(take(peer.transport)) if isinstance(part, Frame)] == ["open", "close"]


def test_end_of_input_inside_a_frame_is_an_abort():
    peer = engine(server=False)
    feed(peer, AMQP_HEADER + b"\0\0\0\x20\2\0")
    peer.transport.close_tail()
    assert peer.transport.condition.description == "connection aborted"


def test_the_reason_of_the_owner_of_the_socket_is_kept():
    peer = engine(server=False)
    peer.transport.condition = Condition("proton:io", "connection refused")
    peer.transport.close_tail()
    assert peer.transport.condition.name == "proton:io"
    assert peer.transport.condition.description.startswith("connection refused")
    assert "TRANSPORT_ERROR" in peer.events()
    late = engine(server=False)
    feed(late, AMQP_HEADER)
    late.transport.condition = Condition("proton:io", "reset")
    late.transport.close_tail()
    assert late.transport.condition == Condition("proton:io", "reset (connection aborted)")
