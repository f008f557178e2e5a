"""What is there in place of AMQP 1.0: named by its first bytes, or by what it answers to TLS and to HTTP.

These probes are raw: what speaks AMQP 1.0 is looked at with the package's own engine.
"""

from __future__ import annotations

import re
import socket
import time
from typing import Any, NamedTuple

from proton.cli.checks import tls
from proton.cli.checks.findings import Deadline
from proton.cli.checks.network import Address, open_socket

__all__ = ["ANY_TLS", "Peer", "ask", "name_of", "named_by_probes", "printed"]

SASL_HEADER, AMQP_HEADER, TLS_HEADER = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00", b"AMQP\x02\x01\x00\x00"
#: the least bytes of a protocol header (2.2)
HEADER_BYTES = 8
_MAX_BYTES = 4096
_SHOWN_BYTES = 60


class Peer(NamedTuple):
    """What was found: a short name for programs, what the peer is or does in words, and what helps."""

    kind: str
    text: str
    cure: str


_WRONG_PORT = "use the port of AMQP: 5672, or 5671 with TLS"
ANY_TLS = Peer("tls", "speaks TLS, where clear text was expected", "use amqps:// in place of amqp://")
_ANOTHER_PORT = "use the broker's port for AMQP 1.0"
#: the pattern of the first bytes, and what they tell; the first one that fits
_PATTERNS: list[tuple[bytes, Peer]] = [
    (
        rb"AMQP\x00\x01\x00\x00|AMQP\x03\x01\x00\x00",
        Peer(
            "amqp-1.0",
            "speaks AMQP 1.0 in clear text",
            "use amqp:// in place of amqps://, or the port of TLS (5671)",
        ),
    ),
    (
        rb"AMQP\x02\x01\x00\x00",
        Peer("amqp-tls", "speaks AMQP 1.0, and wants TLS first", "use amqps://, and the port of TLS (5671)"),
    ),
    (
        rb"AMQP(?:\x00\x00\x09\x01|\x01\x01\x00\x09|\x01\x01\x08\x00|\x01\x01\x09\x01)",
        Peer(
            "amqp-0-9-1",
            "speaks AMQP 0-9-1, another protocol than AMQP 1.0",
            "enable AMQP 1.0 in the broker (RabbitMQ 3: rabbitmq-plugins enable rabbitmq_amqp1_0), "
            "or use a client of AMQP 0-9-1",
        ),
    ),
    (rb"AMQP\x01\x01", Peer("amqp-0-10", "speaks AMQP 0-10, another protocol than AMQP 1.0", _ANOTHER_PORT)),
    (rb"HTTP/", Peer("http", "is an HTTP server", _WRONG_PORT)),
    (rb"[\x15\x16]\x03[\x00-\x04]", ANY_TLS),
    (rb"SSH-", Peer("ssh", "is an SSH server", _WRONG_PORT)),
    (rb"220[ -][^\n]*FTP", Peer("ftp", "is an FTP server", _WRONG_PORT)),
    (rb"(?:220|421|554)[ -]", Peer("smtp", "is a mail server (SMTP)", _WRONG_PORT)),
    (rb"\* (?:OK|BYE|PREAUTH)", Peer("imap", "is a mail server (IMAP)", _WRONG_PORT)),
    (rb"\+OK", Peer("pop3", "is a mail server (POP3)", _WRONG_PORT)),
    (rb"-ERR|-NOAUTH|-DENIED", Peer("redis", "is a Redis server", _WRONG_PORT)),
    (rb"RFB \d", Peer("vnc", "is a VNC server", _WRONG_PORT)),
    (rb"INFO \{", Peer("nats", "is a NATS server", _WRONG_PORT)),
    (rb"(?:ERROR|CONNECTED)\r?\n", Peer("stomp", "is a STOMP broker", _ANOTHER_PORT)),
    (rb"(?s).{3}\x00[\x0a\xff]", Peer("mysql", "is a MySQL or MariaDB server", _WRONG_PORT)),
    (rb"(?s)\x00.{3}\x01ActiveMQ", Peer("openwire", "speaks OpenWire, the protocol of ActiveMQ", _ANOTHER_PORT)),
]
_NAMED = [(re.compile(pattern), peer) for pattern, peer in _PATTERNS]


def printed(data: bytes, most: int = _SHOWN_BYTES) -> str:
    """The beginning of some bytes, as text for people.

    :param most: bytes to show.
    """
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data[:most])
    return shown + ("..." if len(data) > most else "")


def name_of(data: bytes) -> Peer | None:
    """What a peer is by its first bytes; None if they are not known, or too few."""
    for pattern, peer in _NAMED:
        if pattern.match(data):
            first = re.match(rb"[ -~]{3,80}", data)
            said = f", it says '{printed(first.group())}'" if first is not None and peer.kind[:4] != "amqp" else ""
            return peer._replace(text=peer.text + said)
    return None


# -- questions -------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What a peer has said: its bytes, whether it has closed, the seconds until the first byte."""

    data: bytes
    has_closed: bool
    seconds: float


def ask(address: Address, question: bytes, deadline: Deadline, context: Any = None) -> Answer:
    """Say something on a new connection, and read until the peer stops, closes, or the time is over.

    :param context: an `ssl.SSLContext` for a question inside TLS.
    """
    began = time.monotonic()
    data, has_closed, first = b"", False, 0.0
    try:
        with open_socket(address, deadline) as raw:
            sock = context.wrap_socket(raw) if context is not None else raw
            with sock:
                sock.sendall(question)
                while len(data) < _MAX_BYTES and deadline.left() and name_of(data) is None:
                    sock.settimeout(max(deadline.left(), 0.001))
                    piece = sock.recv(_MAX_BYTES)
                    first = first or time.monotonic() - began
                    has_closed = not piece
                    if has_closed:
                        break
                    data += piece
    except socket.timeout:  # an OSError of its own before Python 3.10
        pass
    except OSError:
        has_closed = True
    return Answer(data, has_closed, first)


def named_by_probes(
    address: Address, host: str, deadline: Deadline, context: Any = None, skips_tls: bool = False
) -> Peer | None:
    """What a peer is that has said nothing to AMQP: TLS and HTTP are tried.

    :param context: an `ssl.SSLContext` if the connection is inside TLS already.
    :param skips_tls: TLS was tried before.
    """
    if context is None and not skips_tls and tls.is_spoken(address, deadline.part(0.4)):
        return ANY_TLS
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii", "replace")
    answer = ask(address, request, deadline.part(0.8), context)
    return name_of(answer.data)
