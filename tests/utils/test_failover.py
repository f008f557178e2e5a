"""Blocking connections that come back, and those that are kept up while the program works."""

import socket
import threading
import time

import pytest

from proton import ConnectionException, Message, Timeout
from proton.reactor import Backoff
from proton.utils import BlockingConnection, LinkDetached
from tests.support.loops import SECONDS
from tests.support.server import serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


def dead():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"127.0.0.1:{unused.getsockname()[1]}"


def test_the_first_place_that_answers_is_taken(server):
    connection = BlockingConnection(urls=[dead(), dead(), server.url], timeout=SECONDS)
    assert connection.url == f"amqp://{server.url}"
    assert connection.disconnected is False
    connection.create_sender("q").send(Message())
    connection.close()


def test_when_no_place_answers_each_was_tried_once():
    begin = time.monotonic()
    with pytest.raises(ConnectionException, match="Connection refused to all addresses"):
        BlockingConnection(urls=[dead(), dead()], timeout=SECONDS)
    assert time.monotonic() - begin < SECONDS / 2


def test_patience_ends_with_the_delays():
    with pytest.raises(ConnectionException, match="Connection refused to all addresses"):
        BlockingConnection(dead(), reconnect=[0, 0.01, 0.01], timeout=SECONDS)


@pytest.mark.parametrize("reconnect", [Backoff(), True], ids=["Backoff", "True"])
def test_patience_ends_with_the_time(reconnect):
    begin = time.monotonic()
    with pytest.raises(ConnectionException, match="Connection refused to all addresses"):
        BlockingConnection(dead(), reconnect=reconnect, timeout=0.4)
    assert 0.4 <= time.monotonic() - begin < SECONDS / 2


def test_patience_finds_a_server_that_starts_late():
    port = int(dead().rpartition(":")[2])
    servers = []

    def delays():
        yield 0
        yield 0
        # The first attempt has failed by now.
        servers.append(serving(port=port))
        servers[0].__enter__()
        while True:
            yield 0.01

    connection = BlockingConnection(f"127.0.0.1:{port}", reconnect=delays(), timeout=SECONDS)
    connection.create_sender("q").send(Message())
    connection.close()
    servers[0].__exit__(None, None, None)


@pytest.fixture(params=["drop_all", "force_all"])
def cut(request, server):
    """Cuts all connections, one way or the other."""
    return lambda: server.tell(request.param)


@pytest.mark.parametrize("how", ["urls", "Backoff", "True"])
def test_links_go_on_after_a_loss(server, cut, how):
    options = {"urls": [server.url]} if how == "urls" else {"url": server.url, "reconnect": how == "True" or Backoff()}
    connection = BlockingConnection(timeout=SECONDS, **options)
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
    sender.send(Message(body=1))
    assert receiver.receive().body == 1
    receiver.accept()
    for number in (2, 3):
        cut()
        connection.wait(lambda: connection.disconnected)
        # Not lost for good: the next operation waits for the new connection.
        sender.send(Message(body=number))
        assert receiver.receive().body == number
        receiver.accept()
        assert connection.disconnected is False
    assert server.connections == 3
    connection.close()


def test_a_message_on_its_way_when_the_connection_is_lost_is_in_doubt(server):
    connection = BlockingConnection(server.url, reconnect=Backoff(), timeout=SECONDS)
    sender = connection.create_sender("q")
    with pytest.raises(ConnectionException, match="disconnected: .*connection aborted"):
        sender.send(Message(body="drop"))
    assert sender.link.unsettled == 0
    assert sender.send(Message(body="again")).settled
    connection.close()


def test_waiting_for_a_message_survives_a_loss(server):
    connection = BlockingConnection(server.url, reconnect=Backoff(), timeout=SECONDS)
    receiver = connection.create_receiver("q")
    with pytest.raises(Timeout):
        receiver.receive(timeout=0.05)
    server.tell("drop_all")
    with pytest.raises(Timeout):
        receiver.receive(timeout=0.3)
    other = BlockingConnection(server.url, timeout=SECONDS)
    other.create_sender("q").send(Message(body="x"))
    assert receiver.receive().body == "x"
    other.close()
    connection.close()


def test_closing_while_there_is_not_connection(server):
    connection = BlockingConnection(server.url, reconnect=[0, 1000, 1000], timeout=SECONDS)
    server.tell("vanish")
    begin = time.monotonic()
    connection.wait(lambda: connection.disconnected)
    connection.close()
    assert time.monotonic() - begin < SECONDS / 2


def test_a_heartbeat_is_kept_up_while_the_program_works():
    with serving(idle_timeout=1.0) as server:
        connection = BlockingConnection(server.url, heartbeat=1.0, timeout=SECONDS)
        sender = connection.create_sender("q")
        # The program works: it does not touch the connection for longer than both ends have patience.
        idle = _Working(2.5)
        idle.wait()
        sender.send(Message(body="x"))
        assert connection.create_receiver("q").receive().body == "x"
        assert connection.disconnected is False
        connection.close()
        assert server.connections == 1


def test_without_a_heartbeat_nothing_keeps_it_up():
    with serving(idle_timeout=0.3) as server:
        connection = BlockingConnection(server.url, timeout=SECONDS)
        sender = connection.create_sender("q")
        _Working(1.0).wait()
        with pytest.raises(ConnectionException):
            sender.send(Message(body="x"))
        connection.close()


def test_an_end_that_comes_while_the_program_works_is_raised_by_the_next_operation_on_that_link(server):
    """It was raised by the next operation of any link."""
    connection = BlockingConnection(server.url, heartbeat=0.2, timeout=SECONDS)
    sender, other = connection.create_sender("q"), connection.create_sender("other")
    delivery = other.link.send(Message(body="detach"))
    deadline = time.monotonic() + SECONDS
    while not other.link.state & other.link.REMOTE_CLOSED and time.monotonic() < deadline:
        _Working(0.02).wait()
    assert sender.send(Message(body="x")).settled
    with pytest.raises(LinkDetached, match="sender .* to other closed due to: Condition\\('x:y', 'go away'\\)"):
        other.send(Message(body="x"))
    assert not delivery.settled
    assert sender.send(Message(body="x")).settled
    connection.close()


@pytest.mark.parametrize("body", ["detach", "die"])
def test_closing_is_not_disturbed_by_what_happened_while_the_program_worked(server, body):
    connection = BlockingConnection(server.url, heartbeat=0.2, timeout=SECONDS)
    link = connection.create_sender("q").link
    link.send(Message(body=body))
    deadline = time.monotonic() + SECONDS
    while not link.state & link.REMOTE_CLOSED and connection.conn.state != 36 and time.monotonic() < deadline:
        _Working(0.02).wait()
    connection.close()
    assert connection.container is None


def test_the_pump_ends_with_the_connection(server):
    def pumps():
        return [thread for thread in threading.enumerate() if thread.name == "proton-pump"]

    for _ in range(3):
        BlockingConnection(server.url, heartbeat=0.2).close()
    abandoned = BlockingConnection(server.url, heartbeat=0.05)
    assert pumps()
    abandoned.conn.close()
    abandoned.wait(lambda: abandoned.conn.state & abandoned.conn.REMOTE_CLOSED)
    abandoned.close()
    deadline = time.monotonic() + SECONDS
    while pumps() and time.monotonic() < deadline:
        _Working(0.02).wait()
    assert pumps() == []


class _Working:
    """Work that takes a while: computed, not slept."""

    def __init__(self, seconds):
        self.until = time.monotonic() + seconds

    def wait(self):
        while time.monotonic() < self.until:
            sum(range(200))
            time.sleep(0)
