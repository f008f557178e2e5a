"""Session windows: capacity in bytes, counted in frames; the flows that open them again.

The receiver's session takes 2048 bytes in frames of 512.
"""

from __future__ import annotations

from engines import describe_session, linked, pump, send, show

LIMIT = {"max_frame_size": 512}
a, b, sender, receiver = linked(credit=100, trace=True, capacity=2048, a=LIMIT, b=LIMIT)
ours, theirs = sender.session, receiver.session
print(describe_session(ours), describe_session(theirs), theirs.incoming_capacity)
for number in range(10):
    send(sender, f"{number}", b"x" * 100)
pump(a, b)
show("ten small ones", a, b)
print(describe_session(ours), describe_session(theirs), receiver.queued)
for count in (1, 1, 2, 4):
    for _ in range(count):
        if receiver.current:
            print(receiver.current.tag, len(receiver.recv(1000)))
            receiver.advance()
    pump(a, b)
    show(f"{count} read", a, b)
    print(describe_session(ours), describe_session(theirs), receiver.queued, sender.queued)
while receiver.current:
    receiver.advance()
pump(a, b)
show("all dropped", a, b)
send(sender, "large", b"y" * 3000)
pump(a, b)
show("larger than the window", a, b)
print(describe_session(ours), describe_session(theirs), sender.queued)
total = 0
while True:
    part = receiver.recv(400)
    if part is None:
        break
    total += len(part)
    pump(a, b)
    show(f"{total} read", a, b)
    if not part and not receiver.current.partial:
        break
print(total, describe_session(ours), describe_session(theirs))
receiver.advance()
theirs.incoming_capacity = 4096
pump(a, b)
show("more capacity", a, b)
theirs.incoming_capacity = 0
pump(a, b)
show("no longer managed", a, b)
for number in range(6):
    send(sender, f"n{number}", b"z" * 600)
pump(a, b)
print(describe_session(ours), describe_session(theirs), receiver.queued)
