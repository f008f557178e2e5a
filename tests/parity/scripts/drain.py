"""Draining, in combination with credit, queued deliveries, and switching it off again.

What the links count, whether they drain, the frames.
"""

from __future__ import annotations

from engines import describe_link, linked, pump, send, show


def step(title):
    pump(a, b)
    show(title, a, b)
    print(describe_link(sender), "/", describe_link(receiver), receiver.draining())


a, b, sender, receiver = linked(credit=0, trace=True)
receiver.drain(5)
print(receiver.draining(), receiver.drain_mode)
step("drain of 5")
print(sender.drained(), sender.credit, sender.drained())
step("given back")
print(receiver.drained(), receiver.drained())
receiver.drain(0)
step("drain of none")
print(sender.drained())
step("nothing to give back")
receiver.flow(3)
step("flow ends the drain")
send(sender, "a")
receiver.drain(2)
step("one sent, drain of 2 more")
send(sender, "b")
print(sender.drained())
step("one more sent, then drained")
print(receiver.drained())
receiver.drain_mode = True
step("drain mode alone")
receiver.flow(4)
step("flow in drain mode")
print(receiver.drain_mode, sender.drained())
step("drained")
print(receiver.drained())
receiver.drain_mode = False
step("drain mode off")
receiver.flow(1)
step("flow")

a, b, sender, receiver = linked(credit=0, trace=True)
for number in range(4):
    send(sender, f"q{number}")
receiver.drain(2)
step("more queued than credit")
print(sender.drained())
step("nothing left to drain")
receiver.drain(5)
step("more credit than queued")
print(sender.drained())
step("drained")
print(receiver.drained(), receiver.credit)
receiver.drain(3)
pump(a, b)
print(sender.drain_mode, sender.credit)
sender.delivery("part")
sender.stream(b"begun")
step("a partial delivery while draining")
sender.advance()
print(sender.drained())
step("completed and drained")
sender.drain_mode = True
print(sender.drain_mode)
receiver.drain(1), receiver.flow(1)
step("drain and flow in one turn")
receiver.drain(2), receiver.drain(2)
step("drain twice")
print(sender.drained())
step("drained")
print(receiver.drained())
while receiver.current:
    receiver.advance()
step("read")
