"""The nodes of a broker for tests: queues, topics and their subscriptions.

Nothing here knows threads, rules or connections; time comes from a function. Rules for editors:
1. A message that comes back takes its old place: entries are ordered by their numbers.
2. To put, to give back and to send cost O(log n), with selectors too. What is stale in a heap is dropped when it is
   met, and all of it once it is more than the messages, so that memory follows what waits.
3. `put` tells `Nodes.changed`; `restore` does not: the caller dispatches when all links that end are gone.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

from proton import Link, Message
from proton.testing.consumers import MAX_STALE_NUMBERS, Consumer, Entry, Lane
from proton.testing.logs import log
from proton.testing.selector import Selector

__all__ = [
    "DYNAMIC",
    "INTERNAL_ERROR",
    "Lifetime",
    "Node",
    "Nodes",
    "Queue",
    "Subscription",
    "Topic",
]

_Result = TypeVar("_Result")

#: what the addresses of dynamic nodes begin with
DYNAMIC = "dynamic/"

#: the condition of a message that a function of the test has failed on
INTERNAL_ERROR = "amqp:internal-error"

#: Annotations by which a message says when it may be delivered: milliseconds since the epoch, and from now on.
DELIVERY_TIME, DELIVERY_DELAY = "x-opt-delivery-time", "x-opt-delivery-delay"


class Lifetime:
    """How long a dynamic node lives (3.5.10 to 3.5.13).

    :param owner: the link that it was made for.
    :param policy: the name of the lifetime policy.
    """

    #: the policies, by the number of their descriptor
    POLICIES = {
        0x2B: "delete-on-close",
        0x2C: "delete-on-no-links",
        0x2D: "delete-on-no-messages",
        0x2E: "delete-on-no-links-or-messages",
    }

    def __init__(self, owner: Link, policy: str) -> None:
        self.owner: Link | None = owner
        self.policy = policy

    def is_over(self, links: int, messages: int) -> bool:
        """Whether the node is to be deleted.

        :param links: how many are attached to it.
        :param messages: how many it holds.
        """
        # 3.5.11 to 3.5.13: the node must have had its link.
        if self.owner is not None:
            return False
        links_count, messages_count = "links" in self.policy, "messages" in self.policy
        return not (links_count and links) and not (messages_count and messages)


class Node:
    """What an address names.

    :param address: the address.
    :param nodes: the nodes that it is one of.
    """

    def __init__(self, address: str, nodes: Nodes) -> None:
        self.address = address
        self.nodes = nodes
        #: for a dynamic node
        self.lifetime: Lifetime | None = None
        #: the messages whose time of delivery has not come, by number
        self.scheduled: dict[int, Message] = {}

    def post(self, message: Message) -> None:
        """Put a message into it, or keep it until the time that it names."""
        now = self.nodes.now()
        due = due_of(message, now, self.nodes.day_clock() + self.nodes.offset)
        if due is None or due <= now:
            self.put(message)
            return
        number = next(self.nodes.numbers)
        self.scheduled[number] = message
        self.nodes.call_at(due, lambda: self._put_scheduled(number))

    def _put_scheduled(self, number: int) -> None:
        message = self.scheduled.pop(number, None)
        if message is not None:
            self.put(message)

    def __len__(self) -> int:
        return 0

    @property
    def messages(self) -> list[Message]:
        """The messages that wait."""
        return []

    @property
    def unsettled(self) -> int:
        """How many messages clients hold."""
        return 0

    def put(self, message: Message) -> None:
        """Put a message into it, now."""
        raise NotImplementedError

    def clear(self) -> None:
        """Drop the messages."""
        self.scheduled.clear()


class Queue(Node):
    """Gives each message to one consumer, in turn."""

    def __init__(self, address: str, nodes: Nodes) -> None:
        super().__init__(address, nodes)
        self.consumers: list[Consumer] = []
        self.browsers: list[Consumer] = []
        #: the consumers that had credit when they were last looked at, the next one first
        self.ready: collections.deque[Consumer] = collections.deque()
        self._entries: dict[int, Entry] = {}
        self._lanes: dict[Selector | None, Lane] = {}
        self._expiries: list[tuple[float, int]] = []
        self._next_expiry: float | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def messages(self) -> list[Message]:
        """The messages that wait, in order."""
        return [self._entries[number].message for number in sorted(self._entries)]

    @property
    def unsettled(self) -> int:
        """How many messages consumers hold."""
        return sum(len(consumer.unsettled) for consumer in self.consumers)

    def clear(self) -> None:
        super().clear()
        self._entries.clear()

    # -- messages come -------------------------------------------------------------------------------------------

    def put(self, message: Message) -> None:
        """Append a message."""
        entry = Entry(message, self, self.nodes.now())
        self.restore(entry)
        self.nodes.changed(self)

    def restore(self, entry: Entry) -> None:
        """Take a message in, at its place, unless its time to live is over."""
        if entry.expires is not None:
            if entry.expires <= self.nodes.now():
                return
            # Each time: while a consumer held it, its alarm may have been dropped.
            self._note_expiry(entry.expires, entry.number)
        self._entries[entry.number] = entry
        for lane in self._lanes.values():
            lane.add(entry, self._entries)
        for browser in self.browsers:
            if entry.number > browser.shown:
                browser.lane.add(entry, self._entries)

    def give_back(self, entry: Entry, failed: bool) -> None:
        """Take a message back from a consumer; one that has failed too often becomes a dead letter.

        :param failed: it counts as a failed delivery.
        """
        entry.transaction = None
        if failed:
            entry.count_failure()
        limit = self.nodes.max_deliveries
        if failed and limit is not None and entry.delivery_count >= limit:
            self.nodes.add_dead_letter(entry)
        else:
            self.restore(entry)

    # -- consumers -----------------------------------------------------------------------------------------------

    def add_consumer(self, consumer: Consumer, selector: Selector | None) -> Lane:
        """Take a consumer in; the lane that it takes its messages from."""
        lane = None if consumer.browses else self._lanes.get(selector)
        if lane is None:
            lane = Lane(selector)
            for number in sorted(self._entries):
                lane.add(self._entries[number], self._entries)
        lane.consumers += 1
        if consumer.browses:
            self.browsers.append(consumer)
        else:
            self._lanes[selector] = lane
            self.consumers.append(consumer)
        return lane

    def remove_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer."""
        if consumer in self.browsers:
            self.browsers.remove(consumer)
        elif consumer in self.consumers:
            self.consumers.remove(consumer)
            if consumer.is_ready:
                self.ready.remove(consumer)
            consumer.lane.consumers -= 1
            if not consumer.lane.consumers:
                del self._lanes[consumer.lane.selector]

    def dispatch(self) -> None:
        """Send what there is to the consumers, in turn, as far as their credit goes."""
        for browser in self.browsers:
            while browser.link.credit > 0:
                entry = self._next(browser)
                if entry is None:
                    break
                browser.shown = entry.number
                browser.send(entry)
        ready, idle = self.ready, 0
        while self._entries and idle < len(ready):
            consumer = ready[0]
            if consumer.link.credit <= 0:
                ready.popleft()
                consumer.is_ready = False
                continue
            ready.rotate(-1)
            entry = self._next(consumer)
            if entry is None:
                idle += 1
                continue
            idle = 0
            del self._entries[entry.number]
            if not consumer.send(entry):
                entry.barred.add(consumer)
                self.restore(entry)

    def _next(self, consumer: Consumer) -> Entry | None:
        """The first message that a consumer may take, which leaves its lane."""
        numbers, passed = consumer.lane.numbers, []
        found = None
        while numbers and found is None:
            number = heapq.heappop(numbers)
            entry = self._entries.get(number)
            if entry is None or number <= consumer.shown:
                continue
            if entry.expires is not None and entry.expires <= self.nodes.now():
                del self._entries[number]
                continue
            if consumer in entry.barred:
                passed.append(number)
            else:
                found = entry
        for number in passed:
            heapq.heappush(numbers, number)
        return found

    # -- time to live --------------------------------------------------------------------------------------------

    def _note_expiry(self, when: float, number: int) -> None:
        expiries = self._expiries
        if len(expiries) > 2 * len(self._entries) + MAX_STALE_NUMBERS:
            expiries[:] = sorted({found for found in expiries if found[1] in self._entries})
        heapq.heappush(expiries, (when, number))
        if self._next_expiry is None or when < self._next_expiry:
            self._await_expiry(when)

    def _await_expiry(self, when: float) -> None:
        self._next_expiry = when
        self.nodes.call_at(when, lambda: self._expire(when))

    def _expire(self, when: float) -> None:
        """Drop the messages whose time to live is over."""
        if when != self._next_expiry:  # an earlier one came
            return
        expiries, now = self._expiries, self.nodes.now()
        while expiries and (expiries[0][0] <= now or expiries[0][1] not in self._entries):
            _, number = heapq.heappop(expiries)
            self._entries.pop(number, None)
        self._next_expiry = None
        if expiries:
            self._await_expiry(expiries[0][0])


class Subscription(Queue):
    """The messages of a topic that wait for one subscriber, or for several that share it.

    :param topic: the topic.
    :param key: what it is found by: the container and the name, or a link.
    """

    def __init__(self, topic: Topic, key: object) -> None:
        super().__init__(topic.address, topic.nodes)
        self.topic = topic
        self.key = key
        #: True if it stays when its subscribers are away
        self.is_durable = False
        #: seconds that it stays; None for ever
        self.timeout: float | None = None
        #: what the client has asked for: a source
        self.source: Any = None
        #: the messages that it keeps; None for all
        self.selector: Selector | None = None
        self._away = 0  # how often its last subscriber went away

    def put(self, message: Message) -> None:
        # Not by the lane of its consumers: what does not match would wait for ever.
        if self.selector is None or self.selector.matches(message):
            super().put(message)

    def remove_consumer(self, consumer: Consumer) -> None:
        super().remove_consumer(consumer)
        if self.consumers or self.browsers:
            return
        if not self.is_durable:
            self.end()
        elif self.timeout is not None:
            self._away += 1
            away = self._away
            self.nodes.call_at(self.nodes.now() + self.timeout, lambda: self._end_unused(away))

    def _end_unused(self, away: int) -> None:
        if self._away == away and not self.consumers:
            self.end()

    def end(self) -> None:
        """Drop it with its messages."""
        if self.topic.subscriptions.get(self.key) is self:
            del self.topic.subscriptions[self.key]


class Topic(Node):
    """Gives each message to every subscription; without a subscription it is dropped."""

    def __init__(self, address: str, nodes: Nodes) -> None:
        super().__init__(address, nodes)
        self.subscriptions: dict[object, Subscription] = {}

    def __len__(self) -> int:
        return sum(map(len, self.subscriptions.values()))

    @property
    def messages(self) -> list[Message]:
        """The messages that wait, by subscription."""
        return [message for subscription in self.subscriptions.values() for message in subscription.messages]

    @property
    def unsettled(self) -> int:
        """How many messages subscribers hold."""
        return sum(subscription.unsettled for subscription in self.subscriptions.values())

    def clear(self) -> None:
        super().clear()
        for subscription in self.subscriptions.values():
            subscription.clear()

    def put(self, message: Message) -> None:
        if not self.subscriptions:
            log.info("message %r to %s: dropped, the topic has no subscription", message.id, self.address)
        for subscription in list(self.subscriptions.values()):
            subscription.put(message)


class Nodes:
    """All nodes of a broker, made when they are first named, and its time.

    :param names: the addresses of the only nodes that exist; none: all exist.
    :param dead_letters: the address of the queue for rejected messages, and for those that failed too often.
    :param max_deliveries: how many failed deliveries make a dead letter; None for no limit.
    :param resolve: the address of the node, of the address that a client gives; None for the same.
    :param selectors: False to ignore the selectors of clients.
    """

    def __init__(
        self,
        names: tuple[str, ...] = (),
        dead_letters: str | None = None,
        max_deliveries: int | None = None,
        resolve: Callable[[str], str] | None = None,
        selectors: bool = True,
    ) -> None:
        self._resolve = resolve
        self.selectors = selectors
        self.found: dict[str, Node] = {}
        self.dead_letters = dead_letters
        self.max_deliveries = max_deliveries
        #: seconds that a program has let pass
        self.offset: float = 0.0
        #: seconds, of a clock that does not go back; and the time of day
        self.clock: Callable[[], float] = time.monotonic
        self.day_clock: Callable[[], float] = time.time
        #: called for a queue that has got a message
        self.changed: Callable[[Queue], object] = _nothing
        #: called with its name, an address, a message and the error if a function of the test fails
        self.failed: Callable[[str, str | None, Message | None, BaseException], object] = _nothing
        #: called if something is due earlier than before
        self.alarmed: Callable[[], object] = _nothing
        self.numbers: Iterator[int] = itertools.count()
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        #: True if a node is made by its first use
        self.makes_nodes: bool = not names
        for address in (*names, dead_letters) if names else ():
            if address is not None:
                self.make(address)

    # -- by address ----------------------------------------------------------------------------------------------

    def find(self, address: str | None, topic: bool = False) -> Node | None:
        """What is at an address, made if it is new; None if nothing exists there, or no longer.

        :param topic: make a topic, whatever the address is.
        """
        found = self.found.get(address or "")
        if found is None and address and self.makes_nodes and not address.startswith(DYNAMIC):
            return self.make(address, topic or names_topic(address))
        return found

    def address_of(self, address: str | None) -> str | None:
        """The address of a node, of the address that a client gives; None if the function for that fails."""
        if self._resolve is None or address is None or address in self.found:
            return address
        resolve, given = self._resolve, address

        def call() -> str:
            resolved = resolve(given)
            if not isinstance(resolved, str):
                raise TypeError(f"resolve returns a str, got {type(resolved).__name__} {resolved!r:.50}")
            return resolved

        return self.attempt(call, "resolve", address, None)[1]

    def attempt(
        self, call: Callable[[], _Result], function: str, address: str | None, message: Message | None
    ) -> tuple[bool, _Result | None]:
        """Call a function of the test: if it fails `failed` is called, and the broker goes on.

        :return: whether it has failed, and what it has returned.
        """
        try:
            return False, call()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # that of `pytest.fail` is not an `Exception`
            self.failed(function, address, message, error)
            return True, None

    def make(self, address: str, topic: bool | None = None) -> Queue | Topic:
        """Make a node.

        :param topic: None for a topic if the address says so.
        """
        is_topic = names_topic(address) if topic is None else topic
        node = self.found[address] = Topic(address, self) if is_topic else Queue(address, self)
        return node

    def make_dynamic(self, owner: Link, policy: str, topic: bool) -> Queue | Topic:
        """Make a node with an address of its own."""
        node = self.make(f"{DYNAMIC}{next(self.numbers)}", topic)
        node.lifetime = Lifetime(owner, policy)
        return node

    def add_dead_letter(self, entry: Entry) -> None:
        """Make a message a dead letter; without a queue for those it is dropped."""
        # Not one that was a dead letter already: it would come back to the queue for ever.
        if self.dead_letters is not None and entry.queue.address != self.dead_letters:
            node = self.find(self.dead_letters)
            if node is not None:
                node.put(entry.message)

    # -- time ----------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds, of a clock that does not go back."""
        return self.clock() + self.offset

    def call_at(self, when: float, function: Callable[[], object]) -> None:
        """Have a function called at a time."""
        heapq.heappush(self._alarms, (when, next(self.numbers), function))
        if self._alarms[0][0] == when:
            self.alarmed()

    @property
    def due(self) -> float | None:
        """When `run_due` has something to do next, None for never."""
        return self._alarms[0][0] if self._alarms else None

    def forget_service(self) -> None:
        """Forget the service, which has ended."""
        self.changed = self.alarmed = _nothing

    def run_due(self) -> None:
        """Do all that is due."""
        while self._alarms and self._alarms[0][0] <= self.now():
            _, _, function = heapq.heappop(self._alarms)
            function()


def names_topic(address: str) -> bool:
    """Whether an address names a topic: by its first part, as in `topic/news`, `topics.news` and `topic://news`."""
    return re.match(r"topics?(?![^/:.])", address) is not None


def due_of(message: Message, now: float, time_of_day: float) -> float | None:
    """When a message may be delivered, None for at once; an annotation that is not a number counts as absent.

    :param now: seconds, the time of the nodes.
    :param time_of_day: the same moment, in seconds as of `time.time`.
    """
    annotations = message.annotations
    if not annotations:
        return None
    delay, when = annotations.get(DELIVERY_DELAY), annotations.get(DELIVERY_TIME)
    if isinstance(delay, (int, float)) and not isinstance(delay, bool):
        return now + delay / 1000
    if isinstance(when, (int, float)) and not isinstance(when, bool):
        return now + when / 1000 - time_of_day
    return None


def _nothing(*arguments: object) -> None:
    """Stands for a service that does not run."""
