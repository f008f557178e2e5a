"""Certificates for tests, made on the spot: authorities and what they issue, good and bad, as PEM files in a folder."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
from typing import NamedTuple

import pytest

# A file of tests that needs certificates is skipped without the package; one that needs them for some of its tests
# imports this module in a fixture.
pytest.importorskip("cryptography", reason="cryptography is not installed: it has no wheels for PyPy")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


class Issued(NamedTuple):
    """Paths of a certificate (with those that lead to its authority) and of its key; the password opens the key."""

    cert: str
    key: str
    password: str | None = None


def _name(parts):
    return x509.Name([x509.NameAttribute(OIDS[short], value) for short, value in parts])


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Issues certificates into `folder`; `cert` is the path of its own."""

    def __init__(self, folder, name="Authority", parent=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = 0
        self.parent = parent
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name([("CN", name)])
        signer = parent or self
        builder = self._builder(self.name, self.key.public_key(), -1, 365, signer)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"], False
        )
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, decipher_only=False, **usage)
        builder = builder.add_extension(usage, critical=True)
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        self.cert = self._write(f"{name}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name, data):
        path = self.folder / name.replace(" ", "-")
        path.write_bytes(data)
        return str(path)

    def _builder(self, subject, public_key, first_day, last_day, signer):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + first_day * DAY)
            .not_valid_after(now + last_day * DAY)
        )

    def issue(self, *names, subject=(), usage="server", days=(-1, 30), password=None, self_signed=False):
        """A certificate for DNS names or IP addresses.

        :param subject: pairs such as ("CN", "text"), in the order of the certificate; CN=first name when left out.
        :param usage: "server", "client", "both", or None for no restriction.
        :param days: the first and the last day of validity, from now.
        :param password: encrypts the key.
        :param self_signed: signed with its own key.
        """
        self._number += 1
        key = ec.generate_private_key(ec.SECP256R1())
        parts = subject or [("CN", names[0] if names else "nobody")]
        if self_signed:
            self_name = _name(parts)
            signer = type("Self", (), {"name": self_name, "key": key})
        else:
            signer = self
        builder = self._builder(_name(parts), key.public_key(), *days, signer)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
        if usage is not None:
            wanted = USAGES.values() if usage == "both" else [USAGES[usage]]
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(wanted)), critical=False)
        chain = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        authority = self
        while authority.parent is not None and not self_signed:
            chain += authority.certificate.public_bytes(serialization.Encoding.PEM)
            authority = authority.parent
        encryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        form = serialization.PrivateFormat.PKCS8
        stem = f"{self.name.rfc4514_string()[3:]}-{self._number}".replace(" ", "-")
        return Issued(
            self._write(f"{stem}-cert.pem", chain),
            self._write(f"{stem}-key.pem", key.private_bytes(serialization.Encoding.PEM, form, encryption)),
            password,
        )
