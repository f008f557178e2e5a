"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.endpoints.events import Collector, Event, EventBase, EventType
from proton.endpoints.handler import Handler

__all__ = ["Collector", "Event", "EventBase", "EventType", "Handler"]
