"""Transactions from end to end: this package's client against examples/broker.py, over a real socket.

Another broker runs on the C engine where PROTON_REFERENCE_PYTHON is set (test_programs.py has the C engine's client).
One broker serves all tests, each of which has a queue of its own. An editor must keep: what is not
committed is looked for with a second connection, which must not see it.
"""

from __future__ import annotations

import itertools
import os
import random

import pytest

from proton import Delivery, Described, DispositionType, Endpoint, Link, Message, symbol, ulong
from proton.reactor import AtMostOnce
from tests.support.client import Client
from tests.support.programs import ROOT, Program, free_port, reference_environment
from tests.support.transactions import TransactionalClient, command, coordinator, discharge

queues = itertools.count()
WALKS = int(os.environ.get("PROTON_WALKS", "10"))


REFERENCE = os.environ.get("PROTON_REFERENCE_PYTHON")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="PROTON_REFERENCE_PYTHON is unset: no reference peer")


@pytest.fixture(scope="module", params=["ours", pytest.param("reference", marks=needs_reference)])
def broker(request):
    address = f"127.0.0.1:{free_port()}"
    path, settings = ROOT / "examples" / "broker.py", {}
    if request.param == "reference":
        path = ROOT / "tests" / "support" / "reference_broker.py"
        settings = {"python": REFERENCE, "environment": reference_environment()}
    with Program(path, "-a", address, **settings) as program:
        program.await_line("listening")
        yield address
        assert program.faults == []


@pytest.fixture
def client(broker):
    with TransactionalClient(broker) as client:
        yield client


@pytest.fixture
def other(broker):
    with Client(broker) as other:
        yield other


@pytest.fixture
def queue():
    return f"queue-{next(queues)}"


def numbered(first, last):
    return [Message(body=number) for number in range(first, last + 1)]


def held(client, queue, count=0):
    """The bodies of all that a queue gives to a client that comes now; they are given back."""
    receiver = client.receiver(queue, credit=100)
    found = client.bodies(receiver, count)
    client.answer(receiver, lambda delivery: client.release(delivery, delivered=False))
    client.close_link(receiver)
    return found


# Sending


def test_committed_messages_arrive_in_order_and_not_before(client, other, queue):
    transaction = client.declare()
    states = client.post(transaction, client.sender(queue), *numbered(1, 5))
    assert states == [(DispositionType.TRANSACTIONAL_STATE, transaction.id, Delivery.ACCEPTED)] * 5
    assert held(other, queue) == []
    assert client.commit(transaction) == "committed"
    assert held(other, queue, 5) == [1, 2, 3, 4, 5]


def test_aborted_messages_never_arrive(client, other, queue):
    sender = client.sender(queue)
    transaction = client.declare()
    client.post(transaction, sender, *numbered(1, 5))
    assert client.abort(transaction) == "aborted"
    client.send(sender, Message(body="after"))
    assert held(other, queue, 1) == ["after"]


def test_messages_sent_settled_are_part_of_the_transaction_too(client, other, queue):
    sender = client.sender(queue, options=AtMostOnce())
    for end, expected in ((client.abort, []), (client.commit, [3, 4])):
        transaction = client.declare()
        client.until(lambda: sender.credit > 1, "credit")
        for number in (1, 2) if end == client.abort else (3, 4):
            transaction.send(sender, Message(body=number))
        end(transaction)
        assert held(other, queue, len(expected)) == expected


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_message_of_many_frames_is_wholly_in_the_transaction(client, other, queue, size):
    transaction = client.declare()
    states = client.post(transaction, client.sender(queue), Message(body=b"x" * size))
    assert states == [(DispositionType.TRANSACTIONAL_STATE, transaction.id, Delivery.ACCEPTED)]
    assert held(other, queue) == []
    client.commit(transaction)
    assert [len(body) for body in held(other, queue, 1)] == [size]


def test_several_queues_in_one_transaction(client, other, queue):
    transaction = client.declare()
    relay = client.sender(None)
    client.post(transaction, relay, *(Message(address=f"{queue}-{name}", body=name) for name in "aba"))
    client.commit(transaction)
    assert held(other, f"{queue}-a", 2) == ["a", "a"]
    assert held(other, f"{queue}-b", 1) == ["b"]


def test_a_message_that_cannot_be_routed_fails_the_commit_and_undoes_the_rest(client, other, queue):
    transaction = client.declare()
    relay = client.sender(None)
    client.post(transaction, relay, Message(address=queue, body="good"), Message(body="to nobody"))
    assert client.commit(transaction) == "commit failed"
    assert held(other, queue) == []


# Receiving


@pytest.mark.parametrize("settle", [False, True], ids=["unsettled", "settled before discharge"])
def test_committed_acceptances_remove_the_messages(client, other, queue, settle):
    other.send(other.sender(queue), *numbered(1, 5))
    receiver = client.receiver(queue, credit=3)
    transaction = client.declare(settle_before_discharge=settle)
    assert client.bodies(receiver, 3) == [1, 2, 3]
    client.accept_all(transaction, receiver)
    assert held(other, queue, 2) == [4, 5]
    assert client.commit(transaction) == "committed"
    client.close_link(receiver)
    assert held(other, queue, 2) == [4, 5]


@pytest.mark.parametrize("settle", [False, True], ids=["unsettled", "settled before discharge"])
def test_aborted_acceptances_give_the_messages_back_in_order(client, other, queue, settle):
    other.send(other.sender(queue), *numbered(1, 5))
    receiver = client.receiver(queue, credit=3)
    transaction = client.declare(settle_before_discharge=settle)
    assert client.bodies(receiver, 3) == [1, 2, 3]
    client.accept_all(transaction, receiver)
    assert client.abort(transaction) == "aborted"
    client.round_trip()
    assert receiver.unsettled == 0
    assert held(other, queue, 5) == [1, 2, 3, 4, 5]


def test_only_what_was_accepted_in_the_transaction_is_decided_by_it(client, other, queue):
    other.send(other.sender(queue), *numbered(1, 4))
    receiver = client.receiver(queue, credit=4)
    assert client.bodies(receiver, 4) == [1, 2, 3, 4]
    first, second, third, _ = (delivery for _, delivery in client.of(receiver))
    transaction = client.declare()
    transaction.accept(first)
    client.accept(second)
    transaction.update(third, Delivery.REJECTED)
    client.abort(transaction)
    client.close_link(receiver)
    assert held(other, queue, 3) == [1, 3, 4]


@pytest.mark.parametrize(
    ("state", "left"), [(Delivery.REJECTED, []), (Delivery.RELEASED, [1]), (Delivery.MODIFIED, [1])]
)
def test_other_outcomes_hold_on_commit(client, other, queue, state, left):
    other.send(other.sender(queue), *numbered(1, 1))
    receiver = client.receiver(queue, credit=1)
    client.bodies(receiver, 1)
    transaction = client.declare()
    client.answer(receiver, lambda delivery: transaction.update(delivery, state))
    assert held(other, queue) == []
    client.commit(transaction)
    assert held(other, queue, len(left)) == left


def test_a_second_thought_replaces_an_answer(client, other, queue):
    other.send(other.sender(queue), *numbered(1, 2))
    receiver = client.receiver(queue, credit=2)
    client.bodies(receiver, 2)
    (_, first), (_, second) = client.of(receiver)
    transaction, later = client.declare(), client.declare()
    transaction.update(first, Delivery.ACCEPTED)
    transaction.update(second, Delivery.ACCEPTED)
    later.update(first, Delivery.RELEASED)
    client.release(second, delivered=False)
    client.commit(later)
    assert held(other, queue, 2) == [1, 2]
    assert client.commit(transaction) == "committed"
    client.close_link(receiver)
    assert held(other, queue, 2) == [1, 2]


def test_consume_and_produce_in_one_transaction(client, other, queue):
    other.send(other.sender(queue), *numbered(1, 2))
    receiver, sender = client.receiver(queue, credit=1), client.sender(f"{queue}-out")
    for end, expected in (("abort", [1, 2]), ("commit", [2])):
        assert client.bodies(receiver, 1) == [1]
        transaction = client.declare()
        client.post(transaction, sender, Message(body="made of 1"))
        client.accept_all(transaction, receiver)
        getattr(client, end)(transaction)
        assert held(other, queue, len(expected)) == expected
        receiver.flow(1)
    assert held(other, f"{queue}-out", 1) == ["made of 1"]


# Several transactions


def test_transactions_of_one_connection_do_not_mix(client, other, queue):
    sender = client.sender(queue)
    transactions = [client.declare() for _ in range(3)]
    assert len({transaction.id for transaction in transactions}) == 3
    for number, transaction in enumerate(transactions):
        client.post(transaction, sender, Message(body=number))
    assert client.commit(transactions[2]) == "committed"
    assert client.abort(transactions[1]) == "aborted"
    assert held(other, queue, 1) == [2]
    assert client.commit(transactions[0]) == "committed"
    assert held(other, queue, 2) == [2, 0]


def test_many_transactions_one_after_the_other(client, other, queue):
    sender = client.sender(queue)
    for number in range(20):
        transaction = client.declare()
        client.post(transaction, sender, Message(body=number))
        assert (client.commit if number % 2 else client.abort)(transaction)
    assert held(other, queue, 10) == list(range(1, 20, 2))


def test_sessions_have_control_links_of_their_own(client, other, queue):
    sessions = [client.connection.session() for _ in range(2)]
    for session in sessions:
        session.open()
    first, second = (client.declare(session) for session in sessions)
    assert first.txn_ctrl is not second.txn_ctrl
    # A transaction of one session is good for links of the other, as the coordinator's capabilities say.
    client.post(first, client.sender(queue), Message(body="first"))
    client.commit(first)
    assert held(other, queue, 1) == ["first"]
    sessions[1].close()
    client.until(lambda: sessions[1].state & Endpoint.REMOTE_CLOSED, "the session is closed")
    assert client.declare(sessions[0]).id


# Ends


@pytest.mark.parametrize("how", ["control link", "session", "close", "drop"])
def test_what_is_not_discharged_ends_with_its_client(broker, other, queue, how):
    other.send(other.sender(queue), *numbered(1, 3))
    client = TransactionalClient(broker)
    session = client.connection.session()
    session.open()
    receiver = client.receiver(queue, credit=2)
    transaction = client.declare(session, settle_before_discharge=True)
    assert client.bodies(receiver, 2) == [1, 2]
    client.accept_all(transaction, receiver)
    client.post(transaction, client.sender(queue), Message(body="never"))
    assert held(other, queue, 1) == [3]
    if how == "control link":
        client.close_link(transaction.txn_ctrl)
    elif how == "session":
        session.close()
        client.until(lambda: session.state & Endpoint.REMOTE_CLOSED, "the session is closed")
    elif how == "drop":
        client.drop()
    else:
        client.close()
    seen = other.receiver(queue, credit=10)
    assert sorted(other.bodies(seen, 3)) == [1, 2, 3]
    if not client.ended:
        client.close()


def test_a_consumer_that_leaves_before_the_commit_has_its_answers_kept(client, other, queue):
    other.send(other.sender(queue), *numbered(1, 4))
    receiver = client.receiver(queue, credit=3)
    client.bodies(receiver, 3)
    transaction = client.declare()
    for _, delivery in client.of(receiver)[:2]:
        transaction.accept(delivery)
    client.round_trip()
    client.close_link(receiver)
    assert held(other, queue, 2) == [3, 4]
    client.commit(transaction)
    assert held(other, queue, 2) == [3, 4]


@pytest.mark.parametrize("seed", range(WALKS))
def test_random_work_leaves_what_was_committed(client, other, queue, seed):
    """Any mix of sending and of answers, some of them settled at once, in transactions that end in any way."""
    choose = random.Random(seed)
    sender = client.sender(queue)
    numbers = itertools.count(1)
    expected = []
    for _ in range(6):
        transaction = client.declare(settle_before_discharge=choose.random() < 0.5)
        sent = [next(numbers) for _ in range(choose.randrange(4))]
        client.post(transaction, sender, *(Message(body=number) for number in sent))
        receiver = client.receiver(queue)
        taken = choose.randrange(len(expected) + 1)
        if taken:
            receiver.flow(taken)
            assert client.bodies(receiver, taken) == expected[:taken]
        kept, gone = [], []
        for number, (_, delivery) in zip(list(expected), client.of(receiver)):
            answer = choose.choice(["accept", "reject", "release", "nothing", "outside"])
            if answer == "accept":
                transaction.accept(delivery)
            elif answer in ("reject", "release"):
                transaction.update(delivery, Delivery.REJECTED if answer == "reject" else Delivery.RELEASED)
            elif answer == "outside":
                client.accept(delivery)
                gone.append(number)
            if answer in ("release", "nothing"):
                kept.append(number)
        end = choose.choice(["commit", "abort", "close"])
        if end == "commit":
            assert client.commit(transaction) == "committed"
            expected = kept + expected[taken:] + sent
        else:
            if end == "abort":
                assert client.abort(transaction) == "aborted"
            else:
                client.close_link(transaction.txn_ctrl)
                assert client.result(transaction) == "aborted"
            expected = [number for number in expected if number not in gone]
        client.close_link(receiver)
        assert held(other, queue, len(expected)) == expected


# Mistakes


def test_a_discharge_of_no_transaction_is_refused(client):
    transaction = client.declare()
    assert client.commit(transaction) == "committed"
    assert client.commit(transaction) == "commit failed"


def test_work_in_no_transaction_is_refused(client, other, queue):
    other.send(other.sender(queue), *numbered(1, 1))
    receiver = client.receiver(queue, credit=1)
    client.bodies(receiver, 1)
    transaction = client.declare()
    client.commit(transaction)
    assert client.post(transaction, client.sender(queue), Message(body="late"))[0][0] == Delivery.REJECTED
    transaction.accept(client.of(receiver)[0][1])
    client.until(lambda: client.errors, "the receiver is closed")
    assert client.errors == ["amqp:transaction:unknown-id"]


def test_a_transaction_of_another_connection_is_unknown(broker, client, other, queue):
    transaction = client.declare()
    with TransactionalClient(broker) as stranger:
        mine = stranger.declare()
        mine.id = transaction.id
        assert stranger.post(mine, stranger.sender(queue), Message(body="x"))[0][0] == Delivery.REJECTED
        assert stranger.commit(mine) == "commit failed"
    assert client.commit(transaction) == "committed"
    assert held(other, queue) == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (Described(symbol("amqp:declare:list"), [None]), ("transaction_declared", None)),
        (Described(ulong(0x31), []), ("transaction_declared", None)),
        (Described(symbol("amqp:declare:list"), [b"global"]), ("rejected", "amqp:not-implemented")),
        (discharge(b"no such"), ("rejected", "amqp:transaction:unknown-id")),
        (discharge(None), ("rejected", "amqp:transaction:unknown-id")),
        (Described(ulong(0x32), [b"no such", True]), ("rejected", "amqp:transaction:unknown-id")),
        (Described(ulong(0x32), ["text", False]), ("rejected", "amqp:transaction:unknown-id")),
        (Described(ulong(0x32), [10**11, False]), ("rejected", "amqp:transaction:unknown-id")),
        (Described(ulong(0x32), [{"a": 1}, True]), ("rejected", "amqp:transaction:unknown-id")),
        ("hello", ("rejected", "amqp:not-implemented")),
        (Described(symbol("amqp:declare:list"), "hello"), ("rejected", "amqp:not-implemented")),
    ],
    ids=str,
)
def test_answers_of_the_coordinator(client, body, answer):
    assert command(client, coordinator(client), body) == answer


def test_a_settled_control_message_ends_its_link(client):
    link = coordinator(client, snd_settle_mode=Link.SND_SETTLED)
    assert command(client, link, Described(ulong(0x31), [])) == ("closed", "amqp:illegal-state")


@pytest.mark.parametrize("broker", ["ours"], indirect=True)  # the C engine does not tell of the properties of a flow
def test_messages_cannot_be_acquired_in_a_transaction(client, queue):
    receiver = client.receiver(queue)
    receiver.flow_properties = {symbol("txn-id"): client.declare().id}
    receiver.flow(1)
    client.until(lambda: client.errors, "the receiver is closed")
    assert client.errors == ["amqp:not-implemented"]
