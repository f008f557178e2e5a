"""Receives in transactions as it is told to on standard input: fetch, commit, abort, quit.

The loop runs in a thread of its own. An injector hands it what is typed as events: a way into it from other threads.
Once the connection has ended, the next line ends the program with exit status 1.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from typing import TYPE_CHECKING

from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import ApplicationEvent, Container, EventInjector

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, MessageEvent, TransactionEvent, TransportEvent
    from proton.reactor import Transaction


class Receive(MessagingHandler, TransactionHandler):
    def __init__(self, url: str) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.url, self.done = url, False
        self.injector = EventInjector()

    def on_start(self, event: ContainerEvent) -> None:
        event.container.selectable(self.injector)
        self.receiver = event.container.create_receiver(self.url)
        self.declare(event)

    def declare(self, event: ContainerEvent | TransactionEvent) -> None:
        self.transaction: Transaction | None = None
        event.container.declare_transaction(self.receiver.connection, handler=self, settle_before_discharge=True)

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        self.transaction = event.transaction
        print("transaction declared", flush=True)

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body, flush=True)
        if self.transaction:
            self.transaction.accept(event.delivery)

    def on_transaction_committed(self, event: TransactionEvent, outcome: str = "committed") -> None:
        print(f"transaction {outcome}", flush=True)
        self.declare(event)

    def on_transaction_aborted(self, event: TransactionEvent) -> None:
        self.on_transaction_committed(event, "aborted")

    def on_fetch(self, event: ApplicationEvent) -> None:
        if self.transaction:
            self.receiver.flow(1)

    def on_commit(self, event: ApplicationEvent) -> None:
        if self.transaction:
            self.transaction.commit()

    def on_abort(self, event: ApplicationEvent) -> None:
        if self.transaction:
            self.transaction.abort()

    def on_quit(self, event: ApplicationEvent) -> None:
        connection = self.receiver.connection
        self.done = bool(connection.state & connection.LOCAL_ACTIVE)
        connection.close()

    def on_transport_closed(self, event: TransportEvent) -> None:
        event.container.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    program = Receive(parser.parse_args().address)
    thread = threading.Thread(target=Container(program).run)
    thread.start()
    for line in itertools.chain(sys.stdin, ["quit"]):
        program.injector.trigger(ApplicationEvent(line.strip()))  # without a method for it, nothing happens
        if line.strip() == "quit" or not thread.is_alive():
            break
    thread.join()
    if not program.done:
        sys.exit("ended before the work was done")
