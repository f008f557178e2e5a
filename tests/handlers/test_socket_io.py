"""`IOHandler`: reading, writing, ending; one send for what a turn produces, and nothing for idle connections."""

import logging
import socket

import pytest

from proton import Condition, Connection, Event, Message, Transport
from proton.driver import Driver
from proton.endpoints.handler import dispatch
from proton.handlers import IOHandler, MessagingHandler
from proton.io.connect import start_io
from proton.reactor import Container
from tests.support.loops import AMQP_HEADER, OPEN, Recorder, VirtualContainer, frame, run


class Socket:
    """A socket whose parts are played by a test."""

    def __init__(self, takes=None):
        self.incoming = []
        self.sent = []
        self.takes = takes
        self.closed = False

    def fileno(self):
        return 99

    def recv(self, size):
        if not self.incoming:
            raise BlockingIOError
        data = self.incoming.pop(0)
        if isinstance(data, Exception):
            raise data
        return data

    def send(self, data):
        if isinstance(self.takes, Exception):
            raise self.takes
        size = len(data) if self.takes is None else min(self.takes, len(data))
        if not size:
            raise BlockingIOError
        self.sent.append(bytes(data[:size]))
        return size

    def close(self):
        self.closed = True


class World:
    """A container with one outgoing connection over a played socket."""

    def __init__(self, *handlers, **transport):
        self.container = VirtualContainer(*handlers)
        self.container.waiting.modify = lambda *args: None
        self.connection = self.container.connection()
        self.connection._acceptor = True
        self.transport = Transport()
        for name, value in transport.items():
            setattr(self.transport, name, value)
        self.transport.bind(self.connection)
        self.connection.open()
        self.socket = Socket()
        self.selectable = start_io(self.container, Driver(self.transport), self.socket)
        self.turn()

    def turn(self):
        """Handles what there is to handle, up to the next wait and beyond it."""
        waits = self.container.waiting.waits
        before = len(waits)
        while len(waits) == before and self.container.process():
            pass

    def receive(self, data):
        self.socket.incoming.append(data)
        self.selectable.readable()
        self.turn()


@pytest.fixture
def world():
    made = World()
    made.receive(AMQP_HEADER + OPEN)
    return made


def test_what_is_pending_is_sent_at_once(world):
    assert b"".join(world.socket.sent).startswith(AMQP_HEADER)
    assert len(world.socket.sent) == 1
    assert (world.selectable.reading, world.selectable.writing) == (True, False)


def test_one_turn_makes_one_send(world):
    del world.socket.sent[:]
    session = world.connection.session()
    session.open()
    for name in ("a", "b"):
        session.sender(name).open()
        world.container.push_event(world.transport, Event.TRANSPORT)
    receiver = session.receiver("c")
    receiver.open()
    receiver.flow(10)
    world.turn()
    assert len(world.socket.sent) == 1
    assert world.socket.sent[0].count(b"\x00\x53\x12") == 3


def test_nothing_is_sent_when_there_is_nothing_to_send(world):
    del world.socket.sent[:]
    for _ in range(3):
        world.turn()
    assert world.socket.sent == []


@pytest.mark.parametrize("takes", [0, 1, 10])
def test_a_socket_that_takes_little_is_waited_for(world, takes):
    del world.socket.sent[:]
    world.socket.takes = takes
    world.connection.session().open()
    world.turn()
    assert world.selectable.writing
    assert sum(map(len, world.socket.sent)) == takes
    world.turn()
    # Not tried again before the selector says so.
    assert sum(map(len, world.socket.sent)) == takes
    world.socket.takes = None
    world.selectable.writable()
    world.turn()
    assert not world.selectable.writing
    assert b"".join(world.socket.sent)[8:11] == b"\x00\x53\x11"


def test_an_end_of_file_ends_both_directions():
    recorder = Recorder()
    world = World(recorder)
    world.receive(AMQP_HEADER + OPEN)
    world.receive(b"")
    assert world.transport.closed and world.transport.connection is None
    assert world.socket.closed
    assert recorder.calls[-2:] == ["S disconnected", "- transport_error"]


def test_a_failing_read_ends_the_input(world, caplog):
    world.receive(ConnectionResetError(104, "reset"))
    assert caplog.messages == ["Couldn't recv: ConnectionResetError(104, 'reset')"]
    # What the transport has to say about it could still be sent.
    assert b"connection aborted" in world.socket.sent[-1]
    assert world.transport.closed and world.socket.closed


def test_a_failing_write_ends_the_output(world, caplog):
    world.socket.takes = BrokenPipeError(32, "broken")
    world.connection.session().open()
    world.turn()
    assert caplog.messages == ["Couldn't send: BrokenPipeError(32, 'broken')"]
    assert world.transport.pending() < 0
    assert not world.socket.closed


def test_a_false_alarm_is_not_error(world):
    world.selectable.readable()
    world.turn()
    assert not world.transport.closed and world.selectable.reading


def test_garbage_is_answered_and_ends_the_connection(world):
    world.receive(b"garbage, not a frame")
    assert world.transport.condition.name == "amqp:connection:framing-error"
    assert b"amqp:connection:framing-error" in world.socket.sent[-1]
    assert world.transport.closed and world.socket.closed


def test_the_deadline_of_a_transport_is_that_of_its_selectable():
    world = World(idle_timeout=10)
    world.receive(AMQP_HEADER + OPEN)
    assert world.selectable.deadline == 1010.0
    world.container.timeout = 100
    world.turn()
    world.turn()
    # The socket is looked at once more, since a busy program may have left the peer's bytes in it.
    assert not world.transport.closed
    world.turn()
    # Nothing came for the whole time: the transport says so and is closed, in this very turn.
    assert b"local-idle-timeout expired" in world.socket.sent[-1]
    assert world.transport.condition == Condition("amqp:resource-limit-exceeded", "local-idle-timeout expired")
    assert world.socket.closed


def test_heartbeats_are_sent_in_time():
    world = World()
    # An open whose idle-time-out is 4000 milliseconds.
    fields = bytes.fromhex("a10040404070") + (4000).to_bytes(4, "big")
    world.receive(AMQP_HEADER + frame(b"\x00\x53\x10\xc0" + bytes([len(fields) + 1, 5]) + fields))
    del world.socket.sent[:]
    world.container.timeout = 1
    for _ in range(8):
        world.turn()
    empty = bytes.fromhex("0000000802000000")
    assert world.socket.sent == [empty] * 2


def test_a_transport_without_a_socket_is_not_business_of_the_handler():
    container = VirtualContainer()
    connection = container.connection()
    connection._acceptor = True
    Transport().bind(connection)
    connection.open()
    container.timeout = 1
    while container.process():
        pass
    assert connection.state & Connection.LOCAL_ACTIVE


def test_events_of_selectables_without_a_transport_are_left_alone():
    container = VirtualContainer()
    selectable = container.selectable(delegate=Socket())
    for method in (selectable.readable, selectable.writable, selectable.expired):
        method()
    container.process()
    assert not selectable.is_terminal


def test_a_handler_that_does_not_wait_announces_interests():
    container = Container()
    connection = container.connection()
    transport = Transport()
    transport.bind(connection)
    connection.open()
    sock = Socket()
    selectable = start_io(container, Driver(transport), sock)
    io = IOHandler()

    def told(event_type):
        event = Event(event_type, selectable)
        event.container = container
        dispatch(io, event_type.method, event)

    assert (selectable.reading, selectable.writing) == (True, True)
    told(Event.SELECTABLE_WRITABLE)
    assert (selectable.reading, selectable.writing) == (True, False)
    sock.incoming.append(AMQP_HEADER + OPEN)
    told(Event.SELECTABLE_READABLE)
    connection.session().open()
    event = Event(Event.TRANSPORT, transport)
    event.container = container
    io.on_transport(event)
    assert selectable.writing


class Quiet(MessagingHandler):
    """Makes many idle connections and one that is busy, and counts the connections that are asked."""

    def __init__(self, idle):
        super().__init__()
        self.idle = idle
        self.opened = 0
        self.received = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.url = f"127.0.0.1:{self.acceptor.port}"
        self.connections = [event.container.connect(self.url) for _ in range(self.idle)]

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 2 * self.idle:
            self.sender = event.container.create_sender(self.url + "/x")

    def asked(self, *args):
        raise AssertionError("an idle connection was asked for something")

    def on_sendable(self, event):
        if self.received < 50 and not event.sender.queued and not event.sender.unsettled:
            event.sender.send(Message())

    def on_message(self, event):
        self.received += 1

    def on_settled(self, event):
        if self.received == 10:
            self.watched = [connection.transport.driver for connection in self.connections]
            for driver in self.watched:
                driver.update_interests = driver.read_from = driver.write_to = self.asked
        if self.received < 50:
            event.sender.send(Message())
            return
        for driver in self.watched:
            del driver.update_interests, driver.read_from, driver.write_to
        for connection in [*self.connections, self.sender.connection]:
            connection.close()
        self.acceptor.close()


def test_idle_connections_cost_nothing():
    quiet = Quiet(20)
    run(quiet)
    assert quiet.received >= 50


def test_a_busy_connection_does_not_starve_the_others():
    class Greedy(MessagingHandler):
        sent_meanwhile = 0
        other = None

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.url = f"127.0.0.1:{self.acceptor.port}"
            self.sender = event.container.create_sender(self.url + "/x")

        def on_sendable(self, event):
            if self.other is None:
                self.other = event.container.connect(self.url)
                for _ in range(10):
                    self.sender.send(Message())

        def on_settled(self, event):
            # Each outcome is followed by a message: there is always something to read and to write.
            if event.sender is self.sender and not self.other.state & Connection.REMOTE_ACTIVE:
                self.sent_meanwhile += 1
                self.sender.send(Message())

        def on_connection_opened(self, event):
            if event.connection is self.other:
                self.acceptor.close()
                self.other.close()
                self.sender.connection.close()

    greedy = Greedy()
    run(greedy)
    # It opens in two turns, of ten messages each.
    assert 0 < greedy.sent_meanwhile <= 100


def test_debugging_shows_each_step(caplog):
    caplog.set_level(logging.DEBUG, "proton")

    class Short(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.connect(f"127.0.0.1:{self.acceptor.port}")

        def on_connection_opened(self, event):
            event.connection.close()
            self.acceptor.close()

    run(Short())
    assert "Connect trying first transport address: ('127.0.0.1'," in caplog.text
    assert "Connection succeeded" in caplog.text


def test_small_sends_are_not_held_back():
    seen = []

    class Looking(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.connect(f"127.0.0.1:{self.acceptor.port}")

        def on_connection_opened(self, event):
            selectable = event.transport.driver.watch
            seen.append(selectable.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            event.connection.close()
            self.acceptor.close()

    run(Looking())
    assert seen == [True, True]


def test_under_a_foreign_loop_the_socket_is_looked_at_before_a_peer_is_given_up():
    class Foreign(IOHandler):
        """Selectables belong to another loop: nothing is waited for here."""

        def on_selectable_init(self, event):
            pass

        on_selectable_updated = on_selectable_init

        def on_reactor_quiesced(self, event):
            event.reactor.yield_()

    container = VirtualContainer(global_handler=Foreign())
    connection = container.connection()
    connection._acceptor = True
    transport = Transport()
    transport.idle_timeout = 10
    transport.bind(connection)
    connection.open()
    sock = Socket()
    selectable = start_io(container, Driver(transport), sock)

    def turn(*happenings):
        for happening in happenings:
            happening()
        while container.process() and not container.quiesced:
            pass

    sock.incoming.append(AMQP_HEADER + OPEN)
    turn(selectable.readable, selectable.writable)
    # The program was busy for a long time, in which the peer has spoken.
    container.clock.now += 30
    sock.incoming.append(frame(b""))
    turn(selectable.expired)
    assert not transport.closed and selectable.deadline == container.clock.now + 10
    # Again, and it begins with something to send, not with the deadline.
    container.clock.now += 30
    sock.incoming.append(frame(b""))
    turn(connection.session().open)
    assert not transport.closed and selectable.writing
    container.clock.now += 30
    turn(selectable.expired, selectable.writable)
    assert transport.condition.description == "local-idle-timeout expired"


class Writes(MessagingHandler):
    """Sends one message when asked to, and notes the writes and what it was asked."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.global_handler.add(Beside(self.seen))
        event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/x")

    def on_selectable_writable(self, event):
        self.seen.append("writable")

    def on_sendable(self, event):
        if self.seen.count("sendable") < 3:
            self.seen.append("sendable")
            event.sender.send(Message())

    def on_accepted(self, event):
        event.connection.close()
        self.acceptor.close()


class Beside:
    """A child of the global handler."""

    def __init__(self, seen):
        self.seen = seen

    def on_selectable_writable(self, event):
        self.seen.append("beside")


def test_each_write_is_an_event_for_all_handlers():
    writes = Writes()
    run(writes)
    seen = [name for name in writes.seen if name != "sendable"]
    assert (
        len(seen) >= 8 and seen[::2] == ["writable"] * (len(seen) // 2) and seen[1::2] == ["beside"] * (len(seen) // 2)
    )


def test_a_write_does_not_wait_for_handlers():
    writes = Writes()
    run(writes)
    first = writes.seen.index("sendable")
    # The credit that is left after the first message is told of when that message is written.
    assert writes.seen[first : first + 4] == ["sendable", "writable", "beside", "sendable"]
