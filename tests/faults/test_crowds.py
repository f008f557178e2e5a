"""Many of everything in one container: connections, timers, injectors; and the end, exactly when nothing is left."""

import itertools
import selectors
import sys
import threading
import time
import weakref

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.reactor.reactor import RUN_TIMEOUT
from tests.support.loops import SECONDS, VirtualContainer, in_thread, watchdog

BUSY = 5
MESSAGES = 20


class CountingSelector(selectors.DefaultSelector):
    """Counts what it is told, and how often it is asked."""

    changes = selects = 0

    def register(self, fileobj, events, data=None):
        self.changes += 1
        return super().register(fileobj, events, data)

    def unregister(self, fileobj):
        self.changes += 1
        return super().unregister(fileobj)

    def modify(self, fileobj, events, data=None):
        self.changes += 1
        return super().modify(fileobj, events, data)

    def select(self, timeout=None):
        self.selects += 1
        return super().select(timeout)


class Crowd(MessagingHandler):
    """Opens so many connections to itself; then a few send messages, each when the one before is settled."""

    def __init__(self, connections, selector):
        super().__init__()
        self.count = connections
        self.selector = selector
        self.opened = 0
        self.settled = 0
        self.calls = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connections = [event.container.connect(f"127.0.0.1:{self.acceptor.port}") for _ in range(self.count)]

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 2 * self.count:
            self.senders = [event.container.create_sender(connection, "x") for connection in self.connections[:BUSY]]
            self.ready = 0

    def on_sendable(self, event):
        if event.sender.credit == 10 and event.sender in self.senders:
            self.ready += 1
            if self.ready == BUSY:
                self.before = self.selector.changes
                sys.setprofile(self.profile)
                for sender in self.senders:
                    sender.send(Message(body="x"))

    def profile(self, frame, event, arg):
        self.calls += event == "call"

    def on_settled(self, event):
        self.settled += 1
        if self.settled < MESSAGES * BUSY:
            event.sender.send(Message(body="x"))
            return
        sys.setprofile(None)
        self.changes = self.selector.changes - self.before
        for connection in self.connections:
            connection.close()
        self.acceptor.close()


def crowd_of(connections):
    with CountingSelector() as selector:
        crowd = Crowd(connections, selector)
        container = Container(crowd, selector=selector)
        try:
            with watchdog(container):
                container.run()
        finally:
            sys.setprofile(None)
        assert len(selector.get_map()) == 0, "nothing is watched when all is over"
    assert crowd.settled >= MESSAGES * BUSY
    return crowd


def test_messages_cost_the_same_however_many_connections_there_are():
    few, many = crowd_of(BUSY), crowd_of(80)
    assert few.changes == many.changes == 0, "the selector hears of changes only, and there are none"
    assert many.calls < few.calls * 1.15, "calls of Python functions do not depend on the idle connections"


def test_a_hundred_thousand_cancelled_tasks_do_not_stay():
    container = VirtualContainer()
    # One task earlier than all of them, and none scheduled later.
    soon = container.schedule(1, None)
    tasks = [container.schedule(1000 + number % 7, None) for number in range(100_000)]
    alive = weakref.WeakSet(tasks[::100])
    for task in tasks:
        task.cancel()
    del tasks, task
    assert len(alive) <= 5
    assert container.timer_deadline == soon._deadline
    soon.cancel()
    assert container.timer_deadline is None
    with watchdog(container):
        container.run()


def test_tasks_scheduled_and_cancelled_in_turn_cost_no_more_as_they_grow_in_number():
    container = VirtualContainer()
    container.schedule(1, None)
    counts = []
    for _ in range(2):
        calls = [0]

        def profile(frame, event, arg, calls=calls):
            calls[0] += event == "call"

        sys.setprofile(profile)
        for _ in range(20_000):
            container.schedule(1000, None).cancel()
        sys.setprofile(None)
        counts.append(calls[0])
    assert counts[1] <= counts[0] * 1.05


class Note(MessagingHandler):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_note(self, event):
        self.seen.append(event.subject)


def test_threads_with_injectors_of_their_own_and_one_in_common():
    note = Note()
    container = Container(note)
    common = EventInjector()
    container.selectable(common)
    own = [EventInjector() for _ in range(4)]
    for injector in own:
        container.selectable(injector)

    def work(number):
        for count in range(300):
            (common if count % 2 else own[number]).trigger(ApplicationEvent("note", subject=(number, count % 2, count)))
        own[number].close()

    with in_thread(container):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        common.close()
    assert len(note.seen) == 4 * 300
    for number, injector in itertools.product(range(4), range(2)):
        order = [count for who, which, count in note.seen if (who, which) == (number, injector)]
        assert order == list(range(injector, 300, 2))


def test_another_thread_wakes_the_loop_from_a_long_wait():
    ready = threading.Event()

    class Waiting(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(1000, self)

        def on_reactor_quiesced(self, event):
            ready.set()

        def on_timer_task(self, event):
            raise AssertionError("that is not due")

    container = Container(Waiting())
    begin = time.monotonic()
    with in_thread(container):
        assert ready.wait(SECONDS)
        container.stop()
    assert time.monotonic() - begin < RUN_TIMEOUT, "it ended at once, not when its wait was over"


KINDS = ("task", "acceptor", "injector", "connection", "selectable")


class Ending(MessagingHandler):
    """Ends one kind of thing after the other, each when there is nothing to do; looks when `run` returns."""

    def __init__(self, order):
        super().__init__()
        self.order = list(order)
        self.ended = []
        self.waits = 0
        self.final = 0

    def on_start(self, event):
        container = self.container = event.container
        self.task = container.schedule(1000, self)
        self.acceptor = container.listen("127.0.0.1:0")
        self.injector = EventInjector()
        container.selectable(self.injector)
        self.selectable = container.selectable()
        self.peer = container.acceptor("127.0.0.1", 0)
        self.connection = container.connect(f"127.0.0.1:{self.peer.port}")

    def on_connection_opened(self, event):
        if event.connection is self.connection:
            self.peer.close()

    def on_reactor_quiesced(self, event):
        self.waits += 1
        event.container.wakeup()  # to look again, not to wait
        if self.waits < 40 or self.waits % 5 or not self.order:
            return
        kind = self.order.pop(0)
        self.ended.append(kind)
        if kind == "task":
            self.task.cancel()
        elif kind == "selectable":
            self.selectable.terminate()
            self.selectable.update()
        else:
            getattr(self, kind).close()

    def on_reactor_final(self, event):
        self.final += 1


@pytest.mark.parametrize("order", list(itertools.permutations(KINDS))[::7], ids="-".join)
def test_the_run_ends_exactly_when_nothing_is_left(order):
    ending = Ending(order)
    container = Container(ending)
    with watchdog(container):
        container.run()
    assert ending.ended == list(order), "not before the last one has ended"
    assert ending.final == 1
    assert container.selectable_count == 0 and container.timer_deadline is None


def test_nothing_at_all_is_not_reason_to_run():
    ending = Note()
    container = Container(ending)
    container.schedule(1000, None).cancel()
    with watchdog(container):
        container.run()
    assert ending.seen == [] and container.selectable_count == 0
