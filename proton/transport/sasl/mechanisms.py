"""The SASL mechanisms that need no library: clients by a table, the preferred first; servers by `server_exchange`.

A client's entry takes the `SASLState` and the transport and gives an exchange, or None where it cannot serve (no
password, no encryption); a server's entry gives an exchange for a client that has asked for it. `exchange.py` says what
an exchange is. Secrets that would travel readable go out over encryption alone, unless the program permits otherwise.
Programs add theirs with `register_mechanism` (`proton.sasl`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable

from proton.lazy import json
from proton.transport.sasl.credentials import PlainServer
from proton.transport.sasl.exchange import (
    AuthenticationFailed,
    ClientExchange,
    LoginContext,
    ServerExchange,
    SingleResponseMechanism,
)
from proton.transport.sasl.scram import SCRAM_HASHES, ScramClient, ScramServer

if TYPE_CHECKING:
    from proton.transport.sasl.sasl_state import SASLState
    from proton.transport.transport_state import TransportState

__all__ = ["CLIENT_MECHANISMS", "KERBEROS", "register_mechanism", "server_exchange", "server_mechanisms"]

#: used by a client only when its list of allowed mechanisms names them: the machine may have tickets that are not meant
KERBEROS = ("GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "GS2-IAKERB")


def _may_send_secret(sasl: SASLState, transport: TransportState) -> bool:
    """Whether a secret may be sent as it is."""
    return transport.encrypted or sasl.allow_insecure_mechs


# -- clients ---------------------------------------------------------------------------------------------------------


def _external(sasl: SASLState, transport: TransportState) -> Any:
    # The identity to act as; empty for the one of the certificate (RFC 4422 A.1).
    return SingleResponseMechanism("EXTERNAL", (sasl.authorization or "").encode("utf-8"))


def _plain(sasl: SASLState, transport: TransportState) -> Any:
    if not _may_send_secret(sasl, transport) or not sasl.user or sasl.password is None:
        return None
    parts = (sasl.authorization or "", sasl.user, sasl.password)
    # NUL stands between the three (RFC 4616 2): one in a user name would move the border to the password.
    if any("\0" in part for part in parts):
        raise AuthenticationFailed("user name, password and authorization cannot have a NUL in PLAIN")
    return SingleResponseMechanism("PLAIN", "\0".join(parts).encode("utf-8"))


def _anonymous(sasl: SASLState, transport: TransportState) -> Any:
    # A client that requires authentication does not do without.
    if transport.require_auth:
        return None
    # Trace information, for the log of the server (RFC 4505 2).
    return SingleResponseMechanism("ANONYMOUS", (sasl.user or "anonymous").encode("utf-8"))


def _scram(name: str) -> Callable[[SASLState, TransportState], Any]:
    def begin(sasl: SASLState, transport: TransportState) -> Any:
        if not sasl.user or sasl.password is None:
            return None
        return ScramClient(name, sasl.user, sasl.password, sasl.authorization)

    return begin


class _BearerClient:
    """XOAUTH2 and OAUTHBEARER (RFC 7628): the token goes out at once; a refusal is a challenge, which is answered."""

    def __init__(self, name: str, initial: bytes, error_response: bytes) -> None:
        self.name = name
        self.initial: bytes | None = initial
        self._error_response = error_response
        self._status = ""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to the refusal, after which the outcome comes.

        :raises AuthenticationFailed: a second challenge.
        """
        if self._status:
            raise AuthenticationFailed(f"expected the outcome, got another challenge ({self._status})")
        try:
            status = json.loads(challenge).get("status")
        except (ValueError, AttributeError, RecursionError):
            status = None
        # The peer's text: short, and in ASCII, since it goes into a line of the log.
        self._status = f"the server refuses the token, status {ascii(str(status)[:40])[1:-1]}"
        # A refusal has to be answered: with 0x01 for OAUTHBEARER (RFC 7628 3.2.3), with nothing for XOAUTH2.
        return self._error_response

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK.

        :raises AuthenticationFailed: after a refusal.
        """
        # OK behind a refusal: as which user the client would act is not known.
        if self._status:
            raise AuthenticationFailed(self._status)

    def reason(self) -> str:
        """What the server has said of the token, for the error text."""
        return self._status


def _bearer_token(sasl: SASLState, transport: TransportState) -> str | None:
    token = sasl.token
    if token is None or not _may_send_secret(sasl, transport):
        return None
    if callable(token):
        try:
            token = token()
        except Exception as error:  # the program's own; its text may show anything
            raise AuthenticationFailed(f"the callable that gives the token has raised {type(error).__name__}") from None
    # 0x01 parts the fields of the response (RFC 7628 3.1): a token with one in it would add fields of its own.
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise AuthenticationFailed(f"expected a token as a str of printable ASCII, got {type(token).__name__}")
    return token


def _oauthbearer(sasl: SASLState, transport: TransportState) -> Any:
    token = _bearer_token(sasl, transport)
    if token is None:
        return None
    # "," ends the identity in the header (RFC 5801 4), and 0x01 ends each pair behind it (RFC 7628 3.1).
    identity = (sasl.authorization or sasl.user or "").replace("=", "=3D").replace(",", "=2C")
    header = f"n,{'a=' + identity if identity else ''},"
    connection = transport.connection
    host = connection.hostname if connection is not None else None
    pairs = ([f"host={host}"] if host else []) + [f"auth=Bearer {token}"]
    return _BearerClient("OAUTHBEARER", "\1".join([header, *pairs, "", ""]).encode("utf-8"), b"\1")


def _xoauth2(sasl: SASLState, transport: TransportState) -> Any:
    if not sasl.user:
        return None
    token = _bearer_token(sasl, transport)
    if token is None:
        return None
    return _BearerClient("XOAUTH2", f"user={sasl.user}\1auth=Bearer {token}\1\1".encode(), b"")


#: In the order of preference: a certificate that TLS has verified already, tokens, SCRAM, which keeps the password and
#: makes the server prove itself, then what shows the password or proves nothing.
CLIENT_MECHANISMS: dict[str, Callable[[SASLState, TransportState], Any]] = {
    "EXTERNAL": _external,
    "OAUTHBEARER": _oauthbearer,
    "XOAUTH2": _xoauth2,
    **{name: _scram(name) for name in SCRAM_HASHES},
    "PLAIN": _plain,
    "ANONYMOUS": _anonymous,
}


# -- mechanisms of programs ------------------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Z0-9_-]{1,20}")  # RFC 4422 3.1
_BUILT_IN = frozenset(CLIENT_MECHANISMS)
_registered_servers: dict[str, Callable[[LoginContext], ServerExchange]] = {}


class _RegisteredClient:
    """A client's exchange of a program, with the name of its mechanism."""

    def __init__(self, name: str, exchange: ClientExchange) -> None:
        self.name = name
        self.initial = exchange.initial
        # These names and no others: a program's exchange may have a `layer` or `reason` that means something else.
        self.respond = exchange.respond
        self.finish = exchange.finish


def _context(sasl: SASLState, transport: TransportState) -> LoginContext:
    host = transport.connection.hostname if transport.connection is not None else None
    return LoginContext(sasl.user, sasl.password, sasl.authorization, host, transport.encrypted, sasl.credentials)


def register_mechanism(
    name: str,
    client: Callable[[LoginContext], ClientExchange | None] | None = None,
    server: Callable[[LoginContext], ServerExchange] | None = None,
) -> None:
    """Add a SASL mechanism for all connections of the process that are made afterwards.

    A client prefers it to all others, if the server offers it. A server offers it where `allowed_mechs` names it, so
    that no listener lets in more clients than before.

    :param name: its name, 1 to 20 capital letters, digits, hyphens and underscores (RFC 4422 3.1).
    :param client: begins a login; returns None if it cannot serve, for want of a password for instance.
    :param server: begins the server's side of a login.
    :raises ValueError: the name is invalid or that of a built-in mechanism, or neither side is given. A name that was
        registered before gets the new sides.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of 1 to 20 of A-Z, 0-9, - and _, got {name!r}")
    if name in _BUILT_IN:
        raise ValueError(f"expected the name of a new mechanism, got {name}, which is built in")
    if client is None and server is None:
        raise ValueError(f"expected the client's or the server's side of {name}, got neither")
    if server is not None:
        _registered_servers[name] = server
    if client is not None:
        begin = client

        def begin_client(sasl: SASLState, transport: TransportState) -> Any:
            exchange = begin(_context(sasl, transport))
            return _RegisteredClient(name, exchange) if exchange is not None else None

        # In place, since other modules have imported this very table. Each login iterates it, so a registration belongs
        # to the start of a program.
        others = {known: entry for known, entry in CLIENT_MECHANISMS.items() if known != name}
        CLIENT_MECHANISMS.clear()
        CLIENT_MECHANISMS.update({name: begin_client, **others})


# -- servers ---------------------------------------------------------------------------------------------------------


class _NoChallengeServer:
    """A mechanism in which nothing is asked: the client is known by other means, or does not matter."""

    def __init__(self, name: str, user: str, reads_identity: bool) -> None:
        self.name = name
        self.user: str | None = user
        self.authorization: str | None = None
        self._reads_identity = reads_identity

    def receive(self, response: bytes | None) -> bytes | None:
        """None: the client is let in.

        :raises AuthenticationFailed: the identity to act as is not text.
        """
        # ANONYMOUS has trace information there, which proves nothing (RFC 4505 2).
        if response and self._reads_identity:
            try:
                self.authorization = response.decode("utf-8")
            except UnicodeDecodeError:
                raise AuthenticationFailed("malformed EXTERNAL response: expected UTF-8") from None
        return None


def server_mechanisms(sasl: SASLState, transport: TransportState) -> list[str]:
    """What a server offers: what its credentials can check; EXTERNAL with a certificate, and ANONYMOUS, without any."""
    credentials = sasl.credentials
    # A program that has named its users lets no other user in, unless it says so.
    without_user = [name for name in ("EXTERNAL", "ANONYMOUS") if credentials is None or name in (sasl.allowed or ())]
    names = [name for name in _registered_servers if name in (sasl.allowed or ())]
    names += ["EXTERNAL"] if "EXTERNAL" in without_user and transport.peer_subject() else []
    # Without encryption the policy would refuse the client after the login (`require_encryption`): by then its password
    # would have gone out readable. So PLAIN is not offered.
    may_be_read = transport.encrypted or (sasl.allow_insecure_mechs and not transport.require_encryption)
    if credentials is not None:
        names += [name for name in credentials.mechanisms() if name != "PLAIN" or may_be_read]
    if "ANONYMOUS" in without_user:
        names.append("ANONYMOUS")
    return [name for name in names if sasl.is_allowed(name)]


def server_exchange(sasl: SASLState, transport: TransportState, mech: str) -> Any:
    """The exchange for a mechanism that was offered."""
    if mech in _registered_servers:
        return _registered_servers[mech](_context(sasl, transport))
    if mech == "EXTERNAL":
        return _NoChallengeServer(mech, transport.peer_subject() or "", True)
    if mech == "ANONYMOUS":
        return _NoChallengeServer(mech, "anonymous", False)
    if mech == "PLAIN":
        return PlainServer(sasl.credentials)  # type: ignore[arg-type]
    return ScramServer(mech, sasl.credentials)
