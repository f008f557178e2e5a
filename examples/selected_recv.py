"""Receives the messages that a selector chooses (of colour_send.py, for instance); the broker keeps the others."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Url
from proton.handlers import MessagingHandler
from proton.reactor import Container, Selector

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, MessageEvent


class Receive(MessagingHandler):
    def __init__(self, url: str, selector: str, expected: int) -> None:
        super().__init__()
        self.done = False
        self.url = Url(url)
        self.selector = selector
        self.expected = expected

    def on_start(self, event: ContainerEvent) -> None:
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path, options=Selector(self.selector))

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body, flush=True)
        self.expected -= 1
        if self.expected == 0:
            event.receiver.close()
            self.done = True
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=0, help="how many, 0 never ends; default: %(default)s")
    parser.add_argument("selector", nargs="?", default="colour = 'green'", help="default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        program = Receive(options.address, options.selector, options.messages)
        Container(program).run()
        if not program.done:
            sys.exit("ended before the work was done")
