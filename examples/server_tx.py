"""Answers requests in transactions: a request is gone from the broker when, and only when, its response is there.

The broker (broker.py) must have transactions. The response is the request in capitals.
"""

import argparse
import contextlib
import sys

from proton import Message, Url
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container


class Answer(TransactionHandler):
    """One request: the response is sent and the request accepted in one transaction, which is then committed."""

    def __init__(self, server, request, delivery):
        self.server = server
        self.request = request
        self.delivery = delivery

    def on_transaction_declared(self, event):
        response = Message(address=self.request.reply_to, correlation_id=self.request.correlation_id)
        response.body = str(self.request.body).upper()
        event.transaction.send(self.server.sender, response)
        event.transaction.accept(self.delivery)
        event.transaction.commit()

    def on_transaction_committed(self, event):
        print("Request processed successfully", flush=True)
        self.delivery.settle()

    def on_transaction_declare_failed(self, event):
        print("No transaction", flush=True)
        self.server.release(self.delivery)

    def on_transaction_commit_failed(self, event):
        print("Commit failed, the request is given back", flush=True)


class Server(MessagingHandler):
    def __init__(self, url):
        super().__init__(auto_accept=False)
        self.url = Url(url)
        self.container = None

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=False, desired_capabilities="ANONYMOUS-RELAY")
        self.receiver = event.container.create_receiver(self.connection, self.url.path)
        self.sender = event.container.create_sender(self.connection, None)

    def on_link_opened(self, event):
        if event.receiver == self.receiver:
            print(f"serving {self.url.path}", flush=True)

    def on_message(self, event):
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
