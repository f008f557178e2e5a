"""Identity of endpoints: equality, hash, attributes of the program, on every way to the same object.

No identity of Python objects is shown: it is not promised.
"""

from __future__ import annotations

import gc

from engines import attempt, connected, linked, pump, send

a, b, sender, receiver = linked()
connection, session = a.connection, sender.session
ways = [connection.link_head(0), session.connection.link_head(0), connection.session_head(0).connection.link_head(0)]
print([way == sender for way in ways], [hash(way) == hash(sender) for way in ways], sender != receiver, sender == 5)
print(
    session == connection.session_head(0), session == sender, connection == connection.connection, connection == session
)
print(a.transport == connection.transport, a.transport == 5, a.transport.connection == connection)
sender.mark = "on the sender"
session.mark = {"x": 1}
connection.mark = [1]
a.transport.mark = 5
print([way.mark for way in ways], sender.session.mark, sender.connection.mark, connection.transport.mark)
delivery = send(sender, "t")
delivery.mark = "on the delivery"
pump(a, b)
receiver.current.mark = "theirs"
print(receiver.current.mark, delivery.link.name, delivery.session == session, delivery.connection == connection)
del ways, delivery, session
gc.collect()
print(connection.link_head(0).mark, connection.session_head(0).mark)
attempt("missing", lambda: sender.nosuch)
del sender.mark
attempt("deleted", lambda: connection.link_head(0).mark)
print(type(connection.link_head(0)).__name__, type(b.connection.link_head(0)).__name__)
print({sender: 1}[connection.link_head(0)], connection.link_head(0) in [sender])
other = connected()[0].connection
print(other == connection, other.session() == other.session())
for value in (sender, receiver, connection, a.transport):
    print(repr(value).startswith("<proton."), type(value).__name__ in repr(value))
