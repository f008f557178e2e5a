"""`FlowController`: keeps a receiver supplied with credit.

It runs before the message is read, so the credit it sees does not yet count the delivery at hand: the level
moves between the window and one below it. The sender hears of half a window at once, with a flow less for most
messages. While many messages wait to be handled, or the program takes long for each, it is written without delay, so
that the sender need not stand still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints.arguments import check_count
from proton.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED, endpoint_state
from proton.endpoints.handler import GroupedHandler, for_receivers
from proton.endpoints.receiver import MIN_EARLY_CREDIT, MIN_EARLY_QUEUE

if TYPE_CHECKING:
    from proton.handlers.events import DeliveryEvent, LinkEvent

__all__ = ["FlowController"]

_CLOSED = LOCAL_CLOSED | REMOTE_CLOSED

#: Seconds that it will take to handle the messages that wait, from which on few of them do: the program is slow then,
#: and the peer, which may be far away, has the time to send more.
LONG_WAIT = 0.001


class FlowController(GroupedHandler):
    """Tops the credit of receivers up to a window, whenever messages have used some of it.

    A receiver whose sender has given credit back (the application drained it) is left alone from then on.

    :param window: messages.
    """

    window: int = 1024

    def __init__(self, window: int = 1024) -> None:
        self.window = check_count("window", window, " (messages)")

    @for_receivers
    def on_link_local_open(self, event: LinkEvent) -> None:
        """Grants the window to a receiver that this end opens."""
        self._top_up(event.link)

    @for_receivers
    def on_link_remote_open(self, event: LinkEvent) -> None:
        """Grants the window to a receiver that the peer opens."""
        self._top_up(event.link)

    @for_receivers
    def on_link_flow(self, event: LinkEvent) -> None:
        """Looks whether the sender has given credit back, and tops up when not."""
        self._top_up(event.link)

    @for_receivers
    def on_delivery(self, event: DeliveryEvent) -> None:
        """Replaces the credit that messages have used."""
        link: Any = event.link
        # Written out, not through _top_up: this runs for each message.
        if link.is_receiver:
            if link.drained():
                endpoint_state(link).is_left_to_application = True
            else:
                # A window of one has to count the message at hand as gone: no other would follow it.
                window = self.window
                grant = link._replenish(2 if window == 1 else window)
                if 2 * grant >= window and grant >= MIN_EARLY_CREDIT and link.queued > 1:
                    _write_early(link, grant)

    def _top_up(self, link: Any) -> None:
        if link.is_receiver:
            if link.drained():
                # Kept on the link, since links come and go under one controller.
                endpoint_state(link).is_left_to_application = True
            elif not endpoint_state(link).is_left_to_application:
                link.flow(self.window - link.credit)


def _write_early(link: Any, grant: int) -> None:
    """Has what there is to say written before the messages that wait are handled, if a loop drives the transport.

    :param grant: as many messages were handled, about, since the sender was told of credit.
    """
    driver = link.connection.transport.driver
    if driver is None or driver.watch is None or driver.would_block:
        return
    if link.state & _CLOSED or link._state.binding.remotely_detached:  # the credit would be of no use
        return
    queued = link.queued
    if queued >= MIN_EARLY_QUEUE or driver.watch.lap() * queued >= LONG_WAIT * grant:
        driver.watch.write_now()
