"""Certificates are read as OpenSSL shows them; names match by the documented rules; no bytes raise but `ValueError`."""

import datetime
import shutil
import ssl
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proton.transport.tls.certificate import Attribute, Certificate, matches, read_certificate, read_issue

SUBJECT = [
    ("C", "US"),
    ("ST", "ST"),
    ("L", "City"),
    ("O", "Caf\u00e9, Inc."),
    ("OU", 'a "q" <x>; #h+b\\'),
    ("CN", " lead "),
    ("emailAddress", "a@b.c"),
]
TEXT = 'emailAddress=a@b.c,CN=\\ lead\\ ,OU=a \\"q\\" \\<x\\>\\; #h\\+b\\\\,O=Caf\\C3\\A9\\, Inc.,L=City,ST=ST,C=US'


def der_of(path):
    with open(path, encoding="ascii") as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue("a.example", "*.b.example", "127.0.0.1", "::1", subject=SUBJECT)


def test_subject_and_names(issued):
    certificate = read_certificate(der_of(issued.cert))
    assert certificate.subject_text() == TEXT
    assert certificate.values("O") == ["Caf\u00e9, Inc."] and certificate.values("CN") == [" lead "]
    assert certificate.values("DC") == []
    assert certificate.dns_names == ["a.example", "*.b.example"] and certificate.addresses == ["127.0.0.1", "::1"]
    assert certificate.names_text() == "DNS:a.example, DNS:*.b.example, IP:127.0.0.1, IP:::1"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command to compare with")
def test_the_text_is_that_of_openssl(issued):
    command = ["openssl", "x509", "-in", issued.cert, "-noout", "-subject", "-nameopt", "RFC2253"]
    shown = subprocess.run(command, capture_output=True, check=True, encoding="ascii").stdout
    assert shown.strip() == "subject=" + TEXT


def test_a_certificate_without_anything(authority):
    certificate = read_certificate(der_of(authority.cert))
    assert certificate.subject_text() == "CN=Authority"
    assert (certificate.dns_names, certificate.addresses) == ([], [])
    assert not matches(certificate, "localhost") and matches(certificate, "authority")


def named(*dns, addresses=(), common=()):
    return Certificate([[Attribute("2.5.4.3", name, b"")] for name in common], list(dns), list(addresses))


NAMES = [
    (named("a.example"), "a.example", True),
    (named("a.example"), "A.Example", True),
    (named("a.example"), "b.a.example", False),
    (named("a.example"), "a.example.", False),
    # The common name counts only where there is no DNS or IP name (RFC 6125 6.4.4).
    (named(common=["a.example"]), "a.example", True),
    (named(common=["x", "a.example"]), "a.example", True),
    (named("x", common=["a.example"]), "a.example", False),
    (named(addresses=["127.0.0.1"], common=["a.example"]), "a.example", False),
    (named("x", common=["127.0.0.1"]), "127.0.0.1", False),
    (named(common=["*.b.example"]), "a.b.example", True),
    # A wildcard is the whole left-most label, and two labels at least are behind it (6.4.3).
    (named("*.b.example"), "a.b.example", True),
    (named("*.B.Example"), "A.b.example", True),
    (named("*.b.example"), "b.example", False),
    (named("*.b.example"), ".b.example", False),
    (named("*.b.example"), "x.a.b.example", False),
    (named("*"), "localhost", False),
    (named("*"), "a.example", False),
    (named("*."), "a.", False),
    (named("*.com"), "example.com", False),
    (named("*.com."), "example.com.", False),
    (named("*.com", "example.com"), "example.com", True),
    (named("*..com"), "a..com", False),
    (named("*.*.example"), "a.b.example", False),
    (named("a.*.example"), "a.b.example", False),
    (named("f*.b.example"), "foo.b.example", False),
    (named("*r.b.example"), "bar.b.example", False),
    (named("f*r.b.example"), "foobar.b.example", False),
    (named("**.b.example"), "a.b.example", False),
    (named("xn--*.b.example"), "xn--bcher-kva.b.example", False),
    (named("*.b.example"), "a" * 63 + ".b.example", True),
    (named("*.b.example"), "a" * 64 + ".b.example", False),
    (named("a.example\0.evil"), "a.example", False),
    (named("xn--bcher-kva.example"), "b\u00fccher.example", True),
    (named("a.example"), "\u00fc" * 80, False),
    (named(addresses=["127.0.0.1"]), "127.0.0.1", True),
    (named(addresses=["127.0.0.1"]), "127.0.0.2", False),
    (named(addresses=["::1"]), "0:0:0:0:0:0:0:1", True),
    (named(addresses=["fe80::1"]), "fe80::1%eth0", True),
    (named("127.0.0.1"), "127.0.0.1", True),
    (named("*.0.0.1"), "127.0.0.1", False),
    (named(common=["*.0.0.1"]), "127.0.0.1", False),
    (named(common=["*"]), "::1", False),
    (named(), "a.example", False),
    (named("ban\u212a.example"), "bank.example", False),  # a Kelvin sign
]


@pytest.mark.parametrize("certificate, host, expected", NAMES)
def test_names(certificate, host, expected):
    assert matches(certificate, host) is expected


BROKEN = [b"", b"\x30", b"\x30\x80", b"\x30\x05\x30\x03", b"\x31\x00", b"\x30\x02\x30\x00", b"\x30\x84\xff\xff\xff\xff"]


@pytest.mark.parametrize("read", [read_certificate, read_issue])
@pytest.mark.parametrize("der", BROKEN, ids=lambda der: der.hex())
def test_what_is_not_certificate(der, read):
    with pytest.raises(ValueError):
        read(der)


def test_how_it_was_issued(authority, issued):
    issue = read_issue(der_of(issued.cert))
    assert (issue.issuer, issue.self_issued) == ("CN=Authority", False)
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    assert issue.not_after - issue.not_before == 31 * day
    assert now - 2 * day < issue.not_before < now
    assert read_issue(der_of(authority.cert)).self_issued


def with_times(*times):
    """A certificate with these elements in place of its validity, all of it empty."""

    def wrap(tag, data):
        return bytes([tag, len(data)]) + data

    validity = wrap(0x30, b"".join(wrap(tag, text.encode()) for tag, text in times))
    return wrap(0x30, wrap(0x30, b"\x02\x01\x01" + b"\x30\x00" * 2 + validity + b"\x30\x00"))


UTC, GENERAL = 0x17, 0x18


def test_points_in_time():
    # Two digits of the year are of 1950 to 2049 (RFC 5280 4.1.2.5.1).
    issue = read_issue(with_times((UTC, "500101000000Z"), (UTC, "491231235959Z")))
    assert (issue.not_before.year, issue.not_after.year) == (1950, 2049)
    issue = read_issue(with_times((UTC, "690630120102Z"), (GENERAL, "99991231235959Z")))
    assert issue.not_before.isoformat() == "1969-06-30T12:01:02+00:00"
    assert issue.not_after.isoformat() == "9999-12-31T23:59:59+00:00"


@pytest.mark.parametrize(
    "times",
    [
        [],
        [(UTC, "260101000000Z")],
        [(UTC, "260101000000Z")] * 3,
        [(UTC, "260101000000Z"), (UTC, "261301000000Z")],
        [(UTC, "260101000000Z"), (UTC, "\u00e9")],
        [(UTC, "260101000000Z"), (0x0C, "260101000000Z")],
    ],
)
def test_points_in_time_that_are_broken(times):
    with pytest.raises(ValueError):
        read_issue(with_times(*times))


def test_very_long_identifiers():
    oid = b"\x06\x82\x40\x00" + b"\x81" * 0x3FFF + b"\x01"

    def wrap(tag, data):
        return bytes([tag, 0x83]) + len(data).to_bytes(3, "big") + data

    subject = wrap(0x30, wrap(0x31, wrap(0x30, oid + b"\x0c\x01x")))
    empty = b"\x30\x00"
    with pytest.raises(ValueError, match="object identifier of 1 to 64 bytes"):
        read_certificate(wrap(0x30, wrap(0x30, b"\x02\x01\x01" + empty * 3 + subject)))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_spoiled_certificate_raises_nothing_else(data, issued):
    der = bytearray(der_of(issued.cert))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    der = bytes(der[: data.draw(st.integers(0, len(der)))]) if data.draw(st.booleans()) else bytes(der)
    try:
        certificate, issue = read_certificate(der), read_issue(der)
    except ValueError:
        return
    assert issue.not_before.tzinfo is issue.not_after.tzinfo is not None
    assert isinstance(certificate.subject_text() + certificate.names_text(), str)
    assert matches(certificate, "a.example") in (True, False)


@given(st.binary(max_size=60))
@example(b"\x30\x03\x30\x01\x02")
@settings(max_examples=200, deadline=None)
def test_any_bytes(der):
    with pytest.raises(ValueError):
        read_certificate(der)
