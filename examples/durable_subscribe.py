"""Receives from a topic by a durable subscription: what is published while the program does not run waits for it.

The broker (broker.py) knows the subscription by the container's id and the link's name, so both are fixed. Detaching
the link, instead of closing it, keeps the subscription; durable_unsubscribe.py ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Url
from proton.handlers import MessagingHandler, Release
from proton.reactor import Container, DurableSubscription

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, LinkEvent, MessageEvent


class Subscriber(MessagingHandler):
    def __init__(self, url: str, name: str, expected: int) -> None:
        super().__init__()
        self.done = False
        self.url = Url(url)
        self.name = name
        self.expected = expected

    def on_start(self, event: ContainerEvent) -> None:
        event.container.container_id = f"{self.name}-client"
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path, name=self.name, options=DurableSubscription())

    def on_link_opened(self, event: LinkEvent) -> None:
        print(f"subscribed to {event.link.source.address}", flush=True)
        if self.expected == 0:
            self.leave(event)

    def on_message(self, event: MessageEvent) -> None:
        if self.expected == 0:
            raise Release  # it was sent ahead, and stays in the subscription
        print(event.message.body, flush=True)
        self.expected -= 1
        if self.expected == 0:
            self.leave(event)

    def leave(self, event: LinkEvent | MessageEvent) -> None:
        event.link.detach()
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/topic", help="default: %(default)s")
    parser.add_argument("-n", "--name", default="subscription", help="of the subscription; default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=-1, help="how many, -1 never ends; default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        program = Subscriber(options.address, options.name, options.messages)
        Container(program).run()
        if not program.done:
            sys.exit("ended before the work was done")
