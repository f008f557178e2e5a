"""Receives messages from an address, prints their bodies and ends after the last one that was asked for.

The peer is a broker (broker.py) or a program that listens (direct_send.py). A message whose id came before counts once.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, GaveUpEvent, MessageEvent


class Receive(MessagingHandler):
    def __init__(self, url: str, expected: int) -> None:
        super().__init__()
        self.done = False
        self.url = url
        self.expected = expected
        self.received = 0
        self.ids: set[object] = set()

    def on_start(self, event: ContainerEvent) -> None:
        event.container.create_receiver(self.url)

    def on_gave_up(self, event: GaveUpEvent) -> None:
        sys.exit(f"gave up: {event.reason}")

    def on_message(self, event: MessageEvent) -> None:
        # A sender that lost its connection sends again what it got no answer for.
        if event.message.id is not None:
            if event.message.id in self.ids:
                return
            self.ids.add(event.message.id)
        # A message that was sent ahead is given back when the receiver closes, and does not come here.
        self.received += 1
        print(event.message.body)
        if self.received == self.expected:
            event.receiver.close()
            self.done = True
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="0 never ends; default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        program = Receive(options.address, options.messages)
        Container(program).run()
        if not program.done:
            sys.exit("ended before the work was done")
