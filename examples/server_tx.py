"""Answers requests in transactions: a request is gone from the broker when, and only when, its response is there.

The broker (broker.py) must have transactions. The response is the request in capitals.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from proton import Message, Url
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import Any

    from proton import Delivery
    from proton.handlers import ContainerEvent, LinkEvent, MessageEvent, TransactionEvent


class Answer(TransactionHandler):
    """One request: the response is sent and the request accepted in one transaction, which is then committed."""

    def __init__(self, server: Any, request: Message, delivery: Delivery) -> None:
        self.server = server
        self.request = request
        self.delivery = delivery

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        response = Message(address=self.request.reply_to, correlation_id=self.request.correlation_id)
        response.body = str(self.request.body).upper()
        event.transaction.send(self.server.sender, response)
        event.transaction.accept(self.delivery)
        event.transaction.commit()

    def on_transaction_committed(self, event: TransactionEvent) -> None:
        print("Request processed successfully", flush=True)
        self.delivery.settle()

    def on_transaction_declare_failed(self, event: TransactionEvent) -> None:
        print("No transaction", flush=True)
        self.server.release(self.delivery)

    def on_transaction_commit_failed(self, event: TransactionEvent) -> None:
        print("Commit failed, the request is given back", flush=True)


class Server(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__(auto_accept=False)
        self.url = Url(url)

    def on_start(self, event: ContainerEvent) -> None:
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=False, desired_capabilities="ANONYMOUS-RELAY")
        self.receiver = event.container.create_receiver(self.connection, self.url.path)
        self.sender = event.container.create_sender(self.connection, None)

    def on_link_opened(self, event: LinkEvent) -> None:
        if event.receiver == self.receiver:
            print(f"serving {self.url.path}", flush=True)

    def on_message(self, event: MessageEvent) -> None:
        if event.message.reply_to:
            answer = Answer(self, event.message, event.delivery)
            self.container.declare_transaction(self.connection, handler=answer)
        else:
            self.reject(event.delivery)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        Container(Server(parser.parse_args().address)).run()
        sys.exit("ended before the work was done")
