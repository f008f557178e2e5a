"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.exceptions import SASLException, SSLException, SSLUnavailable, TransportException
from proton.transport.sasl.layer import SASL
from proton.transport.tls.domain import SSLDomain
from proton.transport.tls.layer import SSL, SSLSessionDetails
from proton.transport.transport import Transport

__all__ = [
    "SASL",
    "SASLException",
    "SSL",
    "SSLDomain",
    "SSLException",
    "SSLSessionDetails",
    "SSLUnavailable",
    "Transport",
    "TransportException",
]
