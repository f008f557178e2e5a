"""Endings that wait: a detach, an end and a close with deliveries queued, and with the peer not yet open.

When they go out, and what lets them go.
"""

from __future__ import annotations

from engines import Peer, describe_link, linked, pump, send, show

for kind in ("link", "session", "connection"):
    for release in ("credit", "their detach", "their end", "their close"):
        a, b, sender, receiver = linked(credit=1, trace=True)
        for number in range(3):
            send(sender, str(number))
        {"link": sender, "session": sender.session, "connection": a.connection}[kind].close()
        pump(a, b)
        show(f"{kind} closed with two waiting; then {release}", a, b)
        if release == "credit":
            receiver.flow(5)
        else:
            {"their detach": receiver, "their end": receiver.session, "their close": b.connection}[release].close()
        pump(a, b)
        show(release, a, b)
        print(describe_link(sender), describe_link(receiver))
a, b = Peer("A", trace=True).bind().opened(), Peer("B").bind()
session = a.connection.session()
session.open()
link = session.sender("L")
link.open()
send(link, "never")
link.close(), session.close(), a.connection.close()
pump(a, b)
show("the peer is not open", a, b)
b.connection.open()
pump(a, b)
show("it opens", a, b)
