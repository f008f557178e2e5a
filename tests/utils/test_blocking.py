"""`BlockingConnection`: opening, waiting, closing, and what it raises."""

import contextlib
import gc
import threading
import time
import weakref

import pytest

from proton import ConnectionException, Message, Timeout, Url
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from proton.utils import BlockingConnection, ConnectionClosed, SendException, SyncRequestResponse
from proton.utils.sharing import SharedLoop
from tests.support.loops import SECONDS, authenticate, peer, read_to_end
from tests.support.programs import free_port
from tests.support.references import descriptors
from tests.support.server import serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def connection(server):
    made = BlockingConnection(server.url, timeout=SECONDS)
    yield made
    made.close()


def test_it_is_open_when_it_is_made(server, connection):
    assert connection.url == f"amqp://{server.url}"
    assert (connection.disconnected, connection.closing, connection.timeout) == (False, False, SECONDS)
    assert connection.conn.state == connection.conn.LOCAL_ACTIVE | connection.conn.REMOTE_ACTIVE


@pytest.mark.parametrize("timeout", [None, 0])
def test_a_minute_is_the_usual_time(server, timeout):
    made = BlockingConnection(Url(server.url), timeout=timeout)
    assert made.timeout == 60
    made.close()


def test_closing_lets_go_of_everything(server):
    connection = BlockingConnection(server.url)
    connection.close()
    assert (connection.conn, connection.container, connection.url) == (None, None, None)
    connection.close()
    with pytest.raises(ConnectionException, match=f"Connection amqp://{server.url} is closed"):  # not AttributeError
        connection.create_sender("x")


def test_a_handler_cannot_be_given():
    with pytest.raises(TypeError):
        BlockingConnection("h", handler=object())


def test_no_server_there():
    port = free_port()
    with pytest.raises(ConnectionException) as failure:
        BlockingConnection(f"127.0.0.1:{port}", timeout=SECONDS)
    assert str(failure.value) == (
        f"Connection amqp://127.0.0.1:{port} disconnected: "
        "Condition('proton.pythonio', 'Connection refused to all addresses')"
    )


def test_an_unknown_name():
    with pytest.raises(ConnectionException, match="cannot resolve no-such-host.invalid:amqp|no-such-host.invalid:5672"):
        BlockingConnection("no-such-host.invalid", timeout=SECONDS)


def test_a_password_is_not_shown():
    with pytest.raises(ConnectionException) as failure:
        BlockingConnection(f"me:secret@127.0.0.1:{free_port()}", timeout=SECONDS)
    assert "me@" in str(failure.value) and "secret" not in str(failure.value)


def test_a_server_that_does_not_answer():
    with peer(read_to_end) as place:
        begin = time.monotonic()
        with pytest.raises(Timeout, match=f"Connection amqp://{place.url} timed out: Opening connection"):
            BlockingConnection(place.url, timeout=0.2)
        assert time.monotonic() - begin < SECONDS / 2


def test_not_let_in(server):
    with pytest.raises(ConnectionException, match="amqp:unauthorized-access"):
        BlockingConnection(server.url, timeout=SECONDS, allowed_mechs="PLAIN", user="u")


def test_not_let_in_is_final_even_for_the_patient(server):
    begin = time.monotonic()
    with pytest.raises(ConnectionException, match="amqp:unauthorized-access"):
        BlockingConnection(server.url, timeout=SECONDS, allowed_mechs="PLAIN", user="u", reconnect=Backoff())
    assert time.monotonic() - begin < SECONDS / 2


def test_a_bad_url_raises_what_connect_raises():
    for url, error in (("h:nonsense", ValueError), ("", ConnectionException)):
        if url:
            with pytest.raises(error):
                BlockingConnection(url)


@pytest.mark.parametrize("timeout", [0, 0.05])
@pytest.mark.parametrize(("msg", "end"), [(None, "timed out"), ("hm", "timed out: hm")])
def test_waiting_in_vain(connection, timeout, msg, end):
    usual = connection.container.timeout
    with pytest.raises(Timeout) as failure:
        connection.wait(lambda: False, timeout=timeout, msg=msg)
    assert str(failure.value) == f"Connection {connection.url} {end}"
    assert connection.container.timeout == usual


def test_waiting_is_over_when_the_condition_is_met(connection):
    calls = []
    connection.container.timeout = 0.01
    connection.wait(lambda: calls.append(1) or len(calls) == 3, timeout=None)
    assert len(calls) == 3
    connection.wait(lambda: True, timeout=0)


def test_a_wait_is_not_longer_than_its_time(connection):
    class Ticking:
        """Makes the loop turn all the time."""

        def on_timer_task(self, event):
            event.container.schedule(0.01, self)

    ticking = Ticking()
    connection.container.schedule(0, ticking)
    begin = time.monotonic()
    with pytest.raises(Timeout):
        connection.wait(lambda: False, timeout=0.2)
    assert 0.2 <= time.monotonic() - begin < 0.35
    Ticking.on_timer_task = lambda self, event: None


def test_no_time_at_all_is_enough_for_what_is_there(server, connection):
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q", credit=10)
    for number in range(3):
        sender.send(Message(body=number))
    received = []
    deadline = time.monotonic() + SECONDS
    while len(received) < 3 and time.monotonic() < deadline:
        try:
            received.append(receiver.receive(timeout=0).body)
        except Timeout:
            continue
    assert received == [0, 1, 2]


def test_the_peer_closes_the_connection(connection):
    sender = connection.create_sender("q")
    with pytest.raises(ConnectionClosed) as failure:
        sender.send(Message(body="die"))
    error = failure.value
    assert str(error) == "Connection 127.0.0.1 closed due to: Condition('amqp:internal-error', 'dying')"
    assert (error.condition, error.connection) == ("amqp:internal-error", connection.conn)
    for operation in (
        lambda: sender.send(Message()),
        lambda: connection.create_sender("q"),
        lambda: connection.create_receiver("q"),
    ):
        with pytest.raises(ConnectionClosed, match="'amqp:internal-error', 'dying'"):
            operation()


def test_the_connection_is_lost(connection):
    sender = connection.create_sender("q")
    lost = "disconnected: Condition\\('amqp:connection:framing-error', 'connection aborted'\\)"
    for body in ("drop", "x"):
        with pytest.raises(ConnectionException, match=lost):
            sender.send(Message(body=body))
    with pytest.raises(ConnectionException, match=lost):
        connection.create_receiver("q")
    assert connection.disconnected.name == "amqp:connection:framing-error"


def test_closing_when_the_peer_does_not_answer():
    def conversation(sock):
        authenticate(sock)
        read_to_end(sock)

    before = descriptors()
    with peer(conversation) as place:
        connection = BlockingConnection(place.url, timeout=0.3)
        with pytest.raises(Timeout, match="Closing connection"):
            connection.close()
    assert connection.container is None
    assert descriptors() <= before


def test_closing_after_a_loss(connection):
    sender = connection.create_sender("q")
    with pytest.raises(ConnectionException):
        sender.send(Message(body="drop"))
    connection.close()


def test_an_error_of_a_handler_while_closing_comes_out_and_everything_is_let_go(server):
    class Raising(MessagingHandler):
        def on_link_closed(self, event):
            raise ZeroDivisionError

    connection = BlockingConnection(server.url, timeout=SECONDS)
    receiver = connection.create_receiver("q", handler=Raising())
    receiver.link.close()
    with pytest.raises(ZeroDivisionError):
        connection.close()
    assert (connection.conn, connection.container) == (None, None)
    connection.close()


def test_nothing_is_left_after_close_or_failure(server):
    """No object of a connection outlives it, whatever way it ended."""
    port = free_port()
    kept = []

    def used(body):
        connection = BlockingConnection(server.url, timeout=SECONDS)
        container = connection.container
        sender, receiver = connection.create_sender("left"), connection.create_receiver("left", credit=2)
        client = SyncRequestResponse(connection, "service")
        assert client.call(Message(body="x")).body == "x"
        kept.extend(map(weakref.ref, (connection, container, connection.conn, connection.conn.transport)))
        kept.extend(map(weakref.ref, (sender, receiver, sender.link, receiver.link, receiver.fetcher, client)))
        with contextlib.suppress(ConnectionException, SendException):
            sender.send(Message(body=body))
        connection.close()

    def refused():
        container = Container()
        kept.append(weakref.ref(container))
        with pytest.raises(ConnectionException):
            BlockingConnection(f"127.0.0.1:{port}", container=container, timeout=SECONDS)

    BlockingConnection(server.url).close()
    before = descriptors()
    for body in ("reject", "die", "drop", "x"):
        used(body)
    refused()
    deadline = time.monotonic() + SECONDS
    # A collection that the server's thread has begun lets ours return with nothing done, and the server closes its
    # ends in its own time.
    while (any(reference() for reference in kept) or descriptors() > before) and time.monotonic() < deadline:
        gc.collect()
    assert [reference() for reference in kept] == [None] * len(kept)
    assert descriptors() <= before


def test_no_descriptor_is_left(server):
    BlockingConnection(server.url).close()
    refusing = f"127.0.0.1:{free_port()}"
    before = descriptors()
    for _ in range(5):
        connection = BlockingConnection(server.url)
        connection.create_sender("q").send(Message())
        connection.close()
        with pytest.raises(ConnectionException):
            BlockingConnection(refusing)
    assert descriptors() <= before + 5  # what the server has not closed yet


def test_a_container_may_be_shared(server):
    container = Container()
    first = BlockingConnection(server.url, container=container)
    second = BlockingConnection(server.url, container=container)
    second.create_sender("q").send(Message(body="x"))
    assert first.create_receiver("q").receive(timeout=SECONDS).body == "x"
    assert first.container is second.container is container
    # Closing one waits for all that the container does.
    second.conn.close()
    first.close()
    second.container = second.conn = None


def test_each_thread_may_close_its_own_connection_of_a_container(server):
    container = Container()
    connections = [BlockingConnection(server.url, container=container, timeout=SECONDS) for _ in range(3)]
    bodies = []

    def work(number, connection):
        # The first one to end waits for the others, which are still at work.
        for count in range(number * 5):
            connection.create_sender(f"own-{number}").send(Message(body=count))
            bodies.append(connection.create_receiver(f"own-{number}").receive(timeout=SECONDS).body)
        connection.close()

    threads = [
        threading.Thread(target=work, args=(number, connection), daemon=True)
        for number, connection in enumerate(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert [connection.container for connection in connections] == [None] * 3
    assert sorted(bodies) == sorted([*range(5), *range(10)])


def test_what_a_handler_raises_while_one_is_closed_does_not_end_the_other(server):
    class Raising:
        def on_timer_task(self, event):
            raised.set()
            raise LookupError("told to the one that is being closed")

    def close():
        with pytest.raises(LookupError, match="told to"):
            first.close()
        told.append(True)

    raised, told = threading.Event(), []
    container = Container()
    first, second = (BlockingConnection(server.url, container=container, timeout=SECONDS) for _ in range(2))
    closing = threading.Thread(target=close, daemon=True)
    with SharedLoop.of(container).lock:
        container.schedule(0.05, Raising())
        closing.start()
    assert raised.wait(SECONDS)
    second.create_sender("still").send(Message(body="here"))
    assert second.create_receiver("still").receive().body == "here"
    second.close()
    closing.join(SECONDS)
    assert told == [True]


def test_a_container_that_a_handler_stops_is_not_waited_for(connection):
    class Stopping(MessagingHandler):
        def on_timer_task(self, event):
            event.container.stop()

    connection.container.schedule(0, Stopping())
    with pytest.raises(ConnectionException, match="has ended: its container was stopped"):
        connection.wait(lambda: False)


def test_closing_from_a_callback_is_done_once(server):
    class Closing(MessagingHandler):
        messages = 0

        def on_message(self, event):
            self.messages += 1
            connection.close()

    connection = BlockingConnection(server.url, timeout=SECONDS)
    connection.create_sender("close").send(Message())
    closing = Closing()
    with pytest.raises(ConnectionException, match="is closed"):  # as for every operation on a connection that is closed
        connection.create_receiver("close", handler=closing)
        connection.wait(lambda: False)
    assert connection.container is None and connection.conn is None


def test_a_connection_closed_by_two_threads_is_closed_once(server):
    connection = BlockingConnection(server.url, timeout=SECONDS)
    threads = [threading.Thread(target=connection.close, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert connection.container is None


def test_threads_may_share_a_connection(server, connection):
    received = []

    def work(number):
        sender = connection.create_sender(f"queue-{number}")
        receiver = connection.create_receiver(f"queue-{number}")
        for count in range(20):
            sender.send(Message(body=(number * 100 + count)))
            received.append(receiver.receive(timeout=SECONDS).body)
            receiver.accept()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(received) == sorted(number * 100 + count for number in range(4) for count in range(20))


def test_the_configuration_file_is_used_without_a_url(server, tmp_path, monkeypatch):
    file = tmp_path / "connect.json"
    file.write_text(f'{{"scheme": "amqp", "host": "127.0.0.1", "port": {server.port}}}')
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(file))
    connection = BlockingConnection(timeout=SECONDS)
    assert connection.url == f"amqp://127.0.0.1:{server.port}"
    connection.close()
