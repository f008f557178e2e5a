"""Connections that are lost and come back, over real sockets."""

import logging
import socket
import struct

import pytest

from proton import Condition, Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from tests.support.loops import (
    Recorder,
    authenticate,
    frame,
    in_thread,
    peer,
    read_to_end,
    receive_frame,
    run,
    watchdog,
)


def close_frame(condition):
    """A close with an error (2.7.9)."""
    symbol = b"\xa3" + bytes([len(condition)]) + condition
    error = b"\x00\x53\x1d\xc0" + bytes([len(symbol) + 1]) + b"\x01" + symbol
    return frame(b"\x00\x53\x18\xc0" + bytes([len(error) + 1]) + b"\x01" + error)


class Dropping(Recorder):
    """Talks to itself; the accepting side drops the connection `drops` times."""

    def __init__(self, drops, **options):
        super().__init__()
        self.drops = drops
        self.options = options
        self.credits = []
        self.received = []
        self.sent = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", **self.options)
        self.sender = event.container.create_sender(self.connection, "queue")

    def on_sendable(self, event):
        self.credits.append(event.sender.credit)
        if not self.sent:
            self.sent = 1
            event.sender.send(Message(body="x"))

    def on_disconnected(self, event):
        self.sent = 0

    def on_message(self, event):
        self.received.append(event.message.body)
        if self.drops:
            self.drops -= 1
            event.transport.close_head()
            event.transport.close_tail()

    def on_accepted(self, event):
        self.acceptor.close()
        event.connection.close()


OPENING = ["C connection_opened", "C session_opened", "C link_opened", "C sendable"]


def client_calls(recorder):
    return [call for call in recorder.calls if call.startswith("C")]


def test_everything_is_made_again():
    dropping = Dropping(2)
    run(dropping)
    assert dropping.received == ["x", "x", "x"]
    calls = client_calls(dropping)
    lost = ["C disconnected"]
    assert calls == [
        *(OPENING + ["C sendable"] + lost) * 2,
        *OPENING,
        "C sendable",
        "C accepted",
        "C settled",
        "C connection_closed",
    ]


def test_credit_begins_anew():
    dropping = Dropping(2)
    run(dropping)
    assert dropping.credits == [10, 9] * 3


def test_start_is_not_repeated_and_the_error_has_no_connection():
    dropping = Dropping(1)
    run(dropping)
    # One for each end.
    assert dropping.calls.count("- transport_error") == 2
    assert "C transport_error" not in dropping.calls


def test_unsettled_deliveries_stay_with_the_application():
    dropping = Dropping(1)
    run(dropping)
    assert dropping.sender.unsettled == 1


class Once:
    """An older kind of delays, which must begin anew after each success."""

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1

    def next(self):
        return 0


@pytest.mark.parametrize("reconnect", [Backoff(max_tries=1), [0], Once()], ids=["backoff", "list", "object"])
def test_the_delays_begin_anew_after_a_success(reconnect):
    class Settling(Dropping):
        """The connection carries a settled delivery before it is dropped."""

        def on_message(self, event):
            self.received.append(event.message.body)

        def on_accepted(self, event):
            if not self.drops:
                super().on_accepted(event)
                return
            self.drops -= 1
            event.transport.close_head()
            event.transport.close_tail()

    dropping = Settling(4, reconnect=reconnect)
    run(dropping)
    assert dropping.received == ["x"] * 5


def test_the_delays_do_not_begin_anew_without_a_settled_delivery():
    # Each success began them anew before: a peer that opens and closes at once was called without end.
    dropping = Dropping(4, reconnect=[0])
    dropping.on_gave_up = lambda event: (dropping.acceptor.close(), dropping.received.append(event.reason))
    run(dropping)
    assert dropping.received[:2] == ["x", "x"]
    assert dropping.received[2].startswith("no attempt is left: amqp:connection:framing-error")


def test_a_used_up_iterator_does_not_begin_anew():
    dropping = Dropping(4, reconnect=iter([0, 0.01]))
    dropping.on_gave_up = lambda event: (dropping.acceptor.close(), dropping.received.append(event.reason))
    run(dropping)
    # The first attempt has taken one of the two.
    assert dropping.received[:2] == ["x", "x"]
    assert dropping.received[2].startswith("no attempt is left") and len(dropping.received) == 3


def test_without_reconnection_the_container_ends():
    dropping = Dropping(1, reconnect=False)
    inner = dropping.on_transport_error

    def on_transport_error(event):
        inner(event)
        dropping.acceptor.close()

    dropping.on_transport_error = on_transport_error
    run(dropping)
    assert client_calls(dropping).count("C disconnected") == 1
    assert dropping.connection.state & Endpoint.LOCAL_ACTIVE


def test_the_next_place_is_tried_when_one_is_lost():
    class Client(Recorder):
        hosts = []

        def on_connection_opened(self, event):
            self.hosts.append(event.connection.url.host)
            event.connection.close()

    with peer(
        lambda sock: (authenticate(sock), receive_frame(sock), sock.sendall(frame(b"\x00\x53\x18\x45")))
    ) as place:
        client = Client()
        container = Container(client)
        with socket.create_server(("127.0.0.1", 0)) as unused:
            dead = unused.getsockname()[1]
        container.connect(urls=[f"127.0.0.2:{dead}", f"127.0.0.1:{place.port}"])
        with watchdog(container):
            container.run()
    assert client.hosts == ["127.0.0.1"]


def test_after_a_success_the_places_are_tried_from_the_first(caplog):
    """However far the attempts had come: the first place at once, then the next."""

    class Client(MessagingHandler):
        opened = 0

        def on_connection_opened(self, event):
            self.opened += 1
            if self.opened == 3:
                event.connection.close()

    caplog.set_level(logging.INFO, "proton")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = f"amqp://127.0.0.1:{unused.getsockname()[1]}"
    with peer(authenticate, authenticate, served) as place:
        container = Container(Client())
        container.connect(urls=[dead, place.url], reconnect=[0, 0.01, 0.02])
        with watchdog(container):
            container.run()
    places = {f"Connecting to Url('{dead}')...": "dead", f"Connecting to Url('amqp://{place.url}')...": "alive"}
    lines = [places.get(line, line) for line in caplog.messages if line.startswith(("Connecting", "Disconnected"))]
    at_once = "Disconnected, reconnecting immediately..."
    later = "Disconnected will try to reconnect after 0.01 seconds"
    first = ["dead", at_once, "alive", at_once, "dead", at_once, "alive"]
    # The second loss comes without progress, so that the delays go on.
    assert lines == [*first, later, "dead", later, "alive", "Disconnected, already closed"]


def closed_by_force(sock):
    authenticate(sock)
    sock.sendall(close_frame(b"amqp:connection:forced"))
    read_to_end(sock)


def served(sock):
    authenticate(sock)
    while receive_frame(sock)[:3] != b"\x00\x53\x18":
        pass
    sock.sendall(frame(b"\x00\x53\x18\x45"))


class Forced(Recorder):
    def __init__(self):
        super().__init__()
        self.reasons = []
        self.opened = 0

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 2:
            event.connection.close()

    def on_disconnected(self, event):
        self.reasons.append((event.transport.condition, event.connection.remote_condition))


def test_a_forced_close_leads_to_a_new_connection():
    client = Forced()
    with peer(closed_by_force, served) as place:
        container = Container(client)
        container.connect(place.url)
        with watchdog(container):
            container.run()
    assert client.calls == [
        "C connection_opened",
        "C connection_error",
        "C disconnected",
        "C connection_opened",
        "C connection_closed",
    ]
    assert client.reasons == [(None, Condition("amqp:connection:forced"))]


def test_a_forced_close_ends_a_connection_that_is_not_to_come_back():
    client = Forced()
    with peer(closed_by_force) as place:
        container = Container(client)
        container.connect(place.url, reconnect=False)
        with watchdog(container):
            container.run()
    assert client.calls == ["C connection_opened", "C connection_error", "C connection_closed"]


@pytest.mark.parametrize("condition", [b"amqp:not-found", b"amqp:not-allowed"])
def test_another_error_of_the_peer_ends_the_connection(condition):
    def conversation(sock):
        authenticate(sock)
        sock.sendall(close_frame(condition))
        read_to_end(sock)

    client = Recorder()
    with peer(conversation) as place:
        container = Container(client)
        container.connect(place.url)
        with watchdog(container):
            container.run()
    assert client.calls == ["C connection_opened", "C connection_error", "C connection_closed"]


def reset(sock):
    authenticate(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("end", [authenticate, reset], ids=["eof", "reset"])
def test_a_lost_socket_leads_to_a_new_connection(end):
    class Client(Recorder):
        def on_connection_opened(self, event):
            self.opened = getattr(self, "opened", 0) + 1
            if self.opened == 2:
                event.connection.close()

    client = Client()
    with peer(end, served) as place:
        container = Container(client)
        container.connect(place.url)
        with watchdog(container):
            container.run()
    assert client.calls.count("C disconnected") == 1
    assert client.calls[-2:] == ["C connection_opened", "C connection_closed"]


def test_a_silent_peer_is_noticed_within_the_heartbeat():
    class Client(Recorder):
        def on_start(self, event):
            self.begin = event.container.now
            event.container.connect(place.url, heartbeat=0.2, reconnect=False)

        def on_transport_error(self, event):
            self.condition = event.transport.condition

        def on_transport_closed(self, event):
            self.took = event.container.now - self.begin

    client = Client()

    def silent(sock):
        authenticate(sock)
        client.last = read_to_end(sock)

    with peer(silent) as place:
        run(client)
    assert client.condition == Condition("amqp:resource-limit-exceeded", "local-idle-timeout expired")
    assert client.calls == ["C connection_opened", "C transport_error", "C disconnected"]
    # The close frame goes out in the same turn, not one time-out later.
    assert b"local-idle-timeout expired" in client.last
    assert 0.2 <= client.took < 0.35


def test_heartbeats_keep_an_idle_connection_alive():
    class Idle(MessagingHandler):
        errors = []

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", heartbeat=0.2)
            event.container.schedule(0.7, self)

        def on_timer_task(self, event):
            self.frames = self.connection.transport.frames_input
            self.connection.close()
            self.acceptor.close()

        def on_transport_error(self, event):
            self.errors.append(event.transport.condition)

    idle = Idle()
    run(idle)
    assert idle.errors == []
    assert idle.frames >= 5


def test_a_reconnecting_client_finds_a_server_that_starts_late():
    class Client(MessagingHandler):
        opened = 0

        def on_connection_opened(self, event):
            self.opened += 1
            event.connection.close()

    class Server(MessagingHandler):
        def on_connection_closed(self, event):
            self.acceptor.close()

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client, server = Client(), Server()
    container = Container(client)
    container.connect(f"127.0.0.1:{port}", reconnect=[0.02] * 200)

    class Refused:
        def on_transport_error(self, event):
            if not late:
                late.append(in_thread(listening))
                server.acceptor = listening.listen(f"127.0.0.1:{port}")
                late[0].__enter__()

    late = []
    listening = Container(server)
    container.handler.add(Refused())
    with watchdog(container):
        container.run()
    late[0].__exit__(None, None, None)
    assert client.opened == 1
