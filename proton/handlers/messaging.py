"""`MessagingHandler`: what most programs subclass; it joins the handlers for credit, states and messages.

The children hold the application object through a weak proxy: the object lives as long as its container or endpoint
keeps it, and no cycle keeps it longer. A raw event method of a subclass (`on_delivery`) runs before the children.
"""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any

from proton.endpoints.arguments import check_count
from proton.endpoints.condition import UNAUTHORIZED_ACCESS
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.ends import is_retried
from proton.endpoints.handler import Handler, HandlerGroup, check_result
from proton.endpoints.notices import shown
from proton.endpoints.printable import printable
from proton.handlers.endpoint_state import EndpointStateHandler, is_temporary, now_of
from proton.handlers.flow import FlowController
from proton.handlers.incoming import Acking, IncomingMessageHandler
from proton.handlers.outgoing import OutgoingMessageHandler
from proton.logs import log
from proton.transport.transport_state import state_of

if TYPE_CHECKING:
    from proton.handlers.events import (
        ConnectionEvent,
        ContainerEvent,
        DeliveryEvent,
        DisconnectedEvent,
        GaveUpEvent,
        LinkEvent,
        MessageEvent,
        OutcomeEvent,
        ReconnectingEvent,
        SendableEvent,
        SessionEvent,
        TransportEvent,
    )

__all__ = ["MessagingHandler"]


class _SetUpLater:
    """An attribute of a `MessagingHandler` whose subclass has not called its constructor: the first look calls it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, handler: Any, owner: type) -> Any:
        if handler is None:
            return self
        # That of the nearest class of this package: the defaults of a `TransactionalClientHandler` are others.
        for base in type(handler).__mro__:
            if base.__module__.startswith("proton.") and "__init__" in vars(base):
                vars(base)["__init__"](handler)
                break
        return handler.__dict__[self.name]


class MessagingHandler(Handler, Acking):
    """The base of applications: override the callbacks of interest.

    A subclass that does not call this constructor has the defaults of its parameters.

    Besides the methods below, `on_connection_opening`, `on_connection_opened`, the same for sessions and links, and
    `on_aborted` are called when a subclass defines them. An endpoint that is closed in its opening callback, with or
    without a `condition`, is refused: the peer sees it open and close, a link without a terminus (2.6.3).

    :param prefetch: messages of credit that receivers are kept supplied with; 0 or None leaves credit to the program.
    :param auto_accept: accept and settle each message after `on_message`.
    :param auto_settle: settle a sent message after the receiver has.
    :param peer_close_is_error: kept for programs that pass it; the closing callbacks are called either way.
    """

    handlers: list[Any] = _SetUpLater()  # type: ignore[assignment]
    #: names of transport conditions after which connecting again is pointless
    fatal_conditions: list[str] = _SetUpLater()  # type: ignore[assignment]

    def __init__(
        self,
        prefetch: int = 10,
        auto_accept: bool = True,
        auto_settle: bool = True,
        peer_close_is_error: bool = False,
    ) -> None:
        delegate = weakref.proxy(self)
        # The order counts: credit is given before the message is read, see `FlowController`.
        children: list[Any] = [FlowController(check_count("prefetch", prefetch))] if prefetch else []
        children.append(EndpointStateHandler(peer_close_is_error, delegate))
        children.append(IncomingMessageHandler(auto_accept, delegate))
        children.append(OutgoingMessageHandler(auto_settle, delegate))
        self.handlers = HandlerGroup(children)
        # Another attempt would offer the same credentials.
        self.fatal_conditions = [UNAUTHORIZED_ACCESS]

    def on_reactor_init(self, event: ContainerEvent) -> None:
        """Calls `on_start` when the loop begins."""
        check_result(self, "on_start", self.on_start(event))  # type: ignore[func-returns-value]

    def on_start(self, event: ContainerEvent) -> None:
        """Called once, when the loop begins; `event.container` is the container."""

    def on_transport_error(self, event: TransportEvent) -> None:
        """Called when a connection could not be made or has failed: `event.transport.condition` says why.

        Logs it, and closes the connection for good when the condition is one of `fatal_conditions`. While attempts to
        connect go on, the first failure is logged at error, and then one for each doubling of the time.
        """
        transport = event.transport
        condition = transport.condition
        if not condition:
            log.error("Unspecified transport error")
            return
        # An error that comes after the end of the connection has none.
        connection = event.connection
        # A server that cannot judge the login now (5.3.3.6) has not refused it.
        ends = connection is not None and condition.name in self.fatal_conditions and not is_temporary(transport)
        policy = connection.reconnect_policy if connection is not None else None
        told = state_of(transport).failure_told or policy is not None and not policy.is_due(now_of(event))
        level = logging.INFO if told and not ends else logging.ERROR
        name, description = printable(condition.name), printable(str(condition.description))
        if condition.info:
            description = f"{description}: {printable(repr(condition.info))}"
        place = f" ({shown(connection.url)})" if connection is not None and connection.url else ""
        log.log(level, "%s: %s%s", name, description, place)
        state_of(transport).failure_told = True
        if ends and connection is not None:
            connection.close()

    def on_connection_error(self, event: ConnectionEvent) -> None:
        """Called when the peer closes the connection with an error; logs it.

        Where the connection will be made again (`Container.connect`, `reconnect` and `retry_on`) a program that does
        not want that closes it here. The default does nothing then: the loss is logged in any case.
        """
        if not is_retried(event.connection, now_of(event)):
            EndpointStateHandler.print_error(event.connection, "connection")

    def on_session_error(self, event: SessionEvent) -> None:
        """Called when the peer ends a session with an error; logs it and closes the connection.

        Also called when the session is ended here because the peer broke a rule, or has set a limit: then
        `event.session.condition` is the reason, which is logged, and the connection goes on.
        Where the session will be made again (`Container.connect`, `reconnect` and `retry_on`) a program that does not
        want that closes it here. The default does nothing then: the loss is logged in any case.
        """
        if is_retried(event.session, now_of(event)):
            return
        EndpointStateHandler.print_error(event.session, "session")
        # What the engine has ended is the peer's mistake on one session: the others go on (2.5.4).
        if not endpoint_state(event.session).failed:
            event.connection.close()

    def on_link_error(self, event: LinkEvent) -> None:
        """Called when the peer closes or detaches a link with an error; logs it and closes the connection.

        Where the link will be attached again (`retry_on` of `Container.connect`) the default does nothing, and a
        program that does not want that closes it here.
        Also called when the link is ended here because the peer broke a rule, or has set a limit: then
        `event.link.condition` is the reason, which is logged, and the connection goes on.
        """
        if is_retried(event.link, now_of(event)):
            return
        EndpointStateHandler.print_error(event.link, "link")
        if not endpoint_state(event.link).failed:
            event.connection.close()

    def on_connection_closing(self, event: ConnectionEvent) -> None:
        """Called when the peer closes the connection first, without an error; the answer follows by itself."""

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        """Called when both ends of the connection are closed."""

    def on_session_closing(self, event: SessionEvent) -> None:
        """Called when the peer ends a session first, without an error; the answer follows by itself."""

    def on_session_closed(self, event: SessionEvent) -> None:
        """Called when both ends of a session are closed; its links are told to be closed after that."""

    def on_link_closing(self, event: LinkEvent) -> None:
        """Called when the peer closes or detaches a link first, without an error; the answer follows by itself.

        A program that defines `on_link_remote_detach` decides itself what a detach without closed means: no other
        callback is called for it, and it is not answered.
        """

    def on_link_closed(self, event: LinkEvent) -> None:
        """Called once when a link has ended: both ends are closed or detached, or its session has ended."""

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        """Called once when a connection is lost that this end has not closed, or when its first attempt fails.

        `event.transport.condition` or `event.connection.remote_condition` says why; `on_reconnecting` tells of each
        further attempt. What was sent and not yet settled has no outcome, and will get none: send it again when the
        connection is back. A delivery with `pending` bytes was not sent and stays queued, unless it is aborted
        (docs/reconnect.md). Also called when a session or link is lost that will be made again: it is `event.session`
        or `event.link`, both None else, whose `remote_condition` says why.
        """

    def on_reconnecting(self, event: ReconnectingEvent) -> None:
        """Called when a lost connection is going to be made again.

        `event.attempt` is the number of the attempt since the loss, from 1; `event.delay` the seconds before it, and
        `event.address` the `Url` that it goes to. To close `event.connection` ends the attempts.
        """

    def on_gave_up(self, event: GaveUpEvent) -> None:
        """Called when a connection, session or link that was lost will not be made again; not when it was closed here.

        `event.reason` is a text that says why. `event.session` or `event.link` is what was given up, both None for a
        connection. It is logged at error in any case.
        """

    def on_sendable(self, event: SendableEvent) -> None:
        """Called when a link can send: `event.sender.credit` messages."""

    def on_accepted(self, event: OutcomeEvent) -> None:
        """Called when the receiver has accepted a message: `event.delivery`."""

    def on_rejected(self, event: OutcomeEvent) -> None:
        """Called when the receiver has rejected a message: `event.delivery`."""

    def on_released(self, event: OutcomeEvent) -> None:
        """Called when the receiver has given a message back, released or modified: `event.delivery`."""

    def on_taken_back(self, event: DeliveryEvent) -> None:
        """Called when the sender has taken a received message back: it was not settled in time, and may come again.

        RabbitMQ does so after its consumer time-out. The message is settled already, and a later `accept` does nothing.
        When it was taken back before it was read, `on_message` is not called for it. The default logs a warning.
        """
        log.warning("link %s: the sender has taken back a message that was not settled", printable(event.link.name))

    def on_delivery_updated(self, event: OutcomeEvent) -> None:
        """Called for each change of the receiver's state of a message, after the callback for an outcome."""

    def on_settled(self, event: DeliveryEvent) -> None:
        """Called when the peer has settled a message: `event.delivery`."""

    def on_message(self, event: MessageEvent) -> None:
        """Called for each message: `event.message`, with `event.delivery` to answer it."""
