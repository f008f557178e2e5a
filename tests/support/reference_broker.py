"""A broker that runs on the C engine too, whose tests start it as a peer: `proton.testing.Broker` runs on ours alone.

What it does is in examples/broker.py, with which it shares its arguments. Its selectors are comparisons joined by AND.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import heapq
import itertools
import operator
import re
import uuid
from typing import TYPE_CHECKING

from proton import (
    UNDESCRIBED,
    Array,
    Condition,
    Data,
    Delivery,
    Described,
    Link,
    LinkException,
    MessageException,
    Terminus,
    symbol,
    ulong,
)
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Callable

    from proton import Connection, Message
    from proton.handlers import (
        ConnectionEvent,
        ContainerEvent,
        DeliveryEvent,
        LinkEvent,
        MessageEvent,
        SendableEvent,
        SessionEvent,
    )

DYNAMIC = "dynamic/"
SELECTOR = ("apache.org:selector-filter:string", 0x468C00000004)  # a filter's descriptor has a name and a number
TRANSACTIONS = ("amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn")
DECLARED, TRANSACTIONAL = 0x33, 0x34  # delivery states, by the number of their descriptor
OUTCOMES = {
    "amqp:accepted:list": Delivery.ACCEPTED,
    "amqp:rejected:list": Delivery.REJECTED,
    "amqp:released:list": Delivery.RELEASED,
    "amqp:modified:list": Delivery.MODIFIED,
}


class Entry:
    """A message in one queue; `barred` are the consumers that said it is not for them."""

    numbers = itertools.count()

    def __init__(self, message: Message, queue: Queue) -> None:
        self.message = message
        self.queue = queue
        self.number = next(self.numbers)
        self.delivery_count = message.delivery_count
        self.barred: set[Any] = set()
        self.transaction: Transaction | None = None  # the one that its consumer's answer is part of

    def __lt__(self, other: Entry) -> bool:
        return self.number < other.number


class Queue:
    def __init__(self) -> None:
        self.entries: list[Entry] = []  # a heap, so that an entry which comes back takes its old place
        self.consumers: collections.deque[Any] = collections.deque()
        self.browsers: list[Any] = []

    def put(self, message: Message) -> None:
        heapq.heappush(self.entries, Entry(message, self))
        self.dispatch()

    def dispatch(self) -> None:
        for browser in self.browsers:
            self.show(browser)
        passed_over = []
        while self.entries and any(consumer.credit > 0 for consumer in self.consumers):
            entry = heapq.heappop(self.entries)
            consumer = self.next_consumer(entry)
            if consumer is None:
                passed_over.append(entry)
                continue
            entry.message.delivery_count = entry.delivery_count
            try:
                delivery = consumer.send(entry.message)
            except LinkException:  # larger than this consumer takes: others may have it
                entry.barred.add(consumer)
                heapq.heappush(self.entries, entry)
                continue
            if consumer.snd_settle_mode != Link.SND_SETTLED:
                consumer.sent[delivery] = entry
        for entry in passed_over:
            heapq.heappush(self.entries, entry)

    def next_consumer(self, entry: Entry) -> Any:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.credit > 0 and consumer not in entry.barred and consumer.selects(entry.message):
                return consumer
        return None

    def show(self, browser: Any) -> None:
        if browser.credit > 0:
            for entry in sorted(entry for entry in self.entries if entry.number > browser.seen):
                if browser.credit <= 0:
                    break
                browser.seen = entry.number
                if browser.selects(entry.message):
                    browser.send(entry.message)


class Topic:
    """Gives each message to every subscription's own queue; without a subscription it is dropped."""

    def __init__(self) -> None:
        self.queues: dict[object, Queue] = {}

    def put(self, message: Message) -> None:
        for queue in list(self.queues.values()):
            queue.put(message)


class Transaction:
    """What was done in it and is not yet discharged. With a `failure` it cannot be committed any more."""

    def __init__(self, coordinator: Any) -> None:
        self.coordinator = coordinator
        self.messages: list[tuple[Queue | Topic, Message]] = []  # pairs of a node and a message for it
        self.answers: dict[Entry, tuple[Any, Delivery, tuple[Any, ...]]] = {}  # by the entry: link, delivery, outcome
        self.failure: Condition | None = None


class Broker(MessagingHandler):
    """A consumer is a link: `link.queue` is where its messages come from, `link.sent` what it has not answered."""

    def __init__(self, url: str, dead_letters: str | None = None, nodes: Sequence[str] = ()) -> None:
        super().__init__(prefetch=100, auto_accept=False)
        self.url = url
        self.dead_letters = dead_letters
        self.nodes: dict[str | None, Any] = {}
        self.transactions: dict[object, Transaction] = {}
        self.makes_nodes = True
        for address in [*nodes, dead_letters] if nodes else ():
            self.node(address)
        self.makes_nodes = not nodes

    def on_start(self, event: ContainerEvent) -> None:
        event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_connection_opening(self, event: ConnectionEvent) -> None:
        event.connection.offered_capabilities = "ANONYMOUS-RELAY"

    # Links come

    def on_link_opening(self, event: LinkEvent) -> None:
        link = event.link
        link.condition = self.attach(link)
        if link.condition:
            link.close()  # refuses it: the peer sees an attach without a terminus, and a detach with the condition

    def attach(self, link: Any) -> Condition | None:
        """Joins a link to its node; returns the condition to refuse it with if the node does not exist."""
        local, remote = (link.source, link.remote_source) if link.is_sender else (link.target, link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        if remote.type == Terminus.COORDINATOR:
            local.type = Terminus.COORDINATOR
            local.capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, TRANSACTIONS)))
            return None
        if remote.dynamic:
            local.dynamic = True
            local.address = DYNAMIC + str(uuid.uuid4())
            self.nodes[local.address] = Queue()
        else:
            local.address = remote.address
        if link.is_receiver and not local.address:
            return None
        node = self.node(local.address, "topic" in symbols(remote.capabilities))
        if node is None:
            return Condition("amqp:not-found", f"no node at {local.address}")
        return self.subscribe(link, node) if link.is_sender else None

    def subscribe(self, link: Any, node: Queue | Topic) -> Condition | None:
        wanted = value_of(link.remote_source.filter) or {}
        filters = {name: entry for name, entry in wanted.items() if getattr(entry, "descriptor", None) in SELECTOR}
        try:
            link.selects = make_selector(filters)
        except ValueError as error:
            return Condition("amqp:not-implemented", str(error))
        if filters:
            link.source.filter.put_object(filters)
        link.durable = isinstance(node, Topic) and link.remote_source.expiry_policy == Terminus.EXPIRE_NEVER
        link.source.durability = link.remote_source.durability
        link.source.expiry_policy = link.remote_source.expiry_policy
        link.subscription = (link.connection.remote_container, link.name) if link.durable else link
        link.sent = {}
        link.queue = node.queues.setdefault(link.subscription, Queue()) if isinstance(node, Topic) else node
        if link.remote_source.distribution_mode == Terminus.DIST_MODE_COPY:
            link.source.distribution_mode = Terminus.DIST_MODE_COPY
            link.seen = -1
            link.queue.browsers.append(link)
        else:
            link.queue.consumers.append(link)
        return None

    def node(self, address: str | None, topic: bool = False) -> Any:
        """What is at an address, made when it is new; None if nothing exists there, or no longer."""
        if address and address not in self.nodes and not address.startswith(DYNAMIC) and self.makes_nodes:
            self.nodes[address] = Topic() if topic or address.startswith("topic") else Queue()
        return self.nodes.get(address)

    # Links go

    def leave(self, links: Any, closed: bool = True) -> None:
        """Gives back what these links have not answered, and forgets what they leave unused."""
        links = list(links)
        left = []
        for txn_id, transaction in list(self.transactions.items()):
            if transaction.coordinator in links:
                del self.transactions[txn_id]
                left += self.roll_back(transaction)
        for link in links:
            address = link.source.address if link.is_sender else link.target.address
            node = self.nodes.get(address)
            if getattr(link, "queue", None) is not None:
                waiting = link.queue.consumers if link in link.queue.consumers else link.queue.browsers
                waiting.remove(link)
                for entry in link.sent.values():
                    if entry.transaction is None:
                        heapq.heappush(link.queue.entries, entry)
                left.append(link.queue)
                link.queue = None
                link.sent = {}
                if isinstance(node, Topic) and (closed or not link.durable):
                    node.queues.pop(link.subscription, None)
            if isinstance(node, Queue) and address.startswith(DYNAMIC) and not node.consumers:
                del self.nodes[address]
        # Only now: none of these links may be offered what another one gave back.
        for queue in left:
            queue.dispatch()

    def on_link_closing(self, event: LinkEvent) -> None:
        self.leave([event.link])

    def on_link_remote_detach(self, event: LinkEvent) -> None:
        link = event.link
        failed = link.remote_condition is not None  # after an error the link is over
        self.leave([link], closed=failed)
        if failed:
            link.close()
        else:
            link.detach()

    def on_session_closing(self, event: SessionEvent) -> None:
        self.leave((link for link in links(event.connection) if link.session == event.session), closed=False)

    def on_connection_closing(self, event: ConnectionEvent) -> None:
        self.leave(links(event.connection), closed=False)

    on_link_error = on_link_closing
    on_session_error = on_session_closing
    on_connection_error = on_disconnected = on_connection_closing

    def refuse(self, link: Any, name: str, description: str) -> None:
        self.leave([link])
        link.condition = Condition(name, description)
        link.close()

    # Messages come

    def on_message(self, event: MessageEvent) -> None:
        link, delivery = event.link, event.delivery
        if link.remote_target.type == Terminus.COORDINATOR:
            self.control(link, delivery, event.message.body)
            return
        address = link.target.address or event.message.address
        node = self.node(address)
        condition = None if node else Condition("amqp:not-found", f"no node at {address}")
        try:
            event.message.encode()
        except MessageException as error:  # it could not be passed on
            condition = Condition("amqp:decode-error", str(error))
        txn_id, _ = state_of(delivery)
        transaction = self.transaction(link, txn_id)
        if txn_id is not None and transaction is None:
            condition = unknown(txn_id)
        if condition:
            if transaction:
                transaction.failure = condition
            delivery.local.condition = condition
            self.reject(delivery)
        elif transaction:
            transaction.messages.append((node, event.message))
            delivery.local.data = [txn_id, Described(ulong(Delivery.ACCEPTED), [])]
            self.settle(delivery, TRANSACTIONAL)
        else:
            node.put(event.message)
            self.accept(delivery)

    # Messages go

    def on_sendable(self, event: SendableEvent) -> None:
        queue = getattr(event.link, "queue", None)
        if queue is not None:
            queue.dispatch()
            event.link.drained()

    def on_delivery(self, event: DeliveryEvent) -> None:
        # The callbacks `on_accepted` and so on do not tell of answers that are part of a transaction.
        if event.link.is_sender and event.delivery.updated:
            self.answer(event.link, event.delivery)

    def answer(self, link: Any, delivery: Delivery) -> None:
        """A consumer's outcome; settling without one counts as releasing."""
        entry = link.sent.get(delivery)
        if entry is None:
            delivery.settle()
            return
        txn_id, outcome = state_of(delivery)
        if outcome[0] not in OUTCOMES.values() and not delivery.settled:
            return
        if entry.transaction:  # it has thought better of an earlier answer
            del entry.transaction.answers[entry]
        entry.transaction = self.transaction(link, txn_id)
        if entry.transaction:
            entry.transaction.answers[entry] = (link, delivery, outcome)
            if delivery.settled:
                del link.sent[delivery]
                delivery.settle()
        elif txn_id is not None:
            self.refuse(link, "amqp:transaction:unknown-id", f"no transaction {txn_id!r}")
        else:
            del link.sent[delivery]
            delivery.settle()
            self.retire(entry, link, outcome)

    def retire(self, entry: Entry, link: Any, outcome: tuple[Any, ...]) -> None:
        state, failed, undeliverable = outcome
        if state == Delivery.ACCEPTED:
            return
        if state == Delivery.REJECTED:
            if self.dead_letters and link.source.address != self.dead_letters:
                self.node(self.dead_letters).put(entry.message)
            return
        if state == Delivery.MODIFIED:
            entry.delivery_count += bool(failed)
            if undeliverable:
                entry.barred.add(link)
        heapq.heappush(entry.queue.entries, entry)
        entry.queue.dispatch()

    # Transactions

    def transaction(self, link: Any, txn_id: object) -> Transaction | None:
        """The one with this id, which its own connection alone may use, or None."""
        found = self.transactions.get(txn_id)
        return found if found and found.coordinator.connection == link.connection else None

    def control(self, link: Any, delivery: Delivery, body: Any) -> None:
        """What a client tells the coordinator."""
        command: object = None
        fields: tuple[Any, ...] = ()
        if isinstance(body, Described) and isinstance(body.value, list):
            command, fields = body.descriptor, (*body.value, None, None)
        if delivery.settled:
            self.refuse(link, "amqp:illegal-state", "the outcome of a settled message cannot be told")
        elif command in ("amqp:declare:list", 0x31):
            self.declare(link, delivery, fields[0])
        elif command in ("amqp:discharge:list", 0x32):
            self.discharge(link, delivery, fields[0], fields[1])
        else:
            delivery.local.condition = Condition("amqp:not-implemented", "expected a declare or a discharge")
            self.reject(delivery)

    def declare(self, link: Any, delivery: Delivery, global_id: Any) -> None:
        if global_id is not None:
            delivery.local.condition = Condition("amqp:not-implemented", "transactions are local here")
            self.reject(delivery)
            return
        txn_id = uuid.uuid4().bytes
        self.transactions[txn_id] = Transaction(link)
        delivery.local.data = [txn_id]
        self.settle(delivery, DECLARED)

    def discharge(self, link: Any, delivery: Delivery, txn_id: Any, failed: bool) -> None:
        txn_id = bytes(txn_id) if isinstance(txn_id, (bytes, bytearray, memoryview)) else b""
        transaction = self.transaction(link, txn_id)
        if transaction is None:
            delivery.local.condition = unknown(txn_id)
            self.reject(delivery)
            return
        del self.transactions[txn_id]
        if failed or transaction.failure:
            left = self.roll_back(transaction)
        else:
            left = []
            self.commit(transaction)
        if transaction.failure and not failed:
            delivery.local.condition = Condition("amqp:transaction:rollback", transaction.failure.description)
            self.reject(delivery)
        else:
            self.accept(delivery)
        for queue in left:
            queue.dispatch()

    def commit(self, transaction: Transaction) -> None:
        for node, message in transaction.messages:
            node.put(message)
        for entry, (link, delivery, outcome) in transaction.answers.items():
            entry.transaction = None
            if link.sent.pop(delivery, None):
                self.settle(delivery, outcome[0])
            self.retire(entry, link, outcome)

    def roll_back(self, transaction: Transaction) -> list[Queue]:
        """Undoes it; the queues that have messages again."""
        left = []
        for entry, (link, delivery, _) in transaction.answers.items():
            entry.transaction = None
            if delivery not in link.sent:  # settled: its consumer cannot answer again
                heapq.heappush(entry.queue.entries, entry)
                left.append(entry.queue)
        return left

    def on_link_flow_properties(self, event: LinkEvent) -> None:
        if symbol("txn-id") in (event.link.remote_flow_properties or ()):
            self.refuse(event.link, "amqp:not-implemented", "messages are not acquired in transactions here")


def state_of(delivery: Delivery) -> tuple[object, tuple[Any, ...]]:
    """What the peer has said of a delivery: a transaction's id or None; outcome, failed, undeliverable."""
    remote = delivery.remote
    if delivery.remote_state != TRANSACTIONAL:
        return None, (delivery.remote_state, bool(remote and remote.failed), bool(remote and remote.undeliverable))
    fields: list[Any] = [*remote.data, None]
    txn_id, outcome = fields[:2]
    state = OUTCOMES.get(outcome.descriptor, outcome.descriptor) if isinstance(outcome, Described) else 0
    failed, undeliverable = (*(outcome.value if state == Delivery.MODIFIED else ()), False, False)[:2]
    return bytes(txn_id), (state, failed, undeliverable)


def unknown(txn_id: object) -> Condition:
    return Condition("amqp:transaction:unknown-id", f"no transaction {txn_id!r}")


COMPARISONS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARISON = re.compile(r"\s*([\w.-]+)\s*(=|<>|<=|>=|<|>)\s*('(?:[^']|'')*'|[-+.\d]+|true|false)\s*(and\b|$)", re.I)


def make_selector(filters: dict[Any, Any]) -> Callable[[Message], bool]:
    """A function that tells whether a message is selected.

    :raises ValueError: a selector is more than comparisons joined by AND.
    """
    terms = []
    for text in (str(entry.value) for entry in filters.values()):
        position = 0
        while position < len(text):
            found = COMPARISON.match(text, position)
            if not found or (found.end() == len(text)) != (not found.group(4)):
                raise ValueError(f"cannot read the selector at {text[position:]!r}")
            name, comparison, literal, _ = found.groups()
            terms.append((name, COMPARISONS[comparison], read_literal(literal)))
            position = found.end()

    def selects(message: Message) -> bool:
        properties = message.properties or {}
        try:
            return all(name in properties and compare(properties[name], value) for name, compare, value in terms)
        except TypeError:  # a text and a number have no order
            return False

    return selects


def read_literal(text: str) -> Any:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return text.lower() == "true" if text.lower() in ("true", "false") else float(text)


def links(connection: Connection) -> Iterator[Link]:
    link = connection.link_head(0)
    while link is not None:
        yield link
        link = link.next(0)


def value_of(data: Data) -> Any:
    data.rewind()
    return data.get_object() if data.next() else None


def symbols(data: Data) -> Any:
    found = value_of(data)
    return found.elements if isinstance(found, Array) else [found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672", help="where to listen; default: %(default)s")
    parser.add_argument("-d", "--dead-letters", metavar="NAME", help="the queue for rejected messages")
    parser.add_argument(
        "-n", "--node", metavar="NAME", action="append", help="a queue or topic that exists; no other does"
    )
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        Container(Broker(options.address, options.dead_letters, options.node or ())).run()
