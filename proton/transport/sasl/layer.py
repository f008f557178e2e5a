"""`SASL`: the authentication layer, both roles, as a table (role, frame) -> step (5.3).

A step takes the SASL object and the decoded fields; what it has to answer goes onto `_replies`, which the transport
writes when it is asked for output. What a mechanism says is its exchange's business (`transport/sasl/mechanisms.py`),
whether it may be used is decided here. Passwords are kept until an exchange has begun, and shown nowhere: not in
errors, not in traces (the initial response and every response are masked), not in a repr.

An exchange that fails is only noted (`_failure`): the transport ends when it is asked for output. A server's input
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
from proton.transport.sasl.credentials import Credentials
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure
from proton.transport.sasl.mechanisms import CLIENT_MECHANISMS, server_exchange, server_mechanisms

if TYPE_CHECKING:
    from proton.transport.sasl.credentials import Users
    from proton.transport.transport import Transport
    from proton.transport.transport_state import TransportState

__all__ = ["SASL"]

#: 5.3.2: the whole SASL frame; bounds what a peer can make us hold before it has authenticated
MAX_SASL_FRAME = 512 * 16

#: characters of a name that a peer gives: the rest of the text has to fit into a line beside it
_MAX_QUOTED = 256


class SASL:
    """The SASL layer of a transport (5.3). Got from `Transport.sasl`, before the first bytes move.

    :param transport: the transport to authenticate.
    """

    OK = 0
    AUTH = 1
    SYS = 2
    PERM = 3
    TEMP = 4

    def __new__(cls, transport: Transport) -> SASL:
        # One layer a transport, however often it is asked for.
        existing = transport._state.sasl
        return existing if existing is not None else object.__new__(cls)

    def __init__(self, transport: Transport) -> None:
        state = transport._state
        if state.sasl is self:
            return
        state.sasl = self
        self._installed: bool = state.install_sasl()
        #: OK, AUTH, SYS, PERM or TEMP once the exchange is over, None before (5.3.3.6)
        self.outcome: int | None = None
        #: the mechanism that was chosen, None before
        self.mech: str | None = None
        #: True lets PLAIN be used over an unencrypted transport
        self.allow_insecure_mechs = False
        #: the identity that is acted as
        self._authorization: str | None = None
        self._user: str | None = None
        self._password: str | None = None
        self._token: str | Callable[[], str] | None = None
        self._credentials: Credentials | None = None
        self._allowed: list[str] | None = None
        self._offered: list[str] = []  # by a server
        self._exchange: Any = None  # of the mechanism that was chosen
        self._library: Any = None  # on a server: the exchange of the system's library, where that offers
        self._replies: list[tuple[Composite, tuple[Any, ...]]] = []
        # Our protocol header is to be written before the next frame. A client begins with it, whatever came before.
        self._header_due = self._installed and not state.is_server
        #: why the exchange has failed, the description of the condition to come; None while it has not
        self._failure: str | None = None

    def __repr__(self) -> str:
        return f"<SASL mech={self.mech} outcome={self.outcome}>"

    @staticmethod
    def extended() -> bool:
        """True when the system's Cyrus SASL library is there, which brings more mechanisms and security layers."""
        return cyrus.available()

    @property
    def user(self) -> str | None:
        """A client's user name; on a server the authenticated user, None before that."""
        return self._user

    @property
    def authorization(self) -> str | None:
        """The identity that the client asks to act as, or the user."""
        return self._authorization

    def allowed_mechs(self, mechs: str | list[str] | tuple[str, ...] | None) -> None:
        """Restrict the mechanisms that may be used.

        :param mechs: names in a list, or in a str with spaces between; None for no restriction, "" for none at all.
        :raises TypeError: anything else.
        """
        if mechs is None:
            self._allowed = None
            return
        if isinstance(mechs, (list, tuple)) and all(isinstance(mech, str) for mech in mechs):
            mechs = " ".join(mechs)
        if not isinstance(mechs, str):
            raise TypeError(f"Unrecognized string type: {mechs!r} ({type(mechs)})")
        self._allowed = mechs.upper().split()

    def done(self, outcome: int) -> None:
        """Set the outcome.

        :param outcome: OK, AUTH, SYS, PERM or TEMP.
        """
        self.outcome = outcome

    def config_name(self, name: str | None) -> None:
        """Name the configuration file of the SASL library; without that library nothing happens.

        :param name: the name, without the suffix `.conf`.
        :raises TypeError: not str or None.
        """
        _check_text(name)
        cyrus.set_config_name(name)

    def config_path(self, path: str | None) -> None:
        """Name the folder of the SASL library's configuration; without that library nothing happens.

        :param path: the folder.
        :raises TypeError: not str or None.
        """
        _check_text(path)
        cyrus.set_config_path(path)

    @property
    def token(self) -> None:
        """A client's token for OAUTHBEARER and XOAUTH2: a str, or a callable that returns one. Reads as None.

        A callable is called when its token is about to be sent, once for each connection that is made.
        """
        return None

    @token.setter
    def token(self, token: str | Callable[[], str] | None) -> None:
        if not (token is None or isinstance(token, str) or callable(token)):
            raise TypeError(f"expected a token as a str, a callable or None, got {type(token).__name__}")
        self._token = token

    @property
    def credentials(self) -> Credentials | None:
        """The users that a server lets in, None for all. Set to what `Credentials` takes, clients have to log in.

        :raises TypeError: nothing that `Credentials` takes.
        """
        return self._credentials

    @credentials.setter
    def credentials(self, users: Users | Credentials | None) -> None:
        self._credentials = Credentials.of(users)

    def _is_allowed(self, mech: str) -> bool:
        return self._allowed is None or mech in self._allowed


def _check_text(text: str | None) -> None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"Unrecognized string type: {text!r} ({type(text)})")


# -- steps of a client -----------------------------------------------------------------------------------------------


def _client_chooses(sasl: SASL, transport: TransportState, fields: list[Any]) -> None:
    if sasl.mech is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects an outcome, got sasl-mechanisms again")
    offered = [str(mech) for mech in fields[0]]
    allowed = [mech for mech in offered if sasl._is_allowed(mech)]
    for mech, begin in CLIENT_MECHANISMS.items():
        # What only the system's library has comes before what any reader understands.
        exchange = cyrus.begin_client(sasl, transport, allowed) if mech == "PLAIN" else None
        if exchange is None and mech in allowed:
            sasl.mech = mech
            exchange = begin(sasl, transport)
        if exchange is not None:
            sasl.mech = exchange.name
            sasl._exchange = exchange
            sasl._password = sasl._token = None
            sasl._replies.append((SASL_INIT, (exchange.name, exchange.initial)))
            return
    sasl.mech = None
    sasl.outcome = SASL.PERM
    description = (
        f"Authentication failed [mech=none] (the peer offers: {printable(' '.join(offered), _MAX_QUOTED) or 'nothing'}"
        f"{_missing(sasl, transport, offered)})"
    )
    # Only where the program has named such a mechanism: other texts do not depend on what is on the machine.
    if sasl._allowed is not None and cyrus.available() and any(map(cyrus.only_here, allowed)):
        description = f"{cyrus.NO_MECHANISM} ({description})"
    _give_up(sasl, description)


def _missing(sasl: SASL, transport: TransportState, offered: list[str]) -> str:
    """What this client lacks for the mechanisms that the server offers, for the error text."""
    lacks = []
    if sasl._allowed is not None:
        known = [name for name in sasl._allowed if name in CLIENT_MECHANISMS or cyrus.available()]
        unknown = [name for name in sasl._allowed if name not in known]
        names = [*known, *(f"{name} (not known here)" for name in unknown)]
        lacks.append(f"this client allows: {printable(' '.join(names), _MAX_QUOTED) or 'nothing'}")
    usable = [name for name in offered if sasl._is_allowed(name)]
    if any(name == "PLAIN" or name.startswith("SCRAM-") for name in usable):
        lacks += [f"no {what} was given" for what, value in _login(sasl) if not value]
    if any(name in ("XOAUTH2", "OAUTHBEARER") for name in usable) and sasl._token is None:
        lacks.append("no token was given")
    if "PLAIN" in usable and not (transport.encrypted or sasl.allow_insecure_mechs):
        lacks.append("PLAIN needs TLS or allow_insecure_mechs")
    return "".join(f"; {text}" for text in lacks)


def _login(sasl: SASL) -> list[tuple[str, bool]]:
    return [("user name", bool(sasl._user)), ("password", sasl._password is not None)]


def _client_is_challenged(sasl: SASL, transport: TransportState, fields: list[Any]) -> None:
    if sasl._exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got a challenge")
    sasl._replies.append((SASL_RESPONSE, (sasl._exchange.respond(fields[0]),)))


#: What is not the fault of the credentials (5.3.3.6); only the last may be another at the next attempt.
_OUTCOMES = {
    SASL.SYS: ": a system error of the server",
    SASL.PERM: ": a permanent system error of the server",
    SASL.TEMP: ": a temporary system error of the server",
}


def _client_hears_outcome(sasl: SASL, transport: TransportState, fields: list[Any]) -> None:
    exchange = sasl._exchange
    if exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got an outcome")
    if fields[0] == SASL.OK:
        exchange.finish(fields[1])
        _succeed(sasl, transport)
        return
    sasl.outcome = fields[0]
    description = f"Authentication failed [mech={sasl.mech}]{_OUTCOMES.get(fields[0], '')}"
    _give_up(sasl, description, exchange.reason() if hasattr(exchange, "reason") else "")


# -- steps of a server -----------------------------------------------------------------------------------------------


def _server_hears_init(sasl: SASL, transport: TransportState, fields: list[Any]) -> None:
    if sasl._exchange is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects a response, got sasl-init again")
    sasl.mech = str(fields[0])
    if sasl.mech not in sasl._offered:
        raise AuthenticationFailed("")
    sasl._exchange, sasl._library = sasl._library, None
    if sasl._exchange is not None:
        sasl._exchange.name = sasl.mech
    else:
        sasl._exchange = server_exchange(sasl, transport, sasl.mech)
    _server_goes_on(sasl, transport, fields[1])


def _server_hears_response(sasl: SASL, transport: TransportState, fields: list[Any]) -> None:
    if sasl._exchange is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-init first, got a response")
    _server_goes_on(sasl, transport, fields[0])


def _server_goes_on(sasl: SASL, transport: TransportState, response: bytes | None) -> None:
    exchange = sasl._exchange
    challenge = exchange.receive(response)
    if challenge is not None:
        sasl._replies.append((SASL_CHALLENGE, (challenge,)))
        return
    user, authorization = exchange.user, exchange.authorization or exchange.user
    if sasl._credentials is not None and not sasl._credentials.authorizes(user, authorization):
        raise AuthenticationFailed(
            f"user {printable(user, _MAX_QUOTED)} may not act as {printable(authorization, _MAX_QUOTED)}"
        )
    sasl._user, sasl._authorization = user, authorization
    sasl._replies.append((SASL_OUTCOME, (SASL.OK,)))
    _succeed(sasl, transport)


def _succeed(sasl: SASL, transport: TransportState) -> None:
    sasl.outcome = SASL.OK
    transport.authenticated = True
    layer = getattr(sasl._exchange, "layer", None)
    if layer is not None:
        # The outcome still goes out as it is (5.3.2).
        write_replies(transport, sasl, SASL_HEADER)
        io_layers.install(transport, layer)
    transport.sasl_succeeded()


def _refuse(sasl: SASL, transport: TransportState, reason: str, code: int) -> None:
    """The exchange cannot end well: a server says so in the outcome, a client ends the connection (5.3.3.6)."""
    # A client that could not even choose says so, whatever the reason.
    sasl.outcome = code if transport.is_server or sasl.mech is not None else SASL.PERM
    if not transport.is_server:
        _give_up(sasl, f"Authentication failed [mech={sasl.mech or 'none'}]", reason)
    else:
        sasl._replies.append((SASL_OUTCOME, (code,)))
        description = f"Failed to authenticate client [mech={printable(sasl.mech or 'none', _MAX_QUOTED)}]"
        if not sasl._is_allowed(sasl.mech or ""):
            reason = "Client mechanism not in mechanism inclusion list."
        _give_up(sasl, description, reason, answers=True)


def _give_up(sasl: SASL, description: str, reason: str = "", answers: bool = False) -> None:
    """Note the failure; without `answers` nothing goes out any more but a client's header, as with the C binding."""
    sasl._failure = f"{reason} ({description})" if reason else description
    if not answers:
        sasl._replies.clear()


_STEPS: dict[tuple[bool, int], tuple[Composite, Callable[[SASL, Any, list[Any]], None]]] = {
    (False, SASL_MECHANISMS.code): (SASL_MECHANISMS, _client_chooses),
    (False, SASL_CHALLENGE.code): (SASL_CHALLENGE, _client_is_challenged),
    (False, SASL_OUTCOME.code): (SASL_OUTCOME, _client_hears_outcome),
    (True, SASL_INIT.code): (SASL_INIT, _server_hears_init),
    (True, SASL_RESPONSE.code): (SASL_RESPONSE, _server_hears_response),
}


def server_begins(transport: TransportState) -> None:
    """The client has sent the SASL header: answer with ours and with what we offer."""
    sasl = transport.ensure_sasl()
    sasl._header_due = True
    # What the program checks itself comes before what the system's library was set up for.
    if sasl._credentials is None and cyrus.is_configured():
        try:
            sasl._library = cyrus.begin_server(sasl, transport)
            sasl._offered = [name for name in sasl._library.mechanisms() if sasl._is_allowed(name)]
        except AuthenticationFailed as refused:
            _give_up(sasl, refused.reason)
    else:
        sasl._offered = server_mechanisms(sasl, transport)
    sasl._replies.append((SASL_MECHANISMS, (sasl._offered,)))


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
        _refuse(sasl, transport, refused.reason, SASL.SYS if isinstance(refused, TemporaryAuthFailure) else SASL.AUTH)
    transport.emit(Event.TRANSPORT)


def fail(transport: TransportState) -> None:
    """The end of the transport, for the failure that was noted."""
    transport.fail(UNAUTHORIZED_ACCESS, transport.ensure_sasl()._failure or "", silent=True)


def write_replies(transport: TransportState, sasl: SASL, header: bytes) -> None:
    """Writes the header and the frames that are due."""
    if sasl._header_due:
        sasl._header_due = False
        transport.out.append(header)
        transport.out_size += len(header)
        if transport.tracing:
            transport.trace_header("->", "SASL")
    replies, sasl._replies = sasl._replies, []
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
