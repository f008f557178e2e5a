"""What becomes of a session or link for which the peer's limits leave no room (2.7.1, 2.7.2): channel-max, handle-max,
and max-frame-size where its begin or attach is larger.

It fails alone, and the connection goes on. A link goes to a further session of the container instead, where the
container made its session. The limits are known when the peer's open and begin have come: before that only a few
channels and handles are used ahead, and one of each after a reconnect, since the next peer may have other limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.endpoints.condition import RESOURCE_LIMIT_EXCEEDED
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, endpoint_state
from proton.endpoints.printable import printable

if TYPE_CHECKING:
    from proton.endpoints.connection import ConnectionState
    from proton.endpoints.link import LinkState
    from proton.endpoints.session import SessionState
    from proton.endpoints.shared import Shared

__all__ = ["fail_link", "fail_session", "has_begun", "has_handle", "has_opened", "is_too_early"]

#: Channels and handles that are used before the peer has told its limits. A program that opens a few sessions and links
#: at once saves a turn to the peer and back; no peer of today takes fewer links than these on a session.
_MAX_EARLY_NUMBERS = 8


def is_too_early(shared: Shared, number: int, known: int = _MAX_EARLY_NUMBERS) -> bool:
    """Whether a channel or handle has to wait until the peer has told how many it takes.

    :param known: how many handles it takes on other sessions.
    """
    return number >= (1 if shared.was_open else min(_MAX_EARLY_NUMBERS, known))


def fail_session(session: SessionState, name: str, description: str) -> None:
    """Ends a session that the peer has never heard of."""
    session.was_begun = True
    _fail(session, name, description)


def fail_link(link: LinkState, name: str, description: str) -> None:
    """Ends a link that the peer has never heard of."""
    link.was_attached = True
    _fail(link, name, description)


def has_handle(link: LinkState) -> bool:
    """Whether there is a handle for a link now.

    A link that will not get one moves to a further session of the container, or ends.
    """
    binding, shared = link.session.binding, link.shared
    handle = binding.handles.lowest()
    if binding.awaits_begin() and is_too_early(shared, handle, shared.max_known_handles):
        return False
    if handle <= binding.handle_max:
        return True
    further = _further_session(link) if link.binding.remote_handle is None else None
    if further is not None:
        link.move(further)
    else:
        fail_link(link, RESOURCE_LIMIT_EXCEEDED, _no_handle(link))
    return False


def _further_session(link: LinkState) -> SessionState | None:
    further = getattr(link.endpoint.connection._session_policy, "further", None)
    session = further(link.session.endpoint) if further is not None else None
    return endpoint_state(session) if session is not None else None


def _withdraw(link: LinkState) -> None:
    """Takes a link back whose attach the peer cannot have answered yet; a stand-in detaches its handle."""
    session, handle = link.session, link.binding.handle
    assert handle is not None, "it was attached"
    stand_in = session.unseen_link(link.endpoint.__class__, link.endpoint.name)
    stand_in.binding.handle = handle
    session.binding.attached[handle] = stand_in
    waiting = session.binding.unanswered[link.key]
    waiting[waiting.index(link)] = stand_in
    stand_in.mark_dirty()
    link.unbind()


def _no_handle(link: LinkState) -> str:
    most = link.session.binding.handle_max
    return f"no free handle for link {printable(link.endpoint.name)}: the peer takes handles 0 to {most}"


def _fail(state: SessionState | LinkState, name: str, description: str) -> None:
    # The peer's end has ended before it began: no answer is waited for.
    if state.endpoint.state & LOCAL_CLOSED:
        state.tell_loss()
    else:
        state.remote_end = state.shared.number_end(None)
        state.fail(name, description)


def has_opened(connection: ConnectionState, limit: int) -> None:
    """The peer's open has come: what has used a channel beyond its limit ends, what has waited goes on."""
    for session in list(connection.shared.sessions):
        channel = session.binding.channel
        if channel is None:
            session.mark_dirty()
        elif channel > limit:
            session.fail(RESOURCE_LIMIT_EXCEEDED, f"channel {channel} is above the limit, {limit}")


def has_begun(session: SessionState) -> None:
    """The peer's begin has come: what has used a handle beyond its limit ends, what has waited goes on."""
    most = session.binding.handle_max
    session.shared.max_known_handles = most + 1
    for link in list(session.members):
        handle = link.binding.handle
        if handle is None:
            link.mark_dirty()
        elif handle > most:
            further = _further_session(link) if link.endpoint.state & LOCAL_ACTIVE and not link.detached else None
            if further is None:
                link.fail(RESOURCE_LIMIT_EXCEEDED, _no_handle(link))
            else:
                _withdraw(link)
                link.move(further)
