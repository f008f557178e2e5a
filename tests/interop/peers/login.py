"""Logs in, or lets in, and has messages go both ways; prints which user was let in, by which mechanism, or why not.

One of the interoperation peers: runs on either engine, and talks to itself on either. A client takes one mechanism
after the other; a server ends after as many connections. Each line begins with the number of the connection.
"""

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


def body(size):
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


class End(MessagingHandler):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.mechs = options.mechs.split()
        self.number = 0

    def say(self, *words):
        print(self.number, *words, flush=True)

    def on_connection_opened(self, event):
        transport = event.transport
        sasl = transport.sasl()
        self.say("in", sasl.mech, sasl.outcome, transport.authenticated, transport.encrypted)

    def on_transport_error(self, event):
        condition = event.transport.condition
        self.say("refused", condition.name, condition.description)
        self.say("outcome", event.transport.sasl().outcome)

    def on_transport_closed(self, event):
        self.number += 1
        self.next(event)


class Server(End):
    def on_start(self, event):
        self.acceptor = event.container.listen(self.options.url)
        print("listening", flush=True)

    def on_connection_bound(self, event):
        sasl = event.transport.sasl()
        sasl.allow_insecure_mechs = True
        if self.options.offered:
            sasl.allowed_mechs(self.options.offered)

    def on_connection_opened(self, event):
        super().on_connection_opened(event)
        self.say("user", event.transport.user)

    def on_link_opened(self, event):
        if event.link.is_sender:
            self.reply = event.link

    def on_message(self, event):
        self.reply.send(event.message)

    def next(self, event):
        if self.number == len(self.mechs):
            self.acceptor.close()


class Client(End):
    def on_start(self, event):
        self.sizes = [int(size) for size in self.options.sizes.split(",")]
        self.next(event)

    def next(self, event):
        if self.number == len(self.mechs):
            return
        self.sent = self.answered = 0
        connection = event.container.connect(
            self.options.url,
            user=self.options.user,
            password=self.options.password,
            allowed_mechs=self.mechs[self.number],
            virtual_host=self.options.host,
            sasl_enabled=True,
            reconnect=False,
        )
        event.container.create_receiver(connection, "answers")
        event.container.create_sender(connection, "questions")

    def on_sendable(self, event):
        while event.sender.credit and self.sent < len(self.sizes):
            event.sender.send(Message(id=self.sent, body=body(self.sizes[self.sent])))
            self.sent += 1

    def on_message(self, event):
        same = bytes(event.message.body) == body(self.sizes[event.message.id])
        self.say("answer", event.message.id, "same" if same else "another")
        self.answered += 1
        if self.answered == len(self.sizes):
            event.connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("mechs", help="of a client, one for each connection, with spaces between")
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--offered", default="")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--sizes", default="1,40000,3000000")
    options = parser.parse_args()
    Container((Server if options.listen else Client)(options)).run()


main()
