"""TLS and SASL over real sockets between ours and the reference, in both roles: which get in, what others hear.

Both ends run peers/secure.py, which tells what it sees in lines. An editor must keep: the reference is never asked for
what it cannot do (PLAIN on a server, versions of TLS), so one end of each pair is ours.
"""

from __future__ import annotations

import json

import pytest

from tests.interop.test_interop import PEERS, needs_reference, peer
from tests.support.certificates import Authority
from tests.support.programs import free_port

PAIRS = [("ours", "reference"), ("reference", "ours")]
pairs = pytest.mark.parametrize(
    "pair",
    [pytest.param(pair, marks=needs_reference, id=" to ".join(pair)) for pair in PAIRS],
)
from_reference = pytest.mark.parametrize("pair", [pytest.param(PAIRS[1], marks=needs_reference)], ids=["to ours"])
MB2 = 2_000_000
WHO = [("C", "US"), ("ST", "ST"), ("L", "City"), ("O", "Server, Inc."), ("OU", "Dev"), ("CN", "localhost")]
FAILURE = "amqp:connection:framing-error SSL Failure: "
ABORTED = "amqp:connection:framing-error "
POLICY = "amqp:connection:policy-error "
DENIED = "amqp:unauthorized-access "


class Certificates:
    """Settings for peers/secure.py."""

    def __init__(self, folder):
        ours, theirs = Authority(folder, "Ours"), Authority(folder, "Theirs")
        server = ours.issue("localhost", subject=WHO)
        client = ours.issue(subject=[("O", "Caf\xe9"), ("CN", 'fred, "the" <client>')], usage="client")
        locked = ours.issue("localhost", password="key password")
        foreign, unknown = ours.issue("elsewhere.example"), theirs.issue("mallory", usage="client")
        self.trusts = {"trusts": ours.cert}
        self.others = {"trusts": theirs.cert}
        self.server, self.client, self.locked = ({"credentials": list(one)} for one in (server, client, locked))
        self.foreign, self.unknown = ({"credentials": list(one)} for one in (foreign, unknown))
        self.asks = {**self.server, **self.trusts, "verify": "peer"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def run(pair, client, server, scheme="amqps", host="localhost"):
    """What a client and a server have told; each setting of theirs is an entry of a dictionary."""
    port = free_port()
    client, server = {"url": f"{scheme}://{host}:{port}", **client}, {"url": f"localhost:{port}", **server}
    with peer(pair[1], PEERS / "secure.py", "server", json.dumps(server)) as listening:
        listening.await_line("listening")
        with peer(pair[0], PEERS / "secure.py", "client", json.dumps(client)) as connecting:
            return connecting.finish(), listening.finish()[1:]


def words(lines, word):
    return [line[len(word) + 1 :] for line in lines if line.startswith(word + " ")]


def went_well(told, size=10, times=1):
    for lines in told:
        assert words(lines, "error") == []
        assert words(lines, "message") == [f"{size} True"] * times


def refused(told, client, server, exact=True):
    """No client got in, and these are the beginnings of the reasons; None where the reference has none."""
    for lines, reason in zip(told, (client, server)):
        assert words(lines, "message") == words(lines, "user") == []
        errors = words(lines, "error")
        assert (errors == [] and not exact) or (len(errors) >= 1 and errors[0].startswith(reason)), errors


@pairs
def test_anonymous(pair):
    told = run(pair, {}, {"require_auth": True}, "amqp")
    went_well(told)
    assert [words(lines, "sasl") for lines in told] == [["ANONYMOUS 0 True"]] * 2
    assert words(told[1], "user") == ["anonymous"]


@pairs
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_both_ways_through_tls(pair, version, certificates):
    client = {"tls": {**certificates.trusts, "protocols": version}, "size": MB2}
    told = run(pair, client, {"tls": {**certificates.server, "protocols": version}, "size": MB2})
    went_well(told, MB2)
    assert words(told[0], "tls") == words(told[1], "tls") and words(told[0], "tls")[0].startswith(version + " ")
    assert [words(lines, "encrypted") for lines in told] == [["True"]] * 2
    assert [words(lines, "resumed") for lines in told] == [["1"]] * 2


@needs_reference
def test_what_is_known_of_certificates(certificates):
    """The same at the same end, for each observer; EXTERNAL comes of itself."""
    client = {"tls": {**certificates.trusts, **certificates.client, "verify": "name"}}
    one, other = (run(pair, client, {"tls": certificates.asks, "require_auth": True}) for pair in PAIRS)
    for told in (one, other):
        went_well(told)
        assert [words(lines, "sasl") for lines in told] == [["EXTERNAL 0 True"]] * 2
        assert words(told[1], "user") == words(told[1], "subject") != ["None"]
    for end in (0, 1):
        for word in ("subject", "getter"):
            assert words(one[end], word) == words(other[end], word)
    assert words(one[0], "subject") == ["CN=localhost,OU=Dev,O=Server\\, Inc.,L=City,ST=ST,C=US"]


@pairs
def test_neither_end_has_a_certificate(pair):
    told = run(pair, {"tls": {"verify": "anybody"}}, {"tls": {}})
    went_well(told)
    assert "ADH-" in words(told[0], "tls")[0] and words(told[0], "tls") == words(told[1], "tls")


@pairs
def test_a_key_with_a_password(pair, certificates):
    went_well(run(pair, {"tls": certificates.trusts}, {"tls": certificates.locked, "require_encryption": True}))


@pairs
def test_a_certificate_whose_name_is_not_looked_at(pair, certificates):
    client = {"tls": {**certificates.trusts, "verify": "peer"}}
    told = run(pair, client, {"tls": certificates.foreign})
    went_well(told)
    assert words(told[0], "subject") == ["CN=elsewhere.example"]


@pairs
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_session_is_resumed(pair, version, certificates):
    client = {"tls": {**certificates.trusts, "protocols": version}, "details": "once more", "connections": 3}
    told = run(pair, client, {"tls": {**certificates.server, "protocols": version}, "connections": 3})
    went_well(told, times=3)
    for lines in told:
        assert words(lines, "resumed") == ["1", "2", "2"]
    assert words(told[0], "subject") == [words(told[0], "subject")[0]] * 3


@pairs
def test_clear_text_where_it_is_allowed(pair, certificates):
    told = run(pair, {}, {"tls": {**certificates.server, "unsecured": True}}, "amqp")
    went_well(told)
    assert words(told[1], "tls") == ["None None"]
    assert [words(lines, "encrypted") for lines in told] == [["False"]] * 2


LOGIN = {"user": "fred", "password": "secret", "allowed_mechs": "PLAIN"}


@from_reference
@pytest.mark.parametrize("secure", [False, True], ids=["clear text", "TLS"])
@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_plain_on_our_server(pair, secure, password, certificates):
    connect = {**LOGIN, "password": password, "allow_insecure_mechs": not secure}
    client, server = {"connect": connect}, {"listen": {"credentials": {"fred": "secret"}}}
    if secure:
        client["tls"], server["tls"] = certificates.trusts, certificates.server
    else:
        server["listen"]["allow_insecure_mechs"] = True
    told = run(pair, client, server, "amqps" if secure else "amqp")
    if password == "secret":
        went_well(told)
        assert words(told[1], "user") == ["fred"] and words(told[1], "sasl") == ["PLAIN 0 True"]
    else:
        wrong = DENIED + "wrong user name or password (Failed to authenticate client [mech=PLAIN])"
        refused(told, DENIED + "Authentication failed [mech=PLAIN]", wrong)


@from_reference
def test_no_plain_in_clear_text_on_our_server(pair):
    client = {"connect": {**LOGIN, "allow_insecure_mechs": True}}
    told = run(pair, client, {"listen": {"credentials": {"fred": "secret"}}}, "amqp")
    refused(told, DENIED + "Authentication failed [mech=none]", ABORTED + "connection aborted")


@pairs
def test_an_authority_that_the_client_does_not_know(pair, certificates):
    told = run(pair, {"tls": certificates.others}, {"tls": certificates.server})
    refused(told, FAILURE, FAILURE)
    assert "unknown ca" in words(told[1], "error")[0] and "certificate verify failed" in words(told[0], "error")[0]


@pairs
def test_the_settings_where_none_are_made(pair, certificates):
    """amqps:// without a domain: the authorities of the system are asked, which do not know ours."""
    told = run(pair, {"default_domain": True}, {"tls": certificates.server})
    refused(told, FAILURE, FAILURE)
    assert "certificate verify failed" in words(told[0], "error")[0]


@pairs
def test_a_certificate_for_another_name(pair, certificates):
    told = run(pair, {"tls": certificates.trusts}, {"tls": certificates.foreign})
    refused(told, FAILURE, FAILURE)
    assert "certificate verify failed" in words(told[0], "error")[0]


@pairs
def test_an_address_that_the_certificate_does_not_have(pair, certificates):
    refused(run(pair, {"tls": certificates.trusts}, {"tls": certificates.server}, host="127.0.0.1"), FAILURE, FAILURE)


@pairs
@pytest.mark.parametrize("own", ["nothing", "unknown"])
def test_a_client_that_should_have_shown_a_certificate(pair, own, certificates):
    client = {"tls": {**certificates.trusts, **(certificates.unknown if own == "unknown" else {})}}
    told = run(pair, client, {"tls": certificates.asks})
    refused(told, FAILURE, FAILURE)
    reason = "did not return a certificate" if own == "nothing" else "certificate verify failed"
    assert reason in words(told[1], "error")[0] and "alert" in words(told[0], "error")[0]


@pairs
def test_a_server_without_a_certificate(pair, certificates):
    refused(run(pair, {"tls": certificates.trusts}, {"tls": {}}), FAILURE, FAILURE)


@pairs
def test_clear_text_on_a_server_with_tls(pair, certificates):
    told = run(pair, {}, {"tls": certificates.server}, "amqp")
    refused(told, ABORTED + "Expected AMQP protocol header", POLICY + "Client connection unencrypted - forbidden")
    assert pair[1] == "reference" or "AMQP TLS layer" in words(told[0], "error")[0]


@pairs
def test_tls_on_a_server_without(pair, certificates):
    told = run(pair, {"tls": certificates.trusts}, {"sasl": False})
    refused(told, FAILURE, ABORTED, exact=False)
    assert pair[1] == "reference" or "TLS is not configured" in words(told[1], "error")[0]
    assert words(told[0], "error")


@pairs
def test_a_client_without_sasl_where_it_has_to_log_in(pair):
    told = run(pair, {"connect": {"sasl_enabled": False}, "sasl": False}, {"require_auth": True}, "amqp")
    refused(told, ABORTED + "Expected AMQP protocol header", POLICY + "Client skipped authentication - forbidden")
    assert pair[1] == "reference" or "AMQP SASL layer" in words(told[0], "error")[0]


@pairs
def test_a_client_without_tls_where_it_is_required(pair):
    told = run(pair, {}, {"require_encryption": True}, "amqp")
    refused(told, ABORTED + "Expected AMQP protocol header", POLICY + "Client connection unencrypted - forbidden")


@pairs
def test_mechanisms_that_do_not_meet(pair):
    told = run(pair, {"connect": {"allowed_mechs": "EXTERNAL PLAIN"}}, {"offers": "ANONYMOUS"}, "amqp")
    refused(told, DENIED + "Authentication failed [mech=none]", ABORTED + "connection aborted")
