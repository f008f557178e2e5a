"""Sends messages in batches, each in a transaction: the broker (broker.py) has all of a batch, or nothing.

A batch that fails, or whose connection is lost before the commit is answered, is sent again in another transaction. If
only the answer was lost, the receiving side sees the batch twice.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, DisconnectedEvent, SendableEvent, TransactionEvent
    from proton.reactor import Transaction


class Send(MessagingHandler, TransactionHandler):
    def __init__(self, url: str, total: int, batch: int) -> None:
        super().__init__()
        self.done = False
        self.url, self.total, self.batch = url, total, batch
        self.committed = 0
        self.sent = 0  # of the current batch
        self.transaction: Transaction | None = None

    def on_start(self, event: ContainerEvent) -> None:
        self.container = event.container
        self.sender = event.container.create_sender(self.url)
        self.begin()

    def begin(self) -> None:
        self.transaction = None
        self.sent = 0
        self.container.declare_transaction(self.sender.connection, handler=self)

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        self.transaction = event.transaction
        self.send()

    def on_sendable(self, event: SendableEvent) -> None:
        self.send()

    def send(self) -> None:
        # Credit may come before the transaction, or after it.
        size = min(self.batch, self.total - self.committed)
        while self.transaction and self.sender.credit > 0 and self.sent < size:
            number = self.committed + self.sent + 1
            self.transaction.send(self.sender, Message(id=number, body={"sequence": number}))
            self.sent += 1
            if self.sent == size:
                self.transaction.commit()
                self.transaction = None

    def on_transaction_committed(self, event: TransactionEvent) -> None:
        self.committed += self.sent
        if self.committed == self.total:
            print("all messages committed")
            self.done = True
            self.sender.connection.close()
        else:
            self.begin()

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        self.transaction = None  # of a connection that is gone; the next callback begins another

    def on_transaction_commit_failed(self, event: TransactionEvent) -> None:
        self.begin()

    on_transaction_aborted = on_transaction_declare_failed = on_transaction_commit_failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=100, help="how many; default: %(default)s")
    parser.add_argument("-b", "--batch-size", type=int, default=10, help="in a transaction; default: %(default)s")
    options = parser.parse_args()
    program = Send(options.address, options.messages, options.batch_size)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
