"""TLS: its version and cipher, and the certificate: what it says of itself, and whether a program would trust it.

To read a certificate that is not trusted, one handshake is made without verification. Nothing else is said over that
connection. `ssl` is used as it is, since the engine tells nothing of a peer that it refuses.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from proton.cli import codes
from proton.cli.checks.findings import Deadline, Report
from proton.cli.checks.network import Address, open_socket
from proton.transport.tls.certificate import Certificate, Issue, matches, read_certificate, read_issue

if TYPE_CHECKING:
    from ssl import SSLContext

try:
    import ssl
except ImportError:  # pragma: no cover -- a Python that was built without it
    ssl = None  # type: ignore[assignment]

__all__ = ["Handshake", "TLSOptions", "handshake", "is_spoken", "reading_context", "tell_certificate"]

#: as the engine verifies: a certificate in the trust store may be an anchor without being an authority
_PARTIAL_CHAIN = 0x80000
#: the time is told apart from the authority
_NO_CHECK_TIME = 0x200000
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19
_SOON = datetime.timedelta(days=14)
_READ_BYTES = 16384


class TLSOptions(NamedTuple):
    """What a program would be told: an authority, a certificate of its own, and whether to trust anything."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False


class Handshake(NamedTuple):
    """How a handshake ended."""

    version: str | None = None
    cipher: str | None = None
    #: the peer's certificate in DER form
    der: bytes | None = None
    #: why there was no handshake, None if there was one
    error: str | None = None
    #: why OpenSSL refuses the certificate, by its number; 0 if it does not
    verify_code: int = 0
    #: the first bytes of the peer, which tell what it is if it does not speak TLS
    first: bytes = b""
    has_closed: bool = False


def reading_context(options: TLSOptions) -> SSLContext:
    """A context that takes any certificate, any version and any cipher, in order to tell what there is.

    :raises OSError: the certificate of this end cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    if options.cert is not None:
        for path in filter(None, (options.cert, options.key)):
            os.stat(path)  # the system names its reason, which PyPy's `ssl` does not
        context.load_cert_chain(options.cert, options.key, lambda: "")
    return context


def _verifying_context(options: TLSOptions) -> SSLContext:
    context = reading_context(options)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _PARTIAL_CHAIN | _NO_CHECK_TIME
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if options.ca is not None:
        context.load_verify_locations(options.ca)
    return context


def handshake(address: Address, host: str, deadline: Deadline, context: SSLContext) -> Handshake:
    """Make a handshake on a new connection, which is closed after it."""
    if ssl is None:
        return Handshake(error="this Python has no TLS")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        tls = context.wrap_bio(incoming, outgoing, False, host)
    except ValueError:  # SNI cannot carry the name
        tls = context.wrap_bio(incoming, outgoing, False, None)
    first = b""
    try:
        with open_socket(address, deadline) as sock:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
                sock.sendall(outgoing.read())
                sock.settimeout(max(deadline.left(), 0.001))
                data = sock.recv(_READ_BYTES)
                if not data:
                    return Handshake(error="the peer closes the connection", first=first, has_closed=True)
                first = first or data
                incoming.write(data)
            sock.sendall(outgoing.read())
    except ssl.SSLCertVerificationError as error:
        return Handshake(error=error.verify_message, verify_code=error.verify_code, first=first)
    except ssl.SSLError as error:
        return Handshake(error=(error.reason or str(error)).lower().replace("_", " "), first=first)
    except socket.timeout:
        return Handshake(error="no answer in time", first=first)
    except OSError as error:
        return Handshake(error=error.strerror or str(error), first=first, has_closed=True)
    cipher = tls.cipher()
    return Handshake(tls.version(), cipher[0] if cipher else None, tls.getpeercert(True), first=first)


def is_spoken(address: Address, deadline: Deadline) -> bool:
    """Whether TLS is what answers there."""
    return handshake(address, "", deadline, reading_context(TLSOptions())).error is None


# -- the certificate -------------------------------------------------------------------------------------------------


def tell_certificate(
    report: Report, place: tuple[Address, str], der: bytes, deadline: Deadline, options: TLSOptions
) -> bool:
    """Say what the certificate is, and each reason for which a program would refuse it.

    :param place: the address, and the name of the host.
    :return: False if a program would refuse it.
    """
    address, host = place
    try:
        certificate, issue = read_certificate(der), read_issue(der)
    except ValueError as error:
        report.failed(codes.CONNECTION, "cert", f"the certificate cannot be read: {error}", "issue another one")
        return False
    trust = handshake(address, host, deadline, _verifying_context(options))
    faults = list(_faults(certificate, issue, host, trust, datetime.datetime.now(datetime.timezone.utc)))
    facts = _facts(certificate, issue, der)
    told = _told(certificate, issue)
    if not faults:
        report.ok("cert", told, **facts)
        return True
    report.noticed("cert", f"{told} (read with verification off)", **facts)
    for text, cure in faults:
        if options.insecure:
            report.noticed("cert", f"{text}, which --insecure passes over", cure)
        else:
            report.failed(codes.CONNECTION, "cert", text, cure)
    return options.insecure


def _told(certificate: Certificate, issue: Issue) -> str:
    subject, issuer = certificate.subject_text() or "empty", issue.issuer or "an authority without a name"
    days = f"valid from {_day(issue.not_before)} to {_day(issue.not_after)}"
    return f"the certificate is for {certificate.names_text()}, subject {subject}, issued by {issuer}, {days}"


def _facts(certificate: Certificate, issue: Issue, der: bytes) -> dict[str, Any]:
    return {
        "subject": certificate.subject_text(),
        "issuer": issue.issuer,
        "names": [*certificate.dns_names, *certificate.addresses],
        "valid_from": issue.not_before.isoformat(),
        "valid_to": issue.not_after.isoformat(),
        "sha256": hashlib.sha256(der).hexdigest(),
    }


def _day(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%d")


def _faults(
    certificate: Certificate, issue: Issue, host: str, trust: Handshake, now: datetime.datetime
) -> Iterator[tuple[str, str]]:
    """(what is wrong, what helps) of each reason to refuse the certificate."""
    if now > issue.not_after:
        yield f"the certificate has expired on {_day(issue.not_after)}", "renew the broker's certificate"
    if now < issue.not_before:
        yield (
            f"the certificate is not valid before {_day(issue.not_before)}",
            "check the clocks of both machines, or issue it anew",
        )
    if not matches(certificate, host):
        names = certificate.names_text()
        yield (
            f"the certificate is for another name: expected {host!r}, got {names}",
            "connect by a name of the certificate, or issue one for this name",
        )
    if trust.verify_code == _SELF_SIGNED or (trust.verify_code and issue.self_issued):
        yield (
            "the certificate is self-signed, and not trusted here",
            "give the certificate itself as --ca, or have an authority sign one",
        )
    elif trust.verify_code == _SELF_SIGNED_IN_CHAIN:
        yield (
            f"the authority of the certificate is not trusted here: {issue.issuer}",
            "give the certificate of the authority as --ca",
        )
    elif trust.verify_code:
        yield (
            f"the authority of the certificate is not known here ({trust.error}): {issue.issuer}",
            "give the certificate of the authority as --ca; the broker has to send the certificates between",
        )
    elif trust.error is not None:
        yield f"the certificate cannot be verified: {trust.error}", "try again"
