"""A sender that sends again what was not accepted loses nothing, wherever its connection is cut, and if an end dies.

`PROTON_CUT_MESSAGES` sets the number of messages (100000 take half a minute); the places of the cuts are random, and
the same each time.
"""

import contextlib
import os
import random
import threading

import pytest

from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from tests.support.loops import SECONDS, in_thread, watchdog
from tests.support.programs import ROOT, Program, free_port
from tests.support.proxy import DOWN, UP, Fault, Proxy
from tests.support.resending import Once, Resending

MESSAGES = int(os.environ.get("PROTON_CUT_MESSAGES", "4000"))
CUTS = 20
# Bytes, at the least: of a message; of the opening and of what a prefetched lot of messages is answered with.
MESSAGE, OPENING, ANSWER = 60, 180, 50


class Receiver(MessagingHandler):
    """Takes each number once, and accepts all."""

    def __init__(self, prefetch):
        super().__init__(prefetch=prefetch)
        self.once = Once()
        self.disconnections = 0
        self.acceptor = None

    def on_message(self, event):
        self.once.take(event.message)

    def on_disconnected(self, event):
        self.disconnections += 1

    def on_connection_closed(self, event):
        if self.acceptor is not None:
            self.acceptor.close()


def cuts(prefetch, messages):
    """Faults that strike at random places while the messages are on their way, in one direction or the other."""
    chance = random.Random(prefetch)
    share = messages // CUTS
    for _ in range(CUTS):
        direction = chance.choice([UP, DOWN])
        most = share * MESSAGE if direction == UP else OPENING + share // prefetch * ANSWER
        yield Fault(chance.choice(["cut", "cut", "reset"]), direction, after=chance.randrange(1, most))


@pytest.mark.timeout(300 if "PROTON_CUT_MESSAGES" in os.environ else 60)
@pytest.mark.parametrize("prefetch", [10, 500])
def test_nothing_is_lost_through_twenty_cuts(prefetch):
    receiver = Receiver(prefetch)
    listening = Container(receiver)
    receiver.acceptor = listening.listen("127.0.0.1:0")
    with in_thread(listening), Proxy(receiver.acceptor.port, cuts(prefetch, MESSAGES)) as proxy:
        sender = Resending(proxy.url, MESSAGES, "x" * 40, reconnect=Backoff(initial=0.01, max_delay=0.1))
        Container(sender).run()
    assert proxy.harmed == CUTS and proxy.connections == CUTS + 1
    assert sender.accepted == receiver.once.numbers == set(range(MESSAGES))
    # Not more is sent again than what was on its way.
    assert receiver.once.repeated <= sender.sent - MESSAGES <= CUTS * 2 * prefetch
    assert sender.losses > 0


class Handing(Resending):
    """A server that hands its messages to each client that comes, and again when they were not accepted."""

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = self.sender = None
        self.ready.set()

    def on_link_opened(self, event):
        if event.link.is_sender:
            self.connection, self.sender = event.connection, event.link
            self.send()  # the credit has come before this

    def on_disconnected(self, event):
        # The next one may be there before this one is seen to be gone: what each was given is told by its link.
        mine = {delivery: n for delivery, n in self.on_their_way.items() if delivery.connection is event.connection}
        self.losses += bool(mine)
        for delivery, number in mine.items():
            del self.on_their_way[delivery]
            self.waiting.append(number)
            delivery.settle()
        if self.sender is not None and self.connection is not event.connection:
            self.send()

    def done(self, event):
        super().done(event)
        self.acceptor.close()


class Fetching(Receiver):
    def __init__(self, url):
        super().__init__(100)
        self.url = url

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=Backoff(initial=0.01, max_delay=0.1))
        event.container.create_receiver(connection, "queue")


@pytest.mark.timeout(300 if "PROTON_CUT_MESSAGES" in os.environ else 60)
def test_nothing_is_lost_by_a_receiver_that_is_cut_off_twenty_times():
    handing = Handing(None, MESSAGES, "x" * 40)
    handing.ready = threading.Event()
    chance = random.Random(20)
    share = MESSAGES // CUTS
    faults = [
        Fault(
            chance.choice(["cut", "reset"]),
            direction,
            after=chance.randrange(1, share * MESSAGE if direction == DOWN else OPENING + share // 100 * ANSWER),
        )
        for direction in chance.choices([UP, DOWN], k=CUTS)
    ]
    with in_thread(Container(handing)):
        assert handing.ready.wait(SECONDS)
        with Proxy(handing.acceptor.port, faults) as proxy:
            fetching = Fetching(proxy.url)
            Container(fetching).run()
    assert proxy.harmed == CUTS and proxy.connections == CUTS + 1
    assert fetching.once.numbers == handing.accepted == set(range(MESSAGES))
    assert fetching.once.repeated <= handing.sent - MESSAGES


class Consumer(Receiver):
    """Consumes from the broker until it has all numbers."""

    def __init__(self, url, count):
        super().__init__(100)
        self.url, self.count = url, count

    def on_start(self, event):
        connection = event.container.connect(self.url, handler=self, reconnect=Backoff(initial=0.01, max_delay=0.05))
        event.container.create_receiver(connection, "queue")

    def on_message(self, event):
        super().on_message(event)
        if len(self.once.numbers) == self.count:
            event.connection.close()


class Producer(Resending):
    """Kills its broker at times. What that had accepted and not passed on is gone, and is sent once more."""

    def __init__(self, url, consumer, start, kill_at):
        reconnect = Backoff(initial=0.01, max_delay=0.05)
        super().__init__(url, consumer.count, "x" * 100, handler=self, reconnect=reconnect)
        self.consumer = consumer
        self.start = start
        self.kill_at = kill_at
        self.broker = start()
        self.refused = 0

    def on_accepted(self, event):
        super().on_accepted(event)
        if self.kill_at and len(self.accepted) >= self.kill_at[0]:
            self.kill_at.pop(0)
            self.broker.stop()
            event.container.schedule(0.1, self)

    def on_timer_task(self, event):
        self.broker = self.start()

    def on_transport_error(self, event):
        super().on_transport_error(event)
        self.refused += "refused" in event.transport.condition.description

    def on_disconnected(self, event):
        super().on_disconnected(event)
        if event.transport.closed:
            gone = self.accepted - self.consumer.once.numbers - set(self.waiting)
            self.accepted -= gone
            self.waiting.extend(sorted(gone, reverse=True))


def test_a_broker_that_is_killed_and_started_again_under_load():
    place = f"127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:

        def start():
            program = stack.enter_context(Program(ROOT / "examples" / "broker.py", "-a", place))
            program.await_line("listening")
            return program

        consumer = Consumer(place, 2000)
        producer = Producer(place, consumer, start, kill_at=[300, 700, 1300])
        container = Container(producer, consumer)
        with watchdog(container):
            container.run()
    assert consumer.once.numbers == producer.accepted == set(range(2000))
    assert producer.kill_at == [] and producer.refused >= 3
    assert producer.losses == consumer.disconnections == 3
