"""Connections of TCP: segments in any order become the bytes of two directions, in order.

Segments that come twice, overlap, come early or late, and sequence numbers that begin again at 0 are put right. Bytes
that the capture does not have become gaps. Keep true: a direction holds `MAX_HELD` bytes that came early at most, and
`MAX_CONNECTIONS` connections are followed at a time.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from proton.cli.decode.frames import looks_like_amqp
from proton.cli.decode.packets import FIN, SYN, End, Segment

#: what one direction keeps of that which came early, before it says that bytes are missing
MAX_HELD = 1 << 20
MAX_HELD_SEGMENTS = 1024
#: so much suffices where the receiver has acknowledged the missing bytes: then they are missing in the capture alone
_MAX_HELD_ACKNOWLEDGED = 64
#: the first segments of a connection without its beginning are kept to find out where it begins
_OPENING_SEGMENTS = 64
_OPENING_BYTES = 128 << 10
_OPENING_TIME = 2_000_000_000
MAX_CONNECTIONS = 4096

#: the registered ports: AMQP, and AMQP over TLS
PORTS = frozenset((5672, 5671))
_HALF, _WHOLE = 1 << 31, 1 << 32
_MAX_WINDOW = 1 << 30  # RFC 7323: no segment can be so far ahead
_SNIFFED = 24


class Chunk(NamedTuple):
    """What has come in a direction.

    :ivar kind: "data", "gap", "end", or "closed" as the last chunk of a connection.
    :ivar direction: 0 from the client to the server, 1 back.
    :ivar size: of a gap.
    """

    connection: Connection
    kind: str
    direction: int
    data: bytes
    size: int
    time: int | None
    packet: int


class _Held(NamedTuple):
    """A segment that came before those in front of it; sorted by its first member."""

    offset: int
    end: int
    packet: int
    time: int | None
    data: bytes


class _Direction:
    """One direction: what has come in order, and what came early."""

    def __init__(self) -> None:
        self.sequence: int | None = None  # the number of byte 0, once it is known
        self.from_syn = False
        self.next = 0
        self.acknowledged = 0
        self.finish: int | None = None  # the offset of the end, once it is known
        self.ended = False
        self._held: list[_Held] = []
        self._held_bytes = 0

    def begin(self, sequence: int, from_syn: bool) -> None:
        self.sequence, self.from_syn = sequence, from_syn

    def offset_of(self, sequence: int) -> int:
        assert self.sequence is not None
        ahead = (sequence - self.sequence - self.next) % _WHOLE
        return self.next + (ahead - _WHOLE if ahead >= _HALF else ahead)

    def acknowledge(self, sequence: int) -> None:
        if self.sequence is not None:
            self.acknowledged = max(self.acknowledged, self.offset_of(sequence))

    def add(self, segment: Segment) -> None:
        offset = self.offset_of(segment.sequence + (1 if segment.flags & SYN else 0))
        end = offset + segment.size
        if offset > self.next + _MAX_WINDOW:
            return
        if segment.flags & FIN and self.finish is None:
            self.finish = end
        if segment.size and end > self.next:
            held = _Held(offset, end, segment.packet, segment.time, segment.data)
            at = bisect.bisect_left(self._held, (offset,))
            # Of those that begin together, the longest is enough.
            if at < len(self._held) and self._held[at].offset == offset:
                if len(self._held[at].data) >= len(segment.data):
                    return
                self._held_bytes -= len(self._held.pop(at).data)
            self._held.insert(at, held)
            self._held_bytes += len(segment.data)

    def ready(self, at_end: bool) -> Iterator[tuple[str, bytes, int, _Held | None]]:
        """What is in order now: (kind, data, size of a gap, the segment)."""
        taken = 0
        while taken < len(self._held):
            held = self._held[taken]
            if held.offset > self.next:
                if not at_end and not self._is_lost(len(self._held) - taken):
                    break
                yield "gap", b"", held.offset - self.next, held
                self.next = held.offset
            taken += 1
            self._held_bytes -= len(held.data)
            if held.end <= self.next:
                continue
            data = held.data[self.next - held.offset :]
            if data:
                yield "data", data, 0, held
                self.next += len(data)
            if held.end > self.next and not self._has(self.next, taken):  # the capture has cut the packet
                yield "gap", b"", held.end - self.next, held
                self.next = held.end
        del self._held[:taken]
        if self.finish is not None and self.next >= self.finish and not self.ended:
            self.ended = True
            yield "end", b"", 0, None

    def _has(self, offset: int, at: int) -> bool:
        return at < len(self._held) and self._held[at].offset <= offset < self._held[at].end

    def _is_lost(self, held: int) -> bool:
        acknowledged = self.acknowledged > self.next
        return self._held_bytes > MAX_HELD or held > (_MAX_HELD_ACKNOWLEDGED if acknowledged else MAX_HELD_SEGMENTS)


class Connection:
    """A connection of TCP.

    :ivar client: the end that has opened it, as far as can be told.
    :ivar server: the other end.
    :ivar wanted: whether it carries AMQP; None while that is not known.
    """

    def __init__(self, first: Segment, ports: frozenset[int]) -> None:
        self.client, self.server = _roles(first, ports)
        self.wanted: bool | None = True if {first.source.port, first.destination.port} & ports else None
        self._directions = {end: _Direction() for end in (first.source, first.destination)}
        self._decided = False  # which end is the client: before the first chunk
        # Segments that wait for the number of the first byte of a direction.
        self._opening: list[Segment] = []
        self._opening_bytes = 0
        # Chunks that wait until it is known whether they are AMQP.
        self._unknown: list[Chunk] = []
        self._heads = [b"", b""]

    def midway(self, direction: int) -> bool:
        """Whether the beginning of a direction is not in the capture."""
        return not self._directions[self.server if direction else self.client].from_syn

    def is_new(self, segment: Segment) -> bool:
        """Whether a segment begins another connection between the same ends."""
        known = self._directions[segment.source]
        return bool(segment.flags & SYN) and known.sequence not in (None, (segment.sequence + 1) % _WHOLE)

    def add(self, segment: Segment) -> Iterator[Chunk]:
        """One more segment; what is in order then."""
        direction = self._directions[segment.source]
        if segment.flags & SYN:
            if direction.sequence is None:
                direction.begin((segment.sequence + 1) % _WHOLE, True)
            if not self._decided:
                self.client, self.server = _roles(segment, frozenset())
                self._decided = True
        if self._opening or (segment.size and direction.sequence is None):
            self._opening.append(segment)
            self._opening_bytes += len(segment.data)
            if self._is_opening(segment.time):
                return
            yield from self._open()
        else:
            yield from self._sorted(segment)

    def _is_opening(self, time: int | None) -> bool:
        """Whether to wait for a SYN that comes late."""
        if all(self._directions[each.source].sequence is not None for each in self._opening if each.size):
            return False
        began = self._opening[0].time
        return (
            len(self._opening) < _OPENING_SEGMENTS
            and self._opening_bytes < _OPENING_BYTES
            and (time is None or began is None or abs(time - began) < _OPENING_TIME)
        )

    def _open(self) -> Iterator[Chunk]:
        """The segments that have waited; a direction without a SYN begins with the first byte that there is."""
        opening, self._opening, self._opening_bytes = self._opening, [], 0
        for segment in opening:
            direction = self._directions[segment.source]
            if direction.sequence is None and segment.size:
                own = [each.sequence for each in opening if each.source == segment.source and each.size]
                direction.begin(min(own, key=lambda number: (number - own[0] + _HALF) % _WHOLE), False)
        for segment in opening:
            yield from self._sorted(segment)

    def _sorted(self, segment: Segment) -> Iterator[Chunk]:
        if segment.acknowledged is not None:
            self._directions[segment.destination].acknowledge(segment.acknowledged)
        direction = self._directions[segment.source]
        if direction.sequence is None:
            return
        direction.add(segment)
        yield from self._ready(segment.source, segment)

    def _ready(self, source: End, segment: Segment | None) -> Iterator[Chunk]:
        self._decided = True
        number = int(source == self.server)
        for kind, data, size, held in self._directions[source].ready(segment is None):
            about = held or segment
            time, packet = (None, 0) if about is None else (about.time, about.packet)
            chunk = Chunk(self, kind, number, data, size, time, packet)
            if self.wanted is None:
                self._sniff(chunk)
                if self.wanted:
                    yield from self._unknown
                    self._unknown = []
            elif self.wanted:
                yield chunk

    def _sniff(self, chunk: Chunk) -> None:
        """Decides by the first bytes of a direction whether the connection carries AMQP."""
        self._unknown.append(chunk)
        head = self._heads[chunk.direction] = (self._heads[chunk.direction] + chunk.data)[:_SNIFFED]
        if looks_like_amqp(head):
            self.wanted = True
        elif len(head) >= _SNIFFED or chunk.kind != "data" or not b"AMQP".startswith(head[:4]):
            self.wanted = False
            self._unknown = []

    def end(self) -> Iterator[Chunk]:
        """No more segments come: what is still out of order is given with gaps."""
        yield from self._open()
        for source in self._directions:
            yield from self._ready(source, None)


def _roles(segment: Segment, ports: frozenset[int]) -> tuple[End, End]:
    """Which end is the client, and which the server."""
    ends = (segment.source, segment.destination)
    if segment.flags & SYN:
        return ends[::-1] if segment.acknowledged is not None else ends
    if segment.source.port in ports and segment.destination.port not in ports:
        return ends[1], ends[0]
    return ends


def _closed(connection: Connection) -> Iterator[Chunk]:
    """What is still to be said of a connection that is not followed any more."""
    yield from connection.end()
    if connection.wanted:
        yield Chunk(connection, "closed", 0, b"", 0, None, 0)


class Connections:
    """All connections of a capture.

    :param ports: look at connections of these ports alone; at all that begin as AMQP, if there are none.
    """

    def __init__(self, ports: frozenset[int] = frozenset()) -> None:
        self._only = ports
        self._ports = ports or PORTS
        self._known: OrderedDict[frozenset[End], Connection] = OrderedDict()

    def add(self, segment: Segment) -> Iterator[Chunk]:
        """One more segment of any connection; what is in order then."""
        if self._only and not {segment.source.port, segment.destination.port} & self._only:
            return
        key = frozenset((segment.source, segment.destination))
        connection = self._known.get(key)
        if connection is not None and connection.is_new(segment):
            del self._known[key]
            yield from _closed(connection)
            connection = None
        if connection is None:
            connection = self._known[key] = Connection(segment, self._ports)
            if len(self._known) > MAX_CONNECTIONS:
                yield from _closed(self._known.popitem(last=False)[1])
        else:
            self._known.move_to_end(key)
        yield from connection.add(segment)

    def end(self) -> Iterator[Chunk]:
        """No more segments come."""
        while self._known:
            yield from _closed(self._known.popitem(last=False)[1])
