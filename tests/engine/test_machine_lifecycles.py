"""Connections, sessions and links that are opened, closed, detached and freed in any order, by Hypothesis.

Programs on both ends do whatever the API lets them do, between them bytes move in pieces and networks fail. Whatever
they do, both engines write only what `tests/support/audit.py` lets them, find no fault with each other, come to rest,
and close without an error; every endpoint has its final event once. What deliveries must be: `test_machine_deliveries`.
"""

import os
import sys
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from proton import Delivery, Endpoint, Event
from tests.support.audit import Joined

EXAMPLES = int(os.environ.get("PROTON_FUZZ_EXAMPLES", "60"))
ENDS = st.sampled_from([0, 1])
PICKS = st.integers(0, 11)
OUTCOMES = [Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED]
STATES = st.sampled_from([*OUTCOMES, Delivery.RECEIVED])
REMOTE_OPEN = (Event.CONNECTION_REMOTE_OPEN, Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN)
REMOTE_CLOSE = (Event.CONNECTION_REMOTE_CLOSE, Event.SESSION_REMOTE_CLOSE, Event.LINK_REMOTE_CLOSE)
BORN = (Event.CONNECTION_INIT, Event.SESSION_INIT, Event.LINK_INIT)
FINAL = (Event.CONNECTION_FINAL, Event.SESSION_FINAL, Event.LINK_FINAL)


def pick(items, number):
    return items[number % len(items)] if items else None


class Lifecycles(RuleBasedStateMachine):
    @initialize(
        frame_size=st.sampled_from([512, 1024]),
        capacity=st.sampled_from([0, 0, 1024, 4096]),
    )
    def start(self, frame_size, capacity):
        self.capacity = capacity
        self.joined = Joined(max_frame_size=frame_size)
        self.names = 0
        self.tags = 0
        self.now = 1.0
        self.seen = Counter()
        self.born, self.final = [], []

    def connection(self, end):
        return self.joined.ends[end].connection

    def session(self, end, number):
        return pick(list(self.connection(end).sessions()), number)

    def link(self, end, number, sender=None):
        links = [link for link in self.connection(end).links() if sender in (None, link.is_sender)]
        return pick(links, number)

    # -- lives

    @rule(end=ENDS)
    def open_connection(self, end):
        if not self.connection(end).state & Endpoint.LOCAL_CLOSED:
            self.connection(end).open()

    @rule(end=ENDS, number=st.integers(0, 20))
    def close_connection(self, end, number):
        if number == 20:
            self.connection(end).close()

    @rule(end=ENDS, opened=st.booleans())
    def new_session(self, end, opened):
        if len(list(self.connection(end).sessions())) > 3:
            return
        session = self.connection(end).session()
        session.incoming_capacity = self.capacity
        if opened:
            session.open()

    @rule(end=ENDS, number=PICKS, what=st.sampled_from(["open", "open", "close", "free"]))
    def change_session(self, end, number, what):
        session = self.session(end, number)
        if session is not None and not (what == "open" and session.state & Endpoint.LOCAL_CLOSED):
            getattr(session, what)()

    @rule(end=ENDS, number=PICKS, sender=st.booleans(), credit=st.integers(0, 3), opened=st.booleans())
    def new_link(self, end, number, sender, credit, opened):
        session = self.session(end, number)
        if session is not None and len(list(self.connection(end).links())) < 7:
            self.names += 1
            link = session.sender(f"L{self.names}") if sender else session.receiver(f"L{self.names}")
            if opened:
                link.open()
            if credit and not sender:
                link.flow(credit)

    @rule(end=ENDS, number=PICKS, what=st.sampled_from(["open", "open", "close", "detach", "free"]))
    def change_link(self, end, number, what):
        link = self.link(end, number)
        if link is not None and not (what == "open" and link.state & Endpoint.LOCAL_CLOSED):
            getattr(link, what)()

    # -- deliveries

    @rule(end=ENDS, number=PICKS, size=st.sampled_from([0, 1, 600, 3000]), complete=st.booleans())
    def send(self, end, number, size, complete):
        link = self.link(end, number, sender=True)
        if link is not None:
            if link.current is None:
                self.tags += 1
                link.delivery(b"%d" % self.tags)
            link.stream(bytes(size))
            if complete:
                link.advance()

    @rule(end=ENDS, number=PICKS, credit=st.integers(-1, 4), drain=st.booleans())
    def grant(self, end, number, credit, drain):
        link = self.link(end, number, sender=False)
        if link is not None:
            link.drain(credit) if drain else link.flow(credit)

    @rule(end=ENDS, number=PICKS)
    def give_back(self, end, number):
        link = self.link(end, number)
        if link is not None:
            assert link.drained() >= 0

    @rule(end=ENDS, number=PICKS, limit=st.sampled_from([1, 1 << 20]), on=st.booleans())
    def receive(self, end, number, limit, on):
        link = self.link(end, number, sender=False)
        if link is not None and link.current is not None:
            if not link.current.aborted:
                link.recv(limit)
            if on:
                link.advance()

    @rule(end=ENDS, number=PICKS, which=PICKS, what=st.sampled_from(["update", "settle", "abort"]), state=STATES)
    def decide(self, end, number, which, what, state):
        link = self.link(end, number)
        delivery = link and pick(list(link.unsettled_deliveries), which)
        if delivery:
            delivery.update(state) if what == "update" else getattr(delivery, what)()

    # -- events, bytes, time

    @rule(end=ENDS, answered=st.booleans())
    def dispatch(self, end, answered):
        """The program looks at its events; it answers what the peer opened and closed, or does not."""
        collector = self.joined.ends[end].collector
        while collector.peek() is not None:
            kind, context = collector.peek().type, collector.peek().context
            collector.pop()
            self.born += [context] if kind in BORN else []
            self.final += [context] if kind in FINAL else []
            if answered and kind in REMOTE_OPEN and context.state & Endpoint.LOCAL_UNINIT:
                if kind is Event.SESSION_REMOTE_OPEN:
                    context.incoming_capacity = self.capacity
                context.open()
            elif answered and kind in REMOTE_CLOSE:
                context.close()
            elif answered and kind is Event.LINK_REMOTE_DETACH:
                context.detach()

    @rule(source=ENDS, size=st.sampled_from([1, 7, 30, 300, 1 << 20]))
    def move(self, source, size):
        self.joined.move(source, size)

    @rule()
    def exchange(self):
        self.joined.exchange()

    @rule(seconds=st.integers(1, 60))
    def tick(self, seconds):
        self.now += seconds
        for end in self.joined.ends:
            assert end.transport.tick(self.now) == 0.0, "nobody has asked for a timeout"

    @rule(number=st.integers(0, 9))
    def cut(self, number):
        if number == 9:
            self.joined.cut()

    # -- what holds

    @invariant()
    def neither_end_finds_fault(self):
        for end in getattr(self, "joined", Joined()).ends:
            assert end.transport.condition is None
            connection = end.connection
            for endpoint in (connection, *connection.sessions(), *connection.links()):
                assert endpoint.condition is None and endpoint.remote_condition is None
            for session in connection.sessions():
                assert session.incoming_bytes >= 0 and session.outgoing_bytes >= 0
                if self.capacity:
                    assert session.incoming_bytes <= self.capacity
            for link in connection.links():
                assert link.queued >= 0 and link.unsettled == len(list(link.unsettled_deliveries))
                assert not link.is_sender or link.credit + link.queued >= 0

    def teardown(self):
        if hasattr(self, "joined") and sys.exc_info()[0] is None:  # else the machine is being stopped on its way
            self.finish()

    def finish(self):
        for end in self.joined.ends:
            end.connection.close()
        self.joined.exchange()
        self.neither_end_finds_fault()
        for end in self.joined.ends:
            assert end.transport.closed
            end.connection.free()
            end.transport.unbind()
        self.dispatch(0, False), self.dispatch(1, False)
        assert Counter(map(id, self.final)) == Counter(map(id, self.born)), "every endpoint has its end, once"


COMMON = dict(
    deadline=None, suppress_health_check=list(HealthCheck), derandomize="PROTON_FUZZ_EXAMPLES" not in os.environ
)
TestLifecycles = Lifecycles.TestCase
TestLifecycles.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, **COMMON)
