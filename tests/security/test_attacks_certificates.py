"""Certificates that should let no client in, on both sides and in both versions of TLS: refused, named at both ends."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from proton import SSL, SSLDomain, SSLException, SSLSessionDetails
from tests.support.attacks import CHUNKS, FRAMING, bare_client, client, kept_out, server
from tests.support.certificates import Authority
from tests.support.engines import pump

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
CLIENT, SERVER = SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER
VERIFY, NAME, ANYBODY = SSLDomain.VERIFY_PEER, SSLDomain.VERIFY_PEER_NAME, SSLDomain.ANONYMOUS_PEER


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """Certificates of one authority, and of another that is not trusted; "server" and "client" are the good ones."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(folder, "Ours"), Authority(folder, "Theirs")
    middle = Authority(folder, "Middle", parent=ours)
    found = {"ours": ours, "theirs": theirs, "middle": middle.issue("localhost")}
    found["server"], found["client"] = ours.issue("localhost"), ours.issue("fred", usage="client")
    for usage in ("server", "client"):
        make = {"expired": (-10, -1), "not yet valid": (1, 10)}
        for kind, days in make.items():
            found[f"{kind} {usage}"] = ours.issue("localhost", usage=usage, days=days)
        found[f"self-signed {usage}"] = ours.issue("localhost", usage=usage, self_signed=True)
        found[f"unknown {usage}"] = theirs.issue("localhost", usage=usage)
    found["wildcards"] = ours.issue("*", "*.example", "f*.b.example", "a.*.example", subject=(("CN", "cn.example"),))
    found["another name"] = ours.issue("other.example", "*.local", "localhost.example")
    return SimpleNamespace(**{"of": found.__getitem__, "ca": ours.cert, "other_ca": theirs.cert})


def domain(mode, issued, version, own=None, trusts=None, verify=None):
    made = SSLDomain(mode)
    made.set_protocols(version)
    if own is not None:
        made.set_credentials(*issued.of(own))
    if trusts is not None:
        made.set_trusted_ca_db(trusts)
    if verify is not None:
        made.set_peer_authentication(verify, trusts)
    return made


# what the other side shows, what the side that refuses says, what the refused side hears
BAD = [
    ("expired", "certificate has expired", "alert certificate expired"),
    ("not yet valid", "certificate is not yet valid", "alert bad certificate"),
    ("self-signed", "self", "alert unknown ca"),
    ("unknown", "local issuer certificate", "alert unknown ca"),
    ("wrong purpose", "certificate purpose", "alert unsupported certificate"),
]


def shown(kind, usage):
    """A good certificate of the other usage is one for a wrong purpose."""
    return {"server": "client", "client": "server"}[usage] if kind == "wrong purpose" else f"{kind} {usage}"


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("verify", [VERIFY, NAME], ids=["verify", "name"])
@pytest.mark.parametrize("kind, refusal, alert", BAD, ids=lambda text: text)
def test_certificate_of_a_server(kind, refusal, alert, verify, version, chunk, issued):
    a = client(domain=domain(CLIENT, issued, version, None, issued.ca, verify), host="localhost")
    b = server(domain=domain(SERVER, issued, version, shown(kind, "server")))
    pump(a, b, chunk)
    kept_out(a, "SSL Failure: certificate verify failed", refusal, name=FRAMING)
    kept_out(b, "SSL Failure: ", alert, name=FRAMING)
    assert a.transport.ssl().remote_subject is None and not a.transport.encrypted


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("kind, refusal, alert", BAD, ids=lambda text: text)
def test_certificate_of_a_client(kind, refusal, alert, version, chunk, issued):
    own = shown(kind, "client")
    a = client(domain=domain(CLIENT, issued, version, own, issued.ca), host="localhost")
    b = server(domain=domain(SERVER, issued, version, "server", issued.ca, VERIFY))
    pump(a, b, chunk)
    kept_out(b, "SSL Failure: certificate verify failed", refusal, name=FRAMING)
    kept_out(a, "SSL Failure: ", alert, name=FRAMING)
    assert b.transport.ssl().remote_subject is None and b.transport.user is None
    assert b.transport.sasl().mech is None  # EXTERNAL was not even offered


@VERSIONS
@CHUNKS
def test_client_without_the_certificate_that_is_asked_for(version, chunk, issued):
    a = client(domain=domain(CLIENT, issued, version, None, issued.ca), host="localhost")
    b = server(domain=domain(SERVER, issued, version, "server", issued.ca, VERIFY))
    pump(a, b, chunk)
    kept_out(b, "peer did not return a certificate", name=FRAMING)
    kept_out(a, "SSL Failure: ", "alert", name=FRAMING)


@VERSIONS
@CHUNKS
def test_server_without_a_certificate(version, chunk, issued):
    a = client(domain=domain(CLIENT, issued, version, None, issued.ca), host="localhost")
    b = server(domain=domain(SERVER, issued, version))
    pump(a, b, chunk)
    kept_out(a, "SSL Failure: ", "alert", name=FRAMING)
    kept_out(b, "no shared cipher" if version == "TLSv1.2" else "unsupported protocol", name=FRAMING)


NAMES = [
    # the certificate, the name that the client looks for
    ("another name", "localhost"),
    ("another name", "x.y.local"),
    ("another name", "local"),
    ("wildcards", "localhost"),
    ("wildcards", "host.example"),
    ("wildcards", "foo.b.example"),
    ("wildcards", "a.b.example"),
    ("wildcards", "cn.example"),
    ("server", "localhost.evil.example"),
    ("server", "localhos"),
    ("server", "*"),
    ("server", "127.0.0.1"),
    ("server", "::1"),
    ("server", "loc\xe4lhost"),
    ("server", "localhost\0.evil.example"),
    ("server", None),
]


@VERSIONS
@CHUNKS
@pytest.mark.parametrize("own, host", NAMES, ids=repr)
def test_certificate_for_another_name(own, host, version, chunk, issued):
    a = client(domain=domain(CLIENT, issued, version, None, issued.ca, NAME), host=host, user="fred", password="pw")
    b = server(domain=domain(SERVER, issued, version, own))
    pump(a, b, chunk)
    text = kept_out(a, "SSL Failure: certificate verify failed", name=FRAMING).description
    assert ("a host name is needed" if host is None else repr(host)) in text
    # With TLS 1.2 older Pythons see the certificate when the handshake is over for the server: no alert can follow.
    told = version == "TLSv1.3" or sys.version_info >= (3, 13)
    kept_out(b, "alert handshake failure" if told else "may not accept the certificate", name=FRAMING)
    assert a.transport.ssl().remote_subject is None and not a.transport.encrypted
    assert b"AMQP" not in a.wire and a.transport.sasl().outcome is None


@VERSIONS
def test_the_good_ones_are_good(version, issued):
    """So the tables above fail for the reasons that they name."""
    for own in ("server", "middle"):
        a = client(domain=domain(CLIENT, issued, version, "client", issued.ca, NAME), host="LOCALHOST")
        b = server(domain=domain(SERVER, issued, version, own, issued.ca, VERIFY))
        pump(a, b)
        assert a.transport.condition is None and b.connection.remote_container == "client"
        assert b.transport.user == "CN=fred" and b.transport.sasl().mech == "EXTERNAL"
        assert a.transport.encrypted and b.transport.encrypted and b.transport.authenticated


@VERSIONS
def test_a_certificate_alone_is_not_login(version, issued):
    """A server that requires authentication wants SASL, where the certificate counts as EXTERNAL."""
    a = bare_client(domain(CLIENT, issued, version, "client", issued.ca), "localhost")
    b = server(domain=domain(SERVER, issued, version, "server", issued.ca, VERIFY), auth=True)
    pump(a, b)
    kept_out(b, "Client skipped authentication - forbidden")
    kept_out(a, "(the peer requires SASL)")


@pytest.mark.parametrize("verify", [VERIFY, NAME], ids=["verify", "name"])
@pytest.mark.parametrize("ciphers", ["ALL:@SECLEVEL=0", "ADH:AECDH:ALL:@SECLEVEL=0"])
def test_anonymous_ciphers_are_not_verified_so_not_taken(ciphers, verify, issued):
    """The library would not even ask for a certificate, whatever it was told about verifying."""
    strict = domain(CLIENT, issued, "TLSv1.2", None, issued.ca, verify)
    strict.set_ciphers(ciphers)
    a, b = client(domain=strict, host="localhost"), server(domain=SSLDomain(SERVER))
    pump(a, b)
    kept_out(a, "SSL Failure: ", name=FRAMING)
    kept_out(b, "SSL Failure: ", name=FRAMING)


def test_ciphers_that_leave_no_peer_to_verify_fail_where_they_are_used(issued):
    strict = domain(CLIENT, issued, "TLSv1.2", None, issued.ca)
    strict.set_ciphers("aNULL:@SECLEVEL=0")
    with pytest.raises(SSLException, match="leave no peer to verify"):
        client(domain=strict, host="localhost")


OLD = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@OLD
def test_versions_that_do_not_meet(issued):
    for mine, yours in (("TLSv1.2", "TLSv1.3"), ("TLSv1.3", "TLSv1.2"), ("TLSv1", "TLSv1.3")):
        a = client(domain=domain(CLIENT, issued, mine, None, issued.ca), host="localhost")
        b = server(domain=domain(SERVER, issued, yours, "server"))
        pump(a, b)
        kept_out(a, "SSL Failure: ", name=FRAMING)
        kept_out(b, "SSL Failure: ", name=FRAMING)


@OLD
@VERSIONS
def test_old_versions_are_off_unless_asked_for(version, issued):
    old = domain(CLIENT, issued, "TLSv1,TLSv1.1", None, issued.ca)
    fresh = SSLDomain(SERVER)
    fresh.set_credentials(*issued.of("server"))
    a, b = client(domain=old, host="localhost"), server(domain=fresh)
    pump(a, b)
    kept_out(a, "SSL Failure: ", name=FRAMING)
    kept_out(b, "SSL Failure: ", name=FRAMING)


def session(domain_of_client, domain_of_server, host, details):
    a, b = client(domain=domain_of_client, host=host, details=details), server(domain=domain_of_server)
    pump(a, b)
    if a.transport.condition is None:
        a.connection.close(), b.connection.close()
        pump(a, b)
    return a, b


@VERSIONS
def test_a_resumed_session_is_for_the_name_that_it_was_made_for(version, issued):
    """The certificate is not sent again; it is looked at all the same."""
    mine, theirs = domain(CLIENT, issued, version, None, issued.ca), domain(SERVER, issued, version, "server")
    details = SSLSessionDetails(f"one name {version}")
    session(mine, theirs, "localhost", details)
    a, _ = session(mine, theirs, "localhost", details)
    assert a.transport.ssl().resume_status() == SSL.RESUME_REUSED and a.transport.condition is None
    a, _ = session(mine, theirs, "other.example", details)
    kept_out(a, "certificate verify failed", "'other.example'", name=FRAMING)


@VERSIONS
def test_a_session_does_not_outlive_the_settings_that_it_was_made_with(version, issued):
    """Made without verifying, it must not be resumed by a domain that verifies; nor by one that trusts others."""
    theirs = domain(SERVER, issued, version, "unknown server")
    details = SSLSessionDetails(f"settings {version}")
    lax = domain(CLIENT, issued, version, None, issued.ca, ANYBODY)
    session(lax, theirs, "localhost", details)
    a, _ = session(lax, theirs, "localhost", details)
    assert a.transport.ssl().resume_status() == SSL.RESUME_REUSED
    a, _ = session(domain(CLIENT, issued, version, None, issued.ca), theirs, "localhost", details)
    kept_out(a, "certificate verify failed", name=FRAMING)
    lax.set_peer_authentication(NAME)
    a, _ = session(lax, theirs, "localhost", details)
    kept_out(a, "certificate verify failed", name=FRAMING)


@VERSIONS
def test_a_server_that_starts_to_verify_does_not_take_sessions_of_before(version, issued):
    theirs = domain(SERVER, issued, version, "server")
    mine, details = domain(CLIENT, issued, version, None, issued.ca), SSLSessionDetails(f"server {version}")
    session(mine, theirs, "localhost", details)
    theirs.set_peer_authentication(VERIFY, issued.ca)
    _, b = session(mine, theirs, "localhost", details)
    kept_out(b, "peer did not return a certificate", name=FRAMING)
