"""`Credentials`: how a server checks logins, whatever form the program has given its users in.

One object stands between the mechanisms and the program's hook. A comparison takes the same time whether it fails at
the first byte or at the last, and an unknown user costs what a wrong password costs: the same hashes are made
of invented keys. A salt for a user is always the same, or asking twice would tell which users are known.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from proton.lazy import hashlib, hmac
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure
from proton.transport.sasl.saslprep import saslprep
from proton.transport.sasl.scram import DEFAULT_ITERATIONS, MAX_ITERATIONS, SCRAM_HASHES, ScramVerifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable, Protocol, Union

    Known = Union[str, ScramVerifier, Sequence[Union[str, ScramVerifier]], None]

    class UserLookup(Protocol):
        """What knows the passwords or verifiers of users."""

        def lookup(self, user: str) -> Known: ...

    class UserCheck(Protocol):
        """What judges passwords."""

        def check(self, user: str, password: str) -> bool: ...

    Users = Union[Mapping[str, Known], UserLookup, UserCheck, Callable[[str, str], bool]]

__all__ = ["Credentials", "PlainServer"]

#: Makes the salts of users that are unknown, or known by their password. It is new in each process: the salts of both
#: change alike with a restart, so that tells nothing either.
_SECRET = os.urandom(32)
#: what a password that comes with PLAIN is hashed for, where there is a choice
_PLAIN_HASH = "SCRAM-SHA-256"


class Credentials:
    """The users that a server lets in.

    :param users: one of

        * a mapping of user names to what is known of them: the password as a str; a `ScramVerifier` or its text;
          several verifiers in a list, for different mechanisms;
        * an object with ``lookup(user)``, which returns the same, or None for a user that does not exist;
        * an object with ``check(user, password)``, or any callable with these parameters, which returns True for a
          user to let in; only PLAIN can be offered then;
        * an object with both.

        An object may also have ``authorize(user, authorization)``, which says whether a user may act as another
        (without it none may); ``mechanisms``, the names of those that it has verifiers of for every user (of a
        mapping that is known); and ``iterations``, the number that most of its verifiers have (likewise).
    :raises TypeError: none of these, or a mapping that holds something else.
    :raises ValueError: a number of iterations that no client would take.
    """

    def __init__(self, users: Users) -> None:
        self._scram_names = list(SCRAM_HASHES)
        iterations = DEFAULT_ITERATIONS
        if isinstance(users, Mapping):
            # The mapping is read at each login, so users may come and go; what is offered is decided now.
            self._lookup: Any = users.get
            self._check: Any = None
            self._scram_names, iterations = _common_mechanisms(users)
        else:
            self._lookup = getattr(users, "lookup", None)
            self._check = getattr(users, "check", None)
            if self._lookup is None and self._check is None:
                if not callable(users):
                    found = type(users).__name__  # not itself: its text might show passwords
                    raise TypeError(f"expected a mapping, a callable, or an object with lookup or check, got {found}")
                self._check = users
        self._authorize: Any = getattr(users, "authorize", None)
        named = getattr(users, "mechanisms", None)
        if named is not None:
            self._scram_names = [name for name in SCRAM_HASHES if name in named]
        self._iterations = int(getattr(users, "iterations", iterations))
        if not 1 <= self._iterations <= MAX_ITERATIONS:
            raise ValueError(f"expected 1 to {MAX_ITERATIONS} iterations, got {self._iterations}")

    def __repr__(self) -> str:
        return f"<Credentials for {' '.join(self.mechanisms())}>"

    @classmethod
    def coerce(cls, users: Users | Credentials | None) -> Credentials | None:
        """The object for what a program has given; None for None.

        :param users: as for the constructor, or such an object.
        :raises TypeError: none of these.
        """
        return users if users is None or isinstance(users, cls) else cls(users)

    def mechanisms(self) -> list[str]:
        """The names of the mechanisms that can be offered, the strongest first."""
        return [*self._scram_names, "PLAIN"] if self._lookup is not None else ["PLAIN"]

    def _known_of(self, user: str) -> Any:
        """What the program knows of a user: a str, a list of verifiers, or None."""
        return _call_hook(self._read_entry, user)

    def _read_entry(self, user: str) -> Any:
        return _known_from(self._lookup(user))

    def _invent_verifier(self, user: str, mechanism: str, password: str | None) -> ScramVerifier:
        salt = hmac.digest(_SECRET, f"{mechanism} {user}".encode("utf-8", "surrogatepass"), "sha256")[:16]
        return ScramVerifier.make(mechanism, password if password is not None else "", self._iterations, salt)

    def verifier(self, user: str, mechanism: str) -> tuple[ScramVerifier, bool]:
        """What to run SCRAM with: the verifier of a user and True, or an invented one and False.

        :param user: the name that the client has given.
        :param mechanism: the mechanism that it has chosen.
        """
        known = self._known_of(user)
        if isinstance(known, str):
            # An empty password is invalid: PLAIN does not let it log in either (RFC 4616 2). One that SASLprep
            # refuses cannot have been typed.
            usable = _is_usable(known)
            return self._invent_verifier(user, mechanism, known if usable else None), usable
        # The work is the same for all that follows, and done before anything is decided.
        invented = self._invent_verifier(user, mechanism, None)
        for verifier in known or ():
            if verifier.mechanism == mechanism:
                return verifier, True
        return invented, False

    def check(self, user: str, password: str) -> bool:
        """Whether a password is a user's.

        :param user: the name that the client has given.
        :param password: the password that it has given.
        """
        if self._check is not None:
            # `is True`: what is merely true, a coroutine that was not awaited for example, must not let a client in.
            return _call_hook(self._check, user, password) is True
        known = self._known_of(user)
        if isinstance(known, list) and known:
            # The one that takes as long as for an unknown user, if it is there.
            return bool(min(known, key=lambda verifier: verifier.mechanism != _PLAIN_HASH).accepts(password))
        self._invent_verifier(user, _PLAIN_HASH, None)  # as much work as with a verifier
        return _passwords_equal(known or "", password) and bool(known)

    def authorizes(self, user: str, authorization: str | None) -> bool:
        """Whether a user may act as an identity; every user may act as itself.

        :param user: the user that has authenticated.
        :param authorization: the identity that it asks for, None for its own.
        """
        if not authorization or authorization == user:
            return True
        return self._authorize is not None and _call_hook(self._authorize, user, authorization) is True


def _known_from(known: Any) -> Any:
    """What a program knows of a user, as a str, a list of verifiers, or None.

    :raises TypeError, ValueError: it is nothing of the kind; its value is not shown.
    """
    if known is None or (isinstance(known, str) and not (known.startswith("SCRAM-") and "$" in known)):
        return known
    entries = [known] if isinstance(known, (str, ScramVerifier)) else known
    if not isinstance(entries, (list, tuple)) or not all(isinstance(entry, (str, ScramVerifier)) for entry in entries):
        raise TypeError(f"expected a password as a str, a verifier or a list of verifiers, got {type(known).__name__}")
    return [entry if isinstance(entry, ScramVerifier) else ScramVerifier.parse(entry) for entry in entries]


def _common_mechanisms(users: Mapping[str, Any]) -> tuple[list[str], int]:
    """The SCRAM mechanisms that all users of a mapping can use, and the usual number of iterations.

    :raises TypeError: a user has something that is neither password nor verifiers; it is not shown.
    """
    common = set(SCRAM_HASHES)
    numbers: Counter[int] = Counter()
    for user, entry in users.items():
        try:
            known = _known_from(entry)
        except (TypeError, ValueError) as error:
            raise TypeError(f"user {user!r}: {error}") from None
        if isinstance(known, list) and known:
            common &= {verifier.mechanism for verifier in known}
            numbers.update(verifier.iterations for verifier in known)
    usual = numbers.most_common(1)[0][0] if numbers else DEFAULT_ITERATIONS
    return [name for name in SCRAM_HASHES if name in common], usual


def _is_usable(password: str) -> bool:
    try:
        return bool(saslprep(password))
    except ValueError:
        return False


def _call_hook(hook: Any, *arguments: Any) -> Any:
    """What the program says. An exception of its own ends this login, not the loop; its text may show anything."""
    try:
        return hook(*arguments)
    except Exception as error:
        raise TemporaryAuthFailure(f"looking up the user has raised {type(error).__name__}") from error


def _passwords_equal(known: str, password: str) -> bool:
    """Compares what SASLprep makes of two passwords, in the same time whatever they have in common."""
    try:
        pair = [saslprep(text).encode("utf-8") for text in (known, password)]
    except ValueError:
        return False
    return hmac.compare_digest(*(hashlib.sha256(_SECRET + text).digest() for text in pair))


class PlainServer:
    """PLAIN on a server (RFC 4616): the identity to act as, the user and the password, all in one response."""

    name = "PLAIN"

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        #: the user and the identity to act as, once the exchange is done
        self.user: str | None = None
        self.authorization: str | None = None

    def receive(self, response: bytes | None) -> bytes | None:
        """An empty challenge when there is no response yet; None when the user is let in.

        :raises AuthenticationFailed: the client is not let in.
        """
        if response is None:
            return b""
        parts = response.split(b"\0")  # RFC 4616 2: NUL is in none of the three
        if len(parts) != 3:
            raise AuthenticationFailed(f"malformed PLAIN response: expected 3 parts, got {len(parts)}")
        try:
            authorization, user, password = (part.decode("utf-8") for part in parts)
            user = saslprep(user)  # the password is prepared where it is compared: a hook gets it as it came
        except ValueError:  # UnicodeDecodeError among them, whose text would show the password
            raise AuthenticationFailed("malformed PLAIN response: expected UTF-8 without special characters") from None
        if not user or not password:  # RFC 4616 2; some directories let clients in that give no password
            raise AuthenticationFailed("malformed PLAIN response: expected 3 parts, user name and password not empty")
        if not self._credentials.check(user, password):
            raise AuthenticationFailed("wrong user name or password")
        self.user, self.authorization = user, authorization or None
        return None
