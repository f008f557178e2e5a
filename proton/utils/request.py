"""`SyncRequestResponse`: a request, and the response to it, over a blocking connection.

Responses are matched by correlation-id (3.2.4); one request is under way at a time. What comes without being asked
for, such as the response to a request that was given up, is passed over.
"""

from __future__ import annotations

import threading
from typing import Any

from proton.handlers.incoming import IncomingMessageHandler
from proton.message import Message
from proton.utils.blocking import BlockingConnection

__all__ = ["AtomicCount", "SyncRequestResponse"]

#: Messages of credit for responses. One would do, but has each call wait for a flow to be made, sent and read, a fifth
#: of its time. What nobody waits for is passed over, so a service cannot flood its client.
WINDOW = 100


class AtomicCount:
    """Counts, from any thread.

    :param start: where the count begins.
    :param step: what each call of `next` adds.
    """

    def __init__(self, start: int = 0, step: int = 1) -> None:
        self.count = start
        self.step = step
        self._lock = threading.Lock()

    def next(self) -> int:
        """Count on, and return the new value."""
        with self._lock:
            self.count += self.step
            return self.count


class SyncRequestResponse(IncomingMessageHandler):
    """The client of a service that answers requests.

    :param connection: a `BlockingConnection`.
    :param address: the address of the service; without it each request must have one.
    """

    # Part of no family, and it sets attributes for each request: it need not pay for telling one (3 % of a call).
    __setattr__ = object.__setattr__  # type: ignore[assignment]

    #: of the requests of this process
    correlation_id = AtomicCount()

    def __init__(self, connection: BlockingConnection, address: str | None = None) -> None:
        super().__init__()
        self.connection = connection
        self.address = address
        #: the response that `call` is about to return
        self.response: Message | None = None
        self._awaited: str | None = None  # the correlation-id of the request under way
        self.sender = connection.create_sender(address)
        self.receiver = connection.create_receiver(None, dynamic=True, credit=WINDOW, handler=self)

    @property
    def reply_to(self) -> Any:
        """The address that responses are sent to."""
        return self.receiver.remote_source.address

    def call(self, request: Message) -> Message:
        """Send a request, and wait for its response.

        :param request: the request; its `reply_to` and `correlation_id` are set here.
        :raises ValueError: neither the client nor the request has an address.
        :raises Timeout: there was no response in time.
        :raises ConnectionException: the connection was lost; whether the request was served is unknown.
        """
        if not self.address and not request.address:
            raise ValueError(f"Request message has no address: {request!r}")
        connection = self.connection
        with connection._lock:
            before, connection._at_work_on = connection._at_work_on, self.sender.link
            try:
                return self._call(connection, request)
            finally:
                self._awaited = self.response = None
                connection._at_work_on = before

    def _call(self, connection: BlockingConnection, request: Message) -> Message:
        link = self.receiver.link
        if link._remote_handle is None:
            # After a loss the peer has to give a new address first: to the old one no response would come.
            connection._wait(
                lambda: link._remote_handle is not None or link.state & link.REMOTE_CLOSED,
                msg=f"Opening link {link.name}",
            )
        if link.credit <= 0:
            link.flow(WINDOW)
        losses = connection._losses
        request.reply_to = link.remote_source.address
        request.correlation_id = self._awaited = str(self.correlation_id.next())
        self.response = None
        self.sender._send(request)
        if self.response is None:  # it often comes with the outcome of the request
            connection._wait(
                lambda: self.response is not None or connection._losses != losses, msg="Waiting for response"
            )
        response: Message | None = self.response
        if response is None:
            raise connection._loss()
        return response

    def on_message(self, event: Any) -> None:
        """Takes a response."""
        event.link._replenish(WINDOW)
        if self._awaited is None or event.message.correlation_id != self._awaited:
            return
        self.response = event.message
        event.container.yield_()  # to wake up the call that waits for it
