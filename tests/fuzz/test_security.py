"""TLS and SASL with arbitrary and spoiled bytes: a condition or progress, never an exception, and no client gets in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton import SSLDomain
from tests.support.attacks import (
    PASSWORD,
    USER,
    EvilScram,
    challenge,
    client,
    last,
    login,
    offer,
    outcome,
    response,
    scram_response,
    server,
)
from tests.support.certificates import Authority
from tests.support.engines import AMQP_HEADER, SASL_HEADER, frame, take
from tests.support.fuzzing import CUTS, fuzz

SCRAM = "SCRAM-SHA-256"
USERS = {USER: PASSWORD}
OPEN = frame(0, "open", container_id="fuzz")
FLIPS = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), min_size=1, max_size=4)
FIRST = b"n=fred,r=abc"
#: what SCRAM messages are made of, in no order
WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            [b"n,,", b"y,", b"p=x,", b"a=", b"n=fred", b"r=abc", b"c=biws", b"s=AAAA", b"i=1", b"i=99999999"]
        ),
        st.sampled_from([b",", b"=", b"m=", b"p=", b"v=", b"e=", b"\0", b"\xff", b"i=0", b"=2C", b"=3D", b"fred"]),
        st.binary(max_size=6),
    ),
    max_size=12,
).map(b"".join)


def spoiled(data, flips):
    changed = bytearray(data)
    for position, value in flips:
        if changed:
            changed[position % len(changed)] ^= value
    return bytes(changed)


def feed_only(peer, data, cuts=()):
    """Hands bytes over in pieces, as long as they are taken."""
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    start = 0
    for position in ends:
        if peer.transport.capacity() > 0 and position > start:
            peer.transport.push(data[start:position])
        start = position


def feed(peer, data, cuts=()):
    """The same; what the peer says to that."""
    feed_only(peer, data, cuts)
    return take(peer.transport)


def finished(peer):
    """The stream ends: then there is a condition, and the user that was let in has the password."""
    transport = peer.transport
    if transport.capacity() >= 0:
        transport.close_tail()
    take(transport)
    assert transport.closed and transport.condition is not None
    assert len(transport.condition.description) < 2000 and PASSWORD not in transport.condition.description
    is_in = transport.authenticated
    assert not is_in or transport.sasl().user == USER
    assert is_in or "CONNECTION_REMOTE_OPEN" not in peer.events()


def conversation(mech):
    """What a client with the right password says, up to its open; the answers of one server are in it."""
    peer = server(USERS, insecure=True)
    if mech == "PLAIN":
        said = [login("PLAIN", f"\0{USER}\0{PASSWORD}".encode())]
    else:
        said = [login(SCRAM, b"n,," + FIRST)]
        said.append(response(scram_response(FIRST, last(feed(peer, said[0]))["challenge"], PASSWORD)) + response(b""))
    return peer, [*said, AMQP_HEADER + OPEN]


@fuzz
@pytest.mark.parametrize("mech", ["PLAIN", SCRAM])
@given(flips=FLIPS, cuts=CUTS, place=st.integers(0, 1))
def test_a_spoiled_login(mech, flips, cuts, place):
    if mech == "PLAIN" or place == 0:
        peer, said = server(USERS, insecure=True), [spoiled(b"".join(conversation(mech)[1]), flips)]
    else:
        peer, said = conversation(mech)
        said = [spoiled(b"".join(said[1:]), flips)]
    for data in said:
        feed(peer, data, cuts)
    finished(peer)


@fuzz
@pytest.mark.parametrize("role", ["client", "server"])
@given(bodies=st.lists(st.binary(max_size=60), max_size=4), cuts=CUTS)
def test_arbitrary_sasl_frames(role, bodies, cuts):
    peer = server(USERS, insecure=True) if role == "server" else client(None, USER, PASSWORD, True)
    take(peer.transport)
    data = SASL_HEADER if role == "server" else offer(SCRAM, "PLAIN")
    for body in bodies:
        data += (len(body) + 8).to_bytes(4, "big") + b"\2\1\0\0" + body
    feed(peer, data + AMQP_HEADER + OPEN, cuts)
    if role == "client" and peer.transport.authenticated:
        raise AssertionError("a server that has proved nothing was taken for one")
    finished(peer)


@fuzz
@given(messages=st.lists(WORDS, min_size=1, max_size=3))
def test_arbitrary_scram_messages_of_a_client(messages):
    peer = server(USERS, insecure=True)
    feed(peer, login(SCRAM, messages[0]))
    for message in messages[1:]:
        feed(peer, response(message))
    feed(peer, response(b"") + AMQP_HEADER + OPEN)
    assert not peer.transport.authenticated
    finished(peer)


@fuzz
@given(messages=st.lists(WORDS, min_size=1, max_size=2), spoil=FLIPS, code=st.integers(0, 255))
def test_arbitrary_scram_messages_of_a_server(messages, spoil, code):
    peer = client([SCRAM], USER, PASSWORD)
    take(peer.transport)
    first = last(feed(peer, offer(SCRAM)))["initial_response"]
    evil = EvilScram(first, "not the password")
    evil.iterations = b"1"
    good = evil.challenge()
    answers = [spoiled(good, spoil) if len(messages) == 1 else good, *messages]
    for answer in answers:
        feed(peer, challenge(answer))
    feed(peer, outcome(code, messages[-1]) + AMQP_HEADER + OPEN)
    assert not peer.transport.authenticated
    finished(peer)


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    made = {}
    for version in ("TLSv1.2", "TLSv1.3"):
        mine, theirs = SSLDomain(SSLDomain.MODE_CLIENT), SSLDomain(SSLDomain.MODE_SERVER)
        mine.set_trusted_ca_db(authority.cert)
        theirs.set_credentials(*authority.issue("localhost"))
        for domain in (mine, theirs):
            domain.set_protocols(version)
        made[version] = mine, theirs
    return made


@fuzz
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@given(place=st.integers(0, 5), flips=FLIPS, cuts=CUTS, insert=st.binary(max_size=30))
def test_a_spoiled_flight_of_tls(version, domains, place, flips, cuts, insert):
    mine, theirs = domains[version]
    ends = client("PLAIN", USER, PASSWORD, domain=mine, host="localhost"), server(USERS, domain=theirs)
    for number in range(12):
        source, sink = ends[number % 2], ends[1 - number % 2]
        data = take(source.transport)
        if number == place:
            position = flips[0][0] % (len(data) + 1)
            data = spoiled(data[:position] + insert + data[position:], flips[1:] or (flips if not insert else []))
        feed_only(sink, data, cuts)
    for peer in ends:
        if peer.transport.capacity() >= 0:
            peer.transport.close_tail()
        take(peer.transport)
        assert peer.transport.closed and peer.transport.condition is not None
        assert PASSWORD not in peer.transport.condition.description
    opens = [peer.connection.remote_container for peer in ends]
    assert opens in ([None, None], ["server", "client"], [None, "client"])
    assert opens[1] is None or ends[1].transport.sasl().user == USER


@fuzz
@pytest.mark.parametrize("role", ["client", "server"])
@given(
    records=st.lists(st.tuples(st.sampled_from([20, 21, 22, 23, 24, 0]), st.binary(max_size=50)), max_size=6), cuts=CUTS
)
def test_arbitrary_records(role, domains, records, cuts):
    mine, theirs = domains["TLSv1.3"]
    peer = client(domain=mine, host="localhost") if role == "client" else server(USERS, domain=theirs)
    take(peer.transport)
    data = b"".join(bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body for kind, body in records)
    feed(peer, data, cuts)
    finished(peer)
