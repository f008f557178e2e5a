"""`Certificates`: what it makes is good for a handshake, or bad as it was asked for; and its folder goes with it."""

from __future__ import annotations

import pathlib
import stat
import sys

import pytest

from proton import SSLDomain
from proton.testing import Certificates
from proton.testing import certificates as module
from tests.support.secured import is_open, joined, reasons

pytest.importorskip("cryptography", reason="cryptography is not installed: it has no wheels for PyPy")


@pytest.fixture(scope="module")
def certificates():
    with Certificates() as made:
        yield made


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_server_and_a_client_of_one_authority(certificates, host):
    assert is_open(joined(certificates.client_domain(), certificates.server_domain(), host=host))


def test_a_server_has_the_names_that_were_asked_for(certificates):
    domain = certificates.server_domain("broker.example", "10.0.0.1")
    for host in ("broker.example", "10.0.0.1"):
        assert is_open(joined(certificates.client_domain(), domain, host=host))
    pair = joined(certificates.client_domain(), domain, host="localhost")
    assert "localhost" in reasons(pair)[0] and not is_open(pair)


def test_a_client_does_not_trust_another_authority(certificates):
    with Certificates(name="Other") as other:
        pair = joined(other.client_domain(), certificates.server_domain())
    assert not is_open(pair)
    assert "certificate verify failed" in reasons(pair)[0].lower()


def test_a_client_with_a_name_says_it_to_a_server_that_asks(certificates):
    domain = certificates.server_domain(verify_clients=True)
    pair = joined(certificates.client_domain("fred"), domain, sasl={"allowed": "EXTERNAL"})
    assert is_open(pair)
    assert pair.server.ssl.get_cert_common_name() == "fred"
    assert not is_open(joined(certificates.client_domain(), domain))
    with Certificates() as other:
        stranger = SSLDomain(SSLDomain.MODE_CLIENT)
        stranger.set_trusted_ca_db(certificates.authority)
        stranger.set_credentials(*other.issue("mallory", usage="client"))
        assert not is_open(joined(stranger, domain))


@pytest.mark.parametrize(
    "settings, reason",
    [({"days": (-3, -1)}, "expired"), ({"days": (1, 3)}, "not yet valid"), ({"self_signed": True}, "self"), ({}, "")],
)
def test_certificates_that_clients_refuse(certificates, settings, reason):
    pair = joined(certificates.client_domain(), certificates.server_domain(**settings))
    assert is_open(pair) is (not settings)
    assert reason in reasons(pair)[0]


def test_a_key_with_a_password(certificates):
    issued = certificates.issue("localhost", password="sesame")
    assert b"ENCRYPTED" in pathlib.Path(issued.key).read_bytes()
    server = SSLDomain(SSLDomain.MODE_SERVER)
    server.set_credentials(*issued)
    assert is_open(joined(certificates.client_domain(), server))


def test_a_usage_that_does_not_exist(certificates):
    with pytest.raises(ValueError, match="expected the usage 'server', 'client', 'both' or None, got 'sever'"):
        certificates.issue("localhost", usage="sever")


def test_a_temporary_folder_is_private_and_is_removed():
    with Certificates() as made:
        folder = pathlib.Path(made.folder)
        assert pathlib.Path(made.authority).parent == folder
        assert repr(made) == f"Certificates({str(folder)!r})"
        if sys.platform != "win32":
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    made.close()  # does nothing


def test_a_folder_of_the_caller_stays(tmp_path):
    with Certificates(tmp_path / "new", name="My Own") as made:
        issued = made.issue("localhost")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "My-Own-1-cert.pem",
        "My-Own-1-key.pem",
        "My-Own.pem",
    ]
    assert pathlib.Path(issued.cert).exists()


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError("No module named 'cryptography'")

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'pure-proton\[testing\]'"):
        Certificates()
