"""A container in virtual time whose connections lead to peers in memory: no sockets, no sleeps.

`Net` takes the place of the network. Each connection that the client makes gets a peer: a `MessagingHandler` that
`peers` makes, at the other end of a pair of transports. Time moves only when nothing else is left to do.
"""

from __future__ import annotations

from proton import Collector, Condition, Connection, Transport
from proton.driver import Driver
from proton.endpoints.handler import dispatch
from proton.handlers import IOHandler, MessagingHandler
from tests.support.loops import VirtualContainer

REFUSED = Condition("proton.pythonio", "Connection refused to all addresses")


class Peer(MessagingHandler):
    """The other end of a connection: takes what comes. `self.connection` and `self.transport` are the peer's own."""

    is_cut = False

    def cut(self):
        """Ends the stream without a word, after what it has said so far."""
        self.is_cut = True

    def on_transport_error(self, event):
        """What ends here is the client's business."""

    def stop(self, name="amqp:connection:forced", description="shutdown"):
        """Closes the connection in an orderly way."""
        self.connection.condition = Condition(name, description)
        self.connection.close()


class _Pair:
    def __init__(self, client, handler):
        self.client = client.driver or Driver(client)
        self.handler = handler
        self.collector = Collector()
        handler.transport = self.server = Transport(Transport.SERVER)
        handler.connection = connection = Connection()
        self.server.sasl().allowed_mechs("ANONYMOUS")
        connection.collect(self.collector)
        connection.container = "peer"
        self.server.bind(connection)
        self.driver = Driver(self.server, self.collector)

    def pump(self):
        moved = True
        while moved:
            moved = _move(self.client, self.driver) | self._dispatch() | _move(self.driver, self.client)
            if self.handler.is_cut and not self.server.closed:
                self.server.close_head()
                self.server.close_tail()
                moved = True

    def _dispatch(self):
        seen = False
        while self.collector.peek() is not None:
            seen = True
            event = self.collector.peek()
            dispatch(self.handler, event.type.method, event)
            self.collector.pop()
        return seen


def _move(source, target):
    data = source.data_to_send(1 << 30)
    if data and target.input_ended:
        source.transport.close_head()
        return True
    if data:
        target.received(data)
        source.sent(len(data))
        return True
    if source.output_ended and not target.input_ended:
        target.eof_received()
        return True
    return False


class Net(IOHandler):
    """In place of the network.

    :param peers: makes the peer for a connect, a `Peer`, given its number from 1; None refuses it.
    """

    def __init__(self, peers):
        super().__init__()
        self.peers = peers
        self.connects = []  # when, and where to
        self.handlers_made = []
        self._pairs = {}

    def on_connection_bound(self, event):
        container, transport = event.container, event.transport
        container.selectable_count += 1
        self.connects.append((round(container.now - container.began, 3), event.connection.url.host))
        peer = self.peers(len(self.connects))
        if peer is None:
            self._pairs[transport] = None
            transport.condition = REFUSED
            transport.close_tail()
            transport.close_head()
            return
        self.handlers_made.append(peer)
        self._pairs[transport] = _Pair(transport, peer)

    def on_transport(self, event):
        pass

    def on_reactor_quiesced(self, event):
        container = event.reactor
        for pair in list(self._pairs.values()):
            if pair is not None:
                pair.pump()
        if container.quiesced:
            deadline = container.timer_deadline
            if deadline is None:
                container.stop()
                return
            container.clock.now = max(container.clock.now, deadline)
            container.mark()
            container.timer_tick()

    def on_transport_closed(self, event):
        transport = event.transport
        if transport in self._pairs:
            del self._pairs[transport]
            event.container.selectable_count -= 1
        transport.unbind()


class _Stop:
    def on_timer_task(self, event):
        event.container.stop()


def live(client, peers, seconds=60.0):
    """Runs a client for some seconds of virtual time; the `Net`, whose `connects` has each attempt."""
    net = Net(peers)
    container = VirtualContainer(client, global_handler=net)
    container.began = container.now
    container.schedule(seconds, _Stop())
    container.run()
    for peer in net.handlers_made:  # a class that a test makes is kept, and with it the list of peers that it names
        peer.transport = peer.connection = None
    return net
