"""The broker for tests under load: many messages with flat memory, many consumers."""

from __future__ import annotations

import collections
import os
import pathlib

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.client import Client
from tests.support.kit import BROKERS
from tests.support.references import steady

COUNT = 1_000_000 if os.environ.get("PROTON_LONG_TESTS") else 50_000
STATUS = pathlib.Path("/proc/self/status")


def resident():
    """Bytes of memory that this process holds."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


class Through(MessagingHandler):
    """Sends so many messages and receives them again; `memory` are samples at each tenth."""

    def __init__(self, url, count):
        super().__init__(prefetch=500)
        self.url = url
        self.count = count
        self.sent = self.received = self.accepted = 0
        self.memory = []

    def on_start(self, event):
        self.connection = event.container.connect(self.url)
        event.container.create_receiver(self.connection, "q")
        event.container.create_sender(self.connection, "q")

    def on_sendable(self, event):
        # Not far ahead of the consumer: what waits in the queue is not what the test is about.
        while event.sender.credit and self.sent < min(self.count, self.received + 1000):
            event.sender.send(Message(id=self.sent, body="x" * 100, ttl=3600))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1
        self.on_sendable(event)

    def on_message(self, event):
        assert event.message.id == self.received
        self.received += 1
        if self.received % (self.count // 10) == 0:
            self.memory.append(resident())
        if self.received == self.count:
            self.connection.close()


@pytest.mark.timeout(1800 if COUNT > 100_000 else 120)
@pytest.mark.skipif(not STATUS.exists(), reason="memory is looked up in /proc")
@steady
@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_many_messages_pass_with_flat_memory(kind):
    with kind(keep_records=100) as broker:
        through = Through(broker.url, COUNT)
        Container(through).run()
        broker.wait_for(lambda seen: seen.outcomes.total == COUNT)
        assert (through.sent, through.received) == (COUNT, COUNT)
        seen = broker.seen
        assert (len(seen.messages), seen.messages.total, seen.outcomes.total) == (100, COUNT, COUNT)
        assert seen.messages[-1].message.id == COUNT - 1
        assert broker.messages("q") == []
    assert through.memory[-1] - through.memory[1] < 4 << 20


@pytest.mark.parametrize("kind", BROKERS.values(), ids=BROKERS)
def test_fifty_consumers_share_a_queue_fairly(kind):
    with kind() as broker, Client(broker.url) as client:
        receivers = [client.receiver("q", name=f"r-{n}") for n in range(50)]
        for receiver in receivers:
            receiver.flow(30)
        client.round_trip()
        broker.put("q", *(Message(body=n) for n in range(1000)))
        client.until(lambda: len(client.received) == 1000, "all messages")
        counts = collections.Counter(receiver.name for receiver, _, _ in client.received)
        assert set(counts.values()) == {20} and len(counts) == 50
        # Those that still have credit get the rest, one after another.
        broker.put("q", *(Message(body=n) for n in range(1000, 1600)))
        client.until(lambda: len(client.received) == 1500, "as many as the credit allows")
        assert [message.body for message in broker.messages("q")] == list(range(1500, 1600))
        assert {len(client.of(receiver)) for receiver in receivers} == {30}
