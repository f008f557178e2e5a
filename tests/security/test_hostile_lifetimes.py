"""Links and sessions that come and go a thousand times, in any reads: nothing stays that both ends have let go of.

With the handlers of a container, and with a program that drives the engine by hand and frees what is over.
"""

from __future__ import annotations

import gc
import os
import socket
import tracemalloc

import pytest

import proton
from proton import Endpoint, Event, Link, Message, Session
from proton.endpoints.handler import dispatch
from proton.handlers import IOHandler, MessagingHandler
from proton.reactor import Container
from tests.support.engines import frame, split, take
from tests.support.loops import watchdog
from tests.support.violations import Stage, attach, begin, flow, transfer
from tests.support.wire import Wire

#: how often, and how often those forms that are much alike
TIMES, FEWER, ROUND = 1000, 100, 400
END = frame(7, "end")
BEGIN = begin(7)


def closed(channel=7):
    return frame(channel, "detach", handle=5, closed=True)


def plain(channel=7):
    return frame(channel, "detach", handle=5)


def link(number):
    """Another name each time, in both directions."""
    return attach(7, name=f"n{number}", handle=5, role=number % 2 == 0)


def same(number):
    return attach(7, name="n", handle=5)


LINKS = {
    "attach and detach": lambda n: [link(n) + closed()],
    "attach, detach": lambda n: [link(n), closed()],
    "attach and detach without closed": lambda n: [link(n) + plain()],
    "attach, detach without closed": lambda n: [link(n), plain()],
    "without closed, and closed": lambda n: [link(n) + plain() + link(n) + closed()],
    "without closed, then closed": lambda n: [link(n), plain(), link(n), closed()],
    "the same name": lambda n: [same(n) + closed()],
    "the same name without closed": lambda n: [same(n) + plain()],
    "with credit": lambda n: [attach(7, name="n", handle=5, role=True) + flow(7, handle=5, link_credit=3) + plain()],
}
SESSIONS = {
    "begin and end": lambda n: [BEGIN + END],
    "begin, end": lambda n: [BEGIN, END],
    "attach and end": lambda n: [BEGIN, link(n) + END],
    "all in one": lambda n: [BEGIN + link(n) + END],
    "one by one": lambda n: [BEGIN, link(n), END],
    "detached without closed": lambda n: [BEGIN, link(n) + plain() + END],
    "closed": lambda n: [BEGIN + link(n), closed() + END],
    "with a message": lambda n: [BEGIN, attach(7, name="m", handle=5), transfer(7, handle=5, delivery_id=0) + END],
}


class ByHand:
    """A program that opens what is opened, closes what is closed, and frees that."""

    def __init__(self):
        self.stage = Stage(server=True).opened()
        self.transport = self.stage.transport
        self.written = []

    def hears(self, data):
        self.transport.push(data)
        collector = self.stage.peer.collector
        while collector.peek() is not None:
            self.on_event(collector.peek())
            collector.pop()
        self.written += [part.name for part in split(take(self.transport))]

    def on_event(self, event):
        endpoint = event.context
        if event.type in (Event.LINK_REMOTE_OPEN, Event.SESSION_REMOTE_OPEN):
            endpoint.open()
        elif event.type in (Event.LINK_REMOTE_CLOSE, Event.SESSION_REMOTE_CLOSE):
            endpoint.close()
            endpoint.free()
        elif event.type is Event.LINK_REMOTE_DETACH:
            endpoint.detach()
            endpoint.free()


class NoSockets(IOHandler):
    """Lets go of what is over, as that of a container does."""

    def on_transport(self, event):
        pass


class WithHandlers(ByHand):
    """The handlers of a container, without a loop."""

    handler, io = MessagingHandler(), NoSockets()

    def on_event(self, event):
        dispatch(self.handler, event.type.method, event)
        dispatch(self.io, event.type.method, event)


PROGRAMS = pytest.mark.parametrize("program", [ByHand, WithHandlers])


def left():
    gc.collect()
    return sum(isinstance(thing, (Link, Session)) for thing in gc.get_objects())


@PROGRAMS
@pytest.mark.parametrize("case", LINKS)
def test_links_that_come_and_go_leave_nothing(case, program):
    before = left()
    peer = program()
    peer.hears(BEGIN)
    times = TIMES if case in ("attach and detach", "attach, detach without closed") else FEWER
    for number in range(times):
        for data in LINKS[case](number):
            peer.hears(data)
    peer.hears(END)
    assert left() - before <= 1, "but for the session"
    assert peer.transport.condition is None
    attaches = sum(data.count(b"\x00\x53\x12") for data in LINKS[case](0)) * times
    assert peer.written.count("attach") == peer.written.count("detach") == attaches, "each is answered"


@PROGRAMS
@pytest.mark.parametrize("case", SESSIONS)
def test_sessions_that_come_and_go_leave_nothing(case, program):
    before = left()
    peer = program()
    for number in range(TIMES if case == "attach and end" else FEWER):
        for data in SESSIONS[case](number):
            peer.hears(data)
    assert left() - before <= 2, "but for the last, which an event may have"
    assert not list(peer.stage.connection.sessions()) and not list(peer.stage.connection.links())
    assert peer.transport.condition is None


def package_memory():
    """Bytes that were allocated by the package, or by what it has called; those of other threads do not count."""
    files = os.path.join(os.path.dirname(proton.__file__), "*")
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, files, all_frames=True)])
    return sum(trace.size for trace in snapshot.traces)


@PROGRAMS
@pytest.mark.parametrize("case", ["attach and detach", "attach, detach without closed", "without closed, and closed"])
def test_memory_does_not_grow_with_links_that_have_gone(case, program):
    peer = program()
    peer.hears(BEGIN)
    tracemalloc.start(3)
    sizes = []
    try:
        for number in range(3 * ROUND):
            for data in LINKS[case](number):
                peer.hears(data)
            peer.written.clear()
            if number % ROUND == ROUND - 1:
                gc.collect()
                sizes.append(package_memory())
    finally:
        tracemalloc.stop()
    assert sizes[-1] - sizes[-2] < 16_000, sizes


class Listener(MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.server = None

    def on_connection_opened(self, event):
        self.server = event.connection


@pytest.mark.parametrize("ending", [closed, plain])
def test_a_container_keeps_nothing_of_links_that_have_gone(ending):
    handler = Listener()
    container = Container(handler)
    container.timeout = 0.001
    with watchdog(container):
        container.start()
        container.process()
        wire = Wire(socket.create_connection(("127.0.0.1", handler.acceptor.port)))
        wire.peer.connection.container = "peer"
        wire.peer.connection.open()
        session = wire.peer.connection.session()
        session.open()
        wire.step(container, lambda: handler.server is not None and session.state & Endpoint.REMOTE_ACTIVE)
        before = left()
        for _ in range(100):
            wire.sock.setblocking(True)
            wire.sock.sendall(b"".join(attach(0, name=str(n), handle=5) + ending(0) for n in range(10)))
            wire.sock.setblocking(False)
            for _ in range(3):
                container.process()
        for _ in range(20):
            container.process()
        assert left() - before <= 0
        assert not list(handler.server.links())
        wire.sock.close()
        handler.acceptor.close()
        while container.process():
            pass


def test_what_a_program_still_has_to_read_stays():
    peer = WithHandlers()
    peer.handler = MessagingHandler(auto_accept=False)
    kept = []
    peer.handler.on_message = lambda event: kept.append(event.delivery)
    peer.hears(BEGIN)
    peer.hears(attach(7, name="m", handle=5))
    peer.hears(transfer(7, handle=5, delivery_id=0, payload=Message(body="x").encode()) + closed())
    assert list(peer.stage.connection.links()) == [kept[0].link]
    kept[0].settle()
    peer.hears(link(1) + closed())
    assert not list(peer.stage.connection.links())


def test_the_error_that_ends_a_session_does_not_wait_for_what_is_queued():
    """The peer has broken a rule and grants no credit: it is told at once (2.5.6)."""
    stage = Stage().linked()
    sender = next(x for x in stage.connection.links() if x.name == "S")
    sender.send(Message(body="sent"))
    for number in range(20):
        sender.send(Message(body=str(number)))
    stage.feed(transfer(0, delivery_id=0) + transfer(0, delivery_id=7))
    (end,) = stage.written("end")
    assert end["error"] is not None
