"""Binding late, binding early, unbinding in the middle.

Input that was pushed before the connection is there, and output asked for before it.
"""

from __future__ import annotations

from engines import AMQP, BEGIN, OPEN, Peer, attempt, frame, linked, pump, show

from proton import Connection, Transport, uint

peer = Peer("A", trace=True)
peer.transport.push(AMQP + frame(OPEN, "x", "host") + frame(BEGIN, None, uint(0), uint(1), uint(1)))
peer.show("pushed before bind")
print(peer.transport.pending(), peer.connection.remote_container, peer.transport.connection)
peer.bind()
peer.show("bound")
print(peer.connection.remote_container, peer.connection.remote_hostname, peer.connection.state)
peer.connection.open()
peer.transport.pending()
peer.show("opened")
peer.transport.unbind()
peer.transport.unbind()
peer.show("unbound twice")
print(peer.connection.remote_container, peer.connection.transport, peer.connection.state)

peer = Peer("A", trace=True)
session = peer.connection.session()
link = session.receiver("L")
link.open(), link.flow(5), session.open(), peer.connection.open()
peer.show("opened without a transport")
other = Peer("B").bind().opened()
peer.bind()
peer.show("bound")
pump(peer, other)
show("moved", peer, other)

a, b, sender, receiver = linked(credit=1)
a.transport.unbind()
a.show("unbound in the middle")
attempt("sender", sender.stream, b"x") if sender.current else print("no delivery")
sender.close(), sender.session.close(), a.connection.close()
a.show("closed without a transport")
print(a.transport.pending() >= 0, a.transport.connection, sender.transport)
attempt("bind to None", Transport().bind, None)
connection = Connection()
for transport in (Transport(), Transport()):
    attempt("one connection, two transports", transport.bind, connection)
attempt("unbound", Transport().unbind)
