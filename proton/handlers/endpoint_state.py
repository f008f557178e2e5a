"""`EndpointStateHandler`: connections, sessions and links as they open, close and fail, seen from the application.

It answers the peer: what the peer opens is opened, unless the program closes it in the opening callback; what the peer
closes is closed. The three kinds of endpoints follow one pattern, written once below (`_remote_open` to `_local_close`)
and named by kind.
Each end is told once. Where both ends close, in one read or in both orders, the event of the later one tells that the
endpoint is closed (`EndpointState.ended_here_first`). A link ends in three further ways: by a detach without closed,
with its session, and by the engine, when the peer broke a rule (2.6.4 to 2.6.6).
What is to be made again is the exception: a connection or session that the peer ends with a condition that can pass
stays locally open, unless the program closes it in its own callback (`is_retried`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.ends import awaits_node, is_retried
from proton.endpoints.notices import described
from proton.endpoints.printable import condition_text
from proton.handlers.delegate import Delegating
from proton.logs import error_level, log
from proton.transport.sasl.layer import SASL
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.handlers.events import ConnectionEvent, LinkEvent, SessionEvent, TransportEvent

__all__ = ["EndpointStateHandler"]


def now_of(event: Any) -> float:
    """The time of the container of an event, in seconds; 0 without one."""
    return getattr(event.container, "now", 0.0)


def is_temporary(transport: Any) -> bool:
    """Whether a transport has failed because the server could not judge our credentials now (5.3.3.6)."""
    sasl = state_of(transport).sasl
    return sasl is not None and sasl.outcome == SASL.TEMP


_OPEN = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def _has_own_detach(handler: Any) -> bool:
    """Whether a handler or a child of it is of the program, and has a method for the peer's detach."""
    if handler is None:
        return False
    # Not those of the package, which have the method all: it is the program's own that decides.
    if getattr(handler, "on_link_remote_detach", None) and not isinstance(handler, Delegating):
        return True
    return any(_has_own_detach(child) for child in getattr(handler, "handlers", None) or ())


class EndpointStateHandler(Delegating):
    """Calls `on_connection_opened`, `on_link_error` and so on, for connections, sessions and links.

    :param peer_close_is_error: without a delegate, a close by the peer is taken as an error.
    :param delegate: the object whose methods are called.
    """

    peer_close_is_error: bool = False

    def __init__(self, peer_close_is_error: bool = False, delegate: object = None) -> None:
        Delegating.__init__(self, delegate)
        self.peer_close_is_error = peer_close_is_error

    @classmethod
    def is_local_open(cls, endpoint: Endpoint) -> bool:
        """True when this end is open."""
        return bool(endpoint.state & Endpoint.LOCAL_ACTIVE)

    @classmethod
    def is_local_uninitialised(cls, endpoint: Endpoint) -> bool:
        """True when this end was not opened yet."""
        return bool(endpoint.state & Endpoint.LOCAL_UNINIT)

    @classmethod
    def is_local_closed(cls, endpoint: Endpoint) -> bool:
        """True when this end is closed."""
        return bool(endpoint.state & Endpoint.LOCAL_CLOSED)

    @classmethod
    def is_remote_open(cls, endpoint: Endpoint) -> bool:
        """True when the peer's end is open."""
        return bool(endpoint.state & Endpoint.REMOTE_ACTIVE)

    @classmethod
    def is_remote_closed(cls, endpoint: Endpoint) -> bool:
        """True when the peer's end is closed."""
        return bool(endpoint.state & Endpoint.REMOTE_CLOSED)

    @classmethod
    def print_error(cls, endpoint: Endpoint, endpoint_type: str) -> None:
        """Log why the peer closed an endpoint.

        :param endpoint: the connection, session or link.
        :param endpoint_type: how to call it.
        """
        condition = endpoint.remote_condition
        if endpoint_state(endpoint).failed:
            return  # the line is written when the engine ends it, whatever the program does then
        level = error_level(endpoint.connection)
        if condition:
            log.log(level, "%s closed by peer: %s", described(endpoint_type, endpoint), condition_text(condition))
        elif cls.is_local_open(endpoint) and cls.is_remote_closed(endpoint):
            log.log(level, "%s closed by peer", described(endpoint_type, endpoint))

    def _remote_open(self, kind: str, endpoint: Endpoint, event: Any) -> None:
        if endpoint.state & Endpoint.LOCAL_ACTIVE:
            getattr(self, f"on_{kind}_opened")(event)
        elif endpoint.state & Endpoint.LOCAL_UNINIT:
            if endpoint.connection.state & Endpoint.LOCAL_CLOSED:
                return  # it is refused with its connection, perhaps in this read: nothing follows the close (2.4.3)
            getattr(self, f"on_{kind}_opening")(event)
            if endpoint.state & Endpoint.LOCAL_UNINIT:  # else the program has opened or refused it
                endpoint.open()

    def _local_open(self, kind: str, endpoint: Endpoint, event: Any) -> None:
        if endpoint.state == _OPEN:
            getattr(self, f"on_{kind}_opened")(event)

    def _remote_close(self, kind: str, endpoint: Endpoint, event: Any) -> None:
        # The reason of the peer goes before ours: both ends may have closed in one read.
        if endpoint.remote_condition and not endpoint_state(endpoint).failed:
            getattr(self, f"on_{kind}_error")(event)
        elif not endpoint_state(endpoint).ended_here_first():
            getattr(self, f"on_{kind}_closing")(event)
        if endpoint_state(endpoint).ended_here_first():
            getattr(self, f"on_{kind}_closed")(event)

    def _is_lost(self, kind: str, endpoint: Any, event: Any) -> bool:
        """Tells of the peer's end of a session or link; True when it will be made again, as after a lost connection."""
        if not is_retried(endpoint, now_of(event)):
            self._remote_close(kind, endpoint, event)
            return False
        if not awaits_node(endpoint):  # nothing has failed yet where it only waits
            getattr(self, f"on_{kind}_error")(event)  # the program's own may close it
        if not self._is_still_open(endpoint):
            return False
        self._forward("on_disconnected", event)  # and so may this one
        return self._is_still_open(endpoint)

    @staticmethod
    def _is_still_open(endpoint: Any) -> bool:
        # All three: closing the session or the connection in a callback gives the link up as well.
        session = getattr(endpoint, "session", endpoint)
        return bool(endpoint.state & session.state & endpoint.connection.state & Endpoint.LOCAL_ACTIVE)

    def _local_close(self, kind: str, endpoint: Endpoint, event: Any) -> None:
        if endpoint_state(endpoint).failed:
            level = error_level(endpoint.connection)
            log.log(level, "ended %s: %s", described(kind, endpoint), condition_text(endpoint.condition))
            getattr(self, f"on_{kind}_error")(event)
        # The peer had ended it before, so with this close both ends have; the other order is told by `_remote_close`.
        if endpoint_state(endpoint).remote_end is not None and not endpoint_state(endpoint).ended_here_first():
            getattr(self, f"on_{kind}_closed")(event)

    def _decides_on_detach(self, event: Any) -> bool:
        """Whether a handler of the program that hears of this detach has a method for it."""
        # The handler of the event is the narrowest scope; without one it is the container's.
        root = event.handler or getattr(event.container, "handler", None)
        return _has_own_detach(self.delegate) or _has_own_detach(root)

    def on_connection_remote_open(self, event: ConnectionEvent) -> None:
        """Opens the connection when the peer was first."""
        self._remote_open("connection", event.connection, event)

    def on_connection_local_open(self, event: ConnectionEvent) -> None:
        """Reports the connection as open when the peer was first."""
        self._local_open("connection", event.connection, event)

    def on_connection_remote_close(self, event: ConnectionEvent) -> None:
        """Closes the connection, unless it will be made again."""
        connection = event.connection
        if is_retried(connection, now_of(event)):
            self.on_connection_error(event)  # the program's own may close it, and that is told as any close
        else:
            self._remote_close("connection", connection, event)
            connection.close()

    def on_connection_local_close(self, event: ConnectionEvent) -> None:
        """Reports the connection as closed when the peer was first."""
        self._local_close("connection", event.connection, event)

    def on_session_remote_open(self, event: SessionEvent) -> None:
        """Opens the session when the peer was first."""
        self._remote_open("session", event.session, event)

    def on_session_local_open(self, event: SessionEvent) -> None:
        """Reports the session as open when the peer was first."""
        self._local_open("session", event.session, event)

    def on_session_remote_close(self, event: SessionEvent) -> None:
        """Ends the session, and with it its links, unless it will be made again."""
        session = event.session
        if self._is_lost("session", session, event):
            return
        # First the answer, then the links: each `on_link_closed` finds its session ended.
        session.close()
        endpoint_state(session).end_links()

    def on_session_local_close(self, event: SessionEvent) -> None:
        """Reports the session as closed when the peer was first, and one that the engine has ended, with its links."""
        self._local_close("session", event.session, event)
        if endpoint_state(event.session).failed or endpoint_state(event.session).restarting:
            endpoint_state(event.session).end_links()

    def on_link_remote_open(self, event: LinkEvent) -> None:
        """Opens the link when the peer was first, unless its session is refused."""
        # An attach that came in one read with the begin that the program has refused.
        if not event.link.session.state & Endpoint.LOCAL_CLOSED:
            self._remote_open("link", event.link, event)

    def on_link_local_open(self, event: LinkEvent) -> None:
        """Reports the link as open when the peer was first."""
        self._local_open("link", event.link, event)

    def on_link_remote_close(self, event: LinkEvent) -> None:
        """Closes the link, unless it will be attached again."""
        if not self._is_lost("link", event.link, event):
            event.link.close()

    def on_link_remote_detach(self, event: LinkEvent) -> None:
        """Ends a link that the peer has detached without closing it, unless the program has a method of this name."""
        link = event.link
        # A detach that answers our close ends the link in any case.
        tells = endpoint_state(link).ended_here_first() or not self._decides_on_detach(event)
        if tells and not self._is_lost("link", link, event):
            link._answer_detach()

    def on_link_local_close(self, event: LinkEvent) -> None:
        """Reports the link as closed when the peer was first, or when its session is about to be made again."""
        self._local_close("link", event.link, event)
        if endpoint_state(event.link.session).restarting:
            endpoint_state(event.link).tell_loss()

    def on_transport_tail_closed(self, event: TransportEvent) -> None:
        """Notes that a connection is lost that this end had not closed; what follows may close it."""
        connection: Connection | None = event.connection
        if connection is not None and connection.state & Endpoint.LOCAL_ACTIVE:
            state_of(event.transport).lost = True

    def on_transport_closed(self, event: TransportEvent) -> None:
        """Reports a connection as lost, when both directions of its transport have ended; not each attempt after it."""
        self.on_transport_tail_closed(event)
        connection = event.connection
        policy = connection.reconnect_policy if connection is not None else None
        # While a sequence of attempts goes on the loss was told: `on_reconnecting` tells of the rest.
        if state_of(event.transport).lost and not (policy is not None and policy.is_down):
            self._forward("on_disconnected", event)

    def on_connection_opening(self, event: ConnectionEvent) -> None:
        """Called before the answer to the peer's open of a connection; closing it here refuses it."""
        self._forward("on_connection_opening", event)

    def on_session_opening(self, event: SessionEvent) -> None:
        """Called before the answer to the peer's begin of a session; closing it here refuses it."""
        self._forward("on_session_opening", event)

    def on_link_opening(self, event: LinkEvent) -> None:
        """Called before the answer to the peer's attach of a link: set source and target here.

        Closing the link here, with `link.condition` as the reason, refuses it (2.6.3).
        """
        self._forward("on_link_opening", event)

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        """Called when both ends of a connection are open."""
        self._forward("on_connection_opened", event)

    def on_session_opened(self, event: SessionEvent) -> None:
        """Called when both ends of a session are open."""
        self._forward("on_session_opened", event)

    def on_link_opened(self, event: LinkEvent) -> None:
        """Called when both ends of a link are open."""
        self._forward("on_link_opened", event)

    def on_connection_closing(self, event: ConnectionEvent) -> None:
        """Called when the peer closes a connection first, without an error."""
        self._closing("connection", event)

    def on_session_closing(self, event: SessionEvent) -> None:
        """Called when the peer ends a session first, without an error."""
        self._closing("session", event)

    def on_link_closing(self, event: LinkEvent) -> None:
        """Called when the peer closes or detaches a link first, without an error."""
        self._closing("link", event)

    def _closing(self, kind: str, event: Any) -> None:
        if self.delegate is not None:
            self._forward(f"on_{kind}_closing", event)
        elif self.peer_close_is_error:
            getattr(self, f"on_{kind}_error")(event)

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        """Called when both ends of a connection are closed."""
        self._forward("on_connection_closed", event)

    def on_session_closed(self, event: SessionEvent) -> None:
        """Called when both ends of a session are closed."""
        self._forward("on_session_closed", event)

    def on_link_closed(self, event: LinkEvent) -> None:
        """Called when a link has ended: both ends are closed or detached, or its session has ended."""
        self._forward("on_link_closed", event)

    def on_connection_error(self, event: ConnectionEvent) -> None:
        """Called when the peer closes a connection with an error; logs it when there is no delegate."""
        if self.delegate is not None:
            self._forward("on_connection_error", event)
        else:
            self.print_error(event.connection, "connection")

    def on_session_error(self, event: SessionEvent) -> None:
        """Called when the peer ends a session with an error; without a delegate closes the connection.

        Also when the engine ends it, since the peer broke a rule: `event.session.condition` is the reason then, and the
        connection goes on.
        """
        self._error("session", event.session, event)

    def on_link_error(self, event: LinkEvent) -> None:
        """Called when the peer closes or detaches a link with an error; without a delegate closes the connection.

        Also when the engine ends it, since the peer broke a rule: `event.link.condition` is the reason then, and the
        connection goes on.
        """
        self._error("link", event.link, event)

    def _error(self, kind: str, endpoint: Endpoint, event: Any) -> None:
        if self.delegate is not None:
            self._forward(f"on_{kind}_error", event)
        else:
            self.print_error(endpoint, kind)
            if not endpoint_state(endpoint).failed:
                event.connection.close()
