"""SASL and AMQP: functions that are installed in `transport.input` and `transport.output` (2.2, 2.3, 5.3.1).

An input function takes bytes from an offset on and returns the offset that it reached; the same offset means that it
needs more. It moves the connection on by installing another one. An output function writes what there is to write
now. `amqp_input` is the frame loop, the hot one. Bytes from the network never raise out of here: what the codec raises
is translated around the decoding, and only the violations of the inbound functions are caught around those, so that
a fault of ours is not blamed on the peer.
"""

from __future__ import annotations

from struct import error as struct_error
from typing import TYPE_CHECKING, Any, Callable

from proton.codec.composites import (
    BY_CODE,
    SASL_CHALLENGE,
    SASL_INIT,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    SASL_RESPONSE,
)
from proton.codec.decode import decode_fields, decode_value
from proton.codec.limits import DecodeLimits
from proton.codec.text import quote
from proton.endpoints.condition import (
    DECODE_ERROR,
    FRAME_SIZE_TOO_SMALL,
    FRAMING_ERROR,
    NOT_IMPLEMENTED,
    shortened,
)
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.link import LinkState
from proton.exceptions import DataException, ProtocolViolation
from proton.transport import io_layers, protocol_header
from proton.transport.checks import EndpointViolation
from proton.transport.frames import FRAME_HEADER, FrameTooLarge, decode_disposition_fields, decode_transfer_fields
from proton.transport.inbound import INBOUND
from proton.transport.outbound import flush, write_close, write_open
from proton.transport.sasl import negotiation

if TYPE_CHECKING:
    from proton.transport.transport_state import TransportState

Input = Callable[[Any, bytes, int], int]
Output = Callable[[Any], None]
Decode = Callable[[bytes, int, int, Any], Any]

POLICY_ERROR = "amqp:connection:policy-error"
_DECODE_ERRORS = (IndexError, struct_error, UnicodeDecodeError, DataException)
_UINT32 = 0xFFFFFFFF
#: performatives whose usual form is read in place, by their codes
_IN_PLACE: dict[int, Decode] = {0x14: decode_transfer_fields, 0x15: decode_disposition_fields}


# -- input functions: each takes bytes from an offset on and returns the offset that it reached ---------------------


def client_header_input(transport: TransportState, buf: bytes, pos: int) -> int:
    data = buf[pos : pos + 8]
    if data == protocol_header.AMQP_HEADER:
        if transport.tracing:
            transport.trace_header("<-", "AMQP")
        transport.amqp_started = True
        transport.input = amqp_input
        return pos + 8
    return _wrong_client_header(transport, "AMQP", buf, pos)


def client_sasl_header_input(transport: TransportState, buf: bytes, pos: int) -> int:
    if buf[pos : pos + 8] == protocol_header.SASL_HEADER:
        if transport.tracing:
            transport.trace_header("<-", "SASL")
        transport.input = sasl_input
        return pos + 8
    return _wrong_client_header(transport, "SASL", buf, pos)


HEADER_EXPECTED: dict[Input, str] = {client_header_input: "AMQP", client_sasl_header_input: "SASL"}


def _wrong_client_header(transport: TransportState, expected: str, buf: bytes, pos: int) -> int:
    # As much as there is, for the message: it may be the beginning of a helpful answer in another protocol.
    data = buf[pos : pos + 256]
    found = protocol_header.identify(data)
    if found == protocol_header.INSUFFICIENT:
        transport.needed = len(data) + 1
        return pos
    transport.fail(FRAMING_ERROR, protocol_header.client_error(expected, data, found, at_end=False))
    return len(buf)


def server_header_input(transport: TransportState, buf: bytes, pos: int) -> int:
    data = buf[pos : pos + 8]
    found = protocol_header.identify(data)
    if found == protocol_header.INSUFFICIENT:
        transport.needed = len(data) + 1
        return pos
    seen = transport.seen_protocols
    if found in seen or (found == protocol_header.AMQP_TLS and protocol_header.TLS in seen):
        transport.fail(FRAMING_ERROR, protocol_header.repeated_error(found, data))
        return len(buf)
    seen.add(found)
    transport.started = True
    if found == protocol_header.AMQP_SASL:
        if transport.tracing:
            transport.trace_header("<-", "SASL")
        transport.input = sasl_input
        negotiation.start_server(transport)
        _end_failed_exchange(transport)
        return pos + 8
    if found == protocol_header.AMQP_1_0:
        if transport.tracing:
            transport.trace_header("<-", "AMQP")
        _begin_serving(transport)
        return pos + 8
    if found in (protocol_header.TLS, protocol_header.AMQP_TLS) and _may_begin_tls(transport):
        if protocol_header.AMQP_SASL in transport.seen_protocols:
            # A machine in between could log in, and then have another client, which verifies us, speak for it.
            transport.fail(FRAMING_ERROR, f"expected TLS before SASL, got it afterwards: '{quote(data)}'")
            return len(buf)
        if found == protocol_header.AMQP_TLS:  # 5.2.1: the same header comes back before TLS begins
            transport.seen_protocols.add(protocol_header.TLS)
            transport.write_header(protocol_header.TLS_HEADER, "TLS")
            pos += 8
        assert transport.tls is not None
        io_layers.install(transport, transport.tls)
        return io_layers.feed_rest(transport, buf, pos)
    transport.amqp_started = True
    # Little of it, for the message: a login may follow what differs from a header by one bit.
    transport.fail(FRAMING_ERROR, protocol_header.server_error(buf[pos : pos + 16], found, at_end=False))
    return len(buf)


def _may_begin_tls(transport: TransportState) -> bool:
    """Whether TLS was set up, and did not look at the first bytes itself, below the layers of a program."""
    return transport.tls is not None and transport.tls not in transport.io_layers


def _begin_serving(transport: TransportState) -> None:
    """The client's AMQP header has come: now the policies must be met."""
    sasl = transport.sasl
    needs_auth = transport.require_auth or (sasl is not None and sasl.credentials is not None)
    if needs_auth and not transport.authenticated:
        _reject_client(transport, protocol_header.SASL_HEADER, "SASL", "Client skipped authentication - forbidden")
    elif transport.require_encryption and not transport.encrypted:
        _reject_client(transport, protocol_header.TLS_HEADER, "TLS", "Client connection unencrypted - forbidden")
    else:
        transport.amqp_started = True
        transport.input = amqp_input
        transport.output = header_output


def _reject_client(transport: TransportState, acceptable: bytes, name: str, reason: str) -> None:
    """What the client should have begun with, from which it learns why, and the end (2.2)."""
    transport.write_header(acceptable, name)
    transport.fail(POLICY_ERROR, reason, silent=True)


def held_input(transport: TransportState, buf: bytes, pos: int) -> int:
    return pos


def _frame_error(transport: TransportState, size: int, offset: int, most: int) -> str:
    if size > most:
        return f"malformed frame: expected {most} bytes at most, got {size}"
    if size < 8:
        return f"malformed frame: expected 8 bytes at least, got {size}"
    return f"malformed frame: expected a data offset of 2 to {size // 4} words, got {offset}"


def sasl_input(transport: TransportState, buf: bytes, pos: int) -> int:
    if len(buf) - pos < 8:
        transport.needed = 8
        return pos
    size, offset, frame_type, _ = FRAME_HEADER.unpack_from(buf, pos)
    if not 8 <= size <= negotiation.MAX_SASL_FRAME or not 2 <= offset <= size // 4:
        transport.fail(FRAMING_ERROR, _frame_error(transport, size, offset, negotiation.MAX_SASL_FRAME), silent=True)
        return len(buf)
    end: int = pos + size
    if end > len(buf):
        transport.needed = size
        return pos
    transport.frames_input += 1
    if frame_type != 1:
        transport.fail(FRAMING_ERROR, f"expected a SASL frame (type 1), got type {frame_type}", silent=True)
        return len(buf)
    try:
        limits = transport.limits.decode_limits
        code, start = _descriptor(buf, pos + 4 * offset, end, limits, quotes=False)
        fields, reached = decode_fields(buf, start, end, limits)
        if reached > end:
            raise DataException(f"a value passes the end of its frame by {reached - end} bytes")
    except _DECODE_ERRORS as error:
        # No bytes of it are shown: a password may be among them.
        text = _decode_error_text(error, buf[pos:end], 4 * offset, transport.limits.decode_limits, quotes=False)
        transport.fail(DECODE_ERROR, text, silent=True)
        return len(buf)
    if transport.tracing:
        _trace_received_sasl(transport, code, fields, buf[pos + 4 * offset : end])
    layer_count = len(transport.io_layers)
    try:
        negotiation.on_frame(transport, code, fields)
    except ProtocolViolation as violation:
        transport.fail(violation.condition, violation.description, silent=True)
        return len(buf)
    _end_failed_exchange(transport)
    if len(transport.io_layers) > layer_count:  # the mechanism's security layer begins behind this frame (5.3.2)
        return io_layers.feed_rest(transport, buf, end)
    return end


def _end_failed_exchange(transport: TransportState) -> None:
    """After a failed exchange the transport ends as soon as its output is asked for (5.3.3.6)."""
    if transport.ensure_sasl().failure is not None:
        transport.input = refused_input
        transport.output = refused_output


def refused_input(transport: TransportState, buf: bytes, pos: int) -> int:
    """What a peer sends behind an exchange that has failed is passed over."""
    return len(buf)


def _trace_received_sasl(transport: TransportState, code: int, fields: list[Any], body: bytes) -> None:
    if code in (SASL_INIT.code, SASL_RESPONSE.code):
        name = fields[0] if fields and isinstance(fields[0], str) else ""
        body = negotiation.mask(BY_CODE[code], (name, fields[1] if len(fields) > 1 else None), body)
    elif transport.is_server or code not in (SASL_MECHANISMS.code, SASL_CHALLENGE.code, SASL_OUTCOME.code):
        body = negotiation.mask_unknown(code)
    transport.trace_frame(0, "<-", body, "SASL")


def amqp_input(transport: TransportState, buf: bytes, pos: int) -> int:
    """The frame loop: all the frames that are complete in `buf`."""
    end_of_input = len(buf)
    most = transport.max_frame_size or _UINT32
    limits = plain = transport.limits.decode_limits
    wide = most > limits.unmetered < end_of_input - pos  # a frame could be too large for its values to go uncounted
    unpack = FRAME_HEADER.unpack_from
    inbound = INBOUND
    while end_of_input - pos >= 8:
        size, offset, frame_type, channel = unpack(buf, pos)
        if size > most or size < 8 or offset < 2 or offset * 4 > size:
            transport.fail(FRAMING_ERROR, _frame_error(transport, size, offset, most))
            return end_of_input
        end = pos + size
        if end > end_of_input:
            transport.needed = size
            return pos
        transport.frames_input += 1
        start, pos = pos + offset * 4, end
        if frame_type:
            transport.fail(FRAMING_ERROR, f"expected an AMQP frame (type 0), got type {frame_type}")
            return end_of_input
        if start == end:  # a heartbeat
            if transport.tracing:
                transport.trace_frame(channel, "<-", b"")
            continue
        if wide:
            limits = plain if size <= plain.unmetered else plain.metered()
        try:
            # The descriptor of every performative is a small ulong, unless the peer is wasteful.
            if buf[start + 1] == 0x53 and not buf[start]:
                code = buf[start + 2]
                decode: Decode = _IN_PLACE.get(code, decode_fields)
                fields, reached = decode(buf, start + 3, end, limits)
            else:
                code, reached = _descriptor(buf, start, end, limits)
                fields, reached = decode_fields(buf, reached, end, limits)
            if reached > end:
                raise DataException(f"a value passes the end of its frame by {reached - end} bytes")
        except _DECODE_ERRORS as error:
            transport.fail(DECODE_ERROR, _decode_error_text(error, buf[end - size : end], 4 * offset, limits))
            return end_of_input
        if transport.tracing:
            transport.trace_frame(channel, "<-", buf[start:end])
        act = inbound.get(code)
        if act is None:
            transport.fail(NOT_IMPLEMENTED, f"expected a performative, 0x10 to 0x18, got descriptor 0x{code:x}")
            return end_of_input
        try:
            act(transport, channel, fields, buf[reached:end])
        except ProtocolViolation as violation:
            transport.fail(violation.condition, violation.description)
            return end_of_input
        except EndpointViolation as violation:
            _close_violated(violation)
        if transport.input is not amqp_input or transport.tail_closed:
            return pos
    if end_of_input > pos:
        transport.needed = 8
    return pos


def _close_violated(violation: EndpointViolation) -> None:
    """Closes the session or link whose rules the peer broke; the rest of the connection lives on."""
    state = violation.state
    state.binding.violated = True
    if isinstance(state, LinkState):
        state.cut_arriving()
    state.fail(violation.condition, violation.description)


def _descriptor(buf: bytes, pos: int, end: int, limits: DecodeLimits, quotes: bool = True) -> tuple[int, int]:
    """The number of the performative at `pos`, and where its fields begin."""
    if buf[pos]:
        raise DataException(f"expected a performative (constructor 0x00), got constructor 0x{buf[pos]:02x}")
    descriptor, pos = decode_value(buf, pos + 1, limits)
    if pos > end:
        raise DataException("the descriptor passes the end of its frame")
    if isinstance(descriptor, str):
        for code, composite in BY_CODE.items():
            if composite.symbol == descriptor:
                return code, pos
    if not isinstance(descriptor, int) or isinstance(descriptor, bool):
        # In a SASL frame it may be a password that has slipped into the wrong place.
        shown = f"{descriptor!r:.80}" if quotes else type(descriptor).__name__
        raise DataException(f"expected a known descriptor of a performative, got {shown}")
    return int(descriptor), pos


def _decode_error_text(error: Exception, frame: bytes, start: int, limits: DecodeLimits, quotes: bool = True) -> str:
    """Decodes the frame once more, alone: so offsets count from its start, and nothing that follows it is read."""
    size = len(frame)
    try:
        decode_fields(frame, _descriptor(frame, start, size, limits, quotes)[1], size, limits)
    except _DECODE_ERRORS as own_error:
        error = own_error
    if isinstance(error, DataException):
        return f"cannot decode a frame of {size} bytes: {error}"
    if isinstance(error, UnicodeDecodeError):
        found = f"{error.object[:40]!r}" if quotes else "other bytes"
        return f"cannot decode a frame of {size} bytes: expected {error.encoding} text, got {found}"
    return f"cannot decode a frame of {size} bytes: a value is cut off by the end of the frame"


# -- output functions: each writes what there is to write -----------------------------------------------------------


def no_output(transport: TransportState) -> None:
    """A server that has not seen the client's header; SASL replies are written before this is asked."""


def final_output(transport: TransportState) -> None:
    """Nothing more will be written: the head closes when what was written is taken."""


def client_sasl_output(transport: TransportState) -> None:
    """The header goes out with the replies, which are written before this is asked."""
    transport.started = True
    transport.output = no_output


def refused_output(transport: TransportState) -> None:
    """The outcome is written, or will not be."""
    transport.started = True
    negotiation.fail(transport)


def client_output(transport: TransportState) -> None:
    transport.started = transport.amqp_started = True
    header_output(transport)


def header_output(transport: TransportState) -> None:
    transport.write_header(protocol_header.AMQP_HEADER, "AMQP")
    transport.header_sent = True
    transport.output = amqp_output
    amqp_output(transport)


def amqp_output(transport: TransportState) -> None:
    try:
        flush(transport)
    except FrameTooLarge as fault:
        transport.fail(FRAME_SIZE_TOO_SMALL, str(fault))


def failed_output(transport: TransportState) -> None:
    """The error goes out in a close; before it whatever a close needs (2.4.3)."""
    transport.output = final_output
    if transport.close_sent:
        return
    if not transport.open_sent:
        if not transport.header_sent:
            transport.write_header(protocol_header.AMQP_HEADER, "AMQP")
        write_open(transport, endpoint_state(transport.connection) if transport.connection is not None else None)
    write_close(transport, shortened(transport.condition))
