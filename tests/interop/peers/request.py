"""Sends requests of every kind, one after the other, and prints each request and each response.

One of the interoperation peers: runs on either engine, and talks to respond.py on either.
"""

import argparse

import values
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Request(MessagingHandler):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.sent = 0
        self.sender = None
        self.receiver = None

    def on_start(self, event):
        self.sender = event.container.create_sender(self.options.url)
        self.receiver = event.container.create_receiver(self.sender.connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.receiver == self.receiver:
            self.ask()

    def ask(self):
        request = values.message(self.sent)
        request.reply_to = self.receiver.remote_source.address
        request.correlation_id = self.sent
        self.sender.send(request)
        print("request", self.sent, values.canonical_message(request))
        self.sent += 1

    def on_message(self, event):
        response = event.message
        print("response", response.correlation_id, values.canonical_message(response))
        if self.sent < self.options.count:
            self.ask()
        else:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=10)
    Container(Request(parser.parse_args())).run()
