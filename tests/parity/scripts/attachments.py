"""What programs hang on endpoints stays with them, by whatever way they are found again (1.7)."""

from __future__ import annotations

from engines import linked, pump, send

a, b, sender, receiver = linked()
for endpoint, again in (
    (a.connection, lambda: sender.connection),
    (sender.session, lambda: a.connection.session_head(0)),
    (sender, lambda: a.connection.link_head(0)),
    (a.transport, lambda: sender.transport),
):
    endpoint.mark = [1]
    found = again()
    print(found.mark, found == endpoint, found != endpoint, hash(found) == hash(endpoint), found == 5)
    found.mark.append(2)
    print(endpoint.mark)
    del found.mark
    try:
        print(endpoint.mark)
    except AttributeError:
        print("gone")
delivery = send(sender, "t")
delivery.note = "kept"
pump(a, b)
receiver.current.note = "theirs"
receiver.current.update(receiver.current.ACCEPTED)
a.events()
pump(a, b)
event = a.collector.peek()
while event is not None and event.delivery is None:
    a.collector.pop()
    event = a.collector.peek()
print(event.delivery == delivery, event.delivery.note, receiver.current.note, event.delivery.link == sender)
