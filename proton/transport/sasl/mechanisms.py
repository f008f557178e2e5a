"""The SASL mechanisms that need no library, each side a table: name -> what begins an exchange, the preferred first.

A client's entry takes the `SASL` object and the transport and gives an exchange, or None where it cannot serve (no
password, no encryption); a server's entry gives an exchange for a client that has asked for it. `exchange.py` says what
an exchange is. Secrets that would travel readable go out over encryption alone, unless the program permits otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

from proton.transport.sasl.credentials import PlainServer
from proton.transport.sasl.exchange import OneResponse, Refused
from proton.transport.sasl.scram import SCRAM_HASHES, ScramClient, ScramServer

if TYPE_CHECKING:
    from proton.transport.sasl.layer import SASL
    from proton.transport.transport_state import TransportState

__all__ = ["CLIENT_MECHANISMS", "KERBEROS", "server_exchange", "server_mechanisms"]

#: used by a client only when its list of allowed mechanisms names them: the machine may have tickets that are not meant
KERBEROS = ("GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "GS2-IAKERB")


def _may_be_read(sasl: SASL, transport: TransportState) -> bool:
    """Whether a secret may be sent as it is."""
    return transport.encrypted or sasl.allow_insecure_mechs


# -- clients ---------------------------------------------------------------------------------------------------------


def _external(sasl: SASL, transport: TransportState) -> Any:
    return OneResponse("EXTERNAL", (sasl._authorization or "").encode("utf-8"))


def _plain(sasl: SASL, transport: TransportState) -> Any:
    if not _may_be_read(sasl, transport) or not sasl._user or sasl._password is None:
        return None
    parts = (sasl._authorization or "", sasl._user, sasl._password)
    if any("\0" in part for part in parts):
        raise Refused("user name, password and authorization cannot have a NUL in PLAIN")  # RFC 4616 2
    return OneResponse("PLAIN", "\0".join(parts).encode("utf-8"))


def _anonymous(sasl: SASL, transport: TransportState) -> Any:
    # A client that requires authentication does not do without.
    return None if transport.require_auth else OneResponse("ANONYMOUS", (sasl._user or "anonymous").encode("utf-8"))


def _scram(name: str) -> Callable[[SASL, TransportState], Any]:
    def begin(sasl: SASL, transport: TransportState) -> Any:
        if not sasl._user or sasl._password is None:
            return None
        return ScramClient(name, sasl._user, sasl._password, sasl._authorization)

    return begin


class _Bearer:
    """XOAUTH2 and OAUTHBEARER (RFC 7628): the token goes out at once; a refusal is a challenge, which is answered."""

    def __init__(self, name: str, initial: bytes, farewell: bytes) -> None:
        self.name = name
        self.initial: bytes | None = initial
        self._farewell = farewell
        self._status = ""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to the refusal, after which the outcome comes.

        :raises Refused: a second challenge.
        """
        if self._status:
            raise Refused(f"expected the outcome, got another challenge ({self._status})")
        try:
            status = json.loads(challenge).get("status")
        except (ValueError, AttributeError, RecursionError):
            status = None
        self._status = f"the server refuses the token, status {ascii(str(status)[:40])[1:-1]}"
        return self._farewell

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK.

        :raises Refused: after a refusal.
        """
        if self._status:
            raise Refused(self._status)

    def reason(self) -> str:
        """What the server has said of the token, for the error text."""
        return self._status


def _token(sasl: SASL, transport: TransportState) -> str | None:
    token = sasl._token
    if token is None or not _may_be_read(sasl, transport):
        return None
    if callable(token):
        try:
            token = token()
        except Exception as error:  # the program's own; its text may show anything
            raise Refused(f"the callable that gives the token has raised {type(error).__name__}") from None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Refused(f"expected a token as a str of printable ASCII, got {type(token).__name__}")
    return token


def _oauthbearer(sasl: SASL, transport: TransportState) -> Any:
    token = _token(sasl, transport)
    if token is None:
        return None
    identity = (sasl._authorization or sasl._user or "").replace("=", "=3D").replace(",", "=2C")
    header = f"n,{'a=' + identity if identity else ''},"
    connection = transport.connection
    host = connection.hostname if connection is not None else None
    pairs = ([f"host={host}"] if host else []) + [f"auth=Bearer {token}"]
    return _Bearer("OAUTHBEARER", "\1".join([header, *pairs, "", ""]).encode("utf-8"), b"\1")


def _xoauth2(sasl: SASL, transport: TransportState) -> Any:
    if not sasl._user:
        return None
    token = _token(sasl, transport)
    if token is None:
        return None
    return _Bearer("XOAUTH2", f"user={sasl._user}\1auth=Bearer {token}\1\1".encode(), b"")


CLIENT_MECHANISMS: dict[str, Callable[[SASL, TransportState], Any]] = {
    "EXTERNAL": _external,
    "OAUTHBEARER": _oauthbearer,
    "XOAUTH2": _xoauth2,
    **{name: _scram(name) for name in SCRAM_HASHES},
    "PLAIN": _plain,
    "ANONYMOUS": _anonymous,
}


# -- servers ---------------------------------------------------------------------------------------------------------


class _Accepted:
    """A mechanism in which nothing is asked: who the client is, is known or does not matter."""

    def __init__(self, name: str, user: str, takes_identity: bool) -> None:
        self.name = name
        self.user: str | None = user
        self.authorization: str | None = None
        self._takes_identity = takes_identity

    def receive(self, response: bytes | None) -> bytes | None:
        """None: the client is let in.

        :raises Refused: the identity to act as is no text.
        """
        if response and self._takes_identity:
            try:
                self.authorization = response.decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("malformed EXTERNAL response: expected UTF-8") from None
        return None


def server_mechanisms(sasl: SASL, transport: TransportState) -> list[str]:
    """What a server offers: what its credentials can check; EXTERNAL with a certificate, and ANONYMOUS, without any."""
    credentials = sasl._credentials
    # A program that has named its users lets nobody else in, unless it says so.
    without_user = [name for name in ("EXTERNAL", "ANONYMOUS") if credentials is None or name in (sasl._allowed or ())]
    names = ["EXTERNAL"] if "EXTERNAL" in without_user and transport.peer_subject() else []
    # Nothing that can be read along is asked for where it would be refused for that afterwards.
    may_be_read = transport.encrypted or (sasl.allow_insecure_mechs and not transport.require_encryption)
    if credentials is not None:
        names += [name for name in credentials.mechanisms() if name != "PLAIN" or may_be_read]
    if "ANONYMOUS" in without_user:
        names.append("ANONYMOUS")
    return [name for name in names if sasl._is_allowed(name)]


def server_exchange(sasl: SASL, transport: TransportState, mech: str) -> Any:
    """The exchange for a mechanism that was offered."""
    if mech == "EXTERNAL":
        return _Accepted(mech, transport.peer_subject() or "", True)
    if mech == "ANONYMOUS":
        return _Accepted(mech, "anonymous", False)
    if mech == "PLAIN":
        return PlainServer(sasl._credentials)  # type: ignore[arg-type]
    return ScramServer(mech, sasl._credentials)
