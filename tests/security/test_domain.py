"""`SSLDomain`: what each setting takes and refuses; nothing changes where one is refused, and no password is shown."""

import os
import pathlib

import pytest

from proton import SSL, SSLDomain, SSLException, Transport
from proton.transport.tls.domain import settings_of
from tests.support.certificates import Authority
from tests.support.secured import is_open, joined, server_domain

CLIENT, SERVER = SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER


@pytest.fixture
def files(authority, folder):
    """Paths by name."""
    good, locked = authority.issue("localhost"), authority.issue("localhost", password="sesame")
    empty, rubbish = folder / "empty.pem", folder / "rubbish.pem"
    empty.write_text("")
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    both = folder / "both.pem"
    both.write_bytes(pathlib.Path(good.cert).read_bytes() + pathlib.Path(good.key).read_bytes())
    paths = {"ca": authority.cert, "cert": good.cert, "key": good.key, "both": str(both), "folder": str(folder)}
    paths |= {"locked": locked.cert, "locked key": locked.key, "empty": str(empty), "rubbish": str(rubbish)}
    return paths | {"missing": str(folder / "missing.pem"), None: None}


@pytest.mark.parametrize("mode", [0, 3, None, "client", True])
def test_modes(mode):
    with pytest.raises(ValueError, match="MODE_CLIENT or MODE_SERVER"):
        SSLDomain(mode)


GOOD = [("cert", "key", None), ("cert", "key", "unneeded"), ("locked", "locked key", "sesame"), ("both", None, None)]


@pytest.mark.parametrize("cert, key, password", GOOD)
@pytest.mark.parametrize("mode", [CLIENT, SERVER])
def test_credentials(files, mode, cert, key, password):
    assert SSLDomain(mode).set_credentials(files[cert], files[key], password) == 0


BAD = [
    ("missing", "key", None),
    ("cert", "missing", None),
    ("cert", None, None),  # no key in there
    ("cert", "locked key", "sesame"),  # of another certificate
    ("locked", "locked key", "hunter2"),
    ("locked", "locked key", None),
    ("locked", "locked key", ""),
    ("rubbish", "key", None),
    ("empty", "key", None),
    ("folder", "key", None),
]


@pytest.mark.parametrize("cert, key, password", BAD)
def test_credentials_that_cannot_be_used(files, cert, key, password):
    domain = SSLDomain(SERVER)
    with pytest.raises(SSLException, match=r"SSL failure\. \(cannot use certificate") as caught:
        domain.set_credentials(files[cert], files[key], password)
    assert "hunter2" not in str(caught.value) and caught.value.__cause__ is None
    assert domain.set_credentials(files["cert"], files["key"], None) == 0


def test_trusted_certificates(files):
    domain = SSLDomain(CLIENT)
    assert domain.set_trusted_ca_db(files["ca"]) == 0 and domain.set_trusted_ca_db(files["folder"]) == 0
    for name in ("missing", "empty", "rubbish", "key"):
        with pytest.raises(SSLException, match=r"SSL failure\. \(cannot use trusted"):
            domain.set_trusted_ca_db(files[name])


@pytest.mark.parametrize("named", [(), ("ours",), ("other",), ("other", "ours")])
@pytest.mark.parametrize("of_system", ["ours", "other"])
def test_a_client_trusts_what_is_named_beside_the_authorities_of_the_system(
    authority, tmp_path, monkeypatch, of_system, named
):
    """As the C binding does; a server that has named authorities trusts no others."""
    places = {"ours": authority.cert, "other": Authority(tmp_path, "Other").cert}
    monkeypatch.setenv("SSL_CERT_FILE", places[of_system])
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    client = SSLDomain(CLIENT)
    for name in named:
        client.set_trusted_ca_db(places[name])
    is_trusted = of_system == "ours" or "ours" in named
    assert is_open(joined(client, server_domain(authority.issue("localhost")))) is is_trusted


def test_peer_authentication_of_a_client(files):
    domain = SSLDomain(CLIENT)
    for mode in (SSLDomain.VERIFY_PEER, SSLDomain.ANONYMOUS_PEER, SSLDomain.VERIFY_PEER_NAME):
        assert domain.set_peer_authentication(mode) == 0
        assert domain.set_peer_authentication(mode, files["missing"]) == 0  # not looked at
    for mode in (0, 4, None):
        with pytest.raises(SSLException, match="verify mode of 1 to 3"):
            domain.set_peer_authentication(mode)


def test_peer_authentication_of_a_server(files):
    domain = SSLDomain(SERVER)
    assert domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER) == 0
    with pytest.raises(SSLException, match="needs trusted_CAs"):
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    with pytest.raises(SSLException, match="credentials, which come first"):
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER, files["ca"])
    domain.set_credentials(files["cert"], files["key"], None)
    with pytest.raises(SSLException, match="cannot use trusted"):
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER, files["missing"])
    assert domain.set_peer_authentication(SSLDomain.VERIFY_PEER, files["ca"]) == 0


def test_settings_of_one_side_only():
    assert SSLDomain(SERVER).allow_unsecured_client() == 0 and SSLDomain(CLIENT).start_with_header() == 0
    with pytest.raises(SSLException, match="expected a server's domain"):
        SSLDomain(CLIENT).allow_unsecured_client()
    with pytest.raises(SSLException, match="expected a client's domain"):
        SSLDomain(SERVER).start_with_header()


@pytest.mark.parametrize(
    "protocols", ["TLSv1.3", "TLSv1.2 TLSv1.3", "TLSv1.2,TLSv1.3", "TLSv1;TLSv1.1", "TLSv1.3 TLSv1.3"]
)
def test_protocols(protocols):
    assert SSLDomain(CLIENT).set_protocols(protocols) == 0


@pytest.mark.parametrize("protocols", ["", " ", "SSLv3", "TLSv1.2 TLSv1.4", "tlsv1.2"])
def test_protocols_that_there_are_not(protocols):
    with pytest.raises(SSLException, match="expected protocols of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"):
        SSLDomain(CLIENT).set_protocols(protocols)


def test_protocols_with_one_left_out():
    with pytest.raises(SSLException, match="left out"):
        SSLDomain(CLIENT).set_protocols("TLSv1.1 TLSv1.3")


def test_ciphers_and_application_protocols():
    domain = SSLDomain(CLIENT)
    assert domain.set_ciphers("ECDHE+AESGCM") == 0 and domain.set_alpn(["amqp"]) == 0
    with pytest.raises(SSLException, match="cannot use ciphers 'NONE-SUCH'"):
        domain.set_ciphers("NONE-SUCH")
    for names in ([""], ["x" * 256]):
        with pytest.raises(SSLException, match="cannot use protocols"):
            domain.set_alpn(names)


def test_a_layer_belongs_to_its_side_and_its_domain():
    client, server = SSLDomain(CLIENT), SSLDomain(SERVER)
    with pytest.raises(SSLException, match="expected the domain of a client, got that of a server"):
        Transport().ssl(server)
    with pytest.raises(SSLException, match="expected the domain of a server, got that of a client"):
        SSL(Transport(Transport.SERVER), client)
    with pytest.raises(SSLException, match="expected an SSLDomain, got None"):
        Transport().ssl()
    transport = Transport()
    layer = SSL(transport, client)
    assert transport.ssl() is layer and transport.ssl(SSLDomain(CLIENT)) is layer and SSL(transport, client) is layer
    with pytest.raises(SSLException, match="Cannot re-configure existing SSL object!"):
        SSL(transport, SSLDomain(CLIENT))


def test_a_domain_that_is_not_used_makes_no_context(monkeypatch):
    made = []
    monkeypatch.setattr("proton.transport.tls.domain.TLSSettings._make_context", lambda settings: made.append(settings))
    domain = SSLDomain(CLIENT)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    assert made == []
    for _ in range(2):
        Transport().ssl(domain)
    assert set(made) == {settings_of(domain)}


def test_the_representation_shows_no_password(files):
    domain = SSLDomain(CLIENT)
    domain.set_credentials(files["locked"], files["locked key"], "sesame")
    assert "sesame" not in repr(domain) and os.path.basename(files["locked"]) not in repr(domain)
