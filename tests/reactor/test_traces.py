"""The order of callbacks and of raw events in complete exchanges, as programs know it."""

import pytest

from proton import Condition, Delivery, Message
from proton.handlers import Reject, Release
from proton.reactor import AtMostOnce, Container
from tests.support.loops import (
    MECHANISMS,
    SASL_HEADER,
    Recorder,
    authenticate,
    peer,
    read_to_end,
    receive,
    run,
    side,
    watchdog,
)

OPENING = [
    "S connection_opening",
    "S session_opening",
    "S link_opening",
    "S connection_opened",
    "S session_opened",
    "S link_opened",
    "C connection_opened",
    "C session_opened",
    "C link_opened",
]
CLOSING = ["S connection_closing", "S connection_closed", "C connection_closed"]


class Exchange(Recorder):
    """One message from C to S, which answers it with `answer`."""

    def __init__(self, answer=None, options=None, **settings):
        super().__init__(**settings)
        self.answer = answer
        self.options = options
        self.sent = False

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.sender = event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/queue", options=self.options)

    def on_sendable(self, event):
        if not self.sent:
            self.sent = True
            self.delivery = event.sender.send(Message(body="x"))

    def on_message(self, event):
        if self.answer:
            self.answer(self, event.delivery)
        # Everything that the sender hears of it has been written before the answer to this.
        event.container.schedule(0.02, self)

    def on_timer_task(self, event):
        self.sender.connection.close()

    def on_connection_closed(self, event):
        self.acceptor.close()


SENDING = [*OPENING, "C sendable", "C sendable", "S message"]


def test_hello_world():
    exchange = Exchange()
    run(exchange)
    assert exchange.calls == [*SENDING, "C accepted", "C settled", *CLOSING]


def rejecting(handler, delivery):
    raise Reject


def releasing(handler, delivery):
    raise Release


@pytest.mark.parametrize(
    ("answer", "expected", "state"),
    [
        (lambda handler, delivery: handler.accept(delivery), ["accepted", "settled"], Delivery.ACCEPTED),
        (lambda handler, delivery: handler.reject(delivery), ["rejected", "settled"], Delivery.REJECTED),
        (lambda handler, delivery: handler.release(delivery), ["released", "settled"], Delivery.MODIFIED),
        (lambda handler, delivery: handler.release(delivery, False), ["released", "settled"], Delivery.RELEASED),
        (lambda handler, delivery: handler.settle(delivery), ["settled"], 0),
        (lambda handler, delivery: delivery.update(Delivery.ACCEPTED), ["accepted"], Delivery.ACCEPTED),
        (lambda handler, delivery: delivery.update(Delivery.RECEIVED), [], Delivery.RECEIVED),
    ],
    ids=["accept", "reject", "modify", "release", "settle", "accept unsettled", "received"],
)
def test_outcomes(answer, expected, state):
    exchange = Exchange(answer, auto_accept=False)
    run(exchange)
    assert exchange.calls == [*SENDING, *("C " + name for name in expected), *CLOSING]
    assert exchange.delivery.remote_state == state


@pytest.mark.parametrize("auto_accept", [True, False])
@pytest.mark.parametrize(
    ("exception", "callback", "state"),
    [(Reject, "rejected", Delivery.REJECTED), (Release, "released", Delivery.MODIFIED)],
)
def test_outcomes_by_exception(exception, callback, state, auto_accept):
    class Raising(Exchange):
        def on_message(self, event):
            super().on_message(event)
            raise exception

    exchange = Raising(auto_accept=auto_accept)
    run(exchange)
    assert exchange.calls == [*SENDING, "C " + callback, "C settled", *CLOSING]
    assert exchange.delivery.remote_state == state


def test_a_message_sent_at_most_once_has_no_outcome():
    exchange = Exchange(options=AtMostOnce())
    run(exchange)
    assert exchange.calls == [*SENDING, *CLOSING]
    assert not exchange.delivery.settled


CONDITION = Condition("x:y", "why")


class Ending(Recorder):
    """The accepting side ends something as soon as the link is open."""

    def __init__(self, kind, condition):
        super().__init__()
        self.kind = kind
        self.condition = condition

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
        event.container.create_receiver(self.connection, "queue")

    def on_link_opened(self, event):
        if side(event) == "S":
            endpoint = getattr(event, self.kind)
            endpoint.condition = self.condition
            endpoint.close()
            event.container.schedule(0.05, self)

    def on_timer_task(self, event):
        self.connection.close()

    def on_connection_closed(self, event):
        self.acceptor.close()


WITH_LINK = ["C session_closed", "C link_closed", "S session_closed"]

# The client pipelines its receiver's credit.
RECEIVING = [*OPENING[:3], "S sendable", *OPENING[3:]]


@pytest.mark.parametrize(
    ("kind", "condition", "expected"),
    [
        ("link", CONDITION, ["C link_error", "C link_closed", "S link_closed", *CLOSING]),
        ("link", None, ["C link_closing", "C link_closed", "S link_closed", *CLOSING]),
        # The links of a session end with it, and are told: the C binding says nothing of them.
        ("session", CONDITION, ["C session_error", *WITH_LINK, "S connection_closing", "S link_closed", *CLOSING[1:]]),
        ("session", None, ["C session_closing", *WITH_LINK, "S link_closed", *CLOSING]),
        ("connection", CONDITION, ["C connection_error", "C connection_closed", "S connection_closed"]),
        ("connection", None, ["C connection_closing", "C connection_closed", "S connection_closed"]),
    ],
)
def test_what_the_peer_ends(kind, condition, expected):
    ending = Ending(kind, condition)
    run(ending)
    assert ending.calls == [*RECEIVING, *expected]


def test_a_detach_is_seen_by_raw_events_only():
    class Detaching(Ending):
        detached = []

        def on_link_opened(self, event):
            if side(event) == "S":
                event.link.detach()
                event.container.schedule(0.05, self)

        def on_link_remote_detach(self, event):
            self.detached.append(side(event))

    detaching = Detaching("link", None)
    run(detaching)
    assert detaching.detached == ["C"]
    assert detaching.calls == [*RECEIVING, *CLOSING]


def test_closing_right_after_connecting():
    class Hasty(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
            event.container.create_sender(connection, "queue")
            connection.close()

        def on_connection_closed(self, event):
            self.acceptor.close()

    hasty = Hasty()
    run(hasty)
    client = [call for call in hasty.calls if call.startswith("C")]
    assert client == ["C session_opened", "C link_opened", "C sendable", "C connection_closed"]


STRANGE_MECHANISMS = MECHANISMS.replace(b"ANONYMOUS", b"UNKNOWN_1")


@pytest.mark.parametrize(
    ("conversation", "expected", "condition"),
    [
        (
            lambda sock: None,
            ["C disconnected", "- transport_error"],
            "amqp:connection:framing-error: Expected SASL protocol header: no protocol header found "
            "(connection aborted)",
        ),
        (
            lambda sock: sock.sendall(SASL_HEADER),
            ["C disconnected", "- transport_error"],
            "amqp:connection:framing-error: connection aborted",
        ),
        (
            authenticate,
            ["C connection_opened", "C disconnected", "- transport_error"],
            "amqp:connection:framing-error: connection aborted",
        ),
        (
            lambda sock: (sock.sendall(b"garbage!"), read_to_end(sock)),
            ["C transport_error", "C disconnected"],
            "amqp:connection:framing-error: Expected SASL protocol header got: Unknown protocol ['garbage!']",
        ),
        (
            lambda sock: (
                sock.sendall(SASL_HEADER + MECHANISMS.replace(b"ANONYMOUS", b"UNKNOWN_1")),
                read_to_end(sock),
            ),
            ["C transport_error"],
            "amqp:unauthorized-access: Authentication failed [mech=none]",
        ),
    ],
    ids=["eof at once", "eof in sasl", "eof later", "garbage", "authentication"],
)
def test_lost_and_failed_connections(conversation, expected, condition, caplog):
    def serve(sock):
        if conversation is not authenticate:
            receive(sock, 8)
        conversation(sock)

    recorder = Recorder()
    with peer(serve) as place:
        container = Container(recorder)
        container.connect(place.url, reconnect=False)
        with watchdog(container):
            container.run()
    assert recorder.calls == expected
    assert condition in caplog.text


class Raw:
    """Every event, but for those whose number means nothing."""

    insignificant = {
        "on_selectable_updated",
        "on_transport",
        "on_selectable_readable",
        "on_selectable_writable",
        "on_reactor_quiesced",
    }

    def __init__(self):
        self.seen = []

    def on_unhandled(self, method, event):
        if method not in self.insignificant:
            self.seen.append(f"{side(event)} {method[3:]}")


def test_raw_events_of_a_complete_exchange():
    raw = Raw()

    class Hello(Exchange):
        def on_message(self, event):
            pass

        def on_accepted(self, event):
            event.connection.close()

    run(raw, Hello())
    assert raw.seen == [
        "- reactor_init",
        "- selectable_init",
        "C connection_init",
        "C connection_local_open",
        "C session_init",
        "C session_local_open",
        "C link_init",
        "C link_local_open",
        "C connection_bound",
        "- selectable_init",
        "- selectable_final",
        "- selectable_init",
        "S connection_init",
        "S connection_bound",
        "- selectable_init",
        "S connection_remote_open",
        "S session_init",
        "S session_remote_open",
        "S link_init",
        "S link_remote_open",
        "S connection_local_open",
        "S session_local_open",
        "S link_local_open",
        "C connection_remote_open",
        "C session_remote_open",
        "C link_remote_open",
        "C link_flow",
        "C link_flow",
        "S delivery",
        "C delivery",
        "C connection_local_close",
        "C transport_head_closed",
        "S connection_remote_close",
        "S transport_tail_closed",
        "S connection_local_close",
        "S transport_head_closed",
        "S transport_closed",
        "- selectable_final",
        "S connection_unbound",
        "C connection_remote_close",
        "C transport_tail_closed",
        "C transport_closed",
        "- selectable_final",
        "C connection_unbound",
        "- selectable_final",
        "- reactor_final",
    ]
