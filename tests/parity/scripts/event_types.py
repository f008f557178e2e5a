"""Event types and dispatch: names, numbers, methods, handlers in trees.

The order in which handlers are called.
"""

from __future__ import annotations

from engines import Peer, attempt

from proton import Collector, Event, EventType, Handler

for number in sorted(EventType.TYPES):
    kind = EventType.TYPES[number]
    if number < 100:
        print(number, kind.name, str(kind), repr(kind), kind.method)
for name in [
    "CONNECTION_INIT",
    "LINK_FLOW",
    "DELIVERY",
    "TRANSPORT",
    "TRANSPORT_ERROR",
    "TIMER_TASK",
    "REACTOR_INIT",
    "SELECTABLE_FINAL",
]:
    print(name, getattr(Event, name).number, getattr(Event, name).method, getattr(Event, name) is getattr(Event, name))
attempt("no name", EventType)
made = EventType("mine")
print(made.name, made.method, str(made), EventType("other", method="on_it").method, EventType(number=28).name)


class Loud:
    def __init__(self, name, handlers=()):
        self.name, self.handlers = name, list(handlers)

    def on_connection_init(self, event):
        print(self.name, "init")

    def on_unhandled(self, method, event):
        print(self.name, "unhandled", method)

    def on_mine(self, event):
        print(self.name, "mine")


class Raising(Handler):
    def on_connection_bound(self, event):
        raise ValueError(event.type.name)


peer = Peer("P").bind()
tree = Loud("root", [Loud("left", [Loud("leaf")]), Handler(), Loud("right")])
event = peer.collector.peek()
event.dispatch(tree)
event.dispatch(tree, made)
event.dispatch(None)
event.dispatch(object())
peer.collector.pop()
attempt("raising", peer.collector.peek().dispatch, Loud("before", [Raising(), Loud("after")]))
event = peer.collector.peek()
print(event.connection == peer.connection, event.session, event.link, event.delivery, event.sender, event.handler)
print(event.clazz, event.type == Event.CONNECTION_BOUND, event.nosuch, event.state)
peer.connection.handler = Loud("wrapped")
print(type(peer.connection.handler).__name__, len(peer.connection.handler.handlers))
event.dispatch(event.handler)
session = peer.connection.session()
plainer = Handler()
session.handler = plainer
link = session.sender("L")
print(session.handler is plainer, link.handler, plainer.handlers)
plainer.add(Loud("added"))
print(len(plainer.handlers))
session.handler = None
print(session.handler)
collector = Collector()
base = Event.__mro__[1](made)
base.context = "c"
collector.put(base, made)
print(collector.peek() is base, base.type.name, base.handler, repr(base))
base.dispatch(Loud("for base"))
