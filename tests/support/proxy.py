"""A TCP proxy that does harm: it cuts, resets, half-closes, goes silent or stops reading where a `Fault` says so.

It stands between a client ("up" is what the client sends) and a server ("down"), knows just enough of AMQP to tell
frames apart, and nothing of the package under test. Keep true: one thread does everything, so that a reset is a reset
and a cut leaves no byte in flight; it has ended, with all its sockets closed, when the `with` block has.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass

UP, DOWN = "up", "down"
#: bytes that wait for a socket that does not take them; beyond it the other side is not read
HELD = 1 << 18

NAMES = {
    0x10: "open",
    0x11: "begin",
    0x12: "attach",
    0x13: "flow",
    0x14: "transfer",
    0x15: "disposition",
    0x16: "detach",
    0x17: "end",
    0x18: "close",
    0x40: "mechanisms",
    0x41: "init",
    0x44: "outcome",
}


@dataclass
class Fault:
    """What happens to a connection, once.

    The place is after so many bytes of a direction (`after`), or at the `nth` frame of a name: `offset` bytes of
    that frame still pass, negative ones count from its end: None is behind it. "cut" ends both connections in order,
    "reset" without; "half" ends the direction alone; "silence" keeps both open and passes nothing any more;
    "stall" does not even read the direction any more.
    """

    action: str = "cut"
    direction: str = UP
    after: int | None = None
    frame: str | None = None
    nth: int = 1
    offset: int | None = 0


class _Flow:
    """One direction of a connection."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.fault = None
        self.passed = 0
        self.held = b""  # for the sink
        self.unparsed = b""
        self.seen = 0  # frames of the fault's name
        self.reading = True
        self.mute = False  # what comes is dropped
        self.source_ended = False
        self.finishing = False  # the sink is told of the end when it has got all
        self.finished = False

    def take(self, data):
        """Moves what came to `held`, up to the place of the fault; true when that was reached."""
        fault = self.fault
        if fault is None:
            self.held += data
            return False
        if fault.after is not None:
            room = fault.after - self.passed
            self.passed += len(data)
            self.held += data[: max(room, 0)]
            return self.passed >= fault.after
        self.unparsed += data
        for name, unit in self._units():
            self.seen += name == fault.frame
            if self.seen >= fault.nth and name == fault.frame:
                self.held += unit[: fault.offset]
                return True
            self.held += unit
        return False

    def _units(self):
        while len(self.unparsed) >= 8:
            if self.unparsed.startswith(b"AMQP"):
                name, size = ("sasl header" if self.unparsed[4] == 3 else "header"), 8
            else:
                size = int.from_bytes(self.unparsed[:4], "big")
                if len(self.unparsed) < size:
                    return
                body = self.unparsed[4 * self.unparsed[4] : size]
                name = NAMES.get(body[2], "other") if body else "heartbeat"
            unit, self.unparsed = self.unparsed[:size], self.unparsed[size:]
            yield name, unit


class _Pair:
    """The two sockets of one connection through the proxy."""

    def __init__(self, client, server, fault):
        self.sockets = client, server
        self.flows = {UP: _Flow(client, server), DOWN: _Flow(server, client)}
        if fault is not None:
            self.flows[fault.direction].fault = fault


class Proxy:
    """Listens on `port` and connects each caller to `target`, a port.

    :param faults: an iterable of faults, one for each connection in order; None, and its end, do no harm.
    """

    def __init__(self, target, faults=()):
        self.target = target
        self.faults = iter(faults)
        self.connections = 0
        self.harmed = 0  # faults that have struck
        self.struck = threading.Event()
        self.bytes_passed = {UP: 0, DOWN: 0}
        self._pairs = []
        self._commands = deque()
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake_in, selectors.EVENT_READ, None)
        self.port = self._listener.getsockname()[1]
        self.url = f"127.0.0.1:{self.port}"
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *problem):
        self._do(self._finish)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the proxy did not end"
        self._wake_out.close()
        if self._failure is not None and problem[0] is None:
            raise self._failure

    def strike(self, action):
        """Does `action` of a `Fault` to all connections that are open now; from any thread."""
        self._do(lambda: [self._harm(pair, Fault(action)) for pair in list(self._pairs)])

    def _do(self, command):
        self._commands.append(command)
        with contextlib.suppress(BrokenPipeError):  # it has failed, and says so at the end
            self._wake_out.send(b"!")

    def _finish(self):
        self._ended = True

    def _run(self):
        try:
            while not self._ended:
                ready = self._selector.select()
                # Before anything else: a strike is not for connections made after it.
                while self._commands:
                    self._commands.popleft()()
                for key, mask in ready:
                    if key.fileobj is self._wake_in:
                        self._wake_in.recv(1024)
                    elif key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._pairs:
                        self._serve(key.data, key.fileobj, mask)
        except Exception as error:
            self._failure = error
        finally:
            for pair in list(self._pairs):
                self._drop(pair)
            self._selector.close()
            self._listener.close()
            self._wake_in.close()

    def _accept(self):
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            self.connections += 1
            fault = next(self.faults, None)
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 20)
            except OSError:
                client.close()
                return
            pair = _Pair(client, server, fault)
            self._pairs.append(pair)
            for sock in pair.sockets:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(sock, selectors.EVENT_READ, pair)
            if fault is not None and fault.after == 0:
                self._harm(pair, fault)

    def _serve(self, pair, sock, mask):
        for direction, flow in pair.flows.items():
            if pair not in self._pairs:
                return
            try:
                if flow.source is sock and mask & selectors.EVENT_READ and flow.reading:
                    self._read(pair, direction, flow)
                if pair in self._pairs and flow.sink is sock and mask & selectors.EVENT_WRITE:
                    self._write(flow)
            except OSError:
                # One side is gone: the other one hears of it, unless nothing passes any more.
                self._gone(pair, sock)
        if pair in self._pairs:
            if all(flow.source_ended and (flow.finished or flow.mute) for flow in pair.flows.values()):
                self._drop(pair)
            else:
                self._watch(pair)

    def _gone(self, pair, sock):
        if not all(flow.mute for flow in pair.flows.values()):
            self._drop(pair, reset=True)
            return
        for flow in pair.flows.values():
            if flow.source is sock:
                flow.source_ended, flow.reading = True, False
            else:
                flow.held, flow.finished = b"", True

    def _read(self, pair, direction, flow):
        try:
            data = flow.source.recv(65536)
        except BlockingIOError:
            return
        if not data:
            flow.source_ended, flow.reading = True, False
            flow.finishing = flow.finishing or not flow.mute
            self._write(flow)
            return
        if flow.mute:
            return
        struck = flow.take(data)
        self._write(flow)
        self.bytes_passed[direction] += len(data)
        if struck:
            flow.fault, fault = None, flow.fault
            self._harm(pair, fault)

    def _write(self, flow):
        if flow.finished:
            return
        if flow.held:
            with contextlib.suppress(BlockingIOError):
                flow.held = flow.held[flow.sink.send(flow.held) :]
        if flow.finishing and not flow.held:
            flow.finished = True
            with contextlib.suppress(OSError):
                flow.sink.shutdown(socket.SHUT_WR)

    def _harm(self, pair, fault):
        self.harmed += 1
        flow = pair.flows[fault.direction]
        if fault.action == "reset":
            self._drop(pair, reset=True)
        elif fault.action == "stall":
            flow.reading = False
        else:
            harmed = [flow] if fault.action == "half" else pair.flows.values()
            for each in harmed:
                each.mute = True
                if fault.action != "silence":
                    each.finishing = True
                    # To close with unread bytes would be a reset: they are read, and dropped, to the end.
                    self._write(each)
        if pair in self._pairs:
            self._watch(pair)
        self.struck.set()

    def _watch(self, pair):
        """Tells the selector what is waited for."""
        for sock in pair.sockets:
            mask = 0
            for flow in pair.flows.values():
                if flow.source is sock and flow.reading and len(flow.held) < HELD:
                    mask |= selectors.EVENT_READ
                if flow.sink is sock and flow.held and not flow.finished:
                    mask |= selectors.EVENT_WRITE
            known = self._selector.get_map().get(sock)
            if known is None:
                if mask:
                    self._selector.register(sock, mask, pair)
            elif not mask:
                self._selector.unregister(sock)
            elif known.events != mask:
                self._selector.modify(sock, mask, pair)

    def _drop(self, pair, reset=False):
        self._pairs.remove(pair)
        for sock in pair.sockets:
            if self._selector.get_map().get(sock) is not None:
                self._selector.unregister(sock)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
