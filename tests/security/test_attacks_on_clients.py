"""What a server, or a third party that plays one, may try on a client with SASL: the client ends, and says why."""

from __future__ import annotations

import pytest

from proton import SASL, symbol
from tests.support.attacks import (
    CHUNKS,
    DENIED,
    FRAMING,
    PASSWORD,
    USER,
    EvilScram,
    challenge,
    client,
    end,
    kept_out,
    last,
    offer,
    outcome,
    sasl_frame,
    speak,
)
from tests.support.engines import AMQP_HEADER, SASL_HEADER, frame, split, take

SCRAM = "SCRAM-SHA-256"
OPEN = frame(0, "open", container_id="evil")


def begun(mechs=None, offered=(SCRAM,), insecure=True, chunk=None, **more):
    """A client with a password that has heard an offer, and its initial response."""
    peer = client(mechs, USER, PASSWORD, insecure, **more)
    assert take(peer.transport) == SASL_HEADER
    written = speak(peer, offer(*offered), chunk)
    return peer, last(written)["initial_response"]


OFFERS = [
    # what is offered, what the client allows, whether PLAIN may go out as it is
    ("nothing", [], None, True),
    ("PLAIN in clear text", ["PLAIN"], None, False),
    ("PLAIN in place of SCRAM", ["PLAIN"], [SCRAM, "SCRAM-SHA-512"], True),
    ("a weaker SCRAM", ["SCRAM-SHA-1"], "SCRAM-SHA-256 SCRAM-SHA-512", True),
    ("ANONYMOUS in place of SCRAM", ["ANONYMOUS"], SCRAM, True),
    ("nobody allowed anything", [SCRAM, "PLAIN", "ANONYMOUS"], "", True),
    ("EXTERNAL without TLS", ["EXTERNAL"], [SCRAM], True),
    ("a name that is close", ["PLAIN ", "plain", "PLAINX"], ["PLAIN"], True),
    ("tokens in clear text", ["OAUTHBEARER", "XOAUTH2"], ["OAUTHBEARER", "XOAUTH2"], False),
    ("channel binding", ["SCRAM-SHA-256-PLUS"], None, True),
]


@CHUNKS
@pytest.mark.parametrize("row", OFFERS, ids=lambda row: row[0])
def test_downgrade_to_a_mechanism_that_is_not_allowed(row, chunk):
    _, offered, mechs, insecure = row
    peer = client(mechs, USER, PASSWORD, insecure, token="bearer-token")
    take(peer.transport)
    assert speak(peer, offer(*offered) + outcome(0) + AMQP_HEADER + OPEN, chunk) == b""
    text = kept_out(peer, "Authentication failed [mech=none]", name=DENIED).description
    assert all(name in text for name in offered) and PASSWORD not in text
    assert peer.transport.sasl().outcome == SASL.PERM


def test_a_client_that_requires_authentication_is_not_anonymous():
    peer = client(None, USER, PASSWORD)
    peer.transport.require_auth(True)
    take(peer.transport)
    assert speak(peer, offer("ANONYMOUS", "PLAIN")) == b""
    kept_out(peer, "mech=none", "ANONYMOUS PLAIN", name=DENIED)


@pytest.mark.parametrize("answer", [AMQP_HEADER + OPEN, b"AMQP\x02\x01\x00\x00", b"\x15\x03\x01\x00\x02\x02\x28"])
@CHUNKS
def test_another_layer_in_place_of_sasl(answer, chunk):
    peer = client(None, USER, PASSWORD, True)
    take(peer.transport)
    written = speak(peer, answer, chunk)
    assert PASSWORD.encode() not in written
    kept_out(peer, "Expected SASL protocol header got:", name=FRAMING)


def spoiled(**changes):
    """A server's first message, with other attributes than it should have."""

    def make(evil):
        for name, value in changes.items():
            setattr(evil, name, value(evil) if callable(value) else value)
        return evil.challenge()

    return make


CHALLENGES = [
    ("empty", lambda evil: b"", "attribute"),
    ("not UTF-8", lambda evil: b"r=\xff\xfe", "expected UTF-8"),
    ("NUL", lambda evil: b"\0" + evil.challenge(), "malformed SCRAM message"),
    ("no attributes", lambda evil: b"hello", "malformed SCRAM message"),
    ("truncated after the nonce", lambda evil: evil.challenge().split(b",")[0], "attribute s"),
    ("truncated before the iterations", lambda evil: evil.challenge().rpartition(b",")[0], "iterations"),
    ("cut in the salt", lambda evil: b"r=%s,s=c2Fsd,i=4096" % evil.nonce, "base64 in attribute s"),
    ("an attribute twice", lambda evil: evil.challenge() + b",i=1", "each once"),
    ("mandatory extension", lambda evil: b"m=x," + evil.challenge(), "mandatory extension"),
    ("error", lambda evil: b"e=\ninvented\xff", "malformed SCRAM message"),
    ("nonce not extended", spoiled(nonce=lambda evil: evil.client_nonce), "nonce that goes on"),
    ("nonce of somebody else", spoiled(nonce=b"replayed-nonce-of-another-exchange"), "nonce that goes on"),
    ("nonce empty", spoiled(nonce=b""), "nonce that goes on"),
    ("iterations 0", spoiled(iterations=b"0"), "iterations, got 0"),
    ("iterations missing", spoiled(iterations=b""), "iterations, got"),
    ("iterations negative", spoiled(iterations=b"-4096"), "iterations, got -4096"),
    ("iterations in words", spoiled(iterations=b"many"), "iterations, got many"),
    ("iterations huge", spoiled(iterations=b"2000001"), "iterations, got 2000001"),
    ("iterations beyond any integer", spoiled(iterations=b"9" * 4000), "iterations, got 9999"),
    ("iterations behind zeros", spoiled(iterations=b"00000000199999999999"), "iterations, got 0000"),
]


@CHUNKS
@pytest.mark.parametrize("row", CHALLENGES, ids=lambda row: row[0])
def test_challenge_that_does_not_follow_scram(row, chunk):
    _, make, text = row
    peer, first = begun(chunk=chunk)
    message = make(EvilScram(first))
    assert speak(peer, challenge(message), chunk) == b""
    condition = kept_out(peer, text, "Authentication failed [mech=SCRAM-SHA-256]", name=DENIED)
    assert condition.description.isprintable() and len(condition.description) < 400


@CHUNKS
def test_challenge_replayed_from_another_exchange(chunk):
    _, earlier = begun()
    recorded = EvilScram(earlier).challenge()
    peer, first = begun()
    assert first != earlier
    assert speak(peer, challenge(recorded), chunk) == b""
    kept_out(peer, "nonce that goes on", name=DENIED)


@CHUNKS
def test_challenge_truncated_by_the_end_of_the_stream(chunk):
    peer, first = begun()
    assert speak(peer, challenge(EvilScram(first).challenge())[:-5], chunk) == b""
    assert end(peer) == b""
    kept_out(peer, "connection aborted", name=FRAMING)


def proved():
    """A client that has sent its proof, and a server that could answer with its own."""
    peer, first = begun()
    evil = EvilScram(first)
    final = last(speak(peer, challenge(evil.challenge())))["response"]
    return peer, evil, final


PROOFS = [
    ("none", lambda evil, final: outcome(0), "has not proved"),
    ("empty", lambda evil, final: outcome(0, b""), "has not proved"),
    ("wrong", lambda evil, final: challenge(b"v=" + b"A" * 43 + b"="), "proof is wrong"),
    ("wrong, with the outcome", lambda evil, final: outcome(0, b"v=" + b"A" * 43 + b"="), "proof is wrong"),
    ("of another password", lambda evil, final: challenge(other(evil).proof(final)), "proof is wrong"),
    ("cut", lambda evil, final: challenge(evil.proof(final)[:-4]), "proof is wrong"),
    ("empty signature", lambda evil, final: challenge(b"v="), "proof is wrong"),
    ("no base64", lambda evil, final: challenge(b"v=%%%%"), "base64"),
    ("the client's own proof", lambda evil, final: challenge(b"v=" + final.rpartition(b",p=")[2]), "proof is wrong"),
    ("an error", lambda evil, final: challenge(b"e=other-error\r\nX"), "the server says: other-error\\x0d\\x0aX"),
    ("no attribute", lambda evil, final: challenge(b""), "malformed SCRAM message"),
    ("its first message again", lambda evil, final: challenge(evil.message), "attribute v"),
    ("twice", lambda evil, final: challenge(evil.proof(final)) * 2, "another challenge"),
]


def other(evil):
    evil.password = "another"
    return evil


@CHUNKS
@pytest.mark.parametrize("row", PROOFS, ids=lambda row: row[0])
def test_server_that_does_not_prove_that_it_knows_the_password(row, chunk):
    _, make, text = row
    peer, evil, final = proved()
    written = speak(peer, make(evil, final) + outcome(0) + AMQP_HEADER + OPEN, chunk)
    assert AMQP_HEADER not in written
    kept_out(peer, text, "[mech=SCRAM-SHA-256]", name=DENIED)


@CHUNKS
@pytest.mark.parametrize("where", ["challenge", "outcome"])
def test_server_that_does(where, chunk):
    """The same helper without a spoiled answer: so the table above fails for the reason that it names."""
    peer, evil, final = proved()
    proof = evil.proof(final)
    answer = challenge(proof) + outcome(0) if where == "challenge" else outcome(0, proof)
    written = speak(peer, answer + AMQP_HEADER + OPEN, chunk)
    assert AMQP_HEADER in written and peer.transport.condition is None
    assert peer.transport.authenticated and peer.connection.remote_container == "evil"


TURNS = [
    ("outcome first", SASL_HEADER + outcome(0), "expected sasl-mechanisms first"),
    ("challenge first", SASL_HEADER + challenge(b"r=x"), "expected sasl-mechanisms first"),
    ("mechanisms twice", offer(SCRAM) + offer("PLAIN")[8:], "sasl-mechanisms again"),
    ("a client's init", offer(SCRAM) + sasl_frame("sasl-init", mechanism="PLAIN"), "did not expect frame 0x41"),
    ("a client's response", offer(SCRAM) + sasl_frame("sasl-response", response=b""), "did not expect frame 0x43"),
    ("an open", offer(SCRAM) + OPEN, "expected a SASL frame (type 1), got type 0"),
    ("a frame of another layer", SASL_HEADER + frame(0, "open", kind=1, container_id="x"), "frame 0x10"),
    ("an empty frame", SASL_HEADER + b"\0\0\0\x08\x02\x01\0\0" + outcome(0), "cannot decode"),
    ("the AMQP header", offer(SCRAM) + AMQP_HEADER + OPEN, "malformed frame"),
    ("the SASL header twice", SASL_HEADER + SASL_HEADER, "malformed frame"),
    ("a frame that is too large", SASL_HEADER + b"\0\0\x20\x01\x02\x01\0\0", "malformed frame: expected 8192"),
    ("a frame that is too small", SASL_HEADER + b"\0\0\0\x07\x02\x01\0\0", "malformed frame: expected 8 bytes"),
    ("a wrong data offset", SASL_HEADER + b"\0\0\0\x10\x05\x01\0\0" + bytes(8), "data offset"),
    ("an offer without a list", SASL_HEADER + sasl_frame("sasl-mechanisms"), "sasl-server-mechanisms"),
]


@CHUNKS
@pytest.mark.parametrize("row", TURNS, ids=lambda row: row[0])
def test_frames_out_of_turn(row, chunk):
    _, data, text = row
    peer = client([SCRAM], USER, PASSWORD)
    take(peer.transport)
    written = speak(peer, data + outcome(0) + AMQP_HEADER + OPEN, chunk)
    assert AMQP_HEADER not in written and PASSWORD.encode() not in written
    kept_out(peer, text)


@pytest.mark.parametrize("mech", ["PLAIN", "ANONYMOUS", "EXTERNAL"])
def test_challenge_where_there_is_nothing_to_ask(mech):
    peer, _ = begun(mech, [mech])
    assert speak(peer, challenge(b"who are you?")) == b""
    kept_out(peer, f"mechanism {mech} expects an outcome, got a challenge", name=DENIED)


@CHUNKS
def test_transfer_in_place_of_the_outcome(chunk):
    peer, _ = begun("PLAIN", ["PLAIN"])
    speak(peer, frame(0, "transfer", handle=0, delivery_id=0, delivery_tag=b"0", payload=b"x"), chunk)
    kept_out(peer, "expected a SASL frame (type 1), got type 0", name=FRAMING)


def test_outcome_before_the_client_has_said_anything_counts_only_where_nothing_is_proved():
    """With SCRAM the server has to prove something first, however early it says that all is well."""
    peer = client(None, USER, PASSWORD)
    take(peer.transport)
    speak(peer, offer(SCRAM) + outcome(0) + AMQP_HEADER + OPEN)
    kept_out(peer, "has not proved that it knows the password", name=DENIED)


def test_an_offer_is_shown_without_line_ends_and_not_without_end():
    peer = client([SCRAM], USER, PASSWORD)
    take(peer.transport)
    names = [symbol(f"X\nERROR forged-{number}" + "y" * 60) for number in range(40)]
    speak(peer, offer(*names))
    text = kept_out(peer, "X\\nERROR forged-0", name=DENIED).description
    assert text.isprintable() and len(text) < 1200


@pytest.mark.parametrize("name, value", [("user", "a\0b"), ("password", "se\0cret"), ("authorization", "x\0y")])
def test_a_nul_does_not_shift_the_fields_of_plain(name, value):
    options = {"user": USER, "password": PASSWORD, "authorization": None, name: value}
    peer = client("PLAIN", insecure=True, **options)
    take(peer.transport)
    assert speak(peer, offer("PLAIN")) == b""
    assert value not in kept_out(peer, "cannot have a NUL", name=DENIED).description


@pytest.mark.parametrize("status, shown", [(b'{"status":"invalid_token"}', "invalid_token"), (b"\xff{", "None")])
@CHUNKS
def test_a_token_that_is_refused(status, shown, chunk):
    peer = client("OAUTHBEARER", insecure=True, token="bearer-token")
    take(peer.transport)
    speak(peer, offer("OAUTHBEARER"), chunk)
    farewell = last(speak(peer, challenge(status), chunk))
    assert farewell["response"] == b"\x01"
    # A server that then says that all is well has not taken the token.
    speak(peer, outcome(0) + AMQP_HEADER + OPEN, chunk)
    text = kept_out(peer, "refuses the token", shown, name=DENIED).description
    assert "bearer-token" not in text


def test_deep_json_is_not_trouble():
    peer = client("OAUTHBEARER", insecure=True, token="bearer-token")
    take(peer.transport)
    speak(peer, offer("OAUTHBEARER"))
    assert split(speak(peer, challenge(b"[" * 4000)))[0]["response"] == b"\x01"
    speak(peer, outcome(1))
    kept_out(peer, "refuses the token", name=DENIED)
