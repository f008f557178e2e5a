"""When SASL shows what: the order of header, frames and events, and where a failure waits for the output (5.3.2).

Programs written for the C binding drive the engine step by step and rely on this order; the whole of it is recorded
in tests/parity/scripts/sasl_order.py.
"""

import pytest

from proton import SASL, Transport
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Frame, Peer, frame, frames, split, take

DENIED = "amqp:unauthorized-access"


def sasl_frame(name, **fields):
    return frame(0, name, kind=1, **fields)


def offer(*mechs):
    return sasl_frame("sasl-mechanisms", sasl_server_mechanisms=list(mechs))


def init(mech, response=b"x"):
    return sasl_frame("sasl-init", mechanism=mech, initial_response=response)


def outcome(code):
    return sasl_frame("sasl-outcome", code=code)


def parts(data):
    return [part.name if isinstance(part, Frame) else part for part in split(data)]


def end(mode=None, credentials=None, user=None):
    peer = Peer("peer", mode)
    if user:
        peer.connection.user, peer.connection.password = user, "pw"
    layer = peer.transport.sasl()
    layer.allow_insecure_mechs = True
    if credentials:
        layer.credentials = credentials
    peer.bind()
    peer.connection.open()
    peer.events()
    return peer


# What the server has said before the client is asked for output, and what the client writes then.
EARLY = [
    ([], [SASL_HEADER]),
    ([SASL_HEADER], [SASL_HEADER]),
    ([SASL_HEADER, offer("ANONYMOUS")], [SASL_HEADER, "sasl-init"]),
    ([SASL_HEADER, offer("ANONYMOUS"), outcome(0)], [SASL_HEADER, "sasl-init", AMQP_HEADER, "open"]),
    ([SASL_HEADER, offer("ANONYMOUS"), outcome(0), AMQP_HEADER], [SASL_HEADER, "sasl-init", AMQP_HEADER, "open"]),
    ([SASL_HEADER, offer("X-NONE")], [SASL_HEADER]),
    ([SASL_HEADER, offer("ANONYMOUS"), outcome(1)], [SASL_HEADER]),
]


@pytest.mark.parametrize("joined", [True, False], ids=["one read", "reads"])
@pytest.mark.parametrize("said, written", EARLY, ids=lambda value: str(len(value)))
def test_a_client_begins_with_its_sasl_header_whatever_has_come_before(said, written, joined):
    a = end()
    for piece in [b"".join(said)] if joined else said:
        a.transport.push(piece)
    assert parts(take(a.transport)) == written


def test_a_client_that_was_asked_writes_its_header_once():
    a = end()
    assert take(a.transport) == SASL_HEADER
    a.transport.push(SASL_HEADER + offer("ANONYMOUS"))
    assert parts(take(a.transport)) == ["sasl-init"]


REFUSED = [
    # the credentials of the server, the init that it refuses
    (None, init("X-NONE")),
    (None, init("PLAIN", b"\0fred\0pw")),
    ({"fred": "pw"}, init("PLAIN", b"\0fred\0wrong")),
    ({"fred": "pw"}, init("PLAIN", b"no PLAIN")),
    ({"fred": "pw"}, init("SCRAM-SHA-256", b"no SCRAM")),
]


@pytest.mark.parametrize("credentials, refused", REFUSED)
def test_a_server_keeps_its_input_open_until_the_refusal_is_written(credentials, refused):
    b = end(Transport.SERVER, credentials)
    b.transport.push(SASL_HEADER + refused)
    assert b.events() == "TRANSPORT" and b.transport.capacity() >= 0 and b.transport.condition is None
    assert b.transport.sasl().outcome == SASL.AUTH
    b.transport.push(AMQP_HEADER + frame(0, "open", container_id="hasty"))  # passed over
    assert b.events() == "" and b.transport.capacity() >= 0
    assert b.transport.pending() > 0
    assert b.events() == "TRANSPORT TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED" and b.transport.capacity() < 0
    assert b.transport.condition.name == DENIED and b.connection.remote_container is None
    assert parts(take(b.transport)) == [SASL_HEADER, "sasl-mechanisms", "sasl-outcome"]
    assert b.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


def test_a_client_that_leaves_after_a_refusal_is_told_as_refused():
    b = end(Transport.SERVER)
    b.transport.push(SASL_HEADER + init("X-NONE"))
    b.events()
    b.transport.close_tail()
    assert b.events() == "TRANSPORT_TAIL_CLOSED TRANSPORT_ERROR" and b.transport.condition.name == DENIED
    assert frames(take(b.transport))[-1]["code"] == SASL.AUTH


CLIENT_FAILS = [offer("X-NONE"), offer(), offer("ANONYMOUS") + outcome(1), offer("ANONYMOUS") + outcome(4)]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("said", CLIENT_FAILS)
def test_a_client_fails_when_it_is_asked_for_output(said, asked):
    a = end()
    if asked:
        take(a.transport)
    a.transport.push(SASL_HEADER + said)
    assert a.events() == "TRANSPORT" and a.transport.capacity() >= 0 and a.transport.condition is None
    assert a.transport.pending() == (-1 if asked else 8)
    failed = "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED"
    assert a.events() == (f"{failed} TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED" if asked else failed)
    assert a.transport.condition.name == DENIED and a.transport.capacity() < 0
    assert take(a.transport) == (b"" if asked else SASL_HEADER) and a.transport.closed


def test_each_sasl_frame_read_and_each_question_that_writes_some_puts_an_event():
    a, b = end(user="fred"), end(Transport.SERVER, {"fred": "pw"})
    b.transport.push(take(a.transport))
    assert a.events() == b.events() == ""  # a header alone puts none
    read = 0
    while not a.transport.authenticated:
        for source, sink in ((b, a), (a, b)):
            data = take(source.transport)
            if not a.transport.authenticated:
                assert source.events() == "TRANSPORT"
                sink.transport.push(data)
                assert sink.events() == "TRANSPORT"
                read += len(frames(data))
    assert read == 7  # mechanisms, init, two challenges with their responses, outcome
