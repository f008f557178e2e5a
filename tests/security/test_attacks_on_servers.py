"""What a client may try on a server that has users: the server lets no client in, and says why."""

from __future__ import annotations

import base64
import struct

import pytest

from proton import SASL, Transport, symbol
from tests.support.attacks import (
    CHUNKS,
    DENIED,
    FRAMING,
    PASSWORD,
    POLICY,
    USER,
    client,
    end,
    kept_out,
    last,
    login,
    parts,
    response,
    sasl_frame,
    scram_response,
    server,
    speak,
)
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Peer, frame, pump, take

SCRAM = "SCRAM-SHA-256"
USERS = {USER: PASSWORD}
GOOD = b"\0" + USER.encode() + b"\0" + PASSWORD.encode()
OPEN = frame(0, "open", container_id="evil")
REFUSED = f"Failed to authenticate client [mech={SCRAM}]"


def guarded(**options):
    return server(**{"credentials": USERS, "insecure": True, **options})


@CHUNKS
@pytest.mark.parametrize(
    "options", [{"auth": True}, {"credentials": USERS}, {"credentials": {}, "mechs": "ANONYMOUS"}], ids=str
)
def test_amqp_without_sasl(options, chunk):
    """Each of these is enough to keep a client out that does not authenticate."""
    peer = server(**options)
    assert speak(peer, AMQP_HEADER + OPEN, chunk) == SASL_HEADER  # what would be acceptable (2.2)
    kept_out(peer, "Client skipped authentication - forbidden", name=POLICY)
    assert peer.transport.user is None


def test_amqp_without_sasl_at_both_ends():
    a, b = Peer("client").bind(), guarded()
    a.connection.open()
    a.events()
    pump(a, b)
    kept_out(b, "Client skipped authentication", name=POLICY)
    kept_out(a, "Expected AMQP protocol header", "(the peer requires SASL)", name=FRAMING)


MECHS = [
    ("ANONYMOUS where users are named", {}, "ANONYMOUS", b"anonymous", ""),
    ("PLAIN in clear text", {"insecure": False}, "PLAIN", GOOD, ""),
    ("PLAIN, which is not allowed", {"mechs": [SCRAM]}, "PLAIN", GOOD, "not in mechanism inclusion list"),
    ("PLAIN without users", {"credentials": None}, "PLAIN", GOOD, ""),
    ("EXTERNAL without a certificate", {}, "EXTERNAL", b"admin", ""),
    ("a weaker SCRAM", {"mechs": [SCRAM]}, "SCRAM-SHA-1", b"n,,n=fred,r=x", "not in mechanism inclusion list"),
    ("nothing allowed", {"mechs": ""}, "PLAIN", GOOD, "not in mechanism inclusion list"),
    ("lower case", {}, "plain", GOOD, ""),
    ("no name", {}, "", GOOD, ""),
    ("a list of names", {}, "SCRAM-SHA-256 PLAIN", GOOD, ""),
    ("channel binding", {}, "SCRAM-SHA-256-PLUS", b"p=tls-unique,,n=fred,r=x", ""),
    ("a token", {}, "OAUTHBEARER", b"n,,\1auth=Bearer x\1\1", ""),
]


@CHUNKS
@pytest.mark.parametrize("row", MECHS, ids=lambda row: row[0])
def test_downgrade_to_a_mechanism_that_was_not_offered(row, chunk):
    _, options, mech, initial, text = row
    peer = guarded(**options)
    written = speak(peer, login(mech, initial) + AMQP_HEADER + OPEN, chunk)
    assert last(written)["code"] == SASL.AUTH and AMQP_HEADER not in written
    assert PASSWORD not in kept_out(peer, text, f"[mech={mech or 'none'}]", name=DENIED).description


@pytest.mark.parametrize("insecure", [False, True])
def test_plain_over_clear_text_between_two_engines(insecure):
    """Both sides have to agree to it; with one alone no password leaves the client."""
    for on_client, on_server in ((insecure, True), (True, insecure)):
        a = client("PLAIN", USER, PASSWORD, on_client)
        b = server(USERS, "PLAIN", on_server)
        pump(a, b)
        assert (PASSWORD.encode() in a.wire) is insecure
        assert b.transport.authenticated is insecure
        if not insecure:
            kept_out(a, "mech=none", name=DENIED)
            kept_out(b, "connection aborted", name=FRAMING)


PLAIN = [
    ("empty", b"", "expected 3 parts, got 1"),
    ("one part", USER.encode(), "expected 3 parts, got 1"),
    ("two parts", b"fred\0" + PASSWORD.encode(), "expected 3 parts, got 2"),
    ("four parts", GOOD + b"\0", "expected 3 parts, got 4"),
    ("a NUL in the password", GOOD + b"\0x", "expected 3 parts, got 4"),
    ("no user", b"\0\0" + PASSWORD.encode(), "not empty"),
    ("no password", b"\0fred\0", "not empty"),
    ("nothing at all", b"\0\0", "not empty"),
    ("a user that prepares to nothing", b"\0\xc2\xad\0" + PASSWORD.encode(), "not empty"),
    ("bad UTF-8 in the user", b"\0fr\xffed\0" + PASSWORD.encode(), "expected UTF-8"),
    ("bad UTF-8 in the password", b"\0fred\0" + PASSWORD.encode() + b"\xc3", "expected UTF-8"),
    ("bad UTF-8 in the identity", b"\xed\xa0\x80" + GOOD, "expected UTF-8"),
    ("overlong UTF-8", b"\0fr\xc1\xa5d\0" + PASSWORD.encode(), "expected UTF-8"),
    ("control characters", b"\0fred\n\0" + PASSWORD.encode(), "special characters"),
    ("somebody else's identity", b"admin" + GOOD, "user fred may not act as admin"),
    ("an unknown user", b"\0nobody\0" + PASSWORD.encode(), "wrong user name or password"),
    ("a wrong password", b"\0fred\0Hunter2-Secret", "wrong user name or password"),
    ("the password cut", GOOD[:-1], "wrong user name or password"),
    ("the password twice", GOOD + PASSWORD.encode(), "wrong user name or password"),
    ("another case of the user", b"\0FRED\0" + PASSWORD.encode(), "wrong user name or password"),
    ("8 kB", b"\0fred\0" + b"x" * 8000, "wrong user name or password"),
]


@CHUNKS
@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row[0])
def test_plain_response_that_is_not_right(row, chunk):
    _, initial, text = row
    peer = guarded()
    written = speak(peer, login("PLAIN", initial) + AMQP_HEADER + OPEN, chunk)
    assert last(written)["code"] == SASL.AUTH and AMQP_HEADER not in written
    shown = kept_out(peer, text, "Failed to authenticate client [mech=PLAIN]", name=DENIED).description
    assert PASSWORD not in shown and "Hunter2" not in shown
    assert peer.transport.sasl().outcome == SASL.AUTH and peer.transport.user is None


FIRSTS = [
    ("no message", b"", "gs2 header"),
    ("only a header", b"n,,", "attributes"),
    ("no header", b"n=fred,r=x", "gs2 header"),
    ("bad UTF-8", b"n,,n=fr\xff,r=x", "expected UTF-8"),
    ("a NUL", b"n,,n=fr\0ed,r=x", "cannot be prepared"),
    ("no user", b"n,,n=,r=x", "expected a user name"),
    ("a user that prepares to nothing", b"n,,n=\xc2\xad,r=x", "expected a user name"),
    ("no nonce", b"n,,n=fred", "attribute r"),
    ("an empty nonce", b"n,,n=fred,r=", "attribute r"),
    ("the nonce first", b"n,,r=x,n=fred", "attribute n first"),
    ("the user twice", b"n,,n=fred,r=x,n=admin", "each once"),
    ("a mandatory extension", b"n,,m=x,n=fred,r=x", "mandatory extension"),
    ("an escape that is none", b"n,,n=fr=ed,r=x", "=2C or =3D"),
    ("an identity without its name", b"n,admin,n=fred,r=x", "a=identity"),
    ("bad UTF-8 in the identity", b"n,a=\xff,n=fred,r=x", "cannot be prepared"),
    ("channel binding", b"p=tls-exporter,,n=fred,r=x", "channel binding"),
]


@CHUNKS
@pytest.mark.parametrize("row", FIRSTS, ids=lambda row: row[0])
def test_first_message_of_scram_that_is_not_right(row, chunk):
    _, initial, text = row
    peer = guarded()
    written = speak(peer, login(SCRAM, initial), chunk)
    assert last(written)["code"] == SASL.AUTH
    kept_out(peer, text, REFUSED, name=DENIED)


def challenged(first=b"n=fred,r=abc", header=b"n,,", users=None):
    """A server that waits for a proof, and its challenge."""
    peer = guarded(credentials=users or USERS)
    return peer, last(speak(peer, login(SCRAM, header + first)))["challenge"]


FIRST = b"n=fred,r=abc"


def right(message):
    return scram_response(FIRST, message, PASSWORD)


PROOFS = [
    ("a wrong password", lambda message: scram_response(FIRST, message, "wrong"), "wrong user name or password"),
    ("no proof", lambda message: right(message).rpartition(b",p=")[0], "proof at the end"),
    ("an empty proof", lambda message: right(message).rpartition(b",p=")[0] + b",p=", "wrong user name"),
    ("half a proof", lambda message: right(message)[:-24], "wrong user name"),
    ("a long proof", lambda message: right(message)[:-1] + b"AAAA=", "wrong user name"),
    ("a proof of zeros", lambda message: right(message)[:-44] + b"A" * 43 + b"=", "wrong user name"),
    ("no base64", lambda message: right(message)[:-4] + b"%%%%", "base64"),
    ("somebody else's nonce", lambda message: right(message).replace(b"r=abc", b"r=abd"), "nonce of this exchange"),
    ("only the client's nonce", lambda message: b"c=biws,r=abc,p=AAAA", "nonce of this exchange"),
    ("another header", lambda message: right(message).replace(b"c=biws", b"c=eSws"), "gs2 header"),
    ("no header", lambda message: right(message)[7:], "attribute c first"),
    ("empty", lambda message: b"", "proof at the end"),
    ("bad UTF-8", lambda message: right(message).replace(b"r=abc", b"r=ab\xff"), "expected UTF-8"),
    ("more behind the proof", lambda message: right(message) + b",x=y", "proof at the end"),
    ("the challenge itself", lambda message: message + b",p=AAAA", "attribute c first"),
]


@CHUNKS
@pytest.mark.parametrize("row", PROOFS, ids=lambda row: row[0])
def test_proof_that_is_not_right(row, chunk):
    _, make, text = row
    peer, message = challenged()
    written = speak(peer, response(make(message)) + response(b"") + AMQP_HEADER + OPEN, chunk)
    assert last(written)["code"] == SASL.AUTH
    kept_out(peer, text, REFUSED, name=DENIED)


def test_a_right_proof_is_one():
    """The same helper without a spoiled answer: so the table above fails for the reason that it names."""
    peer, message = challenged()
    assert last(speak(peer, response(right(message))))["challenge"].startswith(b"v=")
    written = speak(peer, response(b"") + AMQP_HEADER + OPEN)
    assert parts(written) == ["sasl-outcome", AMQP_HEADER, "open"] and peer.transport.user == USER


def test_a_proof_counts_for_one_exchange_only():
    _, message = challenged()
    recorded = right(message)
    peer, _ = challenged()
    speak(peer, response(recorded))
    kept_out(peer, "nonce of this exchange", REFUSED, name=DENIED)


def test_the_exchange_is_not_over_before_the_client_has_seen_the_servers_proof():
    peer, message = challenged()
    speak(peer, response(right(message)) + response(b"more"))
    kept_out(peer, "expected an empty response", name=DENIED)


def test_an_identity_that_the_proof_does_not_cover():
    """The header with the identity is in the proof: another one cannot be put in its place."""
    peer, message = challenged(header=b"n,a=admin,")
    speak(peer, response(right(message)))
    kept_out(peer, "gs2 header", name=DENIED)
    peer, message = challenged(header=b"n,a=admin,")
    speak(peer, response(scram_response(FIRST, message, PASSWORD, header=b"n,a=admin,")) + response(b""))
    kept_out(peer, "user fred may not act as admin", name=DENIED)


PLAIN_LOGIN = login("PLAIN", GOOD)
INIT = PLAIN_LOGIN[8:]
TURNS = [
    ("an open", SASL_HEADER + OPEN, "expected a SASL frame (type 1), got type 0"),
    ("an open behind the init", login(SCRAM, b"n,,n=fred,r=x") + OPEN, "got type 0"),
    ("a transfer", SASL_HEADER + frame(0, "transfer", handle=0, delivery_id=0, delivery_tag=b"0"), "got type 0"),
    ("a heartbeat", SASL_HEADER + b"\0\0\0\x08\2\0\0\0", "got type 0"),
    ("an empty SASL frame", SASL_HEADER + b"\0\0\0\x08\2\1\0\0" + INIT, "cannot decode"),
    ("a frame type that nobody knows", SASL_HEADER + b"\0\0\0\x08\2\2\0\0", "got type 2"),
    ("a response without init", SASL_HEADER + response(GOOD), "expected sasl-init first"),
    ("an init twice", login(SCRAM, b"n,,n=fred,r=x") + INIT, "sasl-init again"),
    ("an outcome", SASL_HEADER + sasl_frame("sasl-outcome", code=0), "did not expect frame 0x44"),
    ("mechanisms", SASL_HEADER + sasl_frame("sasl-mechanisms", sasl_server_mechanisms=["PLAIN"]), "frame 0x40"),
    ("a challenge", SASL_HEADER + sasl_frame("sasl-challenge", challenge=b"x"), "did not expect frame 0x42"),
    ("an open as a SASL frame", SASL_HEADER + frame(0, "open", kind=1, container_id="x"), "frame 0x10"),
    ("the AMQP header", SASL_HEADER + AMQP_HEADER + OPEN, "malformed frame"),
    ("the SASL header twice", SASL_HEADER + PLAIN_LOGIN, "malformed frame"),
    ("a frame that is too large", SASL_HEADER + struct.pack(">IBBH", 8193, 2, 1, 0), "expected 8192 bytes at most"),
    ("a frame of 4 GB", SASL_HEADER + struct.pack(">IBBH", 0xFFFFFFFF, 2, 1, 0), "expected 8192 bytes at most"),
    ("a frame of 7 bytes", SASL_HEADER + struct.pack(">IBBH", 7, 2, 1, 0), "expected 8 bytes at least"),
    ("a data offset of 1", SASL_HEADER + struct.pack(">IBBH", 8, 1, 1, 0), "data offset"),
    ("an init without mechanism", SASL_HEADER + sasl_frame("sasl-init", initial_response=GOOD), "mechanism"),
    ("a response without bytes", login(SCRAM, b"n,,n=fred,r=x") + sasl_frame("sasl-response"), "response"),
]


@CHUNKS
@pytest.mark.parametrize("row", TURNS, ids=lambda row: row[0])
def test_frames_before_authentication_ends(row, chunk):
    _, data, text = row
    peer = guarded()
    written = speak(peer, data + AMQP_HEADER + OPEN, chunk)
    assert AMQP_HEADER not in written and "sasl-outcome" not in parts(written)
    kept_out(peer, text)


@CHUNKS
def test_frames_that_follow_a_success(chunk):
    """SASL is over with its outcome: no second login, and no message before the open."""
    peer = guarded()
    assert "sasl-outcome" in parts(speak(peer, PLAIN_LOGIN, chunk))
    speak(peer, login("PLAIN", b"\0admin\0x"), chunk)
    assert "maybe detected twice" in peer.transport.condition.description
    assert peer.transport.user is None and "CONNECTION_REMOTE_OPEN" not in peer.events()
    peer = guarded()
    speak(peer, PLAIN_LOGIN + AMQP_HEADER + frame(0, "transfer", handle=0, delivery_id=0, delivery_tag=b"0"), chunk)
    assert peer.transport.condition is not None
    assert not any(name in peer.events() for name in ("CONNECTION_REMOTE_OPEN", "DELIVERY"))


@CHUNKS
def test_the_end_of_the_stream_in_the_middle_of_a_login(chunk):
    peer = guarded()
    speak(peer, PLAIN_LOGIN[:-3], chunk)
    assert end(peer) == b""
    kept_out(peer, "connection aborted", name=FRAMING)


def test_a_name_of_a_mechanism_is_shown_without_line_ends_and_not_without_end():
    peer = guarded()
    speak(peer, login(symbol("X\r\nERROR forged" + "y" * 4000), b""))
    text = kept_out(peer, "X\\r\\nERROR forged", name=DENIED).description
    assert text.isprintable() and len(text) < 1200


def test_bytes_that_are_not_frame_are_not_shown():
    """A password may be among them: in a frame that is damaged, or of a client that counts its bytes wrongly."""
    for data in (PLAIN_LOGIN[:-8] + b"\xff" * 8, PLAIN_LOGIN.replace(b"PLAIN", b"PL\xffIN")):
        peer = guarded()
        lines = []
        peer.transport.tracer = lambda transport, line, lines=lines: lines.append(line)
        peer.transport.trace(Transport.TRACE_FRM | Transport.TRACE_RAW)
        speak(peer, data)
        condition = peer.transport.condition
        assert condition is not None and PASSWORD[:8] not in f"{condition} {lines}"
        take(peer.transport)


@pytest.mark.parametrize("users", [USERS, {USER: ""}, {USER: None}, {}, {USER: []}], ids=str)
@pytest.mark.parametrize("mech", ["PLAIN", "SCRAM-SHA-1", SCRAM, "SCRAM-SHA-512"])
def test_an_empty_password_is_refused(users, mech):
    a, b = client(mech, USER, "", True), guarded(credentials=users)
    pump(a, b)
    kept_out(b, f"Failed to authenticate client [mech={mech}]", name=DENIED)
    kept_out(a, f"Authentication failed [mech={mech}]", name=DENIED)


def test_base64_in_the_table_is_what_it_says():
    assert base64.b64encode(b"n,,") == b"biws" and base64.b64encode(b"y,,") == b"eSws"
