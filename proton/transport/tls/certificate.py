"""X.509 certificates, as far as TLS needs them: the subject, its text and parts, and the names it is valid for.

The standard library tells the subject of a verified certificate only, so the DER form is read here: tags, lengths
and the few fields on the way to the subject and to the alternative names (RFC 5280). Nothing is verified here. Bytes
that are not a certificate raise `ValueError`, and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from proton.lazy import datetime, ipaddress

__all__ = ["Certificate", "Issue", "matches", "read_certificate", "read_issue"]

#: RFC 4514 (3) and what is common beside it: the short name of an attribute of a name, by object identifier
SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_SEQUENCE, _SET, _OID, _OCTETS = 0x30, 0x31, 0x06, 0x04
#: the forms of a point in time (RFC 5280 4.1.2.5): two digits of the year, or four
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_VERSION, _EXTENSIONS = 0xA0, 0xA3
#: how the text types encode their characters; others are shown as bytes
_ENCODINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii"}
_ENCODINGS.update({0x1C: "utf-32-be", 0x1E: "utf-16-be"})
_ALTERNATIVE_NAMES = "2.5.29.17"
_MAX_OID_BYTES = 64  # those in use have a third of it, and reading one takes time that grows with its square
_DNS, _IP = 0x82, 0x87
_MAX_LABEL_CHARACTERS = 63  # RFC 1035 2.3.4
_ESCAPED = ',+"\\<>;'


class Attribute(NamedTuple):
    """One attribute of a name; `value` is None if its type is not text, `der` is its encoding."""

    oid: str
    value: str | None
    der: bytes


class Certificate(NamedTuple):
    """What was read: the parts of the subject in the order of the certificate, and the alternative names."""

    subject: list[list[Attribute]]
    dns_names: list[str]
    addresses: list[str]

    def subject_text(self) -> str:
        """The subject as RFC 2253 writes it: the last part first, commas without spaces."""
        return _name_text(self.subject)

    def values(self, short_name: str) -> list[str]:
        """The values of an attribute of the subject, by its short name such as "CN"."""
        return [
            part.value
            for parts in self.subject
            for part in parts
            if part.value is not None and SHORT_NAMES.get(part.oid) == short_name
        ]

    def names_text(self) -> str:
        """The names that it is valid for, for an error text."""
        names = [f"DNS:{name}" for name in self.dns_names] + [f"IP:{address}" for address in self.addresses]
        return ", ".join(names or [f"CN={name}" for name in self.values("CN")]) or "no name"


class Issue(NamedTuple):
    """How a certificate was issued: by what, which is its own subject if it is `self_issued`, and for which time."""

    issuer: str
    self_issued: bool
    not_before: datetime.datetime
    not_after: datetime.datetime


def _name_text(name: list[list[Attribute]]) -> str:
    return ",".join("+".join(_attribute_text(part) for part in parts) for parts in reversed(name))


def _attribute_text(part: Attribute) -> str:
    name = SHORT_NAMES.get(part.oid)
    if name is None or part.value is None:
        return f"{name or part.oid}=#{part.der.hex().upper()}"
    value = part.value
    pieces = []
    for position, character in enumerate(value):
        at_edge = position == 0 or position == len(value) - 1
        if character in _ESCAPED or (character == " " and at_edge) or (character == "#" and position == 0):
            pieces.append("\\" + character)
        elif " " <= character <= "~":
            pieces.append(character)
        else:
            pieces.append("".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "replace")))
    return f"{name}={''.join(pieces)}"


# -- DER -----------------------------------------------------------------------------------------------------------


def _read(der: bytes, pos: int, end: int) -> tuple[int, int, int]:
    """The tag of the element at `pos`, where its contents begin, and where they end."""
    if pos + 2 > end:
        raise ValueError(f"expected an element, got the end of the certificate at byte {pos}")
    tag, length, pos = der[pos], der[pos + 1], pos + 2
    # An indefinite length, 0x80, is not for DER (X.690 10.1); four bytes are more than any handshake carries.
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or pos + width > end:
            raise ValueError(f"expected a length of 1 to 4 bytes at byte {pos - 1}, got {width}")
        length, pos = int.from_bytes(der[pos : pos + width], "big"), pos + width
    if pos + length > end:
        raise ValueError(f"an element at byte {pos} passes the end of what holds it")
    return tag, pos, pos + length


def _enter(der: bytes, pos: int, end: int, expected: int) -> tuple[int, int]:
    tag, start, stop = _read(der, pos, end)
    if tag != expected:
        raise ValueError(f"expected tag 0x{expected:02x} at byte {pos}, got 0x{tag:02x}")
    return start, stop


def _children(der: bytes, pos: int, end: int) -> list[tuple[int, int, int]]:
    found = []
    while pos < end:
        element = _read(der, pos, end)
        found.append(element)
        pos = element[2]
    return found


def _oid(data: bytes) -> str:
    if not 0 < len(data) <= _MAX_OID_BYTES:
        raise ValueError(f"expected an object identifier of 1 to {_MAX_OID_BYTES} bytes, got {len(data)}")
    numbers = []
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]])) if numbers else "0"


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate.

    :param der: its DER form.
    :raises ValueError: not a certificate.
    """
    fields = _fields(der)
    subject = [_relative_name(der, *part) for part in _children(der, fields[4][1], fields[4][2])]
    dns_names: list[str] = []
    addresses: list[str] = []
    for tag, start, stop in fields[5:]:
        if tag == _EXTENSIONS:
            pos, end = _enter(der, start, stop, _SEQUENCE)
            for _, first, last in _children(der, pos, end):
                _read_extension(der, first, last, dns_names, addresses)
    return Certificate(subject, dns_names, addresses)


def read_issue(der: bytes) -> Issue:
    """Read what TLS does not need of a certificate, for programs that show it.

    :param der: its DER form.
    :raises ValueError: not a certificate.
    """
    fields = _fields(der)
    issuer = [_relative_name(der, *part) for part in _children(der, fields[2][1], fields[2][2])]
    times = [_time(der, *part) for part in _children(der, fields[3][1], fields[3][2])]
    if len(times) != 2:
        raise ValueError(f"expected two points in time, got {len(times)}")
    issuer_der, subject_der = (der[start:stop] for _, start, stop in (fields[2], fields[4]))
    return Issue(_name_text(issuer), issuer_der == subject_der, *times)


def _fields(der: bytes) -> list[tuple[int, int, int]]:
    """The fields of a certificate from its serial number on: signature, issuer, validity, subject and what follows."""
    pos, end = _enter(der, 0, len(der), _SEQUENCE)
    pos, end = _enter(der, pos, end, _SEQUENCE)  # tbsCertificate
    fields = _children(der, pos, end)
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 5:
        raise ValueError(f"expected 5 fields at least, got {len(fields)}")
    return fields


def _time(der: bytes, tag: int, start: int, stop: int) -> datetime.datetime:
    form = _TIMES.get(tag)
    if form is None:
        raise ValueError(f"expected a point in time, got tag 0x{tag:02x}")
    try:
        time = datetime.datetime.strptime(der[start:stop].decode("ascii"), form)
    except UnicodeDecodeError:
        raise ValueError("expected a point in time in ASCII") from None
    if tag == 0x17 and time.year >= 2050:  # RFC 5280 4.1.2.5.1; the library divides at 1969
        time = time.replace(year=time.year - 100)
    return time.replace(tzinfo=datetime.timezone.utc)


def _relative_name(der: bytes, tag: int, start: int, stop: int) -> list[Attribute]:
    if tag != _SET:
        raise ValueError(f"expected tag 0x31 in a name, got 0x{tag:02x}")
    parts = []
    for _, first, last in _children(der, start, stop):
        oid_start, oid_stop = _enter(der, first, last, _OID)
        kind, value_start, value_stop = _read(der, oid_stop, last)
        encoding = _ENCODINGS.get(kind)
        try:
            value = der[value_start:value_stop].decode(encoding) if encoding is not None else None
        except UnicodeDecodeError:
            value = None
        parts.append(Attribute(_oid(der[oid_start:oid_stop]), value, der[oid_stop:value_stop]))
    return parts


def _read_extension(der: bytes, pos: int, end: int, dns_names: list[str], addresses: list[str]) -> None:
    start, after = _enter(der, pos, end, _OID)
    if _oid(der[start:after]) != _ALTERNATIVE_NAMES:
        return
    for tag, start, stop in _children(der, after, end):
        if tag == _OCTETS:
            pos, end = _enter(der, start, stop, _SEQUENCE)
            for kind, first, last in _children(der, pos, end):
                if kind == _DNS:
                    dns_names.append(der[first:last].decode("latin-1"))
                elif kind == _IP and last - first in (4, 16):
                    addresses.append(str(ipaddress.ip_address(der[first:last])))


# -- names ---------------------------------------------------------------------------------------------------------


def matches(certificate: Certificate, host: str) -> bool:
    """Whether a certificate is valid for a host (RFC 6125 6.4).

    Its DNS and IP alternative names count; the common names of its subject only where it has none of these.

    :param host: a name, or an address without brackets.
    """
    has_names = certificate.dns_names or certificate.addresses
    patterns = certificate.dns_names if has_names else certificate.values("CN")
    try:
        address = str(ipaddress.ip_address(host.split("%")[0]))
    except ValueError:
        pass
    else:  # no pattern stands for addresses
        return address in certificate.addresses or host in patterns
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return False
    return any(_matches_pattern(pattern, host) for pattern in patterns)


def _matches_pattern(pattern: str, host: str) -> bool:
    """A `*` stands for the whole left-most label, if at least two labels follow: `*.com` fits nearly every host."""
    # Some authorities signed `bank.com\0.evil.com`, which C libraries read up to the NUL.
    if "\0" in pattern:
        return False
    pattern, host = _folded(pattern), _folded(host)
    if not pattern.startswith("*."):
        return "*" not in pattern and pattern == host
    label, _, rest = host.partition(".")
    behind = pattern[2:]
    if "*" in behind or "." not in behind.strip("."):
        return False
    return 0 < len(label) <= _MAX_LABEL_CHARACTERS and rest == behind


def _folded(name: str) -> str:
    """In lower case as names are compared (RFC 5890 2.3.1): letters beyond ASCII stand for themselves."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)
