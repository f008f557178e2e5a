"""What the parity scripts stand on: two engines joined in memory, or one engine fed with frames made by hand.

The scripts run on our package and on the reference alike, so only names of the public API are used here, and what is
printed holds no address, no clock and no text that an engine words by itself unless the script asks for it. `Peer` is
one engine that keeps the lines of its frame trace; `pump` joins two; `Wire` stands in for the peer of one.

Keep true: this module and the scripts work without anything of the test suite, on any engine with the API.
"""

from __future__ import annotations

import re
import struct

from proton import Array, Collector, Connection, Data, Described, Transport, ulong

AMQP = b"AMQP\x00\x01\x00\x00"
OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(16, 25)
DESCRIPTION = re.compile(r'description="[^"]*"')


def plain(value):
    """The value with every binary as bytes, whatever bytes-like type an engine gives."""
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Described):
        return Described(plain(value.descriptor), plain(value.value))
    if isinstance(value, Array):
        return Array(plain(value.descriptor), value.type, *[plain(item) for item in value.elements])
    return value


def attempt(label, function, *arguments):
    """Prints what the call gives, or the class of what it raises."""
    try:
        result = function(*arguments)
    except Exception as error:
        print(f"{label}: raised {type(error).__name__}")
        return None
    print(f"{label}: {plain(result)!r}")
    return result


def encoded(value):
    """The AMQP encoding of one Python value."""
    data = Data()
    data.put_object(value)
    return bytes(data.encode())


def decoded(octets):
    """The first value in the bytes, as a plain Python value."""
    data = Data()
    data.decode(octets)
    data.rewind()
    data.next()
    return plain(data.get_object())


def state_name(state):
    return "-" if not int(state) else getattr(state, "name", str(int(state)))


def describe_delivery(delivery):
    words = ("readable", "writable", "updated", "partial", "settled", "aborted")
    flags = [word for word in words if getattr(delivery, word)]
    local, remote = state_name(delivery.local_state), state_name(delivery.remote_state)
    return f"tag={delivery.tag!r} pending={delivery.pending} local={local} remote={remote} {' '.join(flags)}".rstrip()


def describe_link(link):
    side = "sender" if link.is_sender else "receiver"
    return (
        f"{side} {link.name} state={int(link.state)} credit={link.credit} queued={link.queued} "
        f"unsettled={link.unsettled} drain={bool(link.drain_mode)}"
    )


def describe_session(session):
    return f"state={int(session.state)} incoming={session.incoming_bytes} outgoing={session.outgoing_bytes}"


def describe_condition(condition, text=True):
    if condition is None:
        return "none"
    return f"{condition.name} {condition.description!r} {plain(condition.info)!r}" if text else str(condition.name)


def describe_event(event):
    name = event.type.name[3:]
    if event.clazz == "pn_delivery":
        return f"{name} {describe_delivery(event.delivery)}"
    if event.clazz == "pn_link":
        return f"{name} {describe_link(event.link)}"
    if event.clazz in ("pn_session", "pn_connection"):
        return f"{name} state={int(event.context.state)}"
    return name


class Peer:
    """One engine: its connection, transport and collector, and the frames that it traced."""

    def __init__(self, name, mode=None, trace=False, collect=True, texts=True, **settings):
        self.name, self.texts, self.frames = name, texts, []
        self.connection, self.collector = Connection(), Collector()
        if collect:
            self.connection.collect(self.collector)
        self.transport = None
        self.renew(mode, trace, **settings)

    def renew(self, mode=None, trace=False, **settings):
        """A new transport, as after a lost connection."""
        self.transport = Transport(mode)
        if trace:
            self.transport.tracer = self.traced
            self.transport.trace(Transport.TRACE_FRM)
        for key, value in settings.items():
            setattr(self.transport, key, value)

    def traced(self, transport, text):
        if not text.endswith("EOS"):  # when the end is traced depends on when output is made
            self.frames.append(text if self.texts else DESCRIPTION.sub('description="..."', text))

    def bind(self):
        self.transport.bind(self.connection)
        return self

    def opened(self, container=None):
        self.connection.container = container or self.name.lower()
        self.connection.open()
        return self

    def events(self):
        lines = []
        while self.collector.peek():
            lines.append(describe_event(self.collector.peek()))
            self.collector.pop()
        return lines

    def show(self, title=None):
        """Prints the frames traced and the events put since the last call."""
        if title:
            print(f"-- {title}")
        for line in self.frames:
            print(f"{self.name} | {line}")
        self.frames.clear()
        for line in self.events():
            print(f"{self.name} {line}")

    def forget(self):
        self.frames.clear()
        self.events()


def show(title, *peers):
    print(f"-- {title}")
    for peer in peers:
        peer.show()


def move(source, sink):
    """Moves what `source` has to send into `sink`; whether anything moved."""
    pending = source.transport.pending()
    room = sink.transport.capacity()
    if pending > 0 and room > 0:
        data = bytes(source.transport.peek(min(pending, room)))
        if data:
            sink.transport.push(data)
            source.transport.pop(len(data))
            return True
    elif pending > 0 and room < 0:
        source.transport.close_head()
        return True
    elif pending < 0 <= room:
        sink.transport.close_tail()
        return True
    return False


def pump(a, b, rounds=2000):
    """Moves bytes both ways until neither has more to say."""
    for _ in range(rounds):
        if not (move(a, b) | move(b, a)):
            return
    raise RuntimeError(f"bytes still move after {rounds} rounds")


def connected(trace=False, a=None, b=None):
    """Two open peers; `a` and `b` are settings of their transports."""
    left, right = Peer("A", trace=trace, **(a or {})).bind().opened(), Peer("B", **(b or {})).bind().opened()
    pump(left, right)
    left.forget(), right.forget()
    return left, right


def linked(credit=10, trace=False, capacity=0, a=None, b=None, modes=(None, None)):
    """Two peers with one session and one link, sender at the first and receiver at the second."""
    left, right = connected(trace, a, b)
    session = left.connection.session()
    session.open()
    sender = session.sender("link")
    if modes[0] is not None:
        sender.snd_settle_mode = modes[0]
    if modes[1] is not None:
        sender.rcv_settle_mode = modes[1]
    sender.open()
    pump(left, right)
    theirs = right.connection.session_head(0)
    theirs.incoming_capacity = capacity
    theirs.open()
    receiver = right.connection.link_head(0)
    receiver.open()
    if credit:
        receiver.flow(credit)
    pump(left, right)
    left.forget(), right.forget()
    return left, right, sender, receiver


def send(sender, tag, body=b"x", settle=False):
    """Queues one whole message."""
    delivery = sender.delivery(tag)
    sender.stream(body)
    if settle:
        delivery.settle()
    else:
        sender.advance()
    return delivery


class Wire:
    """The other end of one engine, as bytes: frames are written by hand, answers are the frames traced."""

    def __init__(self, name="A", mode=None, header=True, texts=False, **settings):
        self.peer = Peer(name, mode, trace=True, texts=texts, **settings).bind()
        if header:
            self.push(AMQP)

    @property
    def connection(self):
        return self.peer.connection

    @property
    def transport(self):
        return self.peer.transport

    def push(self, octets):
        try:
            self.transport.push(octets)
        except Exception as error:
            print(f"push raised {type(error).__name__}")

    def frame(self, code, *fields, channel=0, payload=b""):
        self.push(frame(code, *fields, channel=channel, payload=payload))

    def flush(self):
        """Takes all output; the number of bytes."""
        taken = 0
        while self.transport.pending() > 0:
            size = self.transport.pending()
            taken += size
            self.transport.pop(size)
        return taken

    def show(self, title=None):
        self.flush()
        self.peer.show(title)
        transport = self.transport
        over = f"output over={transport.pending() < 0} input over={transport.capacity() < 0} closed={transport.closed}"
        print(f"   {over} condition={describe_condition(transport.condition, self.peer.texts)}")


def frame(code, *fields, channel=0, payload=b""):
    """One AMQP frame with a performative and a payload."""
    body = encoded(Described(ulong(code), list(fields))) + payload
    return struct.pack(">IBBH", len(body) + 8, 2, 0, channel) + body
