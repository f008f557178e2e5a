"""The SASL negotiation of both roles, as a table (role, frame) -> step (5.3.2).

A step takes the state and the decoded fields; what it has to answer goes onto `replies`, which the transport writes
when it is asked for output. What a mechanism says is its exchange's business (`mechanisms.py`), whether it may be used
is decided here.

An exchange that fails is only noted (`failure`): the transport ends when it is asked for output. A server's input
stays open until the outcome is written, which programs of the C binding rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.codec.composites import (
    SASL_CHALLENGE,
    SASL_INIT,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    SASL_RESPONSE,
    Composite,
    check_fields,
    encode_composite,
)
from proton.endpoints.condition import DECODE_ERROR, FRAMING_ERROR, UNAUTHORIZED_ACCESS
from proton.endpoints.events import Event
from proton.endpoints.printable import printable
from proton.exceptions import DataException, ProtocolViolation
from proton.transport import io_layers
from proton.transport.frames import FRAME_HEADER
from proton.transport.protocol_header import SASL_HEADER
from proton.transport.sasl import cyrus
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure
from proton.transport.sasl.mechanisms import CLIENT_MECHANISMS, server_exchange, server_mechanisms
from proton.transport.sasl.sasl_state import SASLCode

if TYPE_CHECKING:
    from proton.transport.sasl.sasl_state import SASLState
    from proton.transport.transport_state import TransportState

__all__ = ["MAX_SASL_FRAME", "fail", "mask", "mask_unknown", "on_frame", "server_begins", "write_replies"]

#: 5.3.2: the whole SASL frame; bounds what a peer can make us hold before it has authenticated
MAX_SASL_FRAME = 512 * 16

#: characters of a name that a peer gives: the rest of the text has to fit into a line beside it
_MAX_QUOTED = 256


# -- steps of a client -----------------------------------------------------------------------------------------------


def _client_chooses(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.mech is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects an outcome, got sasl-mechanisms again")
    offered = [str(mech) for mech in fields[0]]
    allowed = [mech for mech in offered if sasl.is_allowed(mech)]
    for mech, begin in CLIENT_MECHANISMS.items():
        # What only the system's library has comes before what any reader understands.
        exchange = cyrus.begin_client(sasl, transport, allowed) if mech == "PLAIN" else None
        if exchange is None and mech in allowed:
            sasl.mech = mech
            exchange = begin(sasl, transport)
        if exchange is not None:
            sasl.mech = exchange.name
            sasl.exchange = exchange
            sasl.password = sasl.token = None
            sasl.replies.append((SASL_INIT, (exchange.name, exchange.initial)))
            return
    sasl.mech = None
    sasl.outcome = SASLCode.PERM
    description = (
        f"Authentication failed [mech=none] (the peer offers: {printable(' '.join(offered), _MAX_QUOTED) or 'nothing'}"
        f"{_missing(sasl, transport, offered)})"
    )
    # Only where the program has named such a mechanism: other texts do not depend on what is on the machine.
    if sasl.allowed is not None and cyrus.available() and any(map(cyrus.only_here, allowed)):
        description = f"{cyrus.NO_MECHANISM} ({description})"
    _give_up(sasl, description)


def _missing(sasl: SASLState, transport: TransportState, offered: list[str]) -> str:
    """What this client lacks for the mechanisms that the server offers, for the error text."""
    lacks = []
    if sasl.allowed is not None:
        known = [name for name in sasl.allowed if name in CLIENT_MECHANISMS or cyrus.available()]
        unknown = [name for name in sasl.allowed if name not in known]
        names = [*known, *(f"{name} (not known here)" for name in unknown)]
        lacks.append(f"this client allows: {printable(' '.join(names), _MAX_QUOTED) or 'nothing'}")
    usable = [name for name in offered if sasl.is_allowed(name)]
    if any(name == "PLAIN" or name.startswith("SCRAM-") for name in usable):
        lacks += [f"no {what} was given" for what, value in _login(sasl) if not value]
    if any(name in ("XOAUTH2", "OAUTHBEARER") for name in usable) and sasl.token is None:
        lacks.append("no token was given")
    if "PLAIN" in usable and not (transport.encrypted or sasl.allow_insecure_mechs):
        lacks.append("PLAIN needs TLS or allow_insecure_mechs")
    return "".join(f"; {text}" for text in lacks)


def _login(sasl: SASLState) -> list[tuple[str, bool]]:
    return [("user name", bool(sasl.user)), ("password", sasl.password is not None)]


def _client_is_challenged(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got a challenge")
    sasl.replies.append((SASL_RESPONSE, (sasl.exchange.respond(fields[0]),)))


#: What is not the fault of the credentials (5.3.3.6); only the last may be another at the next attempt.
_OUTCOMES = {
    SASLCode.SYS: ": a system error of the server",
    SASLCode.PERM: ": a permanent system error of the server",
    SASLCode.TEMP: ": a temporary system error of the server",
}


def _client_hears_outcome(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    exchange = sasl.exchange
    if exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got an outcome")
    if fields[0] == SASLCode.OK:
        exchange.finish(fields[1])
        _succeed(sasl, transport)
        return
    sasl.outcome = fields[0]
    description = f"Authentication failed [mech={sasl.mech}]{_OUTCOMES.get(fields[0], '')}"
    _give_up(sasl, description, exchange.reason() if hasattr(exchange, "reason") else "")


# -- steps of a server -----------------------------------------------------------------------------------------------


def _server_hears_init(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects a response, got sasl-init again")
    sasl.mech = str(fields[0])
    if sasl.mech not in sasl.offered:
        raise AuthenticationFailed("")
    sasl.exchange, sasl.library_exchange = sasl.library_exchange, None
    if sasl.exchange is not None:
        sasl.exchange.name = sasl.mech
    else:
        sasl.exchange = server_exchange(sasl, transport, sasl.mech)
    _server_goes_on(sasl, transport, fields[1])


def _server_hears_response(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-init first, got a response")
    _server_goes_on(sasl, transport, fields[0])


def _server_goes_on(sasl: SASLState, transport: TransportState, response: bytes | None) -> None:
    exchange = sasl.exchange
    challenge = exchange.receive(response)
    if challenge is not None:
        sasl.replies.append((SASL_CHALLENGE, (challenge,)))
        return
    user, authorization = exchange.user, exchange.authorization or exchange.user
    if sasl.credentials is not None and not sasl.credentials.authorizes(user, authorization):
        raise AuthenticationFailed(
            f"user {printable(user, _MAX_QUOTED)} may not act as {printable(authorization, _MAX_QUOTED)}"
        )
    sasl.user, sasl.authorization = user, authorization
    sasl.replies.append((SASL_OUTCOME, (SASLCode.OK,)))
    _succeed(sasl, transport)


def _succeed(sasl: SASLState, transport: TransportState) -> None:
    sasl.outcome = SASLCode.OK
    transport.authenticated = True
    layer = getattr(sasl.exchange, "layer", None)
    if layer is not None:
        # The outcome still goes out as it is (5.3.2).
        write_replies(transport, sasl, SASL_HEADER)
        io_layers.install(transport, layer)
    transport.sasl_succeeded()


def _refuse(sasl: SASLState, transport: TransportState, reason: str, code: int) -> None:
    """The exchange cannot end well: a server says so in the outcome, a client ends the connection (5.3.3.6)."""
    # A client that could not even choose says so, whatever the reason.
    sasl.outcome = code if transport.is_server or sasl.mech is not None else SASLCode.PERM
    if not transport.is_server:
        _give_up(sasl, f"Authentication failed [mech={sasl.mech or 'none'}]", reason)
    else:
        sasl.replies.append((SASL_OUTCOME, (code,)))
        description = f"Failed to authenticate client [mech={printable(sasl.mech or 'none', _MAX_QUOTED)}]"
        if not sasl.is_allowed(sasl.mech or ""):
            reason = "Client mechanism not in mechanism inclusion list."
        _give_up(sasl, description, reason, answers=True)


def _give_up(sasl: SASLState, description: str, reason: str = "", answers: bool = False) -> None:
    """Note the failure; without `answers` nothing goes out any more but a client's header, as with the C binding."""
    sasl.failure = f"{reason} ({description})" if reason else description
    if not answers:
        sasl.replies.clear()


_STEPS: dict[tuple[bool, int], tuple[Composite, Callable[[SASLState, Any, list[Any]], None]]] = {
    (False, SASL_MECHANISMS.code): (SASL_MECHANISMS, _client_chooses),
    (False, SASL_CHALLENGE.code): (SASL_CHALLENGE, _client_is_challenged),
    (False, SASL_OUTCOME.code): (SASL_OUTCOME, _client_hears_outcome),
    (True, SASL_INIT.code): (SASL_INIT, _server_hears_init),
    (True, SASL_RESPONSE.code): (SASL_RESPONSE, _server_hears_response),
}


def server_begins(transport: TransportState) -> None:
    """The client has sent the SASL header: answer with ours and with what we offer."""
    sasl = transport.ensure_sasl()
    sasl.header_due = True
    # What the program checks itself comes before what the system's library was set up for.
    if sasl.credentials is None and cyrus.is_configured():
        try:
            sasl.library_exchange = cyrus.begin_server(sasl, transport)
            sasl.offered = [name for name in sasl.library_exchange.mechanisms() if sasl.is_allowed(name)]
        except AuthenticationFailed as refused:
            _give_up(sasl, refused.reason)
    else:
        sasl.offered = server_mechanisms(sasl, transport)
    sasl.replies.append((SASL_MECHANISMS, (sasl.offered,)))


def on_frame(transport: TransportState, code: int, fields: list[Any]) -> None:
    """One received SASL frame.

    :raises ProtocolViolation: it is not the turn of this frame, or a field is wrong.
    """
    sasl = transport.ensure_sasl()
    step = _STEPS.get((transport.is_server, code))
    if step is None:
        role = "server" if transport.is_server else "client"
        raise ProtocolViolation(FRAMING_ERROR, f"a SASL {role} did not expect frame 0x{code:x} now")
    composite, act = step
    try:
        checked = check_fields(composite, fields)
    except DataException as error:
        raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    try:
        act(sasl, transport, checked)
    except AuthenticationFailed as refused:
        _refuse(
            sasl,
            transport,
            refused.reason,
            SASLCode.SYS if isinstance(refused, TemporaryAuthFailure) else SASLCode.AUTH,
        )
    transport.emit(Event.TRANSPORT)


def fail(transport: TransportState) -> None:
    """The end of the transport, for the failure that was noted."""
    transport.fail(UNAUTHORIZED_ACCESS, transport.ensure_sasl().failure or "", silent=True)


def write_replies(transport: TransportState, sasl: SASLState, header: bytes) -> None:
    """Writes the header and the frames that are due."""
    if sasl.header_due:
        sasl.header_due = False
        transport.out.append(header)
        transport.out_size += len(header)
        if transport.tracing:
            transport.trace_header("->", "SASL")
    replies, sasl.replies = sasl.replies, []
    if replies:
        transport.emit(Event.TRANSPORT)
    for composite, fields in replies:
        body = encode_composite(composite, fields)
        transport.out.append(FRAME_HEADER.pack(len(body) + 8, 2, 1, 0) + body)
        transport.out_size += len(body) + 8
        transport.frames_output += 1
        if transport.tracing:
            transport.trace_frame(0, "->", mask(composite, fields, body), "SASL")


def mask_unknown(code: int) -> bytes:
    """A frame that should not have come, as it may be shown: what it is, nothing of what is in it."""
    return b"\0\x80" + code.to_bytes(8, "big") + b"\x45" if 0 <= code < 1 << 64 else b"\0\x44\x45"


def mask(composite: Composite, fields: tuple[Any, ...], body: bytes) -> bytes:
    """The frame as it may be shown: what a client answers may hold a password."""
    if composite is SASL_INIT:  # whether there is an initial response may be seen
        return encode_composite(SASL_INIT, (fields[0], None if fields[1:2] == (None,) else b"***"))
    if composite is SASL_RESPONSE:
        return encode_composite(SASL_RESPONSE, (b"***",))
    return body
