"""Endpoints opened before their parents, with output asked for in between.

The reference forgets such endpoints.
"""

from __future__ import annotations

from engines import Peer, pump, show

a, b = Peer("A", trace=True).bind(), Peer("B").bind().opened()
session = a.connection.session()
link = session.sender("L")
for endpoint in (link, session, a.connection):
    endpoint.open()
    pump(a, b)
    show(type(endpoint).__name__, a, b)
print(link.state, session.state)
