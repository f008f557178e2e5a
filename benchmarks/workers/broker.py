"""Messages by way of a broker: `broker.py receive` and `broker.py send` connect to a queue at the same time.

Each measures itself between its first message and its last, or the last outcome. The receiver says `ready` when its
link is open, so that the queue is there.
"""

import argparse

from common import Worker, print_result
from proton import Message
from proton.reactor import Container


class Send(Worker):
    def __init__(self, options):
        super().__init__(options)
        self.sent = self.accepted = 0

    def on_start(self, event):
        connection = event.container.connect(f"127.0.0.1:{self.options.port}", reconnect=False)
        event.container.create_sender(connection, self.options.queue)

    def on_sendable(self, event):
        if self.sent == 0:
            self.clock.start()
        while event.sender.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent, "d": "x" * 100}))

    def on_accepted(self, event):
        self.accepted += 1
        if self.accepted == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


class Receive(Worker):
    def __init__(self, options):
        super().__init__(options, prefetch=options.prefetch)
        self.count = 0

    def on_start(self, event):
        connection = event.container.connect(f"127.0.0.1:{self.options.port}", reconnect=False)
        event.container.create_receiver(connection, self.options.queue)

    def on_link_opened(self, event):
        print("ready", flush=True)

    def on_message(self, event):
        if self.count == 0:
            self.clock.start()
        self.count += 1
        if self.count == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=500)
    options = parser.parse_args()
    Container({"send": Send, "receive": Receive}[options.role](options)).run()
