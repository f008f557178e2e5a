"""The real brokers by one face: what a test needs of any of them. Where one cannot be had, `missing` says why."""

from __future__ import annotations

import contextlib
import itertools
import subprocess

import pytest

from tests.support import artemis, rabbitmq, rabbitmq4
from tests.support.management import ArtemisManagement, RabbitManagement
from tests.support.probe import Probe


class Peer:
    """A running broker, by its login and its queues.

    :param broker: has `address`, and `stop`, `kill`, `start`.
    """

    user = password = "guest"
    #: an address that names nothing
    unknown = "/queues/missing"
    #: an address whose messages go to all subscriptions
    topic = "/exchanges/amq.topic/news"
    _names = itertools.count()

    def __init__(self, broker):
        self.broker = broker

    def url(self, password=None):
        return f"amqp://{self.user}:{password or self.password}@{self.broker.address}"

    def probe(self, password=None, container_id=None):
        return Probe(self.url(password), container_id=container_id)

    def queue(self):
        """The address of a new queue."""
        raise NotImplementedError

    def delete(self, address):
        raise NotImplementedError


class Rabbit3(Peer):
    """Queues are made by links to them."""

    unknown = "/amq/queue/missing"
    topic = "/topic/news"

    def queue(self):
        return f"/queue/q{next(self._names)}"

    def delete(self, address):
        self.broker.control("delete_queue", address.rpartition("/")[2])


class Rabbit4(Peer):
    """Quorum queues, made over AMQP."""

    def queue(self):
        with self.probe() as client:
            return RabbitManagement(client).declare(f"q{next(self._names)}")

    def delete(self, address):
        with self.probe() as client:
            RabbitManagement(client).delete(address.rpartition("/")[2])


class ActiveMQ(Peer):
    """Queues of the kind anycast, made through its management: a link alone makes a topic."""

    user, password = artemis.USER, artemis.PASSWORD
    unknown, topic = "missing", "news"

    def queue(self):
        address = f"q{next(self._names)}"
        with self.probe() as client:
            ArtemisManagement(client).request(
                "broker", "createQueue", address, "ANYCAST", address, None, True, -1, False, True
            )
        return address

    def delete(self, address):
        with self.probe() as client:
            ArtemisManagement(client).request("broker", "destroyQueue", address, True)


@contextlib.contextmanager
def _rabbit3():
    with rabbitmq.running() as broker:
        yield Rabbit3(broker)


def _rabbit4(suite):
    @contextlib.contextmanager
    def run():
        with rabbitmq4.running(suite) as broker:
            yield Rabbit4(broker.nodes[0])

    return run


@contextlib.contextmanager
def _artemis():
    with artemis.running() as broker:
        yield ActiveMQ(broker)


def _rabbit3_version():
    command = ["dpkg-query", "-f", "${Version}", "-W", "rabbitmq-server"]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8").stdout


#: by the head of a column of the table: why it cannot be had; a context manager that gives a `Peer`; its version
BROKERS = {
    "RabbitMQ 3.10": (rabbitmq.missing, _rabbit3, _rabbit3_version),
    "RabbitMQ 4.0": (lambda: rabbitmq4.missing("trixie"), _rabbit4("trixie"), lambda: rabbitmq4.version("trixie")),
    "RabbitMQ 4.3": (lambda: rabbitmq4.missing("sid"), _rabbit4("sid"), lambda: rabbitmq4.version("sid")),
    "Artemis 2.40": (artemis.missing, _artemis, artemis.version),
}


@contextlib.contextmanager
def started(name):
    """The running broker of this name; the test is skipped with the reason where it cannot be had."""
    missing, start, _ = BROKERS[name]
    problem = missing()
    if problem:
        pytest.skip(problem)
    with start() as peer:
        yield peer
