"""Listens, with no broker, prints the messages that a sender brings (simple_send.py) and ends after the last.

A message whose id came before counts once.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, MessageEvent


class Receive(MessagingHandler):
    def __init__(self, url: str, expected: int) -> None:
        super().__init__()
        self.url = url
        self.expected = expected
        self.received = 0
        self.ids: set[object] = set()

    def on_start(self, event: ContainerEvent) -> None:
        self.acceptor = event.container.listen(self.url)

    def on_message(self, event: MessageEvent) -> None:
        # A sender that lost its connection sends again what it got no answer for.
        if event.message.id is not None:
            if event.message.id in self.ids:
                return
            self.ids.add(event.message.id)
        self.received += 1
        print(event.message.body)
        if self.received == self.expected:
            event.receiver.close()
            event.connection.close()
            self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="0 never ends; default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        Container(Receive(options.address, options.messages)).run()
