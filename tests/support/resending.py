"""A sender that loses nothing, and a receiver that takes nothing twice: the two halves of at-least-once.

The sender numbers its messages and sends again, on the next connection, what was not accepted on the last one. Both
are handlers for one container or for two.
"""

from __future__ import annotations

from proton import Message
from tests.support.loops import Recorder


class Resending(Recorder):
    """Sends `count` messages to `url` until all are accepted, and closes then.

    :param body: what a message carries beside its number.
    :param options: of `Container.connect`.
    """

    def __init__(self, url, count, body="", **options):
        super().__init__()
        self.url = url
        self.count = count
        self.body = body
        self.options = options
        self.accepted = set()
        self.waiting = list(range(count - 1, -1, -1))  # the next one is the last
        self.on_their_way = {}
        self.sent = 0
        self.losses = 0
        self.errors = []

    def on_start(self, event):
        self.connection = event.container.connect(self.url, **self.options)
        self.sender = event.container.create_sender(self.connection, "queue")

    def on_sendable(self, event):
        if event.sender is self.sender:
            self.send()

    def send(self):
        while self.waiting and self.sender.credit > 0:
            number = self.waiting.pop()
            self.on_their_way[self.sender.send(Message(id=number, body=self.body))] = number
            self.sent += 1

    def on_accepted(self, event):
        number = self.on_their_way.pop(event.delivery, None)
        if number is not None:
            self.accepted.add(number)
        if len(self.accepted) == self.count:
            self.done(event)

    def done(self, event):
        event.connection.close()

    def on_disconnected(self, event):
        if event.connection is self.connection and self.on_their_way:
            self.losses += 1
            lost, self.on_their_way = self.on_their_way, {}
            self.waiting.extend(sorted(lost.values(), reverse=True))
            for delivery in lost:
                delivery.settle()

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition)


class Once:
    """Takes each number once; a child for any handler with `on_message`."""

    def __init__(self):
        self.numbers = set()
        self.repeated = 0

    def take(self, message):
        if message.id in self.numbers:
            self.repeated += 1
        self.numbers.add(message.id)
