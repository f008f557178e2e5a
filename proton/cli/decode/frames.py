"""One direction of a connection: its bytes, in order, cut into protocol headers and frames (2.2, 2.3).

Nothing is known here of links or of the other direction. After what is not a frame it goes on at the next thing that
looks like one. Keep true: no bytes raise; no more than one frame of `MAX_FRAME` bytes is kept; each byte is looked at
a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

from proton.cli.decode.performatives import Read, read_performative
from proton.codec.text import quote
from proton.transport import protocol_header as header
from proton.transport.frames import FRAME_HEADER

#: bytes of the largest frame that is read
MAX_FRAME = 16 << 20

_HEADERS = {header.AMQP_HEADER: "AMQP", header.SASL_HEADER: "SASL", header.TLS_HEADER: "TLS"}
#: what a header or the first bytes of a frame look like: size, data offset 2, type, channel, descriptor of a
#: performative as a small ulong, as a ulong, or as a symbol
_FRAME = (
    rb"\x00[\x00-\xff]{3}\x02[\x00\x01][\x00-\xff]{2}\x00"
    rb"(?:\x53[\x10-\x18\x40-\x44]|\x80\x00{7}[\x10-\x18\x40-\x44]|\xa3[\x00-\xff]amqp:)"
)
_BEGINNING = re.compile(rb"AMQP[\x00\x02\x03]\x01\x00\x00|" + _FRAME)
#: bytes that must be there before a frame can be recognised in the middle of others
_LOOK = 24


def looks_like_amqp(head: bytes) -> bool:
    """Whether the first bytes of a stream are a protocol header of AMQP 1.0, or a frame."""
    return _BEGINNING.match(head) is not None


class Item(NamedTuple):
    """What stands in a direction: a header, a frame, an empty frame, a fault, or a note.

    :ivar kind: "header", "frame", "empty", "fault" or "note".
    :ivar offset: the byte of the direction where it begins, from 0.
    :ivar size: bytes of it.
    :ivar text: of a header its protocol, of a fault or note what is said.
    :ivar frame_type: "amqp" or "sasl".
    :ivar read: the performative of a frame.
    :ivar payload: what stands behind it.
    """

    kind: str
    offset: int
    size: int
    text: str = ""
    frame_type: str = ""
    channel: int = 0
    read: Read | None = None
    payload: bytes = b""


class FrameReader:
    """Cuts one direction into items.

    :param midway: the capture begins in the middle of the connection: the bytes up to the first frame are passed over.
    """

    def __init__(self, midway: bool = False) -> None:
        self._buffer = bytearray()
        #: the offset in the direction of the first byte in the buffer
        self._base = 0
        self._midway = midway
        self._secret = False  # what was cut last is a frame of SASL: what follows may be the rest of a password
        self._begun = False  # a header or a frame has come
        self._over = False  # the rest cannot be read
        self._searching = False
        self._lost_at = 0

    @property
    def offset(self) -> int:
        """How many bytes of the direction have come."""
        return self._base + len(self._buffer)

    @property
    def over(self) -> bool:
        """Whether what comes cannot be read any more: TLS, or another protocol."""
        return self._over

    def feed(self, data: bytes) -> Iterator[Item]:
        """The next bytes; gives what they complete."""
        if self._over:
            self._base += len(data)
            return
        self._buffer += data
        yield from self._items(False)

    def gap(self, size: int) -> Iterator[Item]:
        """Bytes that are missing."""
        if self._over:
            self._base += size
            return
        yield from self._rest()
        start = self._base
        self._base += size
        self._begun = True
        self._search(self._base)
        yield Item("fault", start, size, f"{size} bytes are missing in the capture")

    def end(self) -> Iterator[Item]:
        """No more bytes come."""
        if not self._over:
            yield from self._rest()
            self._over = True

    def _rest(self) -> Iterator[Item]:
        """Nothing follows what is in the buffer: what is whole in it, and a fault for what is not."""
        yield from self._items(True)
        while self._buffer and not self._over:
            if self._searching:
                self._drop(len(self._buffer))
                return
            yield self._fault(self._base, self._unfinished())
            # A wrong size may have hidden frames.
            self._search(self._base)
            self._drop(1)
            yield from self._items(True)

    def _unfinished(self) -> str:
        have = len(self._buffer)
        if not self._begun:
            return f"expected a protocol header of 8 bytes, got {have} bytes: '{quote(bytes(self._buffer), 16)}'"
        if self._secret:
            return f"expected a whole frame, got {have} bytes up to the end"
        wanted = int.from_bytes(self._buffer[:4], "big") if have >= 4 else 8
        return f"expected a frame of {wanted} bytes, got {have} bytes up to the end"

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count

    def _fault(self, offset: int, text: str) -> Item:
        return Item("fault", offset, len(self._buffer), text)

    def _items(self, at_end: bool) -> Iterator[Item]:
        buffer = self._buffer
        pos = 0
        while not self._over:
            if self._searching:
                self._drop(pos)
                pos = 0
                if not self._sought(at_end):
                    return
                yield from self._found()
            left = len(buffer) - pos
            if left >= 8 and buffer[pos : pos + 4] == b"AMQP":
                name = _HEADERS.get(bytes(buffer[pos : pos + 8]))
                if name is not None:
                    yield Item("header", self._base + pos, 8, name)
                    self._begun, self._secret = True, False
                    pos += 8
                    continue
            if not self._begun and left:
                self._drop(pos)
                pos = 0
                if (yield from self._first(at_end)):
                    continue
                return
            if left < 8:
                break
            size, data_offset, kind, channel = FRAME_HEADER.unpack_from(buffer, pos)
            wrong = _wrong_header(size, data_offset, kind)
            if wrong:
                yield from self._lose(pos, wrong)
                pos = 0
                continue
            if left < size:
                break
            self._begun, self._secret = True, kind == 1
            yield _frame(bytes(buffer[pos : pos + size]), self._base + pos)
            pos += size
        self._drop(pos)

    def _first(self, at_end: bool) -> Generator[Item, None, bool]:
        """The first bytes are not one of our headers. Says whether to go on."""
        head = bytes(self._buffer[:64])
        if self._midway:
            if len(head) < _LOOK and not at_end:
                return False
            self._begun = True
            if not re.match(_FRAME, head) and head[:6] != b"\x00\x00\x00\x08\x02\x00":
                self._search(self._base)
            return True
        if len(head) < _LOOK and not at_end:
            found = header.identify(head)
            if found in (header.INSUFFICIENT, header.UNKNOWN):
                return False
        if re.match(_FRAME, head):
            self._begun = True
            return True
        found = header.identify(head, at_end)
        if found == header.INSUFFICIENT:
            return False
        yield from self._other(found, head)
        return not self._over

    def _other(self, found: str, head: bytes) -> Iterator[Item]:
        at = self._base
        if found == header.TLS:
            text = f"TLS from byte {at} on, cannot be read"
        else:
            text = f"expected an AMQP 1.0 protocol header, got {found}: '{quote(head[:16])}'"
        yield Item("fault", at, len(self._buffer), text)
        if found == header.UNKNOWN:
            self._begun = True
            self._search(at)
            self._drop(1)
        else:
            self._over = True
            self._drop(len(self._buffer))

    def _lose(self, pos: int, wrong: str) -> Iterator[Item]:
        """What stands at `pos` is not a frame."""
        self._drop(pos)
        head = bytes(self._buffer[:64])
        if self._begun:
            found = header.identify(head)
            if found in (header.TLS, header.AMQP_0_9_1, header.AMQP_OTHER, header.HTTP):
                yield from self._other(found, head)
                return
            if self._secret:
                wrong = "expected the header of a frame behind one of SASL, got other bytes"
            yield Item("fault", self._base, 8, wrong)
        self._search(self._base)
        self._drop(1)
        self._begun = True

    def _search(self, offset: int) -> None:
        if not self._searching:
            self._searching = True
            self._lost_at = offset

    def _sought(self, at_end: bool) -> bool:
        """Looks for the next beginning; says whether it stands at the front of the buffer now."""
        match = _BEGINNING.search(self._buffer)
        if match is not None:
            self._drop(match.start())
            self._searching = False
            return True
        # A beginning may be cut: the last bytes stay.
        if len(self._buffer) >= _LOOK:
            self._drop(len(self._buffer) - _LOOK + 1)
        return False

    def _found(self) -> Iterator[Item]:
        lost = self._base - self._lost_at
        if lost > 0:
            yield Item("note", self._lost_at, lost, f"{lost} bytes were passed over to find the next frame")


def _wrong_header(size: int, data_offset: int, kind: int) -> str:
    """What is wrong with the header of a frame (2.3.1); nothing, if it is a frame."""
    if size < 8:
        return f"expected a frame of at least 8 bytes, got the size {size}"
    if size > MAX_FRAME:
        return f"expected a frame of at most {MAX_FRAME} bytes, got the size {size}"
    if data_offset < 2 or 4 * data_offset > size:
        return f"expected a data offset from 2 to {size // 4}, got {data_offset}"
    if kind > 1:
        return f"expected frame type 0 (AMQP) or 1 (SASL), got {kind}"
    return ""


def _frame(data: bytes, offset: int) -> Item:
    """A whole frame; offsets in its faults count from its first byte."""
    _, data_offset, kind, channel = FRAME_HEADER.unpack_from(data)
    begin = 4 * data_offset
    name = "sasl" if kind else "amqp"
    if begin == len(data):
        return Item("empty", offset, len(data), "", name, channel)
    read = read_performative(data, begin)
    if read.composite is not None and read.composite.code >> 4 != (4 if kind else 1):
        text = f"expected a performative of {name.upper()} at offset {begin}, got {read.composite.name}"
        read = Read(None, [], begin, [text])
    return Item("frame", offset, len(data), "", name, channel, read, data[read.end :])
