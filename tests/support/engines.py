"""Engines joined in memory, without sockets and without a clock, and a scripted peer that writes raw frames.

`Peer` is one engine: connection, transport and collector, with what it wrote kept as bytes. `pump` moves bytes between
two peers, whole or in chunks, until neither has more to say. `Script` stands in for the peer of one engine: it sends
the frames that a test names and decodes those that come back.

Keep true: only the public API of the package and of its codec is used, nothing here looks into an engine.
"""

from __future__ import annotations

import struct

from proton import Collector, Connection, Data, Described, Transport, ulong
from proton.codec import composites
from proton.codec.composites import BY_CODE, encode_composite
from proton.driver import Driver

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
HEARTBEAT = b"\x00\x00\x00\x08\x02\x00\x00\x00"
ROUNDS = 100_000


class Frame:
    """One decoded frame: `name` of the performative (None for a heartbeat), `fields` by name, `payload`."""

    def __init__(self, kind, channel, name=None, fields=None, payload=b""):
        self.kind, self.channel, self.name, self.fields, self.payload = kind, channel, name, fields or {}, payload

    def __getitem__(self, field):
        return self.fields.get(field)

    def __repr__(self):
        shown = " ".join(f"{key}={value!r}" for key, value in self.fields.items() if value is not None)
        return f"<{self.channel} {self.name} {shown}{' +' if self.payload else ''}{self.payload!r:.40}>"


def decode_body(body):
    """The name, the fields and the payload of a frame body."""
    data = Data()
    size = data.decode(body)
    data.rewind()
    data.next()
    described = data.get_object()
    composite = BY_CODE[int(described.descriptor)]
    names = [field.name.replace("-", "_") for field in composite.fields]
    return composite.name, dict(zip(names, described.value)), body[size:]


def split(data):
    """The protocol headers (as bytes) and the frames (as `Frame`) in what a transport wrote."""
    parts = []
    pos = 0
    while pos < len(data):
        if data[pos : pos + 4] == b"AMQP":
            parts.append(bytes(data[pos : pos + 8]))
            pos += 8
            continue
        size, offset, kind, channel = struct.unpack_from(">IBBH", data, pos)
        body = bytes(data[pos + 4 * offset : pos + size])
        assert size >= 8 and pos + size <= len(data), "a whole frame"
        parts.append(Frame(kind, channel, *decode_body(body)) if body else Frame(kind, channel))
        pos += size
    return parts


def frames(data):
    """Only the frames in what a transport wrote."""
    return [part for part in split(data) if isinstance(part, Frame)]


def frame_sizes(data):
    """The size in bytes of each frame in what a transport wrote."""
    sizes = []
    pos = 0
    while pos < len(data):
        size = 8 if data[pos : pos + 4] == b"AMQP" else struct.unpack_from(">I", data, pos)[0]
        if data[pos : pos + 4] != b"AMQP":
            sizes.append(size)
        pos += size
    return sizes


def frame(channel, performative, /, payload=b"", kind=0, **fields):
    """The bytes of a frame: `frame(0, "transfer", payload=b"x", handle=0)`."""
    composite = getattr(composites, performative.replace("-", "_").upper())
    values = [fields.pop(field.name.replace("-", "_"), None) for field in composite.fields]
    assert not fields, f"{performative} has no fields {sorted(fields)}"
    body = encode_composite(composite, values) + payload
    return struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body


def state(code, *fields):
    """A delivery state, or any other described list, as a field of `frame`."""
    return Described(ulong(code), list(fields))


def take(transport, limit=1 << 30):
    """Everything that a transport has to say now, up to `limit` bytes."""
    taken = []
    while limit:
        pending = transport.pending()
        if pending <= 0:
            break
        data = bytes(transport.peek(min(pending, limit)))
        transport.pop(len(data))
        taken.append(data)
        limit -= len(data)
    return b"".join(taken)


def names(collector):
    """The names of the queued events without `PN_`, which are popped."""
    seen = []
    while collector.peek() is not None:
        seen.append(collector.peek().type.name[3:])
        collector.pop()
    return seen


class Peer:
    """One engine. `settings` are attributes of its transport; `wire` holds all that it has sent through `pump`."""

    def __init__(self, name="peer", mode=None, connection=None, collector=None, **settings):
        self.name = name
        self.connection = Connection() if connection is None else connection
        self.collector = Collector() if collector is None else collector
        if collector is None:
            self.connection.collect(self.collector)
        self.wire = bytearray()
        self._seen = 0
        self.transport = Transport(mode)
        for key, value in settings.items():
            setattr(self.transport, key, value)
        self.driver = Driver(self.transport, self.collector)

    def bind(self):
        self.transport.bind(self.connection)
        return self

    def events(self):
        """The names of the events since the last call, joined by spaces."""
        return " ".join(names(self.collector))

    def sent(self):
        """The frames that went through `pump` since the last call."""
        data = bytes(self.wire[self._seen :])
        self._seen = len(self.wire)
        return frames(data)

    def rebind(self, **settings):
        """A new peer object for the same connection, on a fresh transport; the old one is unbound."""
        self.transport.unbind()
        return Peer(self.name, connection=self.connection, collector=self.collector, **settings).bind()


def step(source, sink, chunk=None):
    """Moves bytes from `source` to `sink`; says whether something was moved."""
    data = bytes(source.driver.data_to_send(chunk or 1 << 30))
    if data and sink.driver.input_ended:
        source.driver.sent(len(data))
    elif data and sink.driver.room():
        data = data[: sink.driver.room()]
        sink.driver.received(data)
        source.driver.sent(len(data))
    elif not data and source.driver.output_ended and not sink.driver.input_ended:
        sink.driver.eof_received()
        return True
    else:
        return False
    source.wire += data
    return True


def pump(a, b, chunk=None):
    """Moves bytes both ways, `chunk` at a time (None: all there are), until neither has more to say."""
    for _ in range(ROUNDS):
        if not (step(a, b, chunk) | step(b, a, chunk)):
            return
    raise RuntimeError(f"still moving bytes after {ROUNDS} rounds")


def connected(client=None, server=None, chunk=None):
    """Two open peers, drained of their opening events; the arguments are settings of their transports."""
    a, b = Peer("client", **(client or {})).bind(), Peer("server", Transport.SERVER, **(server or {})).bind()
    a.connection.container, b.connection.container = "client", "server"
    a.connection.open()
    b.connection.open()
    pump(a, b, chunk)
    a.events(), b.events(), a.sent(), b.sent()
    return a, b


def linked(credit=10, client=None, server=None, chunk=None, name="L"):
    """Two peers with one session and a link from the client, which sends, to the server."""
    a, b = connected(client, server, chunk)
    session = a.connection.session()
    session.open()
    sender = session.sender(name)
    sender.open()
    pump(a, b, chunk)
    receiver = accept(b, credit)
    pump(a, b, chunk)
    a.events(), b.events(), a.sent(), b.sent()
    return a, b, sender, receiver


def accept(peer, credit=0):
    """Opens every session and link that the other side has opened; gives the last link."""
    for session in peer.connection.sessions(Connection.LOCAL_UNINIT):
        session.open()
    link = None
    for link in list(peer.connection.links(Connection.LOCAL_UNINIT)):
        link.open()
        if credit and link.is_receiver:
            link.flow(credit)
    return link


def put(sender, data, tag=None):
    """Sends bytes as one complete delivery."""
    delivery = sender.delivery(tag if tag is not None else sender.delivery_tag())
    sender.stream(data)
    sender.advance()
    return delivery


def read(receiver, size=1 << 30):
    """All the bytes of the complete current delivery, and the delivery; the link is advanced."""
    delivery = receiver.current
    pieces = []
    while True:
        piece = receiver.recv(size)
        if piece is None:
            break
        assert piece, "a complete delivery has bytes to read, or an end"
        pieces.append(bytes(piece))
    receiver.advance()
    return b"".join(pieces), delivery


class Script:
    """The peer of one engine, written by hand: sends named frames, decodes what comes back.

    :param server: the engine under test is a server, the script speaks first.
    """

    def __init__(self, server=False, **settings):
        self.peer = Peer("engine", Transport.SERVER if server else None, **settings).bind()
        self.connection, self.transport = self.peer.connection, self.peer.transport

    def raw(self, data):
        self.transport.push(data)
        return self

    def send(self, performative, /, channel=0, payload=b"", **fields):
        return self.raw(frame(channel, performative, payload, **fields))

    def received(self):
        """The frames that the engine wrote since the last call."""
        return frames(take(self.transport))

    def opened(self, **fields):
        """Header and open exchanged; events and frames of that are dropped."""
        self.connection.container = "engine"
        self.connection.open()
        self.raw(AMQP_HEADER).send("open", **{"container_id": "script", **fields})
        self.received(), self.peer.events()
        return self

    def begun(self, window=2048, **fields):
        """`opened`, and a session that the engine began; gives the session."""
        self.opened(**fields)
        session = self.connection.session()
        session.open()
        self.received()
        self.send("begin", remote_channel=0, next_outgoing_id=0, incoming_window=window, outgoing_window=2048)
        self.peer.events()
        return session

    def sender(self, credit=100, window=2048, **fields):
        """`begun`, and a sender of the engine with credit."""
        link = self.begun(window, **fields).sender("L")
        link.open()
        self.received()
        self.send("attach", name="L", handle=0, role=True, source=state(0x28), target=state(0x29))
        self.grant(credit, window=window)
        self.received(), self.peer.events()
        return link

    def receiver(self, credit=100, **fields):
        """`begun`, and a receiver of the engine that has granted credit."""
        link = self.begun(**fields).receiver("L")
        link.open()
        link.flow(credit)
        self.received()
        terms = {"source": state(0x28), "target": state(0x29), "initial_delivery_count": 0}
        self.send("attach", name="L", handle=0, role=False, **terms)
        self.received(), self.peer.events()
        return link

    def grant(self, credit, count=0, window=2048, seen=0, **fields):
        """A flow on handle 0: `credit` messages as of delivery-count `count`, `seen` frames received so far."""
        known = {"next_incoming_id": seen, "incoming_window": window, "next_outgoing_id": 0, "outgoing_window": 2048}
        return self.send("flow", handle=0, delivery_count=count, link_credit=credit, **known, **fields)
