"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import (
    CustomDisposition,
    DeclaredDisposition,
    Disposition,
    DispositionType,
    LocalDisposition,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    RemoteDisposition,
    TransactionalDisposition,
)

__all__ = [
    "CustomDisposition",
    "DeclaredDisposition",
    "Delivery",
    "Disposition",
    "DispositionType",
    "LocalDisposition",
    "ModifiedDisposition",
    "ReceivedDisposition",
    "RejectedDisposition",
    "RemoteDisposition",
    "TransactionalDisposition",
]
