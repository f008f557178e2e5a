"""The SASL exchange, seen frame by frame on both sides (5.3.1 to 5.3.3); here without a socket and without TLS."""

import pytest

from proton import SASL, Transport
from proton.transport.transport_state import state_of
from tests.support.engines import AMQP_HEADER, SASL_HEADER, Frame, Peer, frame, pump, split, take

DENIED = "amqp:unauthorized-access"
CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
FAILED = "TRANSPORT TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


def client(mechs=None, user=None, password=None, insecure=False, authorization=None):
    peer = Peer("client")
    peer.connection.user, peer.connection.password = user, password
    if authorization is not None:
        peer.connection.authorization = authorization
    sasl = peer.transport.sasl()
    sasl.allow_insecure_mechs = insecure
    sasl.allowed_mechs(mechs)
    peer.bind()
    peer.connection.container = "client"
    peer.connection.open()
    peer.events()
    return peer


def server(mechs=None):
    peer = Peer("server", Transport.SERVER)
    if mechs is not None:
        peer.transport.sasl().allowed_mechs(mechs)
    peer.bind()
    peer.connection.open()
    peer.events()
    return peer


def sasl_frame(name, **fields):
    return frame(0, name, kind=1, **fields)


def offer(*mechs):
    return SASL_HEADER + sasl_frame("sasl-mechanisms", sasl_server_mechanisms=list(mechs))


def parts(data):
    return [part.name if isinstance(part, Frame) else part for part in split(data)]


@CHUNKS
def test_anonymous_between_two_engines(chunk):
    a, b = client(), server()
    pump(a, b, chunk)
    assert parts(a.wire) == [SASL_HEADER, "sasl-init", AMQP_HEADER, "open"]
    assert parts(b.wire) == [SASL_HEADER, "sasl-mechanisms", "sasl-outcome", AMQP_HEADER, "open"]
    for peer in (a, b):
        sasl = peer.transport.sasl()
        assert (sasl.mech, sasl.outcome, peer.transport.authenticated) == ("ANONYMOUS", SASL.OK, True)
        assert not peer.transport.encrypted and peer.connection.remote_container is not None
    assert (b.transport.user, b.transport.sasl().user) == ("anonymous", "anonymous")
    assert all(
        part.kind == (1 if part.name.startswith("sasl") else 0) for part in split(a.wire) if isinstance(part, Frame)
    )


def test_the_client_does_not_pipeline():
    a = client()
    assert take(a.transport) == SASL_HEADER
    a.transport.push(SASL_HEADER)
    assert take(a.transport) == b""
    a.transport.push(offer("ANONYMOUS")[8:])
    (init,) = split(take(a.transport))
    assert (init.name, init["mechanism"], init["initial_response"], init["hostname"]) == (
        "sasl-init",
        "ANONYMOUS",
        b"anonymous",
        None,
    )
    a.transport.push(sasl_frame("sasl-outcome", code=0))
    assert parts(take(a.transport)) == [AMQP_HEADER, "open"]


@CHUNKS
def test_a_client_that_pipelines_gets_every_answer(chunk):
    b = server()
    data = (
        SASL_HEADER + sasl_frame("sasl-init", mechanism="ANONYMOUS") + AMQP_HEADER + frame(0, "open", container_id="p")
    )
    for start in range(0, len(data), chunk or len(data)):
        b.transport.push(data[start : start + (chunk or len(data))])
    assert parts(take(b.transport)) == [SASL_HEADER, "sasl-mechanisms", "sasl-outcome", AMQP_HEADER, "open"]
    assert b.connection.remote_container == "p"


@pytest.mark.parametrize("mechs, expected", [(None, ["ANONYMOUS"]), ("ANONYMOUS", ["ANONYMOUS"]), ("PLAIN", [])])
def test_the_server_offers_an_array_always(mechs, expected):
    b = server(mechs)
    b.transport.push(SASL_HEADER)
    header, mechanisms = split(take(b.transport))
    assert (header, mechanisms.name) == (SASL_HEADER, "sasl-mechanisms")
    offered = mechanisms["sasl_server_mechanisms"]
    assert type(offered).__name__ == "Array" and list(offered) == expected


def test_a_server_takes_clients_with_and_without_sasl():
    b = server()
    a = Peer("plain").bind()
    a.connection.open()
    pump(a, b)
    assert b.connection.remote_container == "" and not b.transport.authenticated
    assert b.transport.user == "anonymous"


CHOICES = [
    # offered, allowed, user, password, insecure, the mechanism, its initial response
    (["ANONYMOUS"], None, None, None, False, "ANONYMOUS", b"anonymous"),
    (["ANONYMOUS"], None, "fred", None, False, "ANONYMOUS", b"fred"),
    (["PLAIN", "ANONYMOUS"], None, "fred", "pw", False, "ANONYMOUS", b"fred"),
    (["PLAIN", "ANONYMOUS"], None, "fred", "pw", True, "PLAIN", b"\0fred\0pw"),
    (["ANONYMOUS", "PLAIN"], None, "fred", "pw", True, "PLAIN", b"\0fred\0pw"),
    (["PLAIN", "ANONYMOUS"], "ANONYMOUS", "fred", "pw", True, "ANONYMOUS", b"fred"),
    (["PLAIN", "ANONYMOUS"], None, "fred", None, True, "ANONYMOUS", b"fred"),
    (["EXTERNAL", "PLAIN"], None, "fred", "pw", True, "EXTERNAL", b""),
    (["EXTERNAL", "ANONYMOUS"], "ANONYMOUS", None, None, False, "ANONYMOUS", b"anonymous"),
    (["anonymous", "ANONYMOUS"], None, None, None, False, "ANONYMOUS", b"anonymous"),
]


@pytest.mark.parametrize("row", CHOICES, ids=lambda row: f"{row[0]}-{row[1]}-{row[5]}-{row[4]}")
def test_choice_of_the_client(row):
    offered, allowed, user, password, insecure, mech, response = row
    a = client(allowed, user, password, insecure)
    take(a.transport)
    a.transport.push(offer(*offered))
    (init,) = split(take(a.transport))
    assert (init["mechanism"], init["initial_response"]) == (mech, response)
    assert a.transport.sasl().mech == mech


def test_the_authorization_goes_with_plain():
    a = client(None, "fred", "pw", True, authorization="admin")
    take(a.transport)
    a.transport.push(offer("PLAIN"))
    assert split(take(a.transport))[0]["initial_response"] == b"admin\0fred\0pw"


def test_a_single_symbol_is_an_offer_too():
    a = client()
    take(a.transport)
    body = b"\0\x53\x40\xc0\x0c\x01\xa3\x09ANONYMOUS"
    a.transport.push(SASL_HEADER + (len(body) + 8).to_bytes(4, "big") + b"\2\1\0\0" + body)
    assert parts(take(a.transport)) == ["sasl-init"]


REFUSALS = [
    # offered, allowed, insecure: nothing that the client could use
    ([], None, False),
    (["PLAIN"], None, False),
    (["GSSAPI", "X-NOBODYS"], None, True),
    (["ANONYMOUS"], "PLAIN", True),
    (["ANONYMOUS"], "", True),
]


@pytest.mark.parametrize("row", REFUSALS, ids=str)
def test_a_client_without_a_usable_mechanism_gives_up(row):
    offered, allowed, insecure = row
    a = client(allowed, "fred", "secret", insecure)
    take(a.transport)
    a.transport.push(offer(*offered))
    assert take(a.transport) == b""
    condition = a.transport.condition
    # Where the system has a SASL library, it is asked for the unknown ones, and its words come first.
    assert condition.name == DENIED and "Authentication failed [mech=none]" in condition.description
    assert "secret" not in condition.description


LACKS = [
    # offered, allowed, user name, password: what the text names besides
    (["PLAIN"], None, None, None, "; no user name was given; no password was given"),
    (["PLAIN", "SCRAM-SHA-1"], None, "fred", None, "; no password was given"),
    (["OAUTHBEARER"], None, None, None, "; no token was given"),
    (["PLAIN"], None, "fred", "secret", "; PLAIN needs TLS or allow_insecure_mechs"),
    (["PLAIN"], "SCRAM-SHA-1 EXTERNAL", None, None, "; this client allows: "),
    (["X-NOBODYS"], None, None, None, ")"),
]


@pytest.mark.parametrize("row", LACKS, ids=str)
def test_such_a_client_says_what_it_lacks(row):
    offered, allowed, user, password, lack = row
    a = client(allowed, user, password, False)
    take(a.transport)
    a.transport.push(offer(*offered))
    take(a.transport)
    description = a.transport.condition.description
    assert f"Authentication failed [mech=none] (the peer offers: {' '.join(offered)}{lack}" in description
    assert "secret" not in description
    assert a.transport.sasl().outcome == SASL.PERM and a.events() == FAILED


def test_an_anonymous_client_says_what_it_lacks_for_more():
    a = client(None, "fred", "secret", False)
    take(a.transport)
    a.transport.push(offer("PLAIN", "ANONYMOUS"))
    assert a.transport.sasl().mech == "ANONYMOUS"
    lack = "the peer offers: PLAIN ANONYMOUS; PLAIN needs TLS or allow_insecure_mechs"
    assert state_of(a.transport).sasl.anonymous_because == lack


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (SASL.AUTH, ""),
        # These had no text of their own before: what the server could not do looked like a wrong password (5.3.3.6).
        (SASL.SYS, ": a system error of the server"),
        (SASL.PERM, ": a permanent system error of the server"),
        (SASL.TEMP, ": a temporary system error of the server"),
    ],
)
def test_outcomes_other_than_ok(code, text):
    a = client()
    take(a.transport)
    a.transport.push(offer("ANONYMOUS"))
    take(a.transport)
    a.transport.push(sasl_frame("sasl-outcome", code=code))
    assert take(a.transport) == b""  # no AMQP header, no close
    condition = a.transport.condition
    assert (condition.name, condition.description) == (DENIED, f"Authentication failed [mech=ANONYMOUS]{text}")
    assert a.transport.sasl().outcome == code and a.events() == FAILED
    assert not a.transport.authenticated


SERVER_REFUSES = [
    (None, "PLAIN", "Failed to authenticate client [mech=PLAIN]"),
    (None, "anonymous", "Failed to authenticate client [mech=anonymous]"),
    (None, "EXTERNAL", "Failed to authenticate client [mech=EXTERNAL]"),
    (
        "PLAIN",
        "ANONYMOUS",
        "Client mechanism not in mechanism inclusion list. (Failed to authenticate client [mech=ANONYMOUS])",
    ),
]


@pytest.mark.parametrize("allowed, mech, text", SERVER_REFUSES)
def test_the_server_refuses(allowed, mech, text):
    b = server(allowed)
    b.transport.push(SASL_HEADER + sasl_frame("sasl-init", mechanism=mech, initial_response=b"\0u\0secret"))
    *_, outcome = split(take(b.transport))
    assert (outcome.name, outcome["code"]) == ("sasl-outcome", SASL.AUTH)
    condition = b.transport.condition
    assert (condition.name, condition.description) == (DENIED, text)
    assert b.transport.sasl().outcome == SASL.AUTH and b.events() == FAILED


def test_end_of_input_during_sasl():
    b = server()
    b.transport.push(SASL_HEADER)
    take(b.transport)
    b.transport.close_tail()
    condition = b.transport.condition
    assert (condition.name, condition.description) == ("amqp:connection:framing-error", "connection aborted")
    assert b.transport.sasl().outcome is None


@pytest.mark.parametrize("name", ["sasl-init", "sasl-response", "sasl-mechanisms"])
def test_frames_out_of_turn_end_the_transport(name):
    fields = {"sasl-init": {"mechanism": "X"}, "sasl-response": {"response": b""}}
    a = client()
    take(a.transport)
    a.transport.push(offer("ANONYMOUS"))
    take(a.transport)
    a.transport.push(sasl_frame(name, **fields.get(name, {"sasl_server_mechanisms": ["ANONYMOUS"]})))
    assert a.transport.condition is not None and not a.transport.authenticated
    assert b"AMQP\0" not in take(a.transport)


def test_require_auth_is_met_by_anonymous():
    a, b = client(), server()
    b.transport.require_auth(True)
    pump(a, b)
    assert b.transport.condition is None and a.connection.remote_container == ""


def test_a_late_look_at_sasl_changes_nothing():
    a, b = Peer("client").bind(), Peer("server", Transport.SERVER).bind()
    a.connection.open(), b.connection.open()
    pump(a, b)
    for peer in (a, b):
        sasl = peer.transport.sasl()
        assert (sasl.mech, sasl.user, sasl.outcome) == (None, None, None) and peer.transport.sasl() is sasl
        assert peer.transport.user == "anonymous" and not peer.transport.authenticated
    a.connection.close(), b.connection.close()
    pump(a, b)
    assert a.transport.condition is b.transport.condition is None


def test_one_layer_for_each_transport_and_no_password_in_sight():
    a = client(None, "fred", "hidden", True)
    sasl = a.transport.sasl()
    assert a.transport.sasl() == sasl and "hidden" not in repr(sasl) + repr(vars(sasl).keys())
    assert a.connection.password is None
    assert "hidden" not in repr(a.connection)


@pytest.mark.parametrize("mech", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
def test_secrets_are_kept_until_an_exchange_has_begun(mech):
    a = client(mech, "fred", "hidden", True)
    a.transport.sasl().token = "secret"
    sasl = state_of(a.transport).sasl
    assert (sasl.password, sasl.token) == ("hidden", "secret")
    take(a.transport)
    a.transport.push(offer(mech))
    assert sasl.mech == mech and (sasl.password, sasl.token) == (None, None)


ALLOWED = [
    ("A b", None),
    (["A", "B"], None),
    (("A",), None),
    (None, None),
    ("", None),
    (5, TypeError),
    ([5], TypeError),
]


@pytest.mark.parametrize("mechs, error", ALLOWED)
def test_allowed_mechs_takes_text_or_names(mechs, error):
    sasl = Transport().sasl()
    if error is None:
        assert sasl.allowed_mechs(mechs) is None
    else:
        with pytest.raises(error):
            sasl.allowed_mechs(mechs)


def test_constants():
    assert (SASL.OK, SASL.AUTH, SASL.SYS, SASL.PERM, SASL.TEMP) == (0, 1, 2, 3, 4)
