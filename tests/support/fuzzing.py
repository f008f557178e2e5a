"""What the fuzz tests share: an application that uses all that comes, the invariant, and valid conversations to spoil.

The invariant: whatever is pushed, however it is cut, nothing raises; every transport that the peer leaves ends closed,
with a condition unless the peer had closed properly; and what it wrote can be decoded. Keep true: `App` touches every
attribute that is made from the peer's bytes, for a value that only raises when it is looked at is a fault too.
"""

from __future__ import annotations

import contextlib
import os
import struct

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from proton import Endpoint, Event, LinkException, Message, MessageException, Transport
from tests.support.engines import Peer, split, step, take

#: examples of one test: a few seconds for all of them; a nightly run sets more
EXAMPLES = int(os.environ.get("PROTON_FUZZ_EXAMPLES", "60"))
REPEATABLE = "PROTON_FUZZ_EXAMPLES" not in os.environ
fuzz = settings(
    max_examples=EXAMPLES,
    derandomize=REPEATABLE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SERVER = Transport.SERVER


class App:
    """Opens what the peer opens, reads and answers what it sends, looks at all it says, closes what it closes."""

    def __init__(self, peer):
        self.peer = peer
        self.bodies = []
        self.outcomes = []

    def run(self):
        collector = self.peer.collector
        while collector.peek() is not None:
            event = collector.peek()
            str(event)
            if event.type is Event.DELIVERY:
                self.on_delivery(event.delivery)
            elif event.type in ANSWERS:
                ANSWERS[event.type](event.context)
            collector.pop()

    def on_delivery(self, delivery):
        link = delivery.link
        look_at_delivery(delivery)
        if link.is_sender:
            if delivery.updated:
                self.outcomes.append(delivery.remote_state)
                delivery.settle()
        elif link.current is delivery and not delivery.partial:
            if delivery.aborted:
                link.advance()
            else:
                data = link.recv(1 << 20) or b""
                link.advance()
                try:
                    message = Message()
                    message.decode(data)
                    repr(message)
                    self.bodies.append(message.body)
                except MessageException:
                    delivery.local.condition = link.condition
                    delivery.update(delivery.REJECTED)
                else:
                    delivery.update(delivery.ACCEPTED)
            delivery.settle()
            if link.credit < 3 and not link.state & Endpoint.LOCAL_CLOSED:
                link.flow(5)


def look_at_delivery(delivery):
    remote = delivery.remote
    for name in ("type", "section_number", "section_offset", "failed", "undeliverable", "annotations", "data"):
        getattr(remote, name)
    repr((remote.condition, delivery.pending, delivery.readable, delivery.tag_bytes))


def open_link(link):
    for terminus in (link.remote_source, link.remote_target):
        repr((terminus.address, terminus.dynamic, terminus.timeout, terminus.expiry_policy, terminus.distribution_mode))
        for tree in (terminus.properties, terminus.capabilities, terminus.outcomes, terminus.filter):
            tree.rewind()
            tree.format()
    repr(link.remote_properties)
    if link.state & Endpoint.LOCAL_UNINIT:
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.open()
    if link.is_receiver:
        link.flow(5)
    else:
        with contextlib.suppress(LinkException):  # larger than the peer takes: told to the caller
            link.send(Message(body="from the application"))


def open_endpoint(endpoint):
    if endpoint.state & Endpoint.LOCAL_UNINIT:
        endpoint.open()


def close_endpoint(endpoint):
    repr(endpoint.remote_condition)
    endpoint.close()


def answer_flow(link):
    if link.is_sender and link.drain_mode:
        link.drained()


ANSWERS = {
    Event.CONNECTION_REMOTE_OPEN: open_endpoint,
    Event.SESSION_REMOTE_OPEN: open_endpoint,
    Event.LINK_REMOTE_OPEN: open_link,
    Event.LINK_FLOW: answer_flow,
    Event.LINK_REMOTE_CLOSE: close_endpoint,
    Event.LINK_REMOTE_DETACH: close_endpoint,
    Event.SESSION_REMOTE_CLOSE: close_endpoint,
    Event.CONNECTION_REMOTE_CLOSE: close_endpoint,
}


def engine(mode=None, sasl=False, **settings):
    """An engine, and the application that runs it; a client has opened a session and two links."""
    peer = Peer("fuzzed", mode, **settings)
    if sasl:
        peer.transport.sasl()
    peer.bind()
    peer.connection.container = "fuzzed"
    if mode is None:
        peer.connection.open()
        session = peer.connection.session()
        session.open()
        receiver = session.receiver("R")
        receiver.open()
        receiver.flow(5)
        session.sender("S").open()
    return peer, App(peer)


def feed(peer, app, data, cuts=()):
    """Pushes bytes in pieces; between them the application runs and output is taken. Gives what was written."""
    written = []
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    now = 1.0
    for start, end in zip(edges, edges[1:]):
        if peer.transport.capacity() < 0:
            break
        peer.transport.push(data[start:end])
        app.run()
        written.append(take(peer.transport))
        now += 0.25
        peer.transport.tick(now)
    return b"".join(written)


def check_end(peer, app, written):
    """The peer is gone: the transport says so, and closes."""
    transport = peer.transport
    said_goodbye = peer.connection.state & Endpoint.REMOTE_CLOSED
    transport.close_tail()
    app.run()
    written += take(transport)
    assert said_goodbye or transport.condition is not None
    app.run()
    written += take(transport)
    assert transport.closed, f"output is not over: {transport.condition}"
    assert (transport.pending(), transport.peek(10), transport.capacity()) == (-1, None, -1)
    transport.tick(100.0)
    peer.connection.free()
    transport.unbind()
    app.run()
    return split(written)


def conversation(sasl=False):
    """What the two ends of a whole, valid conversation write: (client's bytes, server's bytes)."""
    client, client_app = engine(sasl=sasl, max_frame_size=512)
    server, server_app = engine(SERVER, sasl=sasl, max_frame_size=512)
    for _ in range(12):
        if not (step(client, server) | step(server, client)):
            break
        client_app.run(), server_app.run()
    sender = next(link for link in client.connection.links() if link.is_sender)
    sender.send(Message(body="x" * 1500, subject="in parts", properties={"a": 2.5, "b": None}))
    half = sender.delivery("half")
    sender.stream(b"half a message" * 60)
    for _ in range(6):
        step(client, server), step(server, client)
        client_app.run(), server_app.run()
    half.abort()
    sender.close()
    client.connection.close()
    while step(client, server) | step(server, client):
        client_app.run(), server_app.run()
    return bytes(client.wire), bytes(server.wire)


def parts_of(data):
    """What an engine wrote as a list of headers and frames, in bytes."""
    parts = []
    pos = 0
    while pos < len(data):
        size = 8 if data[pos : pos + 4] == b"AMQP" else struct.unpack_from(">I", data, pos)[0]
        parts.append(data[pos : pos + size])
        pos += size
    return parts


CUTS = st.lists(st.integers(0, 400), max_size=8)
