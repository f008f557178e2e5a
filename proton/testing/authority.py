"""`Authority`: certificates made by the package `cryptography`, good ones and bad ones, as PEM files in a folder.

The one module that imports `cryptography`; `Certificates` imports it when the first authority is made.
"""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Issued"]

DAY: datetime.timedelta = datetime.timedelta(days=1)
AUTHORITY_DAYS: tuple[int, int] = (-1, 365)
USAGES: dict[str | None, list[x509.ObjectIdentifier]] = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    None: [],
}
OIDS: dict[str, x509.ObjectIdentifier] = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


class Issued(NamedTuple):
    """The paths of a certificate (with those that lead to its authority) and of its key; the password opens the key.

    As arguments, `domain.set_credentials(*issued)`, they are those of `SSLDomain.set_credentials`.
    """

    cert: str
    key: str
    password: str | None = None


class _Signer(NamedTuple):
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def _name(parts: Iterable[tuple[str, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(OIDS[short], value) for short, value in parts])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int], issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
    )


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Issues certificates into a folder.

    :param folder: the folder, which is made if it does not exist.
    :param name: the name of the authority, and of the file of its certificate.
    :param parent: the authority that issues its certificate; it issues its own if left out.
    """

    def __init__(self, folder: str | pathlib.Path, name: str = "Authority", parent: Authority | None = None) -> None:
        self.folder: pathlib.Path = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._count = 0
        self._parent = parent
        self._stem = name
        self._signer = _Signer(_name([("CN", name)]), ec.generate_private_key(ec.SECP256R1()))
        issuer = self._signer if parent is None else parent._signer
        builder = _builder(self._signer.name, self._signer.key, AUTHORITY_DAYS, issuer.name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_SIGNS, critical=True)
        self._pem = builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        #: the path of its own certificate
        self.cert: str = self._write(f"{name}.pem", self._pem)

    def _write(self, name: str, data: bytes) -> str:
        path = self.folder / name.replace(" ", "-")
        path.write_bytes(data)
        return str(path)

    def issue(
        self,
        *names: str,
        subject: Sequence[tuple[str, str]] = (),
        usage: str | None = "server",
        days: tuple[int, int] = (-1, 30),
        password: str | None = None,
        self_signed: bool = False,
    ) -> Issued:
        """Issue a certificate.

        :param names: the DNS names and IP addresses that it is for.
        :param subject: pairs such as ("CN", "text"), in the order of the certificate; the first name as CN if left out.
        :param usage: "server", "client", "both", or None for no restriction.
        :param days: the first and the last day of its validity, from now on: (-2, -1) has expired.
        :param password: encrypts the key.
        :param self_signed: signed with its own key, not by the authority.
        :raises ValueError: `usage` has another value.
        """
        if usage not in USAGES:
            raise ValueError(f"expected the usage 'server', 'client', 'both' or None, got {usage!r}")
        key = ec.generate_private_key(ec.SECP256R1())
        own_name = _name(subject or [("CN", names[0] if names else "unnamed")])
        signer = _Signer(own_name, key) if self_signed else self._signer
        builder = _builder(own_name, key, days, signer.name)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(map(_alternative, names)), critical=False)
        if USAGES[usage]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(USAGES[usage]), critical=False)
        chain = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        if not self_signed:
            chain += self._chain()
        self._count += 1
        stem = f"{self._stem}-{self._count}"
        return Issued(
            self._write(f"{stem}-cert.pem", chain), self._write(f"{stem}-key.pem", _key_pem(key, password)), password
        )

    def _chain(self) -> bytes:
        """The certificates of the authorities up to the one that issues its own, which stays out."""
        return b"" if self._parent is None else self._pem + self._parent._chain()


def _key_pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
