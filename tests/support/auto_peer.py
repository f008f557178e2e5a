"""`AutoPeer`: a peer in a thread that answers begin, attach, detach, end and close, until a test has it do otherwise.

For blocking programs: the test's thread runs the operation, the peer answers the frame named `trigger` by what the test
gives it, and notes the time. It is the watchdog as well: an operation that still waits some seconds later loses its
connection, so that a broken test fails instead of hanging.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from proton import Described, ulong
from proton.utils import BlockingConnection
from tests.support.engines import AMQP_HEADER, Frame, decode_body, frame

SECONDS = 20.0
WITHIN = 1.0  # seconds from the peer's frame to the end of what waits
PATIENCE = 4.0
CREDIT = 100


class AutoPeer:
    """A listening peer.

    :param credit: what a link that sends to it is given when it is attached.
    :param max_frame_size: bytes, as its open says; None for no limit.
    """

    def __init__(self, credit=CREDIT, max_frame_size=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.credit = credit
        self.max_frame_size = max_frame_size
        self.go = threading.Event()  # a trigger that no frame stands for
        self.acted = threading.Event()  # what the test wants was said
        self.over = threading.Event()  # the operation of the test has ended
        self.ended_at = None
        self.seen = []  # the frames of the program
        self.failure = None
        self._trigger, self._answer = None, None
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def on(self, trigger, answer):
        """Answer the next frame that `trigger(frame)` is true for by `answer(peer, frame)`: bytes, None for the end.

        A trigger of None waits for `go`.
        """
        self.over.clear()
        self.go.clear()
        self.acted.clear()
        self.ended_at = None
        self._trigger, self._answer = trigger, answer

    def close(self):
        self._stop = True
        self.over.set()
        self._thread.join(SECONDS)
        self.listener.close()
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self):
        try:
            self.listener.settimeout(0.05)
            while not self._stop:
                with contextlib.suppress(socket.timeout):
                    accepted, _ = self.listener.accept()
                    with accepted:
                        self._serve(accepted)
        except Exception as error:
            self.failure = error

    def _serve(self, accepted):
        self.socket = accepted
        accepted.settimeout(0.01)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ended = set()  # what this end has detached, ended or closed
        buffer = b""
        while not self._stop:
            if self.ended_at and not self.over.is_set() and time.monotonic() - self.ended_at > PATIENCE:
                return
            if self._answer is not None and self._trigger is None and self.go.is_set() and not self._act(None):
                return
            try:
                data = accepted.recv(1 << 16)
            except socket.timeout:
                continue
            except ConnectionError:
                return
            if not data:
                return
            buffer += data
            while len(buffer) >= 8:
                size = 8 if buffer[:4] == b"AMQP" else int.from_bytes(buffer[:4], "big")
                if len(buffer) < size:
                    break
                whole, buffer = buffer[:size], buffer[size:]
                if whole[:4] == b"AMQP":
                    accepted.sendall(AMQP_HEADER)
                elif size > 8:
                    part = Frame(whole[5], int.from_bytes(whole[6:8], "big"), *decode_body(whole[8:]))
                    self.seen.append(part)
                    if not self._handle(part):
                        return

    def _handle(self, part):
        if self._answer is not None and self._trigger is not None and self._trigger(part):
            return self._act(part)
        # What was sent before this end was known (2.5.5, 2.6.5) has no answer.
        if ("close",) in self._ended and part.name != "close":
            return True
        if ("end", part.channel) in self._ended and part.name not in ("end", "close"):
            return True
        if ("detach", part.channel, part["handle"]) in self._ended and part.name in ("transfer", "flow"):
            return True
        answer = getattr(self, f"_on_{part.name}", None)
        if answer is not None:
            with contextlib.suppress(ConnectionError):
                self.socket.sendall(b"".join(answer(part)))
        return True

    def _act(self, part):
        answer, self._answer = self._answer, None
        data = answer(self, part)
        if part is not None and part.name in ("detach", "close"):  # it is an answer itself
            self._ended -= {("detach", part.channel, part["handle"]), ("close",)}
        self.ended_at = time.monotonic()
        if data is not None:
            self.socket.sendall(data)
        self.acted.set()
        return data is not None

    # -- the usual answers -----------------------------------------------------------------------------------------

    def _on_open(self, part):
        return [frame(0, "open", container_id="peer", max_frame_size=self.max_frame_size)]

    def _on_begin(self, part):
        return [begin(part.channel)]

    def _on_attach(self, part):
        answer = [mirrored(part)]
        if not part["role"] and self.credit:
            answer.append(flow(part.channel, part["handle"], self.credit))
        return answer

    def _on_transfer(self, part):
        if part["settled"]:
            return []
        accepted = Described(ulong(0x24), [])
        number = part["delivery_id"]
        return [frame(part.channel, "disposition", role=True, first=number, settled=True, state=accepted)]

    def _on_detach(self, part):
        return self._once(part, ("detach", part.channel, part["handle"]), handle=part["handle"], closed=part["closed"])

    def _on_end(self, part):
        return self._once(part, ("end", part.channel))

    def _on_close(self, part):
        return self._once(part, ("close",))

    def _once(self, part, key, **fields):
        if key in self._ended:
            self._ended.discard(key)
            return []
        return [frame(part.channel, part.name, **fields)]

    def detach(self, channel, handle, **fields):
        """A detach of this peer, whose answer is not answered."""
        self._ended.add(("detach", channel, handle))
        return frame(channel, "detach", handle=handle, **fields)

    def end(self, channel, **fields):
        """An end of this peer, whose answer is not answered."""
        self._ended.add(("end", channel))
        return frame(channel, "end", **fields)

    def shut(self, **fields):
        """A close of this peer, whose answer is not answered."""
        self._ended.add(("close",))
        return frame(0, "close", **fields)

    def link(self, role):
        """Channel and handle of the program's last link that sends (role False) or receives (True)."""
        found = [part for part in self.seen if part.name == "attach" and bool(part["role"]) == role]
        return found[-1].channel, found[-1]["handle"]


def begin(channel):
    return frame(channel, "begin", remote_channel=channel, next_outgoing_id=0, incoming_window=999, outgoing_window=999)


def flow(channel, handle, credit, incoming_window=999):
    window = {"next_incoming_id": 0, "incoming_window": incoming_window, "next_outgoing_id": 0, "outgoing_window": 999}
    return frame(channel, "flow", handle=handle, delivery_count=0, link_credit=credit, **window)


def mirrored(part, **changes):
    """The attach that answers an attach; a dynamic source gets an address."""
    fields = {
        "name": part["name"],
        "handle": part["handle"],
        "role": not part["role"],
        "source": part["source"],
        "target": part["target"],
        "initial_delivery_count": 0 if part["role"] else None,
    }
    if part["source"] is not None and part["role"] and part["source"].value[:1] == [None]:
        fields["source"] = Described(ulong(0x28), ["dynamic-address"])
    return frame(part.channel, "attach", **{**fields, **changes})


def _is_attach(part):
    return part.name == "attach"


def _is_transfer(part):
    return part.name == "transfer"


def _without_a_window(peer, part):
    return mirrored(part) + flow(part.channel, part["handle"], CREDIT, incoming_window=0)


def _not_reading(peer, part):
    peer.over.wait(PATIENCE)
    return b""


#: What a peer does so that a message is not settled, as the arguments of `on`, or None; and what a time-out says of it.
HELD = {
    "no credit": ((_is_attach, lambda peer, part: mirrored(part)), "waiting for credit, the message stays queued"),
    "no window": (
        (_is_attach, _without_a_window),
        "waiting for the session window of the peer, the message stays queued",
    ),
    "not read": (
        (_is_transfer, _not_reading),
        "waiting for the peer to read what was written, the message stays queued",
    ),
    "no outcome": (
        (_is_transfer, lambda peer, part: b""),
        "waiting for the outcome, the message may have arrived",
    ),
}


@contextlib.contextmanager
def auto_peer(**options):
    peer = AutoPeer(**options)
    try:
        yield peer
    finally:
        peer.close()


def connect(peer, **options):
    """A blocking connection to an `AutoPeer`."""
    return BlockingConnection(peer.url, timeout=SECONDS, sasl_enabled=False, **options)


def at_once(operation):
    """What an operation gives, or raises, in little time."""
    started = time.monotonic()
    try:
        return operation()
    finally:
        assert time.monotonic() - started < WITHIN
