"""The exceptions of the package, and the one private signal of the engine.

Public classes are what programs catch; they carry text only. `ProtocolViolation` never leaves the
engine: inbound functions raise it, the frame loop turns it into a close with a condition (2.8.14 to 2.8.18).
"""

from __future__ import annotations

__all__ = [
    "ProtonException",
    "Timeout",
    "Interrupt",
    "MessageException",
    "DataException",
    "TransportException",
    "ConnectionException",
    "SessionException",
    "LinkException",
    "SSLException",
    "SSLUnavailable",
    "SASLException",
]


class ProtonException(Exception):
    """The root of every exception that this package defines."""


class Timeout(ProtonException):
    """A blocking operation did not finish in its time."""


class Interrupt(ProtonException):
    """A blocking operation was interrupted."""


class MessageException(ProtonException):
    """A message could not be encoded, decoded, or given a value."""


class DataException(ProtonException):
    """AMQP data could not be encoded or decoded (specification part 1)."""


class TransportException(ProtonException):
    """A transport was used against its rules, or has failed."""


class ConnectionException(ProtonException):
    """A connection was used against its rules, or has failed."""


class SessionException(ProtonException):
    """A session was used against its rules, or has failed."""


class LinkException(ProtonException):
    """A link was used against its rules, or has failed."""


class SSLException(TransportException):
    """A TLS setting was refused, or the TLS layer was misused."""


class SSLUnavailable(SSLException):
    """This Python was built without TLS support."""


class SASLException(TransportException):
    """The SASL layer was misused."""


class ProtocolViolation(Exception):
    """The peer broke a rule: `condition` is the symbol to close with, `description` the reason in words."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(condition, description)
        self.condition = condition
        self.description = description
