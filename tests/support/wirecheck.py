"""`WireCheck`: holds what an engine writes against the specification, knowing what its peer has said before.

It hears both sides. What the peer says is only noted, as far as it makes sense, since it may be anything; what the
engine writes is checked: headers and their order, frame sizes, channels, handles, names, delivery-ids, credit, windows,
what may follow a detach, an end or a close. Keep true: written from the specification, part 2, and it knows nothing of
the engine but its bytes.
"""

from __future__ import annotations

import struct

from proton.codec.composites import BY_CODE
from proton.codec.decode import DECODE_ERRORS, decode_value

SERIAL = 0xFFFFFFFF
NAMES = {code: [field.name for field in composite.fields] for code, composite in BY_CODE.items()}
HEADERS = {b"AMQP\x00\x01\x00\x00": "amqp", b"AMQP\x03\x01\x00\x00": "sasl"}
SESSION_FRAMES = frozenset(("attach", "flow", "transfer", "disposition", "detach"))


def ahead(number, other):
    distance = number - other & SERIAL
    return distance if distance < 1 << 31 else distance - (1 << 32)


class Illegal(AssertionError):
    """The engine wrote what it must not write."""


def need(condition, text):
    if not condition:
        raise Illegal(text)


def suspect(session, condition, text):
    """As `need`, unless it turns out that the session is ended for a fault of the peer: from that on all is dropped."""
    if not condition and session.suspicion is None:
        session.suspicion = text


class LinkState:
    def __init__(self, name, we_send):
        self.name, self.we_send = name, we_send
        self.handle = None  # ours
        self.attached = self.detached = False  # by us
        self.heard_attach = self.heard_detach = False
        self.count = 0  # our delivery-count
        self.credit = 0  # what the peer grants us, of now
        self.arriving = False  # a delivery of the peer whose last frame is still to come
        self.open_delivery = None  # the id of the delivery whose last frame is still to come


class SessionState:
    def __init__(self):
        self.channel = None  # ours
        self.begun = self.ended = False
        self.heard_begin = self.heard_end = False
        self.ours, self.theirs = {}, {}  # links by handle
        self.ours_waiting, self.theirs_waiting = {}, {}  # by (we_send, name), attached at one end
        self.next_outgoing = 0
        self.window = 0
        self.next_delivery = 0
        self.sent, self.received = set(), set()  # delivery-ids that may be told of
        self.guesses = False  # a delivery-id was left out
        self.handle_max = SERIAL
        self.suspicion = None


class WireCheck:
    """Both directions of one connection; `hear` takes what the peer sends, `wrote` what the engine writes."""

    def __init__(self):
        self.buffers = {True: b"", False: b""}
        self.lost = False  # the peer has said what cannot be followed
        self.phase = None  # "sasl" or "amqp": the last header of ours
        self.opened = self.closed = self.heard_open = self.heard_close = False
        self.max_frame = SERIAL
        self.channel_max = 65535
        self.by_ours, self.by_theirs = {}, {}
        self.seen = 0

    def finish(self):
        """The conversation is over: no suspicion is left."""
        for session in self.by_ours.values():
            need(session.suspicion is None, session.suspicion)

    # Both streams are cut into frames

    def hear(self, data):
        self.buffers[False] += data
        while not self.lost:
            part = self._next(False)
            if part is None:
                return
            try:
                self._heard(*part)
            except (KeyError, TypeError, AttributeError, ValueError, *DECODE_ERRORS):
                self.lost = True  # no sense in it: the engine has to end the connection, or to ignore it

    def wrote(self, data):
        self.buffers[True] += data
        while True:
            part = self._next(True)
            if part is None:
                need(not self.buffers[True], f"bytes that are no frame: {self.buffers[True][:20]!r}")
                return
            self.seen += 1
            self._wrote(*part)

    def _next(self, ours):
        data = self.buffers[ours]
        if len(data) < 8:
            return None
        if data[:4] == b"AMQP":
            self.buffers[ours] = data[8:]
            return None, data[:8], 0, 8
        size, offset, kind, channel = struct.unpack_from(">IBBH", data)
        if size < 8 or offset * 4 > size:
            need(not ours, f"a malformed frame: {data[:16]!r}")
            self.lost = True
            return None
        if len(data) < size:
            return None
        self.buffers[ours] = data[size:]
        return kind, data[offset * 4 : size], channel, size

    @staticmethod
    def _decode(body):
        described, size = decode_value(body)
        code = int(described.descriptor)
        names = NAMES[code]
        fields = dict.fromkeys(names)
        fields.update(zip(names, described.value))
        return BY_CODE[code].name, fields, len(body) - size

    # The peer

    def _heard(self, kind, body, channel, size):
        if kind != 0 or not body or self.heard_close:
            return
        name, f, payload = self._decode(body)
        if name == "open":
            self.heard_open = True
            most = f["max-frame-size"]
            self.max_frame = max(512, most) if most else SERIAL
            if f["channel-max"] is not None:
                self.channel_max = int(f["channel-max"])
        elif name == "close":
            self.heard_close = True
        elif name == "begin":
            answered = f["remote-channel"]
            session = SessionState() if answered is None else self.by_ours[answered]
            if channel in self.by_theirs or session.heard_begin:
                self.lost = True
                return
            session.heard_begin = True
            session.window = f["incoming-window"] - ahead(session.next_outgoing, 0)
            session.their_next = f["next-outgoing-id"]
            if f["handle-max"] is not None:
                session.handle_max = f["handle-max"]
            self.by_theirs[channel] = session
        else:
            self._heard_in_session(name, f, channel, payload)

    def _heard_in_session(self, name, f, channel, payload):
        session = self.by_theirs[channel]
        if name == "end":
            session.heard_end = True
            del self.by_theirs[channel]
        elif name == "attach":
            if f["handle"] in session.theirs:
                self.lost = True
                return
            key = (f["role"], str(f["name"]))
            waiting = session.ours_waiting.get(key)
            if waiting:
                link = waiting.pop(0)
            else:
                link = LinkState(key[1], key[0])
                session.theirs_waiting.setdefault(key, []).append(link)
            link.heard_attach = True
            session.theirs[f["handle"]] = link
        elif name == "detach":
            session.theirs.pop(f["handle"]).heard_detach = True
        elif name == "transfer":
            if f["delivery-id"] is not None:
                session.received.add(f["delivery-id"])
            elif not session.theirs[f["handle"]].arriving:
                session.guesses = True  # left out, wrongly: the engine takes the next one, whatever that is
            session.theirs[f["handle"]].arriving = bool(f["more"] and not f["aborted"])
        elif name == "flow":
            session.window = f["incoming-window"] - ahead(session.next_outgoing, f["next-incoming-id"] or 0)
            if f["handle"] is not None:
                link = session.theirs[f["handle"]]
                if link.we_send and f["link-credit"] is not None:
                    credit = f["link-credit"] - ahead(link.count, f["delivery-count"] or 0)
                    link.credit = min(SERIAL, max(0, credit))

    # The engine

    def _wrote(self, kind, body, channel, size):
        need(not self.closed, "something follows a close (2.4.3)")
        if kind is None:
            need(body in HEADERS, f"an unknown protocol header {body!r}")
            need(self.phase in (None, "sasl") and not self.opened, "a header in the middle of a connection (2.2)")
            self.phase = HEADERS[body]
            return
        if kind == 1:
            need(self.phase == "sasl", "a SASL frame outside of SASL (5.3)")
            return
        need(kind == 0 and self.phase == "amqp", f"a frame of type {kind} in phase {self.phase}")
        if not body:
            need(self.opened, "a heartbeat before open")
            return
        name, f, payload = self._decode(body)
        need(size <= self.max_frame or name in ("open", "close"), f"{name} of {size} bytes, limit {self.max_frame}")
        need(payload == 0 or name == "transfer", f"{name} with a payload")
        if name == "open":
            need(not self.opened and channel == 0, "one open, on channel 0 (2.4.1)")
            self.opened = True
            if f["channel-max"] is not None:
                self.channel_max = min(self.channel_max, f["channel-max"])
            return
        need(self.opened, f"{name} before open (2.4.1)")
        if name == "close":
            self.closed = True
            return
        need(not self.heard_close or name in ("detach", "end"), f"{name} after the peer's close (2.4.3)")
        if name == "begin":
            self._wrote_begin(f, channel)
            return
        session = self.by_ours.get(channel)
        need(session is not None, f"{name} on channel {channel}, which has no session (2.5.1)")
        if name == "end":
            session.ended = True
            need(f["error"] is not None or session.suspicion is None, session.suspicion)
            session.suspicion = None
            if session.heard_begin:
                del self.by_ours[channel]
            return
        need(not session.ended, f"{name} after end (2.5.5)")
        suspect(session, not session.heard_end or name == "detach", f"{name} after the peer's end (2.5.5)")
        getattr(self, "_wrote_" + name)(session, f, payload)

    def _wrote_begin(self, f, channel):
        need(channel <= self.channel_max, f"begin on channel {channel}, above {self.channel_max} (2.7.1)")
        need(channel not in self.by_ours or self.by_ours[channel].ended, f"begin on channel {channel}, in use (2.5.1)")
        answered = f["remote-channel"]
        if answered is None:
            session = SessionState()
        else:
            session = self.by_theirs.get(answered)
            need(session is not None or self.lost, f"begin answers channel {answered}, which has no session (2.7.2)")
            session = session or SessionState()
            need(not session.begun, f"a second begin for channel {answered}")
        session.begun, session.channel = True, channel
        need(f["next-outgoing-id"] == session.next_outgoing, "next-outgoing-id of begin")
        self.by_ours[channel] = session

    def _wrote_attach(self, session, f, payload):
        handle, key = f["handle"], (not f["role"], str(f["name"]))
        need(handle not in session.ours, f"attach on handle {handle}, in use (2.6.2)")
        need(handle <= session.handle_max, f"attach on handle {handle}, above {session.handle_max} (2.7.2)")
        for link in session.ours.values():
            need((link.we_send, link.name) != key, f"a second attach of {key} (2.6.1)")
        need(f["role"] or f["initial-delivery-count"] is not None, "a sender without initial-delivery-count (2.7.3)")
        waiting = session.theirs_waiting.get(key)
        if waiting:
            link = waiting.pop(0)
        else:
            link = LinkState(key[1], key[0])
            session.ours_waiting.setdefault(key, []).append(link)
        if link.we_send:
            link.credit -= ahead(f["initial-delivery-count"], link.count)  # given back before the attach went out
            link.count = f["initial-delivery-count"]
        link.attached, link.handle = True, handle
        session.ours[handle] = link

    def _attached(self, session, handle, name):
        link = session.ours.get(handle)
        need(link is not None, f"{name} on handle {handle}, which is not attached (2.6.2)")
        return link

    def _wrote_detach(self, session, f, payload):
        self._attached(session, f["handle"], "detach").detached = True
        del session.ours[f["handle"]]

    def _wrote_flow(self, session, f, payload):
        need((f["next-incoming-id"] is not None) == session.heard_begin, "next-incoming-id of flow (2.7.4)")
        need(f["next-outgoing-id"] == session.next_outgoing, "next-outgoing-id of flow (2.5.6)")
        for field in ("incoming-window", "outgoing-window"):
            need(f[field] is not None and 0 <= f[field] <= SERIAL, f"{field} of flow: {f[field]}")
        if f["handle"] is None:
            need(f["link-credit"] is None and f["delivery-count"] is None, "link state in a flow of a session (2.7.4)")
            return
        link = self._attached(session, f["handle"], "flow")
        suspect(session, not link.heard_detach, "flow after the peer's detach (2.6.6)")
        need(0 <= (f["link-credit"] or 0) <= SERIAL, f"link-credit {f['link-credit']}")
        if link.we_send:
            used = f["delivery-count"] - link.count & SERIAL
            suspect(
                session,
                0 <= used <= link.credit,
                f"delivery-count {f['delivery-count']}, credit {link.credit} as of {link.count}",
            )
            link.count, link.credit = f["delivery-count"], link.credit - used
            suspect(
                session, f["link-credit"] == link.credit, f"link-credit {f['link-credit']} is {link.credit} (2.6.7)"
            )
        else:
            known = f["delivery-count"] is not None
            suspect(
                session, known == link.heard_attach or self.lost, "delivery-count before the sender's attach (2.7.4)"
            )

    def _wrote_transfer(self, session, f, payload):
        link = self._attached(session, f["handle"], "transfer")
        need(link.we_send, "transfer on a link on which we receive")
        suspect(session, not link.heard_detach, "transfer after the peer's detach (2.6.6)")
        suspect(session, session.window > 0, "transfer beyond the window (2.5.6)")
        session.window -= 1
        session.next_outgoing = session.next_outgoing + 1 & SERIAL
        if link.open_delivery is None:
            need(f["delivery-id"] == session.next_delivery, f"delivery-id {f['delivery-id']}, {session.next_delivery}")
            need(f["delivery-tag"] is not None and f["message-format"] is not None, "first transfer (2.7.5)")
            suspect(session, link.credit > 0, "transfer without credit (2.6.7)")
            session.next_delivery = session.next_delivery + 1 & SERIAL
            link.open_delivery = f["delivery-id"]
            session.sent.add(f["delivery-id"])
        else:
            need(f["delivery-id"] in (None, link.open_delivery), "delivery-id of a continuation (2.7.5)")
        if f["settled"]:
            session.sent.discard(link.open_delivery)
        if f["aborted"] or not f["more"]:
            if f["aborted"]:
                session.sent.discard(link.open_delivery)
            link.open_delivery = None
            link.count = link.count + 1 & SERIAL
            link.credit -= 1

    def _wrote_disposition(self, session, f, payload):
        known = session.received if f["role"] else session.sent
        last = f["first"] if f["last"] is None else f["last"]
        span = last - f["first"] & SERIAL
        need(span < 1 << 20, f"a range of {span} deliveries")
        for number in range(span + 1):
            identity = f["first"] + number & SERIAL
            is_known = identity in known or session.guesses
            suspect(session, is_known, f"disposition for delivery {identity}, unknown or settled (2.6.12)")
            if f["settled"]:
                known.discard(identity)
