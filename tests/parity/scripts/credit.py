"""Credit given, used, given again, taken back; deliveries that wait for it.

What both links count after each step, and the flows between them.
"""

from __future__ import annotations

from engines import describe_link, linked, plain, pump, send, show


def step(title):
    print("before", describe_link(sender))
    pump(a, b)
    show(title, a, b)
    print("after", describe_link(sender), "/", describe_link(receiver))


a, b, sender, receiver = linked(credit=0, trace=True)
step("nothing")
for number in range(3):
    send(sender, f"w{number}")
step("three without credit")
receiver.flow(1)
step("one credit")
receiver.flow(1), receiver.flow(1), receiver.flow(5)
step("seven more, in three calls")
receiver.flow(0)
step("none")
receiver.flow(-2)
step("two taken back")
for number in range(6):
    send(sender, f"x{number}")
step("six more")
while receiver.current:
    delivery = receiver.current
    receiver.advance()
    delivery.settle()
step("all read")
receiver.flow(1)
step("one more")
sender.offered(9)
print(sender.available, receiver.available)
send(sender, "y")
step("offered")
print(receiver.current.tag, receiver.remote_snd_settle_mode)
for number in range(3):
    sender.delivery(f"empty{number}")
    sender.advance()
step("empty messages")
while receiver.current:
    print(receiver.current.tag, receiver.current.pending, plain(receiver.recv(10)))
    receiver.advance()
print(describe_link(receiver))
sender.offered(0), receiver.flow(2)
step("last")
