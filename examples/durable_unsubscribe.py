"""Ends a durable subscription that durable_subscribe.py made: opens its link once more, and closes it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Url
from proton.handlers import MessagingHandler
from proton.reactor import Container, DurableSubscription

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, LinkEvent


class Unsubscriber(MessagingHandler):
    def __init__(self, url: str, name: str) -> None:
        super().__init__(prefetch=0)  # nothing more is wanted
        self.done = False
        self.url = Url(url)
        self.name = name

    def on_start(self, event: ContainerEvent) -> None:
        event.container.container_id = f"{self.name}-client"
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path, name=self.name, options=DurableSubscription())

    def on_link_opened(self, event: LinkEvent) -> None:
        event.link.close()

    def on_link_closed(self, event: LinkEvent) -> None:
        if event.link.remote_condition:
            return  # it was refused
        print(f"unsubscribed from {event.link.source.address}")
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/topic", help="default: %(default)s")
    parser.add_argument("-n", "--name", default="subscription", help="of the subscription; default: %(default)s")
    options = parser.parse_args()
    program = Unsubscriber(options.address, options.name)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
