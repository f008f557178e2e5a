"""What a broker for tests has seen, as data to assert on."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, NamedTuple, TypeVar

from proton import Condition, Message

__all__ = ["Records", "Seen", "SeenConnection", "SeenEnd", "SeenFailure", "SeenLink", "SeenMessage", "SeenOutcome"]

_Record = TypeVar("_Record")


class SeenConnection(NamedTuple):
    """A connection that a client has opened.

    :param number: its number, from 0 on; the other records refer to it.
    :param at: when its open came, in seconds as of `time.monotonic`.
    :param container_id: the name of the client's container.
    :param hostname: the host that the client has named, or None.
    :param user: the name that the client has logged in with, or None.
    :param properties: the properties of its open, or None.
    """

    number: int
    at: float
    container_id: str
    hostname: str | None
    user: str | None
    properties: Any


class SeenLink(NamedTuple):
    """A link that a client has attached, also one that was refused.

    :param connection: the number of its connection.
    :param name: the name of the link.
    :param role: "sender" or "receiver", as the client calls it.
    :param address: the address that it asked for; None for a relay or a dynamic node.
    :param refused: True where a rule refused it.
    """

    connection: int
    name: str
    role: str
    address: str | None
    refused: bool


class SeenMessage(NamedTuple):
    """A message that has come from a client.

    :param connection: the number of its connection.
    :param address: the queue that it is for.
    :param message: the message.
    :param settled: True where the client had settled it already.
    :param answer: what it was answered with: "accepted", "rejected", …, "none" for one that is not answered.
    """

    connection: int
    address: str | None
    message: Message
    settled: bool
    answer: str


class SeenOutcome(NamedTuple):
    """What a client has said of a message that was sent to it.

    :param connection: the number of its connection.
    :param address: the queue that it came from.
    :param id: the id of the message.
    :param state: the name of the delivery state: "ACCEPTED", "REJECTED", "RELEASED", "MODIFIED"; "EMPTY" where the
        client has settled without a state.
    :param settled: True where the client has settled it.
    :param condition: the condition of a rejected message, or None.
    :param transaction: the id of the transaction that it is part of, or None.
    """

    connection: int
    address: str
    id: Any
    state: str
    settled: bool
    condition: Condition | None
    transaction: bytes | None = None


class SeenEnd(NamedTuple):
    """An end by the client, or the loss of its connection.

    :param connection: the number of the connection.
    :param kind: "link", "session", "connection" or "loss".
    :param name: the name of a link, else None.
    :param condition: the client's reason, or None.
    :param closed: False for a link that was detached without `closed`.
    """

    connection: int
    kind: str
    name: str | None
    condition: Condition | None
    closed: bool


class SeenFailure(NamedTuple):
    """An error of a function of the test, or of the broker.

    :param function: "when" of `answer_next`, "resolve", "answer_requests"; "send" if a message could not be sent;
        "broker" if the broker itself has failed, which has ended then.
    :param address: the address of the node, or the one to resolve; None where there is none.
    :param message: the message, None for `resolve`.
    :param error: what the function has raised, or a `TypeError` for what it has returned.
    """

    function: str
    address: str | None
    message: Message | None
    error: BaseException


class Records(list[_Record]):
    """Records of one kind, the oldest first: a list.

    :param most: how many are kept; None for all.
    """

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        #: how many there were since the start, or since `Broker.forget`, those that are not kept among them
        self.total: int = 0
        self._most = most

    def append(self, record: _Record) -> None:
        """Append a record; the oldest one goes if there are too many."""
        self.total += 1
        super().append(record)
        if self._most is not None and len(self) > self._most:
            del self[0]

    def clear(self) -> None:
        """Drop all, and count from 0."""
        super().clear()
        self.total = 0


class Seen:
    """The records, in order. Each list only grows, up to `keep` records; `Broker.forget` empties them all.

    :param keep: how many records of each kind are kept; None for all. Their attribute `total` counts them all.
    """

    def __init__(self, keep: int | None = None) -> None:
        #: what clients have opened
        self.connections: Records[SeenConnection] = Records(keep)
        #: the number of the connection of each session
        self.sessions: Records[int] = Records(keep)
        self.links: Records[SeenLink] = Records(keep)
        self.messages: Records[SeenMessage] = Records(keep)
        self.outcomes: Records[SeenOutcome] = Records(keep)
        self.ends: Records[SeenEnd] = Records(keep)
        self.failures: Records[SeenFailure] = Records(keep)
        #: called without arguments after each change, where the broker runs
        self.on_change: Callable[[], object] = _nothing
        #: the first failure that was not raised yet
        self.unraised: SeenFailure | None = None
        self._changed = threading.Condition()
        self._changes = 0  # how many there were

    def __repr__(self) -> str:
        counts = ", ".join(f"{found.total} {name}" for name, found in vars(self).items() if isinstance(found, Records))
        return f"Seen({counts})"

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            for found in vars(self).values():
                if isinstance(found, Records):
                    found.clear()
            self.unraised = None

    def add_failure(self, failure: SeenFailure) -> None:
        """Append a failure, which is raised by a wait, or at the end of `with`."""
        if self.unraised is None:
            self.unraised = failure
        self.add(self.failures, failure)

    def raise_failure(self) -> None:
        """Raise the first failure that was not raised yet.

        :raises RuntimeError: there is one.
        """
        failure, self.unraised = self.unraised, None
        if failure is not None:
            function, address, _, error = failure
            place = "" if address is None else f" for the address {address!r}"
            raise RuntimeError(f"{function} failed{place}: {type(error).__name__}: {error}") from error

    def add(self, records: Records[Any], record: Any) -> None:
        """Append a record to one of the lists, and have the waits try their conditions again."""
        with self._changed:
            records.append(record)
        self.notify()

    def notify(self) -> None:
        """Have the waits try their conditions again: something has changed that a command can ask for."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()
        self.on_change()

    def wait_for(self, condition: Callable[[Seen], Any], seconds: float) -> Any:
        """Wait until a condition holds, and return what it returned; None if the time is over before.

        :raises RuntimeError: it does not hold, and there is a failure.
        """
        deadline = time.monotonic() + seconds
        while True:
            changes = self._changes  # before the condition looks: a change that it misses is one to wake up for
            # Without the lock: a condition may give commands, and the thread that does them adds records.
            found = condition(self)
            if found:
                return found
            self.raise_failure()
            left = deadline - time.monotonic()
            with self._changed:
                while left > 0 and self._changes == changes:
                    self._changed.wait(left)
                    left = deadline - time.monotonic()
            if left <= 0:
                return None


def _nothing() -> None:
    """Stands for a broker without waits."""
