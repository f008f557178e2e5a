"""Credit below zero: more taken back than was given.

What goes on the wire then, and what is left after new credit.
"""

from __future__ import annotations

from engines import describe_link, linked, pump, send, show

a, b, sender, receiver = linked(credit=3, trace=True)
for change in (-10, 8, 2):
    receiver.flow(change)
    pump(a, b)
    show(f"flow({change})", a, b)
    print(describe_link(receiver))
send(sender, "t")
pump(a, b)
print(receiver.queued, sender.queued)
