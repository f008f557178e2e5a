"""`end_of`: why nothing can come any more from a link, a session or a connection.

Each part that waits asks here: handlers, blocking calls, requests and transactions (2.4.3, 2.5.4, 2.6.5).
An endpoint records its own ends, `_local_end` and `_remote_end`, each with a serial number of the connection: where a
link, its session and its connection have all ended, the first of these ends is the reason.
Keep true: a connection that is lost and will be made again has not ended, and neither has a session that the peer has
ended with a condition that can pass, while this end leaves it open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from proton.endpoints.condition import Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_CLOSED

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.link import Link
    from proton.endpoints.session import Session

__all__ = ["End", "end_of", "is_retried"]


class End(NamedTuple):
    """The end of a link, session or connection.

    :param endpoint: what has ended: the link that was asked about, its session, or its connection.
    :param condition: the reason, None where no reason was given.
    :param by_peer: True for the peer's detach, end or close; False where this end has ended it, also because the peer
        broke a rule, and where the transport has failed.
    """

    endpoint: Connection | Session | Link
    condition: Condition | None
    by_peer: bool


def end_of(endpoint: Any) -> End | None:
    """Why nothing can come any more from a link, session or connection; None while something may come.

    :param endpoint: a `Link`, `Session` or `Connection`.
    """
    connection = endpoint.connection
    found: list[tuple[int, End]] = []
    if endpoint is not connection:
        session = getattr(endpoint, "session", None)
        if session is not None:
            _add_link(found, endpoint)
        _add_session(found, session or endpoint)
    _add_connection(found, connection)
    return min(found, key=_serial)[1] if found else None


def is_retried(endpoint: Connection | Session, now: float) -> bool:
    """Whether the end of a connection or session by the peer is followed by a retry, as long as this end is open.

    :param endpoint: what the peer has ended.
    :param now: seconds, on the clock of the container.
    """
    connection = endpoint.connection
    if not connection.state & LOCAL_ACTIVE or not _can_pass(endpoint):
        return False
    policy = connection._reconnect
    if endpoint is connection:
        return bool(policy.passes(policy.series, endpoint._remote_end, now, connection._has_progressed()))
    session: Any = endpoint
    if session._series is None:
        session._series = policy.series_for_endpoint()
    return bool(policy.passes(session._series, session._remote_end, now, session._progressed))


def _serial(numbered: tuple[int, End]) -> int:
    return numbered[0]


def _add_link(found: list[tuple[int, End]], link: Link) -> None:
    if link.state & LOCAL_CLOSED or link._detached:
        _add(found, link, link._local_end, False)
    if link.state & REMOTE_CLOSED or link._remotely_detached:
        _add(found, link, link._remote_end, True)


def _add_session(found: list[tuple[int, End]], session: Session) -> None:
    if session.state & LOCAL_CLOSED:
        _add(found, session, session._local_end, False)
    if session.state & REMOTE_CLOSED and not _can_pass(session):
        _add(found, session, session._remote_end, True)


def _add_connection(found: list[tuple[int, End]], connection: Connection) -> None:
    if connection.state & LOCAL_CLOSED:
        _add(found, connection, connection._local_end, False)
    if connection.state & REMOTE_CLOSED and not _can_pass(connection):
        _add(found, connection, connection._remote_end, True)
    loss = connection._loss
    transport = connection.transport
    if transport is not None and transport._tail_closed and not transport._close_received:
        loss = connection._ends + 1, transport.condition
    if loss is not None and not _retries(connection):
        _add(found, connection, loss, False)


def _add(found: list[tuple[int, End]], endpoint: Any, end: tuple[int, Condition | None] | None, by_peer: bool) -> None:
    if end is not None:
        found.append((end[0], End(endpoint, end[1], by_peer)))


def _retries(connection: Connection) -> bool:
    policy = connection._reconnect
    return policy is not None and not policy.finished and bool(connection.state & LOCAL_ACTIVE)


def _can_pass(endpoint: Connection | Session) -> bool:
    """Whether the peer's end of it is followed by a retry: this end has left it open, and the condition can pass."""
    if not endpoint.state & LOCAL_ACTIVE or not _retries(endpoint.connection):
        return False
    end = endpoint._remote_end
    return bool(endpoint.connection._reconnect.can_pass(end[1] if end is not None else None))
