"""Receives messages in batches, each accepted in a transaction: the broker (broker.py) keeps what is not committed."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton import Delivery, Message
    from proton.handlers import ContainerEvent, MessageEvent, TransactionEvent


class Receive(MessagingHandler, TransactionHandler):
    def __init__(self, url: str, total: int, batch: int) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.done = False
        self.url = url
        self.left = total
        self.batch = batch
        self.received: list[tuple[Message, Delivery]] = []  # the messages of the current batch

    def on_start(self, event: ContainerEvent) -> None:
        self.container = event.container
        self.receiver = event.container.create_receiver(self.url)
        self.begin()

    def begin(self) -> None:
        self.received = []
        self.container.declare_transaction(self.receiver.connection, handler=self)

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        self.transaction = event.transaction
        self.receiver.flow(min(self.batch, self.left))

    def on_message(self, event: MessageEvent) -> None:
        self.transaction.accept(event.delivery)
        self.received.append((event.message, event.delivery))
        if len(self.received) == min(self.batch, self.left):
            self.transaction.commit()

    def on_transaction_committed(self, event: TransactionEvent) -> None:
        for message, delivery in self.received:
            print(message.body)
            delivery.settle()
        self.left -= len(self.received)
        if self.left:
            self.begin()
        else:
            self.done = True
            self.receiver.connection.close()

    def on_transaction_commit_failed(self, event: TransactionEvent) -> None:
        print("not committed")
        self.receiver.connection.close()

    on_transaction_aborted = on_transaction_declare_failed = on_transaction_commit_failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    parser.add_argument("-b", "--batch-size", type=int, default=10, help="in a transaction; default: %(default)s")
    options = parser.parse_args()
    program = Receive(options.address, options.messages, options.batch_size)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
