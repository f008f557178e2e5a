"""Other loops and selectors: adaptors that drive selectables themselves, `PythonIO`, `Container(selector=...)`."""

import collections
import collections.abc
import selectors
import socket
import sys
import time

import pytest

from proton import Message
from proton.handlers import IOHandler, MessagingHandler, PythonIO
from proton.reactor import ApplicationEvent, Container, EventInjector
from tests.support.loops import SECONDS, Recorder, run, watchdog


class Adaptor:
    """A global handler that leaves the waiting to a loop of its own, as adaptors of event loops do."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timed = {}
        self.registered = []

    def on_reactor_init(self, event):
        self.reactor = event.reactor

    def on_reactor_quiesced(self, event):
        event.reactor.yield_()

    def on_unhandled(self, name, event):
        # A fresh one each time: nothing may depend on its memory.
        event.dispatch(IOHandler())

    def on_selectable_init(self, event):
        self.refresh(event.context)
        self.registered.append(event.context)

    def on_selectable_updated(self, event):
        self.refresh(event.context)

    def on_selectable_final(self, event):
        selectable = event.context
        selectable.reading = selectable.writing = False
        self.refresh(selectable)
        self.timed.pop(selectable, None)
        selectable.close()

    def refresh(self, selectable):
        self.timed[selectable] = selectable.deadline
        fd = selectable.fileno()
        mask = (selectors.EVENT_READ if selectable.reading else 0) | (
            selectors.EVENT_WRITE if selectable.writing else 0
        )
        if fd < 0:
            return
        if fd in self.selector.get_map():
            self.selector.unregister(fd)
        if mask:
            self.selector.register(fd, mask, selectable)

    def wait(self):
        now = self.reactor.mark()
        deadlines = [deadline for deadline in self.timed.values() if deadline]
        timeout = min([max(0, deadline - now) for deadline in deadlines], default=SECONDS)
        for key, mask in self.selector.select(timeout):
            if mask & selectors.EVENT_READ:
                key.data.readable()
            if mask & selectors.EVENT_WRITE:
                key.data.writable()
        now = self.reactor.mark()
        for selectable, deadline in list(self.timed.items()):
            if deadline and now > deadline:
                selectable.expired()


def drive(container, adaptor):
    """Runs a container by a foreign loop: handle all, wait, and so on."""
    if not hasattr(adaptor, "reactor"):
        container.start()
    give_up = time.monotonic() + SECONDS
    while container.process():
        assert time.monotonic() < give_up
        if container.quiesced:
            adaptor.wait()
    container.stop()
    container.process()
    adaptor.selector.close()


class Exchange(Recorder):
    def __init__(self, count=20):
        super().__init__()
        self.count = count
        self.sent = self.confirmed = 0
        self.fired = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/q")
        event.container.schedule(0.01, self)

    def on_timer_task(self, event):
        self.fired.append(event.container.now)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            self.sent += 1
            event.sender.send(Message(body=b"x" * 1000))

    def on_accepted(self, event):
        self.confirmed += 1
        if self.confirmed == self.count:
            event.connection.close()

    def on_connection_closed(self, event):
        self.acceptor.close()


def test_a_foreign_loop_does_the_same_as_ours():
    ours, theirs = Exchange(), Exchange()
    run(ours)
    adaptor = Adaptor()
    drive(Container(theirs, global_handler=adaptor), adaptor)
    assert (theirs.confirmed, len(theirs.fired)) == (20, 1)
    known = {"C connection_opened", "C link_opened", "S connection_closed", "C connection_closed"}
    assert [c for c in ours.calls if c in known] == [c for c in theirs.calls if c in known]


def test_the_connecting_selectable_is_another_one_than_the_connected():
    adaptor = Adaptor()
    exchange = Exchange()
    drive(Container(exchange, global_handler=adaptor), adaptor)
    # Timer, acceptor, connecting, connected, accepted.
    assert len(adaptor.registered) == 5


def test_process_does_not_block_under_a_foreign_loop():
    adaptor = Adaptor()

    class Listening(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")

    listening = Listening()
    container = Container(listening, global_handler=adaptor)
    container.timeout = SECONDS
    container.start()
    begin = time.monotonic()
    for _ in range(10):
        assert container.process()
    assert time.monotonic() - begin < SECONDS / 2
    assert container.quiesced
    listening.acceptor.close()
    drive(container, adaptor)


def test_python_io_runs_programs():
    exchange = Exchange()
    container = Container(exchange, global_handler=PythonIO())
    with watchdog(container):
        container.run()
    assert (exchange.confirmed, len(exchange.fired)) == (20, 1)


def test_the_global_handler_given_is_wrapped():
    io = PythonIO()
    assert Container(global_handler=io).global_handler.base is io


def kinds():
    found = [selectors.SelectSelector, selectors.DefaultSelector]
    # Not by `hasattr`, which warns on the last Python that has it.
    if sys.version_info >= (3, 10):
        collections.Mapping = collections.abc.Mapping
    try:
        import selectors2
    except ImportError:
        return found
    return [*found, selectors2.SelectSelector, selectors2.DefaultSelector]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_any_selector_will_do(kind):
    exchange = Exchange()
    selector = kind()
    run(exchange, selector=selector)
    assert (exchange.confirmed, len(exchange.fired)) == (20, 1)
    assert dict(selector.get_map()) == {}
    selector.close()


class Selectors(selectors.DefaultSelector):
    """Counts what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def register(self, fileobj, events, data=None):
        self.told.append(events)
        return super().register(fileobj, events, data)

    def modify(self, fileobj, events, data=None):
        self.told.append(events)
        return super().modify(fileobj, events, data)


def test_no_socket_is_watched_for_writing_unless_it_refuses_bytes():
    selector = Selectors()
    exchange = Exchange(count=200)
    run(exchange, selector=selector)
    # Acceptor, waker and two sockets are watched for reading; one for the end of its connect.
    assert sorted(selector.told) == [selectors.EVENT_READ] * 4 + [selectors.EVENT_WRITE]
    selector.close()


def test_a_socket_that_refuses_bytes_is_waited_for():
    size = 20_000_000

    class Large(Exchange):
        def on_sendable(self, event):
            if not self.sent:
                self.sent = 1
                event.sender.send(Message(body=b"x" * size))

        def on_message(self, event):
            self.size = len(event.message.body)

    selector = Selectors()
    large = Large(count=1)
    run(large, selector=selector)
    assert large.size == size
    assert selectors.EVENT_READ | selectors.EVENT_WRITE in selector.told
    selector.close()


def test_a_selectable_of_ones_own():
    ours, theirs = socket.socketpair()
    seen = []

    class Own:
        def on_selectable_init(self, event):
            event.selectable.reading = True
            event.selectable.update()

        def on_selectable_readable(self, event):
            seen.append(event.selectable.recv(10))
            event.context.deadline = event.container.now + 0.01
            event.context.update()

        def on_selectable_expired(self, event):
            seen.append("expired")
            event.context.terminate()
            event.context.update()

        def on_selectable_final(self, event):
            seen.append("final")

    container = Container()
    container.selectable(Own(), ours)
    theirs.send(b"hello")
    with watchdog(container), theirs:
        container.run()
    assert seen == [b"hello", "expired", "final"]
    assert ours.fileno() == -1


class Interested:
    """Waits for one thing, once, and finishes without closing what it waited for."""

    def __init__(self, wanted, seen):
        self.wanted = wanted
        self.seen = seen

    def on_selectable_init(self, event):
        setattr(event.selectable, self.wanted, True)
        event.selectable.update()

    def on_selectable_readable(self, event):
        self.seen.append(("readable", self.wanted, event.selectable.recv(10)))
        self.finish(event.selectable)

    def on_selectable_writable(self, event):
        self.seen.append(("writable", self.wanted, None))
        self.finish(event.selectable)

    def finish(self, selectable):
        selectable.release()
        selectable.terminate()
        selectable.update()


def test_one_selectable_reads_and_another_writes_the_same_socket():
    ours, theirs = socket.socketpair()
    seen = []

    class Writes(Interested):
        def on_selectable_writable(self, event):
            super().on_selectable_writable(event)
            theirs.send(b"answer")

    container = Container()
    container.selectable(Interested("reading", seen), ours)
    container.selectable(Writes("writing", seen), ours)
    with ours, theirs, watchdog(container):
        container.run()
        assert seen == [("writable", "writing", None), ("readable", "reading", b"answer")]
        assert ours.fileno() >= 0


def test_a_new_selectable_has_the_descriptor_of_one_whose_socket_was_closed():
    first, peer = socket.socketpair()
    seen = []
    sockets = [peer]

    class Closes(Interested):
        def on_selectable_readable(self, event):
            fd = first.fileno()
            first.close()
            ours, theirs = socket.socketpair()
            sockets.extend([ours, theirs])
            seen.append(ours.fileno() == fd)
            self.new = event.container.selectable(Interested("reading", seen), ours)
            self.old = event.selectable
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            # The new one is watched by now.
            self.finish(self.old)
            event.container.schedule(0, Sends())

    class Sends:
        def on_timer_task(self, event):
            sockets[2].send(b"new")

    container = Container()
    container.selectable(Closes("reading", seen), first)
    peer.send(b"x")
    with watchdog(container):
        container.run()
    for sock in sockets:
        sock.close()
    assert seen == [True, ("readable", "reading", b"new")]


def test_an_injector_may_be_registered_twice():
    seen = []

    class Notes:
        def on_note(self, event):
            seen.append(event.subject)
            if event.subject < 2:
                injector.trigger(ApplicationEvent("note", subject=event.subject + 1))
            else:
                injector.close()

    container = Container(Notes())
    injector = EventInjector()
    container.selectable(injector)
    container.selectable(injector)
    injector.trigger(ApplicationEvent("note", subject=1))
    with watchdog(container):
        container.run()
    assert seen == [1, 2]
    assert injector.fileno() == -1
