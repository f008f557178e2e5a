"""Logging in through the system's SASL library: both sides, every mechanism, what is refused and what it says."""

import pytest

from proton import SASL, Transport
from tests.support.engines import (
    SASL_HEADER,
    Frame,
    frame,
    frames,
    pump,
    split,
    step,
    take,
)
from tests.support.library import (
    PASSWORD,
    PLUGINS,
    USER,
    configuration,
    ends,
    is_open,
    joined,
    needs_library,
    needs_users,
    reason,
)

DENIED = "amqp:unauthorized-access"
MECHANISMS = [*PLUGINS, "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"]

pytestmark = needs_library
mechanisms = pytest.mark.parametrize("mech", MECHANISMS)
CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])


@pytest.fixture
def configured(monkeypatch):
    monkeypatch.setenv("PN_SASL_CONFIG_PATH", configuration())


def offer(*mechs):
    return SASL_HEADER + frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=list(mechs))


def offered(server):
    (mechs,) = [part for part in split(server.wire) if isinstance(part, Frame) and part.name == "sasl-mechanisms"]
    return [str(mech) for mech in mechs["sasl_server_mechanisms"].elements]


def logged_in(mech):
    """Two ends that have moved no more than the SASL exchange."""
    a, b = ends(mech)
    while a.transport.sasl().outcome is None:
        assert step(a, b) | step(b, a)
    return a, b


# -- mechanisms ------------------------------------------------------------------------------------------------------


@needs_users
@CHUNKS
@mechanisms
def test_log_in(configured, mech, chunk):
    a, b = joined(mech, chunk=chunk)
    assert is_open(a, b), (reason(a), reason(b))
    for peer in (a, b):
        sasl = peer.transport.sasl()
        assert (sasl.mech, sasl.outcome, sasl.user) == (mech, SASL.OK, USER)
        assert peer.transport.authenticated and not peer.transport.encrypted
    assert (b.transport.user, b.transport.sasl().authorization) == (USER, USER)


@needs_users
def test_anonymous(configured):
    a, b = joined("ANONYMOUS", user=None, password=None)
    assert is_open(a, b) and b.transport.user == b.transport.sasl().authorization == "anonymous"


@needs_users
@pytest.mark.parametrize(
    ("mech", "initial"),
    [(mech, initial) for mech in ("ANONYMOUS", "CRAM-MD5", "LOGIN", "SCRAM-SHA-256") for initial in (None, b"")]
    + [("PLAIN", None)],  # RFC 4616 2: an empty one names no user, and is refused
)
def test_clients_may_mix_up_an_absent_initial_response_and_an_empty_one(configured, mech, initial):
    _, b = ends(mech)
    b.transport.push(SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism=mech, initial_response=initial))
    last = frames(take(b.transport))[-1]
    if mech == "ANONYMOUS":  # RFC 4505 2: the trace information may be left out
        assert (last.name, last["code"], b.transport.sasl().user) == ("sasl-outcome", SASL.OK, "anonymous")
    else:
        assert last.name == "sasl-challenge" and b.transport.sasl().outcome is None


@needs_users
@mechanisms
def test_wrong_password(configured, mech):
    a, b = joined(mech, password="wrong")
    assert (a.transport.sasl().outcome, b.transport.sasl().outcome) == (SASL.AUTH, SASL.AUTH)
    assert a.transport.condition.name == b.transport.condition.name == DENIED
    assert reason(a) == f"Authentication failed [mech={mech}]"
    assert reason(b).startswith("SASL(-13): authentication failure: ")
    assert reason(b).endswith(f" (Failed to authenticate client [mech={mech}])")
    assert b.transport.sasl().user is None and not b.transport.authenticated
    assert PASSWORD not in reason(b) and "wrong" not in reason(b)


@needs_users
@mechanisms
def test_unknown_user(configured, mech):
    a, b = joined(mech, user="nobody@proton")
    assert (a.transport.sasl().outcome, b.transport.sasl().outcome) == (SASL.AUTH, SASL.AUTH)
    assert reason(b).startswith("SASL(-13): user not found: ") and b.transport.sasl().user is None


@needs_users
@pytest.mark.parametrize("mech", ["DIGEST-MD5", "SCRAM-SHA-384", "PLAIN"])
def test_acting_as_another_user_is_told_to_the_program(configured, mech):
    a, b = joined(mech, authorization="other@proton")
    assert is_open(a, b), reason(b)
    assert (b.transport.sasl().user, b.transport.sasl().authorization) == (USER, "other@proton")


@needs_users
def test_initial_response_is_absent_where_the_mechanism_has_none(configured):
    a, _ = joined("CRAM-MD5")
    (init,) = [part for part in frames(a.wire) if part.name == "sasl-init"]
    assert init["initial_response"] is None
    # One field alone: the mechanism.
    assert b"\x00\x53\x41\xc0\x0b\x01\xa3\x08CRAM-MD5" in bytes(a.wire)


@needs_users
def test_every_step_of_digest_md5_is_on_the_wire(configured):
    a, b = logged_in("DIGEST-MD5")
    exchange = [part.name if isinstance(part, Frame) else part for part in split(b.wire)]
    assert exchange == [SASL_HEADER, "sasl-mechanisms", "sasl-challenge", "sasl-challenge", "sasl-outcome"]
    responses = [part["response"] for part in frames(a.wire) if part.name == "sasl-response"]
    assert len(responses) == 2 and responses[1] == b""


# -- what is offered and chosen --------------------------------------------------------------------------------------


@needs_users
def test_offer_is_what_the_configuration_lists(configured):
    _, b = joined()
    assert {*MECHANISMS, "ANONYMOUS"} <= {*offered(b)}
    assert not {"EXTERNAL", "GSSAPI"} & {*offered(b)}  # no certificate; not listed


@needs_users
def test_passwords_in_clear_are_not_asked_for(configured):
    _, b = joined(insecure=False)
    assert not {"PLAIN", "LOGIN"} & {*offered(b)} and "CRAM-MD5" in offered(b)


@needs_users
def test_anonymous_is_not_offered_where_authentication_is_required(configured):
    a, b = ends()
    b.transport.require_auth(True)
    pump(a, b)
    assert "ANONYMOUS" not in offered(b) and is_open(a, b)


@needs_users
def test_offer_keeps_to_what_the_program_allows(configured):
    a, b = joined(offered="ANONYMOUS CRAM-MD5 X-NONE")
    assert sorted(offered(b)) == ["ANONYMOUS", "CRAM-MD5"]
    assert a.transport.sasl().mech == "CRAM-MD5"


@needs_users
def test_mechanism_that_was_not_offered(configured):
    a, b = ends(offered="CRAM-MD5")
    b.transport.push(SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism="PLAIN", initial_response=b"\0user\0pw"))
    assert [part.name for part in frames(take(b.transport))] == ["sasl-mechanisms", "sasl-outcome"]
    expected = "Client mechanism not in mechanism inclusion list. (Failed to authenticate client [mech=PLAIN])"
    assert (reason(b), b.transport.sasl().outcome) == (expected, SASL.AUTH)


@needs_users
def test_credentials_of_the_program_come_before_the_library(configured):
    a, b = ends(user="mine", password="own")
    b.transport.sasl().credentials = {"mine": "own"}
    pump(a, b)
    assert is_open(a, b) and not {"CRAM-MD5", "NTLM"} & {*offered(b)}
    assert b.transport.user == "mine"


@pytest.mark.parametrize(
    ("allowed", "user", "insecure", "mech"),
    [
        (None, USER, True, "SCRAM-SHA-256"),  # what needs no library, when it is as good
        ("CRAM-MD5 PLAIN ANONYMOUS", USER, True, "CRAM-MD5"),  # before what a third party could read
        ("LOGIN PLAIN", USER, True, "PLAIN"),  # the same in fewer words
        ("LOGIN CRAM-MD5", USER, True, "CRAM-MD5"),
        ("LOGIN CRAM-MD5 ANONYMOUS", None, True, "ANONYMOUS"),
        ("LOGIN ANONYMOUS", USER, False, "ANONYMOUS"),
        ("SCRAM-SHA-384-PLUS ANONYMOUS", USER, True, "ANONYMOUS"),  # no channel binding
    ],
)
def test_choice_of_a_client(allowed, user, insecure, mech):
    a, _ = ends(allowed, user=user, password=PASSWORD if user else None, insecure=insecure)
    take(a.transport)
    plus = ["SCRAM-SHA-384-PLUS"]
    a.transport.push(offer("LOGIN", "ANONYMOUS", "CRAM-MD5", "SCRAM-SHA-256", "PLAIN", "x y", "X" * 30, *plus))
    (init,) = frames(take(a.transport))
    assert (init.name, init["mechanism"], a.transport.sasl().mech) == ("sasl-init", mech, mech)


@pytest.mark.parametrize("names", [("GSSAPI",), ("GSS-SPNEGO", "GS2-KRB5", "GS2-IAKERB")])
def test_tickets_are_not_used_unasked(names):
    a, _ = ends(user=None, password=None)
    take(a.transport)
    a.transport.push(offer(*names, "ANONYMOUS"))
    assert a.transport.sasl().mech == "ANONYMOUS"


@pytest.mark.parametrize("mechs", [["X-UNKNOWN"], ["LOGIN"], ["CRAM-MD5"]])
def test_nothing_usable(mechs):
    a, _ = ends(user=None, password=None, insecure=False)
    a.transport.sasl().allowed_mechs(mechs)
    take(a.transport)
    a.transport.push(offer(*mechs))
    assert take(a.transport) == b""
    expected = "SASL(-4): no mechanism available: No worthy mechs found (Authentication failed [mech=none]"
    assert reason(a).startswith(expected) and mechs[0] in reason(a)
    assert (a.transport.sasl().outcome, a.transport.sasl().mech, a.transport.condition.name) == (3, None, DENIED)


def test_digest_md5_needs_a_host_name():
    a, _ = ends("DIGEST-MD5", host=None)
    take(a.transport)
    a.transport.push(offer("DIGEST-MD5"))
    assert take(a.transport) == b""
    assert "no mechanism available" in reason(a)


def test_names_with_a_nul_are_not_sent_shortened():
    a, _ = ends("CRAM-MD5", user="admin\0user")
    take(a.transport)
    a.transport.push(offer("CRAM-MD5"))
    assert take(a.transport) == b""
    assert "cannot have a NUL" in reason(a) and a.transport.sasl().outcome == SASL.PERM


# -- peers that do not keep to it ------------------------------------------------------------------------------------


def challenged(mech, *challenges):
    """A client that has chosen a mechanism, and its answers to challenges."""
    a, _ = ends(mech)
    take(a.transport)
    a.transport.push(offer(mech))
    answers = frames(take(a.transport))[1:]
    for challenge in challenges:
        if a.transport.capacity() > 0:
            a.transport.push(frame(0, "sasl-challenge", kind=1, challenge=challenge))
            answers += frames(take(a.transport))
    return a, answers


DIGEST = b'nonce="abcdefgh",realm="vm",qop="auth",maxbuf=32768,charset=utf-8,algorithm=md5-sess'


@pytest.mark.parametrize(
    ("mech", "challenges", "answered"),
    [
        ("DIGEST-MD5", [DIGEST[:20]], 0),
        ("DIGEST-MD5", [b""], 0),
        ("DIGEST-MD5", [bytes(range(256))], 0),
        ("DIGEST-MD5", [DIGEST, b"rspauth=00000000000000000000000000000000"], 1),
        ("DIGEST-MD5", [DIGEST, DIGEST], 1),
        ("CRAM-MD5", [b"<1@host>", b"<1@host>"], 1),
        ("NTLM", [b""], 0),
        ("NTLM", [b"NTLMSSP\0\2\0\0\0"], 0),
        ("SCRAM-SHA-384", [b""], 0),
        ("SCRAM-SHA-384", [b"r=abc,s=c2FsdA==,i=4096"], 0),
    ],
)
def test_challenge_that_no_server_would_send(mech, challenges, answered):
    a, answers = challenged(mech, *challenges)
    assert len(answers) == answered
    assert (a.transport.condition.name, a.transport.sasl().outcome) == (DENIED, SASL.AUTH)
    assert reason(a).endswith(f"(Authentication failed [mech={mech}])") and PASSWORD not in reason(a)


@pytest.mark.parametrize(("mech", "challenges"), [("DIGEST-MD5", [DIGEST]), ("DIGEST-MD5", []), ("SCRAM-SHA-384", [])])
def test_server_that_has_not_proved_itself_is_not_believed(mech, challenges):
    a, _ = challenged(mech, *challenges)
    a.transport.push(frame(0, "sasl-outcome", kind=1, code=0))
    assert not a.transport.authenticated and take(a.transport) == b""
    assert reason(a) == f"mechanism {mech} expects a challenge, got an outcome (Authentication failed [mech={mech}])"


def test_proof_in_the_additional_data_of_the_outcome_is_checked():
    a, _ = challenged("DIGEST-MD5", DIGEST)
    a.transport.push(frame(0, "sasl-outcome", kind=1, code=0, additional_data=b"rspauth=" + b"0" * 32))
    assert take(a.transport) == b""
    assert a.transport.condition.name == DENIED and not a.transport.authenticated


@needs_users
@pytest.mark.parametrize("mech", ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-384", "NTLM"])
def test_replayed_responses_let_no_client_in(configured, mech):
    a, _ = logged_in(mech)
    replayed = frames(a.wire)
    assert a.transport.authenticated and len(replayed) > 1
    _, victim = ends(mech)
    victim.transport.push(SASL_HEADER)
    for part in replayed:
        if victim.transport.capacity() > 0:
            victim.transport.push(frame(0, part.name, kind=1, **part.fields))
    assert victim.transport.sasl().outcome == SASL.AUTH and not victim.transport.authenticated


@needs_users
@pytest.mark.parametrize("mech", MECHANISMS)
@pytest.mark.parametrize("initial", [None, b"", b"\0", bytes(range(256)) * 16, b"n,,n=\0,r=x"])
def test_response_that_no_client_would_send(configured, mech, initial):
    _, b = ends(mech)
    b.transport.push(SASL_HEADER + frame(0, "sasl-init", kind=1, mechanism=mech, initial_response=initial))
    for response in (b"", b"\xff" * 4000, b"=,\0" * 9):
        if b.transport.capacity() > 0:
            b.transport.push(frame(0, "sasl-response", kind=1, response=response))
    assert frames(take(b.transport))[-1].name == "sasl-outcome" and not b.transport.authenticated
    assert b.transport.condition.name == DENIED and b.transport.sasl().outcome in (SASL.AUTH, SASL.SYS)


# -- secrets ---------------------------------------------------------------------------------------------------------


@needs_users
@pytest.mark.parametrize("mech", ["LOGIN", "PLAIN", "DIGEST-MD5", "CRAM-MD5"])
def test_traces_show_no_answers(configured, mech):
    a, b = ends(mech)
    lines = []
    for peer in (a, b):
        peer.transport.trace(Transport.TRACE_FRM)
        peer.transport.tracer = lambda transport, text: lines.append(text)
    pump(a, b)
    assert is_open(a, b)
    shown = "\n".join(lines)
    assert f"sasl-init(65) [mechanism=:{mech}" in shown.replace('"', "") and "***" in shown
    assert PASSWORD not in shown and 'response=b"user' not in shown and "digest-uri" not in shown
    assert PASSWORD not in repr([vars(peer.transport.sasl()) for peer in (a, b)])
