"""`Handshaker`: answers the peer's opens and closes in kind, for programs on the level of raw events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints.endpoint import Endpoint
from proton.endpoints.handler import Handler

if TYPE_CHECKING:
    from proton.handlers.events import ConnectionEvent, LinkEvent, SessionEvent

__all__ = ["Handshaker"]


class Handshaker(Handler):
    """Opens what the peer opens, and closes what the peer closes.

    A link that the peer opens gets the peer's source and target.
    """

    @staticmethod
    def on_connection_remote_open(event: ConnectionEvent) -> None:
        """Opens the connection, unless this end did."""
        _answer_open(event.connection)

    @staticmethod
    def on_session_remote_open(event: SessionEvent) -> None:
        """Opens the session, unless this end did."""
        _answer_open(event.session)

    @staticmethod
    def on_link_remote_open(event: LinkEvent) -> None:
        """Opens the link with the peer's source and target, unless this end opened it."""
        link = event.link
        if link.state & Endpoint.LOCAL_UNINIT:
            # As the peer has asked for: an attach without a terminus would refuse the link (2.6.3).
            link.source.copy(link.remote_source)
            link.target.copy(link.remote_target)
            link.open()

    @staticmethod
    def on_connection_remote_close(event: ConnectionEvent) -> None:
        """Closes the connection, unless this end did."""
        _answer_close(event.connection)

    @staticmethod
    def on_session_remote_close(event: SessionEvent) -> None:
        """Closes the session, unless this end did."""
        _answer_close(event.session)

    @staticmethod
    def on_link_remote_close(event: LinkEvent) -> None:
        """Closes the link, unless this end did."""
        _answer_close(event.link)


def _answer_open(endpoint: Any) -> None:
    if endpoint.state & Endpoint.LOCAL_UNINIT:
        endpoint.open()


def _answer_close(endpoint: Any) -> None:
    if not endpoint.state & Endpoint.LOCAL_CLOSED:
        endpoint.close()
