"""The security layers of the system's SASL library: what goes through, and what is not let through."""

import pytest

from tests.support.engines import AMQP_HEADER, accept, frame, pump, put, read, split, take
from tests.support.library import configuration, ends, joined, needs_users, reason

pytestmark = needs_users


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    monkeypatch.setenv("PN_SASL_CONFIG_PATH", configuration())


SIZES = [1, 32767, 32768, 100_000, 5_000_000]


def linked():
    """Two ends with a layer between them, and a link each way."""
    a, b = joined("DIGEST-MD5")
    session = a.connection.session()
    session.open()
    links = [session.sender("there"), session.receiver("back")]
    for link in links:
        link.open()
    links[1].flow(100)
    pump(a, b)
    accept(b, 100)
    pump(a, b)
    there, back = sorted(b.connection.links(0), key=lambda link: link.is_sender)
    return a, b, (links[0], there), (back, links[1])


@pytest.mark.parametrize("chunk", [None, 1000], ids=["whole", "pieces"])
def test_messages_go_through_the_layer_both_ways(chunk):
    a, b, *ways = linked()
    start = len(a.wire), len(b.wire)
    for size in SIZES:
        bodies = [bytes([size % 251]) * size for _ in ways]
        for body, (sender, _) in zip(bodies, ways):
            put(sender, body)
        pump(a, b, chunk)
        assert [read(receiver)[0] for _, receiver in ways] == bodies
    for peer, begin in zip((a, b), start):
        seen = bytes(peer.wire[begin:])
        assert len(seen) > sum(SIZES) and b"\x64" * 20 not in seen
        assert peer.transport.encrypted is False and peer.transport.condition is None
    a.connection.close(), b.connection.close()
    pump(a, b, chunk)
    assert a.transport.closed and b.transport.closed and reason(a) == reason(b) == ""


def test_layer_is_not_encryption_for_the_policies():
    a, b = ends("DIGEST-MD5")
    b.transport.require_encryption(True)
    pump(a, b)
    assert reason(b) == "Client connection unencrypted - forbidden"


GARBAGE = {
    "too long": b"\xff" * 16,
    "too short": b"\0\0\0\0",
    "wrong sum": b"\0\0\0\x20" + b"x" * 32,
    "frame in clear": frame(0, "close"),
    "header in clear": AMQP_HEADER * 4,
}


@pytest.mark.parametrize("side", [0, 1], ids=["client", "server"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_place_of_the_layer(garbage, side):
    peers = joined("DIGEST-MD5")
    victim = peers[side]
    victim.events()
    for byte in GARBAGE[garbage] + bytes(40000):
        if victim.transport.capacity() > 0:
            victim.transport.push(bytes([byte]))
    assert victim.transport.condition.name == "proton:io:sasl_error" and reason(victim).startswith(
        "SASL(-1): generic failure"
    )
    # Nothing that was said in the exchange before, which is over.
    assert "callback" not in reason(victim) and "sasldb" not in reason(victim)
    pump(*peers)
    assert victim.events().startswith("TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED") and victim.transport.closed


def steps(a, b):
    """What each end says in turn, until both are logged in; the flights that the layer begins with are kept back."""
    while True:
        data = take(a.transport)
        if b.transport.authenticated or a.transport.authenticated:
            return data
        yield b, data
        data = take(b.transport)
        yield a, data


@pytest.mark.parametrize("victim", ["server", "client"])
def test_clear_text_behind_the_last_frame_of_the_exchange(victim):
    """A third party cuts that frame in two and appends frames."""
    forged = AMQP_HEADER + frame(0, "open", container_id="forged")
    for cut in range(1, 17):
        a, b = ends("DIGEST-MD5")
        for sink, data in steps(a, b):
            target = b if victim == "server" else a
            size = len(data)
            # Tried on a copy of the exchange: the frame that logs the victim in is its last one.
            if sink is target and size > cut:
                sink.transport.push(data[:cut])
                assert not sink.transport.authenticated
                sink.transport.push(data[cut:] + (forged if _is_last(sink, data) else b""))
            elif data:
                sink.transport.push(data)
            if a.transport.authenticated and b.transport.authenticated:
                break
        target = b if victim == "server" else a
        assert target.transport.authenticated and target.connection.remote_container is None


def _is_last(sink, data):
    """Whether a flight ends the exchange for its receiver: the outcome, or the empty answer to the last challenge."""
    last = split(data)[-1]
    name = getattr(last, "name", "")
    return name == "sasl-outcome" or (name == "sasl-response" and last["response"] == b"")


@pytest.mark.parametrize("change", ["flipped", "repeated", "left out"])
def test_piece_that_was_changed_on_the_way(change):
    a, b, (sender, receiver), _ = linked()
    pieces = []
    for _ in range(2):
        put(sender, b"hello")
        pieces.append(take(a.transport))
    if change == "flipped":
        pieces[0] = pieces[0][:12] + bytes([pieces[0][12] ^ 1]) + pieces[0][13:]
    b.transport.push({"flipped": pieces[0], "repeated": pieces[0] * 2, "left out": pieces[1]}[change])
    assert b.transport.condition.name == "proton:io:sasl_error"
    assert "hello" not in reason(b)


def test_end_of_the_socket_within_a_piece():
    a, b, (sender, _), _ = linked()
    put(sender, b"hello")
    b.transport.push(take(a.transport)[:-3])
    b.transport.close_tail()
    assert (b.transport.condition.name, reason(b)) == ("amqp:connection:framing-error", "connection aborted")


@pytest.mark.parametrize("most", [17, 24, 60])
@pytest.mark.parametrize("victim", ["client", "server"])
def test_peer_that_takes_no_sensible_pieces(victim, most):
    peers = ends("DIGEST-MD5")
    # No proof covers this number, so that a third party can say it.
    for _ in range(6):
        for source, sink in (peers, peers[::-1]):
            for part in split(take(source.transport)):
                data = part if isinstance(part, bytes) else frame(0, part.name, kind=1, **shrunk(part, victim, most))
                if sink.transport.capacity() > 0:
                    sink.transport.push(data)
    told = peers[victim == "server"]
    assert told.transport.condition.name == "amqp:unauthorized-access" and not told.transport.authenticated
    assert "bytes at a time through the security layer" in reason(told)


def shrunk(part, victim, most):
    """The fields of a SASL frame; in what the victim hears, the peer takes `most` bytes at a time."""
    name = "challenge" if victim == "client" else "response"
    fields = dict(part.fields)
    if fields.get(name):
        fields[name] = fields[name].replace(b"maxbuf=32768", b"maxbuf=%d" % most)
    if part.name == "sasl-mechanisms":
        fields["sasl_server_mechanisms"] = ["DIGEST-MD5"]
    return fields
