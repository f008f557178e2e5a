"""What the inbound functions share: the checks of fields, what a frame's channel and handle name, and the two faults.

A fault of the connection is `ProtocolViolation`, one of a session or link `EndpointViolation`; the frame loop catches
both (`transport/protocol.py`). Keep true: nothing in here changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.codec.composites import Composite, check_fields
from proton.endpoints.condition import DECODE_ERROR, NOT_ALLOWED, UNATTACHED_HANDLE
from proton.endpoints.endpoint import endpoint_state
from proton.exceptions import DataException, ProtocolViolation

if TYPE_CHECKING:
    from proton.endpoints.connection import ConnectionState
    from proton.endpoints.link import LinkState
    from proton.endpoints.session import SessionState
    from proton.transport.transport_state import TransportState

__all__ = ["EndpointViolation", "bound_connection", "check", "link_on", "session_on"]


class EndpointViolation(Exception):
    """The peer broke a rule of a session or link: that one is closed with the condition, the rest lives on.

    :param state: of that session or link.
    """

    def __init__(self, state: SessionState | LinkState, condition: str, description: str) -> None:
        super().__init__(condition, description)
        self.state = state
        self.condition = condition
        self.description = description


def check(composite: Composite, fields: list[Any]) -> list[Any]:
    try:
        return check_fields(composite, fields)
    except DataException as error:
        raise ProtocolViolation(DECODE_ERROR, str(error)) from None


def bound_connection(transport: TransportState) -> ConnectionState:
    connection = transport.connection
    if connection is None or not transport.open_received:
        raise ProtocolViolation(NOT_ALLOWED, "expected open as the first frame")
    return endpoint_state(connection)  # type: ignore[no-any-return]


def session_on(transport: TransportState, channel: int) -> SessionState:
    session = transport.remote_channels.get(channel)
    if session is None:
        bound_connection(transport)
        raise ProtocolViolation(NOT_ALLOWED, f"no such channel: {channel}")
    return session


def link_on(session: SessionState, handle: Any, frame: str) -> LinkState:
    link = session.binding.remote_handles.get(handle)
    if link is None:
        raise EndpointViolation(session, UNATTACHED_HANDLE, f"no such handle: {handle}, in {frame}")
    return link
