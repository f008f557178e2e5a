"""The budget of the two hot paths, in Python-level calls a message: it repeats exactly on any machine.

One side is a real container on a real socket, stepped by the test; the other side is an engine that moves its bytes
over that socket outside of the count. What is counted is all that the container does for a message, the program's own
handlers and the turns of its loop included.
"""

import socket
import statistics
import sys

import pytest

from proton import Delivery, Message, Transport
from proton.codec.decode import decode_value
from proton.codec.encode import encode
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.engines import Script, frame, put, state
from tests.support.server import serving
from tests.support.wire import TURNS, Wire, connected

MESSAGES = 200
RECEIVED = 23
SENT = 25
ANSWERED = 139
CALLED = 116


class Counter:
    """Counts the calls of Python functions while it is entered; those of C functions cost too little to count.

    selectors2, which stands for the selectors of Python 3.9, wraps each wait once more: that cost is not ours.
    """

    def __init__(self):
        self.calls = 0

    def _profile(self, frame, event, arg):
        if event == "call" and frame.f_code.co_name != "_syscall_wrapper":
            self.calls += 1

    def __enter__(self):
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)


def body(number):
    return {"sequence": number, "d": "x" * 100}


def run(container, done):
    """Calls a message that the container makes, turn by turn, until `done`, which is not counted."""
    counter = Counter()
    for _ in range(TURNS):
        if done():
            return counter.calls / MESSAGES
        with counter:
            container.process()
    raise AssertionError(f"not done after {TURNS} turns")


class Receive(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=MESSAGES)
        self.bodies = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_message(self, event):
        self.bodies.append(event.message.body)


def test_a_received_message_costs_at_most_its_budget():
    handler = Receive()
    container = Container(handler)
    wire, session = connected(container, handler)
    sender = session.sender("L")
    sender.target.address = "examples"
    sender.open()
    wire.step(container, lambda: sender.credit == MESSAGES)
    container.process()

    deliveries = [sender.send(Message(id=number, body=body(number))) for number in range(MESSAGES)]
    wire.exchange()
    # To the end of the path: until the dispositions of all messages are on the wire.
    cost = run(container, lambda: settled(wire, deliveries))
    assert handler.bodies == [body(number) for number in range(MESSAGES)]
    handler.acceptor.close()
    end(container, wire)
    assert cost <= RECEIVED, f"expected {RECEIVED} calls for a received message at most, got {cost:.1f}"


def settled(wire, deliveries):
    """Whether the peer has heard of every message."""
    wire.exchange()
    return all(delivery.settled and delivery.remote_state == Delivery.ACCEPTED for delivery in deliveries)


class Send(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url
        self.sent = self.accepted = 0

    def on_start(self, event):
        event.container.create_sender(self.url)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < MESSAGES:
            event.sender.send(Message(id=self.sent, body=body(self.sent)))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1


def test_a_sent_message_with_its_acceptance_costs_at_most_its_budget():
    with socket.create_server(("127.0.0.1", 0)) as server:
        handler = Send(f"127.0.0.1:{server.getsockname()[1]}/examples")
        container = Container(handler)
        container.start()
        container.process()
        container.process()
        wire = Wire(server.accept()[0], Transport.SERVER)
    connection = wire.peer.connection
    wire.step(container, lambda: connection.link_head(0) is not None)
    connection.container = "peer"
    connection.open()
    connection.session_head(0).open()
    receiver = connection.link_head(0)
    receiver.open()
    wire.step(container, lambda: connection.state == 18)
    receiver.flow(MESSAGES)
    wire.exchange()

    cost = run(container, lambda: handler.sent == MESSAGES and arrived(wire, receiver))
    while receiver.current is not None:
        delivery = receiver.current
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()
    wire.exchange()
    cost += run(container, lambda: handler.accepted == MESSAGES)
    end(container, wire)
    assert cost <= SENT, f"expected {SENT} calls for a sent message at most, got {cost:.1f}"


def arrived(wire, receiver):
    wire.exchange()
    return receiver.queued == MESSAGES


def end(container, wire):
    """Closes the connection and lets the container finish, which closes its sockets."""
    wire.peer.connection.close()
    for _ in range(TURNS):
        wire.exchange()
        if not container.process():
            break
    container.process()
    wire.sock.close()


class Answer(MessagingHandler):
    def __init__(self):
        super().__init__()
        self.senders = {}

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_link_opening(self, event):
        if event.link.is_sender:
            event.link.source.address = "answers"
            self.senders["answers"] = event.link

    def on_message(self, event):
        request = event.message
        self.senders[request.reply_to].send(Message(correlation_id=request.correlation_id, body=request.body))


def test_a_request_costs_its_server_at_most_its_budget():
    handler = Answer()
    container = Container(handler)
    wire, session = connected(container, handler)
    sender, receiver = session.sender("requests"), session.receiver("answers")
    sender.open()
    receiver.open()
    receiver.flow(MESSAGES)
    wire.step(container, lambda: sender.credit and receiver.remote_source.address)
    cost = 0.0
    for number in range(MESSAGES):
        # Each with the outcome of the answer before.
        delivery = sender.send(Message(reply_to="answers", correlation_id=number, body="x" * 100))
        wire.exchange()
        cost += run(container, lambda sent=delivery: settled(wire, [sent]) and receiver.current is not None)
        receiver.current.update(Delivery.ACCEPTED)
        receiver.current.settle()
    handler.acceptor.close()
    end(container, wire)
    assert cost <= ANSWERED, f"expected {ANSWERED} calls for a request at most, got {cost:.1f}"


def test_a_call_costs_its_client_at_most_its_budget():
    with serving() as server:
        connection = BlockingConnection(server.url)
        client = SyncRequestResponse(connection, "service")
        counts = []
        for number in range(25):
            counter = Counter()
            with counter:
                response = client.call(Message(body=number))
            assert response.body == number
            counts.append(counter.calls)
        connection.close()
    # What comes in two reads costs a turn more.
    cost = statistics.median(counts)
    assert cost <= CALLED, f"expected {CALLED} calls for a request and its response at most, got {cost:.1f}"


#: calls for a frame whose fields have the usual classes: the table of its performative would take five to eleven more
FRAME_CALLS = {"disposition": 9, "flow": 15, "transfer": 17}
WINDOWS = {"next_incoming_id": 0, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9}
CREDIT = {**WINDOWS, "handle": 0, "delivery_count": 4, "link_credit": 9}
FIRST = {"handle": 0, "delivery_id": 0, "delivery_tag": b"t"}
OUTCOME = {"role": True, "first": 0, "state": state(0x24)}
USUAL = [
    ("disposition", OUTCOME),
    ("disposition", {**OUTCOME, "last": 0}),
    ("disposition", {**OUTCOME, "last": 0, "settled": False, "batchable": True}),
    ("flow", WINDOWS),
    ("flow", CREDIT),
    ("flow", {**CREDIT, "available": 1, "drain": False, "echo": False}),
    ("transfer", {**FIRST, "more": False}),
    ("transfer", {**FIRST, "message_format": 0, "settled": True, "more": False, "rcv_settle_mode": 0}),
    ("transfer", {**FIRST, "resume": False, "aborted": False, "batchable": True}),
]


@pytest.mark.parametrize(("name", "fields"), USUAL, ids=[f"{name}-{len(fields)}" for name, fields in USUAL])
def test_frames_of_the_usual_classes_are_read_without_their_table(name, fields):
    script = Script()
    if name == "transfer":
        script.receiver()
    else:
        sender = script.sender()
        for _ in range(4):
            put(sender, b"x")
        script.received()
    data = frame(0, name, payload=b"x" if name == "transfer" else b"", **fields)
    with Counter() as counter:
        script.transport.push(data)
    assert script.transport.condition is None and 0 < counter.calls <= FRAME_CALLS[name]


def test_common_values_of_a_map_cost_no_call():
    few, more = bytes.fromhex("c1 01 00"), bytes.fromhex("c1 14 08 a10161 41 a10162 42 a10163 5507 a10164 a10178")
    with Counter() as empty:
        assert decode_value(few)[0] == {}
    with Counter() as counter:
        assert decode_value(more)[0] == {"a": True, "b": False, "c": 7, "d": "x"}
    assert counter.calls == empty.calls


def test_small_numbers_of_a_map_cost_no_call():
    costs = set()
    encode({"a": 0})  # a key that was not encoded before costs a call
    for number in (-128, 0, 127):
        with Counter() as counter:
            assert encode({"a": number}) == bytes.fromhex("c1 06 02 a10161 55") + number.to_bytes(1, "big", signed=True)
        costs.add(counter.calls)
    assert len(costs) == 1
