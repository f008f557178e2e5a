"""Sends numbered messages to an address and ends when each has been answered for.

The peer is a broker (broker.py) or a program that listens (direct_recv.py). When the connection is lost it is made
again, and what was not confirmed is sent again: the receiving side may then see a message twice.
"""

from __future__ import annotations

import argparse
import collections
import sys
from typing import TYPE_CHECKING

from proton import Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, DeliveryEvent, DisconnectedEvent, GaveUpEvent, SendableEvent


class Send(MessagingHandler):
    def __init__(self, url: str, total: int) -> None:
        super().__init__()
        self.done = False
        self.url = url
        self.to_send = collections.deque(range(1, total + 1))
        # The number of each message by its delivery, until the receiver has settled it.
        self.unanswered: dict[Delivery, int] = {}
        self.refused = 0

    def on_start(self, event: ContainerEvent) -> None:
        event.container.create_sender(self.url)

    def on_sendable(self, event: SendableEvent) -> None:
        while event.sender.credit > 0 and self.to_send:
            number = self.to_send.popleft()
            self.unanswered[event.sender.send(Message(id=number, body={"sequence": number}))] = number

    def on_settled(self, event: DeliveryEvent) -> None:
        if self.unanswered.pop(event.delivery, None) is None:
            return
        if event.delivery.remote_state != Delivery.ACCEPTED:
            self.refused += 1
        if not self.unanswered and not self.to_send:
            print(f"{self.refused} messages refused" if self.refused else "all messages confirmed")
            self.done = True
            event.connection.close()

    def on_gave_up(self, event: GaveUpEvent) -> None:
        sys.exit(f"gave up: {event.reason}")

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        # What was not settled may have arrived or not.
        self.to_send.extendleft(sorted(self.unanswered.values(), reverse=True))
        self.unanswered.clear()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    options = parser.parse_args()
    program = Send(options.address, options.messages)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
