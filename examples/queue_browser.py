"""Prints the messages of a queue and leaves them there: the receiver asks the broker (broker.py) for copies.

It drains: the broker sends what it has and gives back the credit that is left, which tells that nothing is left.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Url
from proton.handlers import MessagingHandler
from proton.reactor import Container, Copy

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, LinkEvent, MessageEvent

BATCH = 100


class Browser(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__(prefetch=0)
        self.done = False
        self.url = Url(url)
        self.seen = 0

    def on_start(self, event: ContainerEvent) -> None:
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path, options=Copy())

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.receiver:
            event.receiver.drain(BATCH)

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body)
        self.seen += 1
        if self.seen % BATCH == 0:
            event.receiver.drain(BATCH)

    def on_link_flow(self, event: LinkEvent) -> None:
        # The messages of this drain have come before; credit that they did not use was given back.
        if event.receiver and event.receiver.credit == 0 and event.receiver.queued == 0:
            self.done = True
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    program = Browser(parser.parse_args().address)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
