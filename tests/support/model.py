"""Two engines in memory and what must be true of them, for tests that take steps in any order.

`Two` opens links in both directions between two peers, answers what the other end opens and closes, and notes each
delivery by its tag. The bytes of a delivery follow from its tag, so a receiver can be checked without a second copy.
Keep true: only public attributes of the engine are read.
"""

from __future__ import annotations

from proton import Endpoint, Event, Transport
from tests.support.engines import Peer, pump, step

LIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


class End:
    """One peer: its session, and its ends of the links by name."""

    def __init__(self, name, mode, settings, limit):
        self.settings = settings
        self.limit = limit
        self.peer = Peer(name, mode, **settings).bind()
        self.peer.connection.container = name
        self.links = {}

    @property
    def connection(self):
        return self.peer.connection

    @property
    def session(self):
        return self.connection.session_head(0)

    def answer(self):
        """Does what a handshaking program does for each event."""
        collector = self.peer.collector
        while collector.peek() is not None:
            event = collector.peek()
            collector.pop()
            kind = event.type
            context = event.context
            if kind in (Event.CONNECTION_REMOTE_OPEN, Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN):
                if kind is Event.LINK_REMOTE_OPEN:
                    self.links[context.name] = context
                if context.state & Endpoint.LOCAL_UNINIT:
                    if kind is Event.SESSION_REMOTE_OPEN:
                        self.limit(context)
                    context.open()
            elif kind is Event.LINK_REMOTE_CLOSE:
                context.close()
            elif kind is Event.LINK_REMOTE_DETACH:
                context.detach()


def content(tag, size):
    """The bytes of a delivery: they say whose they are."""
    return (tag * (size // len(tag) + 1))[:size]


class Two:
    def __init__(self, frame_size, capacity, window):
        settings = {"max_frame_size": frame_size}
        self.ends = End("a", None, settings, self.limit), End("b", Transport.SERVER, settings, self.limit)
        self.capacity = capacity
        self.window = window
        self.frame_size = frame_size
        self.count = 0
        self.ended = set()  # names of links that either end has closed or detached
        self.sizes = {}  # of whole deliveries, by tag
        self.filled = {}  # bytes so far of the delivery that a sender fills, by the name of the link
        self.read = {}  # bytes read so far of a delivery, by tag
        self.arrived = {}  # tags in the order in which their deliveries were read to the end, by the name of the link
        self.begin()

    def begin(self):
        a = self.ends[0]
        a.connection.open()
        session = a.connection.session()
        self.limit(session)
        session.open()
        self.exchange(check=False)

    def limit(self, session):
        session.incoming_capacity = self.capacity
        session.incoming_window = self.window

    # -- links

    def open_link(self, from_a):
        end = self.ends[0 if from_a else 1]
        name = f"{'a' if from_a else 'b'}{self.count}"
        self.count += 1
        link = end.session.sender(name)
        end.links[name] = link
        link.open()
        self.arrived[name] = []
        return name

    def ends_of(self, name):
        """The sender and the receiver of a link; None for an end that has not seen it yet."""
        near, far = self.ends if name[0] == "a" else self.ends[::-1]
        return near.links.get(name), far.links.get(name)

    def live(self, name):
        """Both ends are attached, and neither has begun to close."""
        sender, receiver = self.ends_of(name)
        if sender is None or receiver is None or name in self.ended:
            return False
        return sender.state == receiver.state == LIVE

    def forget(self, name):
        for end in self.ends:
            link = end.links.pop(name, None)
            if link is not None:
                link.free()
        self.filled.pop(name, None)

    # -- deliveries

    def fill(self, name, size, complete):
        """Adds bytes to the sender's current delivery, made first if there is none; says its tag."""
        sender = self.ends_of(name)[0]
        if sender.current is None:
            self.count += 1
            sender.delivery(b"%06d" % self.count)
            self.filled[name] = 0
        tag = sender.current.tag_bytes
        begin = self.filled[name]
        sender.stream(content(tag, begin + size)[begin:])
        self.filled[name] += size
        if complete:
            self.sizes[tag] = self.filled.pop(name)
            sender.advance()
        return tag

    def abort(self, name):
        sender = self.ends_of(name)[0]
        if sender.current is not None:
            sender.current.abort()
            self.filled.pop(name, None)

    def receive(self, name, limit):
        """Reads from the current delivery of a receiver, and goes on when it is at its end."""
        receiver = self.ends_of(name)[1]
        delivery = receiver.current
        if delivery is None:
            return None
        tag = delivery.tag_bytes
        if delivery.aborted:
            assert tag not in self.arrived[name]
            receiver.advance()
            delivery.settle()
            return delivery
        data = receiver.recv(limit)
        if data:
            begin = self.read.get(tag, 0)
            assert data == content(tag, begin + len(data))[begin:], "the bytes of this delivery and of no other"
            self.read[tag] = begin + len(data)
        elif data is None:
            assert self.read.pop(tag, 0) == self.sizes[tag], "the whole delivery"
            assert not self.arrived[name] or self.arrived[name][-1] < tag, "in order, and none twice"
            self.arrived[name].append(tag)
            receiver.advance()
        return delivery

    # -- bytes

    def move(self, from_a, size):
        source, sink = self.ends if from_a else self.ends[::-1]
        moved = step(source.peer, sink.peer, size)
        for end in self.ends:
            end.answer()
        return moved

    def exchange(self, check=True):
        """Moves everything both ways, and what that leads to, until both are quiet."""
        for _ in range(50):
            before = [len(end.peer.wire) for end in self.ends]
            pump(self.ends[0].peer, self.ends[1].peer)
            for end in self.ends:
                end.answer()
            if before == [len(end.peer.wire) for end in self.ends]:
                break
        else:
            raise AssertionError("the two ends never come to rest")
        if check:
            self.check_rest()

    def cut(self):
        """The network fails; the client goes on over another one, with a server that knows nothing of before."""
        a, b = self.ends
        for end in self.ends:
            end.peer.transport.close_tail()
            end.peer.transport.close_head()
            end.peer.transport.unbind()
            while end.peer.collector.peek() is not None:
                end.peer.collector.pop()
        wire = a.peer.wire
        a.peer = Peer("a", connection=a.connection, collector=a.peer.collector, **a.settings).bind()
        a.peer.wire = wire
        self.ends = a, End("b", Transport.SERVER, b.settings, self.limit)
        for name in list(a.links):
            link = a.links[name]
            ended = not link.state & Endpoint.LOCAL_ACTIVE or name in self.ended
            if ended:
                self.forget(name)  # it is not attached again
            elif link.is_receiver or link.current is None:
                self.filled.pop(name, None)  # what was begun is dropped

    # -- what must be true

    def check(self):
        """After every step."""
        for end in self.ends:
            assert end.peer.transport.condition is None, end.peer.transport.condition
            for session in end.connection.sessions():
                assert session.incoming_bytes >= 0 and session.outgoing_bytes >= 0
                if self.capacity:
                    assert session.incoming_bytes <= self.capacity, "the window is what was announced"
                if self.window:
                    assert session.incoming_bytes <= self.window * self.frame_size
            for link in end.links.values():
                assert link.queued >= 0 and link.unsettled == len(list(link.unsettled_deliveries))
                if link.is_sender:
                    assert link.credit + link.queued >= 0, "only what is queued makes credit negative"
                else:
                    assert link.credit >= link.queued or link.credit >= 0

    def check_rest(self):
        """When all bytes have arrived: both ends say the same."""
        for name in self.ends[0].links:
            sender, receiver = self.ends_of(name)
            if not self.live(name):
                continue
            # The receiver counts a delivery from its first frame on, the sender when it is complete.
            begun = any(delivery.partial for delivery in receiver.unsettled_deliveries)
            granted = receiver.credit - receiver.queued + begun
            counted = sender.credit + sender.queued
            # Credit that is given back while a delivery is on its way is told when that has come to its end.
            assert counted == max(0, granted) or (begun and counted < granted), "both ends count the same credit"
            theirs = {delivery.tag_bytes: delivery for delivery in receiver.unsettled_deliveries}
            for delivery in sender.unsettled_deliveries:
                other = theirs.get(delivery.tag_bytes)
                # After a cut neither end knows what the other said (2.6.13 is for links that ask).
                if other is not None and not other.settled and not getattr(other, "stale", False):
                    assert delivery.remote_state == other.local_state
