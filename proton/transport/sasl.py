"""`SASL`: the authentication layer, both roles, as a table (role, frame) -> step (5.3).

A step takes the SASL object and the decoded fields; what it has to answer goes onto `_replies`, which the transport
writes when it is asked for output. Passwords are read here, used once, and shown nowhere: not in errors, not
in traces (the initial response and every response are masked), not in a repr.
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
from proton.exceptions import DataException, ProtocolViolation
from proton.transport.frames import FRAME_HEADER

if TYPE_CHECKING:
    from proton.transport.transport import Transport

__all__ = ["SASL"]

#: 5.3.2: the whole SASL frame; bounds what a peer can make us hold before it has authenticated
MAX_SASL_FRAME = 512 * 16


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
        existing = transport._sasl
        return existing if existing is not None else object.__new__(cls)

    def __init__(self, transport: Transport) -> None:
        if transport._sasl is self:
            return
        transport._sasl = self
        transport._install_sasl()
        self._is_server = transport._is_server
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
        self._allowed: list[str] | None = None
        self._replies: list[tuple[Composite, tuple[Any, ...]]] = []
        self._header_due = False  # our protocol header is to be written before the next frame

    def __repr__(self) -> str:
        return f"<SASL mech={self.mech} outcome={self.outcome}>"

    @staticmethod
    def extended() -> bool:
        """True when mechanisms beyond ANONYMOUS, EXTERNAL and a client's PLAIN are there."""
        return False

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

    def config_path(self, path: str | None) -> None:
        """Name the folder of the SASL library's configuration; without that library nothing happens.

        :param path: the folder.
        :raises TypeError: not str or None.
        """
        _check_text(path)

    def _is_allowed(self, mech: str) -> bool:
        return self._allowed is None or mech in self._allowed


def _check_text(text: str | None) -> None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"Unrecognized string type: {text!r} ({type(text)})")


# -- the client's mechanisms, the preferred first: each gives its initial response, or None where it cannot serve --


def _external(sasl: SASL, transport: Transport) -> bytes | None:
    return (sasl._authorization or "").encode("utf-8")


def _plain(sasl: SASL, transport: Transport) -> bytes | None:
    if not (transport.encrypted or sasl.allow_insecure_mechs) or not sasl._user or sasl._password is None:
        return None
    parts = (sasl._authorization or "", sasl._user, sasl._password)
    sasl._password = None
    return "\0".join(parts).encode("utf-8")


def _anonymous(sasl: SASL, transport: Transport) -> bytes | None:
    return (sasl._user or "anonymous").encode("utf-8")


CLIENT_MECHANISMS: dict[str, Callable[[SASL, Any], bytes | None]] = {
    "EXTERNAL": _external,
    "PLAIN": _plain,
    "ANONYMOUS": _anonymous,
}


# -- steps ---------------------------------------------------------------------------------------------------------


def _client_chooses(sasl: SASL, transport: Transport, fields: list[Any]) -> None:
    if sasl.mech is not None:
        raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects an outcome, got sasl-mechanisms again")
    offered = [str(mech) for mech in fields[0]]
    for mech, respond in CLIENT_MECHANISMS.items():
        if mech in offered and sasl._is_allowed(mech):
            response = respond(sasl, transport)
            if response is not None:
                sasl.mech = mech
                sasl._replies.append((SASL_INIT, (mech, response)))
                return
    sasl.outcome = SASL.PERM
    transport._fail(
        UNAUTHORIZED_ACCESS,
        f"Authentication failed [mech=none] (the peer offers: {' '.join(offered) or 'nothing'})",
        silent=True,
    )


def _client_is_challenged(sasl: SASL, transport: Transport, fields: list[Any]) -> None:
    raise ProtocolViolation(FRAMING_ERROR, f"mechanism {sasl.mech} expects an outcome, got a challenge")


def _client_hears_outcome(sasl: SASL, transport: Transport, fields: list[Any]) -> None:
    if sasl.mech is None:
        raise ProtocolViolation(FRAMING_ERROR, "expected sasl-mechanisms first, got an outcome")
    sasl.outcome = fields[0]
    if sasl.outcome != SASL.OK:
        transport._fail(UNAUTHORIZED_ACCESS, f"Authentication failed [mech={sasl.mech}]", silent=True)
        return
    transport.authenticated = True
    transport._sasl_succeeded()


def _server_hears_init(sasl: SASL, transport: Transport, fields: list[Any]) -> None:
    mech, response = str(fields[0]), fields[1] or b""
    sasl.mech = mech
    if sasl._is_allowed(mech) and mech == "ANONYMOUS":
        sasl._user = sasl._authorization = "anonymous"
        sasl.outcome = SASL.OK
        sasl._replies.append((SASL_OUTCOME, (SASL.OK,)))
        transport.authenticated = True
        transport._sasl_succeeded()
        return
    del response  # may hold a password
    sasl.outcome = SASL.AUTH
    sasl._replies.append((SASL_OUTCOME, (SASL.AUTH,)))
    description = f"Failed to authenticate client [mech={mech}]"
    if not sasl._is_allowed(mech):
        description = f"Client mechanism not in mechanism inclusion list. ({description})"
    transport._fail(UNAUTHORIZED_ACCESS, description, silent=True)


_STEPS: dict[tuple[bool, int], tuple[Composite, Callable[[SASL, Any, list[Any]], None]]] = {
    (False, SASL_MECHANISMS.code): (SASL_MECHANISMS, _client_chooses),
    (False, SASL_CHALLENGE.code): (SASL_CHALLENGE, _client_is_challenged),
    (False, SASL_OUTCOME.code): (SASL_OUTCOME, _client_hears_outcome),
    (True, SASL_INIT.code): (SASL_INIT, _server_hears_init),
}


def server_begins(transport: Transport) -> None:
    """The client has sent the SASL header: answer with ours and with what we offer."""
    sasl = transport.sasl()
    sasl._header_due = True
    offered = [mech for mech in ("ANONYMOUS",) if sasl._is_allowed(mech)]
    sasl._replies.append((SASL_MECHANISMS, (offered,)))


def on_frame(transport: Transport, code: int, fields: list[Any]) -> None:
    """One received SASL frame.

    :raises ProtocolViolation: it is not the turn of this frame, or a field is wrong.
    """
    sasl = transport.sasl()
    step = _STEPS.get((transport._is_server, code))
    if step is None or (sasl.outcome is not None and sasl.mech is not None):
        role = "server" if transport._is_server else "client"
        raise ProtocolViolation(FRAMING_ERROR, f"a SASL {role} did not expect frame 0x{code:x} now")
    composite, act = step
    try:
        checked = check_fields(composite, fields)
    except DataException as error:
        raise ProtocolViolation(DECODE_ERROR, str(error)) from None
    act(sasl, transport, checked)


def write_replies(transport: Transport, sasl: SASL, header: bytes) -> None:
    """Writes the header and the frames that are due."""
    if sasl._header_due:
        sasl._header_due = False
        transport._out.append(header)
        transport._out_size += len(header)
        if transport._tracing:
            transport._trace_header("->", "SASL")
    replies, sasl._replies = sasl._replies, []
    for composite, fields in replies:
        body = encode_composite(composite, fields)
        transport._out.append(FRAME_HEADER.pack(len(body) + 8, 2, 1, 0) + body)
        transport._out_size += len(body) + 8
        transport.frames_output += 1
        if transport._tracing:
            transport._trace_frame(0, "->", mask(composite, fields, body), "SASL")


def mask(composite: Composite, fields: tuple[Any, ...], body: bytes) -> bytes:
    """The frame as it may be shown: what a client answers may hold a password."""
    if composite is SASL_INIT:
        return encode_composite(SASL_INIT, (fields[0], b"***"))
    if composite is SASL_RESPONSE:
        return encode_composite(SASL_RESPONSE, (b"***",))
    return body
