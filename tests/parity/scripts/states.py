"""Endpoint states and the masks of `session_head`, `link_head` and `next`.

Endpoints in every combination of local and remote state, matched with every kind of mask.
"""

from __future__ import annotations

from engines import connected, pump, show

from proton import Endpoint

NAMES = ["LOCAL_UNINIT", "LOCAL_ACTIVE", "LOCAL_CLOSED", "REMOTE_UNINIT", "REMOTE_ACTIVE", "REMOTE_CLOSED"]
print([int(getattr(Endpoint, name)) for name in NAMES])
a, b = connected()
sessions = [a.connection.session() for _ in range(6)]
for session in sessions[1:]:
    session.open()
pump(a, b)
theirs, head = [], b.connection.session_head(0)
while head:
    theirs.append(head)
    head = head.next(0)
for session in theirs[1:]:
    session.open()
pump(a, b)
sessions[2].close(), theirs[3].close(), sessions[4].close(), theirs[4].close()
pump(a, b)
print([int(session.state) for session in sessions], [int(session.state) for session in theirs])


def matches(connection, mask):
    found, each = [], connection.session_head(mask)
    while each:
        found.append(sessions.index(each))
        each = each.next(mask)
    return found


for mask in [0, 1, 2, 4, 8, 16, 32, 3, 6, 7, 24, 48, 56, 9, 10, 18, 20, 34, 36, 12, 11, 26, 63]:
    print(mask, matches(a.connection, mask))
a.forget(), b.forget()
session = sessions[1]
for name in "abcd":
    (session.sender if name in "ab" else session.receiver)(name)
links, link = [], a.connection.link_head(0)
while link:
    links.append(link.name)
    link = link.next(0)
print(links)
link = a.connection.link_head(Endpoint.LOCAL_UNINIT)
link.open()
print(link.name, link.state, a.connection.link_head(Endpoint.LOCAL_UNINIT).name, link.next(0).name, link.next(2))
link.open(), link.close(), link.close()
print(link.state)
link.open()
print(link.state, session.state)
pump(a, b)
show("open, close, open again", a, b)
link.close()
link.free()
print(a.connection.link_head(0).name)
