"""Protocol headers: what the first bytes of a stream are, and the words for wrong ones (2.2, 2.8.19, 5.2.2, 5.3.4).

`identify` looks at bytes and says a name; it keeps no state and decides nothing. A wrong peer is named in plain
words, since "unknown bytes" does not help to find the mistaken port.
"""

from __future__ import annotations

from proton.codec.text import quote

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
TLS_HEADER = b"AMQP\x02\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"

INSUFFICIENT = "Insufficient data to determine protocol"
UNKNOWN = "Unknown protocol"
TLS = "SSL/TLS connection"
AMQP_TLS = "AMQP TLS layer"
AMQP_SASL = "AMQP SASL layer"
AMQP_1_0 = "AMQP 1.0 layer"
AMQP_OTHER = "Pre standard AMQP connection"
AMQP_0_9_1 = "AMQP 0-9-1 connection"
HTTP = "HTTP"

_LAYERS = {AMQP_HEADER: AMQP_1_0, TLS_HEADER: AMQP_TLS, SASL_HEADER: AMQP_SASL}
_HTTP_WORDS = (b"HTTP/", b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PRI ")
_QUOTED = 1023  # bytes shown at most: an error text goes over the wire


def identify(data: bytes, at_end: bool = False) -> str:
    """What a stream that begins with `data` is.

    :param data: the first bytes, eight are enough.
    :param at_end: no more bytes will come.
    """
    size = len(data)
    if size < 3:
        return INSUFFICIENT
    first, major, minor = data[0], data[1], data[2]
    if first in (21, 22) and major == 3 and minor <= 3:  # a TLS record: a handshake, or the alert that refuses ours
        return TLS if size >= 5 else INSUFFICIENT
    if first & 0x80 and minor == 1 and (size < 4 or data[3] in (2, 3)):  # a client hello in the SSLv2 form
        return TLS if size >= 5 else INSUFFICIENT
    if b"AMQP".startswith(data[:4]) or data[:4] == b"AMQP":
        return _identify_amqp(data) if size >= 8 else INSUFFICIENT
    if data.startswith(_HTTP_WORDS):
        return HTTP
    # Two bytes more tell the mistake that is made most from mere noise.
    return INSUFFICIENT if not at_end and any(word.startswith(data) for word in _HTTP_WORDS) else UNKNOWN


def _identify_amqp(data: bytes) -> str:
    layer = _LAYERS.get(data[:8])
    if layer is not None:
        return layer
    if data[4] <= 3 and data[5] == 1:
        return AMQP_OTHER
    return AMQP_0_9_1 if data[4:8] in (b"\x00\x00\x09\x01", b"\x01\x01\x00\x09", b"\x01\x01\x08\x00") else UNKNOWN


def client_error(expected: str, data: bytes, found: str, at_end: bool) -> str:
    """The description when a client expected a header and got something else.

    :param expected: "AMQP", "SASL" or "TLS".
    """
    if at_end and not data:
        return f"Expected {expected} protocol header: no protocol header found (connection aborted)"
    text = f"Expected {expected} protocol header got: {found} ['{quote(data[:_QUOTED])}']"
    if expected == "AMQP" and found == AMQP_SASL:
        text += " (the peer requires SASL)"
    elif expected == "AMQP" and found == AMQP_TLS:
        text += " (the peer requires TLS)"
    return text + " (connection aborted)" if at_end and found == INSUFFICIENT else text


def server_error(data: bytes, found: str, at_end: bool) -> str:
    """The description when a server cannot go on with what a client began with."""
    quoted = quote(data[:_QUOTED])
    if found == INSUFFICIENT:
        if not data:
            return "No protocol header found (connection aborted)"
        return f"End of input stream before protocol detection: '{quoted}' (connection aborted)"
    if found == AMQP_OTHER:
        return f"Incompatible AMQP connection detected: '{quoted}'"
    if found == AMQP_0_9_1:
        return f"Incompatible AMQP connection detected: '{quoted}' (AMQP 0-9-1, expected AMQP 1.0)"
    if found == HTTP:
        return f"Unknown protocol detected: '{quoted}' (HTTP, expected AMQP 1.0)"
    if found == TLS:
        return f"SSL/TLS connection detected where TLS is not configured: '{quoted}'"
    if found == AMQP_TLS:
        return f"AMQP SSL protocol header not allowed (TLS is not configured): '{quoted}'"
    return f"Unknown protocol detected: '{quoted}'"


def repeated_error(found: str, data: bytes) -> str:
    """The description when a client starts the same layer a second time."""
    name = {TLS: "SSL", AMQP_TLS: "AMQP SSL", AMQP_SASL: "AMQP SASL", AMQP_1_0: "AMQP1.0"}.get(found, found)
    return f"{name} protocol header not allowed (maybe detected twice): '{quote(data[:_QUOTED])}'"
