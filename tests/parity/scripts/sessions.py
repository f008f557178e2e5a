"""Several sessions on a connection, begun from both sides, ended and begun again.

Channels are the lowest free ones; the frames show them.
"""

from __future__ import annotations

from engines import connected, describe_session, pump, show

from proton import Condition

a, b = connected(trace=True)
ours = [a.connection.session() for _ in range(3)]
for session in ours:
    session.open()
pump(a, b)
show("three begun", a, b)
theirs = []
head = b.connection.session_head(0)
while head:
    theirs.append(head)
    head = head.next(0)
extra = b.connection.session()
extra.open()
for session in reversed(theirs):
    session.open()
pump(a, b)
show("answered in reverse, one more begun by the peer", a, b)
print([int(session.state) for session in ours], [int(session.state) for session in theirs], int(extra.state))
ours[1].condition = Condition("x:done", "no longer needed", {"n": 1})
ours[1].close()
pump(a, b)
theirs[1].close()
pump(a, b)
show("the second ended", a, b)
print(theirs[1].remote_condition)
fresh = a.connection.session()
fresh.open()
a.connection.session_head(17).open()
pump(a, b)
show("begun again", a, b)
for number, session in enumerate(ours):
    link = session.sender(f"on {number}")
    link.open()
pump(a, b)
show("links on each", a, b)
print([describe_session(session) for session in (*ours, fresh)])
a.connection.session_head(0).outgoing_window = 100
limited = a.connection.session()
limited.outgoing_window = 7
limited.incoming_capacity = 65536
print(limited.outgoing_window, limited.incoming_capacity, limited.incoming_bytes, limited.outgoing_bytes)
limited.open()
pump(a, b)
show("with windows of its own", a, b)
print(limited == a.connection.session_head(0), ours[0] == a.connection.session_head(0))
