"""What is called for an event, in which order: children, methods, `on_unhandled` (7.4)."""

from __future__ import annotations

from proton import Collector, Connection, Event, EventType, Handler

calls = []


class Named(Handler):
    def __init__(self, name, *children):
        Handler.__init__(self)
        self.name = name
        for child in children:
            self.add(child)

    def on_connection_init(self, event):
        calls.append((self.name, "init"))

    def on_unhandled(self, method, *arguments):
        calls.append((self.name, "unhandled", method))


class Plain:
    def on_connection_init(self, event):
        calls.append(("plain", event.type.name))


class Own(Plain):
    def on_mine(self, event):
        calls.append(("own", event.type.name, event.type.method, event.type.number >= 10000))


def run(handler, event, *arguments):
    calls.clear()
    event.dispatch(handler, *arguments)
    print(calls)


connection = Connection()
collector = Collector()
connection.collect(collector)
event = collector.peek()
tree = Named("root", Named("left", Named("leaf")), Plain(), Named("right"))
run(tree, event)
run(tree, event, Event.CONNECTION_BOUND)
run(Plain(), event)
run(Plain(), event, Event.CONNECTION_BOUND)
mine = EventType("mine")
collector.put(connection, mine)
collector.pop()
own = collector.peek()
print(own.type.name, own.type.method, str(own.type))
wrapper = Handler()
wrapper.add(Own())
wrapper.add(None)
run(wrapper, own)
run(wrapper, event)
other = EventType("other", method="on_connection_init")
collector.put(connection, other)
collector.pop()
run(wrapper, collector.peek())
connection.handler = Plain()
print(type(connection.handler).__name__, [type(child).__name__ for child in connection.handler.handlers])
