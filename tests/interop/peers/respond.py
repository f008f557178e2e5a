"""Listens, and answers each request with its own body, until the peer closes; prints requests and responses.

One of the interoperation peers: runs on either engine, and talks to request.py on either.
"""

import argparse
import uuid

import values
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Respond(MessagingHandler):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.acceptor = None
        self.senders = {}

    def on_start(self, event):
        self.acceptor = event.container.listen(self.options.url)
        print("listening", flush=True)

    def on_link_opening(self, event):
        if event.link.is_sender and event.link.remote_source.dynamic:
            event.link.source.dynamic = True
            event.link.source.address = f"reply-{uuid.uuid4()}"
            self.senders[event.link.source.address] = event.link
        else:
            event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        request = event.message
        n = request.correlation_id
        print("request", n, values.canonical_message(request))
        response = Message(
            correlation_id=n, address=request.reply_to, body=request.body, properties={"answer": request.properties}
        )
        response.inferred = request.inferred
        self.senders[request.reply_to].send(response)
        print("response", n, values.canonical_message(response))

    def on_connection_closed(self, event):
        self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    Container(Respond(parser.parse_args())).run()
