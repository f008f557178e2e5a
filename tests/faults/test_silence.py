"""Peers that are there and say nothing: half-open connections, silent ones, places where not even a connect ends."""

import contextlib
import socket

import pytest

from proton import Condition, ConnectionException, Endpoint, Message, Timeout
from proton.reactor import Backoff, Container
from proton.utils import BlockingConnection
from tests.support.loops import SECONDS, Recorder, authenticate, peer, read_to_end, run, watchdog
from tests.support.proxy import DOWN, UP, Fault, Proxy
from tests.support.resending import Once, Resending
from tests.support.server import serving

SILENT = Condition("amqp:resource-limit-exceeded", "local-idle-timeout expired")
LOST = ["C transport_error", "C disconnected"]
OPENING = ["C connection_opened", "C session_opened", "C link_opened"]


class Talk(Resending):
    """Sends through a proxy to itself; `patience` is the server's idle time-out."""

    def __init__(self, faults, patience=None, **options):
        super().__init__(None, 3, "x", **options)
        self.faults = faults
        self.patience = patience
        self.once = Once()

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.proxy = self.stack.enter_context(Proxy(self.acceptor.port, self.faults))
        self.url = self.proxy.url
        super().on_start(event)

    def on_connection_bound(self, event):
        if self.patience and getattr(event.connection, "_acceptor", None):
            event.transport.idle_timeout = self.patience

    def on_transport_error(self, event):
        super().on_transport_error(event)
        if event.transport.condition == SILENT:
            # The other end has not noticed, and need not any more.
            self.proxy.strike("cut")

    def on_message(self, event):
        self.once.take(event.message)

    def done(self, event):
        super().done(event)
        self.acceptor.close()

    def run(self):
        with contextlib.ExitStack() as self.stack:
            run(self)
        assert self.once.numbers == self.accepted == {0, 1, 2}
        return [call for call in self.calls if call[2:] not in ("sendable", "accepted", "settled", "message")]


@pytest.mark.parametrize(
    ("fault", "opened"),
    [
        (Fault("silence", UP, after=0), 0),
        (Fault("silence", UP, frame="open"), 0),
        (Fault("silence", DOWN, frame="open", offset=None), 1),
        (Fault("silence", UP, frame="transfer"), 3),
        (Fault("silence", DOWN, frame="disposition"), 3),
    ],
    ids=["from the start", "before open", "after open", "before a message", "before its outcome"],
)
def test_a_client_notices_a_silent_peer_by_its_heartbeat(fault, opened):
    talk = Talk([fault], heartbeat=0.25)
    calls = [call for call in talk.run() if call[0] == "C"]
    assert calls == [*OPENING[:opened], *LOST, *OPENING, "C connection_closed"]
    assert talk.errors[0] == SILENT


@pytest.mark.parametrize("frame", ["attach", "transfer"])
def test_a_server_notices_a_silent_client_by_its_idle_timeout(frame):
    # The client has no heartbeat of its own.
    talk = Talk([Fault("silence", UP, frame=frame)], patience=0.25)
    server = [call for call in talk.run() if call[0] == "S"]
    end = server.index("S disconnected")
    assert server[end - 1 : end + 1] == ["S transport_error", "S disconnected"]
    assert server[-2:] == ["S connection_closing", "S connection_closed"]


def test_an_idle_connection_stays_up_by_heartbeats_both_ways():
    class Idle(Talk):
        def on_connection_opened(self, event):
            if event.connection is self.connection:
                event.container.schedule(1.0, self)

        def send(self):
            if hasattr(self, "rested"):
                super().send()

        def on_timer_task(self, event):
            self.rested = True
            self.send()

    talk = Idle([], patience=0.3, heartbeat=0.3)
    assert "C disconnected" not in talk.run() and talk.errors == []


def say_nothing(sock):
    read_to_end(sock)


def test_a_peer_that_accepts_and_says_nothing_is_left_after_the_heartbeat():
    client = Recorder()
    with peer(say_nothing) as place:
        container = Container(client)
        container.connect(place.url, heartbeat=0.2, reconnect=False)
        with watchdog(container):
            container.run()
    assert client.calls == LOST


@pytest.mark.parametrize(
    "said", [say_nothing, lambda sock: (authenticate(sock), read_to_end(sock))], ids=["no", "open"]
)
def test_a_close_without_an_answer_ends_with_the_heartbeat(said):
    class Closing(Recorder):
        def on_start(self, event):
            self.connection = event.container.connect(place.url, heartbeat=0.2)
            self.connection.close()

    with peer(said) as place:
        client = run_to_end(Closing())
    assert "C disconnected" not in client.calls and "C connection_closed" not in client.calls
    assert client.connection.state & Endpoint.LOCAL_CLOSED


def run_to_end(handler):
    run(handler)
    return handler


def test_blocking_operations_time_out_when_the_peer_falls_silent():
    with serving() as server, Proxy(server.port, [Fault("silence", frame="transfer")]) as proxy:
        connection = BlockingConnection(proxy.url, timeout=SECONDS)
        sender = connection.create_sender("q")
        with pytest.raises(Timeout, match="Sending on sender"):
            sender.send(Message(body="x"), timeout=0.2)
        connection.timeout = 0.2
        with pytest.raises(Timeout, match="Closing connection"):
            connection.close()
        assert connection.container is None


def test_blocking_with_a_heartbeat_raises_what_happened():
    with serving() as server, Proxy(server.port, [Fault("silence", frame="transfer")]) as proxy:
        connection = BlockingConnection(proxy.url, timeout=SECONDS, heartbeat=0.3)
        sender = connection.create_sender("q")
        with pytest.raises(ConnectionException, match="local-idle-timeout expired"):
            sender.send(Message(body="x"))
        connection.close()


@contextlib.contextmanager
def black_hole():
    """A place where connecting never comes to an end: its queue of callers is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            caller = stack.enter_context(socket.socket())
            caller.settimeout(0.1)
            try:
                caller.connect(listener.getsockname())
            except (socket.timeout, BlockingIOError):
                break
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def refused():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"127.0.0.1:{unused.getsockname()[1]}"


class Arriving(Recorder):
    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.errors = []

    def on_start(self, event):
        self.connection = event.container.connect(**self.options)

    def on_connection_opened(self, event):
        self.arrived = str(event.connection.url.port)
        event.connection.close()

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition.description)


def test_dead_places_of_a_list_are_passed_over():
    with serving() as server, black_hole() as hole, peer(say_nothing) as mute:
        places = [refused(), hole, mute.url, "no-such-host.invalid:5672", server.url]
        client = run_to_end(Arriving(urls=places, heartbeat=0.3))
    assert client.arrived == str(server.port)
    reasons = ["Connection refused", "Connection timed out", "local-idle-timeout expired", "cannot resolve"]
    assert len(client.errors) == 4
    for reason, error in zip(reasons, client.errors):
        assert reason in error
    assert client.calls.count("C disconnected") == 1


def test_blocking_passes_over_dead_places_of_a_list():
    with serving() as server, black_hole() as hole, peer(say_nothing) as mute:
        places = [hole, refused(), mute.url, "no-such-host.invalid:5672", server.url]
        connection = BlockingConnection(urls=places, heartbeat=0.3, timeout=SECONDS)
        connection.create_sender("q").send(Message())
        connection.close()


def test_a_connect_that_does_not_end_gives_way_to_other_places(monkeypatch):
    monkeypatch.setattr("proton.connector.CONNECT_TIMEOUT", 0.2)
    with serving() as server, black_hole() as hole:
        client = run_to_end(Arriving(urls=[hole, server.url]))
        connection = BlockingConnection(urls=[hole, server.url], timeout=SECONDS)
        connection.close()
    assert client.arrived == str(server.port)


def test_a_connect_that_does_not_end_counts_as_a_failure_once_the_heartbeat_is_over():
    with black_hole() as hole:
        client = run_to_end(Arriving(url=hole, heartbeat=0.2, reconnect=False))
        assert client.calls == ["C transport_error", "C disconnected"]
        assert client.errors == [f"cannot connect to {hole}: Connection timed out"]
        with pytest.raises(ConnectionException, match="Connection timed out"):
            BlockingConnection(hole, heartbeat=0.2, timeout=SECONDS)


def test_closing_gives_up_a_connect_that_does_not_end():
    class Closing(Arriving):
        def on_start(self, event):
            super().on_start(event)
            event.container.schedule(0.1, self)

        def on_timer_task(self, event):
            self.connection.close()

    with black_hole() as hole:
        client = run_to_end(Closing(url=hole))
        assert [call for call in client.calls if call != "- transport_error"] == []
        with pytest.raises(Timeout, match="Opening connection"):
            BlockingConnection(hole, timeout=0.2, reconnect=Backoff())
