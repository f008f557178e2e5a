"""rhea, the AMQP 1.0 library of Node.js, as server and as client of ours.

PROTON_RHEA names a folder whose node_modules has it; where it or node is missing these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid

import pytest

from proton import Array, ConnectionException, Data, Delivery, Message, float32, symbol, timestamp, ulong
from proton.testing import Broker
from proton.utils import BlockingConnection, SendException, SyncRequestResponse
from tests.interop.peers import values
from tests.support.client import Client
from tests.support.programs import ROOT, Program, free_port

PEERS = ROOT / "tests" / "rhea" / "peers"
NODE = shutil.which("node")
RHEA = os.environ.get("PROTON_RHEA")
SECONDS = 20.0
MIB = 1 << 20

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="no node"),
    pytest.mark.skipif(not RHEA, reason="PROTON_RHEA is unset: no rhea"),
]


def node(script, *arguments):
    environment = dict(os.environ, NODE_PATH=str(os.path.join(RHEA, "node_modules")))
    return Program(PEERS / script, *arguments, python=NODE, environment=environment)


def listening(program):
    program.await_line("listening")
    return f"127.0.0.1:{program.lines[0].split()[1]}"


@pytest.fixture(scope="module")
def rhea():
    """Where a server by rhea listens; it lets all in."""
    with node("queues.js") as program:
        yield listening(program)


@pytest.fixture
def queue(request):
    return request.node.name


@pytest.fixture
def connection(rhea):
    made = BlockingConnection(rhea, timeout=SECONDS)
    yield made
    made.close()


# -- rhea as the server -------------------------------------------------------------------------------------------


def test_a_message_there_and_back(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    sender.send(Message(id="m", subject="s", body={"a": [1, "two", None]}, properties={"p": "q"}, durable=True))
    received = receiver.receive()
    receiver.accept()
    assert (received.id, received.subject, received.durable) == ("m", "s", True)
    assert (received.body, received.properties) == ({"a": [1, "two", None]}, {"p": "q"})


@pytest.mark.parametrize(
    ("subject", "state"),
    [("reject", Delivery.REJECTED), ("release", Delivery.RELEASED), ("modify", Delivery.MODIFIED)],
)
def test_outcomes_of_sent_messages(connection, queue, subject, state):
    sender = connection.create_sender(queue)
    with pytest.raises(SendException) as refused:
        sender.send(Message(subject=subject, body="x"), error_states=[state])
    assert refused.value.state == state


# Lists in application properties are sent, as programs in use send them, with a warning (3.2.5).
@pytest.mark.filterwarnings("ignore:application property .nested.:UserWarning")
def test_every_body_is_taken(rhea, queue):
    """It takes apart what it is sent, and closes the connection at what it does not understand."""
    with Client(rhea) as client:
        sender = client.sender(queue)
        for start in range(0, len(values.BODIES), 20):
            messages = [values.message(n) for n in range(start, min(start + 20, len(values.BODIES)))]
            for message in messages:
                message.subject, message.address = None, None
            assert set(client.send(sender, *messages)) == {"accepted"}


def test_request_and_response(connection):
    client = SyncRequestResponse(connection, "requests")
    for number in range(50):
        response = client.call(Message(subject="request", body=f"request {number}"))
        assert response.body == f"REQUEST {number}"


@pytest.mark.parametrize("size", [100_000, 5 * MIB])
def test_large_messages(connection, queue, size):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    for _ in range(3):
        sender.send(Message(body=b"x" * size, inferred=True))
        assert receiver.receive().body == b"x" * size
        receiver.accept()


def test_credit_and_drain(rhea, queue):
    with Client(rhea) as client:
        sender, receiver = client.sender(queue), client.receiver(queue)
        client.send(sender, *(Message(id=ulong(n), body=f"{n}") for n in range(5)))
        receiver.flow(3)
        assert client.bodies(receiver, 3) == ["0", "1", "2"]
        receiver.drain(10)
        client.until(lambda: not receiver.draining(), "it is drained")
        assert (receiver.drained(), receiver.credit) == (8, 0)
        assert client.bodies(receiver, 5) == ["0", "1", "2", "3", "4"]


def test_reconnect(rhea, queue):
    """It drops the connection in the middle; what was not answered is sent again."""
    connection = BlockingConnection(rhea, timeout=SECONDS, reconnect=[0, 0.1, 0.1])
    sender = connection.create_sender(queue)
    sender.send(Message(body="before"))
    with pytest.raises(ConnectionException):
        sender.send(Message(subject="drop", body="x"))
    sender.send(Message(body="after"))
    receiver = connection.create_receiver(queue)
    assert [receiver.receive().body for _ in range(2)] == ["before", "after"]
    connection.close()


def test_plain():
    with node("queues.js", "plain") as program:
        address = listening(program)
        made = BlockingConnection(f"user:password@{address}", timeout=SECONDS, allow_insecure_mechs=True)
        made.create_sender("q").send(Message(body="x"))
        made.close()
        with pytest.raises(ConnectionException, match="amqp:unauthorized-access"):
            BlockingConnection(f"user:wrong@{address}", timeout=SECONDS, allow_insecure_mechs=True)
        with pytest.raises(ConnectionException, match="amqp:unauthorized-access"):
            BlockingConnection(address, timeout=SECONDS)


# -- rhea as the client -------------------------------------------------------------------------------------------

#: what client.js sends, as it comes out here; a data and a sequence section at the end
KINDS = [
    *(None, True, False, values.ubyte(200), values.ushort(60000), values.uint(4000000000), ulong(7)),
    *(values.byte(-100), values.short(-30000), values.int32(-2000000000), -5, float32(1.5), 2.25),
    *(timestamp(1600000000500), uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), b"\0\1\xff", "é€", symbol("symbol")),
    *([values.int32(1), "two", [True]], {"one": values.int32(1), "two": "zwei"}),
    Array(values.UNDESCRIBED, Data.INT, values.int32(1), values.int32(2)),
    *(b"some data", [values.int32(1), "two"]),
]


def test_what_rhea_sends(queue):
    with Broker() as broker:
        with node("client.js", broker.port, "send") as client:
            assert client.finish() == ["done"], client.errors
        connection = BlockingConnection(broker.url, timeout=SECONDS)
        receiver = connection.create_receiver("kinds")
        received = [receiver.receive() for _ in KINDS]
        connection.close()
    assert [values.canonical(message.body) for message in received] == [values.canonical(kind) for kind in KINDS]
    assert [message.id for message in received] == list(range(len(KINDS)))
    assert [message.inferred for message in received] == [False] * (len(KINDS) - 2) + [True] * 2


def test_what_rhea_receives():
    bodies = ["text", 1, -5, 2.5, True, None, [1, "two"], {"a": {"b": 1}}, b"\0\xff"]
    with Broker() as broker:
        connection = BlockingConnection(broker.url, timeout=SECONDS)
        sender = connection.create_sender("kinds")
        for n, body in enumerate(bodies):
            sender.send(Message(id=n, subject=f"s{n}", body=body))
        connection.close()
        with node("client.js", broker.port, "receive", len(bodies)) as client:
            *printed, done = client.finish()
    assert done == "done"
    expected = [*bodies[:-1], {"binary": "00ff"}]
    assert [json.loads(line) for line in printed] == [
        {"id": str(n), "subject": f"s{n}", "body": body} for n, body in enumerate(expected)
    ]


@pytest.mark.parametrize(("count", "size"), [(900, 100), (3, 5 * MIB)], ids=["small", "large"])
def test_many_messages_of_rhea(count, size):
    with Broker() as broker:
        with node("client.js", broker.port, "bulk", count, size) as client:
            assert client.finish() == ["done"], client.errors
        bodies = [message.body for message in broker.messages("bulk")]
    assert bodies == [b"x" * size] * count


def test_rhea_asks():
    port = free_port()
    with Program(ROOT / "examples" / "server_direct.py", "-a", f"127.0.0.1:{port}/requests") as server:
        server.await_line("listening")
        with node("client.js", port, "ask", 50) as client:
            assert client.finish() == [f"{n} REQUEST {n}" for n in range(50)] + ["done"]
