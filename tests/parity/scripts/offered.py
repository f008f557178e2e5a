"""`offered`, `available` and what the other end sees of them, before and after flows and transfers (5.4)."""

from __future__ import annotations

from engines import linked, pump, send, show

a, b, sender, receiver = linked(credit=0, trace=True)
print(sender.available, receiver.available)
sender.offered(7)
print(sender.available, receiver.available)
pump(a, b)
show("offered, nothing asked", a, b)
receiver.drain(2)
pump(a, b)
print(sender.available, receiver.available, sender.drain_mode)
print(sender.drained())
pump(a, b)
show("drained", a, b)
print(sender.available, receiver.available, receiver.drained())
sender.offered(0)
receiver.drain(1)
pump(a, b)
sender.drained()
pump(a, b)
print(sender.available, receiver.available)
send(sender, "t")
receiver.flow(1)
pump(a, b)
print(sender.available, receiver.available, sender.queued, receiver.queued)
