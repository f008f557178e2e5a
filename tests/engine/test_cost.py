"""What the engine costs: bounded output and memory, the same number of calls a message whatever there was before.

Calls are counted, not timed: a count is the same on every machine. What grows with the number of messages, links or
sessions shows as a difference between a small and a large run.
"""

import gc
import sys
import time
import weakref

import pytest

from proton import Delivery, Message, Transport
from tests.support.engines import SASL_HEADER, Peer, accept, connected, frame, linked, pump, put, read, take
from tests.support.references import counting, no_collection

MIB = 1 << 20


def calls(act):
    """How many Python and C calls `act` makes.

    Nothing is collected in between: the calls of finalizers, which PyPy runs at any time, are those of earlier tests.
    """
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    old = sys.getprofile()
    was_enabled = gc.isenabled()
    gc.disable()
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(old)
        if was_enabled:
            gc.enable()
    return count


def exchange(a, b):
    """One turn of a loop on each side: no step-wise pumping, so that only the engine is counted."""
    for source, sink in ((a, b), (b, a)):
        size = source.transport.pending()
        if size > 0:
            sink.transport.push(source.transport.peek(size))
            source.transport.pop(size)


def drop_events(*peers):
    for peer in peers:
        while peer.collector.peek() is not None:
            peer.collector.pop()


class Loop:
    """One message there and its settlement back."""

    def __init__(self, a, b, sender, receiver):
        self.a, self.b, self.sender, self.receiver = a, b, sender, receiver
        self.message = Message(body="x" * 100)

    def turn(self):
        delivery = self.sender.send(self.message)
        exchange(self.a, self.b)
        got = self.receiver.current
        self.receiver.recv(1000)
        self.receiver.advance()
        got.update(Delivery.ACCEPTED)
        got.settle()
        self.receiver.flow(1)
        exchange(self.b, self.a)
        delivery.settle()
        drop_events(self.a, self.b)

    def run(self, turns):
        for _ in range(turns):
            self.turn()


def loop(links=1, sessions=1):
    """A connection with so many idle sessions and links beside the one that is used."""
    a, b = connected()
    for _ in range(sessions):
        session = a.connection.session()
        session.open()
    for n in range(links):
        session.sender(f"L{n}").open()
    pump(a, b)
    accept(b, 10)
    pump(a, b)
    turns = Loop(a, b, a.connection.link_head(0), b.connection.link_head(0))
    drop_events(a, b)
    turns.run(300)  # ids and tags beyond one byte, caches filled
    return turns


def cost(turns):
    return min(calls(turns.turn) for _ in range(3))


def test_calls_per_message_do_not_grow_with_the_messages_before():
    turns = loop()
    before = cost(turns)
    turns.run(10_000)
    assert cost(turns) <= before + 2
    assert turns.sender.unsettled == turns.receiver.unsettled == 0


@pytest.mark.parametrize("many", [{"links": 500}, {"sessions": 500}], ids=["links", "sessions"])
def test_calls_per_message_do_not_grow_with_idle_links_and_sessions(many):
    assert cost(loop(**many)) <= cost(loop()) + 2


def test_calls_per_message_do_not_grow_with_unsettled_messages():
    a, b, sender, receiver = linked(credit=100_000)
    turns = Loop(a, b, sender, receiver)
    turns.run(300)
    before = cost(turns)
    for _ in range(2000):
        sender.send(turns.message)
    pump(a, b)
    while receiver.current is not None:
        receiver.advance()
    drop_events(a, b)
    assert sender.unsettled == receiver.unsettled == 2000
    assert cost(turns) <= before + 2


@pytest.mark.parametrize("count", [100, 1000])
def test_calls_for_a_queue_are_in_proportion_to_it(count):
    a, b, sender, _ = linked(credit=100_000)
    for _ in range(count):
        put(sender, b"m")
    assert calls(lambda: exchange(a, b)) < 40 * count + 200
    assert sender.queued == 0


def test_open_and_close_of_a_link_cost_the_same_among_many():
    def once(a, b, session):
        link = session.sender("once")
        link.open()
        exchange(a, b)
        other = next(x for x in b.connection.links(0x11) if x.name == "once")
        other.open()
        exchange(b, a)
        link.close()
        exchange(a, b)
        other.close()
        exchange(b, a)
        link.free(), other.free()
        drop_events(a, b)

    def measure(links):
        turns = loop(links=links)
        once(turns.a, turns.b, turns.sender.session)
        return calls(lambda: once(turns.a, turns.b, turns.sender.session))

    # Finding the new link walks over all of them: the test's own cost, a few calls each.
    assert measure(300) - measure(1) < 300 * 8


def test_output_of_a_large_message_is_bounded():
    a, b, sender, receiver = linked()
    body = bytes(range(256)) * (20 * MIB // 256)
    put(sender, body)
    most = 0
    got = []
    for _ in range(10_000):
        size = a.transport.pending()
        if size <= 0:
            break
        most = max(most, size)
        b.transport.push(a.transport.peek(size))
        a.transport.pop(size)
        data = receiver.recv(1 << 30)
        if data:
            got.append(data)
    assert most <= 300 * 1024
    assert b"".join(got) == body and receiver.recv(1) is None


def test_output_of_many_messages_is_bounded():
    a, _, sender, _ = linked(credit=10_000)
    for _ in range(200):
        put(sender, bytes(10_000))
    assert a.transport.pending() <= 300 * 1024
    assert len(take(a.transport)) > 200 * 10_000 and sender.queued == 0


@pytest.mark.parametrize("frame_size", [512, 4096, 1 << 20, 0])
def test_output_is_bounded_whatever_the_frame_size(frame_size):
    a, b, sender, receiver = linked(server={"max_frame_size": frame_size})
    put(sender, bytes(3 * MIB))
    assert a.transport.pending() <= 300 * 1024 + frame_size
    pump(a, b)
    assert len(read(receiver)[0]) == 3 * MIB


def test_small_takes_of_a_large_output_cost_in_proportion():
    a, _, sender, _ = linked()
    put(sender, bytes(MIB))

    def drain():
        while (size := a.transport.pending()) > 0:
            taken = min(size, 1000)
            a.transport.peek(taken)
            a.transport.pop(taken)

    assert calls(drain) < 30 * 1100
    assert sender.queued == 0


def test_input_byte_by_byte_costs_in_proportion():
    script, _, sender, receiver = linked()
    put(sender, bytes(20_000))
    data = take(script.transport)
    push = receiver.transport.push
    pieces = [data[n : n + 1] for n in range(len(data))]

    def feed():
        for piece in pieces:
            push(piece)

    assert calls(feed) < 8 * len(pieces)
    assert len(read(receiver)[0]) == 20_000


def test_a_login_byte_by_byte_costs_in_proportion():
    data = frame(0, "sasl-init", kind=1, mechanism="EXTERNAL", initial_response=bytes(500))
    pieces = [data[n : n + 1] for n in range(len(data) - 1)]
    costs = []
    for _ in range(3):  # the least counts: a collection in between runs the finalizers of other tests
        transport = Transport(Transport.SERVER)
        transport.sasl().allowed_mechs("EXTERNAL")
        transport.push(SASL_HEADER)

        def feed(push=transport.push):
            for piece in pieces:
                push(piece)

        costs.append(calls(feed))
        assert transport.condition is None
    assert min(costs) < 8 * len(pieces), costs


def test_settled_deliveries_and_freed_endpoints_leave_nothing_behind():
    turns = loop()

    def objects():
        gc.collect()
        return len(gc.get_objects())

    turns.run(10)
    before = objects()
    turns.run(500)
    assert objects() <= before + 50


def whole(sender):
    put(sender, b"m").settle()


def settled_half_way(sender):
    delivery = sender.delivery("t")
    sender.stream(b"part")
    yield
    sender.stream(b"rest")
    delivery.settle()


def aborted_half_way(sender):
    delivery = sender.delivery("t")
    sender.stream(b"part")
    yield
    delivery.abort()


def settled_later(sender):
    delivery = put(sender, b"m")
    yield
    delivery.settle()


LIVES = [whole, settled_half_way, aborted_half_way, settled_later]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_delivery_that_both_ends_have_settled_is_freed(life):
    a, b, sender, receiver = linked()
    steps = life(sender)
    seen = weakref.WeakSet(sender.unsettled_deliveries)
    for _ in steps or ():
        seen.update(sender.unsettled_deliveries)
        pump(a, b)
    pump(a, b)
    seen.add(receiver.current)
    receiver.current.settle()
    pump(a, b)
    drop_events(a, b)
    del steps
    gc.collect()
    assert len(seen) == 0


@counting
def test_a_freed_connection_goes_without_the_collector():
    a, b, sender, receiver = linked()
    put(sender, b"m")
    pump(a, b)
    receiver.current.settle()
    marker = Peer()
    sender.application_data = marker
    seen = weakref.ref(marker)
    with no_collection():
        for peer in (a, b):
            peer.connection.free()
            peer.transport.unbind()
            drop_events(peer)
        del a, b, peer, sender, receiver, marker
        assert seen() is None


def test_idle_output_costs_a_fixed_few_calls():
    peer = Peer().bind()
    peer.connection.open()
    take(peer.transport)
    assert calls(peer.transport.pending) <= 8


def test_walking_over_what_is_unsettled_costs_the_same_for_each():
    a, b, sender, receiver = linked(credit=0)
    made = [sender.delivery(b"%d" % n) for n in range(3000)]
    seen = []
    delivery = sender.unsettled_head
    begin = time.process_time()
    while delivery is not None:
        seen.append(delivery)
        delivery = delivery.unsettled_next
    assert seen == made
    assert time.process_time() - begin < 1.0, "a walk for each would take several seconds"


def test_walking_survives_what_is_settled_on_the_way():
    a, b, sender, receiver = linked(credit=0)
    made = [sender.delivery(b"%d" % n) for n in range(10)]
    delivery, seen = sender.unsettled_head, []
    while delivery is not None:
        following = delivery.unsettled_next
        seen.append(delivery)
        if len(seen) % 2:
            delivery.settle()
        delivery = following
    assert seen == made and sender.unsettled == 5
    assert made[0].unsettled_next is None and made[1].unsettled_next is made[3]
    sender.delivery(b"new")
    assert made[9].unsettled_next.tag == "new"
