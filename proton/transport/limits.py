"""What becomes of a session or link for which the peer's limits leave no room (2.7.1, 2.7.2): channel-max, handle-max,
and max-frame-size where its begin or attach is larger.

It fails alone, and the connection goes on. A link goes to a further session of the container instead, where the
container made its session. The limits are known when the peer's open and begin have come: before that only a few
channels and handles are used ahead, and one of each after a reconnect, since the next peer may have other limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED
from proton.endpoints.printable import printable

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.link import Link
    from proton.endpoints.session import Session
    from proton.transport.transport_state import TransportState

__all__ = ["fail_link", "fail_session", "has_begun", "has_handle", "has_opened", "is_too_early"]

#: Channels and handles that are used before the peer has told its limits. A program that opens a few sessions and links
#: at once saves a turn to the peer and back; no peer of today takes fewer links than these on a session.
_EARLY = 8


def is_too_early(connection: Connection, number: int, known: int = _EARLY) -> bool:
    """Whether a channel or handle has to wait until the peer has told how many it takes.

    :param known: how many handles it takes on other sessions.
    """
    return number >= (1 if connection._was_open else min(_EARLY, known))


def fail_session(session: Session, name: str, description: str) -> None:
    """Ends a session that the peer has never heard of."""
    session._was_begun = True
    _fail(session, name, description)


def fail_link(link: Link, name: str, description: str) -> None:
    """Ends a link that the peer has never heard of."""
    link._was_attached = True
    _fail(link, name, description)


def has_handle(link: Link) -> bool:
    """Whether there is a handle for a link now.

    A link for which there will be none moves to a further session of the container, or ends.
    """
    session, connection = link.session, link.connection
    handle = session._handles.lowest()
    if session._awaits_begin() and is_too_early(connection, handle, connection._handles_known):
        return False
    if handle <= session._handle_max:
        return True
    further = _further_session(link) if link._remote_handle is None else None
    if further is not None:
        link._move(further)
    else:
        fail_link(link, RESOURCE_LIMIT_EXCEEDED, _no_handle(link))
    return False


def _further_session(link: Link) -> Session | None:
    further = getattr(getattr(link.connection, "_session_policy", None), "further", None)
    return further(link.session) if further is not None else None


def _withdraw(link: Link) -> None:
    """Takes a link back whose attach the peer cannot have answered yet; a stand-in detaches its handle."""
    session, handle = link.session, link._handle
    stand_in = link.__class__(session, link.name)
    stand_in._close_unseen()
    stand_in._handle = handle
    assert handle is not None, "it was attached"
    session._attached[handle] = stand_in
    waiting = session._unanswered[link.is_sender, link.name]
    waiting[waiting.index(link)] = stand_in
    session.connection._schedule(stand_in)
    link._unbind()


def _no_handle(link: Link) -> str:
    return f"no free handle for link {printable(link.name)}: the peer takes handles 0 to {link.session._handle_max}"


def _fail(endpoint: Session | Link, name: str, description: str) -> None:
    # The peer's end has ended before it began: no answer is waited for.
    if endpoint.state & LOCAL_CLOSED:
        endpoint._tell_loss()
    else:
        endpoint._remote_end = endpoint.connection._number_end(None)
        endpoint._fail(name, description)


def has_opened(transport: TransportState, connection: Connection) -> None:
    """The peer's open has come: what has used a channel beyond its limit ends, what has waited goes on."""
    limit = transport.channel_max
    for session in list(connection._members):
        if session._channel is None:
            connection._schedule(session)
        elif session._channel > limit:
            session._fail(RESOURCE_LIMIT_EXCEEDED, f"channel {session._channel} is above the limit, {limit}")


def has_begun(session: Session) -> None:
    """The peer's begin has come: what has used a handle beyond its limit ends, what has waited goes on."""
    session.connection._handles_known = session._handle_max + 1
    for link in list(session._members):
        if link._handle is None:
            session.connection._schedule(link)
        elif link._handle > session._handle_max:
            further = _further_session(link) if link.state & LOCAL_ACTIVE and not link._detached else None
            if further is None:
                link._fail(RESOURCE_LIMIT_EXCEEDED, _no_handle(link))
            else:
                _withdraw(link)
                link._move(further)
