"""Collectors: order, merging, application events, collecting late, releasing.

What `peek`, `pop`, `more` and `put` give.
"""

from __future__ import annotations

from engines import Peer, attempt, describe_event

from proton import Collector, Connection, Event, EventType, Transport

collector = Collector()
print(collector.peek(), collector.more(), collector.pop())
first, second = EventType("first_type"), EventType("second_type", method="handle_second")
collector.put("context", first)
print(collector.more(), collector.peek().type.name, collector.peek().context, collector.peek().clazz)
collector.put("context", first), collector.put(None, second), collector.put("text", Event.DELIVERY)
print(collector.more())
while collector.peek():
    event = collector.peek()
    print(event.type.name, event.type.method, event.context, event.clazz)
    collector.pop()
collector.release()
collector.put("ignored", first)
print(collector.peek())

connection = Connection()
session = connection.session()
sender, receiver = session.sender("s"), session.receiver("r")
collector = Collector()
connection.collect(collector)
transport = Transport()
transport.bind(connection)
connection.open(), connection.open()
session.open(), sender.open(), receiver.open()
receiver.flow(1), receiver.flow(2), receiver.flow(3)
sender.close(), sender.open(), sender.close()
while collector.peek():
    print(describe_event(collector.peek()))
    collector.pop()
again = Collector()
connection.collect(again)
session.close(), connection.close()
while again.peek():
    print("again", describe_event(again.peek()))
    again.pop()
print(collector.peek(), again.peek())

peer = Peer("P", collect=False)
peer.bind().opened()
peer.connection.session().open()
peer.show("not collecting")
peer.connection.collect(peer.collector)
peer.connection.open()
peer.show("collecting")
session = peer.connection.session()
one, two = session.sender("1"), session.sender("2")
for link in (one, two, one, two, two):
    link.open(), link.close()
peer.show("two in turns")
event_links = []
one.open(), peer.connection.session_head(0).close()
while peer.collector.peek():
    event = peer.collector.peek()
    event_links.append((event.type.name, event.link and event.link.name, event.connection == peer.connection))
    event_links.append(
        (event.session is not None, event.transport == peer.transport, event.sender is not None, event.receiver)
    )
    peer.collector.pop()
print(*event_links, sep="\n")
attempt("repr", lambda: repr(EventType.TYPES[28]))
