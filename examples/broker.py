"""A small message broker in memory: queues, topics and dynamic addresses, made when they are first named.

A queue gives each message to one consumer, in turn. An address that starts with `topic` (`topic://news`), or whose
terminus has the capability `topic`, is a topic: every consumer that is there gets each message. What a consumer does
not accept (released, modified, or not answered when it goes) is offered again; what it rejects is dropped, or goes to
the queue that --dead-letters names. A sender without a target relays: its messages go where each is addressed to.
"""

import argparse
import collections
import contextlib
import heapq
import itertools
import uuid

from proton import Array, Condition, Delivery, Endpoint, Link, LinkException, MessageException, Terminus
from proton.handlers import MessagingHandler
from proton.reactor import Container

DYNAMIC = "dynamic/"


class Entry:
    """A message in one queue; `barred` are the consumers that said it is not for them."""

    numbers = itertools.count()

    def __init__(self, message):
        self.message = message
        self.number = next(self.numbers)
        self.delivery_count = message.delivery_count
        self.barred = set()

    def __lt__(self, other):
        return self.number < other.number


class Queue:
    def __init__(self):
        self.entries = []  # a heap, so that an entry which comes back takes its old place
        self.consumers = collections.deque()

    def put(self, message):
        heapq.heappush(self.entries, Entry(message))
        self.dispatch()

    def dispatch(self):
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

    def next_consumer(self, entry):
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.credit > 0 and consumer not in entry.barred:
                return consumer
        return None


class Topic:
    """Gives each message to every consumer's own queue; with no consumer, to nobody."""

    def __init__(self):
        self.queues = {}

    def put(self, message):
        for queue in list(self.queues.values()):
            queue.put(message)


class Broker(MessagingHandler):
    """A consumer is a link: `link.queue` is where its messages come from, `link.sent` what it has not answered."""

    def __init__(self, url, dead_letters=None):
        super().__init__(prefetch=100, auto_accept=False)
        self.url = url
        self.dead_letters = dead_letters
        self.nodes = {}

    def on_start(self, event):
        event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_connection_opening(self, event):
        event.connection.offered_capabilities = "ANONYMOUS-RELAY"

    def on_link_remote_open(self, event):
        link = event.link
        if link.state & Endpoint.LOCAL_UNINIT:
            link.condition = self.attach(link)
            link.open()
            if link.condition:
                link.close()

    def attach(self, link):
        """Joins a link to its node; the condition to refuse it with when there is none."""
        local, remote = (link.source, link.remote_source) if link.is_sender else (link.target, link.remote_target)
        if remote.type == Terminus.COORDINATOR:
            return Condition("amqp:not-implemented", "this broker has no transactions")
        if remote.dynamic:
            local.dynamic = True
            local.address = DYNAMIC + str(uuid.uuid4())
            self.nodes[local.address] = Queue()
        else:
            local.address = remote.address
        link.snd_settle_mode = link.remote_snd_settle_mode
        if link.is_receiver and not local.address:
            return None
        node = self.node(local.address, has_capability(remote, "topic"))
        if node is None:
            return Condition("amqp:not-found", f"no node at {local.address}")
        if link.is_sender:
            link.sent = {}
            link.queue = node.queues.setdefault(link, Queue()) if isinstance(node, Topic) else node
            link.queue.consumers.append(link)
        return None

    def node(self, address, topic=False):
        """What is at an address, made when it is new; None for no address, and for a dynamic one that is gone."""
        if address and address not in self.nodes and not address.startswith(DYNAMIC):
            self.nodes[address] = Topic() if topic or address.startswith("topic") else Queue()
        return self.nodes.get(address)

    def leave(self, links):
        """Gives back what these links have not answered, and forgets the dynamic nodes that they leave unused."""
        left = []
        for link in links:
            address = link.source.address if link.is_sender else link.target.address
            node = self.nodes.get(address)
            if getattr(link, "queue", None) is not None:
                link.queue.consumers.remove(link)
                for entry in link.sent.values():
                    heapq.heappush(link.queue.entries, entry)
                left.append(link.queue)
                link.queue = None
                link.sent = {}
            if isinstance(node, Topic):
                node.queues.pop(link, None)
            elif node is not None and address.startswith(DYNAMIC) and not node.consumers:
                del self.nodes[address]
        # Only now: none of these links may be offered what another one gave back.
        for queue in left:
            queue.dispatch()

    def on_link_closing(self, event):
        self.leave([event.link])

    def on_link_remote_detach(self, event):
        self.leave([event.link])
        event.link.detach()

    def on_session_closing(self, event):
        self.leave(link for link in links(event.connection) if link.session == event.session)

    def on_connection_closing(self, event):
        self.leave(links(event.connection))

    on_link_error = on_link_closing
    on_session_error = on_session_closing
    on_connection_error = on_disconnected = on_connection_closing

    def on_sendable(self, event):
        if getattr(event.link, "queue", None) is not None:
            event.link.queue.dispatch()

    def on_message(self, event):
        address = event.link.target.address or event.message.address
        node = self.node(address)
        condition = None if node else Condition("amqp:not-found", f"no node at {address}")
        try:
            event.message.encode()
        except MessageException as error:  # it could not be passed on
            condition = Condition("amqp:decode-error", str(error))
        if condition:
            event.delivery.local.condition = condition
            self.reject(event.delivery)
        else:
            node.put(event.message)
            self.accept(event.delivery)

    def on_answer(self, event):
        """A consumer's outcome; settling without one counts as releasing."""
        if event.link.is_receiver:
            return
        entry = event.link.sent.pop(event.delivery, None)
        outcome = event.delivery.remote_state
        event.delivery.settle()
        if entry is None or outcome == Delivery.ACCEPTED:
            return
        if outcome == Delivery.REJECTED:
            if self.dead_letters and event.link.source.address != self.dead_letters:
                self.node(self.dead_letters).put(entry.message)
            return
        if outcome == Delivery.MODIFIED:
            entry.delivery_count += event.delivery.remote.failed
            if event.delivery.remote.undeliverable:
                entry.barred.add(event.link)
        heapq.heappush(event.link.queue.entries, entry)
        event.link.queue.dispatch()

    on_accepted = on_rejected = on_released = on_settled = on_answer


def links(connection):
    link = connection.link_head(0)
    while link is not None:
        yield link
        link = link.next(0)


def has_capability(terminus, name):
    data = terminus.capabilities
    data.rewind()
    found = data.get_object() if data.next() else None
    return name in (found.elements if isinstance(found, Array) else [found])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672", help="where to listen; default: %(default)s")
    parser.add_argument("-d", "--dead-letters", metavar="NAME", help="the queue for rejected messages")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        Container(Broker(options.address, options.dead_letters)).run()
