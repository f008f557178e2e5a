"""Blocking links: `BlockingSender`, `BlockingReceiver`, and the `Fetcher` that keeps what has come in.

They wait through their `BlockingConnection`, under its lock (`locked`). A message whose connection is lost before
its outcome is not sent again: that is the caller's to decide.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

from proton.endpoints.delivery import Delivery
from proton.endpoints.endpoint import Endpoint
from proton.exceptions import LinkException, Timeout
from proton.handlers.messaging import MessagingHandler
from proton.message import Message
from proton.utils.errors import ConnectionClosed, LinkDetached, SendException

if TYPE_CHECKING:
    from proton.utils.blocking import BlockingConnection

__all__ = ["BlockingLink", "BlockingReceiver", "BlockingSender", "Fetcher", "locked"]

#: Seconds to wait for the detach that a peer owes after attaching a link to another address than asked for (2.6.3).
REFUSAL_TIMEOUT = 1

Operation = TypeVar("Operation", bound=Callable[..., Any])


def locked(operation: Operation) -> Operation:
    """Has a method hold the lock of its connection."""

    @functools.wraps(operation)
    def operate(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return operation(self, *args, **kwargs)

    return cast(Operation, operate)


def at_work(operation: Operation) -> Operation:
    """As `locked`, for methods of a link that wait: its end is told to who has called them."""

    @functools.wraps(operation)
    def operate(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        with connection._lock:
            before, connection._at_work_on = connection._at_work_on, self.link
            try:
                return operation(self, *args, **kwargs)
            finally:
                connection._at_work_on = before

    return cast(Operation, operate)


class BlockingLink:
    """What blocking senders and receivers have in common. Unknown attributes are those of `link`.

    :param connection: the `BlockingConnection`.
    :param link: the link, opened.
    :raises LinkDetached: the peer refuses it.
    :raises ConnectionException: the connection is gone.
    """

    def __init__(self, connection: BlockingConnection, link: Any) -> None:
        self._lock = connection._lock
        self._closed = False  # by `close`
        self.connection = connection
        self.link = link
        connection._wait(lambda: not link.state & Endpoint.REMOTE_UNINIT, msg=f"Opening link {link.name}")
        if link.state & Endpoint.REMOTE_UNINIT:
            raise connection._loss()
        self._check_closed()

    def _wait_for_close(self, timeout: float = REFUSAL_TIMEOUT) -> None:
        """Waits for the end of the link, or of its session: some peers refuse a link that way, and say there why."""
        link, session = self.link, self.link.session
        with contextlib.suppress(Timeout):
            self.connection._wait(
                lambda: (link.state | session.state) & Endpoint.REMOTE_CLOSED,
                timeout=timeout,
                msg=f"Opening link {link.name}",
            )
        self._check_closed()

    def _check_closed(self) -> None:
        if self.link.state & Endpoint.REMOTE_CLOSED:
            self.link.close()
            if not self.connection.closing:
                raise LinkDetached(self.link)

    def _check_in_use(self) -> None:
        if self._closed:
            raise LinkException(f"expected an open link, got {self.link.name}, which was closed")
        if self.link.state & Endpoint.REMOTE_CLOSED:
            self.connection._owed.pop(self.link, None)
            self._check_closed()

    def _check_address(self, kind: str, terminus: str) -> None:
        """The peer has to attach the address that was asked for; a link to another one it refuses (2.6.3)."""
        wanted = getattr(self.link, terminus)
        if wanted.dynamic or not wanted.address:
            return
        if wanted.address != getattr(self.link, "remote_" + terminus).address:
            self._wait_for_close()
            self.link.close()
            ended = self.connection._ended_session(self.link.session)
            raise LinkException(f"Failed to open {kind} {self.link.name}, {terminus} does not match{ended}")

    @at_work
    def close(self) -> None:
        """Close the link, and wait for the peer to do the same."""
        self._closed = True
        link = self.link
        link.close()
        self.connection._wait(lambda: not link.state & Endpoint.REMOTE_ACTIVE, msg=f"Closing link {link.name}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "link" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.link, name)


class BlockingSender(BlockingLink):
    """Sends messages and waits for their outcome. Made by `BlockingConnection.create_sender`.

    :raises LinkException: the peer has attached another target than asked for.
    """

    def __init__(self, connection: BlockingConnection, sender: Any) -> None:
        super().__init__(connection, sender)
        self._check_address("sender", "target")

    @at_work
    def send(self, msg: Message, timeout: Any = False, error_states: Any = None) -> Delivery:
        """Send a message, and wait until the receiver has settled it.

        :param msg: the message.
        :param timeout: seconds; that of the connection when left out, None for no limit.
        :param error_states: the outcomes to raise for; rejected and released when left out.
        :raises SendException: the outcome is one of these.
        :raises LinkDetached: the peer has closed the link.
        :raises LinkException: the link was closed by `close`.
        :raises Timeout: there was none in time. The message stays queued: it may have arrived, or arrive yet.
        :raises ConnectionException: the connection was lost; whether the message has arrived is unknown.
        """
        return self._send(msg, timeout, error_states)

    def _send(self, msg: Message, timeout: Any = False, error_states: Any = None) -> Delivery:
        """As `send`, for who has the lock."""
        if self.link.state & Endpoint.LOCAL_CLOSED:
            self._check_in_use()
        connection = self.connection
        losses = connection._losses
        delivery: Delivery = self.link.send(msg)
        if self.link.snd_settle_mode == self.link.SND_SETTLED:
            connection._wait(lambda: True)  # raises what was found out since the last operation
            connection._look(1)  # no outcome will come, but what credit allows is to be written
            return delivery
        connection._wait(
            lambda: delivery.settled or connection._losses != losses,
            timeout=timeout,
            msg=f"Sending on sender {self.link.name}",
        )
        settled = delivery.settled
        delivery.settle()
        if not settled:
            raise connection._loss()
        bad = (Delivery.REJECTED, Delivery.RELEASED) if error_states is None else error_states
        if delivery.remote_state in bad:
            raise SendException(delivery.remote_state, delivery.remote.condition if delivery.remote else None)
        return delivery


class Fetcher(MessagingHandler):
    """Keeps the messages of a blocking receiver until they are asked for.

    :param connection: the `BlockingConnection`.
    :param prefetch: messages of credit that the link is kept supplied with.
    """

    def __init__(self, connection: BlockingConnection, prefetch: int | None) -> None:
        super().__init__(prefetch=prefetch or 0, auto_accept=False)
        self.connection = connection
        self.incoming: deque[tuple[Message, Delivery]] = deque()
        self.unsettled: deque[Delivery] = deque()

    def on_message(self, event: Any) -> None:
        """Keeps a message."""
        self.incoming.append((event.message, event.delivery))
        event.container.yield_()  # to wake up the operation that waits for it

    def on_link_error(self, event: Any) -> None:
        """Ends the operation under way with what the peer said about the link."""
        self.connection._link_ended(event.link)

    def on_connection_error(self, event: Any) -> None:
        """Ends the operation under way with what the peer said about the connection."""
        if not self.connection.closing:
            raise ConnectionClosed(event.connection)

    @property
    def has_message(self) -> int:
        """The number of messages that are here."""
        return len(self.incoming)

    def pop(self) -> Message:
        """The oldest message; it now waits to be settled, unless the sender has settled it."""
        message, delivery = self.incoming.popleft()
        if not delivery.settled:
            self.unsettled.append(delivery)
        return message

    def settle(self, state: Any = None) -> None:  # type: ignore[override]
        """Settle the oldest message that was popped.

        :param state: its outcome, if any.
        :raises IndexError: there is none to settle.
        """
        delivery = self.unsettled.popleft()
        if state:
            delivery.update(state)
        delivery.settle()


class BlockingReceiver(BlockingLink):
    """Receives messages one by one. Made by `BlockingConnection.create_receiver`.

    :param fetcher: keeps the messages; None when the link has a handler of the program's own.
    :param credit: messages to ask for at once.
    :raises LinkException: the peer has attached another source than asked for.
    """

    def __init__(
        self, connection: BlockingConnection, receiver: Any, fetcher: Fetcher | None, credit: int | None = 1
    ) -> None:
        super().__init__(connection, receiver)
        self._check_address("receiver", "source")
        if credit:
            receiver.flow(credit)
        self.fetcher = fetcher
        self.container = connection.container

    def __del__(self) -> None:
        # The link would keep its handler, and that one the connection, in a circle.
        link = self.__dict__.get("link")
        if link is not None:
            link.handler = None

    @at_work
    def receive(self, timeout: Any = False) -> Message:
        """Wait for a message.

        :param timeout: seconds; that of the connection when left out, None for no limit.
        :raises Timeout: none came in time.
        :raises LinkDetached: the peer has closed the link.
        :raises LinkException: the link was closed by `close`.
        :raises ConnectionException: the connection is gone.
        """
        fetcher = self.fetcher
        if fetcher is None:
            raise Exception("Can't call receive on this receiver as a handler was not provided")
        if not fetcher.has_message:
            self._check_in_use()
        if not self.link.credit:
            self.link.flow(1)
        self.connection._wait(
            lambda: fetcher.has_message, timeout=timeout, msg=f"Receiving on receiver {self.link.name}"
        )
        if not fetcher.has_message:
            raise self.connection._loss()
        return fetcher.pop()

    def accept(self) -> None:
        """Accept the oldest message that was received and not settled.

        :raises IndexError: there is none.
        """
        self.settle(Delivery.ACCEPTED)

    def reject(self) -> None:
        """Reject the oldest message that was received and not settled.

        :raises IndexError: there is none.
        """
        self.settle(Delivery.REJECTED)

    def release(self, delivered: bool = True) -> None:
        """Give back the oldest message that was received and not settled.

        :param delivered: False when nobody has looked at it.
        :raises IndexError: there is none.
        """
        self.settle(Delivery.MODIFIED if delivered else Delivery.RELEASED)

    @locked
    def settle(self, state: Any = None) -> None:
        """Settle the oldest message that was received and not settled.

        :param state: its outcome, if any.
        :raises IndexError: there is none.
        """
        if self.fetcher is None:
            raise Exception("Can't call accept/reject etc on this receiver as a handler was not provided")
        self.fetcher.settle(state)
