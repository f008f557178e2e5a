"""SCRAM on both sides: the exchanges of RFC 5802 5 and RFC 7677 3, verifiers, and whatever may go wrong in between."""

import base64
import weakref

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proton import ScramVerifier
from proton.transport.sasl.credentials import Credentials
from proton.transport.sasl.exchange import AuthenticationFailed
from proton.transport.sasl.scram import MAX_ITERATIONS, SCRAM_HASHES, ScramClient, ScramServer
from tests.support.references import counting, no_collection

#: mechanism, client nonce, what the server adds, salt, the client's proof, the server's signature
EXCHANGES = [
    (
        "SCRAM-SHA-1",
        "fyko+d2lbbFgONRv9qkxdawL",
        "3rfcNHYJY1ZVvWVs7j",
        "QSXCR+Q6sek8bf92",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        "SCRAM-SHA-256",
        "rOprNGfwEbeRWgbNEkqO",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]
every_exchange = pytest.mark.parametrize("row", EXCHANGES, ids=lambda row: row[0])
every_mechanism = pytest.mark.parametrize("mechanism", SCRAM_HASHES)


def store(mechanism, password="pencil", **options):
    return Credentials({"user": ScramVerifier.make(mechanism, password, **options)})


@every_exchange
def test_the_exchange_of_the_specification(row):
    mechanism, nonce, added, salt, proof, signature = row
    verifier = store(mechanism, salt=base64.b64decode(salt), iterations=4096)
    client = ScramClient(mechanism, "user", "pencil", nonce=nonce)
    server = ScramServer(mechanism, verifier, nonce=added)
    assert client.initial == f"n,,n=user,r={nonce}".encode()
    challenge = server.receive(client.initial)
    assert challenge == f"r={nonce}{added},s={salt},i=4096".encode()
    response = client.respond(challenge)
    assert response == f"c=biws,r={nonce}{added},p={proof}".encode()
    final = server.receive(response)
    assert final == f"v={signature}".encode()
    assert client.respond(final) == b"" and server.user is None
    assert server.receive(b"") is None and server.user == "user"
    assert client.finish(None) is None


@counting
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_server_that_is_dropped_is_gone_at_once(steps):
    client = ScramClient("SCRAM-SHA-256", "user", "pencil")
    server = ScramServer("SCRAM-SHA-256", store("SCRAM-SHA-256", iterations=10))
    response = client.initial
    for _ in range(steps):
        challenge = server.receive(response)
        response = client.respond(challenge) if challenge is not None else None
    seen = weakref.ref(server)
    with no_collection():
        del server
        assert seen() is None


@every_mechanism
def test_the_signature_may_come_with_the_outcome(mechanism):
    client, server = ScramClient(mechanism, "user", "pencil"), ScramServer(mechanism, store(mechanism))
    final = server.receive(client.respond(server.receive(client.initial)))
    client.finish(final)


def test_a_client_without_initial_response_is_asked_for_it():
    server = ScramServer("SCRAM-SHA-256", store("SCRAM-SHA-256"))
    assert server.receive(None) == b""
    assert server.receive(ScramClient("SCRAM-SHA-256", "user", "pencil").initial).startswith(b"r=")


def test_names_with_commas_and_identities():
    users = Credentials({"a,b=c": "x"})
    client = ScramClient("SCRAM-SHA-256", "a,b=c", "x", authorization="d,e")
    assert client.initial.startswith(b"n,a=d=2Ce,n=a=2Cb=3Dc,r=")
    server = ScramServer("SCRAM-SHA-256", users)
    server.receive(client.respond(server.receive(client.initial)))
    assert server.receive(b"") is None
    assert (server.user, server.authorization) == ("a,b=c", "d,e")


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(list(SCRAM_HASHES)))
@example("\u00ad", "x", "SCRAM-SHA-1")  # nothing is left of it
@example("x", "\u00ad", "SCRAM-SHA-1")
@settings(max_examples=50, deadline=None)
def test_any_user_and_password(user, password, mechanism):
    try:
        client = ScramClient(mechanism, user, password)
        verifier = ScramVerifier.make(mechanism, password, iterations=1)
    except (AuthenticationFailed, ValueError):
        return

    class Users:
        def lookup(self, name):
            return verifier

    server = ScramServer(mechanism, Credentials(Users()))
    client.respond(server.receive(client.respond(server.receive(client.initial))))
    client.finish(None)
    assert server.receive(b"") is None


WRONG = [("user", "pen"), ("user", ""), ("nobody", "pencil"), ("User", "pencil")]


@every_mechanism
@pytest.mark.parametrize("user, password", WRONG)
def test_a_wrong_password_and_an_unknown_user_look_alike(mechanism, user, password):
    server = ScramServer(mechanism, store(mechanism))
    client = ScramClient(mechanism, user, password)
    challenge = server.receive(client.initial)
    assert challenge.endswith(b",i=4096")
    with pytest.raises(AuthenticationFailed, match="wrong user name or password"):
        server.receive(client.respond(challenge))
    assert server.user is None


def test_the_salt_of_an_unknown_user_is_always_the_same():
    users = store("SCRAM-SHA-256")
    salts = [
        ScramServer("SCRAM-SHA-256", users).receive(ScramClient("SCRAM-SHA-256", name, "x").initial).split(b",")[1]
        for name in ("a", "a", "b")
    ]
    assert salts[0] == salts[1] != salts[2]


def begun():
    """A client and a server after the first challenge, and that challenge."""
    client = ScramClient("SCRAM-SHA-256", "user", "pencil", nonce="abc")
    server = ScramServer("SCRAM-SHA-256", store("SCRAM-SHA-256", salt=b"salt"), nonce="def")
    return client, server, server.receive(client.initial)


CHALLENGES = [
    (b"", "malformed"),
    (b"r=abc", "attribute s"),
    (b"r=abcdef,s=c2FsdA==", "iterations"),
    (b"r=abcdef,s=c2FsdA==,i=0", "1 to"),
    (b"r=abcdef,s=c2FsdA==,i=-1", "1 to"),
    (b"r=abcdef,s=c2FsdA==,i=%d" % (MAX_ITERATIONS + 1), "1 to"),
    (b"r=abcdef,s=c2FsdA==,i=" + b"9" * 5000, "1 to"),
    (b"r=abcdef,s=?,i=1", "base64"),
    (b"r=abc,s=c2FsdA==,i=1", "goes on"),  # nothing added
    (b"r=xbcdef,s=c2FsdA==,i=1", "goes on"),  # of another exchange
    (b"m=x,r=abcdef,s=c2FsdA==,i=1", "mandatory"),
    (b"s=c2FsdA==,r=abcdef,i=1", "attribute r first"),
    (b"r=abcdef,r=abcdef,s=c2FsdA==,i=1", "once"),
    (b"\xff", "UTF-8"),
    (b"r", "attributes"),
]


@pytest.mark.parametrize("challenge, reason", CHALLENGES, ids=lambda value: str(value)[:40])
def test_challenges_that_a_client_refuses(challenge, reason):
    client, _, _ = begun()
    with pytest.raises(AuthenticationFailed, match=reason):
        client.respond(challenge)


FINALS = [
    (b"v=" + base64.b64encode(bytes(32)), "proof is wrong"),
    (b"v=", "proof is wrong"),
    (b"v=?", "base64"),
    (b"e=invalid-proof", "invalid-proof"),
    (b"r=abcdef,s=c2FsdA==,i=1", "attribute v first"),  # the first challenge again
    (b"", "malformed"),
]


@pytest.mark.parametrize("final, reason", FINALS, ids=lambda value: str(value)[:40])
def test_servers_that_do_not_know_the_password(final, reason):
    client, _, challenge = begun()
    client.respond(challenge)
    with pytest.raises(AuthenticationFailed, match=reason):
        client.respond(final)
    with pytest.raises(AuthenticationFailed, match="has not proved"):
        client.finish(None)


def test_an_outcome_without_proof_is_not_believed():
    client, _, challenge = begun()
    with pytest.raises(AuthenticationFailed, match="has not proved"):
        client.finish(None)
    client.respond(challenge)
    with pytest.raises(AuthenticationFailed, match="has not proved"):
        client.finish(b"")


def test_a_challenge_after_the_proof():
    client, server, challenge = begun()
    final = server.receive(client.respond(challenge))
    client.respond(final)
    with pytest.raises(AuthenticationFailed, match="expected the outcome"):
        client.respond(final)


FIRSTS = [
    (b"", "gs2 header"),
    (b"n,", "gs2 header"),
    (b"p=tls-unique,,n=user,r=abc", "channel binding"),
    (b"x,,n=user,r=abc", "channel binding"),
    (b"n,user,n=user,r=abc", "a=identity"),
    (b"n,,r=abc,n=user", "attribute n first"),
    (b"n,,n=user", "attribute r"),
    (b"n,,n=user,r=", "attribute r"),
    (b"n,,n=us=er,r=abc", "=2C or =3D"),
    (b"n,,n=\xff,r=abc", "UTF-8"),
    (b"n,,n=\x07,r=abc", "prepared"),
    (b"n,,m=x,n=user,r=abc", "mandatory"),
]


@pytest.mark.parametrize("first, reason", FIRSTS, ids=lambda value: str(value)[:40])
def test_first_messages_that_a_server_refuses(first, reason):
    with pytest.raises(AuthenticationFailed, match=reason):
        ScramServer("SCRAM-SHA-256", store("SCRAM-SHA-256")).receive(first)


def spoiled(response, change):
    header, nonce, proof = response.split(b",")
    return {
        "truncated": response[:-5],
        "no proof": header + b"," + nonce,
        "other nonce": header + b",r=abcxyz," + proof,
        "other header": b"c=eSws," + nonce + b"," + proof,  # y,,
        "short proof": header + b"," + nonce + b",p=AAAA",
        "empty proof": header + b"," + nonce + b",p=",
        "zeros": header + b"," + nonce + b",p=" + base64.b64encode(bytes(32)),
        "empty": b"",
        "extended": header + b"," + nonce + b",x=1," + proof,
    }[change]


CHANGES = [
    "truncated",
    "no proof",
    "other nonce",
    "other header",
    "short proof",
    "empty proof",
    "zeros",
    "empty",
    "extended",
]


@pytest.mark.parametrize("change", [*CHANGES, "extended"])
def test_final_messages_that_a_server_refuses(change):
    client, server, challenge = begun()
    with pytest.raises(AuthenticationFailed):
        server.receive(spoiled(client.respond(challenge), change))
    assert server.user is None


def test_the_answer_to_the_proof_is_empty():
    client, server, challenge = begun()
    server.receive(client.respond(challenge))
    with pytest.raises(AuthenticationFailed, match="empty response"):
        server.receive(b"x")
    assert server.user is None


def test_a_replayed_response_is_refused_by_another_exchange():
    client, _, challenge = begun()
    response = client.respond(challenge)
    server = ScramServer("SCRAM-SHA-256", store("SCRAM-SHA-256", salt=b"salt"))  # with a nonce of its own
    server.receive(client.initial)
    with pytest.raises(AuthenticationFailed, match="of this exchange"):
        server.receive(response)


# -- verifiers -------------------------------------------------------------------------------------------------------


@every_mechanism
def test_verifiers_survive_their_text(mechanism):
    verifier = ScramVerifier.make(mechanism, "pencil", iterations=7)
    assert ScramVerifier.parse(str(verifier)) == verifier
    assert verifier.accepts("pencil") and not verifier.accepts("Pencil") and not verifier.accepts("\u0007")
    assert "pencil" not in repr(verifier) + str(verifier)
    assert base64.b64encode(verifier.stored_key).decode() not in repr(verifier)


TEXTS = [
    "",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA",
    "SCRAM-SHA-3$4096:c2FsdA==$AAAA:AAAA",
    "SCRAM-SHA-256$x:c2FsdA==$AAAA:AAAA",
    "SCRAM-SHA-256$0:c2FsdA==$" + base64.b64encode(bytes(32)).decode() + ":" + base64.b64encode(bytes(32)).decode(),
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_that_are_not_verifier(text):
    with pytest.raises(ValueError, match="expected"):
        ScramVerifier.parse(text)


def test_arguments_of_a_verifier():
    with pytest.raises(ValueError, match="mechanism of"):
        ScramVerifier.make("PLAIN", "x")
    with pytest.raises(ValueError, match="iterations"):
        ScramVerifier.make("SCRAM-SHA-1", "x", iterations=0)
    with pytest.raises(ValueError, match="special"):
        ScramVerifier.make("SCRAM-SHA-1", "\u0007")
    assert ScramVerifier.make("SCRAM-SHA-1", "x").salt != ScramVerifier.make("SCRAM-SHA-1", "x").salt
