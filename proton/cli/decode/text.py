"""Bytes from text: hexadecimal in the forms of xxd, hexdump, tcpdump and Wireshark, base64, and PN_TRACE_RAW.

What `tcpdump -x` prints are packets; the rest are bytes of one or of two directions. Keep true: text that cannot be
read raises `Unreadable` with its line, after all that stands before it has been given; a line is read in pieces.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Union

from proton.cli.decode.capture import MAX_PACKET, Packet, Unreadable, is_capture
from proton.codec.text import quote

#: bytes of a line, or of a piece of raw bytes, that are read at once
PIECE = 1 << 16

_TRACE = re.compile(
    r"(0x[0-9a-f]+)?\]?:? *(?:IO: *)?(?:RAW: *)?(->|<-)([0-9a-f]{4,})/([0-9a-f]{4,}): ([0-9a-f ]{2,47})"
)
#: a line of PN_TRACE_FRM and of `--verbose`, which has no bytes
_FRAME_TRACE = re.compile(r"\[0x[0-9a-f]+\]: *(AMQP|SASL):FRAME:")
# An offset, a mark behind it, and what follows; the text at the end of the row is cut off by its place.
_DUMP = re.compile(r"(\s*)(0x)?([0-9a-fA-F]{4,16})(:\s+| +)([0-9a-fA-F]{2}.*)")
_WORDS = re.compile(r"([0-9a-f]{7}) ((?:[ ]*[0-9a-f]{4})+)\s*")
_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2}){1,2}(?: {1,2}(?:[0-9a-fA-F]{2}){1,2}(?![0-9a-zA-Z]))*")
_END = re.compile(r"[0-9a-f]{7,8}")
_CLOCK = re.compile(r"(?:\d{4}-\d\d-\d\d )?(\d\d):(\d\d):(\d\d)\.(\d{1,9})\s")
#: lines of `xxd -i` around the numbers
_DECLARATION = re.compile(r"\s*(unsigned|static|const|char|uint8_t)\b.*[={;]\s*")
_SEPARATORS = re.compile(r"0x|\\x|[\s:,;{}\"'-]")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_ROW = 16

_ETHERNET, _RAW_IP = 1, 101


class Piece(NamedTuple):
    """Bytes of a direction.

    :ivar stream: which connection of the input.
    :ivar direction: 0 for the first, or for what is sent by the end that was traced; 1 for the other.
    """

    stream: str
    direction: int
    data: bytes


Found = Union[Piece, Packet]


def recognised(head: bytes) -> str:
    """The format of an input that begins with these bytes: "pcap", "trace", "hex", "base64" or "raw"."""
    if is_capture(head):
        return "pcap"
    head = head.removeprefix(b"\xef\xbb\xbf") if hasattr(head, "removeprefix") else head
    if any(octet > 0x7F or (octet < 0x20 and octet not in b"\t\n\r\f") for octet in head):
        return "raw"
    lines = [line for line in head.decode("ascii").splitlines() if line.strip() and not line.startswith("#")]
    lines = [line for line in lines if not _DECLARATION.fullmatch(line)]
    if not lines:
        return "raw"
    if any(_TRACE.search(line) or _FRAME_TRACE.match(line) for line in lines):
        return "trace"
    if any(_row(line) for line in lines[:20]) or _digits(lines[0]) is not None:
        return "hex"
    return "base64" if all(_BASE64.fullmatch(line.strip()) for line in lines) else "raw"


def read_text(file: BinaryIO, form: str) -> Iterator[Found]:
    """What an input of the format "hex", "base64", "trace" or "raw" holds."""
    if form == "raw":
        while data := file.read(PIECE):
            yield Piece("", 0, data)
    elif form == "base64":
        yield from _read_base64(file)
    elif form == "trace":
        yield from _read_trace(file)
    else:
        yield from _HexReader().read(file)


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    number = 1
    while line := file.readline(PIECE):
        text = line.decode("latin-1")
        if number == 1:
            text = text[3:] if text.startswith("\xef\xbb\xbf") else text
        yield number, text.rstrip("\r\n")
        number += line.endswith(b"\n")


def _read_base64(file: BinaryIO) -> Iterator[Piece]:
    left = ""
    for number, line in _lines(file):
        for word in line.split():
            left += word.replace("-", "+").replace("_", "/")
            # Padding ends a part; others may follow.
            whole = len(left) if left.endswith("=") else len(left) & ~3
            yield Piece("", 0, _base64(left[:whole], number))
            left = left[whole:]
    if left:
        yield Piece("", 0, _base64(left + "=" * (-len(left) % 4), number))


def _base64(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"expected base64 in line {number}, got {_shown(text)}") from None


def _shown(text: str) -> str:
    return f"'{quote(text.encode('latin-1', 'replace')[:40])}'"


def _read_trace(file: BinaryIO) -> Iterator[Piece]:
    """The lines that PN_TRACE_RAW=1 makes; others are passed over."""
    has_bytes = has_frames = False
    for _, line in _lines(file):
        match = _TRACE.search(line)
        has_frames = has_frames or _FRAME_TRACE.match(line) is not None
        if match:
            has_bytes = True
            owner, arrow, _, _, row = match.groups()
            yield Piece(owner or "", int(arrow == "<-"), _octets(row))
    if has_frames and not has_bytes:
        raise Unreadable(
            "expected the lines of PN_TRACE_RAW=1, got those of PN_TRACE_FRM=1 or --verbose, without bytes"
        )


def _octets(row: str) -> bytes:
    digits = row.replace(" ", "")
    return bytes.fromhex(digits[: len(digits) & ~1])


def _digits(line: str) -> str | None:
    """The digits of a line without offset, or None."""
    digits = _SEPARATORS.sub("", line)
    return digits if _HEXADECIMAL.fullmatch(digits) else None


def _row(line: str) -> tuple[str, int, bytes] | None:
    """The parts of a line with an offset: what stands before it, the offset, and the bytes."""
    words = _WORDS.fullmatch(line)
    if words:  # hexdump without options: numbers of two bytes, in the order of most machines
        row = bytes.fromhex(words[2].replace(" ", ""))
        return "", int(words[1], 16), b"".join(row[at : at + 2][::-1] for at in range(0, len(row), 2))
    match = _DUMP.fullmatch(line)
    if not match:
        return None
    indent, mark, offset, behind, rest = match.groups()
    if not mark and len(offset) < 4 + 2 * (":" not in behind):
        return None
    pairs = _PAIRS.match(rest.expandtabs())
    digits = pairs[0].replace(" ", "") if pairs else ""
    return (mark or indent.expandtabs()), int(offset, 16), bytes.fromhex(digits[: 2 * _ROW])


class _HexReader:
    """Reads lines of hexadecimal digits, with or without offsets."""

    def __init__(self) -> None:
        self._sizes = [0, 0]  # bytes of each direction, which the offsets of its rows count
        self._digit = ""  # one that stands alone at the end of a line
        self._last = b""  # the last row, which `*` repeats
        self._repeated = False
        self._dumped = False  # rows with offsets have come: other lines are headings
        self._packet: list[bytes] | None = None
        self._time: int | None = None
        self._number = 0
        # The last row waits: hexdump tells the size of all behind it, and fills up half a number with a zero.
        self._late: Piece | None = None

    def read(self, file: BinaryIO) -> Iterator[Found]:
        for number, line in _lines(file):
            yield from self._line(number, line)
        yield from self._end_packet()
        yield from self._after(None)
        if self._digit:
            raise Unreadable(f"expected an even number of hexadecimal digits, got one more, '{self._digit}'")

    def _line(self, number: int, line: str) -> Iterator[Found]:
        row = _row(line)
        if row is not None and self._fits(*row[:2]):
            yield from self._take(*row)
            return
        if not line.strip() or line.startswith("#") or _DECLARATION.fullmatch(line):
            return
        if line.strip() == "*" and self._last:
            self._repeated = True
            return
        clock = _CLOCK.match(line)
        if clock:
            yield from self._end_packet()
            hours, minutes, seconds = (int(part) for part in clock.groups()[:3])
            self._time = (3600 * hours + 60 * minutes + seconds) * 10**9 + int(clock[4].ljust(9, "0"))
            self._dumped = True
            return
        if self._dumped:
            end = _END.fullmatch(line.strip())
            if end and self._late is not None:
                yield from self._total(int(end[0], 16))
            return
        digits = _digits(line)
        if digits is None:
            raise Unreadable(f"expected hexadecimal digits in line {number}, got {_shown(line)}")
        digits = self._digit + digits
        self._digit = digits[-1] if len(digits) & 1 else ""
        yield Piece("", 0, bytes.fromhex(digits[: len(digits) & ~1]))

    def _fits(self, mark: str, offset: int) -> bool:
        """Whether an offset is what the rows so far lead to; else what looks like one is data."""
        known = self._sizes[self._side(mark)]
        return offset in (0, known) or (self._repeated and offset > known)

    def _side(self, mark: str) -> int:
        return int(mark.isspace() and len(mark) >= 4)  # Wireshark's "Follow stream" moves the answers to the right

    def _take(self, mark: str, offset: int, row: bytes) -> Iterator[Found]:
        side = self._side(mark)
        self._dumped = True
        yield from self._fill(side, offset)
        if mark == "0x":
            if offset == 0:
                yield from self._end_packet()
                self._packet = []
            if self._packet is not None and sum(map(len, self._packet[-1:])) + offset <= MAX_PACKET:
                self._packet.append(row)
        else:
            yield from self._after(Piece("", side, row))
        self._sizes[side] = offset + len(row)
        self._last = row

    def _after(self, piece: Piece | None) -> Iterator[Found]:
        late, self._late = self._late, piece
        if late is not None:
            yield late

    def _total(self, size: int) -> Iterator[Found]:
        """The offset behind all rows, in a line of its own."""
        if self._repeated:
            yield from self._fill(0, size)
        elif self._late is not None and size == self._sizes[0] - 1:
            self._late = self._late._replace(data=self._late.data[:-1])

    def _fill(self, side: int, offset: int) -> Iterator[Found]:
        """The rows for which `*` stands."""
        if not self._repeated:
            return
        self._repeated = False
        missing = offset - self._sizes[side]
        if not 0 <= missing <= MAX_PACKET:
            raise Unreadable(
                f"expected an offset from {self._sizes[side]} to {MAX_PACKET} more behind '*', got {offset}"
            )
        yield from self._after(None)
        yield Piece("", side, (self._last * (missing // len(self._last) + 1))[:missing])

    def _end_packet(self) -> Iterator[Found]:
        rows, self._packet = self._packet, None
        if not rows:
            return
        data = b"".join(rows)
        self._sizes = [0, 0]
        if _looks_like_ip(data):
            link_type = _RAW_IP
        elif data[12:14] in (b"\x08\x00", b"\x86\xdd", b"\x81\x00"):
            link_type = _ETHERNET
        else:
            yield Piece("", 0, data)
            return
        self._number += 1
        yield Packet(self._number, self._time, link_type, data)


def _looks_like_ip(data: bytes) -> bool:
    version = data[0] >> 4
    if version == 4:
        return len(data) >= 20 and int.from_bytes(data[2:4], "big") <= len(data)
    return version == 6 and len(data) >= 40
