"""Receives from whichever of several brokers can be reached: tries one after the other, more and more slowly.

A loss is followed by the next attempt until the tries are used up, and the exit status tells that. To be unauthorized
is the end at once, as is any other condition in `fatal_conditions`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Url
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, GaveUpEvent, MessageEvent, TransportEvent


class Receive(MessagingHandler):
    def __init__(self, urls: list[str], expected: int, tries: int) -> None:
        super().__init__()
        self.done = False
        self.fatal_conditions += ["amqp:not-allowed", "amqp:resource-locked"]
        self.urls = [Url(url) for url in urls]
        self.expected = expected
        self.backoff = Backoff(initial=0.1, factor=2, max_delay=2, max_tries=tries)

    def on_start(self, event: ContainerEvent) -> None:
        connection = event.container.connect(urls=self.urls, reconnect=self.backoff, heartbeat=10)
        event.container.create_receiver(connection, self.urls[0].path)

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        print(f"connected to {event.connection.connected_address}", flush=True)

    def on_transport_error(self, event: TransportEvent) -> None:
        if event.transport.condition:
            print(f"trouble: {event.transport.condition.description}", flush=True)
        super().on_transport_error(event)

    def on_gave_up(self, event: GaveUpEvent) -> None:
        sys.exit(f"gave up: {event.reason}")

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body, flush=True)
        self.expected -= 1
        if self.expected == 0:
            self.done = True
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--messages", type=int, default=0, help="how many, 0 never ends; default: %(default)s")
    parser.add_argument("-t", "--tries", type=int, default=None, help="rounds of attempts; default: no end")
    parser.add_argument("urls", nargs="*", default=["localhost:5672/examples", "localhost:5673/examples"])
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        program = Receive(options.urls, options.messages, options.tries)
        Container(program).run()
        if not program.done:
            sys.exit("ended before the work was done")
