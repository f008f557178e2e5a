"""Some hundred connections and some thousand messages: when they are over, nothing of them is left.

The long run of the same kind is `benchmarks/run.py --only soak`.
"""

import collections
import gc
import os
import socket
import threading
import time

import pytest

from proton import Collector, Connection, Delivery, Link, Message, Session, Transport
from proton.handlers import MessagingHandler
from proton.io.selectable import Selectable
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.utils import BlockingConnection
from tests.support.loops import SECONDS, run
from tests.support.proxy import Fault, Proxy
from tests.support.references import descriptors
from tests.support.server import serving

KINDS = (Connection, Transport, Session, Link, Delivery, Selectable, Message, Collector, Container, socket.socket)
SHARE = 15
RUNS = 5


def living():
    """How many objects there are of each kind, after a collection."""
    gc.collect()
    types = collections.Counter(type(thing) for thing in gc.get_objects())
    return {kind.__name__: sum(n for found, n in types.items() if issubclass(found, kind)) for kind in KINDS}


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of open descriptors here")


class Soak(MessagingHandler):
    """Both ends. Connections one after the other; each sends its share and is ended in the way of its turn.

    :param marked: after a third and after all of them, the living objects and descriptors are counted.
    """

    def __init__(self, ends, count, marked=False):
        super().__init__()
        self.marked = marked
        self.ends = ends
        self.count = count
        self.begun = self.received = 0
        self.marks = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.begin(event.container)

    def begin(self, container):
        if self.begun in (self.count // 3, self.count):
            self.connection = self.sender = None
            if self.marked:
                self.marks.append((living(), descriptors()))
        if self.begun == self.count:
            self.acceptor.close()
            return
        self.unsent = SHARE
        self.connection = container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
        self.sender = container.create_sender(self.connection, "soak")
        self.begun += 1

    def on_sendable(self, event):
        while event.sender is self.sender and event.sender.credit > 0 and self.unsent:
            self.unsent -= 1
            event.sender.send(Message(id=self.unsent, body="x" * 50))

    def on_message(self, event):
        self.received += 1

    def on_settled(self, event):
        if event.link is self.sender and not self.unsent and event.link.unsettled == 1:
            self.ends[self.begun % len(self.ends)](event)

    def on_transport_closed(self, event):
        # Until the next turn the loop holds what this event is about.
        if event.connection is self.connection:
            event.container.schedule(0, self)

    def on_timer_task(self, event):
        self.begin(event.container)


def close(event):
    event.connection.close()


def drop(event):
    event.transport.close_head()
    event.transport.close_tail()


def detach(event):
    event.link.close()
    event.session.close()
    event.connection.close()


@needs_proc
def test_nothing_is_left_of_connections_that_are_over():
    others = living()  # of earlier tests in this process
    soak = Soak([close, drop, detach], count=120, marked=True)
    run(soak)
    assert soak.received == 120 * SHARE
    (early, early_descriptors), (late, late_descriptors) = soak.marks
    # 80 connections lie between the two; of the last one something may still be in use.
    assert {kind: late[kind] - early[kind] for kind in late if late[kind] > early[kind] + 3} == {}
    assert late_descriptors <= early_descriptors + 2
    left = {kind: late[kind] - others[kind] for kind in ("Connection", "Delivery")}
    assert left["Connection"] <= 4 and left["Delivery"] <= SHARE  # both ends of the last two


@needs_proc
def test_nothing_is_left_of_a_container_that_has_run():
    run(Soak([close], count=9))
    before, files = living(), descriptors()
    for _ in range(RUNS):
        run(Soak([drop, close, detach], count=9))
    more = {kind: count - before[kind] for kind, count in living().items() if count - before[kind] >= RUNS}
    assert (more, max(descriptors() - files, 0) // RUNS) == ({}, 0), "one or more of each run is left"


@needs_proc
def test_nothing_is_left_of_connections_that_were_cut():
    with serving() as server:
        faults = [Fault("reset", after=size) for size in range(10, 400, 8)]
        with Proxy(server.port, faults) as proxy:
            one_lost(proxy)
            before = living(), descriptors()
            for _ in faults[1:]:
                one_lost(proxy)
            assert proxy.harmed > len(faults) / 2
            assert_no_more_than(before)


def one_lost(proxy):
    class Lost(MessagingHandler):
        def on_start(self, event):
            event.container.create_sender(event.container.connect(proxy.url, reconnect=False), "q")

        def on_link_opened(self, event):
            event.connection.close()

        def on_transport_error(self, event):
            pass

    run(Lost())


def assert_no_more_than(before):
    """The server, in its thread, may have the last of it still in hand."""
    deadline = time.monotonic() + SECONDS
    while True:
        counts, files = living(), descriptors()
        more = {kind: (before[0][kind], count) for kind, count in counts.items() if count > before[0][kind]}
        if not more and files <= before[1]:
            return
        assert time.monotonic() < deadline, (
            f"expected no more objects and descriptors than {before}, got {more}, {files}"
        )
        threading.Event().wait(0.01)


@needs_proc
def test_nothing_is_left_of_blocking_connections():
    with serving() as server:

        def once():
            connection = BlockingConnection(server.url, timeout=SECONDS)
            sender, receiver = connection.create_sender("q"), connection.create_receiver("q", credit=5)
            for number in range(5):
                sender.send(Message(body=number))
                assert receiver.receive().body == number
                receiver.accept()
            connection.close()

        once()
        before = living(), descriptors()
        for _ in range(30):
            once()
        assert_no_more_than(before)


@needs_proc
def test_two_thousand_injectors_leave_no_descriptor():
    class Many(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.made = 0
            self.seen = []

        def on_start(self, event):
            self.before = descriptors()
            self.next(event.container)

        def next(self, container):
            self.injector = EventInjector()
            container.selectable(self.injector)
            arrival = ApplicationEvent("arrived", subject=self.made)
            arrival.container = container
            self.injector.trigger(arrival)
            self.made += 1

        def on_arrived(self, event):
            self.seen.append(event.subject)
            self.injector.close()
            event.context.container.schedule(0, self)

        def on_timer_task(self, event):
            if self.made < 2000:
                self.next(event.container)
            else:
                self.after = descriptors()

    many = Many()
    run(many)
    assert many.seen == list(range(2000))
    # The loop's own: its selector, and the pair that wakes it. The last injectors may be about to be closed.
    assert many.after - many.before <= 3 + 4
