"""Peers that say little and have us do much: dispositions over and over, answers that they do not read, floods of
sessions and links, heartbeats without end. Processor time, memory, and what is told to the peer.
"""

from __future__ import annotations

import pytest

from proton import Described, Endpoint, Event, Message, Transport, symbol, ulong
from tests.support.costs import check_cost, peak, seconds
from tests.support.engines import Script, connected, frame, linked, pump, put, state, take
from tests.support.violations import Stage, attach, begin, error_of

ACCEPTED, RELEASED, MODIFIED, RECEIVED = state(0x24), state(0x26), state(0x27, True), state(0x23, 0, 0)
FLAGS = {"role": True}
DELIVERIES = 2000
LIMIT = "amqp:resource-limit-exceeded"


def disposition(first, last, value=ACCEPTED, settled=None, role=True):
    return frame(0, "disposition", role=role, first=first, last=last, settled=settled, state=value)


def sent(count=DELIVERIES):
    """An engine that has sent so many unsettled messages."""
    script = Script()
    sender = script.sender(credit=count, window=1 << 20)
    for _ in range(count):
        put(sender, b"x")
    script.received(), script.peer.events()
    return script


def received(count=DELIVERIES):
    """An engine that has received so many unsettled messages."""
    script = Script()
    script.receiver(credit=count)
    for number in range(count):
        script.send("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=b"x")
    script.received(), script.peer.events()
    return script


def alternate(*values, settled=None, role=True):
    return b"".join(disposition(0, DELIVERIES - 1, values[n % len(values)], settled, role) for n in range(1000))


def large():
    """Each range has an equal state of 30 kB."""
    condition = Described(ulong(0x1D), [symbol("x:y"), None, {symbol("i"): [number + 0.5 for number in range(3300)]}])
    return b"".join(disposition(0, DELIVERIES - 1, state(0x25, condition)) for _ in range(8))


def shifting():
    """No range is that of before."""
    return b"".join(disposition(n, DELIVERIES - 1 - n, (ACCEPTED, RELEASED)[n % 2]) for n in range(1000))


def mostly_nothing():
    """Ranges of which one delivery in a thousand is still there."""
    settle = b"".join(disposition(n, n + 998, ACCEPTED, True) for n in range(0, DELIVERIES, 1000))
    return settle + b"".join(disposition(0, DELIVERIES - 1, RECEIVED) for n in range(1000))


STORMS = {
    "accepted and released in turn": (sent, alternate(ACCEPTED, RELEASED)),
    "the same again": (sent, alternate(ACCEPTED)),
    "without a state": (sent, alternate(None)),
    "states with fields": (sent, alternate(MODIFIED, RECEIVED)),
    "states that are large": (sent, large()),
    "ranges that shift": (sent, shifting()),
    "ranges of little": (sent, mostly_nothing()),
    "of the sender": (received, alternate(ACCEPTED, RELEASED, role=False)),
}


@pytest.mark.parametrize("case", STORMS)
def test_a_storm_of_dispositions_costs_in_proportion(case):
    make, storm = STORMS[case]
    engines = [make() for _ in range(5)]
    harmless = b"".join(
        frame(0, "flow", next_incoming_id=0, incoming_window=n, next_outgoing_id=0, outgoing_window=1)
        for n in range(1300)
    )
    quiet = [make() for _ in range(3)]
    # Each delivery has its first news in it, which costs an event.
    memory = 600 * DELIVERIES + 128 * len(storm)
    check_cost(lambda: engines.pop().raw(storm), lambda: quiet.pop().raw(harmless), len(storm), memory=memory)


@pytest.mark.parametrize("case", STORMS)
def test_a_delivery_has_one_event_waiting_at_most(case):
    make, storm = STORMS[case]
    script = make()
    script.raw(storm)
    script.peer.transport.capacity()
    assert script.peer.events().split().count("DELIVERY") <= DELIVERIES


def test_the_session_of_a_storm_is_ended_and_its_connection_goes_on():
    script = sent()
    script.raw(alternate(ACCEPTED, RELEASED))
    (end,) = script.received()
    assert end.name == "end"
    assert error_of(end) == (LIMIT, "dispositions tell of the same deliveries more than 16 times")
    assert script.transport.condition is None


def test_the_allowance_can_be_set():
    script = sent(100)
    script.transport.max_repeated_dispositions = 0
    script.raw(b"".join(disposition(0, 99, (ACCEPTED, RELEASED)[n % 2]) for n in range(3000)))
    assert not script.received()


def test_a_peer_that_settles_in_two_steps_uses_no_allowance():
    """Accepted first, settled later: each delivery is named twice, for ever."""
    script = sent(0)
    sender = script.connection.link_head()
    for turn in range(200):
        script.grant(100, count=100 * turn, seen=100 * turn, window=1000)
        for _ in range(100):
            put(sender, b"x")
        assert len(script.received()) == 100
        first = 100 * turn
        script.raw(disposition(first, first + 99) + disposition(first, first + 99, ACCEPTED, True))
        script.peer.events()
    assert not script.received() and script.transport.condition is None


def test_news_that_come_while_the_event_waits_are_there_when_it_is_handled():
    script = sent(3)
    delivery = script.connection.link_head().unsettled_head
    script.raw(disposition(0, 2, ACCEPTED) + disposition(0, 2, RELEASED, True))
    assert script.peer.events().split().count("DELIVERY") == 3
    assert delivery.remote_state == delivery.RELEASED and delivery.settled


def test_later_news_have_an_event_of_their_own():
    script = sent(3)
    for value, settled, count in ((ACCEPTED, None, 3), (ACCEPTED, None, 0), (RELEASED, None, 3), (RELEASED, True, 3)):
        script.raw(disposition(0, 2, value, settled))
        assert script.peer.events().split().count("DELIVERY") == count


# -- many events ----------------------------------------------------------------------------------------------------


def test_no_input_is_taken_while_very_many_events_wait():
    script = Script()
    script.receiver(credit=100_000)
    script.transport.max_waiting_events = 500
    number = 0
    while script.transport.capacity() > 0:
        script.send("transfer", handle=0, delivery_id=number, delivery_tag=b"t", payload=b"x")
        number += 1
    assert 490 <= number <= 510 and script.transport.capacity() == 0
    script.peer.events()
    assert script.transport.capacity() > 0


@pytest.mark.parametrize("kind", ["flows", "dispositions", "attaches"])
def test_events_of_every_kind_count(kind):
    script = sent(600)
    script.transport.max_waiting_events = 500
    other = frame(0, "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9, handle=0)
    data = {
        "flows": b"".join(attach(0, name="x", handle=1) + other for _ in range(1)) + other,
        "dispositions": disposition(0, 599),
        "attaches": b"".join(attach(0, name=str(n), handle=n + 1) for n in range(600)),
    }[kind]
    script.raw(data)
    assert (script.transport.capacity() == 0) is (kind != "flows")
    script.peer.events()
    assert script.transport.capacity() > 0


# -- answers that are not read --------------------------------------------------------------------------------------


class Answering:
    """A server that answers everything, driven by hand: it pushes only what `capacity` allows."""

    def __init__(self, **settings):
        self.stage = Stage(server=True, **settings).opened()
        self.transport = self.stage.transport
        self.pushed = 0

    def push(self, data):
        """Whether it was taken."""
        if self.transport.capacity() <= 0:
            return False
        self.transport.push(data)
        self.pushed += len(data)
        self.answer()
        return True

    def answer(self):
        collector = self.stage.peer.collector
        while collector.peek() is not None:
            event = collector.peek()
            if event.type in (Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN):
                event.context.open()
            elif event.type in (Event.SESSION_REMOTE_CLOSE, Event.LINK_REMOTE_CLOSE):
                event.context.close()
                event.context.free()
            elif event.type is Event.LINK_REMOTE_DETACH:
                event.context.detach()
                event.context.free()
            collector.pop()
        self.transport.pending()

    def flood(self, reads, count):
        for _ in range(count):
            if not all(self.push(data) for data in reads):
                break


SESSION = begin(5, next_outgoing_id=0)
NAMED = attach(5, name="n" * 200, handle=0)
NAMED = attach(5, name="n" * 200, handle=0)
UNREAD = {
    "sessions": (b"", [SESSION, frame(5, "end")]),
    "links": (SESSION, [NAMED, frame(5, "detach", handle=0, closed=True)]),
    "links without closed": (SESSION, [NAMED, frame(5, "detach", handle=0)]),
    "sessions with a link": (b"", [SESSION, NAMED, frame(5, "end")]),
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_peer_that_does_not_read_its_answers_is_not_read_either(case):
    first, flood = UNREAD[case]
    server = Answering()
    server.push(first)
    held = peak(lambda: server.flood(flood, 20_000))
    assert server.transport.condition is None
    assert server.transport.capacity() == 0, "the flood was taken to its end"
    assert held < 16 << 20
    assert server.transport.pending() > 0
    while server.transport.pending() > 0:
        take(server.transport)
        server.answer()
    assert server.transport.capacity() > 0
    assert server.push(flood[0]), "it goes on by itself, once its answers were read"


def test_a_peer_that_reads_its_answers_may_go_on_for_ever():
    server = Answering()
    for _ in range(5000):
        assert server.push(SESSION + frame(5, "end"))
        take(server.transport)
    assert server.transport.condition is None


def test_two_ends_that_begin_much_at_once_do_not_wait_for_each_other():
    """What an end has begun by itself is not an answer: it goes on reading."""
    a, b = connected()
    sessions = [(peer, peer.connection.session()) for peer in (a, b)]
    for _, session in sessions:
        session.open()
    pump(a, b)
    for peer in (
        a,
        b,
    ):  # before its session is answered, the peer's handle-max is not known, and few links are attached
        for session in peer.connection.sessions(Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_ACTIVE):
            session.open()
    pump(a, b)
    for first in range(0, 6000, 3000):
        for peer, session in sessions:
            for number in range(first, first + 3000):
                session.sender(f"{peer.name}{number}" + "x" * 100).open()
            peer.transport.pending()  # the first half is written, and keeps the second waiting
    pump(a, b)
    for peer in (a, b):
        assert len(list(peer.connection.links(Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT))) == 6000
        assert len(list(peer.connection.links(Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_ACTIVE))) == 6000


def test_flows_with_echo_have_one_answer():
    script = Script()
    script.sender()
    echo = dict(next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9, echo=True)
    for _ in range(5000):
        script.send("flow", **echo)
        script.send("flow", handle=0, delivery_count=0, link_credit=1, **echo)
    answers = script.received()
    assert [(answer.name, answer["handle"]) for answer in answers] == [("flow", None), ("flow", 0)]


# -- how many sessions and links ------------------------------------------------------------------------------------


def test_sessions_of_a_connection_are_limited():
    engine = Stage(max_sessions=50).opened()
    engine.feed(b"".join(begin(n) for n in range(50)))
    assert engine.transport.condition is None
    engine.feed(begin(50))
    engine.check_closed(LIMIT, "expected 50 sessions on a connection at most, got one more")


def test_links_of_a_connection_are_limited_over_all_sessions():
    engine = Stage(max_links=50).opened()
    engine.feed(begin(0) + begin(1))
    engine.feed(b"".join(attach(n % 2, name=str(n), handle=n) for n in range(50)))
    assert engine.transport.condition is None
    engine.feed(attach(0, name="one more", handle=50))
    engine.check_closed(LIMIT, "expected 50 links on a connection at most, got one more")


def test_links_that_have_gone_do_not_count():
    server = Answering(max_links=5, max_sessions=3)
    for _ in range(20):
        assert server.push(SESSION)
        for number in range(5):
            assert server.push(attach(5, name=str(number), handle=number))
        assert server.push(frame(5, "end"))
        take(server.transport)
    assert server.transport.condition is None


def test_sessions_and_links_without_an_answer_stay_within_the_limits():
    assert Transport().max_links == 16384
    engine = Stage(max_links=2000).opened()
    data = begin(0) + b"".join(attach(0, name=str(n), handle=n) for n in range(3000))

    def flood():
        engine.transport.push(data)
        engine.peer.events()

    assert peak(flood) < 3000 * 6000
    assert "expected 2000 links" in engine.transport.condition.description


# -- heartbeats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "milliseconds, taken", [(1, False), (19, False), (20, True), (60_000, True), (0, True), (None, True)]
)
def test_an_idle_time_out_that_cannot_be_kept_is_refused(milliseconds, taken):
    engine = Stage()
    engine.greeted().raw(frame(0, "open", container_id="peer", idle_time_out=milliseconds))
    engine.connection.open()
    engine.feed(b"")
    if taken:
        assert engine.transport.condition is None
        assert engine.transport.remote_idle_timeout == (milliseconds or 0) / 1000
    else:
        text = f"expected an idle-time-out of 20 ms at least, got {milliseconds} ms (2.4.5)"
        engine.check_closed("amqp:not-allowed", text)


def test_the_least_idle_time_out_can_be_set():
    engine = Stage(min_remote_idle_timeout=0)
    engine.greeted().raw(frame(0, "open", container_id="peer", idle_time_out=1))
    assert engine.transport.condition is None and engine.transport.remote_idle_timeout == 0.001


def test_a_harmless_conversation_is_let_through():
    a, b, sender, receiver = linked(credit=1000)
    for _ in range(1000):
        sender.send(Message(body="x"))
    assert seconds(lambda: pump(a, b)) < 5
    assert receiver.queued == 1000 and a.transport.condition is None
