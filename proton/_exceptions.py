"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.exceptions import (
    ConnectionException,
    DataException,
    Interrupt,
    LinkException,
    MessageException,
    ProtonException,
    SASLException,
    SessionException,
    SSLException,
    SSLUnavailable,
    Timeout,
    TransportException,
)

__all__ = [
    "ConnectionException",
    "DataException",
    "Interrupt",
    "LinkException",
    "MessageException",
    "ProtonException",
    "SASLException",
    "SSLException",
    "SSLUnavailable",
    "SessionException",
    "Timeout",
    "TransportException",
]
