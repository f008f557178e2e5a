"""Mistakes of programs, each in a line that says so in a comment: checkers find each of them, and no other.

Never run: `tests/typing/check.py` has checkers read it.
"""

from __future__ import annotations

from proton import Message, Sender, Url
from proton.handlers import (
    ConnectionEvent,
    LinkEvent,
    MessageEvent,
    MessagingHandler,
    SendableEvent,
    TransactionalClientHandler,
)
from proton.reactor import ApplicationEvent, AtLeastOnce, Backoff, Container, Selector, Transaction
from proton.utils import BlockingConnection, SyncRequestResponse


def options_of_links(container: Container) -> None:
    container.create_receiver("h/q", dynamik=True)  # mistake: the name of an option
    container.create_sender("h/q", options=AtLeastOnce)  # mistake: the class in place of an object
    container.create_receiver("h/q", options=[Selector(5)])  # mistake: the type of an expression
    container.create_receiver("h/q", source=5)  # mistake: the type of an address
    container.create_sender(5672)  # mistake: the type of a context
    container.create_sender("h/q").flow(10)  # mistake: a method of receivers


def options_of_connections(container: Container) -> None:
    container.connect("h", pasword="x")  # mistake: the name of an option
    container.connect("h", heartbeat="3")  # mistake: the type of a time
    container.connect(urls="h")  # fine for a checker: a text is an iterable of texts, `connect` raises TypeError
    container.connect(["h"])  # mistake: several URLs in place of one
    container.connect("h", reconnect=Backoff(max_tries="5"))  # mistake: the type of a count
    container.connect("h", reconnect=Backoff(maximum=5))  # mistake: an argument that `Backoff` does not have
    container.connect("h", allowed_mechs=5)  # mistake: the type of an option
    container.listen("h", require_autentication=True)  # mistake: the name of an option
    Container(handlers=[])  # mistake: handlers are given without a name
    Url("h", hots="x")  # fine for a checker: any part of a URL by name, `Url` raises AttributeError


class Program(MessagingHandler):
    def on_message(self, event: MessageEvent) -> None:
        print(event.mesage)  # mistake: the name of an attribute
        print(event.message.adress)  # mistake: a field that messages do not have
        event.message.ttl = "5"  # mistake: the type of a field
        event.delivery.accept()  # mistake: `self.accept(event.delivery)` is meant
        self.accept(event.message)  # mistake: the delivery is meant
        event.receiver.send(Message())  # mistake: a method of senders
        event.container.schedule("1", self)  # mistake: the type of a time

    def on_sendable(self, event: MessageEvent) -> None:  # mistake: the class of another callback
        pass

    def on_link_closed(self, event: LinkEvent) -> None:
        event.link.source.adress = "q"  # mistake: the name of an attribute

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        event.session.close()  # mistake: an event of a connection has no session


class Client(TransactionalClientHandler):
    transaction: Transaction

    def on_sendable(self, event: SendableEvent) -> None:
        self.transaction.send(event.sender, "text")  # mistake: a text in place of a message
        self.accept(event.delivery, self.transaction)  # mistake: an event of a link has no delivery


def sending(sender: Sender) -> None:
    sender.send("text")  # mistake: a text in place of a message
    sender.send(Message(), tag=1)  # mistake: the type of a tag
    sender.send(b"data").settle()  # mistake: bytes give a number, not a delivery
    Message(adress="q")  # mistake: a field that messages do not have
    Message(priority="high")  # mistake: the type of a field


def waiting() -> None:
    connection = BlockingConnection("h", timout=3)  # mistake: the name of an option
    connection = BlockingConnection("h", timeout="3")  # mistake: the type of a time
    connection.create_receiver("q").receive(timeout="3")  # mistake: the type of a time
    connection.create_sender("q").send(b"data")  # mistake: bytes in place of a message
    connection.create_receiver("q", prefetch=5)  # mistake: the name of an option
    SyncRequestResponse(connection, "q").call("text")  # mistake: a text in place of a message
    connection.create_receiver("q").reject(5)  # mistake: the type of a condition
    connection.create_receiver("q").reject("x:y", mesage=Message())  # mistake: the name of an argument
    connection.create_receiver("q").accept(Message())  # mistake: the message is given by name
    for message in connection.create_receiver("q"):
        print(message.bdoy)  # mistake: the name of an attribute


def events_of_programs(container: Container) -> None:
    ApplicationEvent("told", subjekt=5)  # mistake: the name of an argument
    container.call_soon(sending, "text")  # mistake: the arguments of a function
