"""`BlockingConnection` and what belongs to it, through RabbitMQ."""

from __future__ import annotations

import pytest

from proton import ConnectionException, Message, Timeout
from proton.utils import BlockingConnection, LinkDetached, SendException, SyncRequestResponse

SECONDS = 20.0
#: how long to wait for what will not come
SHORT = 0.3


@pytest.fixture
def connection(rabbitmq):
    made = BlockingConnection(rabbitmq.address, timeout=SECONDS)
    yield made
    made.close()


@pytest.mark.parametrize("credit", [None, 1, 10, 100])
def test_send_and_receive(connection, queue, credit):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue, credit=credit)
    for number in range(100):
        assert sender.send(Message(id=number, body=number)).settled
    received = []
    for _ in range(100):
        received.append(receiver.receive().body)
        receiver.accept()
    assert received == list(range(100))
    with pytest.raises(Timeout, match="Receiving on receiver"):
        receiver.receive(timeout=SHORT)
    # The credit of the receive that came to nothing is still there.
    sender.send(Message(body="late"))
    assert receiver.receive().body == "late"
    receiver.accept()


def test_outcomes(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    sender.send(Message(body=0))
    assert receiver.receive().body == 0
    # Not delivered=True, which is `modified`: RabbitMQ ends the session at that.
    receiver.release(delivered=False)
    again = receiver.receive()
    assert (again.body, again.first_acquirer) == (0, False)
    receiver.reject()
    for number in (1, 2):
        sender.send(Message(body=number))
    assert [receiver.receive().body for _ in range(2)] == [1, 2]
    receiver.accept()
    receiver.accept()


def test_blocks_and_loops(rabbitmq, queue):
    with BlockingConnection(rabbitmq.address, timeout=SECONDS) as connection:
        with connection.create_sender(queue) as sender:
            for number in range(20):
                sender.send(Message(body=number))
        bodies = []
        # One at a time: RabbitMQ 3 keeps what is on its way to a link that closes, until the session ends.
        with connection.create_receiver(queue) as receiver:
            for message in receiver:
                bodies.append(message.body)
                receiver.accept()
                if message.body == 4:
                    break
            for message in receiver.messages(limit=3):
                bodies.append(message.body)
                receiver.reject("app:bad", "it is a bad one")
        with connection.create_receiver(queue, credit=5) as receiver:
            for message in receiver.messages(timeout=2):
                bodies.append(message.body)
                receiver.accept(message=message)
    assert bodies[:8] == list(range(8)) and sorted(bodies) == list(range(20))


def test_a_message_that_no_queue_takes_is_released(connection):
    sender = connection.create_sender("/exchange/amq.direct/nobody")
    try:
        sender.send(Message(body="x"))
    except SendException as refused:
        assert refused.state.name == "RELEASED"


def test_large_message(connection, queue):
    sender, receiver = connection.create_sender(queue), connection.create_receiver(queue)
    sender.send(Message(body=b"0123456789abcdef" * 300_000, inferred=True))
    assert receiver.receive().body == b"0123456789abcdef" * 300_000
    receiver.accept()


def test_user_and_password(rabbitmq, queue):
    connection = BlockingConnection(f"guest:guest@{rabbitmq.address}", timeout=SECONDS)
    connection.create_sender(queue).send(Message(body="x", user_id=b"guest"))
    connection.close()
    with pytest.raises(ConnectionException, match="amqp:unauthorized-access") as refused:
        BlockingConnection(f"guest:secret@{rabbitmq.address}", timeout=SECONDS)
    assert "secret" not in str(refused.value)


def test_sync_request_response_needs_a_dynamic_address(rabbitmq, queue):
    connection = BlockingConnection(rabbitmq.address, timeout=1)
    with pytest.raises(LinkDetached, match="Dynamic sources not supported"):
        SyncRequestResponse(connection, queue)
    connection.close()


@pytest.mark.parametrize(
    ("kind", "address", "condition"),
    [
        ("create_receiver", "/exchange/nobody-made-it/x", "amqp:not-found"),
        ("create_sender", "/exchange/nobody-made-it/x", "amqp:not-found"),
        ("create_receiver", "/amq/queue/nobody-made-it", "amqp:not-found"),
        ("create_sender", "/nonsense/x/y", "amqp:invalid-field"),
    ],
)
def test_an_address_that_is_refused_ends_the_session(rabbitmq, kind, address, condition):
    connection = BlockingConnection(rabbitmq.address, timeout=1)
    # The end of the session is told as the end of the link, with the session's condition.
    with pytest.raises(LinkDetached, match=condition):
        getattr(connection, kind)(address)
    connection.close()
