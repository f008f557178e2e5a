"""`max_message_size` of either end, as set and as read by the other (4.4)."""

from __future__ import annotations

from engines import attempt, connected, pump, show

for mine, theirs in ((0, 0), (1, 2**64 - 1), (2**32, 1024)):
    a, b = connected(trace=True)
    session = a.connection.session()
    session.open()
    sender = session.sender("L")
    sender.max_message_size = mine
    print(sender.max_message_size, sender.remote_max_message_size)
    sender.open()
    pump(a, b)
    receiver = b.connection.link_head(0)
    print(receiver.max_message_size, receiver.remote_max_message_size)
    receiver.session.open()
    receiver.max_message_size = theirs
    receiver.open()
    pump(a, b)
    show(f"{mine} {theirs}", a, b)
    print(sender.max_message_size, sender.remote_max_message_size)
a, b = connected()
link = a.connection.session().sender("L")
attempt("negative", setattr, link, "max_message_size", -1)
attempt("too large", setattr, link, "max_message_size", 2**64)
print(link.max_message_size)
