"""What examples/broker.py promises: where a message goes, and what becomes of one that was not accepted.

The broker is a process of its own and the test is its client, so both sides are this package.
"""

from __future__ import annotations

import contextlib

import pytest

from proton import Delivery, Endpoint, LinkException, Message, symbol
from proton.reactor import AtMostOnce, Copy, DurableSubscription, ReceiverOption, Selector
from proton.utils import BlockingConnection, SendException
from tests.support.client import Client
from tests.support.programs import ROOT, Program, free_port


@pytest.fixture
def broker():
    address = f"127.0.0.1:{free_port()}"
    with Program(ROOT / "examples" / "broker.py", "-a", address, "-d", "dead") as program:
        program.await_line("listening")
        yield address
        assert program.faults == []


@pytest.fixture
def client(broker):
    with Client(broker) as client:
        yield client


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def numbered(first, last):
    return [Message(body=number) for number in range(first, last + 1)]


def modified(failed, undeliverable):
    def answer(delivery):
        delivery.local.failed = failed
        delivery.local.undeliverable = undeliverable
        delivery.update(Delivery.MODIFIED)
        delivery.settle()

    return answer


class Capability(ReceiverOption):
    """Asks for a source with a capability."""

    def __init__(self, name):
        self.name = name

    def apply(self, receiver):
        receiver.source.capabilities.put_object(symbol(self.name))


def test_queue_gives_to_consumers_in_turn(client):
    one, other = client.receiver("queue", credit=10, name="one"), client.receiver("queue", credit=10, name="other")
    client.send(client.sender("queue"), *numbered(1, 6))
    bodies = client.bodies(one, 3), client.bodies(other, 3)
    assert sorted(bodies) == [[1, 3, 5], [2, 4, 6]]


def test_queue_passes_over_a_consumer_without_credit(client):
    one, other = client.receiver("queue", credit=1, name="one"), client.receiver("queue", credit=10, name="other")
    client.send(client.sender("queue"), *numbered(1, 4))
    assert len(client.bodies(one, 1)) == 1
    assert len(client.bodies(other, 3)) == 3


def test_queue_holds_messages_until_there_is_credit(client):
    client.send(client.sender("queue"), *numbered(1, 3))
    receiver = client.receiver("queue", credit=2)
    assert client.bodies(receiver, 2) == [1, 2]
    receiver.flow(5)
    assert client.bodies(receiver, 3) == [1, 2, 3]


@pytest.mark.parametrize(
    ("address", "settings"),
    [("topic://news", {}), ("topics/news", {}), ("news", {"options": Capability("topic")})],
    ids=["prefix", "prefix alone", "capability"],
)
def test_topic_gives_to_every_consumer(client, address, settings):
    one = client.receiver(address, credit=10, name="one", **settings)
    other = client.receiver(address, credit=10, name="other", **settings)
    client.send(client.sender(address), *numbered(1, 3))
    assert client.bodies(one, 3) == client.bodies(other, 3) == [1, 2, 3]


def test_topic_keeps_nothing_for_clients_that_come_later(client):
    sender = client.sender("topic://news")
    client.send(sender, *numbered(1, 2))
    late = client.receiver("topic://news", credit=10)
    client.send(sender, *numbered(3, 3))
    assert client.bodies(late, 1) == [3]


def test_released_message_is_offered_again_in_its_place(client):
    client.send(client.sender("queue"), *numbered(1, 5))
    receiver = client.receiver("queue", credit=3)
    assert client.bodies(receiver, 3) == [1, 2, 3]
    client.answer(receiver, lambda delivery: client.release(delivery, delivered=False))
    receiver.flow(5)
    assert client.bodies(receiver, 5) == [1, 2, 3, 4, 5]
    assert [message.delivery_count for message, _ in client.of(receiver)] == [0] * 5


@pytest.mark.parametrize("failed", [True, False])
def test_modified_message_counts_failed_deliveries(client, failed):
    client.send(client.sender("queue"), Message(body="x", delivery_count=2))
    receiver = client.receiver("queue", credit=1)
    for attempt in range(3):
        assert client.bodies(receiver, 1) == ["x"]
        assert client.of(receiver)[0][0].delivery_count == 2 + failed * attempt
        client.answer(receiver, modified(failed, undeliverable=False))
        receiver.flow(1)


def test_message_undeliverable_here_goes_to_another_consumer(client):
    client.send(client.sender("queue"), *numbered(1, 1))
    here = client.receiver("queue", credit=10, name="here")
    assert client.bodies(here, 1) == [1]
    client.answer(here, modified(failed=False, undeliverable=True))
    assert client.bodies(here, 0) == []
    there = client.receiver("queue", credit=10, name="there")
    assert client.bodies(there, 1) == [1]


def test_accepted_message_is_gone(client):
    client.send(client.sender("queue"), *numbered(1, 2))
    receiver = client.receiver("queue", credit=2)
    client.bodies(receiver, 2)
    client.answer(receiver, client.accept)
    client.close_link(receiver)
    assert client.bodies(client.receiver("queue", credit=10), 0) == []


def test_rejected_message_goes_to_the_dead_letters(client):
    client.send(client.sender("queue"), *numbered(1, 2))
    receiver = client.receiver("queue", credit=2)
    client.bodies(receiver, 2)
    client.answer(receiver, client.reject)
    receiver.flow(5)
    assert client.bodies(receiver, 0) == []
    dead = client.receiver("dead", credit=10)
    assert client.bodies(dead, 2) == [1, 2]
    client.answer(dead, client.reject)
    assert client.bodies(dead, 0) == []


@pytest.mark.parametrize("how", ["close_link", "detach", "close_connection", "drop"])
def test_unanswered_messages_go_to_clients_that_stay(broker, client, stack, how):
    client.send(client.sender("queue"), *numbered(1, 4))
    leaving = stack.enter_context(Client(broker))
    receiver = leaving.receiver("queue", credit=3)
    assert leaving.bodies(receiver, 3) == [1, 2, 3]
    staying = client.receiver("queue", credit=10)
    assert client.bodies(staying, 1) == [4]
    if how == "drop":
        leaving.drop()
    elif how == "close_link":
        leaving.close_link(receiver)
    elif how == "detach":
        receiver.detach()
        leaving.round_trip()
    else:
        leaving.close()
    assert client.bodies(staying, 4) == [4, 1, 2, 3]


def test_settled_without_an_outcome_is_offered_again(client):
    client.send(client.sender("queue"), *numbered(1, 1))
    receiver = client.receiver("queue", credit=1)
    client.bodies(receiver, 1)
    client.answer(receiver, lambda delivery: delivery.settle())
    receiver.flow(1)
    assert client.bodies(receiver, 1) == [1]


def test_pre_settled_message_is_not_offered_again(client):
    client.send(client.sender("queue"), *numbered(1, 1))
    receiver = client.receiver("queue", credit=1, options=AtMostOnce())
    assert client.bodies(receiver, 1) == [1]
    assert client.of(receiver)[0][1].settled
    client.close_link(receiver)
    assert client.bodies(client.receiver("queue", credit=1, name="other"), 0) == []


def test_relay_sends_each_message_where_it_is_addressed_to(client):
    assert "ANONYMOUS-RELAY" in client.connection.remote_offered_capabilities
    relay = client.sender(None)
    messages = [Message(address=address, body=address) for address in ("a", "b", "a")]
    assert client.send(relay, *messages, Message(body="to nobody")) == ["accepted"] * 3 + ["rejected"]
    assert client.bodies(client.receiver("a", credit=10), 2) == ["a", "a"]
    assert client.bodies(client.receiver("b", credit=10), 1) == ["b"]


def test_dynamic_address_lives_as_long_as_its_consumer(client):
    receiver = client.receiver(None, credit=10, dynamic=True)
    address = receiver.remote_source.address
    assert address
    relay = client.sender(None)
    assert client.send(relay, Message(address=address, body="reply")) == ["accepted"]
    assert client.bodies(receiver, 1) == ["reply"]
    client.close_link(receiver)
    assert client.send(relay, Message(address=address, body="too late")) == ["rejected"]


@pytest.mark.parametrize(
    ("refuse", "condition"),
    [
        (lambda client: client.sender("dynamic/gone"), "amqp:not-found"),
        (lambda client: client.receiver("dynamic/gone"), "amqp:not-found"),
        (lambda client: client.receiver(None), "amqp:not-found"),
    ],
    ids=["sender", "receiver", "no source address"],
)
def test_link_to_no_node_is_refused(client, refuse, condition):
    refuse(client)
    client.until(lambda: client.errors, "the link is refused")
    assert client.errors == [condition]


# Browsing, selecting, subscribing


def test_a_browser_sees_messages_and_takes_none(client):
    sender = client.sender("queue")
    client.send(sender, *numbered(1, 3))
    browser = client.receiver("queue", credit=2, options=Copy(), name="browser")
    assert client.bodies(browser, 2) == [1, 2]
    browser.flow(10)
    client.send(sender, *numbered(4, 4))
    assert client.bodies(browser, 4) == [1, 2, 3, 4]
    client.answer(browser, client.accept)
    assert client.bodies(client.receiver("queue", credit=10), 4) == [1, 2, 3, 4]
    assert client.bodies(browser, 0) == []


def test_a_browser_that_drains_knows_when_it_has_seen_all(client):
    client.send(client.sender("queue"), *numbered(1, 3))
    browser = client.receiver("queue", options=Copy())
    browser.drain(10)
    client.until(lambda: not browser.draining(), "the credit is used or given back")
    assert client.bodies(browser, 3) == [1, 2, 3]
    assert browser.credit == 0


COLOURS = [Message(body=n, properties={"colour": c, "n": n}) for n, c in enumerate(("red", "green", "o'c", "green"))]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("colour = 'green'", [1, 3]),
        ("colour='green' and n > 1", [3]),
        ("n <= 2 AND n <> 1", [0, 2]),
        ("colour = 'o''c'", [2]),
        ("shape = 'round'", []),
        ("colour > 1", []),
        ("n >= 0", [0, 1, 2, 3]),
    ],
)
def test_selectors(client, selector, found):
    client.send(client.sender("queue"), *COLOURS)
    receiver = client.receiver("queue", credit=10, options=Selector(selector), name="selecting")
    assert client.bodies(receiver, len(found)) == found
    rest = client.receiver("queue", credit=10, name="rest")
    assert client.bodies(rest, 4 - len(found)) == [n for n in range(4) if n not in found]


@pytest.mark.parametrize("selector", ["colour =", "(colour = 'green' OR n = 1", "n = 1 AND", "n = 1.2.3"])
def test_selector_that_cannot_be_read_is_refused(client, selector):
    client.receiver("queue", options=Selector(selector))
    client.until(lambda: client.errors, "the link is refused")
    assert client.errors == ["amqp:invalid-field"]


@pytest.mark.parametrize("how", ["detach", "close_connection", "drop"])
def test_durable_subscription_gets_what_comes_while_it_is_away(broker, client, how):
    sender = client.sender("topic://news")
    subscriber = Client(broker, "subscriber")
    subscription = subscriber.receiver("topic://news", credit=1, name="sub", options=DurableSubscription())
    client.send(sender, *numbered(1, 2))
    assert subscriber.bodies(subscription, 1) == [1]
    if how == "drop":
        subscriber.drop()
    else:
        if how == "detach":
            subscription.detach()
            subscriber.round_trip()
        subscriber.close()
    client.send(sender, *numbered(3, 3))
    with Client(broker, "subscriber") as again:
        subscription = again.receiver("topic://news", credit=10, name="sub", options=DurableSubscription())
        assert again.bodies(subscription, 3) == [1, 2, 3]
        again.close_link(subscription)
        client.send(sender, *numbered(4, 4))
        subscription = again.receiver("topic://news", credit=10, name="sub", options=DurableSubscription())
        assert again.bodies(subscription, 0) == []  # closed, it was dropped


@pytest.fixture
def strict_broker():
    address = f"127.0.0.1:{free_port()}"
    with Program(ROOT / "examples" / "broker.py", "-a", address, "-n", "known", "-n", "topic://news") as program:
        program.await_line("listening")
        yield address
        assert program.faults == []


@pytest.mark.parametrize("kind", ["create_sender", "create_receiver"])
def test_address_that_does_not_exist_is_refused(strict_broker, kind):
    with contextlib.closing(BlockingConnection(strict_broker)) as connection:
        with pytest.raises(LinkException, match=r"amqp:not-found.*no node at unknown"):
            getattr(connection, kind)("unknown")
        for address in ("known", "topic://news"):
            link = getattr(connection, kind)(address)
            assert getattr(link, "target" if kind == "create_sender" else "source").address == address
            link.close()


def test_dynamic_addresses_and_messages_to_nowhere_with_named_nodes(strict_broker):
    with contextlib.closing(BlockingConnection(strict_broker)) as connection:
        dynamic = connection.create_receiver(dynamic=True)
        relay = connection.create_sender(None)
        relay.send(Message(address=dynamic.link.remote_source.address, body="found"))
        assert dynamic.receive().body == "found"
        with pytest.raises(SendException, match="no node at unknown"):
            relay.send(Message(address="unknown"))


def test_subscription_whose_selector_cannot_be_read_is_refused(broker):
    with contextlib.closing(BlockingConnection(broker)) as connection:
        with pytest.raises(LinkException, match="amqp:invalid-field.*invalid selector at position 12: expected"):
            connection.create_receiver("queue", options=Selector("colour LIKE 7"))
        assert connection.create_receiver("queue").link.state & Endpoint.REMOTE_ACTIVE
