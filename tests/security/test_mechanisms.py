"""SASL mechanisms of two engines: which is offered and chosen, which identities users get, what else is told."""

import base64
import json

import pytest

from proton import SASL, ScramVerifier, Transport
from proton.transport.transport_state import state_of
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Frame, Peer, frame, pump, split, take
from tests.support.secured import client_domain, is_open, joined, reasons, server_domain

DENIED = "amqp:unauthorized-access"
FAILED = "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"
USERS = {"fred": "pencil", "anne": "crayon"}
VERIFIERS = {"anne": ScramVerifier.make("SCRAM-SHA-256", "crayon", iterations=8)}
SCRAM = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]
CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])


@pytest.fixture(scope="module")
def tls(authority):
    return client_domain(authority), server_domain(authority.issue("localhost"))


def login(mech, user="fred", password="pencil", users=USERS, client=None, server=None, chunk=None, **sasl):
    settings = {"allow_insecure_mechs": True, "allowed": mech, **sasl}
    return joined(client, server, sasl=settings, users=users, user=user, password=password, chunk=chunk)


@CHUNKS
@pytest.mark.parametrize("mech", [*SCRAM, "PLAIN"])
def test_a_user_with_the_password_gets_in(tls, mech, chunk):
    pair = login(mech, client=tls[0], server=tls[1], chunk=chunk)
    assert is_open(pair) and reasons(pair) == ["", ""]
    for peer in (pair.client, pair.server):
        sasl = peer.transport.sasl()
        assert (sasl.mech, sasl.outcome, sasl.user) == (mech, SASL.OK, "fred") and peer.transport.authenticated
    assert pair.server.transport.user == pair.server.transport.sasl().authorization == "fred"


@pytest.mark.parametrize("mech", [*SCRAM, "PLAIN"])
@pytest.mark.parametrize("user, password", [("fred", "Pencil"), ("nobody", "pencil"), ("anne", "pencil")])
def test_a_user_without_it_does_not(tls, mech, user, password):
    pair = login(mech, user, password, client=tls[0], server=tls[1])
    assert reasons(pair) == [
        f"Authentication failed [mech={mech}]",
        f"wrong user name or password (Failed to authenticate client [mech={mech}])",
    ]
    for peer in (pair.client, pair.server):
        assert peer.transport.condition.name == DENIED and peer.transport.sasl().outcome == SASL.AUTH
        assert not peer.transport.authenticated and peer.events().endswith(FAILED)
    assert pair.server.transport.user is None and AMQP_HEADER not in pair.server.wire


def test_the_strongest_mechanism_is_chosen():
    assert login(None).client.transport.sasl().mech == "SCRAM-SHA-512"
    assert login("PLAIN SCRAM-SHA-1").client.transport.sasl().mech == "SCRAM-SHA-1"


def test_a_verifier_serves_its_own_mechanism_and_plain(tls):
    for allowed, mech in ((None, "SCRAM-SHA-256"), ("PLAIN", "PLAIN")):
        pair = login(allowed, "anne", "crayon", VERIFIERS, client=tls[0], server=tls[1])
        assert is_open(pair) and pair.client.transport.sasl().mech == mech
    assert not is_open(login("SCRAM-SHA-1", "anne", "crayon", VERIFIERS))


def offered(allowed=None, insecure=False, users=None, encrypted=False):
    class Certain(Transport):
        """A server whose client has come through TLS."""

    server = Peer("server", Transport.SERVER)
    layer = server.transport.sasl()
    layer.credentials, layer.allow_insecure_mechs = users, insecure
    layer.allowed_mechs(allowed)
    state_of(server.transport).encrypted = encrypted
    server.bind()
    server.transport.push(SASL_HEADER)
    return list(split(take(server.transport))[1]["sasl_server_mechanisms"])


OFFERS = [
    (dict(), ["ANONYMOUS"]),
    (dict(users=USERS), SCRAM),
    (dict(users=USERS, insecure=True), [*SCRAM, "PLAIN"]),
    (dict(users=USERS, encrypted=True), [*SCRAM, "PLAIN"]),
    (dict(users=lambda user, password: True), []),
    (dict(users=lambda user, password: True, encrypted=True), ["PLAIN"]),
    (dict(users=USERS, allowed="scram-sha-256 PLAIN"), ["SCRAM-SHA-256"]),
    (dict(users=USERS, allowed="ANONYMOUS SCRAM-SHA-1"), ["SCRAM-SHA-1", "ANONYMOUS"]),
    (dict(users=USERS, allowed=""), []),
    (dict(allowed="PLAIN"), []),
]


@pytest.mark.parametrize("settings, expected", OFFERS, ids=str)
def test_what_a_server_offers(settings, expected):
    assert offered(**settings) == expected


def server(users=USERS, insecure=True, allowed=None):
    peer = Peer("server", Transport.SERVER)
    layer = peer.transport.sasl()
    layer.credentials, layer.allow_insecure_mechs = users, insecure
    layer.allowed_mechs(allowed)
    peer.bind()
    peer.connection.open()
    peer.transport.push(SASL_HEADER)
    take(peer.transport)
    peer.events()
    return peer


def say(peer, name, **fields):
    peer.transport.push(frame(0, name, kind=1, **fields))
    return [part for part in split(take(peer.transport)) if isinstance(part, Frame)]


def test_a_client_may_say_its_part_later():
    peer = server()
    (challenge,) = say(peer, "sasl-init", mechanism="PLAIN")
    assert (challenge.name, challenge["challenge"]) == ("sasl-challenge", b"")
    (outcome,) = say(peer, "sasl-response", response=b"\0fred\0pencil")
    assert (outcome.name, outcome["code"]) == ("sasl-outcome", SASL.OK) and peer.transport.authenticated


def test_a_server_with_users_serves_no_others():
    pair = joined(users=USERS)
    assert reasons(pair)[1] == "Client skipped authentication - forbidden" and not is_open(pair)
    peer = server()
    (outcome,) = say(peer, "sasl-init", mechanism="ANONYMOUS", initial_response=b"x")
    assert outcome["code"] == SASL.AUTH and peer.transport.condition.description.endswith("[mech=ANONYMOUS]")
    pair = login("ANONYMOUS", users=USERS)
    assert not is_open(pair)


def test_a_mechanism_that_is_not_offered_is_refused_even_with_the_password():
    peer = server(insecure=False)
    (outcome,) = say(peer, "sasl-init", mechanism="PLAIN", initial_response=b"\0fred\0pencil")
    assert outcome["code"] == SASL.AUTH and not peer.transport.authenticated
    peer = server(allowed="SCRAM-SHA-256")
    (outcome,) = say(peer, "sasl-init", mechanism="PLAIN", initial_response=b"\0fred\0pencil")
    assert outcome["code"] == SASL.AUTH
    assert peer.transport.condition.description == (
        "Client mechanism not in mechanism inclusion list. (Failed to authenticate client [mech=PLAIN])"
    )


ORDER = [
    (["sasl-response"], "expected sasl-init first, got a response"),
    (["sasl-init", "sasl-init"], "mechanism PLAIN expects a response, got sasl-init again"),
    (["sasl-mechanisms"], "a SASL server did not expect frame 0x40 now"),
    (["sasl-outcome"], "a SASL server did not expect frame 0x44 now"),
]
FIELDS = {
    "sasl-response": {"response": b"\0fred\0pencil"},
    "sasl-init": {"mechanism": "PLAIN"},
    "sasl-mechanisms": {"sasl_server_mechanisms": ["PLAIN"]},
    "sasl-outcome": {"code": 0},
}


@pytest.mark.parametrize("names, reason", ORDER)
def test_frames_out_of_order(names, reason):
    peer = server()
    for name in names:
        say(peer, name, **FIELDS[name])
    assert peer.transport.condition.description == reason and not peer.transport.authenticated


def test_identities():
    class Users(dict):
        def authorize(self, user, authorization):
            return authorization == "admin"

    for users, identity, expected in ((USERS, "fred", ""), (Users(USERS), "admin", ""), (Users(USERS), "root", "root")):
        peer = server(users)
        say(peer, "sasl-init", mechanism="PLAIN", initial_response=identity.encode() + b"\0fred\0pencil")
        assert peer.transport.authenticated is not bool(expected)
        if expected:
            text = "user fred may not act as root (Failed to authenticate client [mech=PLAIN])"
            assert peer.transport.condition.description == text
        else:
            assert (peer.transport.sasl().user, peer.transport.sasl().authorization) == ("fred", identity)


def test_credentials_that_cannot_be_asked_now():
    def down(user, password):
        raise OSError("the database with the secret")

    peer = server(down)
    (outcome,) = say(peer, "sasl-init", mechanism="PLAIN", initial_response=b"\0fred\0pencil")
    assert outcome["code"] == SASL.SYS
    text = "looking up the user has raised OSError (Failed to authenticate client [mech=PLAIN])"
    assert peer.transport.condition.description == text


# -- clients ---------------------------------------------------------------------------------------------------------


def client(offers, user=None, password=None, token=None, insecure=True, allowed=None, host=None, authorization=None):
    """A client that has heard the offers, and its init frame."""
    peer = Peer("client")
    connection = peer.connection
    connection.user, connection.password, connection.hostname = user, password, host
    connection.authorization = authorization
    layer = peer.transport.sasl()
    layer.token, layer.allow_insecure_mechs = token, insecure
    layer.allowed_mechs(allowed)
    peer.bind()
    connection.open()
    take(peer.transport)
    peer.events()
    peer.transport.push(SASL_HEADER)
    frames = say(peer, "sasl-mechanisms", sasl_server_mechanisms=offers)
    return peer, frames[0] if frames else None


ALL = ["ANONYMOUS", "PLAIN", "XOAUTH2", "OAUTHBEARER", *reversed(SCRAM), "EXTERNAL"]
CHOICES = [
    (dict(offers=ALL), "EXTERNAL", b""),
    (dict(offers=ALL[:-1]), "ANONYMOUS", b"anonymous"),
    (dict(offers=ALL[:-1], user="fred", token="t"), "OAUTHBEARER", b"n,a=fred,\1auth=Bearer t\1\1"),
    (dict(offers=["XOAUTH2"], user="fred", token=lambda: "t"), "XOAUTH2", b"user=fred\1auth=Bearer t\1\1"),
    (dict(offers=["XOAUTH2", "ANONYMOUS"], token="t"), "ANONYMOUS", b"anonymous"),  # it needs a user
    (dict(offers=["OAUTHBEARER"], token="t", host="h"), "OAUTHBEARER", b"n,,\1host=h\1auth=Bearer t\1\1"),
    (
        dict(offers=["OAUTHBEARER"], token="t", authorization="a,b=c"),
        "OAUTHBEARER",
        b"n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1",
    ),
    (dict(offers=["OAUTHBEARER", "ANONYMOUS"], token="t", insecure=False), "ANONYMOUS", b"anonymous"),
    (dict(offers=["PLAIN", "ANONYMOUS"], user="fred", password="p", insecure=False), "ANONYMOUS", b"fred"),
    (dict(offers=["PLAIN"], user="fred", password="p", authorization="a"), "PLAIN", b"a\0fred\0p"),
    (dict(offers=["PLAIN", "ANONYMOUS"], user="fred", password=""), "PLAIN", b"\0fred\0"),
]


@pytest.mark.parametrize("settings, mech, response", CHOICES, ids=str)
def test_what_a_client_chooses(settings, mech, response):
    peer, init = client(**settings)
    assert (init["mechanism"], init["initial_response"]) == (mech, response)
    assert peer.transport.sasl().mech == mech


def test_scram_comes_before_plain_and_may_be_used_in_clear():
    _, init = client(ALL[:-1], "fred", "pencil", insecure=False)
    assert init["mechanism"] == "SCRAM-SHA-512" and b"pencil" not in init["initial_response"]


def test_a_client_that_requires_authentication_is_not_anonymous():
    peer = Peer("client")
    peer.transport.require_auth(True)
    peer.transport.sasl()
    peer.bind()
    take(peer.transport)
    peer.transport.push(SASL_HEADER)
    assert say(peer, "sasl-mechanisms", sasl_server_mechanisms=["ANONYMOUS"]) == []
    assert peer.transport.condition.description.startswith("Authentication failed [mech=none]")


UNUSABLE = [
    (dict(offers=["SCRAM-SHA-1"], user="fred", password="hush\u0007"), "cannot be prepared"),
    (dict(offers=["PLAIN"], user="fred", password="hush\0"), "cannot have a NUL"),
    (dict(offers=["OAUTHBEARER"], token="hush\u00fc"), "printable ASCII"),
    (dict(offers=["OAUTHBEARER"], token=lambda: b"hush"), "printable ASCII, got bytes"),
    (dict(offers=["OAUTHBEARER"], token=lambda: {}["hush"]), "has raised KeyError"),
]


@pytest.mark.parametrize("settings, reason", UNUSABLE, ids=str)
def test_secrets_that_cannot_be_used(settings, reason):
    peer, init = client(**settings)
    condition = peer.transport.condition
    assert init is None and condition.name == DENIED and reason in condition.description
    assert "hush" not in condition.description and condition.description.endswith("])")


def test_a_token_is_text_or_something_to_call():
    layer = Transport().sasl()
    with pytest.raises(TypeError, match="expected a token"):
        layer.token = 5
    layer.token = "t"
    assert layer.token is None and "t" not in vars(layer).get("token", "")


def test_what_a_server_says_of_a_token_is_one_line(mech="OAUTHBEARER"):
    peer, _ = client([mech], "fred", token="hush")
    say(peer, "sasl-challenge", challenge=json.dumps({"status": "bad\nERROR forged"}).encode())
    say(peer, "sasl-outcome", code=SASL.AUTH)
    assert "status bad\\nERROR forged" in peer.transport.condition.description


@pytest.mark.parametrize("name", ["user", "password", "authorization", "hostname"])
def test_text_that_cannot_be_sent_is_refused_where_it_is_set(name):
    with pytest.raises(ValueError, match=f"{name} takes text that UTF-8 can say, got a surrogate at 4") as caught:
        setattr(Peer("client").connection, name, "hush\ud800")
    assert "hush" not in str(caught.value)


def test_a_frame_with_a_password_in_the_wrong_place_is_not_shown():
    peer = server()
    body = b"\0\xa1\x0chush\0password"
    peer.transport.push((8 + len(body)).to_bytes(4, "big") + b"\2\1\0\0" + body)
    description = peer.transport.condition.description
    assert "expected a known descriptor" in description and "hush" not in description


@pytest.mark.parametrize("mech, farewell", [("OAUTHBEARER", b"\1"), ("XOAUTH2", b"")])
def test_a_token_that_is_refused(mech, farewell):
    peer, _ = client([mech], "fred", token="hush")
    refusal = base64.b64encode(b"x") if mech == "none" else json.dumps({"status": "invalid_token"}).encode()
    (response,) = say(peer, "sasl-challenge", challenge=refusal)
    assert response["response"] == farewell
    say(peer, "sasl-outcome", code=SASL.AUTH)
    text = f"the server refuses the token, status invalid_token (Authentication failed [mech={mech}])"
    assert peer.transport.condition.description == text


@pytest.mark.parametrize("second", ["sasl-challenge", "sasl-outcome"])
def test_after_a_refusal_there_is_not_way_in(second):
    peer, _ = client(["OAUTHBEARER"], "fred", token="hush")
    say(peer, "sasl-challenge", challenge=b"[1]")
    say(peer, second, **({"challenge": b""} if second == "sasl-challenge" else {"code": 0}))
    assert not peer.transport.authenticated and "refuses the token" in peer.transport.condition.description


def test_an_outcome_that_comes_too_early():
    peer, _ = client(["SCRAM-SHA-256"], "fred", "pencil")
    say(peer, "sasl-outcome", code=0)
    text = "the server has not proved that it knows the password (Authentication failed [mech=SCRAM-SHA-256])"
    assert peer.transport.condition.description == text and not peer.transport.authenticated
    assert AMQP_HEADER not in take(peer.transport)


def test_passwords_are_let_go_of():
    peer, _ = client(["SCRAM-SHA-256"], "fred", "pencil", token="hush")
    sasl = peer.transport.sasl()
    assert "pencil" not in f"{sasl} {vars(sasl)}" and "hush" not in f"{sasl} {vars(sasl)}"


@pytest.mark.parametrize("mech", [*SCRAM, "PLAIN", "OAUTHBEARER"])
def test_traces_show_no_secret(mech):
    lines = []

    class Traced(Peer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.transport.trace(Transport.TRACE_FRM | Transport.TRACE_RAW)
            self.transport.tracer = lambda transport, line: lines.append(line)

    a, b = Traced("client"), Traced("server", Transport.SERVER)
    a.connection.user, a.connection.password = "fred", "pencil"
    a.transport.sasl().allow_insecure_mechs = b.transport.sasl().allow_insecure_mechs = True
    a.transport.sasl().token = "pencil"
    a.transport.sasl().allowed_mechs(mech)
    b.transport.sasl().credentials = USERS
    a.bind(), b.bind()
    a.connection.open(), b.connection.open()
    pump(a, b)
    text = "\n".join(lines)
    assert "sasl-init" in text and "***" in text or mech == "OAUTHBEARER"
    for secret in ("pencil", base64.b64encode(b"pencil").decode(), "p e n c i l", "70 65 6e 63 69 6c", ",p=", "p="):
        assert secret not in text
