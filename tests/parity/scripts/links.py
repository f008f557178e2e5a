"""Several links on a session: handles, names, both directions, attaches that cross.

Frames of A and the events of both.
"""

from __future__ import annotations

from engines import connected, describe_link, pump, send, show


def all_links(peer):
    found, link = [], peer.connection.link_head(0)
    while link:
        found.append(link)
        link = link.next(0)
    return found


a, b = connected(trace=True)
session = a.connection.session()
session.open()
links = [session.sender("one"), session.receiver("two"), session.sender("three"), session.receiver("one")]
links[1].flow(3)
for link in links:
    link.open()
pump(a, b)
show("four attached, one with credit", a, b)
b.connection.session_head(0).open()
theirs = all_links(b)
print([(link.name, link.is_sender, link.state) for link in theirs])
for link in reversed(theirs):
    link.open()
pump(a, b)
show("answered in reverse", a, b)
links[0].close(), links[2].close()
pump(a, b)
theirs[0].close(), theirs[2].close()
pump(a, b)
show("two closed", a, b)
fresh = session.sender("four")
fresh.open()
pump(a, b)
show("the lowest handle again", a, b)
print([describe_link(link) for link in all_links(a)])

a, b = connected(trace=True)
session = a.connection.session()
session.open()
pump(a, b)
theirs = b.connection.session_head(0)
theirs.open()
pump(a, b)
sender, receiver = session.sender("X"), theirs.receiver("X")
sender.open(), receiver.open()
receiver.flow(2)
pump(a, b)
show("crossing attaches", a, b)
print(len(all_links(a)), len(all_links(b)), sender.state, receiver.state)
print(send(sender, "t").tag)
pump(a, b)
show("sent over it", a, b)
two = session.sender("Y")
both = theirs.sender("Y")
two.open(), both.open()
pump(a, b)
show("the same name and the same role on both sides", a, b)
print([(link.name, link.is_sender, link.state) for link in all_links(a)])
