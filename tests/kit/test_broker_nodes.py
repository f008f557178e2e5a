"""The broker for tests, in a thread and in a loop: topics, subscriptions, dead letters, times, dynamic nodes."""

from __future__ import annotations

import contextlib
import time

import pytest

from proton import Delivery, Described, Message, Terminus, __version__, symbol, ulong
from proton.reactor import AtMostOnce, Copy, DurableSubscription, DynamicNodeProperties, ReceiverOption, Selector
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.client import Client
from tests.support.kit import BROKERS


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def make(request):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(request.param(**options))


@pytest.fixture
def broker(make):
    return make()


@pytest.fixture
def client(broker):
    with Client(broker.url, container_id="tester") as made:
        yield made


def numbered(*bodies):
    return [Message(body=body) for body in bodies]


def bodies(messages):
    return [message.body for message in messages]


def settled(state, **fields):
    def answer(delivery):
        for name, value in fields.items():
            setattr(delivery.local, name, value)
        delivery.update(state)
        delivery.settle()

    return answer


class Source(ReceiverOption):
    """Sets up a source."""

    def __init__(self, *capabilities, **fields):
        self.capabilities = capabilities
        self.fields = fields

    def apply(self, receiver):
        for name, value in self.fields.items():
            setattr(receiver.source, name, value)
        if self.capabilities:
            receiver.source.capabilities.put_object([symbol(name) for name in self.capabilities])


SHARED = Source("topic", "shared")
SHARED_DURABLE = Source("topic", "shared", expiry_policy=Terminus.EXPIRE_NEVER, durability=2)
GLOBAL = Source("topic", "shared", "global", expiry_policy=Terminus.EXPIRE_NEVER, durability=2)


# Queues


def test_a_browser_selects_copies_and_sees_none_twice(broker, client):
    broker.put("q", *(Message(body=n, properties={"n": n}) for n in range(6)))
    browser = client.receiver("q", credit=10, options=[Copy(), Selector("n > 2")])
    assert client.bodies(browser, 3) == [3, 4, 5]
    taker = client.receiver("q", credit=4, name="taker")
    client.bodies(taker, 4)
    client.answer(taker, settled(Delivery.RELEASED))
    assert client.bodies(browser, 3) == [3, 4, 5]
    assert bodies(broker.messages("q")) == [0, 1, 2, 3, 4, 5]


def test_consumers_with_selectors_share_a_queue(broker, client):
    red = client.receiver("q", credit=10, name="red", options=Selector("colour = 'red'"))
    other = client.receiver("q", credit=10, name="other", options=Selector("colour IN ('blue', 'green')"))
    colours = ("red", "blue", "grey", "green", "red")
    broker.put("q", *(Message(body=colour, properties={"colour": colour}) for colour in colours))
    assert client.bodies(red, 2) == ["red", "red"]
    assert client.bodies(other, 2) == ["blue", "green"]
    assert bodies(broker.messages("q")) == ["grey"]
    for receiver in (red, other):
        client.close_link(receiver)
    assert len(broker.messages("q")) == 5


def test_only_selectors_are_confirmed_as_filters(client):
    receiver = client.receiver("q", options=[Selector("a = 1")])
    receiver.remote_source.filter.rewind()
    receiver.remote_source.filter.next()
    assert list(receiver.remote_source.filter.get_object()) == ["selector"]


@pytest.mark.parametrize(
    ("answer", "dead"),
    [
        (settled(Delivery.REJECTED), True),
        (settled(Delivery.MODIFIED, failed=True), True),
        (settled(Delivery.MODIFIED), False),
        (settled(Delivery.RELEASED), False),
    ],
    ids=["rejected", "failed", "modified", "released"],
)
def test_dead_letters(make, answer, dead):
    broker = make(dead_letters="dead", max_deliveries=1)
    broker.put("q", Message(body="x"))
    with Client(broker.url) as client:
        receiver = client.receiver("q", credit=1)
        assert client.bodies(receiver, 1) == ["x"]
        client.answer(receiver, answer)
    assert (bodies(broker.messages("dead")), bodies(broker.messages("q"))) == (["x"], [])[:: 1 if dead else -1]


def test_failed_deliveries_are_counted_up_to_the_limit(make):
    broker = make(max_deliveries=3, dead_letters="dead")
    broker.put("q", Message(body="x"))
    with Client(broker.url) as client:
        receiver = client.receiver("q")
        for count in range(3):
            receiver.flow(1)
            client.bodies(receiver, 1)
            assert client.of(receiver)[0][0].delivery_count == count
            client.answer(receiver, settled(Delivery.MODIFIED, failed=True))
    assert (broker.messages("q"), bodies(broker.messages("dead"))) == ([], ["x"])


# Times


def test_a_message_expires(broker, client):
    broker.put("q", Message(body="a", ttl=10), Message(body="b", ttl=20), Message(body="c"))
    broker.advance(15)
    assert bodies(broker.messages("q")) == ["b", "c"]
    receiver = client.receiver("q", credit=1)
    assert client.bodies(receiver, 1) == ["b"]
    assert client.of(receiver)[0][0].ttl <= 5
    client.answer(receiver, settled(Delivery.RELEASED))
    broker.advance(5)
    assert bodies(broker.messages("q")) == ["c"]


@pytest.mark.parametrize(
    "annotations",
    [lambda: {"x-opt-delivery-delay": 60_000}, lambda: {"x-opt-delivery-time": int(time.time() * 1000) + 60_000}],
    ids=["delay", "time"],
)
def test_a_message_is_delivered_when_it_is_due(broker, client, annotations):
    receiver = client.receiver("q", credit=5)
    named = {symbol(name): value for name, value in annotations().items()}
    assert client.send(client.sender("q"), Message(body="later", annotations=named), Message(body="now")) == [
        "accepted",
        "accepted",
    ]
    assert client.bodies(receiver, 1) == ["now"]
    broker.advance(50)
    assert (bodies(broker.scheduled("q")), client.bodies(receiver, 1)) == (["later"], ["now"])
    broker.advance(11)
    assert client.bodies(receiver, 2) == ["now", "later"]
    assert broker.scheduled("q") == []


def test_time_passes_by_itself(broker, client):
    receiver = client.receiver("q", credit=5)
    broker.put("q", Message(body="soon", annotations={symbol("x-opt-delivery-delay"): 30}))
    assert client.bodies(receiver, 1) == ["soon"]


def test_a_broker_that_does_not_run_has_time_too(broker):
    broker.stop()
    broker.put("q", Message(body="a", ttl=1), Message(body="b", annotations={symbol("x-opt-delivery-delay"): 5000}))
    broker.advance(6)
    assert bodies(broker.messages("q")) == ["b"]
    broker.start()


# Topics and subscriptions


def test_a_topic_is_made_by_its_name_its_capability_or_a_command(broker, client):
    broker.make_topic("news")
    for address, options in (("news", None), ("topic://x", None), ("y", Source("topic"))):
        one = client.receiver(address, credit=5, options=options, name=f"{address}-1")
        two = client.receiver(address, credit=5, options=options, name=f"{address}-2")
        broker.put(address, Message(body=address))
        assert client.bodies(one, 1) == client.bodies(two, 1) == [address]


def test_a_subscription_selects_what_it_keeps(broker, client):
    options = [DurableSubscription(), Selector("n = 1")]
    receiver = client.receiver("topic://x", options=options, name="s")
    broker.put("topic://x", Message(body="no"), Message(body="yes", properties={"n": 1}))
    assert bodies(broker.messages("topic://x")) == ["yes"]
    receiver.flow(5)
    assert client.bodies(receiver, 1) == ["yes"]


def detach(client, receiver):
    receiver.detach()
    client.round_trip()
    receiver.free()


def test_a_subscription_with_a_time_out_expires(broker, client):
    options = Source(timeout=30, expiry_policy=Terminus.EXPIRE_WITH_LINK)
    detach(client, client.receiver("topic://x", options=options, name="s"))
    broker.put("topic://x", Message(body=1))
    broker.advance(29)
    receiver = client.receiver("topic://x", options=options, name="s", credit=1)
    assert client.bodies(receiver, 1) == [1]
    client.answer(receiver, settled(Delivery.ACCEPTED))
    broker.put("topic://x", Message(body=2))
    detach(client, receiver)
    broker.advance(29)
    assert bodies(broker.messages("topic://x")) == [2]
    broker.advance(2)
    assert broker.messages("topic://x") == []


@pytest.mark.parametrize("options", [SHARED, SHARED_DURABLE, GLOBAL], ids=["shared", "durable", "global"])
def test_a_shared_subscription_gives_each_message_to_one(broker, client, options):
    one = client.receiver("x", options=options, name="s", credit=10)
    two = client.receiver("x", options=options, name="s|2", credit=10)
    alone = client.receiver("x", options=Source("topic"), name="alone", credit=10)
    broker.put("x", *numbered(1, 2, 3, 4))
    assert sorted(client.bodies(one, 2) + client.bodies(two, 2)) == [1, 2, 3, 4]
    assert client.bodies(alone, 4) == [1, 2, 3, 4]
    # What one leaves goes to the other; the subscription ends with the last.
    client.close_link(one)
    assert sorted(client.bodies(two, 4)) == [1, 2, 3, 4]
    client.close_link(two)
    broker.put("x", *numbered(5))
    assert broker.messages("x") == []


def test_only_a_global_subscription_is_shared_by_other_clients(broker, client):
    client.receiver("x", options=GLOBAL, name="g")
    client.receiver("x", options=SHARED_DURABLE, name="s")
    with Client(broker.url, container_id="another") as other:
        other.receiver("x", options=GLOBAL, name="g|2")
        other.receiver("x", options=SHARED_DURABLE, name="s")
        broker.put("x", Message(body="x"))
        assert bodies(broker.messages("x")) == ["x"] * 3


def test_a_durable_subscription_moves_to_the_new_connection_of_its_client(broker, client):
    client.receiver("topic://x", options=DurableSubscription(), name="s")
    with Client(broker.url, container_id="tester") as again:
        receiver = again.receiver("topic://x", options=DurableSubscription(), name="s", credit=1)
        client.until(lambda: client.errors, "the first link is stolen")
        assert client.errors == ["amqp:link:stolen"]
        broker.put("topic://x", Message(body="x"))
        assert again.bodies(receiver, 1) == ["x"]


def test_a_link_without_a_source_resumes_the_subscription_of_its_name(broker, client):
    detach(client, client.receiver("topic://x", options=DurableSubscription(), name="s"))
    resumed = client.receiver(None, options=Source(type=Terminus.UNSPECIFIED), name="s")
    assert resumed.remote_source.address == "topic://x"
    client.close_link(resumed)
    broker.put("topic://x", Message(body="x"))
    assert broker.messages("topic://x") == []
    client.receiver(None, options=Source(type=Terminus.UNSPECIFIED), name="s")
    client.until(lambda: client.errors, "there is no subscription")
    assert client.errors == ["amqp:not-found"]


# Dynamic nodes, and those that commands make


@pytest.mark.parametrize(
    ("number", "ends_with"),
    [(0x2B, "owner"), (0x2C, "links"), (0x2D, "messages"), (0x2E, "both")],
    ids=["on close", "on no links", "on no messages", "on no links or messages"],
)
def test_lifetime_policies(broker, client, number, ends_with):
    properties = {"lifetime-policy": Described(ulong(number), [])}
    owner = client.receiver(None, dynamic=True, options=DynamicNodeProperties(properties))
    address = owner.remote_source.address
    broker.put(address, Message(body="x"))
    reader = client.receiver(address, name="reader")
    client.close_link(owner)
    assert (address in broker.addresses) is (ends_with != "owner")
    if ends_with != "owner":
        reader.flow(1)
        client.bodies(reader, 1)
        client.answer(reader, settled(Delivery.ACCEPTED))
        assert (address in broker.addresses) is (ends_with != "messages")
        if ends_with != "messages":
            client.close_link(reader)
    assert address not in broker.addresses
    assert client.errors == ([] if ends_with in ("links", "both") else ["amqp:resource-deleted"])


def test_nodes_are_made_and_deleted_by_commands(make):
    broker = make(nodes=["a"])
    with pytest.raises(ValueError, match="there is no node at 'b'"):
        broker.put("b", Message())
    broker.make_queue("b")
    broker.put("b", Message(body=1))
    assert broker.addresses == ["a", "b"]
    with Client(broker.url) as client:
        client.receiver("b")
        broker.delete("b")
        client.until(lambda: client.errors, "its link is ended")
        client.receiver("b", name="again")
        assert client.errors == ["amqp:resource-deleted", "amqp:not-found"]
    for command, text in ((broker.make_queue, "a node at 'a' already"), (lambda _: broker.delete("b"), "no node at")):
        with pytest.raises(ValueError, match=text):
            command("a")


def test_settled_deliveries_of_a_topic_are_kept_by_none(broker, client):
    receiver = client.receiver("topic://x", credit=5, options=[AtMostOnce(), Source("topic")])
    broker.put("topic://x", Message(body=1))
    assert client.bodies(receiver, 1) == [1]
    client.close_link(receiver)
    assert broker.messages("topic://x") == []


@pytest.mark.parametrize(
    ("address", "is_topic"),
    [("topic", True), ("topics", True), ("topic/x", True), ("topics.x", True), ("topic:x", True), ("topic://x", True)]
    + [(address, False) for address in ("topics-of-interest", "topical", "topic1", "my/topic", "Topic/x", "x-topic")],
)
def test_the_first_part_of_an_address_names_a_topic(address, is_topic, caplog):
    caplog.set_level("INFO", "proton.testing")
    broker = Broker()
    broker.put(address, Message(id=7))
    assert len(broker.messages(address)) == (not is_topic)
    told = [record.message for record in caplog.records]
    assert told == [f"message 7 to {address}: dropped, the topic has no subscription"] * is_topic


@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_the_broker_says_what_it_is(kind):
    names = []
    with kind() as broker:
        for _ in range(2):
            with BlockingConnection(broker.url) as connection:
                names.append(connection.conn.remote_container)
                assert connection.conn.remote_properties == {"product": "proton.testing", "version": __version__}
            broker.stop()
            broker.start()
    assert names[0] == names[1] and names[0].startswith("broker-")
