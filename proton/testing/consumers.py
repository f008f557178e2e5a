"""What a queue of a broker for tests holds, and the consumers that take it; `nodes.py` has the rules for editors."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

from proton import Delivery, Link, LinkException, Message, Sender
from proton.testing.copies import shallow_copy_of
from proton.testing.selector import Selector

if TYPE_CHECKING:
    from proton.testing.nodes import Queue

__all__ = ["MAX_STALE_NUMBERS", "Consumer", "Entry", "Lane"]

#: stale numbers that a heap may hold beside those of waiting messages
MAX_STALE_NUMBERS = 64


class Entry:
    """A message in a queue.

    :param message: the message.
    :param queue: the queue.
    :param now: seconds, the time of the nodes.
    """

    __slots__ = ("acquired", "barred", "delivery_count", "expires", "message", "number", "queue", "transaction")

    _numbers = itertools.count()

    def __init__(self, message: Message, queue: Queue, now: float) -> None:
        self.message: Message = message
        self.queue: Queue = queue
        self.number: int = next(self._numbers)
        #: how many deliveries have failed
        self.delivery_count: int = message.delivery_count or 0
        #: True once it was given to a consumer
        self.acquired: bool = False
        #: when its time to live is over, None for never
        self.expires: float | None = now + message.ttl if message.ttl else None
        #: the consumers that it is not for
        self.barred: set[Consumer] = set()
        #: the transaction that its consumer's answer is part of
        self.transaction: Any = None

    def count_failure(self) -> None:
        """Count a failed delivery."""
        self.delivery_count += 1
        self.message = shallow_copy_of(self.message)
        self.message.delivery_count = self.delivery_count


class Lane:
    """The numbers of the messages that consumers with one selector may take, the lowest first.

    :param selector: what a message must match; None for any.
    """

    def __init__(self, selector: Selector | None) -> None:
        self.selector = selector
        self.numbers: list[int] = []
        self.consumers = 0

    def add(self, entry: Entry, waiting: dict[int, Entry]) -> None:
        """Take a message in if the selector matches it."""
        if self.selector is None or self.selector.matches(entry.message):
            numbers = self.numbers
            if len(numbers) > 2 * len(waiting) + MAX_STALE_NUMBERS:
                numbers[:] = sorted({number for number in numbers if number in waiting and number != entry.number})
            heapq.heappush(numbers, entry.number)


class Consumer:
    """A link that sends messages of a queue to a client.

    :param link: the link.
    :param queue: the queue.
    :param selector: which messages it takes; None for all.
    :param browses: True for copies: messages stay in the queue.
    """

    def __init__(self, link: Sender, queue: Queue, selector: Selector | None = None, browses: bool = False) -> None:
        self.link = link
        self.queue = queue
        self.browses = browses
        #: what was sent and has no outcome yet
        self.unsettled: dict[Delivery, Entry] = {}
        self.is_ready: bool = False
        #: the number of the last message that a browser was shown
        self.shown = -1
        self.lane: Lane = queue.add_consumer(self, selector)

    def wake(self) -> None:
        """Take part in the turns again: there is credit."""
        if not self.is_ready and not self.browses:
            self.is_ready = True
            self.queue.ready.append(self)

    def send(self, entry: Entry) -> bool:
        """Send a message to the client; there must be credit.

        :return: False if the message is larger than the client takes, or cannot be encoded.
        """
        # Not the message itself: records and the subscriptions of a topic share it.
        message, link = shallow_copy_of(entry.message), self.link
        message.first_acquirer = not entry.acquired
        if entry.expires is not None:
            message.ttl = max(0.001, entry.expires - self.queue.nodes.now())
        try:
            delivery = link.send(message)
        except LinkException:
            return False
        except Exception as error:  # an error of one message, which must not end the broker
            self.queue.nodes.failed("send", self.queue.address, message, error)
            return False
        if self.browses:
            return True
        entry.acquired = True
        if link.snd_settle_mode != Link.SND_SETTLED:
            self.unsettled[delivery] = entry
        return True

    def detach(self, failed: bool) -> None:
        """Give back what has no outcome, and take no further messages.

        :param failed: it counts as failed deliveries.
        """
        self.queue.remove_consumer(self)
        unsettled, self.unsettled = self.unsettled, {}
        for entry in unsettled.values():
            if entry.transaction is None:
                self.queue.give_back(entry, failed)
