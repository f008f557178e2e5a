"""The transport as a pair of buffers: capacity, push, pending, peek, pop, in every chunking.

The events and frames are the same however the bytes are cut.
"""

from __future__ import annotations

from engines import AMQP, Peer, attempt, frame, linked, plain, send

from proton import Transport, uint

stream = (
    AMQP + frame(16, "x") + frame(17, None, uint(0), uint(10), uint(10)) + frame(18, "L", uint(0), True) + frame(24)
)
for chunk in (1, 2, 3, 7, 8, 9, 50, 1000):
    peer = Peer("A", trace=True).bind().opened()
    peer.forget()
    for start in range(0, len(stream), chunk):
        if peer.transport.capacity() > 0:
            peer.transport.push(stream[start : start + chunk])
    peer.show(f"chunks of {chunk}")
    print(peer.transport.capacity(), peer.transport.frames_input)
transport = Transport()
print(
    transport.capacity() > 0, transport.pending(), plain(transport.peek(8)), plain(transport.peek(3)), transport.closed
)
print(transport.pop(3), transport.pending(), plain(transport.peek(100)), transport.pop(5), transport.pending())
attempt("empty peek", transport.peek, 5)
attempt("zero", transport.peek, 0)
attempt("empty push", transport.push, b"")
transport.close_head()
print(transport.pending())
attempt("peek at the end", transport.peek, 5)
attempt("close again", transport.close_head)
transport.close_tail()
print(transport.capacity(), transport.closed)
attempt("push at the end", transport.push, b"x")
attempt("text", Transport().push, "text")
attempt("none", Transport().push, None)
for kind in (bytes, bytearray, memoryview):
    transport = Transport(Transport.SERVER)
    print(transport.pending(), transport.push(kind(AMQP)), transport.pending(), plain(transport.peek(8)))
for mode in (None, 0, 1, 2, 3, "client"):
    attempt(f"mode {mode!r}", lambda mode=mode: Transport(mode).closed)
a, b, sender, receiver = linked(credit=100)
for number in range(20):
    send(sender, f"{number}", b"x" * 5000)
total = 0
while a.transport.pending() > 0:
    size = min(a.transport.pending(), 1234)
    b.transport.push(a.transport.peek(size))
    a.transport.pop(size)
    total += size
print(
    total > 100000,
    receiver.queued,
    receiver.session.incoming_bytes,
    a.transport.frames_output == b.transport.frames_input,
)
