"""What awaits raise: outcomes of messages, ends of links, sessions and connections, time-outs.

The outcomes are raised by programs too, inside ``async with delivery``: there they decide what the peer is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.asyncio.checks import check_flag, check_kind
from proton.asyncio.loop import TimeoutErrors
from proton.endpoints.condition import Condition, reason_of
from proton.endpoints.disposition import Disposition, DispositionType, ModifiedDisposition, RejectedDisposition
from proton.endpoints.printable import condition_text, message_text, printable
from proton.exceptions import ConnectionException, LinkException, ProtonException, SessionException
from proton.exceptions import Timeout as _Timeout

if TYPE_CHECKING:
    from proton.asyncio.outcomes import Receipt
    from proton.codec.types import AMQPValue
    from proton.endpoints.ends import End

__all__ = [
    "ConnectionClosed",
    "Drained",
    "LinkClosed",
    "Lost",
    "Modified",
    "Rejected",
    "Released",
    "SessionClosed",
    "Timeout",
    "TransactionAborted",
    "Undeliverable",
    "disposition_of",
    "error_of",
    "fresh",
]

if TYPE_CHECKING:

    class Timeout(_Timeout, TimeoutError):
        """What was waited for has not come in time."""

else:
    # One class before Python 3.11 is `asyncio.TimeoutError`, which `asyncio.wait_for` raises there.
    Timeout = type(
        "Timeout",
        (_Timeout, *TimeoutErrors),
        {"__doc__": "What was waited for has not come in time.", "__module__": __name__},
    )


class Undeliverable(ProtonException):
    """A message was sent, and its receiver has not accepted it; the base of `Rejected`, `Released` and `Modified`.

    :ivar receipt: the `Receipt` of the message; None where a program has made the exception.
    :ivar address: where its sender sends to; None where that is not known.
    :ivar others: those of further messages, where one call tells of several (`Sender.flush`).
    """

    #: the outcome, a `DispositionType`
    state: DispositionType | int = 0
    #: why, a `Condition`, or None
    condition: Condition | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.receipt: Receipt | None = None
        self.address: str | None = None
        self.others: list[Undeliverable] = []

    def __str__(self) -> str:
        text = super().__str__()
        if self.receipt is not None:  # a log may have nothing else of the message
            text = f"{message_text(self.address)} was {text}"
        return f"{text} (and {len(self.others)} more)" if self.others else text


class Rejected(Undeliverable):
    """The message is invalid (3.4.3).

    :param condition: the symbol of the reason, or a `Condition`, or None.
    :param description: the reason in words.
    :param info: a map with further facts.
    """

    state: DispositionType | int = DispositionType.REJECTED

    def __init__(
        self, condition: str | Condition | None = None, description: str | None = None, info: AMQPValue = None
    ) -> None:
        reason = reason_of(condition, description, info)
        super().__init__(f"rejected: {printable(condition_text(reason))}" if reason else "rejected")
        self.condition = reason


class Released(Undeliverable):
    """The message was given back, as if it had not been sent (3.4.4)."""

    state: DispositionType | int = DispositionType.RELEASED

    def __init__(self) -> None:
        super().__init__("released")


class Modified(Undeliverable):
    """The message was given back, to be changed before it is sent again (3.4.5).

    :param failed: it counts as a failed attempt.
    :param undeliverable: it must not be sent there again.
    :param annotations: what to put into its message annotations.
    """

    state: DispositionType | int = DispositionType.MODIFIED

    def __init__(
        self,
        failed: bool = True,
        undeliverable: bool = False,
        annotations: dict[AMQPValue, AMQPValue] | None = None,
    ) -> None:
        check_flag("failed", failed)
        check_flag("undeliverable", undeliverable)
        check_kind("annotations", annotations, dict)
        self.failed = failed
        self.undeliverable = undeliverable
        self.annotations = annotations
        super().__init__(f"modified: failed={failed}, undeliverable={undeliverable}, annotations={annotations!r:.200}")


class _Ended(ProtonException):
    """The base of exceptions for an end.

    :param text: what has ended, and how, in words.
    :param condition: why; None where no reason was given.
    """

    def __init__(self, text: str, condition: Condition | None = None) -> None:
        super().__init__(text)
        self.condition = condition


class LinkClosed(_Ended, LinkException):
    """A sender, receiver or requester has ended, or is not open.

    :ivar condition: why, a `Condition`; None where no reason was given.
    """


class Drained(LinkClosed):
    """`Receiver.drain` has stopped the credit, and all messages that had come are taken."""


class SessionClosed(_Ended, SessionException):
    """A session has ended.

    :ivar condition: why, a `Condition`; None where no reason was given.
    """


class ConnectionClosed(_Ended, ConnectionException):
    """A connection is closed, could not be made, or is not open yet.

    :ivar condition: why, a `Condition`; None where no reason was given.
    """


class Lost(ConnectionClosed):
    """The connection was lost. If a message was under way, it may have arrived: its outcome is not known.

    :ivar receipt: the `Receipt` of the message without an outcome; None where there is none.
    """

    def __init__(self, text: str, condition: Condition | None = None) -> None:
        super().__init__(text, condition)
        self.receipt: Receipt | None = None


class TransactionAborted(_Ended):
    """A transaction was not committed: the coordinator has refused it, or is gone, and has rolled back its work.

    :ivar condition: why, a `Condition`; None where no reason was given.
    """


def disposition_of(error: Undeliverable) -> Disposition | int:
    """What the sender of a message is told, where the exception is raised inside ``async with delivery``."""
    if isinstance(error, Rejected):
        return RejectedDisposition(error.condition)
    if isinstance(error, Modified):
        return ModifiedDisposition(error.failed, error.undeliverable, error.annotations)
    return int(error.state)


def error_of(end: End, what: str) -> Exception:
    """The exception for an end.

    :param what: the endpoint that the caller has used, in words; empty for the connection.
    """
    ended: Any = end.endpoint
    reason = f": {printable(condition_text(end.condition))}" if end.condition else ""
    how = "lost" if end.is_loss else "closed by the peer" if end.by_peer else "closed"
    connection = ended.connection
    if ended is connection:
        place = printable(connection.connected_address or connection.hostname or connection.remote_container or "")
        text = f"{f'{what}: ' if what else ''}the connection{f' to {place}' if place else ''} was {how}{reason}"
        return (Lost if end.is_loss else ConnectionClosed)(text, end.condition)
    if not hasattr(ended, "session"):
        return SessionClosed(f"{what}: its session was {how}{reason}", end.condition)
    return LinkClosed(f"{what} was {how}{reason}", end.condition)


def fresh(error: Exception) -> Exception:
    """A copy of an error that is kept, to be raised.

    The frames of a traceback lead back to what keeps the error: only the garbage collector would free that.
    """
    # Not by the constructor, whose arguments need not be those of `args`.
    made: Exception = error.__class__.__new__(error.__class__, *error.args)
    vars(made).update(vars(error))
    return made
