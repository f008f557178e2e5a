"""What a person should know of a connection and no callback tells, as warnings in the log (`IOHandler` calls in here).

Keep true: nothing here runs for a message, and nothing here changes what it looks at.
"""

from __future__ import annotations

from typing import Any

from proton.codec.data import Data
from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_CLOSED, endpoint_state
from proton.endpoints.printable import printable
from proton.endpoints.terminus import Terminus
from proton.logs import log
from proton.url import Url

__all__ = [
    "described",
    "place_of",
    "shown",
    "unfinished_text",
    "warn_of_missing_filters",
    "warn_of_unfinished",
    "warn_of_unused_login",
]

#: what a delivery's state is before its outcome: none, or how much has come (3.4.1)
_NO_OUTCOME = (0, Delivery.RECEIVED)


def shown(url: Any) -> str:
    """A URL as it may appear in a log or an exception: without its password."""
    if isinstance(url, Url):
        url = Url(url, defaults=False)
        url.password = None
    return printable(str(url))


def place_of(connection: Any) -> str:
    """The address of a connection for the log, without a password; its host name where it has no address."""
    url = connection.url
    return printable(connection.hostname or connection.remote_container) if url is None else shown(url)


def described(kind: str, endpoint: Any) -> str:
    """An endpoint in words for the log: what it is, its name and address if it is a link, and where it leads to.

    :param kind: how to call it.
    :param endpoint: a `Connection`, `Session` or `Link`.
    """
    text = kind
    if hasattr(endpoint, "is_sender"):
        terminus, way = (endpoint.target, "to") if endpoint.is_sender else (endpoint.source, "from")
        address = "" if terminus.address is None else f" {way} {printable(terminus.address)!r}"
        text = f"{kind} {printable(endpoint.name)}{address}"
    place = place_of(endpoint.connection)
    return f"{text} at {place}" if place else text


def unfinished_text(connection: Any) -> str:
    """How many messages of a connection are unsent or unsettled, in words; empty when there are none.

    Of what was sent over an earlier transport, `on_disconnected` has told: a program that has sent it again does not
    settle the old deliveries. They count only where no transport has come after it.

    :param connection: a connection that has ended.
    """
    if endpoint_state(connection).shared.first is None:
        return ""  # no session, no link
    unsent = unknown = unsettled = 0
    only_sent_here = connection.transport is not None and connection.state & LOCAL_CLOSED
    for link in connection.links(0):
        if link.is_sender:
            unsent += link.queued
            # These count as unsent already.
            waiting = set(endpoint_state(link).outgoing)
            unknown += sum(
                1
                for delivery in endpoint_state(link).unsettled
                if delivery not in waiting
                and not delivery.settled
                and delivery.remote_state in _NO_OUTCOME
                and not (only_sent_here and delivery._id is None)
            )
        else:
            # What has not been read yet was not handed to the program, nor what a `Fetcher` keeps for it.
            read = sum(1 for delivery in endpoint_state(link).unsettled if delivery._advanced and not delivery.settled)
            unsettled += max(0, read - getattr(link.handler, "has_message", 0))
    counts = (
        (unsent, "unsent"),
        (unknown, "sent without an outcome"),
        (unsettled, "received and not settled"),
    )
    return ", ".join(f"{count} message{'s' * (count > 1)} {what}" for count, what in counts if count)


def warn_of_unfinished(connection: Any) -> None:
    """Tell what is left of a connection that has ended; a retry does not count as an end.

    Where a server is left by its client, the client has decided what is to be left.
    """
    closed = connection.state & LOCAL_CLOSED
    if getattr(connection, "_acceptor", None) is not None and not (closed and _was_first(connection)):
        return
    if not closed and (
        endpoint_state(connection).raises_errors
        or not getattr(endpoint_state(connection).shared.reconnect, "finished", True)
    ):
        return
    text = unfinished_text(connection)
    if text:
        log.warning("Connection to %s %s with %s", place_of(connection), "closed" if closed else "lost", text)


def _was_first(connection: Any) -> bool:
    """Whether this end has closed a connection before the peer did."""
    if not connection.state & REMOTE_CLOSED:
        return True
    local, remote = endpoint_state(connection).local_end, endpoint_state(connection).remote_end
    return bool(remote is None or (local is not None and local[0] < remote[0]))


def warn_of_unused_login(connection: Any) -> None:
    """Tell that a connection is anonymous although the program has given a password or a token."""
    transport = endpoint_state(connection).shared.transport_state
    sasl = transport.sasl if transport is not None else None
    if sasl is not None and sasl.anonymous_because is not None:
        log.warning(
            "Connection to %s is anonymous, the password or token is not used: %s",
            place_of(connection),
            sasl.anonymous_because,
        )


def warn_of_missing_filters(link: Any) -> None:
    """Name each filter that a receiver has asked for and the peer's attach has not: it is not applied (3.5.8)."""
    if not (link.is_receiver and link.state & LOCAL_ACTIVE) or link.remote_source.type == Terminus.UNSPECIFIED:
        return  # not asked for, or the link is refused (2.6.3)
    wanted = _filter_names(link.source)
    missing = wanted - _filter_names(link.remote_source) if wanted else wanted
    if missing:
        log.warning(
            "The peer at %s does not apply %s %s of receiver %s: missing in its attach for %s",
            place_of(link.connection),
            "filters" if len(missing) > 1 else "filter",
            ", ".join(sorted(repr(printable(name)) for name in missing)),
            printable(link.name),
            repr(printable(link.remote_source.address)),
        )


def _filter_names(terminus: Terminus) -> set[str]:
    """The keys of the filter set of a source whose value is not null."""
    tree = Data()
    tree.copy(terminus.filter)  # the program may stand somewhere in its own
    tree.rewind()
    value = tree.get_object() if tree.next() is not None else None
    return {str.__str__(key) for key, kept in value.items() if kept is not None} if isinstance(value, dict) else set()
