"""The queues of a broker for tests: messages in order, and the links that take them.

A message that comes back takes its old place. Nothing here knows threads, rules or connections.
"""

from __future__ import annotations

import collections
import heapq
import itertools
from typing import Any

from proton import Delivery, Link, Message, Sender

__all__ = ["Consumer", "Entry", "Queue"]


class Entry:
    """A message in a queue."""

    _numbers = itertools.count()

    def __init__(self, message: Message) -> None:
        self.message = message
        self.delivery_count = message.delivery_count or 0
        #: True once it was given to a consumer
        self.acquired = False
        self._number = next(self._numbers)

    def __lt__(self, other: Entry) -> bool:
        return self._number < other._number


class Consumer:
    """A link to a client that takes messages from a queue."""

    def __init__(self, link: Sender, queue: Queue) -> None:
        self.link = link
        self.queue = queue
        #: what was sent and has no outcome yet
        self.unsettled: dict[Delivery, Entry] = {}

    def send(self, entry: Entry) -> None:
        """Send a message to the client; there must be credit."""
        message = entry.message
        message.delivery_count = entry.delivery_count
        message.first_acquirer = not entry.acquired
        entry.acquired = True
        delivery = self.link.send(message)
        if self.link.snd_settle_mode != Link.SND_SETTLED:
            self.unsettled[delivery] = entry

    def leave(self) -> None:
        """Give back what has no outcome, and take no more."""
        if self in self.queue.consumers:
            self.queue.consumers.remove(self)
        for entry in self.unsettled.values():
            entry.delivery_count += 1
            self.queue.restore(entry)
        self.unsettled = {}


class Queue:
    """The messages of one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.consumers: collections.deque[Consumer] = collections.deque()
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def messages(self) -> list[Message]:
        """The messages that wait, in order."""
        return [entry.message for entry in sorted(self._entries)]

    def clear(self) -> None:
        """Drop the messages that wait."""
        self._entries = []

    def put(self, message: Message) -> None:
        """Append a message."""
        heapq.heappush(self._entries, Entry(message))

    def restore(self, entry: Entry) -> None:
        """Take a message back, at its old place."""
        heapq.heappush(self._entries, entry)

    def dispatch(self) -> None:
        """Send what there is to the consumers, in turn, as far as their credit goes."""
        idle = 0
        while self._entries and idle < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.link.credit > 0:
                idle = 0
                consumer.send(heapq.heappop(self._entries))
            else:
                idle += 1

    def find(self, link: Any) -> Consumer | None:
        """The consumer of a link."""
        return next((consumer for consumer in self.consumers if consumer.link is link), None)
