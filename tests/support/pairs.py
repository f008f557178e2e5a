"""Two connections joined in memory, whose events are dispatched to a handler: for tests of handlers without sockets."""

from __future__ import annotations

from types import SimpleNamespace

from proton import Collector, Connection, Transport
from proton.driver import Driver
from proton.endpoints.handler import dispatch


class End:
    """A connection with its transport; its events go to `handler` when `settle` is called."""

    def __init__(self, handler, mode=None):
        self.handler = handler
        self.collector = Collector()
        self.connection = Connection()
        self.connection.collect(self.collector)
        self.transport = Transport(mode)
        self.transport.bind(self.connection)
        self.driver = Driver(self.transport, self.collector)

    def dispatch(self):
        """Dispatches what is queued, and tells whether there was something."""
        found = False
        while True:
            event = self.collector.peek()
            if event is None:
                return found
            found = True
            dispatch(self.handler, event.type.method, event)
            self.collector.pop()


class Pair:
    """A client and a server end."""

    def __init__(self, client=None, server=None):
        self.client = End(client)
        self.server = End(server, Transport.SERVER)

    def settle(self):
        """Moves bytes and dispatches events until nothing happens any more."""
        for _ in range(1000):
            busy = self.client.dispatch() | self.server.dispatch()
            busy |= _move(self.client.driver, self.server.driver)
            busy |= _move(self.server.driver, self.client.driver)
            if not busy:
                return
        raise AssertionError("the two ends do not come to rest")


def _move(source, sink):
    data = source.data_to_send(1 << 30)
    if data:
        source.sent(len(data))
        sink.received(data)
        return True
    if source.output_ended and not sink.input_ended:
        sink.eof_received()
        return True
    return False


def opened(client=None, server=None):
    """A pair whose connections and one session each are open; `sender` and `receiver` join them, not yet opened."""
    pair = Pair(client, server)
    connection = pair.client.connection
    connection.open()
    session = connection.session()
    session.open()
    return SimpleNamespace(pair=pair, connection=connection, session=session, settle=pair.settle)
