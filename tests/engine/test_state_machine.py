"""Every order of steps that programs and networks may take, by Hypothesis, over two engines joined in memory.

After each step the invariants of `tests/support/model.py` hold at both ends; at the end everything that was sent on a
link that lives arrives, once and in order. PROTON_FUZZ_EXAMPLES makes the runs longer.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proton import Delivery
from tests.support.model import Two

EXAMPLES = int(os.environ.get("PROTON_FUZZ_EXAMPLES", "40"))
STATES = (Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED, Delivery.RECEIVED)
SIZES = st.sampled_from([0, 1, 100, 511, 512, 600, 3000, 20000])
CHUNKS = st.sampled_from([1, 8, 50, 513, 5000, 1 << 20])


class Traffic(RuleBasedStateMachine):
    """Links that stay: messages in parts, credit, drain, outcomes, windows, fragments of the stream."""

    links = 3

    @initialize(
        frame_size=st.sampled_from([512, 1024, 32768]),
        frames=st.sampled_from([0, 1, 2, 5]),
        window=st.sampled_from([0, 0, 1, 3]),
    )
    def start(self, frame_size, frames, window):
        self.two = Two(frame_size, frames * frame_size, window)
        for number in range(self.links):
            self.two.open_link(number % 2 == 0)
        self.two.exchange()

    def name(self, number):
        names = sorted(self.two.ends[0].links)
        return names[number % len(names)] if names else None

    def some(self, number, index):
        """A link of which both ends are there: its name, its sender, its receiver."""
        name = self.name(number)
        if name is None or not self.two.live(name):
            return None, None, None
        return (name, *self.two.ends_of(name))

    @rule(number=st.integers(0, 5), credit=st.integers(0, 6))
    def grant(self, number, credit):
        _, _, receiver = self.some(number, 1)
        if receiver is not None:
            receiver.flow(credit)

    @rule(number=st.integers(0, 5), credit=st.integers(0, 3))
    def drain(self, number, credit):
        _, _, receiver = self.some(number, 1)
        if receiver is not None:
            receiver.drain(credit)

    @rule(number=st.integers(0, 5))
    def give_back(self, number):
        _, sender, receiver = self.some(number, 0)
        if sender is not None:
            given = sender.drained()
            assert given >= 0 and receiver.drained() >= 0

    @rule(number=st.integers(0, 5), size=SIZES, complete=st.booleans())
    def send(self, number, size, complete):
        name, sender, _ = self.some(number, 0)
        if sender is not None:
            self.two.fill(name, size, complete)

    @rule(number=st.integers(0, 5))
    def abort(self, number):
        name, sender, _ = self.some(number, 0)
        if sender is not None:
            self.two.abort(name)

    @rule(number=st.integers(0, 5), limit=st.sampled_from([1, 100, 1 << 20]), times=st.integers(1, 20))
    def receive(self, number, limit, times):
        name, _, receiver = self.some(number, 1)
        for _ in range(times if receiver is not None else 0):
            if receiver.current is None:
                break
            self.two.receive(name, limit)

    @rule(number=st.integers(0, 5), at_sender=st.booleans(), state=st.sampled_from(STATES), pick=st.integers(0, 9))
    def update(self, number, at_sender, state, pick):
        _, sender, receiver = self.some(number, 0)
        deliveries = list((sender if at_sender else receiver).unsettled_deliveries) if sender is not None else []
        if deliveries:
            deliveries[pick % len(deliveries)].update(state)

    @rule(number=st.integers(0, 5), at_sender=st.booleans(), pick=st.integers(0, 9))
    def settle(self, number, at_sender, pick):
        name, sender, receiver = self.some(number, 0)
        deliveries = list((sender if at_sender else receiver).unsettled_deliveries) if sender is not None else []
        if not deliveries:
            return
        delivery = deliveries[pick % len(deliveries)]
        tag = delivery.tag_bytes
        if at_sender and delivery.partial:
            self.two.sizes[tag] = self.two.filled.pop(name)  # settling completes it
        if not at_sender and (delivery.readable or tag not in self.two.arrived[name]):
            return  # what was not read is not settled by this program: what came of it would be dropped
        delivery.settle()
        assert delivery.local_state == delivery.local_state

    @rule(from_a=st.booleans(), size=CHUNKS)
    def move(self, from_a, size):
        self.two.move(from_a, size)

    @rule()
    def exchange(self):
        self.two.exchange()

    @rule(seconds=st.integers(1, 1000))
    def tick(self, seconds):
        for end in self.two.ends:
            assert end.peer.transport.tick(float(seconds)) >= 0

    @invariant()
    def both_ends_hold(self):
        if hasattr(self, "two"):
            self.two.check()

    def teardown(self):
        if hasattr(self, "two"):
            self.finish()

    def finish(self):
        two = self.two
        two.exchange()
        waiting = True
        for _ in range(2000):
            for name in list(two.ends[0].links):
                if two.live(name):
                    sender, receiver = two.ends_of(name)
                    if sender.current is not None:
                        two.fill(name, 0, True)
                    if receiver.credit - receiver.queued < 1:
                        receiver.flow(5)
                    while receiver.current is not None and two.receive(name, 1 << 20) and receiver.current is not None:
                        if receiver.current.partial and not receiver.current.pending:
                            break
            two.exchange()
            names = [name for name in two.ends[0].links if two.live(name)]
            waiting = any(two.ends_of(name)[0].queued or two.ends_of(name)[1].queued for name in names)
            if not waiting:
                break
        assert not waiting, "everything that was sent arrives when it is asked for"
        for end in two.ends:
            for session in end.connection.sessions():
                if not two.ended:  # what a closed link had queued waits for credit, as long as it is attached
                    assert session.incoming_bytes == 0 and session.outgoing_bytes == 0
        for end in two.ends:
            end.connection.close()
        two.exchange(check=False)
        for end in two.ends:
            assert end.peer.transport.closed and end.peer.transport.condition is None


class Lives(Traffic):
    """Links that come and go beside that, and a network that fails."""

    @precondition(lambda self: len(self.two.ends[0].links) < 6)
    @rule(from_a=st.booleans())
    def open_link(self, from_a):
        if self.two.ends[1].session is not None:
            self.two.open_link(from_a)

    @rule(number=st.integers(0, 5), at_sender=st.booleans(), how=st.sampled_from(["close", "detach"]))
    def end_link(self, number, at_sender, how):
        name, sender, receiver = self.some(number, 0)
        if sender is not None:
            getattr(sender if at_sender else receiver, how)()
            self.two.ended.add(name)

    @rule(number=st.integers(0, 5))
    def forget(self, number):
        """Both ends free what has ended."""
        name = self.name(number)
        if name is not None and not self.two.live(name):
            self.two.exchange()
            if not self.two.live(name) and None not in self.two.ends_of(name):
                self.two.forget(name)

    @rule()
    def cut(self):
        for end in self.two.ends:
            for link in end.links.values():
                for delivery in link.unsettled_deliveries:
                    delivery.stale = True
        self.two.cut()


# Shrinking would take longer than a test may; the steps that fail are printed all the same.
REPEATABLE = "PROTON_FUZZ_EXAMPLES" not in os.environ
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
COMMON = dict(phases=PHASES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=REPEATABLE)
TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=EXAMPLES, stateful_step_count=60, **COMMON)
TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=EXAMPLES, stateful_step_count=60, **COMMON)
