"""Hooks that note what they are told."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

from proton import Message
from proton.handlers import IncomingMessageHandler, MessagingHandler
from proton.hooks import MessageHooks, add_hooks, remove_hooks
from tests.support.engines import linked, pump


class Recorder(MessageHooks):
    """Notes its calls, those of links to or from the addresses of the test."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.calls = []

    def note(self, link, *call):
        if not self.addresses or {link.source.address or link.remote_source.address, link.target.address} & {
            *self.addresses
        }:
            self.calls.append(call)

    def before_send(self, sender, message):
        self.note(sender, "before", message.body)
        return message.body

    def after_send(self, delivery, token):
        self.note(delivery.link, "after", token)

    def send_failed(self, message, token, error):
        self.calls.append(("failed", token, type(error)))

    def outcome(self, delivery, token):
        self.note(delivery.link, "outcome", token, delivery.remote_state, delivery.settled)

    def received(self, receiver, message, delivery):
        if delivery is not None:
            delivery.body = message.body
        self.note(receiver, "received", message.body)

    @contextlib.contextmanager
    def around_message(self, receiver, message, delivery):
        delivery.body = message.body
        self.note(receiver, "enter", message.body)
        try:
            yield
        except BaseException as error:
            self.note(receiver, "raised", type(error))
            raise
        finally:
            self.note(receiver, "exit", message.body)

    def answered(self, delivery):
        self.note(delivery.link, "answered", getattr(delivery, "body", None), delivery.local_state)

    def take(self):
        taken, self.calls = self.calls, []
        return taken


@contextlib.contextmanager
def added(hooks):
    add_hooks(hooks)
    try:
        yield hooks
    finally:
        remove_hooks(hooks)


class Hello(MessagingHandler):
    """Sends itself a message."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/q")

    def on_sendable(self, event):
        if event.sender.credit == 10:
            event.sender.send(Message(body="x"))

    def on_message(self, event):
        if self.error is not None:
            raise self.error

    def on_settled(self, event):
        event.connection.close()
        self.acceptor.close()


def handle_one(on_message):
    """Has a handler of that `on_message` handle a message, without a loop."""
    a, b, sender, receiver = linked()
    sender.send(Message(body="x"))
    pump(a, b)
    event = SimpleNamespace(delivery=receiver.current, link=receiver)
    IncomingMessageHandler(delegate=SimpleNamespace(on_message=on_message)).on_delivery(event)


def divide(event):
    raise ZeroDivisionError
