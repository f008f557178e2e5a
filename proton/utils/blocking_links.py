"""Blocking links: `BlockingSender`, `BlockingReceiver`, and the `Fetcher` that keeps what has come in.

Each operation is run by the `BlockingConnection` (`_run`), with its lock and a deadline that counts from the call. A
message whose connection is lost before its outcome is not sent again: that is the caller's to decide.
"""

from __future__ import annotations

import contextlib
import functools
import time
import types
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from proton.endpoints import hooks as _hooks
from proton.endpoints.arguments import NotCopied, check_count, check_timeout
from proton.endpoints.condition import reason_of
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import ModifiedDisposition, RejectedDisposition
from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.ends import end_of
from proton.endpoints.printable import printable
from proton.exceptions import ConnectionException, LinkException, MessageException, Timeout
from proton.handlers.messaging import MessagingHandler
from proton.logs import log
from proton.message import Message
from proton.transport.progress import awaited_of_delivery
from proton.utils.errors import LinkDetached, SendException
from proton.utils.sharing import Watch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType
    from typing import Literal

    from proton.codec.types import AMQPValue
    from proton.endpoints.condition import Condition
    from proton.endpoints.disposition import Disposition, DispositionType
    from proton.endpoints.link import Link
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender
    from proton.endpoints.session import Session
    from proton.endpoints.terminus import Terminus
    from proton.handlers.events import ConnectionEvent, DeliveryEvent, LinkEvent, MessageEvent, SessionEvent
    from proton.reactor.container import Container
    from proton.utils.blocking import BlockingConnection
    from proton.utils.operations import Operations

__all__ = ["BlockingLink", "BlockingReceiver", "BlockingSender", "Fetcher"]

#: Seconds to wait for the detach that a peer owes after attaching a link to another address than asked for (2.6.3).
REFUSAL_TIMEOUT = 1

_OVER = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED

_Self = TypeVar("_Self", bound="BlockingLink")
_Receiver = TypeVar("_Receiver", bound="BlockingReceiver")


def leave(close: Callable[[], None], error: BaseException | None) -> None:
    """Closes something at the end of a ``with`` block; what the block has raised is not replaced by what this raises.

    :param close: closes it.
    :param error: what the block has raised, or None.
    """
    try:
        close()
    except Exception as second:
        if error is None:
            raise
        log.info("closing failed after %s: %s", type(error).__name__, printable(second))


class BlockingLink(NotCopied):
    """What blocking senders and receivers have in common. Unknown attributes are those of `link`.

    ``with`` closes the link at the end of the block.

    :param connection: the `BlockingConnection`.
    :param link: the link, opened.
    :param deadline: when the peer has to have attached it, as of `time.monotonic`; the time-out of the connection when
        left out.
    :raises LinkDetached: the peer refuses it.
    :raises ConnectionException: the connection is gone.
    """

    _terminus = "target"

    # By way of `__getattr__`, which checkers know nothing of.
    if TYPE_CHECKING:
        name: str | None
        credit: int
        queued: int
        unsettled: int
        state: int
        session: Session
        source: Terminus
        target: Terminus
        remote_source: Terminus
        remote_target: Terminus

    def __init__(
        self, connection: BlockingConnection, link: Link, deadline: float | Literal[False] | None = False
    ) -> None:
        self._closed = False  # by `close`
        self._watch = Watch(link)
        self.connection = connection
        self._operations: Operations = connection._operations
        self.link: Any = link
        self._state = endpoint_state(link)
        try:
            self._run(self._open, self._operations.deadline() if deadline is False else deadline)
        except BaseException:
            self._abandon()
            raise

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._operations.closing:  # else it has ended with its connection, as the program wanted
            leave(self.close, error)

    def _run(self, operation: Callable[..., Any], deadline: float | None, *args: Any) -> Any:
        return self._operations.run(operation, deadline, *args)

    def _open(self, deadline: float | None) -> None:
        link = self.link
        self._wait(lambda: not link.state & Endpoint.REMOTE_UNINIT, deadline, f"Opening link {link.name}")
        self._check()
        self._check_address()

    def _abandon(self) -> None:
        """Closes the link: the caller cannot, and messages that come late would be held for good."""
        container = self.connection.container
        if container is None:
            return
        if self._operations.loop.is_owned():
            self.link.close()
            container.wakeup()
        else:  # a signal handler has raised where the lock could not be had
            container.call_soon(self.link.close)

    def _wait(self, condition: Callable[[], Any], deadline: float | None, msg: str) -> None:
        try:
            self._operations.wait(condition, deadline, msg, self._watch)
        except LinkDetached:
            self._watch.told = True
            raise

    def _check(self) -> None:
        """Raises the end of the link, if it has ended."""
        if self._closed:
            raise LinkException(f"expected an open link, got {self.link.name}, which was closed")
        try:
            self._operations.check(self._watch)
        except LinkDetached:
            self._watch.told = True
            raise

    def note_told(self) -> None:
        """The end of the link was raised elsewhere: `close` does not raise it again."""
        self._watch.told = True

    def _check_address(self) -> None:
        """The peer has to attach the address that was asked for; a link to another one it refuses (2.6.3)."""
        wanted = getattr(self.link, self._terminus)
        if wanted.dynamic or not wanted.address:
            return
        if wanted.address != getattr(self.link, "remote_" + self._terminus).address:
            # Its detach, or the end of its session, says why.
            with contextlib.suppress(Timeout):
                self._wait(lambda: False, time.monotonic() + REFUSAL_TIMEOUT, f"Opening link {self.link.name}")
            kind = "sender" if self.link.is_sender else "receiver"
            raise LinkException(f"Failed to open {kind} {self.link.name}, {self._terminus} does not match")

    def close(self) -> None:
        """Close the link, and wait for the peer to do the same. Closing twice does nothing.

        :raises LinkDetached: the peer had ended the link before, which no operation has told yet.
        :raises ConnectionException: the connection is closed, or lost.
        """
        self._run(self._close, self._operations.deadline())

    def _close(self, deadline: float | None) -> None:
        if self._closed:
            return
        link, connection = self.link, self.connection
        try:
            # An end that was raised once is not raised by `close` again: the caller knows it.
            if not self._watch.told:
                self._check()
        finally:
            self._closed = True
            # Also where the check raises: the link is given up in any case.
            link.close()
        self._operations.wait(self._is_over, deadline, f"Closing link {link.name}", Watch(connection.conn))

    def _is_over(self) -> bool:
        """Nothing more comes for the link that this end has closed: a detach of any kind, or its session's end, did."""
        link, state = self.link, self._state
        if not link.state & Endpoint.REMOTE_ACTIVE or state.remote_end is not None:
            return True
        return bool(state.binding.remotely_detached or link.session.state & _OVER)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "link" not in self.__dict__:
            raise AttributeError(name)
        value = getattr(self.link, name)
        # Methods of the link alone: its attributes may be read without the lock.
        if not isinstance(value, types.MethodType) or value.__self__ is not self.link:
            return value

        @functools.wraps(value)
        def call(*args: Any, **kwargs: Any) -> Any:
            # Another thread may run the loop: it must not meet the link in the middle of a change.
            return self._run(lambda deadline: value(*args, **kwargs), None)

        return call


class BlockingSender(BlockingLink):
    """Sends messages and waits for their outcome. Made by `BlockingConnection.create_sender`.

    :raises LinkException: the peer has attached another target than asked for.
    """

    link: Sender

    def send(
        self, msg: Message, timeout: float | Literal[False] | None = False, error_states: Collection[int] | None = None
    ) -> Delivery:
        """Send a message, and wait until the receiver has settled it.

        :param msg: the message.
        :param timeout: seconds; that of the connection when left out, None for no limit.
        :param error_states: the outcomes to raise for; rejected and released when left out.
        :raises SendException: the outcome is one of these.
        :raises LinkDetached: the link has ended; if the message was sent, its outcome is unknown.
        :raises LinkException: the link was closed by `close`.
        :raises Timeout: there was none in time. The message stays queued: it may have arrived, or arrive yet.
        :raises ConnectionException: the connection was closed, or lost; whether the message has arrived is unknown.
        """
        operations = self._operations
        return operations.run(self._send, operations.deadline(timeout), msg, error_states)

    def _send(
        self, deadline: float | None, msg: Message, error_states: Any = None, watch: Watch | None = None
    ) -> Delivery:
        operations, link, state = self._operations, self.link, self._state
        watch = watch or self._watch
        session = state.session
        if self._closed or watch.seen != operations.shared.ends or operations.disconnected:
            self._check()
        losses = operations.disconnects
        lost = losses + state.losses + session.losses  # as `disconnects_with`, which would be a call more for each look
        delivery: Delivery = link.send(msg)
        if link.snd_settle_mode == link.SND_SETTLED:
            operations.run_briefly(1)  # no outcome will come, but what credit allows is to be written
            return delivery
        try:
            operations.wait(
                lambda: delivery.settled or operations.disconnects + state.losses + session.losses != lost,
                deadline,
                f"Sending on sender {link.name}",
                watch,
                True,
            )
        except Timeout as error:
            if operations.disconnected:
                raise  # its text says why there is no connection
            raise Timeout(f"{error}: {awaited_of_delivery(delivery)}") from None
        # The peer's settlement, which says whether there is an outcome; the next line settles this end.
        settled = delivery.settled
        delivery.settle()
        # The link, its session or its connection was lost: what comes in its place does not know the delivery.
        if not settled:
            if operations.disconnects == losses and operations.disconnects_with(state) != lost:
                raise LinkException(f"sender {link.name} was lost and is made again, the outcome is unknown")
            raise operations.why(watch) or operations.disconnect_error()
        bad = (Delivery.REJECTED, Delivery.RELEASED) if error_states is None else error_states
        if delivery.remote_state in bad:
            raise SendException(delivery.remote_state, delivery.remote.condition, link.target.address or msg.address)
        return delivery


class Fetcher(MessagingHandler):
    """Keeps the messages of a blocking receiver until they are asked for.

    :param connection: the `BlockingConnection`.
    :param prefetch: messages of credit that the link is kept supplied with.
    """

    def __init__(self, connection: BlockingConnection, prefetch: int | None) -> None:
        # Not accepted by itself: `accept` and `reject` come after the program has looked at the message.
        super().__init__(prefetch=prefetch or 0, auto_accept=False)
        self.connection = connection
        #: messages with their deliveries; an exception in place of a message that cannot be decoded
        self.incoming: deque[tuple[Message | MessageException, Delivery]] = deque()
        self.unsettled: deque[Delivery] = deque()
        #: the messages of the unsettled deliveries
        self.messages: dict[Delivery, Message] = {}

    def on_message(self, event: MessageEvent) -> None:
        """Keeps a message."""
        self.incoming.append((event.message, event.delivery))
        event.container.yield_()  # to wake up the operation that waits for it

    def _on_undecodable(self, event: Any, error: MessageException) -> None:
        """Keeps the error, for the `receive` whose message this would have been."""
        self.incoming.append((error, event.delivery))
        event.container.yield_()

    def on_taken_back(self, event: DeliveryEvent) -> None:
        """Drops a message that no operation has received yet."""
        super().on_taken_back(event)
        kept = [entry for entry in self.incoming if entry[1] is not event.delivery]
        self.incoming = deque(kept)

    def on_link_opened(self, event: LinkEvent) -> None:
        """Drops what has come before a loss and was not received yet: its sender sends it again, after the loss."""
        if event.link.recoverable:
            return  # it is resumed (2.6.13)
        kept = deque(entry for entry in self.incoming if entry[1].settled)
        for _, delivery in self.incoming:
            if not delivery.settled:
                delivery.settle()
        self.incoming = kept

    def give_back(self) -> None:
        """Releases all messages that have no outcome: some brokers keep them when their link is closed."""
        for delivery in [delivery for _, delivery in self.incoming] + list(self.unsettled):
            if not delivery.settled:
                MessagingHandler.settle(self, delivery, Delivery.RELEASED)
        self.incoming = deque(entry for entry in self.incoming if entry[1].settled)

    def on_link_error(self, event: LinkEvent) -> None:
        """Nothing: the operations on the link raise its end."""

    def on_session_error(self, event: SessionEvent) -> None:
        """Nothing, likewise."""

    def on_connection_error(self, event: ConnectionEvent) -> None:
        """Nothing, likewise."""

    @property
    def has_message(self) -> int:
        """The number of messages that are here."""
        return len(self.incoming)

    def pop(self) -> Message:
        """The oldest message; it now waits to be settled, unless the sender has settled it.

        :raises MessageException: it cannot be decoded, and was rejected.
        """
        message, delivery = self.incoming.popleft()
        if isinstance(message, MessageException):
            raise message
        # What the sender has settled needs no answer, and would keep `accept` one message behind.
        if not delivery.settled:
            self.unsettled.append(delivery)
            self.messages[delivery] = message
        if _hooks.active is not None:
            _hooks.active.received(delivery.link, message, delivery)  # type: ignore[arg-type]
        return message

    def settle(self, state: Any = None, message: Message | None = None) -> None:  # type: ignore[override]
        """Settle a message that was popped.

        :param state: its outcome, if any.
        :param message: which one; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        :raises DataException, TypeError: a field of the outcome cannot be sent; the message is still unsettled.
        """
        if not self.unsettled:
            raise IndexError("expected an unsettled message: none has been received, or all are settled")
        delivery = self.unsettled[0] if message is None else self._delivery_of(message)
        MessagingHandler.settle(self, delivery, state)
        # Afterwards: an outcome that cannot be sent has settled nothing.
        self.unsettled.remove(delivery)
        self.messages.pop(delivery, None)

    def _delivery_of(self, message: Message) -> Delivery:
        for delivery in self.unsettled:
            if self.messages.get(delivery) is message:
                return delivery
        raise IndexError(f"expected an unsettled message of this receiver, got {message!r:.100}")


class BlockingReceiver(BlockingLink):
    """Receives messages one by one. Made by `BlockingConnection.create_receiver`.

    ``for message in receiver`` is `messages` without a limit. What was received waits for its outcome: `accept`,
    `reject`, `release` and `modify` give it to the oldest message, or to that named by ``message=``. In a loop or a
    ``with`` block, messages without an outcome are released when the link is closed.

    :param fetcher: keeps the messages; None when the link has a handler of the program's own.
    :param credit: messages to ask for at once.
    :raises LinkException: the peer has attached another source than asked for.
    """

    link: Receiver

    _terminus = "source"

    def __init__(
        self,
        connection: BlockingConnection,
        receiver: Receiver,
        fetcher: Fetcher | None,
        credit: int | None = 1,
        deadline: float | Literal[False] | None = False,
    ) -> None:
        super().__init__(connection, receiver, deadline)
        self._waiting = 0  # threads in `receive`
        # Programs that use neither `with` nor a loop may receive after `close` what has come before.
        self._gives_back = False
        # After the attach was checked: credit for a refused link would bring messages to it.
        if credit:
            self.flow(credit)
        self.fetcher = fetcher
        self.container: Container = connection.container

    def __del__(self) -> None:
        # The link would keep its handler, and that one the connection, in a circle.
        link = self.__dict__.get("link")
        if link is not None:
            link.handler = None

    def receive(self, timeout: float | Literal[False] | None = False) -> Message:
        """Wait for a message.

        :param timeout: seconds; that of the connection when left out, None for no limit.
        :raises Timeout: none came in time.
        :raises MessageException: the message cannot be decoded; it was rejected.
        :raises LinkDetached: the link has ended.
        :raises LinkException: the link was closed by `close`.
        :raises ConnectionException: the connection was closed, or lost.
        """
        operations = self._operations
        return operations.run(self._receive, operations.deadline(timeout))

    def _receive(self, deadline: float | None) -> Message:
        fetcher, link = self.fetcher, self.link
        if fetcher is None:
            raise Exception("Can't call receive on this receiver as a handler was not provided")
        if fetcher.has_message:
            # Without prefetch: the next message is asked for while this one is handled.
            if not link.credit:
                link.flow(1)
            return fetcher.pop()
        # Only where no message is here: what came before the end of the link can still be received.
        self._check()
        self._waiting += 1
        try:
            if link.credit < self._waiting:  # each thread that waits has a message coming
                link.flow(self._waiting - link.credit)
            self._wait(lambda: fetcher.has_message, deadline, f"Receiving on receiver {link.name}")
        finally:
            self._waiting -= 1
        return fetcher.pop()

    def __enter__(self: _Receiver) -> _Receiver:
        self._gives_back = True
        return self

    def _close(self, deadline: float | None) -> None:
        if self._gives_back and not self._closed and self.fetcher is not None:
            self.fetcher.give_back()
        super()._close(deadline)

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    def messages(self, limit: int | None = None, timeout: float | None = None) -> Iterator[Message]:
        """The messages, one after the other, each when it comes.

        It ends when this end closes the link or its connection, in the loop or from another thread; messages without an
        outcome go back then. A message that cannot be decoded is rejected, logged, and passed over. While a connection
        that is made again is down, it waits; what was not settled before the loss comes again.

        :param limit: messages after which it ends, None for no limit.
        :param timeout: seconds after which it ends if no message comes, counted for each message; None for no limit.
        :raises TypeError, ValueError: an argument is not a number, or is negative.
        :raises LinkDetached: the link has ended.
        :raises ConnectionException: the connection was closed by the peer, or lost.
        :raises Timeout: no message came, and the connection that is made again is down.
        """
        if limit is not None and check_count("limit", limit, " or None") < 0:
            raise ValueError(f"limit takes 0 or more messages, got {limit!r}")
        if timeout is not None:
            check_timeout("timeout", timeout)
        self._gives_back = True
        return self._messages(limit, timeout)

    def _messages(self, limit: int | None, timeout: float | None) -> Iterator[Message]:
        count = 0
        while limit is None or count < limit:
            if self._closed or self._operations.closing:
                return
            try:
                message = self.receive(timeout)
            except MessageException as error:
                log.error("rejected a message on link %s that cannot be decoded: %s", self._shown(), printable(error))
                continue
            except Timeout:
                if self._operations.disconnected:
                    raise  # the node may have messages
                return
            except (LinkException, ConnectionException):
                if self._is_ended_here():
                    return
                raise
            count += 1
            yield message

    def _shown(self) -> str:
        return printable(str(self.link.name))

    def _is_ended_here(self) -> bool:
        """Whether this end has closed the link or its connection, by whatever method."""
        if self._closed or self._operations.closing:
            return True
        end = end_of(self.link)
        return end is not None and not (end.by_peer or end.is_loss or endpoint_state(end.endpoint).failed)

    def accept(self, *, message: Message | None = None) -> None:
        """Accept a message that was received and not settled.

        :param message: the message; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        """
        self.settle(Delivery.ACCEPTED, message=message)

    def reject(
        self,
        condition: str | Condition | None = None,
        description: str | None = None,
        info: AMQPValue = None,
        *,
        message: Message | None = None,
    ) -> None:
        """Reject a message that was received and not settled, as invalid (3.4.3).

        :param condition: the symbol of the reason, such as ``"amqp:not-allowed"``, or a `Condition`.
        :param description: the reason in words; without a condition that of ``amqp:precondition-failed``.
        :param info: a map with further facts.
        :param message: the message; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        :raises TypeError: the reason is of another type.
        """
        reason = reason_of(condition, description, info)
        self.settle(Delivery.REJECTED if reason is None else RejectedDisposition(reason), message=message)

    def release(self, delivered: bool = True, *, message: Message | None = None) -> None:
        """Give a message back that was received and not settled.

        :param delivered: False if the program has not looked at it: it is released (3.4.4), else modified as by
            `modify` with ``failed=False``.
        :param message: the message; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        """
        self.settle(Delivery.MODIFIED if delivered else Delivery.RELEASED, message=message)

    def modify(
        self,
        failed: bool = True,
        undeliverable: bool = False,
        annotations: dict[AMQPValue, AMQPValue] | None = None,
        *,
        message: Message | None = None,
    ) -> None:
        """Give a message back that was received and not settled, to be changed before it is sent again (3.4.5).

        :param failed: it counts as a failed attempt.
        :param undeliverable: it must not be sent here again.
        :param annotations: what to put into its message annotations.
        :param message: the message; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        :raises TypeError: an argument is of another type.
        """
        self.settle(ModifiedDisposition(failed, undeliverable, annotations), message=message)

    def settle(
        self, state: Disposition | DispositionType | int | None = None, *, message: Message | None = None
    ) -> None:
        """Settle a message that was received and not settled.

        :param state: its outcome, if any: a number such as `Delivery.ACCEPTED`, or a disposition.
        :param message: the message; the oldest when left out.
        :raises IndexError: every message is settled, or this one.
        :raises DataException, TypeError: a field of the outcome cannot be sent; the message is still unsettled.
        """
        fetcher = self.fetcher
        if fetcher is None:
            raise Exception("Can't call accept/reject etc on this receiver as a handler was not provided")
        self._run(lambda deadline: fetcher.settle(state, message), None)
