"""`SyncRequestResponse`: a request, and the response to it, over a blocking connection.

Responses are matched by correlation-id (3.2.4); each thread may have one request under way. What comes without being
asked for, such as the response to a request that was given up, is passed over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from proton.endpoints import hooks as _hooks
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.printable import printable
from proton.exceptions import LinkException, MessageException
from proton.handlers.incoming import IncomingMessageHandler
from proton.message import Message
from proton.utils.blocking import BlockingConnection
from proton.utils.blocking_links import leave
from proton.utils.errors import LinkDetached
from proton.utils.sharing import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Literal

    from proton.handlers.events import MessageEvent
    from proton.options.link_options import LinkOption
    from proton.utils.blocking_links import BlockingReceiver, BlockingSender
    from proton.utils.operations import Operations

__all__ = ["AtomicCount", "SyncRequestResponse"]

#: Messages of credit for responses. One would do, but has each call wait for a flow to be made, sent and read, a fifth
#: of its time. What no call waits for is passed over, so a service cannot flood its client.
RESPONSE_CREDIT = 100

_Self = TypeVar("_Self", bound="SyncRequestResponse")


class AtomicCount:
    """Counts, from any thread.

    :param start: where the count begins.
    :param step: what each call of `next` adds.
    """

    def __init__(self, start: int = 0, step: int = 1) -> None:
        self.count: int = start
        self.step = step
        self._lock = threading.Lock()

    def next(self) -> int:
        """Count on, and return the new value."""
        with self._lock:
            self.count += self.step
            return self.count


class SyncRequestResponse(IncomingMessageHandler):
    """The client of a service that answers requests.

    ``with`` closes its two links at the end of the block, and leaves the connection open.

    :param connection: a `BlockingConnection`.
    :param address: the address of the service; without it each request must have one.
    :param reply_to: the address to receive responses from, which nothing else receives from; the peer makes a dynamic
        node if left out.
    :param reply_options: a `LinkOption`, or a list of them, for the link of the responses, such as capabilities that
        the peer wants for a dynamic node.
    """

    # Not a grouped handler, and it sets attributes for each request: it need not pay for telling one (3 % of a call).
    if not TYPE_CHECKING:
        __setattr__ = object.__setattr__

    #: of the requests of this process
    correlation_id: AtomicCount = AtomicCount()

    def __init__(
        self,
        connection: BlockingConnection,
        address: str | None = None,
        *,
        reply_to: str | None = None,
        reply_options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> None:
        super().__init__()
        self.connection = connection
        self._operations: Operations = connection._operations
        self.address = address
        # Of the text of a time-out; once, since it costs more than a comparison.
        self._awaiting = f"Waiting for response from {printable(address)!r}" if address else "Waiting for response"
        #: the response that `call` is about to return
        self.response: Message | None = None
        # By the correlation-ids of the requests under way: the response, or why it will not come.
        self._awaited: dict[str, Message | MessageException | None] = {}
        self.sender: BlockingSender = connection.create_sender(address)
        self.receiver: BlockingReceiver = connection.create_receiver(
            reply_to, dynamic=reply_to is None, credit=RESPONSE_CREDIT, handler=self, options=reply_options
        )
        self._link_state = endpoint_state(self.receiver.link)
        self._watch = Watch(self.sender.link, self.receiver.link)

    @property
    def reply_to(self) -> str | None:
        """The address that responses are sent to."""
        address: str | None = self.receiver.remote_source.address
        return address

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._operations.closing:  # else its links have ended with the connection
            leave(self.close, error)

    def close(self) -> None:
        """Close the links for requests and responses, and wait for the peer to do the same; twice does nothing.

        :raises LinkDetached: the peer had ended one of them before, which no call has told yet.
        :raises ConnectionException: the connection is closed, or lost.
        """
        try:
            self.sender.close()
        except Exception as error:
            leave(self.receiver.close, error)
            raise
        self.receiver.close()

    def call(self, request: Message, timeout: float | Literal[False] | None = False) -> Message:
        """Send a request, and wait for its response.

        :param request: the request; its `reply_to` and `correlation_id` are set here.
        :param timeout: seconds for all of it; that of the connection when left out, None for no limit.
        :raises ValueError: neither the client nor the request has an address.
        :raises SendException: the request was rejected or released.
        :raises MessageException: the response cannot be decoded.
        :raises Timeout: there was no response in time.
        :raises LinkDetached: the link of the requests or that of the responses has ended.
        :raises ConnectionException: the connection was closed, or lost; whether the request was served is unknown.
        """
        if not self.address and not request.address:
            raise ValueError(f"Request message has no address: {request!r}")
        operations = self._operations
        try:
            response: Message = operations.run(self._call, operations.deadline(timeout), request)
        except LinkDetached:
            self.sender.note_told()
            self.receiver.note_told()
            raise
        return response

    def _call(self, deadline: float | None, request: Message) -> Message:
        operations, link, awaited = self._operations, self.receiver.link, self._awaited
        state = self._link_state
        if state.binding.remote_handle is None:
            # After a loss the peer has to give a new address first: to the old one no response would come.
            operations.wait(
                lambda: state.binding.remote_handle is not None,
                deadline,
                f"Opening link {link.name}",
                self._watch,
            )
        if link.credit <= 0:
            link.flow(RESPONSE_CREDIT)
        # Before the send: the addresses of responses end with a loss, so one that happens meanwhile counts.
        losses, lost = operations.disconnects, operations.disconnects_with(state)
        request.reply_to = link.remote_source.address
        request.correlation_id = number = str(self.correlation_id.next())
        # Before the send too: another thread may run the loop, and the response may come while this one sends.
        awaited[number] = None
        try:
            self.sender._send(deadline, request, None, self._watch)
            if awaited[number] is None:  # it often comes with the outcome of the request
                operations.wait(
                    lambda: awaited[number] is not None or operations.disconnects_with(state) != lost,
                    deadline,
                    self._awaiting,
                    self._watch,
                )
            response = awaited[number]
        finally:
            # Whatever ends the call: a response that comes later finds no entry, and is passed over.
            del awaited[number]
            self.response = None
        if response is None:
            why = operations.why(self._watch)
            if why is None and operations.disconnects == losses:
                why = LinkException(f"receiver {link.name} was attached anew, the response will not come")
            raise why or operations.disconnect_error()
        if isinstance(response, MessageException):
            raise response
        if _hooks.active is not None:
            _hooks.active.received(link, response, None)
        return response

    def _on_undecodable(self, event: Any, error: MessageException) -> None:
        """Ends the requests under way: a response was sent that cannot be told from theirs."""
        # First of all, since an error below would cost credit for good.
        event.link._replenish(RESPONSE_CREDIT)
        for number, response in self._awaited.items():
            if response is None:
                self._awaited[number] = error
        event.container.yield_()

    def on_message(self, event: MessageEvent) -> None:
        """Takes a response."""
        event.link._replenish(RESPONSE_CREDIT)
        number: Any = event.message.correlation_id
        # `self` stands for "not awaited": None is the value of a request without a response yet.
        if self._awaited.get(number, self) is not None:
            return
        self._awaited[number] = self.response = event.message
        event.container.yield_()  # to wake up the call that waits for it
