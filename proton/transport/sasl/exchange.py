"""What a SASL exchange is, whatever the mechanism: its protocols, its failure, and clients that say everything at once.

An exchange that cannot go on raises `AuthenticationFailed` with a reason that shows no secret. Both sides may have
`layer` besides: an I/O layer for the bytes that follow the outcome; a client may have `reason()`, what the server has
said of a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from proton.transport.sasl.credentials import Credentials

__all__ = [
    "AuthenticationFailed",
    "ClientExchange",
    "LoginContext",
    "ServerExchange",
    "SingleResponseMechanism",
    "TemporaryAuthFailure",
]


class LoginContext:
    """What a mechanism may know when an exchange begins; it cannot be changed. No secret is in its repr.

    Written by hand: the module `dataclasses` takes 5 ms of the start of each program, of 50.

    :param user: a client's: the user to log in as.
    :param password: a client's: its password.
    :param authorization: a client's: the identity to act as.
    :param hostname: a client's: the host that the connection is for.
    :param encrypted: True if TLS is in use: without it, the exchange can be read on the way.
    :param credentials: a server's: the users that it lets in; None if it has no list.
    """

    __slots__ = ("authorization", "credentials", "encrypted", "hostname", "password", "user")

    user: str | None
    password: str | None
    authorization: str | None
    hostname: str | None
    encrypted: bool
    credentials: Credentials | None

    def __init__(
        self,
        user: str | None = None,
        password: str | None = None,
        authorization: str | None = None,
        hostname: str | None = None,
        encrypted: bool = False,
        credentials: Credentials | None = None,
    ) -> None:
        values = (authorization, credentials, encrypted, hostname, password, user)
        for name, value in zip(self.__slots__, values):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"expected no change of a LoginContext, got another {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"expected no change of a LoginContext, got a removal of {name}")

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name != "password")
        return f"LoginContext({', '.join(shown)})"


class ClientExchange(Protocol):
    """The client's side of one login."""

    @property
    def initial(self) -> bytes | None:
        """The initial response; None for none."""

    def respond(self, challenge: bytes) -> bytes:
        """The response to a challenge.

        :raises AuthenticationFailed: the exchange cannot go on.
        """

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK.

        :param additional: the additional data of the outcome.
        :raises AuthenticationFailed: the server has not proved what the mechanism asks for.
        """


class ServerExchange(Protocol):
    """The server's side of one login."""

    @property
    def user(self) -> str | None:
        """The user, once `receive` has returned None."""

    @property
    def authorization(self) -> str | None:
        """The identity to act as; None for the user's own."""

    def receive(self, response: bytes | None) -> bytes | None:
        """Take the initial response, None for none, or the response to a challenge.

        :return: the next challenge; None to let the client in.
        :raises AuthenticationFailed: the client is refused.
        """


class AuthenticationFailed(Exception):
    """An exchange that cannot end well.

    :param reason: why; it is shown, so no secret is in it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryAuthFailure(AuthenticationFailed):
    """It cannot be said now whether the client may be let in."""


class SingleResponseMechanism:
    """A mechanism whose client says all it has to say in its initial response (EXTERNAL, PLAIN, ANONYMOUS)."""

    def __init__(self, name: str, initial: bytes) -> None:
        self.name = name
        self.initial: bytes | None = initial

    def respond(self, challenge: bytes) -> bytes:
        """Never: there is nothing to ask for.

        :raises AuthenticationFailed: always.
        """
        raise AuthenticationFailed(f"mechanism {self.name} expects an outcome, got a challenge")

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK."""
