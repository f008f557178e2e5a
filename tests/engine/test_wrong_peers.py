"""Peers that speak something else, on either side, with and without SASL: named in plain words, whole or byte by byte.

`test_headers.py` has the exact texts; here every peer meets every side, and each meeting ends cleanly.
"""

import pytest

from proton import Transport
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Peer, frame, split, take
from tests.support.violations import BOTH, error_of

FRAMING = "amqp:connection:framing-error"
TLS_HEADER = b"AMQP\x02\x01\x00\x00"
PEERS = {
    # what it says, a word that the description must have
    "HTTP request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
    "HTTP upload": (b"POST /x HTTP/1.1\r\n", "HTTP"),
    "HTTP answer": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
    "HTTP proxy": (b"CONNECT x:1 HTTP/1.1\r\n", "HTTP"),
    "TLS hello": (bytes.fromhex("16030100a5010000a10303"), "SSL/TLS connection"),
    "TLS alert": (bytes.fromhex("15030300020246"), "SSL/TLS connection"),
    "TLS hello in the old form": (bytes.fromhex("802e010301001500000010"), "SSL/TLS connection"),
    "AMQP 0-9-1": (b"AMQP\x00\x00\x09\x01", "AMQP 0-9-1"),
    "AMQP 0-10": (b"AMQP\x01\x01\x00\x0a", "AMQP connection"),
    "AMQP 1.1": (b"AMQP\x00\x01\x01\x00", "AMQP connection"),
    "AMQP over TLS": (TLS_HEADER, "AMQP"),
    "an AMQP frame without a header": (frame(0, "open", container_id="x"), "nknown protocol"),
    "SSH": (b"SSH-2.0-x\r\n", "nknown protocol"),
    "SMTP": (b"220 mail ESMTP\r\n", "nknown protocol"),
    "MQTT": (b"\x10\x12\x00\x04MQTT\x04\x02", "nknown protocol"),
    "zeros": (bytes(20), "nknown protocol"),
    "AM radio": (b"AMPERE or so", "nknown protocol"),
}
SIDES = ["server", "client", "client with SASL"]


@pytest.fixture(params=list(BOTH.values()), ids=list(BOTH))
def chunk(request):
    return request.param


def engine(side):
    peer = Peer(side, Transport.SERVER if side == "server" else None)
    if side.endswith("SASL"):
        peer.transport.sasl()
    peer.bind()
    return peer, split(take(peer.transport))


def meet(side, data, chunk=None):
    """Pushes what the peer says; the transport and all that it wrote."""
    peer, wrote = engine(side)
    for start in range(0, len(data), chunk or len(data) or 1):
        if peer.transport.capacity() < 0:
            break
        peer.transport.push(data[start : start + (chunk or len(data))])
        wrote += split(take(peer.transport))
    return peer.transport, wrote


def check_closed(transport, wrote):
    names = [getattr(part, "name", "header") for part in wrote]
    assert names[-2:] == ["open", "close"] and names.count("close") == 1
    condition, description = error_of(wrote[-1])
    assert condition == FRAMING == transport.condition.name
    assert transport.condition.description.startswith(description.rstrip("."))
    assert transport.closed and transport.pending() == transport.capacity() == -1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PEERS)
def test_other_protocol_is_named(name, side, chunk):
    data, word = PEERS[name]
    transport, wrote = meet(side, data, chunk)
    assert word in transport.condition.description
    check_closed(transport, wrote)


@pytest.mark.parametrize("name", PEERS)
def test_other_protocol_where_amqp_should_follow_sasl(name, chunk):
    data, word = PEERS[name]
    for side, answer in (
        ("server", frame(0, "sasl-init", kind=1, mechanism="ANONYMOUS")),
        (
            "client with SASL",
            frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=["ANONYMOUS"])
            + frame(0, "sasl-outcome", kind=1, code=0),
        ),
    ):
        transport, wrote = meet(side, SASL_HEADER + answer + data, chunk)
        assert transport.authenticated and word in transport.condition.description
        check_closed(transport, wrote)


UNEXPECTED = {
    "SASL to a client without": ("client", SASL_HEADER, "(the peer requires SASL)"),
    "AMQP to a client with SASL": ("client with SASL", AMQP_HEADER, "Expected SASL protocol header got: AMQP 1.0"),
    "TLS to a client": ("client", TLS_HEADER, "AMQP TLS layer"),
    "AMQP header twice": ("client", AMQP_HEADER * 2, "malformed frame"),
    "AMQP header twice, server": ("server", AMQP_HEADER * 2, "malformed frame"),
    "AMQP frame instead of SASL": ("server", SASL_HEADER + frame(0, "open", container_id="x"), "(type 1), got type 0"),
    "SASL frame instead of AMQP": (
        "server",
        AMQP_HEADER + frame(0, "sasl-init", kind=1, mechanism="ANONYMOUS"),
        "(type 0), got type 1",
    ),
    "SASL frame of the other side": (
        "server",
        SASL_HEADER + frame(0, "sasl-outcome", kind=1, code=0),
        "a SASL server did not expect frame 0x44 now",
    ),
    "SASL outcome before mechanisms": (
        "client with SASL",
        SASL_HEADER + frame(0, "sasl-outcome", kind=1, code=0),
        "expected sasl-mechanisms first, got an outcome",
    ),
    "SASL frame too large": ("server", SASL_HEADER + b"\0\1\0\0\2\1\0\0", "malformed frame: expected"),
    "SASL frame too small": ("server", SASL_HEADER + b"\0\0\0\7\2\1\0\0", "expected 8 bytes at least, got 7"),
}


@pytest.mark.parametrize("case", UNEXPECTED)
def test_the_right_words_at_the_wrong_time(case, chunk):
    side, data, words = UNEXPECTED[case]
    transport, wrote = meet(side, data, chunk)
    assert transport.condition.name == FRAMING
    assert words in transport.condition.description
    assert not transport.authenticated
    assert transport.closed and transport.pending() == transport.capacity() == -1
    assert "close" in [getattr(part, "name", None) for part in wrote] or SASL_HEADER in (data[:8], wrote[0])


@pytest.mark.parametrize("side", SIDES)
def test_peer_that_says_nothing(side):
    peer, _ = engine(side)
    peer.transport.close_tail()
    assert peer.transport.condition.name == FRAMING
    assert "o protocol header found (connection aborted)" in peer.transport.condition.description
    take(peer.transport)
    assert peer.transport.closed
