"""Handlers of a narrower scope: each link has a handler of its own, which gets its events in place of the container's.

The container's handler is left with what concerns the connection. Needs a broker (broker.py).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Message, Url
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from proton.handlers import ConnectionEvent, ContainerEvent, LinkEvent, MessageEvent, SendableEvent


class Producer(MessagingHandler):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_sendable(self, event: SendableEvent) -> None:
        event.sender.send(Message(body=f"made for {self.name}"))
        event.sender.close()


class Consumer(MessagingHandler):
    def __init__(self, name: str, done: Callable[..., None]) -> None:
        super().__init__()
        self.name = name
        self.done = done

    def on_message(self, event: MessageEvent) -> None:
        print(f"{self.name}: {event.message.body}", flush=True)
        event.receiver.close()

    def on_link_closed(self, event: LinkEvent) -> None:
        if not event.link.remote_condition:
            self.done(self)


class Program(MessagingHandler):
    def __init__(self, url: str, names: Sequence[str]) -> None:
        super().__init__()
        self.url = Url(url)
        self.consumers = [Consumer(name, self.done) for name in names]

    def on_start(self, event: ContainerEvent) -> None:
        self.connection = event.container.connect(self.url)
        for consumer in self.consumers:
            address = f"{self.url.path}-{consumer.name}"
            event.container.create_receiver(self.connection, address, handler=consumer)
            event.container.create_sender(self.connection, address, handler=Producer(consumer.name))

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        print("connected", flush=True)

    def done(self, consumer: Consumer) -> None:
        self.consumers.remove(consumer)
        if not self.consumers:
            self.connection.close()

    def on_message(self, event: MessageEvent) -> None:
        raise AssertionError("the links have handlers of their own")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("names", nargs="*", default=["one", "two"], help="of the links; default: one two")
    options = parser.parse_args()
    program = Program(options.address, options.names)
    Container(program).run()
    if program.consumers:
        sys.exit("ended before the work was done")
