"""What a `Timeout` says beside what was waited for: why there is no connection, or how far it has come."""

import contextlib
import os
import signal
import socket
import threading

import pytest

from proton import Message, Timeout
from proton.handlers import IOHandler
from proton.reactor import Backoff
from proton.testing import Broker
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.auto_peer import HELD, auto_peer, connect
from tests.support.loops import AMQP_HEADER, MECHANISMS, OUTCOME_OK, SASL_HEADER, SECONDS, peer, read_to_end

#: seconds that the operations wait in vain
SHORT = 0.2

STAGES = {
    "the SASL header": b"",
    "the SASL mechanisms": SASL_HEADER,
    "the SASL outcome": SASL_HEADER + MECHANISMS,
    "the AMQP header": SASL_HEADER + MECHANISMS + OUTCOME_OK,
    "the open": SASL_HEADER + MECHANISMS + OUTCOME_OK + AMQP_HEADER,
}


@pytest.mark.parametrize("awaited", STAGES)
def test_opening_says_what_the_peer_has_not_sent(awaited):
    def conversation(sock):
        sock.sendall(STAGES[awaited])
        read_to_end(sock)

    with peer(conversation) as place:
        with pytest.raises(Timeout) as failure:
            BlockingConnection(place.url, timeout=SHORT)
        expected = f"timed out: Opening connection: TCP is connected, waiting for {awaited}"
        assert str(failure.value) == f"Connection amqp://{place.url} {expected}"


def test_opening_says_that_the_tls_handshake_has_not_ended():
    expected = "TCP is connected, waiting for the end of the TLS handshake$"
    with peer(read_to_end) as place, pytest.raises(Timeout, match=expected):
        BlockingConnection(f"amqps://{place.url}", timeout=SHORT)


def test_opening_says_that_there_is_not_tcp_connection(monkeypatch):
    answer = threading.Event()

    def resolve(host, port):
        answer.wait(SECONDS)
        return []

    monkeypatch.setattr(IOHandler, "resolve", staticmethod(resolve))
    with pytest.raises(Timeout, match="timed out: Opening connection: TCP is not connected$"):
        BlockingConnection("slow.invalid", timeout=SHORT)
    answer.set()


@pytest.fixture
def lost():
    """A connection, with links, whose broker has gone."""
    with Broker() as broker:
        connection = BlockingConnection(broker.url, timeout=SECONDS, reconnect=Backoff(initial=0.01, max_delay=0.05))
        sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
        client = SyncRequestResponse(connection, "service")
        broker.kill()
    connection.wait(lambda: "refused" in str(connection.disconnected))
    connection.timeout = SHORT
    yield {
        "Receiving on": receiver.receive,
        "Sending on": lambda: sender.send(Message(body="x")),
        "Opening link": lambda: client.call(Message(body="x")),
        "Opening": lambda: connection.create_sender("other"),
    }
    connection.close()


@pytest.mark.parametrize("name", ["Receiving on", "Sending on", "Opening link", "Opening"])
def test_an_operation_says_that_the_broker_is_away(lost, name):
    with pytest.raises(Timeout, match=f"timed out: {name}") as failure:
        lost[name]()
    reason = "not connected, last attempt: proton.pythonio: Connection refused to all addresses"
    assert reason in str(failure.value)


def test_an_operation_says_that_the_next_attempt_has_not_come_to_the_open():
    with Broker() as broker:
        connection = BlockingConnection(broker.url, timeout=SECONDS, reconnect=Backoff(initial=0.01, max_delay=0.05))
        broker.kill()
    # The system takes connections, nothing answers.
    with socket.create_server(("127.0.0.1", broker.port)), pytest.raises(Timeout) as failure:
        connection.wait(lambda: False, timeout=SHORT)
    assert str(failure.value).endswith(": TCP is connected, waiting for the SASL header")
    assert "not connected, last attempt: " in str(failure.value)
    connection.timeout = SHORT
    connection.close()


@pytest.mark.parametrize("why", HELD)
def test_a_send_says_what_is_missing_and_where_the_message_is(why):
    done, text = HELD[why]
    body = b"x" * (16 << 20 if why == "not read" else 1)
    with auto_peer(max_frame_size=65536) as place, contextlib.closing(connect(place)) as connection:
        place.on(*done)
        sender = connection.create_sender("queue")
        with pytest.raises(Timeout) as failure:
            sender.send(Message(body=body), timeout=SHORT)
        place.over.set()
        assert str(failure.value).endswith(f"timed out: Sending on sender {sender.name}: {text}")


@pytest.mark.parametrize("name", ["create_sender", "create_receiver"])
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
def test_ctrl_c_while_a_link_is_opened_closes_the_link(name):
    with auto_peer() as broker, contextlib.closing(connect(broker)) as connection:
        broker.on(lambda part: part.name == "attach", lambda broker, part: b"")  # not answered
        pressing = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            getattr(connection, name)("queue")
        pressing.join(SECONDS)
        assert [link.state & link.LOCAL_CLOSED for link in connection.conn.links()] == [connection.conn.LOCAL_CLOSED]
