"""Traces of links: receiving several messages, draining, refusals; and of connections whose other end says nothing."""

import socket

import pytest

from proton import Condition, Message
from proton.reactor import Container
from tests.support.loops import Recorder, authenticate, in_thread, peer, read_to_end, run, side, watchdog


class Pair(Recorder):
    """One connection to itself; `begin` makes the link."""

    def on_start(self, event):
        self.notes = []
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
        self.begin(event.container)

    def on_timer_task(self, event):
        self.end()

    def end(self):
        self.connection.close()
        self.acceptor.close()


class Receiving(Pair):
    def __init__(self, manual):
        super().__init__(auto_accept=not manual)
        self.manual = manual
        self.kept = []
        self.settled = 0

    def begin(self, container):
        self.sender = container.create_sender(self.connection, "queue")

    def on_sendable(self, event):
        if not self.notes:
            self.notes.append("sent")
            for body in range(3):
                self.sender.send(Message(body=body))

    def on_delivery(self, event):
        delivery = event.delivery
        self.notes.append(f"{side(event)} delivery {'readable' if delivery.readable else int(delivery.remote_state)}")

    def on_message(self, event):
        self.notes.append(f"{side(event)} message {event.message.body}")
        self.kept.append(event.delivery)
        if self.manual and len(self.kept) == 3:
            for delivery in reversed(self.kept):
                self.accept(delivery)

    def on_accepted(self, event):
        self.notes.append(f"{side(event)} accepted {event.delivery.tag}")

    def on_settled(self, event):
        self.notes.append(f"{side(event)} settled {event.delivery.tag}")
        self.settled += 1
        if self.settled == 3:
            self.end()


@pytest.mark.parametrize("manual", [False, True])
def test_several_messages(manual):
    receiving = Receiving(manual)
    run(receiving)
    expected = ["sent"]
    for body in range(3):
        expected += ["S delivery readable", f"S message {body}"]
    for tag in ("1", "2", "3"):
        expected += ["C delivery 36", f"C accepted {tag}", f"C settled {tag}"]
    assert receiving.notes == expected
    assert [delivery.settled for delivery in receiving.kept] == [False] * 3
    assert receiving.sender.unsettled == 0


class Draining(Pair):
    def begin(self, container):
        self.receiver = container.create_receiver(self.connection, "queue")

    def on_link_opened(self, event):
        if side(event) == "C":
            self.receiver.drain(5)
            self.notes.append(f"C draining {self.receiver.draining()}")

    def on_sendable(self, event):
        self.notes.append(f"{side(event)} sendable {event.link.credit}")

    def on_link_flow(self, event):
        link = event.link
        self.notes.append(f"{side(event)} flow credit={link.credit} drain={link.drain_mode}")
        if link.is_receiver:
            self.notes.append(f"C draining {link.draining()}")
            event.container.schedule(0.02, self)


class Giving(Draining):
    """The sender gives all of its credit back, before a handler is told that it can send."""

    def on_link_flow(self, event):
        super().on_link_flow(event)
        if event.link.is_sender and event.link.drain_mode:
            self.notes.append(f"S drained {event.link.drained()}")


class Late(Draining):
    """The sender gives its credit back when it is told that it can send."""

    def on_sendable(self, event):
        super().on_sendable(event)
        self.notes.append(f"S drained {event.link.drained()}")


@pytest.mark.parametrize(
    ("kind", "prefetch", "expected"),
    [
        (Giving, 0, ["S flow credit=5 drain=True", "S drained 5"]),
        (Late, 0, ["S flow credit=5 drain=True", "S sendable 5", "S drained 5"]),
        (Giving, 10, ["S flow credit=15 drain=True", "S drained 15"]),
    ],
)
def test_a_drain(kind, prefetch, expected):
    draining = kind(prefetch=prefetch)
    run(draining)
    first = draining.notes.index("C draining True")
    before = ["S flow credit=10 drain=False", "S sendable 10"] if prefetch else []
    assert draining.notes[:first] == before
    assert draining.notes[first + 1 :] == [*expected, "C flow credit=0 drain=True", "C draining False"]
    # Nothing fills up what the application has drained.
    assert draining.receiver.credit == 0


class Refused(Pair):
    condition = Condition("amqp:not-found", "no such queue")

    def begin(self, container):
        self.link = container.create_sender(self.connection, "queue")

    def on_link_opened(self, event):
        self.notes.append((side(event), event.link.credit, event.link.remote_target.address))

    def on_connection_closed(self, event):
        self.acceptor.close()


class RefusedAtAttach(Refused):
    def on_link_remote_open(self, event):
        if side(event) == "S":
            event.link.condition = self.condition
            event.link.open()
            event.link.close()


class RefusedInOpened(Refused):
    def on_link_opened(self, event):
        super().on_link_opened(event)
        if side(event) == "S":
            event.link.condition = self.condition
            event.link.close()


REFUSAL = ["C link_error", "C link_closed", "S link_closed"]
CLOSED = ["S connection_closing", "S connection_closed", "C connection_closed"]


class RefusedInOpening(Refused):
    def on_link_opening(self, event):
        event.link.condition = self.condition
        event.link.close()


@pytest.mark.parametrize("kind", [RefusedAtAttach, RefusedInOpened, RefusedInOpening])
def test_a_link_refused(kind, caplog):
    refused = kind()
    run(refused)
    # It opens for a moment, without an address and without credit.
    assert ("C", 0, None) in refused.notes
    client = [call for call in refused.calls if call.startswith("C") or call.startswith("S link_closed")]
    assert client[-4:] == [*REFUSAL, "C connection_closed"]
    assert refused.calls[-3:] == CLOSED
    assert "C sendable" not in refused.calls
    (text,) = caplog.messages
    assert text.startswith("link ") and text.endswith(" closed by peer: amqp:not-found: no such queue")
    assert " to 'queue' at amqp://127.0.0.1:" in text


def test_link_that_is_closed_in_its_opening_callback_is_refused_without_a_condition_too():
    """The C binding opens it again behind the program's back, and the peer hears nothing."""

    class RefusedWithoutReason(Refused):
        def on_link_opening(self, event):
            event.link.close()

        def on_link_closed(self, event):
            if side(event) == "C":
                self.end()

    refused = RefusedWithoutReason()
    run(refused)
    assert [call for call in refused.calls if call.startswith("C")] == [
        "C connection_opened",
        "C session_opened",
        "C link_opened",
        "C link_closing",
        "C link_closed",
        "C connection_closed",
    ]
    assert refused.calls.count("S link_closed") == 1


def test_a_close_that_is_not_answered_ends_with_the_heartbeat():
    class Waiting(Recorder):
        def on_connection_opened(self, event):
            event.connection.close()

    waiting = Waiting()
    with peer(lambda sock: (authenticate(sock), read_to_end(sock))) as place:
        container = Container(waiting)
        container.connect(place.url, heartbeat=0.5)
        with watchdog(container):
            container.run()
    # The connection was closed already: it is not lost, and not made again.
    assert waiting.calls == ["C connection_opened", "C transport_error"]


def test_a_client_that_drops_off_is_lost_to_the_server():
    class Server(Recorder):
        def on_connection_bound(self, event):
            self.acceptor.close()

    server = Server()
    container = Container(server)
    server.acceptor = container.listen("127.0.0.1:0")
    with in_thread(container), socket.create_connection(("127.0.0.1", server.acceptor.port)) as sock:
        sock.sendall(bytes.fromhex("414d515000010000") + bytes.fromhex("0000001002000000005310c00301a100"))
        # Its open, with which the server has said all that it has to say.
        received = b""
        while b"\x00\x53\x10" not in received:
            data = sock.recv(4096)
            assert data
            received += data
    assert server.calls == [
        "S connection_opening",
        "S connection_opened",
        "S disconnected",
        "- transport_error",
    ]
