"""Request and response, one at a time: `answer` listens, and one of two clients connects and measures.

`ask` is a program of callbacks, `call` uses `SyncRequestResponse` over a `BlockingConnection`.
"""

import argparse
import uuid

from common import Clock, Worker, print_result
from proton import Message
from proton.reactor import Container
from proton.utils import BlockingConnection, SyncRequestResponse


class Ask(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.count = 0
        self.sender = None
        self.receiver = None

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(connection, "requests")
        self.receiver = event.container.create_receiver(connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.clock.start()
            self.ask()

    def ask(self):
        self.count += 1
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message(reply_to=reply_to, correlation_id=self.count, body="x" * 100))

    def on_message(self, event):
        if self.count < self.options.messages:
            self.ask()
        else:
            print_result(**self.clock.read())
            event.connection.close()


class Answer(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.count = 0
        self.senders = {}

    def on_start(self, event):
        self.listen(event.container)

    def on_link_opening(self, event):
        link = event.link
        if link.is_sender:
            link.source.address = str(uuid.uuid4())
            self.senders[link.source.address] = link
        else:
            link.target.address = link.remote_target.address

    def on_message(self, event):
        if self.count == 0:
            self.clock.start()
        self.count += 1
        request = event.message
        response = Message(address=request.reply_to, correlation_id=request.correlation_id, body=request.body)
        self.senders[request.reply_to].send(response)
        if self.count == self.options.messages:
            print_result(**self.clock.read())
            self.acceptor.close()


def call(options):
    connection = BlockingConnection(f"127.0.0.1:{options.port}")
    client = SyncRequestResponse(connection, "requests")
    clock = Clock()
    for _ in range(options.messages):
        client.call(Message(body="x" * 100))
    print_result(**clock.read())
    connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("answer", "ask", "call"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=1000)
    options = parser.parse_args()
    if options.role == "call":
        call(options)
    else:
        Container({"ask": Ask, "answer": Answer}[options.role](options)).run()
