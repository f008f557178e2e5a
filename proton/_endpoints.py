"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.endpoints.connection import Connection
from proton.endpoints.endpoint import Endpoint
from proton.endpoints.link import Link
from proton.endpoints.receiver import Receiver
from proton.endpoints.sender import Sender
from proton.endpoints.session import Session
from proton.endpoints.terminus import Terminus

__all__ = ["Connection", "Endpoint", "Link", "Receiver", "Sender", "Session", "Terminus"]
