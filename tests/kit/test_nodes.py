"""The queues of the broker for tests without a network: order, turns, and how often a message is looked at."""

from __future__ import annotations

import pytest

from proton import Link, LinkException, Message
from proton.testing.consumers import Consumer
from proton.testing.nodes import Nodes
from proton.testing.selector import Selector


class Outlet:
    """Stands for a link to a client: `sent` are the bodies that it has taken."""

    snd_settle_mode = Link.SND_UNSETTLED

    def __init__(self, credit, most=None):
        self.credit = credit
        self.most = most
        self.sent = []

    def send(self, message):
        if self.most is not None and len(message.body) > self.most:
            raise LinkException("larger than this link takes")
        self.credit -= 1
        self.sent.append(message.body)
        return object()


class Counting(Selector):
    """Counts how many messages it was asked about."""

    asked = 0

    def matches(self, message):
        self.asked += 1
        return super().matches(message)


@pytest.fixture
def nodes():
    nodes = Nodes()
    nodes.changed = lambda queue: queue.dispatch()
    return nodes


def consume(queue, credit=1000, selector=None, most=None, browses=False):
    outlet = Outlet(credit, most)
    consumer = Consumer(outlet, queue, selector, browses)
    consumer.wake()
    queue.dispatch()
    return outlet, consumer


def test_a_message_is_asked_about_once_for_each_selector(nodes):
    queue = nodes.find("q")
    wanted, unwanted = Counting("n > 500"), Counting("n < 0")
    outlets = [consume(queue, selector=selector)[0] for selector in (wanted, wanted, unwanted, unwanted)]
    for n in range(1000):
        queue.put(Message(body=n, properties={"n": n}))
    assert (wanted.asked, unwanted.asked) == (1000, 1000)
    assert sorted(outlets[0].sent + outlets[1].sent) == list(range(501, 1000))
    assert len(outlets[0].sent) - len(outlets[1].sent) in (0, 1)
    assert [message.body for message in queue.messages] == list(range(501))


def test_a_selector_that_comes_late_finds_what_waits(nodes):
    queue = nodes.find("q")
    for n in range(10):
        queue.put(Message(body=n, properties={"n": n}))
    assert consume(queue, selector=Selector("n IN (3, 7)"))[0].sent == [3, 7]
    assert consume(queue)[0].sent == [0, 1, 2, 4, 5, 6, 8, 9]


def test_what_others_took_does_not_stay_with_an_idle_consumer(nodes):
    queue = nodes.find("q")
    idle = consume(queue, credit=0, selector=Selector("n >= 0"))[1]
    browser = consume(queue, credit=0, browses=True)[1]
    taker = consume(queue, credit=10_000)[0]
    for n in range(5000):
        queue.put(Message(body=n, properties={"n": n}, ttl=60))
    assert taker.sent == list(range(5000))
    assert max(len(idle.lane.numbers), len(browser.lane.numbers)) < 100
    assert len(queue) == 0


def test_a_message_too_large_for_one_consumer_goes_to_another(nodes):
    queue = nodes.find("q")
    small, large = consume(queue, most=3)[0], consume(queue)[0]
    for body in ("aaa", "bbbb", "cccc", "ddd"):
        queue.put(Message(body=body))
    assert (small.sent, large.sent) == (["aaa", "ddd"], ["bbbb", "cccc"])


def test_all_that_comes_back_takes_its_old_place(nodes):
    queue = nodes.find("q")
    outlet, consumer = consume(queue, credit=3)
    for n in range(5):
        queue.put(Message(body=n))
    consumer.detach(failed=True)
    assert outlet.sent == [0, 1, 2]
    assert [message.body for message in queue.messages] == [0, 1, 2, 3, 4]
    assert consume(queue)[0].sent == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", ["soon", None, True, [1]], ids=repr)
def test_a_time_of_delivery_that_is_not_a_number_counts_as_absent(nodes, value):
    queue = nodes.find("q")
    queue.post(Message(body=1, annotations={"x-opt-delivery-delay": value}))
    assert len(queue) == 1
