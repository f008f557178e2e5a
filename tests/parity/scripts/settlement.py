"""Settlement in all combinations: which end settles first, with and without a state, before and after sending.

Frames and events of each.
"""

from __future__ import annotations

from engines import describe_delivery, describe_link, linked, pump, send, show

from proton import Delivery

A, R = Delivery.ACCEPTED, Delivery.RELEASED
ORDERS = {
    "receiver updates, settles; sender settles": ["ru", "-", "rs", "-", "ss", "-"],
    "receiver updates and settles; sender settles": ["ru", "rs", "-", "ss", "-"],
    "receiver settles without a state": ["rs", "-", "ss", "-"],
    "sender settles first": ["ss", "-", "ru", "-", "rs", "-"],
    "sender settles on the update": ["ru", "-", "ss", "-", "rs", "-"],
    "both at once": ["rs", "ss", "-"],
    "both at once with states": ["ru", "su", "rs", "ss", "-"],
    "sender updates": ["su", "-", "ru", "-", "su", "-", "ss", "-", "rs", "-"],
    "update after settle": ["rs", "ru", "-", "ss", "-"],
    "settle twice": ["ru", "rs", "rs", "-", "ss", "ss", "-"],
    "update twice": ["ru", "rr", "-", "rr", "-", "rs", "-"],
    "advance first": ["ra", "-", "ru", "-", "rs", "-", "ss", "-"],
    "sender released": ["sr", "-", "rs", "-", "ss", "-"],
}
for title, steps in ORDERS.items():
    a, b, sender, receiver = linked(credit=2, trace=True)
    theirs = send(sender, "d")
    pump(a, b)
    a.forget(), b.forget()
    mine = receiver.current
    print("==", title)
    for step in steps:
        if step == "-":
            pump(a, b)
            show("", a, b)
            print("  ", describe_delivery(theirs), "/", describe_delivery(mine))
        elif step == "ra":
            receiver.advance()
        elif step[1] == "s":
            (mine if step[0] == "r" else theirs).settle()
        else:
            (mine if step[0] == "r" else theirs).update(A if step[1] == "u" else R)
    print(describe_link(sender), "/", describe_link(receiver))

for title, settle, state in (("settled", True, None), ("state", False, A), ("settled with a state", True, R)):
    a, b, sender, receiver = linked(credit=2, trace=True)
    delivery = sender.delivery("pre")
    sender.stream(b"x")
    if state:
        delivery.update(state)
    if settle:
        delivery.settle()
    else:
        sender.advance()
    print(describe_link(sender))
    pump(a, b)
    show(f"before sending: {title}", a, b)
    mine = receiver.current
    mine.update(A)
    mine.settle()
    pump(a, b)
    show("answered", a, b)
    print(describe_delivery(mine), describe_link(receiver))

a, b, sender, receiver = linked(credit=5, trace=True)
deliveries = [send(sender, str(number)) for number in range(4)]
pump(a, b)
a.forget(), b.forget()
for number in (2, 0, 3, 1):
    deliveries[number].settle()
    print(describe_link(sender))
pump(a, b)
show("settled in another order", a, b)
