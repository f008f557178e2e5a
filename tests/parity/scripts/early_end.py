"""Streams that end early, on either side, and at every point of the protocol.

States of the transport after it, and the events.
"""

from __future__ import annotations

from engines import AMQP, BEGIN, CLOSE, OPEN, Peer, Wire, attempt, frame, linked, pump, show

from proton import Condition, Transport, uint

for mode in (Transport.CLIENT, Transport.SERVER):
    for title, octets in {
        "nothing": b"",
        "half a header": AMQP[:5],
        "the header": AMQP,
        "an open": AMQP + frame(OPEN, "x"),
        "a begin": AMQP + frame(OPEN, "x") + frame(BEGIN, None, uint(0), uint(1), uint(1)),
        "a close": AMQP + frame(OPEN, "x") + frame(CLOSE),
    }.items():
        for opened in (True, False):
            wire = Wire(header=False, mode=mode)
            if opened:
                wire.connection.open()
            wire.flush()
            wire.push(octets)
            wire.transport.close_tail()
            wire.show(f"{title}, mode {mode}, opened {opened}")
            wire.transport.close_head()
            wire.show("head closed")
a, b, sender, receiver = linked(trace=True)
a.transport.close_head()
a.show("head closed in the middle")
print(a.transport.pending(), a.transport.capacity() > 0, a.transport.closed)
attempt("peek", a.transport.peek, 10)
sender.close()
pump(a, b)
show("the peer sees the end", a, b)
print(a.transport.closed, b.transport.closed, sender.state, receiver.state, b.transport.condition is not None)
attempt("push after the end", b.transport.push, b"x")
a, b, sender, receiver = linked()
a.transport.condition = Condition("x:reset", "by the program")
a.transport.close_tail()
pump(a, b)
show("a condition of the program", a, b)
print(a.transport.condition.name, b.connection.remote_condition.name)
peer = Peer("A").bind()
peer.transport.close_tail(), peer.transport.close_head()
peer.show("both sides at once")
print(peer.transport.closed, peer.transport.pending(), peer.transport.capacity())
