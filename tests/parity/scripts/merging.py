"""Dispositions for several deliveries: which are merged into one frame, and the order they leave in.

One line a case: the dispositions that were written.
"""

from __future__ import annotations

from engines import linked, pump, send

from proton import Delivery

STATES = {
    "a": Delivery.ACCEPTED,
    "r": Delivery.RELEASED,
    "j": Delivery.REJECTED,
    "m": Delivery.MODIFIED,
    "c": Delivery.RECEIVED,
}
CASES = "a0a1a2a3 a3a2a1a0 a1a0a2a3 a0a1a3 a0a2a1a3 a0r1r2a3 a0j1a2a3 r0r1r2 r2r1 j0j1j2 m0m1 c0c1 a0a1r3r2 a0r0 r0a0"
CASES += " A0A1A2A3 A3A2A1A0 A0a1A2 a0A1 A0R1A2 J0J1 M0A1A2 s0s1s2 s0A1s2A3 a0s1a2 A0s1 a0a1s0s1 a0a4a1a3a2 A0A2A4A1A3"
for case in CASES.split():
    for side in "rs":
        a, b, sender, receiver = linked(credit=5, trace=True)
        sent = [send(sender, str(number)) for number in range(5)]
        pump(a, b)
        arrived = []
        while receiver.current:
            arrived.append(receiver.current)
            receiver.advance()
        a.forget(), b.forget()
        deliveries = arrived if side == "r" else sent
        for letter, number in zip(case[::2], case[1::2]):
            delivery = deliveries[int(number)]
            if letter != "s":
                delivery.update(STATES[letter.lower()])
            if letter.isupper() or letter == "s":
                delivery.settle()
        pump(a, b)
        print(case, side)
        for line in a.frames:
            print("  ", line.split("[", 1)[1])
        other = sent if side == "r" else arrived
        print("  ", [(int(delivery.remote_state), delivery.settled) for delivery in other])
        print("  ", [line.split()[:2] for line in (a if side == "r" else b).events() if line.startswith("DELIVERY")])

a, b, sender, receiver = linked(credit=9, trace=True)
second = sender.session.sender("second")
second.open()
pump(a, b)
other = b.connection.link_head(0).next(0)
other.open()
other.flow(9)
pump(a, b)
for number in range(3):
    send(sender, f"1-{number}"), send(second, f"2-{number}")
pump(a, b)
a.forget(), b.forget()
for link in (receiver, other):
    while link.current:
        link.current.update(Delivery.ACCEPTED)
        link.current.settle()
pump(a, b)
a.show("over two links")
