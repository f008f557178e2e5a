"""Deliveries that stay unsettled: `unsettled.py receive` listens and keeps them, `unsettled.py send` connects.

Each end says by how much its memory has grown from before the first delivery to after the last.
"""

import argparse

from common import Worker, print_result, resident_bytes
from proton import Message
from proton.reactor import Container


class Send(Worker):
    def __init__(self, options):
        super().__init__(options, auto_settle=False)
        self.sent = 0
        self.before = 0

    def on_start(self, event):
        event.container.create_sender(event.container.connect(self.url, reconnect=False), "kept")

    def on_sendable(self, event):
        self.before = self.before or resident_bytes()
        while event.link.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.link.send(Message(body=self.sent))

    def on_connection_closing(self, event):
        print_result(bytes=resident_bytes() - self.before, unsettled=self.unsettled(event.connection))
        event.connection.close()

    @staticmethod
    def unsettled(connection):
        return connection.link_head(0).unsettled


class Receive(Worker):
    def __init__(self, options):
        super().__init__(options, prefetch=0, auto_accept=False)
        self.count = self.before = 0

    def on_start(self, event):
        self.listen(event.container)

    def on_link_opened(self, event):
        self.before = resident_bytes()
        event.receiver.flow(self.options.messages)

    def on_message(self, event):
        self.count += 1
        if self.count == self.options.messages:
            print_result(bytes=resident_bytes() - self.before, unsettled=event.receiver.unsettled)
            event.connection.close()
            self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    Container({"send": Send, "receive": Receive}[options.role](options)).run()
