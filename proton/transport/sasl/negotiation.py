"""The SASL negotiation of both roles, as a table (role, frame) -> step (5.3.2).

A step takes the state and the decoded fields; what it has to answer goes onto `replies`, which the transport writes
when it is asked for output. What a mechanism says is its exchange's business (`mechanisms.py`), whether it may be used
is decided here.

An exchange that fails is only noted (`failure`): the transport ends when it is asked for output. A server's input
stays open until the outcome is written, which programs of the C binding rely on.
"""

from __future__ import annotations

import functools
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

__all__ = ["MAX_SASL_FRAME", "fail", "mask", "mask_unknown", "on_frame", "start_server", "write_replies"]

#: Bytes. The specification has 512 (5.3.2, 2.8.19), but tokens and Kerberos tickets are longer, and peers send them in
#: one frame. It bounds what a peer that has not authenticated makes us hold.
MAX_SASL_FRAME = 512 * 16

#: characters of a name that a peer gives: the rest of the text has to fit into a line beside it
_MAX_QUOTED_LENGTH = 256


# -- steps of a client -----------------------------------------------------------------------------------------------


def _on_mechanisms(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.mech is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects an outcome, got sasl-mechanisms again")
    offered = [str(mech) for mech in fields[0]]
    # The order of preference is ours, not the server's: an attacker in between could put the weakest mechanism first
    # (5.3.3.2, RFC 4422 6.1.2).
    allowed = [mech for mech in offered if sasl.is_allowed(mech)]
    for mech, begin in CLIENT_MECHANISMS.items():
        # Mechanisms that only the system's library has come before PLAIN, whose password a server, or a reader on the
        # way, sees as it is.
        exchange = cyrus.begin_client(sasl, transport, allowed) if mech == "PLAIN" else None
        if exchange is None and mech in allowed:
            sasl.mech = mech  # before it begins: if it raises, the error names it
            exchange = begin(sasl, transport)
        if exchange is not None:
            sasl.mech = exchange.name
            sasl.exchange = exchange
            if exchange.name == "ANONYMOUS" and sasl.allowed is None and (sasl.password, sasl.token) != (None, None):
                sasl.anonymous_because = _offered_text(sasl, transport, offered)
            sasl.password = sasl.token = None  # the exchange has taken what it needs of them
            sasl.replies.append((SASL_INIT, (exchange.name, exchange.initial)))
            return
    sasl.mech = None
    sasl.outcome = SASLCode.PERM
    description = f"Authentication failed [mech=none] ({_offered_text(sasl, transport, offered)})"
    # The library's own text, but only if the program has named a mechanism of the library: all other texts are the same
    # on machines with and without it.
    if sasl.allowed is not None and cyrus.available() and any(map(cyrus.needs_library, allowed)):
        description = f"{cyrus.NO_MECHANISM} ({description})"
    _note_failure(sasl, description)


def _offered_text(sasl: SASLState, transport: TransportState, offered: list[str]) -> str:
    """What the server offers, and what this client lacks for it."""
    lacks = []
    if sasl.allowed is not None:
        known = [name for name in sasl.allowed if name in CLIENT_MECHANISMS or cyrus.available()]
        unknown = [name for name in sasl.allowed if name not in known]
        names = [*known, *(f"{name} (not known here)" for name in unknown)]
        lacks.append(f"this client allows: {printable(' '.join(names), _MAX_QUOTED_LENGTH) or 'nothing'}")
    usable = [name for name in offered if sasl.is_allowed(name)]
    if any(name == "PLAIN" or name.startswith("SCRAM-") for name in usable):
        lacks += [f"no {what} was given" for what, value in _login(sasl) if not value]
    if any(name in ("XOAUTH2", "OAUTHBEARER") for name in usable) and sasl.token is None:
        lacks.append("no token was given")
    if "PLAIN" in usable and not (transport.encrypted or sasl.allow_insecure_mechs):
        lacks.append("PLAIN needs TLS or allow_insecure_mechs")
    offer = printable(" ".join(offered), _MAX_QUOTED_LENGTH) or "nothing"
    return "; ".join([f"the peer offers: {offer}", *lacks])


def _login(sasl: SASLState) -> list[tuple[str, bool]]:
    return [("user name", bool(sasl.user)), ("password", sasl.password is not None)]


def _on_challenge(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got a challenge")
    sasl.replies.append((SASL_RESPONSE, (sasl.exchange.respond(fields[0]),)))


#: Codes that do not blame the credentials (5.3.3.6); only TEMP may turn out otherwise at the next attempt. AUTH, and a
#: code that the specification lacks, add nothing to the text.
_OUTCOME_TEXTS = {
    SASLCode.SYS: ": a system error of the server",
    SASLCode.PERM: ": a permanent system error of the server",
    SASLCode.TEMP: ": a temporary system error of the server",
}


def _on_outcome(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    exchange = sasl.exchange
    if exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got an outcome")
    if fields[0] == SASLCode.OK:
        # The server's word is not enough where both ends have to prove themselves: its proof may come here, as
        # additional-data (5.3.3.5, RFC 4422 3.6).
        exchange.finish(fields[1])
        _succeed(sasl, transport)
        return
    sasl.outcome = fields[0]
    description = f"Authentication failed [mech={sasl.mech}]{_OUTCOME_TEXTS.get(fields[0], '')}"
    _note_failure(sasl, description, exchange.reason() if hasattr(exchange, "reason") else "")


# -- steps of a server -----------------------------------------------------------------------------------------------


def _on_init(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is not None:  # one exchange a connection: a second one would be another guess at a password
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects a response, got sasl-init again")
    sasl.mech = str(fields[0])
    if sasl.mech not in sasl.offered:
        # 5.3.3.2: the connection ends; before that the outcome tells the client why (5.3.3.5).
        raise AuthenticationFailed("")
    sasl.exchange, sasl.library_exchange = sasl.library_exchange, None
    if sasl.exchange is not None:  # the library's was begun before the choice: it knows what to offer
        sasl.exchange.name = sasl.mech
    else:
        sasl.exchange = server_exchange(sasl, transport, sasl.mech)
    _advance_server(sasl, transport, fields[1])


def _on_response(sasl: SASLState, transport: TransportState, fields: list[Any]) -> None:
    if sasl.exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-init first, got a response")
    _advance_server(sasl, transport, fields[0])


def _advance_server(sasl: SASLState, transport: TransportState, response: bytes | None) -> None:
    exchange = sasl.exchange
    challenge = exchange.receive(response)
    if challenge is not None:
        sasl.replies.append((SASL_CHALLENGE, (challenge,)))
        return
    # The mechanism proves the user. Whether it may act as another identity is for the program to say (RFC 4422 3.4.1).
    user, authorization = exchange.user, exchange.authorization or exchange.user
    if sasl.credentials is not None and not sasl.credentials.authorizes(user, authorization):
        raise AuthenticationFailed(
            f"user {printable(user, _MAX_QUOTED_LENGTH)} may not act as {printable(authorization, _MAX_QUOTED_LENGTH)}"
        )
    sasl.user, sasl.authorization = user, authorization
    sasl.replies.append((SASL_OUTCOME, (SASLCode.OK,)))
    _succeed(sasl, transport)


def _succeed(sasl: SASLState, transport: TransportState) -> None:
    sasl.outcome = SASLCode.OK
    transport.authenticated = True
    layer = getattr(sasl.exchange, "layer", None)
    if layer is not None:
        # The layer takes effect behind the outcome (5.3.2, RFC 4422 3.7). Frames that are written after `install` go
        # through it, so those that wait are written before.
        write_replies(transport, sasl)
        io_layers.install(transport, layer)
    transport.sasl_succeeded()


def _fail_exchange(sasl: SASLState, transport: TransportState, reason: str, code: int) -> None:
    """The exchange cannot end well: a server says so in the outcome, a client ends the connection (5.3.3.6)."""
    # Without a mechanism the server has judged nothing: PERM, as if it had offered nothing that can be used.
    sasl.outcome = code if transport.is_server or sasl.mech is not None else SASLCode.PERM
    if not transport.is_server:
        _note_failure(sasl, f"Authentication failed [mech={sasl.mech or 'none'}]", reason)
    else:
        sasl.replies.append((SASL_OUTCOME, (code,)))
        description = f"Failed to authenticate client [mech={printable(sasl.mech or 'none', _MAX_QUOTED_LENGTH)}]"
        # The peer sees the code alone (5.3.3.5). The reason, which may tell guesses apart, stays at this end.
        if not sasl.is_allowed(sasl.mech or ""):
            reason = "Client mechanism not in mechanism inclusion list."
        _note_failure(sasl, description, reason, keep_replies=True)


def _note_failure(sasl: SASLState, description: str, reason: str = "", keep_replies: bool = False) -> None:
    """Note the failure; without `keep_replies` nothing goes out any more but a header, as with the C binding."""
    sasl.failure = f"{reason} ({description})" if reason else description
    if not keep_replies:
        sasl.replies.clear()


_STEPS: dict[tuple[bool, int], tuple[Composite, Callable[[SASLState, Any, list[Any]], None]]] = {
    (False, SASL_MECHANISMS.code): (SASL_MECHANISMS, _on_mechanisms),
    (False, SASL_CHALLENGE.code): (SASL_CHALLENGE, _on_challenge),
    (False, SASL_OUTCOME.code): (SASL_OUTCOME, _on_outcome),
    (True, SASL_INIT.code): (SASL_INIT, _on_init),
    (True, SASL_RESPONSE.code): (SASL_RESPONSE, _on_response),
}


def start_server(transport: TransportState) -> None:
    """The client has sent the SASL header: answer with ours and with what we offer (5.3.2)."""
    sasl = transport.ensure_sasl()
    sasl.header_due = True
    # Credentials of the program come before what the system's library was set up for.
    if sasl.credentials is None and cyrus.is_configured():
        try:
            sasl.library_exchange = cyrus.begin_server(sasl, transport)
            sasl.offered = [name for name in sasl.library_exchange.mechanisms() if sasl.is_allowed(name)]
        except AuthenticationFailed as refused:
            _note_failure(sasl, refused.reason)
    else:
        sasl.offered = server_mechanisms(sasl, transport)
    sasl.replies.append((SASL_MECHANISMS, (tuple(sasl.offered),)))


def on_frame(transport: TransportState, code: int, fields: list[Any]) -> None:
    """One received SASL frame.

    :raises ProtocolViolation: it is not the turn of this frame, or a field is wrong.
    """
    sasl = transport.ensure_sasl()
    step = _STEPS.get((transport.is_server, code))  # the TCP client is the SASL client (5.3.2): roles do not change
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
    # A mechanism of the program may raise anything else: `failure.contain` then ends this connection alone.
    except AuthenticationFailed as refused:
        # A hook of the program has failed: AUTH would blame the credentials for it (5.3.3.6).
        code = SASLCode.SYS if isinstance(refused, TemporaryAuthFailure) else SASLCode.AUTH
        _fail_exchange(sasl, transport, refused.reason, code)
    transport.emit(Event.TRANSPORT)


def fail(transport: TransportState) -> None:
    """The end of the transport, for the failure that was noted."""
    # Silent: a close frame is of AMQP, whose header has not been exchanged (5.3.2).
    transport.fail(UNAUTHORIZED_ACCESS, transport.ensure_sasl().failure or "", silent=True)


#: Frames that are the same for every client of a listener, and have nothing secret: they are encoded once.
_ALIKE = (SASL_MECHANISMS, SASL_OUTCOME)
_encode_again = functools.lru_cache(maxsize=32)(encode_composite)


def write_replies(transport: TransportState, sasl: SASLState) -> None:
    """Writes the header and the frames that are due."""
    if sasl.header_due:
        sasl.header_due = False
        transport.write_header(SASL_HEADER, "SASL")
    replies, sasl.replies = sasl.replies, []
    if replies:
        transport.emit(Event.TRANSPORT)
    for composite, fields in replies:
        encode = _encode_again if composite in _ALIKE else encode_composite
        body = encode(composite, fields)
        # A data offset of 2 words, type 1; a SASL frame has no channel (5.3.1).
        transport.out.append(FRAME_HEADER.pack(len(body) + 8, 2, 1, 0) + body)
        transport.out_size += len(body) + 8
        transport.frames_output += 1
        if transport.tracing:
            transport.trace_frame(0, "->", mask(composite, fields, body), "SASL")


def mask_unknown(code: int) -> bytes:
    """A frame that should not have come, as it may be shown: what it is, nothing of what is in it."""
    # A described empty list: the descriptor as ulong (1.6.6), 0x44 if it is not one of 64 bits, then list0 (1.6.22).
    return b"\0\x80" + code.to_bytes(8, "big") + b"\x45" if 0 <= code < 1 << 64 else b"\0\x44\x45"


def mask(composite: Composite, fields: tuple[Any, ...], body: bytes) -> bytes:
    """The frame as it may be shown: what a client answers may hold a password."""
    # A mechanism's name and whether there is an initial response may be seen: logins fail for either.
    if composite is SASL_INIT:
        return encode_composite(SASL_INIT, (fields[0], None if fields[1:2] == (None,) else b"***"))
    if composite is SASL_RESPONSE:
        return encode_composite(SASL_RESPONSE, (b"***",))
    return body
