"""Mutated conversations: recorded valid ones, spoiled by a seed, held against one engine with a program on it.

`converse(seed)` is one whole experiment and repeats exactly: which conversation, which role, which program, how it is
spoiled, how it is cut into reads. What must hold: nothing raises, input is taken or the connection has ended, at the
end the transport closes, no internal error was contained, and `WireCheck` finds no illegal frame in what was written.

By hand, for long runs: ``python -m tests.support.conversations FIRST COUNT``.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import struct
import sys
import time

from proton import Condition, Delivery, Described, Endpoint, LinkException, Message, Transport, uint, ulong
from proton.codec import composites
from proton.codec.decode import DECODE_ERRORS
from proton.codec.encode import encode
from proton.endpoints.handler import dispatch
from proton.exceptions import ProtonException
from proton.handlers import MessagingHandler, Reject, Release
from proton.transport import failure
from tests.support.engines import HEARTBEAT, decode_body, step, take
from tests.support.fuzzing import engine, parts_of
from tests.support.wirecheck import WireCheck

SERVER = Transport.SERVER
#: valid conversations to begin with
CONVERSATIONS = 48
EDGES = (0, 1, 2, 127, 128, 255, 256, 511, 512, 65535, 65536, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1)
WRONG = (None, True, False, -1, 2**32, 2**64 - 1, "", "x" * 300, b"", [], {}, 1.5)
LOCAL_CLOSED = Endpoint.LOCAL_CLOSED


class Program(MessagingHandler):
    """A program that does all that programs do, each by chance."""

    def __init__(self, rng):
        self.accepts = rng.random() < 0.7
        self.prefetches = rng.choice((0, 1, 5, 20))
        super().__init__(
            prefetch=self.prefetches,
            auto_accept=self.accepts,
            auto_settle=rng.random() < 0.7,
            peer_close_is_error=rng.random() < 0.3,
        )
        self.rng = rng
        self.held = []
        self.made = 0

    def on_session_opening(self, event):
        event.session.incoming_window = self.rng.choice((0, 0, 1, 5))
        if self.rng.random() < 0.03:
            event.session.close()

    def on_link_opening(self, event):
        link = event.link
        link.snd_settle_mode, link.rcv_settle_mode = self.rng.randrange(3), self.rng.randrange(2)
        link.max_message_size = self.rng.choice((0, 0, 500))
        if self.rng.random() < 0.05:
            link.condition = Condition("amqp:not-found", "the program refuses")
            link.close()

    def on_link_opened(self, event):
        link = event.link
        if link.is_receiver and not self.prefetches and not link.state & LOCAL_CLOSED:
            link.flow(self.rng.choice((1, 3, 50)))
        self.chance(event)

    def on_message(self, event):
        draw = self.rng.random()
        if self.accepts and draw < 0.1:
            raise Reject("not wanted") if draw < 0.05 else Release
        self.chance(event)
        if draw > 0.5 and not event.delivery.settled:
            self.held.append(event.delivery)

    def on_sendable(self, event):
        self.send(event.sender)
        self.chance(event)

    def send(self, sender):
        size = self.rng.choice((1, 10, 300, 2000))
        self.made += 1
        if self.made > 60 or sender.state & LOCAL_CLOSED:
            return
        try:
            if self.rng.random() < 0.2:
                sender.send_stream(iter([b"s" * size, b"t"]))
            elif self.rng.random() < 0.2:
                delivery = sender.delivery(sender.delivery_tag())
                sender.stream(b"part" * size)
                (delivery.abort if self.rng.random() < 0.5 else sender.advance)()
            else:
                sender.send(Message(body="b" * size))
        except LinkException:
            pass  # larger than the peer takes: told to the caller

    def on_flow(self, event):
        self.chance(event)

    def chance(self, event):
        """Something that a program may do at any time."""
        draw = self.rng.random()
        link = event.link
        if draw < 0.02:
            link.close()
        elif draw < 0.03:
            link.detach()
        elif draw < 0.04:
            link.condition = Condition("amqp:not-found", "the program says so", {"k": 1})
            link.close()
        elif draw < 0.05:
            event.session.close()
        elif draw < 0.055:
            event.connection.close()
        elif draw < 0.1 and link.is_receiver:
            link.drain(2) if draw < 0.07 else link.flow(3)
        elif draw < 0.13 and link.is_sender:
            link.offered(5), link.drained()
        elif draw < 0.2 and self.held:
            delivery = self.held.pop(self.rng.randrange(len(self.held)))
            delivery.update(
                self.rng.choice((Delivery.ACCEPTED, Delivery.RELEASED, Delivery.MODIFIED, Delivery.RECEIVED))
            )
            if draw < 0.18:
                delivery.settle()


class Dispatching:
    """Gives the events of a peer to a handler, and frees what is closed at times."""

    def __init__(self, peer, handler, frees):
        self.peer, self.handler, self.frees = peer, handler, frees

    def run(self):
        collector = self.peer.collector
        while collector.peek() is not None:
            event = collector.peek()
            dispatch(self.handler, event.type.method, event)
            collector.pop()
            closed = LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
            if self.frees and event.link is not None and event.link.state == closed:
                event.link.free()


def equip(mode, sasl, rng, **settings):
    """An engine with one of the programs."""
    peer, app = engine(mode, sasl, **settings)
    if rng.random() < 0.4:
        return peer, app
    return peer, Dispatching(peer, Program(rng), rng.random() < 0.5)


@functools.lru_cache(maxsize=2 * CONVERSATIONS)
def recorded(number, sasl):
    """What the two ends of a valid conversation write: parts of the client, parts of the server."""
    rng = random.Random(f"conversation {number}")
    size = rng.choice((512, 512, 1000, 4096))
    client, client_app = equip(None, sasl, rng, max_frame_size=size)
    server, server_app = equip(SERVER, sasl, rng, max_frame_size=rng.choice((512, 1000)))
    sent = 0
    for _ in range(40):
        if not (step(client, server) | step(server, client)):
            break
        client_app.run(), server_app.run()
        for end in (client, server):
            for link in list(end.connection.links(Endpoint.LOCAL_ACTIVE)):
                if link.is_sender and sent < 12:
                    sent += 1
                    with contextlib.suppress(LinkException):  # larger than the peer takes
                        link.send(Message(body="x" * rng.choice((3, 40, 1200)), properties={"n": sent}))
    for end, app in ((client, client_app), (server, server_app)):
        for link in list(end.connection.links(Endpoint.LOCAL_ACTIVE)):
            if rng.random() < 0.5:
                link.close()
        app.run()
        step(client, server), step(server, client)
    (client if rng.random() < 0.5 else server).connection.close()
    for _ in range(40):
        if not (step(client, server) | step(server, client)):
            break
        client_app.run(), server_app.run()
    return parts_of(bytes(client.wire)), parts_of(bytes(server.wire))


def spoil(parts, rng, other):
    """One change to a list of frames."""
    parts[:] = filter(None, parts)
    if not parts:
        return
    place = rng.randrange(len(parts))
    part = parts[place]
    kind = rng.randrange(14)
    if kind == 0:
        del parts[place]
    elif kind == 1:
        parts[place:place] = [part] * rng.choice((1, 1, 2, 30))
    elif kind == 2:
        parts.insert(rng.randrange(len(parts)), parts.pop(place))
    elif kind == 3:
        window = parts[place : place + 6]
        rng.shuffle(window)
        parts[place : place + 6] = window
    elif kind == 4:
        cut = part[: rng.randrange(len(part) + 1)]
        parts[place] = struct.pack(">I", len(cut)) + cut[4:] if len(cut) >= 8 and rng.random() < 0.7 else cut
    elif kind == 5:
        changed = bytearray(part)
        for _ in range(rng.choice((1, 1, 3))):
            changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), 0, 0x40, 0x43, 0xC0, 0xF0, 0xFF))
        parts[place] = bytes(changed)
    elif kind == 6:
        parts.insert(place, rng.choice(other))
    elif kind == 7 and len(part) > 8:
        parts[place] = part[:6] + struct.pack(">H", rng.choice((0, 1, 2, 255, 32767, 32768, 65535))) + part[8:]
    elif kind == 8:
        parts.insert(place, HEARTBEAT)
    elif kind == 9:
        del parts[place + 1 :]
    else:
        parts[place] = edged(part, rng)


def edged(part, rng):
    """A frame one field of which has another value, at the edge of its type or of another type."""
    if len(part) <= 8 or part[:4] == b"AMQP":
        return part
    kind, channel = part[5], struct.unpack_from(">H", part, 6)[0]
    try:
        name, fields, payload = decode_body(part[4 * part[4] :])
    except (ProtonException, *DECODE_ERRORS, KeyError, AttributeError, TypeError):
        return part
    numbers = [key for key, value in fields.items() if isinstance(value, int)]
    field = rng.choice(numbers) if numbers and rng.random() < 0.7 else rng.choice(list(fields) or [""])
    if not field:
        return part
    value = fields[field]
    if rng.random() < 0.8 and (isinstance(value, int) or value is None):
        near = () if not isinstance(value, int) or isinstance(value, bool) else (value + 1, max(0, value - 1))
        fields[field] = rng.choice(EDGES + near)
    else:
        fields[field] = rng.choice(WRONG)
    composite = getattr(composites, name.replace("-", "_").upper())
    values = [fields.get(x.name.replace("-", "_")) for x in composite.fields]
    try:
        body = encode_loosely(composite.code, values)
    except (ProtonException, OverflowError, ValueError):
        return part
    return struct.pack(">IBBH", len(body) + len(payload) + 8, 2, kind, channel) + body + payload


def encode_loosely(code, values):
    """A performative of values that may be of any type; small numbers as uint, as most fields have them."""
    as_sent = [uint(v) if type(v) is int and 0 <= v < 1 << 32 else v for v in values]
    return encode(Described(ulong(code), as_sent))


def reads_of(parts, rng):
    """The bytes in pieces as one read might bring them: frame by frame, several at once, in bits, or as a whole."""
    data = b"".join(parts)
    style = rng.random()
    if style < 0.1:
        return [data]
    if style < 0.2:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(20))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if a < b]
    pieces = []
    while parts:
        count = 1 if style < 0.8 else rng.randrange(1, 6)
        pieces.append(b"".join(parts[:count]))
        parts = parts[count:]
    return [piece for piece in pieces if piece]


class Stall(AssertionError):
    """Neither is input taken, nor has the connection ended."""


def converse(seed, spoiled=True):
    """One experiment; raises for what must not happen."""
    rng = random.Random(seed)
    sasl = rng.random() < 0.15
    mode = rng.choice((None, SERVER))
    number = rng.randrange(CONVERSATIONS)
    of_client, of_server = recorded(number, sasl)
    parts, other = (list(of_client), of_server) if mode == SERVER else (list(of_server), of_client)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6)) if spoiled else 0):
        spoil(parts, rng, other or [HEARTBEAT])
    peer, app = equip(mode, sasl, rng, max_frame_size=rng.choice((512, 4096, 32768)))
    transport = peer.transport
    check = WireCheck()
    app.run()
    check.wrote(take(transport))
    now = 1.0
    for piece in reads_of(parts, rng):
        capacity = transport.capacity()
        if capacity < 0:
            break
        if not capacity:
            raise Stall("no input is taken, though all output and all events were")
        transport.push(piece)
        check.hear(piece)
        app.run()
        check.wrote(take(transport))
        now += 0.25
        transport.tick(now)
    finish(peer, app, check)


def finish(peer, app, check):
    """The peer has gone: the transport closes, and so do the endpoints."""
    transport = peer.transport
    said_goodbye = peer.connection.state & Endpoint.REMOTE_CLOSED
    transport.close_tail()
    app.run()
    check.wrote(take(transport))
    if not (said_goodbye or transport.condition is not None):
        raise Stall("an end without a condition")
    app.run()
    check.wrote(take(transport))
    if not transport.closed or (transport.pending(), transport.capacity()) != (-1, -1):
        raise Stall("output is not over")
    check.finish()
    transport.tick(1000.0)
    peer.connection.free()
    transport.unbind()
    app.run()


class Contained(logging.Handler):
    """Internal errors, which an experiment must not have."""

    def emit(self, record):
        raise AssertionError(logging.Formatter().format(record))


def run(first, count, stop_at=10):
    """So many experiments; gives the seeds that failed, with what they raised."""
    failures = []
    recorder = Contained()
    handler = logging.getLogger(failure.log.name)
    handler.addHandler(recorder)
    level = logging.getLogger("proton.handler").level
    logging.getLogger("proton.handler").setLevel(logging.CRITICAL)
    try:
        for seed in range(first, first + count):
            try:
                converse(seed)
            except Exception as error:
                failures.append((seed, error))
                if len(failures) >= stop_at:
                    break
    finally:
        handler.removeHandler(recorder)
        logging.getLogger("proton.handler").setLevel(level)
    return failures


if __name__ == "__main__":
    import traceback

    start = time.process_time()
    found = run(int(sys.argv[1]), int(sys.argv[2]))
    for seed, error in found:
        print(f"seed {seed}:", "".join(traceback.format_exception(type(error), error, error.__traceback__)[-6:]))
    print(
        f"{sys.argv[2]} from {sys.argv[1]}: {len(found)} failed, {time.process_time() - start:.0f} s of processor time"
    )
