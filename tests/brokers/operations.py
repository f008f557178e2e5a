"""What is tried on each broker. Each function returns the words for a cell of the table in docs/brokers.md.

An end that the broker answers with is `Ended`, whose text is the cell. Messages and queues are a test's own.
"""

from __future__ import annotations

from proton import Delivery, LinkException, Message, ModifiedDisposition, Terminus, symbol
from proton.reactor import Copy, DurableSubscription, LinkOption, Selector
from tests.support.probe import Ended

#: messages each way
MANY = 10_000
MIB = 1 << 20


def settle(state):
    def answer(delivery):
        delivery.update(state)
        delivery.settle()

    return answer


accept = settle(Delivery.ACCEPTED)


def logs_in(peer):
    with peer.probe() as probe:
        probe.round_trip()
    return "yes"


def refuses_a_wrong_password(peer):
    try:
        with peer.probe(password="wrong") as probe:
            probe.round_trip()
    except Ended as ended:
        return str(ended)
    return "no"


def sends_and_confirms(peer):
    with peer.probe() as probe:
        (outcome,) = probe.send(probe.sender(peer.queue()), Message(body="x", durable=True))
    return outcome


def filled(peer, probe, *bodies, **settings):
    """A queue with messages, its address."""
    address = peer.queue(**settings)
    sender = probe.sender(address)
    assert set(probe.send(sender, *(Message(id=n, body=b, durable=True) for n, b in enumerate(bodies)))) == {"accepted"}
    return address


def receives_and_accepts(peer):
    with peer.probe() as probe:
        address = filled(peer, probe, 1, 2, 3)
        receiver = probe.receiver(address, credit=2)
        assert probe.bodies(receiver, 2) == [1, 2]
        probe.answer(receiver, accept)
        probe.close_link(receiver)
        again = probe.receiver(address, credit=5)
        assert probe.bodies(again, 1) == [3]
        probe.answer(again, accept)
    return "yes"


def after(peer, state):
    """What becomes of a message that gets this outcome: the message as it comes again, or None."""
    with peer.probe() as probe:
        address = filled(peer, probe, "first", "second")
        receiver = probe.receiver(address, credit=1)
        assert probe.bodies(receiver, 1) == ["first"]
        probe.answer(receiver, settle(state))
        probe.grant(receiver, 1)
        message = probe.first(receiver)
        probe.answer(receiver, accept)
        return None if message.body == "second" else message


def releases(peer):
    return "comes again, " + counted(after(peer, Delivery.RELEASED))


def counted(message):
    return f"delivery-count {message.delivery_count}" if message.delivery_count else "not counted"


def rejects(peer):
    return "comes again" if after(peer, Delivery.REJECTED) else "gone"


def modifies(peer):
    message = after(peer, ModifiedDisposition(True, False, {symbol("x-opt-why"): "later"}))
    if message is None:
        return "gone"
    kept = (message.annotations or {}).get(symbol("x-opt-why")) == "later"
    return f"comes again, {counted(message)}, annotations {'kept' if kept else 'lost'}"


def modifies_undeliverable_here(peer):
    message = after(peer, ModifiedDisposition(False, True))
    return "gone" if message is None else f"comes again, {counted(message)}"


def settles_second(peer):
    with peer.probe() as probe:
        address = filled(peer, probe, "x")
        receiver = probe.container.create_receiver(probe.connection, address, options=Second())
        receiver = probe.opened(receiver)
        if receiver.remote_rcv_settle_mode != receiver.RCV_SECOND:
            return "no: mode first in its attach"
        receiver.flow(1)
        message = probe.first(receiver)
        ((_, delivery),) = probe.of(receiver)
        delivery.update(Delivery.ACCEPTED)
        probe.until(lambda: delivery.settled, "settlement")
        delivery.settle()
        return "yes" if message.body == "x" else message.body


class Second(LinkOption):
    def apply(self, link):
        link.rcv_settle_mode = link.RCV_SECOND


def drains(peer):
    with peer.probe() as probe:
        address = filled(peer, probe, 1)
        receiver = probe.opened(probe.receiver(address))
        receiver.drain(5)
        probe.until(lambda: receiver.credit == 0, "drained credit")
        assert probe.bodies(receiver, 1) == [1]
        probe.answer(receiver, accept)
    return "yes"


def browses(peer):
    with peer.probe() as probe:
        address = filled(peer, probe, 1, 2)
        browser = probe.opened(probe.receiver(address, options=Copy()))
        if browser.remote_source.distribution_mode != Terminus.DIST_MODE_COPY:
            return "no: mode move in its attach"
        browser.flow(5)
        assert probe.bodies(browser, 2) == [1, 2]
        # While the browser still holds them: one that has taken them would give them back at its end.
        receiver = probe.receiver(address, credit=2)
        taken = [message.body for message, _ in probe.of(receiver)]
        probe.answer(browser, accept)
        probe.answer(receiver, accept)
    return "yes" if taken == [1, 2] else "no: takes the messages, in spite of mode copy in its attach"


class Dynamic(LinkOption):
    def __init__(self, *capabilities):
        self.capabilities = capabilities

    def apply(self, link):
        for capability in self.capabilities:
            link.source.capabilities.put_object(symbol(capability))


def makes_dynamic_addresses(peer):
    return dynamic(peer)


def makes_temporary_queues(peer):
    return dynamic(peer, "temporary-queue")


def dynamic(peer, *capabilities):
    with peer.probe() as probe:
        container = probe.container
        receiver = container.create_receiver(probe.connection, None, dynamic=True, options=Dynamic(*capabilities))
        receiver = probe.opened(receiver)
        address = receiver.remote_source.address
        receiver.flow(1)
        assert probe.send(probe.sender(address), Message(body="x")) == ["accepted"]
        assert probe.bodies(receiver, 1) == ["x"]
    return "yes"


def relays(peer):
    with peer.probe() as probe:
        address = peer.queue()
        sender = probe.opened(probe.container.create_sender(probe.connection, None))
        (outcome,) = probe.send(sender, Message(address=address, body="x"))
        assert probe.bodies(probe.receiver(address, credit=1), 1) == ["x"]
    return "yes" if outcome == "accepted" else outcome


def selects(peer):
    """A JMS selector on a queue."""
    with peer.probe() as probe:
        address = peer.queue()
        sender = probe.sender(address)
        colours = ["red", "green", "red", "green"]
        probe.send(sender, *(Message(id=n, body=n, properties={"colour": colour}) for n, colour in enumerate(colours)))
        container = probe.container
        receiver = probe.opened(
            container.create_receiver(probe.connection, address, options=Selector("colour = 'green'"))
        )
        data = receiver.remote_source.filter
        told = data.next() and data.get_object()
        receiver.flow(10)
        bodies = probe.bodies(receiver, 2)
        probe.answer(receiver, accept)
    if bodies == [1, 3]:
        return "yes"
    return "ignored, " + ("the filter is in its attach" if told else "and missing in its attach")


def refuses_an_unknown_address(peer):
    with peer.probe() as probe:
        probe.opened(probe.container.create_receiver(probe.connection, peer.unknown))
    return "makes the queue"


def tells_consumers_of_a_deleted_queue(peer):
    with peer.probe() as probe:
        address = peer.queue()
        probe.opened(probe.receiver(address, credit=1))
        peer.delete(address)
        try:
            probe.until(lambda: False, "the end of the consumer")
        except Ended as ended:
            return str(ended)


def takes_large_messages(peer):
    """50 MiB, through and back."""
    body = bytes(range(256)) * (50 * MIB // 256)
    with peer.probe() as probe:
        address = peer.queue()
        sender = probe.opened(probe.sender(address))
        try:
            probe.until(lambda: sender.credit, "credit")
            delivery = sender.send(Message(body=body, inferred=True, durable=True))
        except LinkException:
            return f"our sender refuses it: max-message-size {sender.remote_max_message_size}"
        probe.until(lambda: dict(probe.outcomes).get(delivery), "an outcome")
        receiver = probe.receiver(address)
        receiver.flow(1)
        assert probe.first(receiver).body == body
        probe.answer(receiver, accept)
    return "50 MiB"


def carries_many_messages(peer):
    """Through a queue, whose consumer takes them as they come."""
    bodies = []
    with peer.probe() as probe:
        address = peer.queue()
        sender = probe.sender(address)
        receiver = probe.receiver(address, credit=1000)
        sent = 0
        while len(bodies) < MANY:
            while sent < MANY and sender.credit > 0:
                sender.send(Message(id=sent, body=sent, durable=True))
                sent += 1
            outcomes = len(probe.outcomes)
            probe.until(lambda: probe.received or len(probe.outcomes) > outcomes, "messages or outcomes")  # noqa: B023
            taken, probe.received = probe.received, []
            for _, message, delivery in taken:
                bodies.append(message.body)
                accept(delivery)
            receiver.flow(len(taken))
        probe.until(lambda: len(probe.outcomes) == MANY, "outcomes")
        assert {outcome for _, outcome in probe.outcomes} == {"accepted"}
    assert bodies == list(range(MANY))
    return f"{MANY}"


class Transactional:
    """Sends in a transaction, and takes notes of its end."""

    def __init__(self):
        self.transaction = None
        self.ends = []

    def on_transaction_declared(self, event):
        self.transaction = event.transaction

    def on_transaction_committed(self, event):
        self.ends.append("committed")

    def on_transaction_aborted(self, event):
        self.ends.append("aborted")

    def on_transaction_declare_failed(self, event):
        condition = event.link and event.link.remote_condition
        self.ends.append(f"detach: `{condition.name}`" if condition else "the declare has failed")

    def on_transaction_commit_failed(self, event):
        self.ends.append("commit failed")


def commits_and_aborts(peer):
    with peer.probe() as probe:
        address = peer.queue()
        sender = probe.opened(probe.sender(address))
        receiver = probe.receiver(address, credit=5)
        for body, end in (("aborted", "abort"), ("committed", "commit")):
            handler = Transactional()
            probe.container.declare_transaction(probe.connection, handler=handler)
            probe.until(lambda: handler.transaction or handler.ends, "a transaction")  # noqa: B023
            if handler.ends:
                raise Ended(probe.told[0] if probe.told else handler.ends[0])
            probe.until(lambda: sender.credit, "credit")
            handler.transaction.send(sender, Message(body=body))
            getattr(handler.transaction, end)()
            probe.until(lambda: handler.ends, "the end of the transaction")  # noqa: B023
            assert handler.ends == [body]
        assert probe.bodies(receiver, 1) == ["committed"]
    return "yes"


class Topic(LinkOption):
    def apply(self, link):
        (link.target if link.is_sender else link.source).capabilities.put_object(symbol("topic"))


def keeps_durable_subscriptions(peer):
    """A subscription that outlives its connection: the same container and link name come back."""
    address = peer.topic
    options = [DurableSubscription(), Topic()]
    with peer.probe(container_id="reader") as probe:
        probe.opened(probe.container.create_receiver(probe.connection, address, name="daily", options=options))
        probe.drop()
    with peer.probe() as probe:
        sender = probe.opened(probe.container.create_sender(probe.connection, address, options=Topic()))
        assert probe.send(sender, Message(body="news", durable=True)) == ["accepted"]
    with peer.probe(container_id="reader") as probe:
        receiver = probe.receiver(address, credit=1, name="daily", options=options)
        # A broker that has the message sends it soon; one that has not has nothing to say.
        for _ in range(40):
            if not probe.of(receiver):
                probe.round_trip()
                probe.container.process()
        if not probe.of(receiver):
            return "no: ends with its connection"
        assert probe.bodies(receiver, 1) == ["news"]
        probe.answer(receiver, accept)
        probe.close_link(receiver)
    return "yes"


#: a row of the table, and what gives its cells
OPERATIONS = {
    "login by user and password": logs_in,
    "a wrong password": refuses_a_wrong_password,
    "send, with an outcome": sends_and_confirms,
    "receive, accept": receives_and_accepts,
    "release": releases,
    "reject": rejects,
    "modified, delivery-failed, annotations": modifies,
    "modified, undeliverable-here": modifies_undeliverable_here,
    "settle second": settles_second,
    "drain": drains,
    "browse": browses,
    "dynamic source": makes_dynamic_addresses,
    "dynamic source, capability `temporary-queue`": makes_temporary_queues,
    "relay: a sender without an address": relays,
    "JMS selector on a queue": selects,
    "an unknown address": refuses_an_unknown_address,
    "a queue is deleted under a consumer": tells_consumers_of_a_deleted_queue,
    "a message of 50 MiB": takes_large_messages,
    "messages each way": carries_many_messages,
    "transactions": commits_and_aborts,
    "durable subscriptions": keeps_durable_subscriptions,
}
