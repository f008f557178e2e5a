"""Endpoints opened in an order in which their parents come last, with output in between and without.

What is sent, and when.
"""

from __future__ import annotations

import itertools

from engines import Peer, pump, show

for order in itertools.permutations(("connection", "session", "link")):
    a, b = Peer("A", trace=True).bind(), Peer("B").bind().opened()
    session = a.connection.session()
    ends = {"connection": a.connection, "session": session, "link": session.sender("L")}
    for name in order:
        ends[name].open()
    pump(a, b)
    show(f"at once: {' '.join(order)}", a, b)
for order in (("connection", "session", "link"), ("connection", "link", "session")):
    for children in ((), ("link",), ("link", "session")):
        a, b = Peer("A", trace=True).bind(), Peer("B").bind()
        session = a.connection.session()
        ends = {"connection": a.connection, "session": session, "link": session.receiver("L")}
        for name in order:
            ends[name].open()
        ends["link"].flow(3)
        for name in children:
            ends[name].close()
        pump(a, b)
        show(f"{' '.join(order)}, closed {' '.join(children)}", a, b)
        b.connection.open()
        pump(a, b)
        show("the peer opens", a, b)
