"""`end_of`: why nothing can come any more from a link, a session or a connection.

Each part that waits asks here: handlers, blocking calls, requests and transactions (2.4.3, 2.5.4, 2.6.5).
A state records its own ends, `local_end` and `remote_end`, each with a serial number of the connection: where a
link, its session and its connection have all ended, the first of these ends is the reason.
Keep true: a connection that is lost and will be made again has not ended, and neither has a session or link that the
peer has ended with a condition that can pass, while this end leaves it open.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from proton.endpoints.condition import NOT_FOUND, Condition
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED, endpoint_state
from proton.endpoints.printable import condition_text, printable
from proton.warn import called_by_program, warn

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.link import Link
    from proton.endpoints.session import Session

__all__ = ["End", "end_of", "awaits_node", "is_retried", "warn_if_ended"]

#: what a program's call goes through before it is here
_CALLED_THROUGH = (
    "endpoints",
    os.path.join("reactor", "container"),
    "connector.py",
    "message.py",
)


class End(NamedTuple):
    """The end of a link, session or connection.

    :param endpoint: what has ended: the link that was asked about, its session, or its connection.
    :param condition: the reason, None where no reason was given.
    :param by_peer: True for the peer's detach, end or close; False where this end has ended it, also because the peer
        broke a rule, and where the transport has failed.
    :param is_loss: True where the transport has failed.
    """

    endpoint: Connection | Session | Link
    condition: Condition | None
    by_peer: bool
    is_loss: bool = False


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
    # By the number alone: two `End` of one number must not be compared, as conditions have no order.
    return min(found, key=_serial)[1] if found else None


def warn_if_ended(what: str, endpoint: Any) -> None:
    """Warn of a call that can have no effect any more, because a link, session or connection has ended for good.

    The C binding takes such calls silently, and old programs make them while they shut down: it is not an error.
    Connections that `Container.connect` has not made, and calls of handlers of this package, give no warning.

    :param what: the call.
    :param endpoint: the `Link`, `Session` or `Connection` that it needs.
    """
    # Programs that drive the engine by themselves open and close in any order, and know when it has no effect.
    if endpoint_state(endpoint.connection).shared.reconnect is None:
        return
    end = end_of(endpoint)
    # Asked last: it walks up the stack of calls.
    if end is None or not called_by_program(_CALLED_THROUGH):
        return
    ended: Any = end.endpoint
    kind = "connection" if ended is ended.connection else "link" if hasattr(ended, "session") else "session"
    name = f" {printable(ended.name or '')!r}" if kind == "link" else ""
    how = "ended by the peer" if end.by_peer else "lost" if end.is_loss else "ended here"
    reason = f": {condition_text(end.condition)}" if end.condition else ""
    warn(f"{what} has no effect: the {kind}{name} was {how}{reason}")


def is_retried(endpoint: Any, now: float) -> bool:
    """Whether the end of a connection, session or link by the peer is followed by a retry, as long as this end is open.

    A link that waits for its node is retried too, and so is a session that the peer has ended for such a link.

    :param endpoint: the `Connection`, `Session` or `Link` that the peer has ended.
    :param now: seconds, on the clock of the container.
    """
    connection, state = endpoint.connection, endpoint_state(endpoint)
    end = state.remote_end
    if end is None or not _retries(connection) or not endpoint.state & LOCAL_ACTIVE:
        return False
    policy = state.shared.reconnect
    if endpoint is connection:
        return bool(policy.passes(policy.series, end, now, state.shared.has_progressed()))
    session = getattr(endpoint, "session", endpoint)
    # A detach keeps the terminus at the peer (2.6.4), a close does not: only the program knows which it wants next.
    if endpoint is not session and state.detached:
        return False  # the program has answered by itself, to recover it perhaps
    if endpoint is not session and session.state != LOCAL_ACTIVE | REMOTE_ACTIVE and not is_retried(session, now):
        return False  # else the session ended in the same read, and is made again
    if state.series is None:
        state.series = policy.series_for_endpoint()
    # A node that an earlier attach has reached may appear again, so that not-found can pass here only.
    if awaits_node(endpoint):
        return bool(policy.awaits_node(state.series, now))
    if endpoint is not session and not policy.link_can_pass(end[1]):
        return False
    return bool(policy.passes(state.series, end, now, endpoint_state(session).binding.progressed))


def awaits_node(endpoint: Any) -> bool:
    """Whether a link that worked before is refused after a reconnect because its node is not there (yet).

    :param endpoint: a `Link` that the peer has detached, or a `Session` that it has ended: some peers refuse a link so.
    """
    state = endpoint_state(endpoint)
    end = state.remote_end
    if end is None or end[1] is None or end[1].name != NOT_FOUND or state.shared.reconnect is None:
        return False
    links = state.binding.turned_away if endpoint is getattr(endpoint, "session", endpoint) else [state]
    return bool(links) and all(link.worked for link in links if link.endpoint.state & LOCAL_ACTIVE)


def _serial(numbered: tuple[int, End]) -> int:
    return numbered[0]


def _add_link(found: list[tuple[int, End]], link: Link) -> None:
    state = endpoint_state(link)
    if link.state & LOCAL_CLOSED or state.detached:
        _add(found, link, state.local_end, False)
    gone = link.state & REMOTE_CLOSED or state.binding.remotely_detached
    if gone and not (state.restarting or _link_can_pass(link)):
        _add(found, link, state.remote_end, True)


def _add_session(found: list[tuple[int, End]], session: Session) -> None:
    state = endpoint_state(session)
    if session.state & LOCAL_CLOSED:
        _add(found, session, state.local_end, False)
    if session.state & REMOTE_CLOSED and not (state.restarting or _can_pass(session)):
        _add(found, session, state.remote_end, True)


def _add_connection(found: list[tuple[int, End]], connection: Connection) -> None:
    state = endpoint_state(connection)
    if connection.state & LOCAL_CLOSED:
        _add(found, connection, state.local_end, False)
    if connection.state & REMOTE_CLOSED and not _can_pass(connection):
        _add(found, connection, state.remote_end, True)
    # The loss of this transport has no number before it is unbound: it comes after all ends that have one.
    loss = state.loss
    wire = state.shared.transport_state
    if wire is not None and wire.tail_closed and not wire.close_received:
        loss = state.shared.ends + 1, wire.condition
    if loss is not None and not _retries(connection):
        found.append((loss[0], End(connection, loss[1], False, is_loss=True)))


def _add(found: list[tuple[int, End]], endpoint: Any, end: tuple[int, Condition | None] | None, by_peer: bool) -> None:
    if end is not None:
        found.append((end[0], End(endpoint, end[1], by_peer)))


def _retries(connection: Connection) -> bool:
    policy = endpoint_state(connection).shared.reconnect
    return policy is not None and not policy.finished and bool(connection.state & LOCAL_ACTIVE)


def _link_can_pass(link: Link) -> bool:
    """As `_can_pass`, for the peer's detach of a link."""
    state = endpoint_state(link)
    if not link.state & LOCAL_ACTIVE or state.detached or not _retries(link.connection):
        return False
    end = state.remote_end
    return awaits_node(link) or bool(state.shared.reconnect.link_can_pass(end[1] if end is not None else None))


def _can_pass(endpoint: Connection | Session) -> bool:
    """Whether the peer's end of it is followed by a retry: this end has left it open, and the condition can pass."""
    if not endpoint.state & LOCAL_ACTIVE or not _retries(endpoint.connection):
        return False
    state = endpoint_state(endpoint)
    return bool(state.shared.reconnect.can_pass(state.remote_end[1] if state.remote_end is not None else None))
