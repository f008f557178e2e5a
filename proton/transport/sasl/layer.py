"""`SASL`: the authentication of a transport as programs set it up and see it; all else is in `sasl_state.py` (5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from proton.transport.sasl import cyrus
from proton.transport.sasl.credentials import Credentials
from proton.transport.sasl.sasl_state import SASLCode
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.transport.sasl.credentials import Users
    from proton.transport.transport import Transport

__all__ = ["SASL"]


class SASL:
    """The SASL layer of a transport (5.3). Got from `Transport.sasl`, before the first bytes move.

    :param transport: the transport to authenticate.
    """

    OK: int = SASLCode.OK
    AUTH: int = SASLCode.AUTH
    SYS: int = SASLCode.SYS
    PERM: int = SASLCode.PERM
    TEMP: int = SASLCode.TEMP

    def __new__(cls, transport: Transport) -> SASL:
        # One object a transport, however often a program asks for it; `__init__` then runs again, and changes nothing.
        existing = state_of(transport).sasl_object
        return existing if existing is not None else object.__new__(cls)

    def __init__(self, transport: Transport) -> None:
        state = state_of(transport)
        self._state = state.ensure_sasl()
        state.sasl_object = self

    def __repr__(self) -> str:
        return f"<SASL mech={self.mech} outcome={self.outcome}>"

    @staticmethod
    def extended() -> bool:
        """True when the system's Cyrus SASL library is there, which brings more mechanisms and security layers."""
        return cyrus.available()

    @property
    def outcome(self) -> int | None:
        """OK, AUTH, SYS, PERM or TEMP once the exchange is over, None before (5.3.3.6)."""
        return self._state.outcome

    @outcome.setter
    def outcome(self, outcome: int | None) -> None:
        self._state.outcome = outcome

    @property
    def mech(self) -> str | None:
        """The mechanism that was chosen, None before."""
        return self._state.mech

    @mech.setter
    def mech(self, mech: str | None) -> None:
        self._state.mech = mech

    @property
    def allow_insecure_mechs(self) -> bool:
        """True lets PLAIN be used over an unencrypted transport."""
        return self._state.allow_insecure_mechs

    @allow_insecure_mechs.setter
    def allow_insecure_mechs(self, allowed: bool) -> None:
        self._state.allow_insecure_mechs = allowed

    @property
    def user(self) -> str | None:
        """A client's user name; on a server the authenticated user, None before that."""
        return self._state.user

    @property
    def authorization(self) -> str | None:
        """The identity that the client asks to act as, or the user."""
        return self._state.authorization

    def allowed_mechs(self, mechs: str | list[str] | tuple[str, ...] | None) -> None:
        """Restrict the mechanisms that may be used.

        :param mechs: names in a list, or in a str with spaces between; None for no restriction, "" for none at all.
        :raises TypeError: anything else.
        """
        if mechs is None:
            self._state.allowed = None
            return
        # Names are upper case on the wire (RFC 4422 3.1); programs may write them as they like.
        if isinstance(mechs, (list, tuple)) and all(isinstance(mech, str) for mech in mechs):
            mechs = " ".join(mechs)
        if not isinstance(mechs, str):
            raise TypeError(f"Unrecognized string type: {mechs!r} ({type(mechs)})")
        self._state.allowed = mechs.upper().split()

    def done(self, outcome: int) -> None:
        """Set the outcome.

        :param outcome: OK, AUTH, SYS, PERM or TEMP.
        """
        self._state.outcome = outcome

    def config_name(self, name: str | None) -> None:
        """Name the configuration file of the SASL library; without that library nothing happens.

        :param name: the name, without the suffix `.conf`.
        :raises TypeError: not str or None.
        """
        _check_text(name)  # also where the library is missing, so that a mistake shows on every machine
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
        return None  # never the secret: debuggers and logs read properties

    @token.setter
    def token(self, token: str | Callable[[], str] | None) -> None:
        # Its characters are checked when it is sent: a callable's are not known before.
        if not (token is None or isinstance(token, str) or callable(token)):
            raise TypeError(f"expected a token as a str, a callable or None, got {type(token).__name__}")
        self._state.token = token

    @property
    def credentials(self) -> Credentials | None:
        """The users that a server lets in, None for all. Set to what `Credentials` takes, clients have to log in.

        :raises TypeError: nothing that `Credentials` takes.
        """
        return self._state.credentials

    @credentials.setter
    def credentials(self, users: Users | Credentials | None) -> None:
        self._state.credentials = Credentials.coerce(users)


def _check_text(text: str | None) -> None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"Unrecognized string type: {text!r} ({type(text)})")
