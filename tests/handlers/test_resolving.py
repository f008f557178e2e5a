"""Host names are resolved in a thread: a slow resolver delays its own connection, and nothing else."""

import gc
import socket
import threading
import time
import weakref

import pytest

from proton import ConnectionException, Timeout
from proton.handlers import IOHandler, MessagingHandler, PythonIO
from proton.io import sockets
from proton.reactor import Container
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.reactor.test_foreign_loop import Adaptor, drive
from tests.support.event_loops import Asyncio, Tornado
from tests.support.loops import SECONDS, authenticate, peer, receive_frame, run, watchdog

#: seconds that the slow resolver takes
SLOW = 3.0


class SlowResolver:
    """Answers when `answer` is called, or after `SLOW` seconds; `asked` has hosts and the threads it was asked in."""

    def __init__(self, port=0):
        self.port = port
        self.asked = []
        self.called = threading.Event()
        self.answered = threading.Event()

    def __call__(self, host, port):
        if sockets.is_address(host):
            return sockets.resolve(host, port)
        self.asked.append((host, threading.current_thread()))
        self.called.set()
        self.answered.wait(SLOW)
        return [sockets.Address(socket.AF_INET, ("127.0.0.1", self.port))]

    def answer(self):
        self.answered.set()


@pytest.fixture
def resolver(monkeypatch):
    slow = SlowResolver()
    monkeypatch.setattr(IOHandler, "resolve", staticmethod(slow))
    yield slow
    slow.answer()
    for _, thread in slow.asked:
        if thread is not threading.current_thread():
            thread.join(SECONDS)


def until_close(sock):
    """A peer that is connected to, and leaves when it hears the close."""
    authenticate(sock)
    receive_frame(sock)


class Client(MessagingHandler):
    def __init__(self, url="slow:5", **options):
        super().__init__()
        self.url = url
        self.options = {"reconnect": False, **options}
        self.opened = self.errors = 0

    def on_start(self, event):
        self.connection = event.container.connect(self.url, **self.options)

    def on_connection_opened(self, event):
        self.opened += 1
        event.connection.close()

    def on_transport_error(self, event):
        self.errors += 1
        self.description = event.transport.condition.description


class Ticking:
    """Fires each 50 ms; `late` is by how much at most."""

    def __init__(self, until):
        self.until = until
        self.late = self.fired = 0

    def on_timer_task(self, event):
        container = event.container
        self.late = max(self.late, container.mark() - self.due)
        self.fired += 1
        if not self.until():
            self.start(container)

    def start(self, container):
        self.due = container.mark() + 0.05
        container.schedule(0.05, self)


def test_a_resolver_of_three_seconds_delays_no_timer(resolver):
    with peer(until_close) as place:
        resolver.port = place.port
        client = Client()
        container = Container(client)
        ticking = Ticking(lambda: client.opened)
        ticking.start(container)
        start = time.monotonic()
        with watchdog(container):
            container.run()
    assert client.opened == 1 and SLOW <= time.monotonic() - start < SLOW + 2
    assert ticking.fired > 10 and ticking.late < 0.2
    [(host, thread)] = resolver.asked
    assert host == "slow" and thread is not threading.current_thread() and thread.daemon


def test_other_connections_work_while_a_name_is_resolved(resolver):
    with Broker() as broker:
        container = Container()
        pending = container.connect("slow:5", reconnect=False)
        connection = BlockingConnection(broker.url, container=container, timeout=SECONDS)
        assert connection.create_sender("q").link.state & connection.conn.REMOTE_ACTIVE
        pending.close()
        connection.close()


def test_a_blocking_connection_does_not_wait_longer_than_its_time_for_a_name(resolver):
    start = time.monotonic()
    with pytest.raises((Timeout, ConnectionException), match="slow"):
        BlockingConnection("slow:5", timeout=1)
    assert 0.9 < time.monotonic() - start < 1.5


def test_a_connection_that_is_closed_forgets_the_resolution(resolver):
    class Closing(Client):
        def on_start(self, event):
            super().on_start(event)
            event.container.schedule(0.05, self)

        def on_timer_task(self, event):
            self.connection.close()

    client = Closing()
    start = time.monotonic()
    run(client)
    assert resolver.called.is_set() and time.monotonic() - start < SLOW / 2
    assert client.opened == 0


def test_each_reconnect_resolves_in_a_thread(monkeypatch):
    asked = []

    def resolve(host, port):
        asked.append(threading.current_thread())
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(IOHandler, "resolve", staticmethod(resolve))
    client = Client(reconnect=[0, 0.01])
    run(client)
    assert client.errors == len(asked) == 2 and threading.current_thread() not in asked
    assert client.description == "cannot resolve slow:5: try again"


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), KeyError()])
def test_whatever_a_resolver_raises_fails_its_connection_alone(monkeypatch, error):
    def resolve(host, port):
        raise error

    monkeypatch.setattr(IOHandler, "resolve", staticmethod(resolve))
    client = Client()
    run(client)
    assert client.errors == 1
    assert client.description == f"cannot resolve slow:5: {str(error) or type(error).__name__}"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[fe80::1%lo]"])
def test_an_address_needs_no_thread(monkeypatch, host):
    asked = []

    def resolve(host, port):
        asked.append(threading.current_thread())
        return []

    monkeypatch.setattr(IOHandler, "resolve", staticmethod(resolve))
    run(Client(f"{host}:5"))
    assert asked == [threading.current_thread()]


def test_a_program_may_have_names_resolved_in_its_own_thread(monkeypatch):
    asked = []

    class Own(IOHandler):
        resolves_in_thread = False

        def resolve(self, host, port):
            asked.append((host, threading.current_thread()))
            return []

    run(Client(), global_handler=Own())
    assert asked == [("slow", threading.current_thread())]


def test_another_place_is_tried_when_the_resolver_takes_too_long(resolver):
    """The limit is that of a connect: the heartbeat, or ten seconds where there are other places."""
    client = Client(heartbeat=0.1)
    start = time.monotonic()
    run(client)
    assert client.description == "cannot resolve slow:5: the resolver has not answered in time"
    assert time.monotonic() - start < SLOW / 2


@pytest.mark.parametrize("under", [Asyncio, Tornado])
def test_under_another_loop(resolver, under):
    under_test = under()
    with peer(until_close) as place:
        resolver.port = place.port
        client = Client()
        timer = threading.Timer(0.1, resolver.answer)
        timer.start()
        under_test.run(lambda: [client])
        timer.join(SECONDS)
    assert client.opened == 1 and under_test.left == []


@pytest.mark.parametrize("how", ["adaptor", "PythonIO"])
def test_under_a_loop_that_knows_selectables_alone(resolver, how):
    """Adaptors that were written for 0.40 watch no waker."""
    with peer(until_close) as place:
        resolver.port = place.port
        client = Client()
        adaptor = Adaptor() if how == "adaptor" else PythonIO()
        container = Container(client, global_handler=adaptor)
        timer = threading.Timer(0.1, resolver.answer)
        timer.start()
        if how == "adaptor":
            drive(container, adaptor)
        else:
            with watchdog(container):
                container.run()
        timer.join(SECONDS)
    assert client.opened == 1


def test_no_thread_and_no_socket_can_be_had(monkeypatch):
    def no_socket():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", no_socket)
    monkeypatch.setattr("proton.io.poller.Waker.fileno", lambda self: -1)
    client = Client()
    run(client)
    assert client.description == "cannot resolve slow:5: Too many open files"
    monkeypatch.undo()

    def no_thread(self):
        raise RuntimeError("can't start new thread")

    client = Client()
    with monkeypatch.context() as patch:
        patch.setattr("proton.io.resolving.threading.Thread.start", no_thread)
        container = Container(client)
        container.run()
    assert client.description == "cannot resolve slow:5: can't start new thread"


def test_a_container_that_is_dropped_meanwhile_is_not_kept_by_the_thread(resolver):
    container = Container(Client())
    container.start()
    for _ in range(3):
        container.timeout = 0
        container.process()
    assert resolver.called.wait(SECONDS)
    reference = weakref.ref(container)
    del container
    gc.collect()
    assert reference() is None
