"""What one engine writes, held against what the specification lets it write after what it has heard (2.4 to 2.7).

`Audit` is given every byte that goes into an engine and every byte that comes out of it, in any pieces. It knows
nothing of endpoints: it counts channels, handles, ids, credit and windows for itself. A frame is judged by what the
engine had heard when it made the frame, not when the frame was taken: `Transport.frames_output` tells the two apart.
Keep true: only public attributes are read, and a rule is checked as strictly as its wording allows.
"""

from __future__ import annotations

import struct
from collections import deque

from proton import Transport
from tests.support.engines import Frame, Peer, decode_body

SMALLEST_FRAME = 512  # 2.7.1: the most that may be sent before the peer has said what it takes


class Stream:
    """Bytes of one direction; gives the frames that are complete."""

    def __init__(self):
        self.buffer = b""
        self.headers = []

    def feed(self, data):
        self.buffer += data
        found = []
        while len(self.buffer) >= 8:
            if self.buffer[:4] == b"AMQP":
                self.headers.append(self.buffer[:8])
                self.buffer = self.buffer[8:]
                continue
            size, offset, kind, channel = struct.unpack_from(">IBBH", self.buffer)
            assert size >= 8 and offset == 2 and kind == 0, "a plain AMQP frame"
            if len(self.buffer) < size:
                break
            body, self.buffer = self.buffer[8:size], self.buffer[size:]
            frame = Frame(kind, channel, *decode_body(body)) if body else Frame(kind, channel)
            frame.size = size
            found.append(frame)
        return found


class Wire:
    """One session of the engine: `said` and `heard` are the two begins."""

    def __init__(self):
        self.said = self.heard = None
        self.heard_end = False
        self.next_out = 0  # transfer-id of our next transfer
        self.next_in = 0
        self.window = 0  # transfers that we may still send
        self.next_delivery = 0
        self.ours, self.theirs = {}, {}  # links by the handle that each side gave
        self.routes = {}  # by our role and name, the oldest first
        self.sent, self.received = {}, {}  # deliveries that this engine has not settled: by id, complete or not

    def route(self, attach, is_sender, name):
        """The link that an attach is about: attaches answer each other in order."""
        routes = self.routes.setdefault((is_sender, name), [])
        route = next((route for route in routes if not getattr(route, attach)), None)
        if route is None:
            route = Route(is_sender, name)
            routes.append(route)
        setattr(route, attach, True)
        return route


class Route:
    """One link as the engine sees it; `count` is the delivery-count (2.6.7)."""

    def __init__(self, is_sender, name):
        self.is_sender = is_sender
        self.key = is_sender, name
        self.said = self.heard = self.said_detach = self.heard_detach = False
        self.count = 0
        self.limit = self.most = 0  # the delivery-count that credit lets a sender come to, now and at any time before
        self.open_delivery = None  # whose last transfer has not been written, or has not come


class Audit:
    """Call `heard` before bytes are pushed into the transport, and `said` with the bytes taken from it."""

    def __init__(self, transport):
        self.transport = transport
        self._in, self._out = Stream(), Stream()
        self._inbox = deque()  # frames heard, and how many frames the engine had made before
        self._made = 0
        self.opened = self.closed = None  # frames that it said
        self.heard_open = self.heard_close = None
        self.sessions = {}  # by the channel that the engine sends on
        self.heard_sessions = {}  # by the channel that the peer sends on
        self.awaited = {}  # begun by the engine and not answered, by its channel

    def heard(self, data):
        made = self.transport.frames_output
        self._inbox += ((made, frame) for frame in self._in.feed(data))

    def said(self, data):
        for frame in self._out.feed(data):
            self._hear_until(self._made)
            self._made += 1
            assert not self.closed, f"{frame} behind a close"
            most = (self.heard_open["max_frame_size"] or 1 << 32) if self.heard_open else SMALLEST_FRAME
            assert frame.size <= most, f"{frame} of {frame.size} bytes, the peer takes {most}"
            if frame.name is not None:
                getattr(self, f"_say_{frame.name}")(frame)
        assert self._out.headers in ([], [b"AMQP\x00\x01\x00\x00"]), self._out.headers

    def catch_up(self):
        """Everything that was heard counts from now on."""
        self._hear_until(1 << 62)

    def _hear_until(self, made):
        while self._inbox and self._inbox[0][0] <= made:
            frame = self._inbox.popleft()[1]
            if frame.name is not None and not self.heard_close:
                getattr(self, f"_hear_{frame.name}")(frame)

    # -- what the engine heard: its peer is audited too, so nothing is judged here

    def _hear_open(self, frame):
        self.heard_open = frame

    def _hear_close(self, frame):
        self.heard_close = frame

    def _hear_begin(self, frame):
        answered = frame["remote_channel"]
        wire = Wire() if answered is None else self.awaited.pop(answered)
        wire.heard = frame
        wire.next_in = frame["next_outgoing_id"]
        wire.window = frame["incoming_window"]
        self.heard_sessions[frame.channel] = wire

    def _hear_end(self, frame):
        wire = self.heard_sessions.pop(frame.channel)
        wire.heard_end = True
        for route in wire.theirs.values():
            route.heard_detach = True

    def _hear_attach(self, frame):
        wire = self.heard_sessions[frame.channel]
        route = wire.route("heard", frame["role"], frame["name"])
        if not route.is_sender:
            route.count = frame["initial_delivery_count"]
        wire.theirs[frame["handle"]] = route

    def _hear_detach(self, frame):
        wire = self.heard_sessions[frame.channel]
        wire.theirs.pop(frame["handle"]).heard_detach = True

    def _hear_flow(self, frame):
        wire = self.heard_sessions[frame.channel]
        wire.window = (frame["next_incoming_id"] or 0) + frame["incoming_window"] - wire.next_out
        if frame["handle"] is None:
            return
        route = wire.theirs[frame["handle"]]
        if route.is_sender:
            route.limit = max(route.count, (frame["delivery_count"] or 0) + frame["link_credit"])
            route.most = max(route.most, route.limit)
        else:
            route.count = max(route.count, frame["delivery_count"])

    def _hear_transfer(self, frame):
        wire = self.heard_sessions[frame.channel]
        wire.next_in += 1
        route = wire.theirs[frame["handle"]]
        if route.open_delivery is None:
            route.open_delivery = frame["delivery_id"]
            wire.received[frame["delivery_id"]] = route
            route.count += 1
        if frame["settled"] or frame["aborted"]:
            wire.received.pop(route.open_delivery, None)
        if not frame["more"] or frame["aborted"]:
            route.open_delivery = None

    def _hear_disposition(self, frame):
        wire = self.heard_sessions[frame.channel]
        if frame["settled"]:
            known = wire.sent if frame["role"] else wire.received
            last = frame["first"] if frame["last"] is None else frame["last"]
            for number in [number for number in known if frame["first"] <= number <= last]:
                del known[number]

    # -- what the engine said

    def _wire(self, frame):
        assert self.opened, f"{frame} before an open"
        wire = self.sessions.get(frame.channel)
        assert wire is not None, f"{frame} on a channel without a session"
        return wire

    def _route(self, frame):
        wire = self._wire(frame)
        assert not wire.heard_end, f"{frame} on a session that the peer has ended"
        assert not self.heard_close, f"{frame} behind the peer's close"
        route = wire.ours.get(frame["handle"])
        assert route is not None, f"{frame} on a handle that is not attached"
        return wire, route

    def _say_open(self, frame):
        assert self.opened is None and frame.channel == 0
        self.opened = frame

    def _say_close(self, frame):
        assert self.opened and frame.channel == 0
        self.closed = frame

    def _say_begin(self, frame):
        assert self.opened and not self.heard_close
        assert frame.channel not in self.sessions and frame.channel not in self.awaited, f"{frame} on a channel in use"
        most = [end["channel_max"] for end in (self.opened, self.heard_open) if end and end["channel_max"] is not None]
        assert frame.channel <= min(most, default=65535)
        answered = frame["remote_channel"]
        if answered is None:
            wire = self.awaited[frame.channel] = Wire()
        else:
            wire = self.heard_sessions.get(answered)
            assert wire is not None and wire.said is None, f"{frame} answers no begin"
        wire.said = frame
        wire.next_out = frame["next_outgoing_id"]
        self.sessions[frame.channel] = wire

    def _say_end(self, frame):
        self._wire(frame)
        del self.sessions[frame.channel]

    def _say_attach(self, frame):
        wire = self._wire(frame)
        assert not wire.heard_end and not self.heard_close, f"{frame} on a session that is over"
        assert frame["handle"] not in wire.ours, f"{frame} on a handle in use"
        assert frame["handle"] <= (wire.heard["handle_max"] if wire.heard else 0xFFFFFFFF)
        route = wire.route("said", not frame["role"], frame["name"])
        assert route.key not in [other.key for other in wire.ours.values()], f"{frame} is attached"
        if route.is_sender:
            assert frame["initial_delivery_count"] is not None, "2.7.3: a sender tells it"
            route.count = frame["initial_delivery_count"]
            route.limit, route.most = max(route.limit, route.count), max(route.most, route.count)
        wire.ours[frame["handle"]] = route

    def _say_detach(self, frame):
        wire = self._wire(frame)
        route = wire.ours.pop(frame["handle"], None)
        assert route is not None, f"{frame} on a handle that is not attached"
        route.said_detach = True

    def _say_flow(self, frame):
        wire = self._wire(frame)
        assert not wire.heard_end and not self.heard_close, f"{frame} on a session that is over"
        assert frame["next_incoming_id"] == (wire.next_in if wire.heard else None), f"{frame}, but {wire.next_in} came"
        assert frame["next_outgoing_id"] == wire.next_out
        if frame["handle"] is None:
            assert frame["delivery_count"] is frame["link_credit"] is frame["drain"] is None
            return
        _, route = self._route(frame)
        assert not route.heard_detach, f"{frame} on a link that the peer has detached"
        if route.is_sender:
            # Credit that was given back may have been taken back in between.
            assert route.count <= frame["delivery_count"] <= route.most, f"{frame}: {route.count} to {route.most}"
            route.count = frame["delivery_count"]
            assert frame["link_credit"] == max(0, route.limit - route.count), f"{frame}: credit up to {route.limit}"
        else:
            assert frame["delivery_count"] == (route.count if route.heard else None), f"{frame}: {route.count}"

    def _say_transfer(self, frame):
        wire, route = self._route(frame)
        assert route.is_sender and not route.heard_detach
        assert wire.window > 0, f"{frame} beyond the window of the session"
        wire.window -= 1
        wire.next_out += 1
        if route.open_delivery is None:
            assert frame["delivery_id"] == wire.next_delivery
            assert frame["delivery_tag"] is not None and len(frame["delivery_tag"]) <= 32
            assert frame["message_format"] is not None
            assert route.count < route.limit, f"{frame} beyond credit"
            wire.next_delivery += 1
            route.open_delivery = frame["delivery_id"]
            wire.sent[frame["delivery_id"]] = route
        assert frame["delivery_id"] in (None, route.open_delivery)
        if frame["settled"]:
            wire.sent.pop(route.open_delivery, None)
        if frame["aborted"]:
            assert frame["settled"] and not frame.payload
        if not frame["more"]:
            route.open_delivery = None
            route.count += 1

    def _say_disposition(self, frame):
        wire = self._wire(frame)
        assert not wire.heard_end and not self.heard_close, f"{frame} on a session that is over"
        known = wire.received if frame["role"] else wire.sent
        last = frame["first"] if frame["last"] is None else frame["last"]
        assert frame["first"] <= last and (frame["settled"] or frame["state"] is not None), f"{frame} says nothing"
        for number in range(frame["first"], last + 1):
            route = known.get(number)
            assert route is not None, f"{frame}: {number} is not unsettled here"
            assert not route.is_sender or route.open_delivery != number, f"{frame} before the last transfer"
            if frame["settled"]:
                del known[number]


class Joined:
    """Two engines on one network, every byte between them audited; `ends` are their `Peer`s, `audits` the audits."""

    def __init__(self, **settings):
        self.settings = settings
        self.ends = [Peer("a"), Peer("b")]
        self._join()

    def _join(self):
        for end, mode in zip(self.ends, (None, Transport.SERVER)):
            end.transport = Transport(mode)
            for key, value in self.settings.items():
                setattr(end.transport, key, value)
            end.bind()
        self.audits = [Audit(end.transport) for end in self.ends]

    def move(self, source, size=1 << 30):
        """Moves bytes from one end (0 or 1) to the other; says whether there were any."""
        near, far = self.ends[source].transport, self.ends[1 - source].transport
        pending = near.pending()
        if pending < 0:
            if far.capacity() < 0:
                return False
            far.close_tail()
            return True
        data = near.peek(min(size, pending))
        if not data:
            return False
        self.audits[source].said(data)
        if far.capacity() > 0:
            self.audits[1 - source].heard(data)
            far.push(data)
        near.pop(len(data))
        return True

    def exchange(self, rounds=200):
        """Moves everything both ways until neither end has more to say, which must come soon."""
        for _ in range(rounds):
            if not self.move(0) | self.move(1):
                for audit in self.audits:
                    audit.catch_up()
                return
        raise AssertionError(f"the two ends have not come to rest in {rounds} rounds")

    def cut(self):
        """The network fails; both connections get another one."""
        for end in self.ends:
            end.transport.close_tail()
            end.transport.close_head()
        for end in self.ends:
            assert end.transport.closed
            end.transport.unbind()
        self._join()
