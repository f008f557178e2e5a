"""Peers that do not read what they are sent: memory stays bounded, nothing spins, all others are served."""

from proton import Endpoint, Event, Message
from proton.handlers import MessagingHandler
from tests.support.engines import Script
from tests.support.loops import run
from tests.support.proxy import DOWN, Fault, Proxy

MIB = 1 << 20


def accept_all(script):
    """A program that accepts each message and grants credit for another one."""
    collector = script.peer.collector
    while collector.peek() is not None:
        event = collector.peek()
        if event.type is Event.DELIVERY and event.delivery.link.current is event.delivery:
            event.delivery.link.recv(100)
            event.delivery.update(event.delivery.ACCEPTED)
            event.delivery.settle()
            event.link.flow(1)
        collector.pop()


def test_a_peer_that_asks_and_never_reads_gets_a_bounded_answer():
    script = Script(server=True)
    script.begun()
    known = {"next_incoming_id": 0, "incoming_window": 10, "next_outgoing_id": 0, "outgoing_window": 10}
    for _ in range(14_000):
        script.send("flow", echo=True, **known)
        pending = script.transport.pending()
        assert 0 <= pending < 300_000, f"expected bounded output, got {pending} bytes"
    # One that reads after all is answered as ever.
    script.received()
    script.send("flow", echo=True, **known)
    assert [part.name for part in script.received()] == ["flow"]


def test_a_peer_that_sends_and_never_reads_is_held_to_the_credit_that_it_can_have_seen():
    script = Script()
    receiver = script.receiver(credit=100)
    for number in range(14_000):
        if receiver.state & Endpoint.LOCAL_CLOSED:
            break
        script.send("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=b"x")
        accept_all(script)
        pending = script.transport.pending()
        assert pending < 300_000, f"expected bounded output, got {pending} bytes after {number} messages"
    assert receiver.condition.name == "amqp:link:transfer-limit-exceeded"


def test_what_waited_for_a_slow_peer_is_told_when_it_reads():
    script = Script()
    receiver = script.receiver(credit=14_000)
    # So many separate states that they do not fit.
    for number in range(14_000):
        script.send("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=b"x")
    for number in range(14_000):
        delivery = receiver.current
        receiver.recv(100)
        delivery.update(delivery.ACCEPTED if number % 2 else delivery.RELEASED)
        delivery.settle()
        if number % 100 == 0:
            script.transport.pending()
    told = [part for part in script.received() if part.name == "disposition"]
    numbers = [n for part in told for n in range(part["first"], (part["last"] or part["first"]) + 1)]
    assert numbers == list(range(14_000))
    assert {int(part["state"].descriptor) for part in told} == {0x24, 0x26}


class Busy(MessagingHandler):
    """A server with a slow reader, which takes large messages from it and stops reading, and a quick one."""

    def __init__(self, size, count):
        super().__init__(prefetch=10)
        self.body = "x" * size
        self.count = count
        self.taken = {"slow": 0, "quick": 0}
        self.sent = {"slow": 0, "quick": 0}
        self.most = 0
        self.turns = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.proxy = Proxy(self.acceptor.port, [Fault("stall", DOWN, after=100_000)])
        self.proxy.__enter__()
        self.slow = event.container.connect(self.proxy.url, reconnect=False)
        event.container.create_receiver(self.slow, "slow")

    def on_link_opening(self, event):
        if event.link.is_sender:
            event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        kind = event.link.source.address
        body = self.body if kind == "slow" else "y"
        while event.link.credit > 0 and self.sent[kind] < self.count:
            event.link.send(Message(body=body))
            self.sent[kind] += 1
        if kind == "slow":
            self.most = max(self.most, event.transport.pending())

    def on_reactor_quiesced(self, event):
        self.turns += 1
        if self.proxy.struck.is_set() and self.turns > 0 and not hasattr(self, "quick"):
            self.idle_from = None
            self.quick = event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
            event.container.create_receiver(self.quick, "quick")

    def on_message(self, event):
        kind = event.receiver.source.address
        self.taken[kind] += 1
        if self.taken["quick"] == self.count:
            # All others are done: now there is nothing to do but to wait for the slow one.
            self.counted = self.turns
            event.connection.close()
            self.clock = event.container.schedule(0.3, self)

    def on_timer_task(self, event):
        self.idle_turns = self.turns - self.counted
        self.acceptor.close()
        self.slow.close()
        self.slow.transport.close_head()
        self.slow.transport.close_tail()


def test_a_reader_that_stops_costs_nothing_but_its_credit():
    busy = Busy(size=2 * MIB, count=500)
    try:
        run(busy)
    finally:
        busy.proxy.__exit__(None, None, None)
    assert busy.taken["quick"] == 500, "the other one was served meanwhile"
    assert busy.sent["slow"] == 10 and busy.taken["slow"] < 10
    assert busy.most < MIB, "what was sent is kept once, not once more as output"
    assert busy.idle_turns < 30, f"expected some turns to close the other one, got {busy.idle_turns} in 0.3 s"


def test_a_reader_that_stops_is_found_by_the_heartbeat():
    """It does not read, so it does not speak either: a proxy that stalls one direction and cuts the other one."""

    class Server(Busy):
        def on_connection_bound(self, event):
            if getattr(event.connection, "_acceptor", None) and not hasattr(self, "stuck"):
                self.stuck = event.transport
                event.transport.idle_timeout = 0.2

        def on_transport_error(self, event):
            if event.transport is self.stuck:
                self.error = event.transport.condition
                self.acceptor.close()
                self.slow.close()
                self.slow.transport.close_head()
                self.slow.transport.close_tail()

        def on_reactor_quiesced(self, event):
            if self.proxy.struck.is_set() and not hasattr(self, "muted"):
                self.muted = True
                self.proxy.strike("silence")

    server = Server(size=2 * MIB, count=50)
    try:
        run(server)
    finally:
        server.proxy.__exit__(None, None, None)
    assert server.error.description == "local-idle-timeout expired"
    assert server.stuck.closed, "its last words were not waited for longer than its time"
