"""When the FINAL events come, by what was freed and what was ended, in which order.

Bound and unbound, link, session and connection.
"""

from __future__ import annotations

from engines import Peer, connected, linked, pump, show

a, b, sender, receiver = linked()
sender.free()
pump(a, b)
show("freed while attached", a, b)
receiver.close()
pump(a, b)
show("the peer closes", a, b)
a.connection.close(), b.connection.close()
pump(a, b)
show("connection closed", a, b)
a.transport.unbind()
show("unbound", a, b)

a, b, sender, receiver = linked()
sender.close()
sender.free()
pump(a, b)
show("closed and freed", a, b)
receiver.close()
pump(a, b)
show("answered", a, b)
receiver.free()
show("freed by the peer", a, b)

a, b, sender, receiver = linked()
session = sender.session
session.close()
session.free()
pump(a, b)
show("session closed and freed", a, b)
receiver.session.close()
pump(a, b)
show("answered", a, b)
receiver.session.free()
show("freed by the peer", a, b)

a, b = connected()
session = a.connection.session()
link = session.sender("L")
link.free()
show("a link never opened", a)
session.free()
show("a session never opened", a)
a.connection.free()
show("a bound connection freed", a)
a.transport.unbind()
show("unbound", a)

a, b, sender, receiver = linked()
a.transport.unbind()
show("unbound first", a)
a.connection.free()
show("then freed", a)

peer = Peer("A")
session = peer.connection.session()
sender, receiver = session.sender("s"), session.receiver("r")
peer.connection.free()
show("never bound", peer)
print(sender.state, sender.name, session.state)

a, b, sender, receiver = linked()
sender.detach(), receiver.detach()
pump(a, b)
sender.free(), receiver.free()
show("detached and freed", a, b)

a, b, sender, receiver = linked()
(
    sender.close(),
    receiver.close(),
    sender.session.close(),
    receiver.session.close(),
    a.connection.close(),
    b.connection.close(),
)
pump(a, b)
a.forget(), b.forget()
sender.free(), sender.session.free(), a.connection.free()
show("all ended, freed inside out", a)
a.transport.unbind()
show("unbound", a)
b.connection.free()
show("all ended, the connection freed alone", b)
b.transport.unbind()
show("unbound", b)
