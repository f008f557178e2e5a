"""What a SASL exchange is made of, whatever the mechanism: the refusal, and clients that say everything at once.

A client's exchange has `name`, `initial` (the initial response), `respond(challenge)` and `finish(additional)`, and may
have `reason()`, what the server has said of a refusal; a server's has `receive(response)`, which returns a challenge
or None, and then `user` and `authorization`. Both may have `layer`: a filter for the bytes that follow the outcome.
Whatever does not go on raises `Refused` with a reason that shows no secret.
"""

from __future__ import annotations

__all__ = ["OneResponse", "Refused", "Unavailable"]


class Refused(Exception):
    """An exchange that cannot end well.

    :param reason: why; it is shown, so no secret is in it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(Refused):
    """Nobody can say now whether the client may be let in."""


class OneResponse:
    """A mechanism whose client says all it has to say in its initial response (EXTERNAL, PLAIN, ANONYMOUS)."""

    def __init__(self, name: str, initial: bytes) -> None:
        self.name = name
        self.initial: bytes | None = initial

    def respond(self, challenge: bytes) -> bytes:
        """Never: there is nothing to ask for.

        :raises Refused: always.
        """
        raise Refused(f"mechanism {self.name} expects an outcome, got a challenge")

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK."""
