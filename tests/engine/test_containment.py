"""The second line of defence: an error of our own code ends the connection on which it shows, and nothing else.

Errors are provoked where programs and peers cannot: a collector or a tracer that raises in the middle of the work.
"""

from __future__ import annotations

import logging

import pytest

from proton import Endpoint, Event, SessionException, Transport
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.engines import AMQP_HEADER, Peer, Script, connected, frame, linked, pump, put, take
from tests.support.loops import watchdog

CONDITION = "amqp:internal-error"


class Broken(Exception):
    """What a bug of ours raises."""


def fault_in(collector, etype):
    """Has the collector raise in place of that event: a bug in the middle of the engine's work."""
    emit = collector.emit

    def broken(event_type, context):
        if event_type is etype:
            raise Broken("secret words")
        emit(event_type, context)

    collector.emit = broken


def logged(records):
    """What was logged, of one error, with its traceback; the list is cleared."""
    (record,) = records
    records.clear()
    assert (record.levelno, record.name) == (logging.ERROR, "proton.internal")
    assert record.exc_info[0] is Broken and record.exc_info[2] is not None
    return record.getMessage()


def test_an_error_while_input_is_taken_closes_the_connection(internal_errors):
    script = Script().opened()
    fault_in(script.peer.collector, Event.SESSION_REMOTE_OPEN)
    script.send("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    (close,) = script.received()
    error = close["error"].value
    assert (str(error[0]), error[1]) == (CONDITION, "internal error while taking input: Broken")
    assert script.transport.closed
    assert script.peer.events().endswith("TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED")
    assert logged(internal_errors) == "internal error on the connection with 'script' while taking input: Broken"


def test_an_error_while_output_is_made_closes_the_connection(internal_errors):
    a, b, sender, receiver = linked()
    put(sender, b"whole")
    fault_in(a.collector, Event.LINK_FLOW)
    written = take(a.transport)
    b.transport.push(written)
    assert receiver.current is not None, "the frame before the fault has gone out as a whole"
    assert b.connection.remote_condition.name == CONDITION
    assert logged(internal_errors).endswith("while making output: Broken")
    pump(a, b)
    assert a.transport.closed


def test_the_peer_does_not_hear_what_the_error_says(internal_errors):
    script = Script().opened()
    fault_in(script.peer.collector, Event.SESSION_REMOTE_OPEN)
    script.send("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    assert b"secret" not in take(script.transport)
    logged(internal_errors)


def test_an_error_in_the_words_that_tell_of_an_error_ends_the_output(internal_errors):
    script = Script().opened()
    fault_in(script.peer.collector, Event.TRANSPORT_ERROR)
    script.send("begin", channel=7, remote_channel=9, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    assert script.transport.pending() == -1 and script.transport.closed
    assert {record.exc_info[0] for record in internal_errors} == {Broken}
    internal_errors.clear()


def test_an_error_while_an_open_that_waited_is_taken(internal_errors):
    peer = Peer("late", Transport.SERVER)
    peer.transport.push(AMQP_HEADER + frame(0, "open", container_id="x"))
    fault_in(peer.collector, Event.CONNECTION_REMOTE_OPEN)
    peer.bind()
    assert peer.transport.condition.name == CONDITION
    take(peer.transport)
    assert peer.transport.closed
    logged(internal_errors)


def test_an_error_at_the_end_of_the_stream(internal_errors):
    script = Script().opened()
    fault_in(script.peer.collector, Event.TRANSPORT_TAIL_CLOSED)
    script.transport.close_tail()
    assert script.transport.condition.name == CONDITION
    take(script.transport)
    logged(internal_errors)


def test_an_error_after_the_last_byte_was_sent(internal_errors):
    a, b = connected()
    a.connection.close()
    fault_in(a.collector, Event.TRANSPORT_HEAD_CLOSED)
    data = a.transport.peek(1000)
    a.transport.pop(len(data))
    assert a.transport.condition.name == CONDITION
    b.transport.push(data)
    assert b.connection.state & Endpoint.REMOTE_CLOSED
    internal_errors.clear()


def test_what_the_source_of_a_body_raises_comes_out_of_pending():
    a, _, sender, _ = linked()

    def source():
        yield b"begun"
        raise Broken("of the program")

    sender.send_stream(source())
    with pytest.raises(Broken, match="of the program"):
        a.transport.pending()
    assert a.transport.condition is None


def test_a_misuse_of_the_transport_still_raises():
    a, _ = connected()
    with pytest.raises(SessionException):
        a.transport.channel_max = 5
    with pytest.raises(TypeError):
        a.transport.push("text")
    assert a.transport.condition is None


class Server(MessagingHandler):
    """Listens; one of its two clients has spoilt what its attach is made of, which shows when the frame is made."""

    def __init__(self):
        super().__init__()
        self.ends = []
        self.told = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        for name in ("unlucky", "lucky"):
            connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
            connection.name = name

    def on_connection_opened(self, event):
        name = getattr(event.connection, "name", None)
        if name is not None:
            receiver = event.container.create_receiver(event.connection, "a")
            if name == "unlucky":
                receiver.source.filter.put_object(5)

    def on_link_opened(self, event):
        if getattr(event.connection, "name", None) == "lucky":
            self.told.append("lucky link")
            event.connection.close()
            self.acceptor.close()

    def on_transport_error(self, event):
        self.ends.append((event.connection.name, event.transport.condition.name))

    def on_connection_error(self, event):
        self.told.append(event.connection.remote_condition.name)


def test_the_loop_and_its_other_connections_go_on(internal_errors):
    handler = Server()
    container = Container(handler)
    with watchdog(container):
        container.run()
    assert handler.ends == [("unlucky", CONDITION)]
    assert sorted(handler.told) == [CONDITION, "lucky link"]
    assert [record.exc_info[0] for record in internal_errors] == [TypeError]
    internal_errors.clear()


class Raiser(MessagingHandler):
    """A program whose own handler raises."""

    def on_start(self, event):
        raise Broken("of the program")


def test_what_a_handler_raises_comes_out_of_run():
    with pytest.raises(Broken, match="of the program"):
        Container(Raiser()).run()


@pytest.mark.parametrize("count", [1, 10, 0x7FFFFFFE, 0x7FFFFFFF])
@pytest.mark.parametrize("credit", [0, 1, 0xFFFFFFFF])
def test_a_delivery_count_that_lies_ahead_makes_no_credit_beyond_32_bits(count, credit):
    script = Script()
    sender = script.sender(credit=0)
    script.grant(credit, count=count, echo=True)
    assert 0 <= sender.credit <= 0xFFFFFFFF
    (answer,) = script.received()
    assert answer.name == "flow" and answer["link_credit"] == sender.credit
    assert script.transport.condition is None


def test_credit_that_is_given_back_again_and_again_does_not_fall_without_end():
    script = Script()
    receiver = script.receiver(credit=100)
    count = 0
    for _ in range(5):
        count = count + 0x7FFFFFFF & 0xFFFFFFFF
        script.grant(0, count=count)
    assert receiver.credit == 0 and receiver.drained() == 100
    receiver.flow(10)
    (told,) = script.received()
    assert (told["link_credit"], told["delivery_count"]) == (10, count)
