"""`Driver`: the one door for event loops. Two drivers are joined in memory; time is an argument."""

from __future__ import annotations

import ast
import pathlib

import pytest

import proton
from proton import Collector, Condition, Connection, Delivery, Event, Message, SSLDomain, Transport
from proton.driver import Driver
from tests.support.engines import AMQP_HEADER, HEARTBEAT, frame, frames


def driver(mode=None, collector=None, **settings):
    """A driver with a connection, not yet opened; `settings` are attributes of its transport."""
    made = Driver(Transport(mode), collector)
    for name, value in settings.items():
        setattr(made.transport, name, value)
    connection = Connection()
    connection.collect(made.collector)
    made.transport.bind(connection)
    return made


def names(made):
    return [event.type.name[3:] for event in made.events()]


def move(source, sink, most=65536):
    """Moves what there is; whether there was something."""
    data = source.data_to_send(most)
    if data and sink.room():
        source.sent(len(data))
        sink.received(data)
        return True
    if source.output_ended and sink.room():
        sink.eof_received()
        return True
    return False


def pump(a, b, most=65536):
    while move(a, b, most) | move(b, a, most):
        pass


@pytest.fixture
def pair():
    """Two drivers whose connections are open, and whose events are handled."""
    a, b = driver(), driver(Transport.SERVER)
    a.transport.connection.open()
    b.transport.connection.open()
    pump(a, b)
    assert "CONNECTION_REMOTE_OPEN" in names(a) and "CONNECTION_REMOTE_OPEN" in names(b)
    return a, b


def linked(a, b):
    """A sender of `a` with credit and the receiver of `b`."""
    session = a.transport.connection.session()
    session.open()
    sender = session.sender("L")
    sender.open()
    pump(a, b)
    b.transport.connection.session_head(0).open()
    receiver = b.transport.connection.link_head(0)
    receiver.open()
    receiver.flow(10)
    pump(a, b)
    names(a), names(b)
    return sender, receiver


def settle(receiver):
    """Accepts the current delivery."""
    delivery = receiver.current
    delivery.update(Delivery.ACCEPTED)
    delivery.settle()


@pytest.mark.parametrize("most", [1, 7, 65536])
def test_a_message_goes_through_in_pieces_of_any_size(pair, most):
    a, b = pair
    sender, receiver = linked(a, b)
    delivery = sender.send(Message(body="x" * 100))
    pump(a, b, most)
    message = Message()
    message.decode(receiver.recv(1000))
    assert message.body == "x" * 100
    settle(receiver)
    pump(a, b, most)
    assert delivery.settled


def test_data_stays_until_it_was_sent(pair):
    a, _ = pair
    a.transport.connection.session().open()
    data = a.data_to_send()
    assert a.data_to_send() == data and a.data_to_send(3) == data[:3]
    a.sent(3)
    assert a.data_to_send() == data[3:]
    a.sent(len(data) - 3)
    assert a.data_to_send() == b""


def announced(made):
    """A list that grows with each call of `on_output`."""
    calls = []
    made.on_output = lambda: calls.append(True)
    return calls


def test_output_is_announced_once_until_nothing_is_left(pair):
    a, b = pair
    sender, _ = linked(a, b)
    calls = announced(a)
    for _ in range(3):
        sender.send(Message())
        names(a)
    assert len(calls) == 1
    data = a.data_to_send()
    a.sent(len(data))
    assert a.data_to_send() == b"" and len(calls) == 1
    sender.send(Message())
    assert len(calls) == 2


def test_output_is_announced_again_if_the_last_announcement_is_still_among_the_events(pair):
    a, b = pair
    sender, receiver = linked(a, b)
    calls, answers = announced(a), announced(b)
    for count in (1, 2, 3):
        sender.send(Message())
        assert len(calls) == count
        pump(a, b)  # no event of `a` is handled
        receiver.current.update(Delivery.ACCEPTED)
        settle(receiver)
        assert len(answers) == count
        pump(a, b)


@pytest.mark.parametrize(
    "act",
    [
        lambda sender, receiver: receiver.flow(1),
        lambda sender, receiver: receiver.close(),
        lambda sender, receiver: receiver.connection.close(),
        lambda sender, receiver: receiver.session.sender("new").open(),
        lambda sender, receiver: receiver.drain(5),
    ],
    ids=["flow", "close link", "close connection", "attach", "drain"],
)
def test_what_a_program_does_announces_output(pair, act):
    a, b = pair
    ends = linked(a, b)
    calls = announced(b)
    act(*ends)
    assert len(calls) == 1
    assert b.data_to_send()


def test_drivers_that_share_a_collector_keep_one_order_of_events():
    shared = Collector()
    first, second = driver(collector=shared), driver(collector=shared)
    names(first)
    for made in (second, first, second):
        made.transport.connection.session()
    owners = [event.connection for event in first.events()]
    connections = [second.transport.connection, first.transport.connection, second.transport.connection]
    assert owners == connections
    assert list(second.events()) == []


def test_only_the_driver_with_output_is_told():
    shared = Collector()
    made = [driver(collector=shared) for _ in range(3)]
    calls = [announced(one) for one in made]
    made[1].transport.connection.open()
    assert [len(one) for one in calls] == [0, 1, 0]


def test_events_that_handlers_cause_follow_and_a_break_leaves_the_rest(pair):
    a, _ = pair
    a.transport.connection.session()
    seen = []
    for event in a.events():
        seen.append(event.type)
        if len(seen) == 1:
            a.transport.connection.session()
    assert seen == [Event.SESSION_INIT] * 2
    a.transport.connection.session(), a.transport.connection.session()
    for _ in a.events():
        break
    assert names(a) == ["SESSION_INIT"]


def test_room_is_taken_by_events_that_wait():
    a, b = driver(), driver(Transport.SERVER, max_waiting_events=20)
    a.transport.connection.open()
    b.transport.connection.open()
    for _ in range(30):
        a.transport.connection.session().open()
    pump(a, b)
    assert b.room() == 0
    names(b)
    assert b.room() > 0


def test_an_orderly_end(pair):
    a, b = pair
    for made in pair:
        made.transport.connection.close()
    pump(a, b)
    assert a.output_ended and b.output_ended and a.closed and b.closed
    assert (a.room(), a.data_to_send()) == (0, b"")
    assert a.transport.condition is None
    assert names(a)[-1] == "TRANSPORT_CLOSED"
    a.unbind()
    assert a.transport.driver is None and a.transport.connection is None


def test_bytes_behind_the_end_of_the_input_are_dropped(pair):
    a, _ = pair
    a.lost()
    names(a)
    a.received(HEARTBEAT)
    assert names(a) == []


def test_an_early_end_of_the_input_is_an_error_that_the_peer_is_told(pair):
    a, _ = pair
    a.eof_received()
    assert a.transport.condition == Condition("amqp:connection:framing-error", "connection aborted")
    (close,) = frames(a.data_to_send())
    assert close.name == "close" and not a.closed
    a.lost()
    assert a.closed and a.output_ended


@pytest.mark.parametrize(
    "error, description",
    [
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ValueError("no address"), "no address"),
        (TimeoutError(), "TimeoutError"),
        (Condition("x:y", "gone"), "gone"),
    ],
)
def test_a_connection_that_could_not_be_made_says_why(error, description):
    made = driver()
    made.transport.connection.open()
    names(made)
    made.lost(error)
    assert made.closed
    name = error.name if isinstance(error, Condition) else "proton.pythonio"
    assert (made.transport.condition.name, made.transport.condition.description) == (name, description)
    found = names(made)
    assert found == ["TRANSPORT_TAIL_CLOSED", "TRANSPORT_ERROR", "TRANSPORT_HEAD_CLOSED", "TRANSPORT_CLOSED"]
    made.lost(ValueError("later"))
    assert made.transport.condition.description == description


def test_garbage_ends_the_connection_and_raises_nothing(pair):
    a, _ = pair
    a.received(b"\0" * 8)
    assert a.transport.condition.name == "amqp:connection:framing-error"
    assert [part.name for part in frames(a.data_to_send())] == ["close"]


# -- time ---------------------------------------------------------------------------------------------------------


def test_without_time_outs_there_is_not_deadline(pair):
    a, _ = pair
    assert a.next_deadline() == 0.0  # bytes have moved
    a.handle_timer(100.0)
    assert a.next_deadline() is None


def timed(made, now):
    """Lets time pass as a loop does: until no deadline is due."""
    while made.next_deadline() is not None and made.next_deadline() <= now:
        made.handle_timer(now)


def test_heartbeats_come_when_half_of_the_peers_time_out_has_passed_since_the_last_output():
    a = driver()
    a.transport.connection.open()
    a.received(AMQP_HEADER + frame(0, "open", container_id="b", idle_time_out=4000))
    a.sent(len(a.data_to_send()))
    timed(a, 100.0)
    assert a.next_deadline() == 102.0
    a.transport.connection.session().open()
    a.sent(len(a.data_to_send()))
    timed(a, 101.5)
    assert a.next_deadline() == 103.5
    timed(a, 103.4)
    assert a.data_to_send() == b""
    timed(a, 103.5)
    assert a.data_to_send() == HEARTBEAT


@pytest.mark.parametrize("late", [0.0, 100.0])
def test_a_silent_peer_is_given_up(late):
    a = driver(idle_timeout=10.0)
    a.transport.connection.open()
    a.received(AMQP_HEADER + frame(0, "open", container_id="b"))
    a.sent(len(a.data_to_send()))
    timed(a, 100.0)
    assert a.next_deadline() == 110.0
    a.handle_timer(110.0 + late)
    # The first call leaves the loop time to read what the socket has.
    assert a.transport.condition is None and a.next_deadline() == 110.0
    a.handle_timer(110.0 + late)
    assert a.transport.condition.description == "local-idle-timeout expired"


@pytest.mark.parametrize("speaks", [True, False])
def test_the_socket_is_read_before_a_late_deadline_acts(speaks):
    a = driver(idle_timeout=10.0)
    a.transport.connection.open()
    a.received(AMQP_HEADER + frame(0, "open", container_id="b"))
    a.sent(len(a.data_to_send()))
    timed(a, 100.0)
    reads = []

    def read():
        reads.append(True)
        if speaks:
            a.received(HEARTBEAT)

    a.read_first = read
    a.handle_timer(109.0)
    assert reads == []
    a.handle_timer(130.0)
    assert reads == [True]
    assert (a.transport.condition is None) is speaks
    if speaks:
        assert a.next_deadline() == 140.0


# -- beside AMQP --------------------------------------------------------------------------------------------------


def test_tls_and_sasl_are_the_transports(pair):
    a, b = Driver(Transport()), Driver(Transport(Transport.SERVER))
    for made in (a, b):
        made.transport.ssl(SSLDomain(SSLDomain.MODE_CLIENT if made is a else SSLDomain.MODE_SERVER))
        connection = Connection()
        connection.collect(made.collector)
        made.transport.bind(connection)
        connection.open()
    assert a.data_to_send().startswith(b"\x16\x03")  # a handshake record of TLS


def test_a_source_that_raises_comes_out_of_the_question_for_data(pair):
    a, b = pair
    sender, _ = linked(a, b)

    def source():
        yield b"x"
        raise LookupError("the program's own")

    sender.send_stream(source())
    with pytest.raises(LookupError, match="the program's own"):
        pump(a, b)


def test_a_driver_has_no_socket_and_no_clock():
    tree = ast.parse((pathlib.Path(proton.__file__).parent / "driver.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported and not imported & {"socket", "selectors", "asyncio", "time", "ssl", "select"}
