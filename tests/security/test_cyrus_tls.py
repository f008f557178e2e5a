"""The system's SASL library under TLS: certificates log in, passwords may be sent, nothing is encrypted twice."""

from types import SimpleNamespace

import pytest

from proton import SASL, Transport
from tests.support.engines import Peer, pump
from tests.support.library import PASSWORD, USER, configuration, needs_users
from tests.support.secured import client_domain, is_open, joined, reasons, server_domain

pytestmark = needs_users


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    monkeypatch.setenv("PN_SASL_CONFIG_PATH", configuration())


@pytest.fixture
def server(authority):
    return server_domain(authority.issue("localhost"), authority)


def log_in(authority, server, mech, user=USER, password=PASSWORD, subject=(("CN", "fred"),), chunk=None, **others):
    """Two ends, the client with a certificate; `others` are attributes of its connection."""
    issued = authority.issue(usage="client", subject=subject)
    pair = SimpleNamespace(client=Peer(), server=Peer(mode=Transport.SERVER), lines=[])
    for name, value in dict(others, user=user, password=password, hostname="localhost").items():
        setattr(pair.client.connection, name, value)
    pair.client.transport.ssl(client_domain(authority, issued))
    pair.client.transport.sasl().allowed_mechs(mech)
    pair.client.transport.trace(Transport.TRACE_FRM)
    pair.client.transport.tracer = lambda transport, text: pair.lines.append(text)
    pair.server.transport.ssl(server)
    for peer in (pair.client, pair.server):
        peer.bind()
        peer.connection.open()
    pump(pair.client, pair.server, chunk)
    return pair


SUBJECTS = {
    "CN=fred": [("CN", "fred")],
    "CN=fred,O=tests": [("O", "tests"), ("CN", "fred")],
    "CN=fred at home,OU=a\\,b": [("OU", "a,b"), ("CN", "fred at home")],
    "emailAddress=fred@tests,CN=J\\C3\\BCrgen": [("CN", "J\u00fcrgen"), ("emailAddress", "fred@tests")],
    "CN=" + "x" * 60 + (",OU=" + "y" * 60) * 5: [("OU", "y" * 60)] * 5 + [("CN", "x" * 60)],
}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
def test_external(authority, server, subject, chunk):
    pair = log_in(authority, server, "EXTERNAL", None, None, SUBJECTS[subject], chunk)
    assert is_open(pair), reasons(pair)
    server = pair.server.transport
    sasl = server.sasl()
    assert (sasl.mech, sasl.outcome, sasl.user, sasl.authorization) == ("EXTERNAL", SASL.OK, subject, subject)
    assert server.encrypted and server.user == server.ssl().remote_subject == subject


def test_external_as_another_user(authority, server):
    pair = log_in(authority, server, "EXTERNAL", None, None, authorization="other@proton")
    assert is_open(pair), reasons(pair)
    sasl = pair.server.transport.sasl()
    assert (sasl.user, sasl.authorization) == ("CN=fred", "other@proton")


def test_external_is_not_offered_without_a_certificate(authority):
    pair = joined(client_domain(authority), server_domain(authority.issue("localhost")), sasl={"allowed": "EXTERNAL"})
    offered = reasons(pair)[0].partition("; this client allows")[0]
    assert "EXTERNAL" not in offered and "CRAM-MD5" in offered
    assert pair.client.transport.sasl().outcome == SASL.PERM


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-384"])
def test_log_in(authority, server, mech):
    pair = log_in(authority, server, mech)
    assert is_open(pair), reasons(pair)
    for peer in (pair.client, pair.server):
        sasl = peer.transport.sasl()
        assert (sasl.mech, sasl.user, peer.transport.encrypted) == (mech, USER, True)
    assert pair.server.transport.user == USER


def test_nothing_is_encrypted_twice(authority, server):
    pair = log_in(authority, server, "DIGEST-MD5")
    assert is_open(pair)
    (challenge,) = [line for line in pair.lines if "sasl-challenge" in line and "nonce" in line]
    assert "qop=\\x22auth\\x22," in challenge and "auth-conf" not in challenge
