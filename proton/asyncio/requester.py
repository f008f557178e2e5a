"""`Requester`: requests and their responses, many at once, matched by correlation-id (3.2.4)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from proton.asyncio.errors import Lost, fresh
from proton.asyncio.opening import Openable
from proton.asyncio.receiver import Receiver
from proton.asyncio.sender import Sender
from proton.asyncio.waiting import DEFAULT, limit_of, timed_out
from proton.endpoints.printable import printable
from proton.exceptions import ProtonException
from proton.message import Message

if TYPE_CHECKING:
    from typing_extensions import Self

    from proton.asyncio.connection import Connection
    from proton.asyncio.receiver_core import ReceiverCore
    from proton.asyncio.sender_core import SenderCore

__all__ = ["Requester"]


class _Outcome:
    """Takes the outcome of a request's message: an accepted one says nothing yet."""

    def __init__(self, request: _Request) -> None:
        self._request = request

    def done(self) -> bool:
        """Whether the request has ended."""
        return bool(self._request.future.done())

    def set_result(self, outcome: Any) -> None:
        """The outcome, or an exception."""
        request = self._request
        if isinstance(outcome, Lost) and request.is_kept:
            return  # it is sent again
        if isinstance(outcome, Exception) and not request.future.done():
            request.future.set_result(outcome)


class _Request:
    """A request under way."""

    __slots__ = ("future", "is_kept", "is_sent", "message")

    def __init__(self, message: Message, future: Any, is_kept: bool) -> None:
        self.message = message
        self.future = future
        self.is_kept = is_kept
        self.is_sent = False


class Requester(Openable):
    """The client of a service. Made by `Connection.requester`; calling it makes a request.

    Responses come to a node of this client alone. What comes without being asked for, such as the response to a
    request that was cancelled, is passed over.
    """

    def __init__(self, sender: SenderCore, receiver: ReceiverCore, resend: bool) -> None:
        #: the links that requests and responses go over
        self.sender: Sender = Sender(sender)
        self.receiver: Receiver = Receiver(receiver)
        self._sender = sender
        self._receiver = receiver
        self._resend = resend
        self._requests: dict[str, _Request] = {}
        self._numbers = itertools.count(1)
        sender.drops_unsent = True
        receiver.on_taken = self._answered
        receiver.on_gone = self._lose
        receiver.on_restored = self._restore

    def __repr__(self) -> str:
        address = self.sender.address
        where = f" to {printable(address)!r}" if address is not None else ""
        # Both links are needed: the one that is further from open says how it is.
        how = self._sender.how() if self.receiver.is_open else self._receiver.how()
        return f"<proton.asyncio.Requester{where}: {how}>"

    @property
    def connection(self) -> Connection:
        """The connection of its links."""
        return self.sender.connection

    @property
    def reply_to(self) -> str | None:
        """The address that responses are sent to."""
        return self.receiver.address

    async def open(self, timeout: float | None = DEFAULT) -> Self:
        """Attach both links, and wait until the peer has.

        :param timeout: seconds for each, None for no limit; the connection's if left out.
        :raises LinkClosed, ConnectionClosed, Timeout: as `Link.open`.
        """
        await self.receiver.open(timeout)
        try:
            await self.sender.open(timeout)
        except BaseException:
            self._receiver.abandon()
            raise
        return self

    async def close(self) -> None:
        """Close both links. Requests under way raise `LinkClosed`."""
        try:
            await self.sender.close()
        finally:
            await self.receiver.close()

    async def __call__(self, request: Message, timeout: float | None = DEFAULT) -> Message:
        """Send a request, and wait for its response.

        If it is cancelled, the request stays sent, and its response is passed over.

        :param request: the request; its `reply_to` and `correlation_id` are set here.
        :param timeout: seconds for all of it, None for no limit; the connection's if left out.
        :return: the response.
        :raises ValueError: neither the requester nor the request has an address.
        :raises Rejected, Released, Modified: that was the outcome of the request's message.
        :raises Lost: the connection was lost: the request may have been served.
        :raises Timeout: there was no response in time.
        :raises LinkClosed, SessionClosed, ConnectionClosed: a link has ended.
        """
        if not isinstance(request, Message):
            raise TypeError(f"a request is a Message, got {type(request).__name__} {request!r:.50}")
        if self.sender.address is None and not request.address:
            raise ValueError(f"expected an address, of the requester or of the request, got none: {request!r:.200}")
        connection = self._sender.connection
        limit = limit_of(timeout, connection.timeout)
        loop = connection.loop
        loop.check()
        deadline = loop.deadline(limit)
        number = f"{next(self._numbers)}"
        request.correlation_id = number
        entry = _Request(request, loop.create_future(), self._resend)

        def prepare(message: Message) -> bool:
            message.reply_to = self.receiver.address
            entry.is_sent = self.receiver.is_open  # else there is no address for the response now
            return entry.is_sent

        self._requests[number] = entry
        try:
            await self._receiver.attached(loop.left(deadline))
            while not await self._sender.put_with(request, _Outcome(entry), loop.left(deadline), prepare):
                await self._receiver.attached(loop.left(deadline))
            what = f"waiting for a response ({self._sender.described()})"
            outcome = await loop.wait(entry.future, loop.left(deadline), lambda: timed_out(what, limit))
        finally:
            self._requests.pop(number, None)
        if isinstance(outcome, Exception):
            raise fresh(outcome)
        self._receiver.tell_received(outcome, None)
        return outcome  # type: ignore[no-any-return]

    def _answered(self, message: Message) -> None:
        entry = self._requests.get(str(message.correlation_id))
        if entry is not None and not entry.future.done():
            entry.future.set_result(message)

    def _lose(self, error: Exception | None) -> None:
        """The responses under way will not come.

        :param error: why the link has ended; None where it will be attached again.
        """
        for entry in list(self._requests.values()):
            if entry.future.done() or (error is None and (entry.is_kept or not entry.is_sent)):
                continue
            text = "the connection was lost; the request may have been served"
            entry.future.set_result(fresh(error) if error is not None else Lost(f"{self._sender.described()}: {text}"))

    def _restore(self) -> None:
        """Sends again what has no response, to the new address for it."""
        for entry in list(self._requests.values()):
            if entry.is_kept and entry.is_sent and not entry.future.done():
                entry.message.reply_to = self.receiver.address
                try:
                    self._sender.put_now(entry.message, _Outcome(entry))
                except ProtonException as error:
                    entry.future.set_result(error)
