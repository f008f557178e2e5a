"""Blocking senders and receivers: outcomes, credit, refusals."""

import time
import weakref

import pytest

from proton import Delivery, LinkException, Message, MessageException, Timeout
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce
from proton.utils import BlockingConnection, LinkDetached, SendException
from proton.utils import blocking_links as links
from tests.support.loops import SECONDS
from tests.support.references import collect
from tests.support.server import serving


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture
def connection(server):
    made = BlockingConnection(server.url, timeout=SECONDS)
    yield made
    made.close()


@pytest.fixture
def queue(request, server):
    """An address of the test's own."""
    return request.node.name


def test_a_message_there_and_back(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    delivery = sender.send(Message(body="x", id=1))
    assert (delivery.remote_state, delivery.settled) == (Delivery.ACCEPTED, True)
    message = receiver.receive(timeout=30)
    assert (message.body, message.id) == ("x", 1)
    receiver.accept()
    assert receiver.link.unsettled == sender.link.unsettled == 0


@pytest.mark.parametrize(
    ("body", "error_states", "raised"),
    [
        ("x", None, None),
        ("reject", None, Delivery.REJECTED),
        ("release", None, Delivery.RELEASED),
        ("modify", None, None),
        ("modify", [Delivery.MODIFIED], Delivery.MODIFIED),
        ("reject", [Delivery.MODIFIED], None),
        ("reject", [], None),
    ],
)
def test_outcomes(connection, queue, body, error_states, raised):
    sender = connection.create_sender(queue)
    if raised is None:
        assert sender.send(Message(body=body), error_states=error_states).settled
        return
    with pytest.raises(SendException) as failure:
        sender.send(Message(body=body), error_states=error_states)
    assert (failure.value.state, failure.value.args) == (raised, (raised,))
    assert sender.link.unsettled == 0


def test_why_a_message_was_rejected(connection, queue):
    with pytest.raises(SendException) as failure:
        connection.create_sender(queue).send(Message(body="reject_why"))
    error = failure.value
    assert (error.state, error.args) == (Delivery.REJECTED, (Delivery.REJECTED,))
    assert str(error) == f"the message to {queue!r} was rejected due to: Condition('x:y', 'too blue')"
    assert error.condition == "x:y"


def test_an_anonymous_sender_names_the_address_of_the_message(connection, queue):
    with pytest.raises(SendException) as failure:
        connection.create_sender(None).send(Message(address=queue, body="reject"))
    assert str(failure.value) == f"the message to {queue!r} was rejected"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Delivery.REJECTED, "the message was rejected"),
        (Delivery.RELEASED, "the message was released"),
        (Delivery.MODIFIED, "the message was modified"),
        (0, "the message was settled without an outcome"),
        (77, "the message has the outcome 77"),
    ],
)
def test_an_outcome_without_a_reason(state, text):
    error = SendException(state)
    assert (error.state, error.args, error.condition, str(error)) == (state, (state,), None, text)


def test_no_outcome_in_time(connection, queue):
    sender = connection.create_sender(queue)
    with pytest.raises(Timeout, match=f"timed out: Sending on sender {sender.name}".replace("[", "\\[")):
        sender.send(Message(body="silence"), timeout=0.05)


@pytest.mark.parametrize("timeout", [SECONDS, None])
def test_the_end_of_the_session_ends_an_operation_at_once_with_its_condition(connection, queue, timeout):
    """It was a `Timeout` after the full time, which had the condition in its text."""
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    started = time.monotonic()
    with pytest.raises(LinkDetached, match=r"closed due to: Condition\('x:z', 'no more of this'\)") as failure:
        sender.send(Message(body="end"), timeout=timeout)
    assert failure.value.condition == "x:z" and failure.value.link is sender.link
    # All that is on it hears of it, whenever it asks.
    for operation in (lambda: receiver.receive(timeout=timeout), lambda: sender.send(Message(body="x"))):
        with pytest.raises(LinkDetached, match="x:z"):
            operation()
    assert time.monotonic() - started < 1
    assert connection.create_sender(queue).send(Message(body="x")).settled  # in a session of its own


def test_what_is_sent_settled_has_no_outcome(connection, queue):
    sender = connection.create_sender(queue, options=AtMostOnce())
    delivery = sender.send(Message(body="x"))
    assert not delivery.settled and delivery.remote_state == 0
    assert connection.create_receiver(queue).receive().body == "x"


def test_what_is_sent_settled_is_written_at_once(connection, queue):
    sender = connection.create_sender(queue, options=AtMostOnce())
    for count in range(3):
        sender.send(Message(body=count))
        assert (sender.link.queued, connection.conn.transport.pending()) == (0, 0)


@pytest.mark.parametrize("kind", ["sender", "receiver"])
def test_a_link_that_was_closed_is_of_no_more_use(connection, queue, kind):
    link = getattr(connection, f"create_{kind}")(queue)
    link.close()
    with pytest.raises(LinkException, match=f"expected an open link, got {link.name}".replace("[", "\\[")):
        link.send(Message()) if kind == "sender" else link.receive()


def test_what_has_come_is_received_after_close(connection, queue):
    connection.create_sender(queue).send(Message(body="x"))
    receiver = connection.create_receiver(queue, credit=1)
    connection.wait(lambda: receiver.fetcher.has_message)
    receiver.close()
    assert receiver.receive().body == "x"


def test_a_link_that_the_peer_has_closed_tells_each_time(connection, queue):
    sender = connection.create_sender(queue)
    for _ in range(2):
        with pytest.raises(LinkDetached, match="closed due to: Condition\\('x:y', 'go away'\\)"):
            sender.send(Message(body="detach"))


def test_credit_is_a_number(connection, queue):
    with pytest.raises(TypeError, match="credit takes a number of messages or None, got str '10'"):
        connection.create_receiver(queue, credit="10")


def test_no_message_in_time(connection, queue):
    receiver = connection.create_receiver(queue)
    with pytest.raises(Timeout, match="timed out: Receiving on receiver "):
        receiver.receive(timeout=0.05)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (lambda receiver: receiver.accept(), Delivery.ACCEPTED),
        (lambda receiver: receiver.reject(), Delivery.REJECTED),
        (lambda receiver: receiver.release(), Delivery.MODIFIED),
        (lambda receiver: receiver.release(delivered=False), Delivery.RELEASED),
        (lambda receiver: receiver.settle(), 0),
        (lambda receiver: receiver.settle(Delivery.RELEASED), Delivery.RELEASED),
    ],
)
def test_answers(connection, queue, action, state):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    sender.send(Message(body="x"))
    receiver.receive()
    delivery = receiver.fetcher.unsettled[0]
    action(receiver)
    assert delivery.local_state == state
    assert receiver.link.unsettled == 0
    with pytest.raises(IndexError):
        action(receiver)


def test_answers_are_given_in_order(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue, credit=5)
    for number in range(3):
        sender.send(Message(body=number))
    assert [receiver.receive().body for _ in range(3)] == [0, 1, 2]
    first, second, third = receiver.fetcher.unsettled
    receiver.accept()
    receiver.reject()
    assert (first.local_state, second.local_state, third.local_state) == (Delivery.ACCEPTED, Delivery.REJECTED, 0)


@pytest.mark.parametrize(("credit", "granted"), [(None, 0), (1, 2), (5, 10)])
def test_credit_at_first(connection, queue, credit, granted):
    receiver = connection.create_receiver(queue, credit=credit)
    assert receiver.link.credit == granted


def test_without_credit_each_receive_asks_for_one(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    for number in range(3):
        sender.send(Message(body=number))
    assert receiver.receive().body == 0
    assert receiver.link.credit == 0 and not receiver.fetcher.has_message


@pytest.mark.parametrize("credit", [None, 1, 2, 10])
def test_many_messages(connection, queue, credit):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue, credit=credit)
    for number in range(30):
        sender.send(Message(body=number))
    received = []
    for _ in range(30):
        received.append(receiver.receive().body)
        receiver.accept()
    assert received == list(range(30))


@pytest.mark.parametrize("credit", [None, 10])
def test_a_message_that_cannot_be_decoded_raises_at_once_in_its_place(connection, queue, credit, caplog):
    """It was passed over, and `receive` was a `Timeout` after the full time."""
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue, credit=credit)
    if credit is None:
        receiver.flow(3)
    for body in ("first", "garble", "last"):
        sender.send(Message(body=body))
    assert receiver.receive().body == "first"
    start = time.monotonic()
    with pytest.raises(MessageException, match="not enough data"):
        receiver.receive(timeout=None)
    assert time.monotonic() - start < 1
    assert receiver.receive().body == "last"
    for _ in range(2):
        receiver.accept()
    with pytest.raises(IndexError):
        receiver.accept()  # that one was rejected
    assert caplog.messages == []  # what an operation raises is not logged too


def test_a_handler_of_ones_own(connection, queue):
    class Own(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.bodies = []

        def on_message(self, event):
            self.bodies.append(event.message.body)

    own = Own()
    receiver = connection.create_receiver(queue, handler=own)
    assert receiver.credit == 11
    connection.create_sender(queue).send(Message(body="x"))
    connection.wait(lambda: own.bodies)
    assert own.bodies == ["x"]
    with pytest.raises(Exception, match="Can't call receive on this receiver as a handler was not provided"):
        receiver.receive()
    for action in (receiver.accept, receiver.reject, receiver.release, receiver.settle):
        with pytest.raises(Exception, match="Can't call accept/reject etc on this receiver as a handler"):
            action()


@pytest.mark.parametrize(("kind", "place"), [("sender", "to"), ("receiver", "from")])
def test_a_refused_link(connection, queue, kind, place):
    with pytest.raises(LinkDetached) as failure:
        getattr(connection, "create_" + kind)(queue, name=f"refuse-{kind}")
    error = failure.value
    expected = f"{kind} refuse-{kind} {place} {queue} closed due to: Condition('amqp:not-found', 'no such node')"
    assert str(error) == expected
    assert (error.condition, error.link.name) == ("amqp:not-found", f"refuse-{kind}")


def test_a_sender_parted_without_a_reason(connection, queue):
    with pytest.raises(LinkDetached) as failure:
        connection.create_sender(queue, name="part-sender")
    assert str(failure.value) == f"sender part-sender to {queue} closed by peer"
    assert failure.value.condition is None


def test_a_sender_detached_while_it_sends(connection, queue):
    sender = connection.create_sender(queue)
    with pytest.raises(LinkDetached, match="closed due to: Condition\\('x:y', 'go away'\\)"):
        sender.send(Message(body="detach"))
    # The connection is as good as before, and the address too.
    assert connection.create_sender(queue).send(Message(body="x")).settled


@pytest.mark.parametrize(("kind", "terminus"), [("sender", "target"), ("receiver", "source")])
def test_another_address_than_asked_for(connection, kind, terminus):
    with pytest.raises(LinkException, match=f"Failed to open {kind} .*-mismatch, {terminus} does not match"):
        getattr(connection, "create_" + kind)("mismatch")


@pytest.mark.parametrize(("kind", "terminus"), [("sender", "target"), ("receiver", "source")])
@pytest.mark.parametrize("why", [True, False])
def test_a_link_turned_away_with_its_session(connection, queue, monkeypatch, kind, terminus, why):
    """The peer has attached it to no address; it is not waited for longer than until it ends the session."""
    monkeypatch.setattr(links, "REFUSAL_TIMEOUT", 2 * SECONDS)  # the test's limit is below it
    name = f"ending-{'why' if why else 'so'}-{kind}"
    started = time.monotonic()
    # It was a `LinkException` about the address, with the condition in its text.
    with pytest.raises(
        LinkDetached, match="due to: Condition\\('amqp:not-found', 'no such node'\\)" if why else "by peer"
    ):
        getattr(connection, "create_" + kind)(queue, name=name)
    assert time.monotonic() - started < SECONDS
    assert connection.create_sender(queue).send(Message(body="x")).settled  # in a session that follows the ended one


def test_anonymous_senders_and_dynamic_receivers(connection):
    receiver = connection.create_receiver(None, dynamic=True)
    address = receiver.remote_source.address
    assert address.startswith("dynamic-")
    connection.create_sender(None).send(Message(address=address, body="x"))
    assert receiver.receive().body == "x"


def test_links_close(connection, queue):
    for link in (connection.create_sender(queue), connection.create_receiver(queue)):
        link.close()
        assert link.state & link.link.REMOTE_CLOSED and link.state & link.link.LOCAL_CLOSED


def test_unknown_attributes_are_those_of_the_link(connection, queue):
    sender = connection.create_sender(queue)
    assert sender.is_sender and sender.name == sender.link.name and sender.target.address == queue
    with pytest.raises(AttributeError):
        sender.nonsense  # noqa: B018


def test_a_dropped_receiver_lets_its_handler_go(connection, queue):
    receiver = connection.create_receiver(queue)
    link, fetcher = receiver.link, weakref.ref(receiver.fetcher)
    del receiver
    collect()
    assert link.handler is None and fetcher() is None
