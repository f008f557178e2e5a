"""Endings in different orders: children left open, the peer first, both at once, never opened.

Frames of A and the events of both.
"""

from __future__ import annotations

from engines import Peer, connected, linked, pump, show

a, b, sender, receiver = linked(trace=True)
sender.session.close()
pump(a, b)
show("session with an open link", a, b)
print(sender.state, receiver.state)
receiver.session.close()
pump(a, b)
show("answered", a, b)
sender.close(), receiver.close()
pump(a, b)
show("links closed afterwards", a, b)

a, b, sender, receiver = linked(trace=True)
a.connection.close()
pump(a, b)
show("connection with all open", a, b)
print(sender.state, sender.session.state, receiver.state)
sender.close(), sender.session.close()
pump(a, b)
show("closed after the connection", a, b)
b.connection.close()
pump(a, b)
show("answered", a, b)

a, b, sender, receiver = linked(trace=True)
for endpoint in (sender, receiver, sender.session, receiver.session, a.connection, b.connection):
    endpoint.close()
pump(a, b)
show("everything from both sides at once", a, b)

a, b, sender, receiver = linked(trace=True)
b.connection.close(), sender.close(), sender.session.close(), a.connection.close()
pump(a, b)
show("crossing", a, b)

for order in ("link session", "session link", "connection session link", "link connection", "session connection"):
    a, b = connected(trace=True)
    session = a.connection.session()
    link = session.sender("never opened")
    ends = {"link": link, "session": session, "connection": a.connection}
    for name in order.split():
        ends[name].close()
    pump(a, b)
    show(f"closed without an open: {order}", a, b)

a, b = Peer("A", trace=True).bind(), Peer("B").bind()
session = a.connection.session()
link = session.sender("L")
for endpoint in (a.connection, session, link):
    endpoint.open()
for endpoint in (link, session, a.connection):
    endpoint.close()
pump(a, b)
show("all asked for at once", a, b)
b.connection.open()
pump(a, b)
show("the peer opens", a, b)
b.connection.close()
pump(a, b)
show("the peer closes", a, b)

a, b, sender, receiver = linked(trace=True)
receiver.close()
pump(a, b)
show("receiver first", a, b)
sender.close(), a.connection.close(), b.connection.close()
pump(a, b)
show("the rest", a, b)
