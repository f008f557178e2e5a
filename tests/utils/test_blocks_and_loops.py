"""`with` on what blocks, `for message in receiver`, and the outcomes of a received message."""

import contextlib
import threading
import time

import pytest

from proton import (
    Condition,
    ConnectionException,
    Delivery,
    LinkException,
    Message,
    ModifiedDisposition,
    RejectedDisposition,
)
from proton.reactor import Backoff
from proton.utils import BlockingConnection, LinkDetached, SyncRequestResponse
from tests.support.loops import SECONDS
from tests.support.server import serving


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture
def connection(server):
    with BlockingConnection(server.url, timeout=SECONDS) as made:
        yield made


@pytest.fixture
def queue(request):
    """An address of the test's own."""
    return request.node.name


@pytest.fixture
def filled(connection, queue):
    """The address of a queue of five messages."""
    with connection.create_sender(queue) as sender:
        for number in range(5):
            sender.send(Message(body=number))
    return queue


# -- with ------------------------------------------------------------------------------------------------------------


def test_each_is_closed_at_the_end_of_its_block(server, queue):
    with BlockingConnection(server.url, timeout=SECONDS) as connection:
        with connection.create_sender(queue) as sender, connection.create_receiver(queue) as receiver:
            sender.send(Message(body="x"))
            assert receiver.receive().body == "x"
            receiver.accept()
        for link in (sender.link, receiver.link):
            assert link.state == link.LOCAL_CLOSED | link.REMOTE_CLOSED
        with SyncRequestResponse(connection, "service") as client:
            assert client.call(Message(body="y")).body == "y"
        for link in (client.sender.link, client.receiver.link):
            assert link.state == link.LOCAL_CLOSED | link.REMOTE_CLOSED
        with pytest.raises(LinkException, match="expected an open link"):
            client.call(Message(body="z"), timeout=None)
        client.close()
        assert not connection.closing
    assert connection.conn is None


MAKERS = {
    "connection": lambda connection: connection,
    "sender": lambda connection: connection.create_sender("q"),
    "receiver": lambda connection: connection.create_receiver("q"),
    "client": lambda connection: SyncRequestResponse(connection, "q"),
}
by_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@by_kind
def test_what_was_closed_in_its_block_ends_without_an_error(server, make):
    with BlockingConnection(server.url, timeout=SECONDS) as connection:
        with make(connection) as made:
            made.close()
        with contextlib.ExitStack() as stack:
            if not connection.closing:
                stack.enter_context(make(connection))
            connection.close()


@by_kind
def test_an_exception_in_the_block_is_raised_after_the_close(server, make):
    with BlockingConnection(server.url, timeout=SECONDS) as connection:
        with pytest.raises(ZeroDivisionError), make(connection) as made:
            raise ZeroDivisionError
        with pytest.raises((ConnectionException, LinkException), match="closed"):
            use(made)


def use(made):
    if isinstance(made, BlockingConnection):
        made.create_sender("q")
    elif isinstance(made, SyncRequestResponse):
        made.call(Message())
    elif made.link.is_sender:
        made.send(Message())
    else:
        made.receive()


@by_kind
def test_an_exception_in_the_block_is_not_hidden_by_the_close(server, make, caplog):
    """At their close the links raise that the peer has ended them, the connection what a handler raises."""

    class Broken:
        def on_connection_local_close(self, event):
            raise LinkDetached(event.connection.session().sender("x"))

    connection = BlockingConnection(server.url, timeout=SECONDS)
    caplog.set_level("INFO", logger="proton")
    with pytest.raises(ZeroDivisionError) as raised, connection, make(connection) as made:
        if made is connection:
            connection.handlers.append(Broken())
        else:
            end_by_peer(made)
        raise ZeroDivisionError
    assert raised.value.__context__ is None
    assert "closing failed after ZeroDivisionError" in caplog.text


def end_by_peer(made):
    """The peer ends the session of a link, or of the links of a client, while no operation waits."""
    connection = made.connection
    session = (made.sender if isinstance(made, SyncRequestResponse) else made).link.session
    connection.container.create_sender(session, "q", name="bringer").send(Message(body="end"))
    connection.wait(lambda: session.state & session.REMOTE_CLOSED)


@pytest.mark.parametrize("kind", ["sender", "receiver", "client"])
def test_an_error_of_the_close_is_raised_where_the_block_had_none(connection, kind):
    with pytest.raises(LinkDetached, match="x:z"), MAKERS[kind](connection) as made:
        end_by_peer(made)


def test_the_second_link_of_a_client_is_closed_though_the_first_was_ended(connection):
    client = SyncRequestResponse(connection, "q")
    with pytest.raises(LinkDetached, match="go away"):
        client.call(Message(body="detach"))
    client.close()
    assert client.receiver.link.state == client.receiver.link.LOCAL_CLOSED | client.receiver.link.REMOTE_CLOSED


# -- for -------------------------------------------------------------------------------------------------------------


def test_messages_are_iterated_over_until_the_receiver_is_closed_in_the_loop(connection, filled):
    bodies = []
    with connection.create_receiver(filled, credit=10) as receiver:
        for message in receiver:
            bodies.append(message.body)
            receiver.accept()
            if message.body == 2:
                receiver.close()
        assert bodies == [0, 1, 2]
        assert list(receiver) == []  # of what has come since, nothing: it goes back


def test_messages_are_iterated_over_until_the_connection_is_closed_in_the_loop(server, connection, filled):
    own = BlockingConnection(server.url, timeout=SECONDS)
    receiver = own.create_receiver(filled, credit=10)
    bodies = []
    for message in receiver:
        bodies.append(message.body)
        own.close()
    assert bodies == [0] and list(receiver.messages(timeout=None)) == []


@pytest.mark.parametrize(
    "ends", [lambda receiver: receiver.link.close(), lambda receiver: receiver.link.session.close()]
)
def test_an_end_that_the_program_makes_below_ends_the_loop_too(connection, filled, ends):
    receiver = connection.create_receiver(filled)
    for message in receiver:
        assert message.body == 0
        ends(receiver)


@pytest.mark.parametrize("what", ["receiver", "connection"])
def test_a_loop_that_waits_ends_when_another_thread_closes(server, queue, what):
    connection = BlockingConnection(server.url, timeout=SECONDS)
    receiver = connection.create_receiver(queue)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(list(receiver)), daemon=True)
    thread.start()
    connection.wait(lambda: receiver.link.credit)  # it waits
    started = time.monotonic()
    (receiver if what == "receiver" else connection).close()
    thread.join(SECONDS)
    assert ended == [[]] and time.monotonic() - started < SECONDS / 4
    connection.close()


@pytest.mark.parametrize(
    ("limit", "bodies"), [(0, []), (1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (None, [0, 1, 2, 3, 4])]
)
@pytest.mark.parametrize("credit", [None, 2, 10])
def test_a_limit_and_a_time_end_a_loop(connection, filled, limit, bodies, credit):
    receiver = connection.create_receiver(filled, credit=credit)
    assert [message.body for message in receiver.messages(limit, timeout=0.05)] == bodies
    assert len(receiver.fetcher.unsettled) == len(bodies)  # accepted by the program alone


def test_a_loop_can_be_left_and_begun_again(connection, filled):
    receiver = connection.create_receiver(filled, credit=2)
    for number in range(5):
        for message in receiver:
            assert message.body == number
            break


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"limit": "5"}, TypeError, "limit takes an integer or None, got str '5'"),
        ({"limit": -1}, ValueError, "limit takes 0 or more messages, got -1"),
        ({"timeout": "5"}, TypeError, "timeout takes seconds, a number or None, got str '5'"),
        ({"timeout": -1}, ValueError, "timeout takes 0 or more seconds, got -1"),
        ({"timeout": False}, TypeError, "timeout takes seconds, a number or None, got bool False"),
    ],
)
def test_wrong_arguments_are_told_at_the_call(connection, queue, arguments, error, text):
    with pytest.raises(error) as raised:
        connection.create_receiver(queue).messages(**arguments)
    assert str(raised.value) == text


def test_a_message_that_cannot_be_decoded_does_not_end_a_loop(connection, queue, caplog):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue, credit=10, name="link")
    for body in ("first", "garble", "last"):
        sender.send(Message(body=body))
    assert [message.body for message in receiver.messages(limit=2)] == ["first", "last"]
    (line,) = caplog.messages
    assert line.startswith("rejected a message on link link that cannot be decoded: data section at offset 0: ")


def test_a_receiver_with_a_handler_cannot_be_iterated_over(connection, queue):
    with pytest.raises(Exception, match="Can't call receive on this receiver"):
        next(iter(connection.create_receiver(queue, handler=object())))


class Told:
    """What the sending end of messages hears of them."""

    def __init__(self):
        self.states = []

    def on_delivery(self, event):
        remote = event.delivery.remote
        if event.link.is_sender and remote is not None:
            self.states.append((remote.type, *fields_of(remote)))


def fields_of(state):
    if state.type == Delivery.REJECTED:
        return (state.condition,)
    return (state.failed, state.undeliverable, state.annotations) if state.type == Delivery.MODIFIED else ()


@pytest.mark.parametrize("how", ["with", "for"])
def test_what_has_no_outcome_is_released_by_the_close(how):
    """RabbitMQ 3 gives it to no other receiver before the session ends, when its link is closed alone."""
    told = Told()
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS) as connection:
        sender = connection.create_sender("q")
        for number in range(4):
            sender.send(Message(body=number))
        server.handlers.append(told)
        receiver = connection.create_receiver("q", credit=10)
        connection.wait(lambda: len(receiver.fetcher.incoming) == 4)
        if how == "with":
            with receiver:
                receiver.receive()
                receiver.accept()
                receiver.receive()
        else:
            for message in receiver:
                if message.body == 0:
                    receiver.accept()
                else:
                    receiver.close()
        receiver.accept()  # too late, and not an error
        with pytest.raises(LinkException, match="expected an open link"):
            receiver.receive()
    assert told.states == [(Delivery.ACCEPTED,), *[(Delivery.RELEASED,)] * 3]


def test_a_loop_goes_on_after_a_loss_and_what_was_not_received_comes_once():
    """A message that had come before the loss was received from here, and again from the peer."""
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS, reconnect=Backoff()) as connection:
        receiver = connection.create_receiver("q", credit=10)
        sender = connection.create_sender("q")
        for number in range(3):
            sender.send(Message(body=number))
        connection.wait(lambda: len(receiver.fetcher.incoming) == 3)
        bodies = []
        for message in receiver:
            bodies.append(message.body)
            receiver.accept()
            if len(bodies) == 1:
                server.tell("drop_all")
                connection.wait(lambda: connection.disconnected)
                connection.wait(lambda: not connection.disconnected)
                # As a broker does: what was not settled is sent again.
                for number in (1, 2):
                    sender.send(Message(body=number))
            if len(bodies) == 3:
                receiver.close()
        assert bodies == [0, 1, 2]
        assert receiver.link.unsettled == 0


# -- outcomes --------------------------------------------------------------------------------------------------------

WHY = Condition("x:y", "too blue", {"a": 1})


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda receiver: receiver.accept(), (Delivery.ACCEPTED,)),
        (lambda receiver: receiver.reject(), (Delivery.REJECTED, None)),
        (lambda receiver: receiver.reject("x:y"), (Delivery.REJECTED, Condition("x:y"))),
        (lambda receiver: receiver.reject("x:y", "too blue", {"a": 1}), (Delivery.REJECTED, WHY)),
        (lambda receiver: receiver.reject(condition=WHY), (Delivery.REJECTED, WHY)),
        (
            lambda receiver: receiver.reject(description="no"),
            (Delivery.REJECTED, Condition("amqp:precondition-failed", "no")),
        ),
        (lambda receiver: receiver.release(), (Delivery.MODIFIED, False, False, None)),
        (lambda receiver: receiver.release(delivered=False), (Delivery.RELEASED,)),
        (lambda receiver: receiver.modify(), (Delivery.MODIFIED, True, False, None)),
        (
            lambda receiver: receiver.modify(False, True, {"x-opt-a": 1}),
            (Delivery.MODIFIED, False, True, {"x-opt-a": 1}),
        ),
        (lambda receiver: receiver.settle(RejectedDisposition(WHY)), (Delivery.REJECTED, WHY)),
        (lambda receiver: receiver.settle(ModifiedDisposition()), (Delivery.MODIFIED, True, False, None)),
    ],
)
def test_the_sender_is_told_the_outcome(action, expected):
    told = Told()
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS) as connection:
        connection.create_sender("q").send(Message(body="x"))
        server.handlers.append(told)
        with connection.create_receiver("q") as receiver:
            receiver.receive()
            action(receiver)
            with pytest.raises(IndexError, match="expected an unsettled message"):
                action(receiver)
    assert told.states == [expected]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda receiver: receiver.reject(5), "condition takes a str, a Condition or None, got 5"),
        (lambda receiver: receiver.reject("x:y", 5), "description takes str or None, got int 5"),
        (lambda receiver: receiver.modify("no"), "failed takes a bool, got str 'no'"),
        (lambda receiver: receiver.modify(undeliverable="no"), "undeliverable takes a bool, got str 'no'"),
    ],
)
def test_an_outcome_that_cannot_be_sent_leaves_the_message_unsettled(connection, filled, action, text):
    with connection.create_receiver(filled) as receiver:
        receiver.receive()
        with pytest.raises(TypeError) as raised:
            action(receiver)
        assert str(raised.value) == text
        receiver.accept()


def test_a_message_is_named_where_it_is_not_the_oldest(connection, filled):
    with connection.create_receiver(filled, credit=5) as receiver:
        first, second, third = receiver.messages(limit=3)
        of_first, of_second, of_third = receiver.fetcher.unsettled
        receiver.accept(message=third)
        receiver.reject("x:y", message=second)
        with pytest.raises(IndexError, match="expected an unsettled message of this receiver, got Message"):
            receiver.accept(message=third)
        with pytest.raises(IndexError, match="expected an unsettled message of this receiver"):
            receiver.release(message=Message(body=0))
        receiver.modify()
        states = [delivery.local_state for delivery in (of_first, of_second, of_third)]
        assert states == [Delivery.MODIFIED, Delivery.REJECTED, Delivery.ACCEPTED]
        assert first.body == 0 and receiver.link.unsettled == 2  # those that have come and were not received
