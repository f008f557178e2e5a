"""`SASLState`: what the SASL layer of one transport is inside; `SASL` has the names that programs see (5.3).

The rooms of SASL take a state, and its names are public for them. It holds no transport: that would be a reference
cycle, and keep sockets alive until the collector runs. Rules for editors:
1. A password and a token are kept until an exchange has begun, and no longer.
2. They are shown nowhere: not in errors, not in a repr, not in traces, where the initial response and every response
   are masked (`negotiation.mask`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from proton.codec.composites import Composite
    from proton.transport.sasl.credentials import Credentials

__all__ = ["SASLCode", "SASLState"]


class SASLCode:
    """The codes of an outcome, and what they mean (5.3.3.6)."""

    OK = 0  # let in
    AUTH = 1  # the credentials are wrong
    SYS = 2  # a system error: the server cannot tell whether they are
    PERM = 3  # a system error that does not go away by itself
    TEMP = 4  # a system error that may be gone at the next attempt


class SASLState:
    """The state of one negotiation.

    :param installed: False if the transport has begun without SASL: then nothing that is set here has an effect.
    :param is_client: True for the end that speaks first.
    """

    def __init__(self, installed: bool, is_client: bool) -> None:
        self.installed = installed
        #: a code of `SASLCode` once the exchange is over, None before
        self.outcome: int | None = None
        #: the mechanism that was chosen, None before
        self.mech: str | None = None
        #: True lets secrets be sent readable over an unencrypted transport
        self.allow_insecure_mechs = False

        #: a client's, to log in with; on a server the user that has logged in, None before
        self.user: str | None = None
        #: the identity to act as, if it is not the user's own
        self.authorization: str | None = None
        self.password: str | None = None
        self.token: str | Callable[[], str] | None = None
        #: a server's users, None if it has no list
        self.credentials: Credentials | None = None

        self.allowed: list[str] | None = None  # mechanisms, in capitals; None for no restriction
        self.offered: list[str] = []  # mechanisms, by a server: a client may choose no other (5.3.3.2)
        #: the exchange of the mechanism that was chosen, see `exchange.py`
        self.exchange: Any = None
        #: on a server: the exchange of the system's library before the client has chosen, if that offers
        self.library_exchange: Any = None
        #: frames to be written when the transport is asked for output
        self.replies: list[tuple[Composite, tuple[Any, ...]]] = []
        # A client begins with its header, whatever came before; a server answers with its own.
        self.header_due: bool = installed and is_client
        #: why a client that was given a password or a token is anonymous all the same; None if it is not
        self.anonymous_because: str | None = None
        #: why the exchange has failed, the description of the condition to come; None while it has not
        self.failure: str | None = None

    def is_allowed(self, mech: str) -> bool:
        """Whether the program lets a mechanism be used."""
        return self.allowed is None or mech in self.allowed
