"""Files of packets: pcap and pcapng, in both byte orders, read one packet at a time.

Sections of pcapng may differ in byte order, interfaces in link type and resolution of time. Keep true: a file that is
cut or wrong raises `Unreadable` with the byte where that shows, after all that stands before it has been given; no
size from the file makes us keep more than `MAX_PACKET` bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: bytes of a packet, or of a block of a pcapng file, at most; Wireshark and libpcap take 262,144 and 16 MiB
MAX_PACKET = 16 << 20

_NANOSECONDS = 1_000_000_000
# What the first four bytes of a pcap file say: byte order, units of time in a second.
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", _NANOSECONDS),
    b"\xa1\xb2\x3c\x4d": (">", _NANOSECONDS),
}
PCAPNG = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_IF_TSRESOL, _IF_TSOFFSET = 9, 14


class Unreadable(Exception):
    """Input that cannot be read on: at which byte, what was expected, and what came."""


class Packet(NamedTuple):
    """One packet.

    :ivar number: from 1, as other tools count.
    :ivar time: nanoseconds since 1970, None where the file does not say.
    :ivar link_type: what the bytes begin with, by the numbers of tcpdump.org.
    :ivar data: the bytes that were captured.
    """

    number: int
    time: int | None
    link_type: int
    data: bytes


def is_capture(head: bytes) -> bool:
    """Whether a file that begins like this is a capture."""
    return head[:4] in _PCAP or head[:4] == PCAPNG


def read_capture(file: BinaryIO) -> Iterator[Packet]:
    """The packets of a pcap or pcapng file."""
    source = _Source(file)
    magic = source.take(4, "the first four bytes of a capture")
    if magic in _PCAP:
        yield from _read_pcap(source, *_PCAP[magic])
    elif magic == PCAPNG:
        yield from _PcapNg(source).packets()
    else:
        raise Unreadable(f"expected the first four bytes of a pcap or pcapng file at byte 0, got {magic.hex()}")


class _Source:
    """A file that is read front to back, and knows where it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0

    def take(self, size: int, what: str) -> bytes:
        data = self.maybe(size, what)
        if len(data) < size:
            raise Unreadable(f"expected {size} bytes ({what}) at byte {self.offset}, got the end of the file")
        return data

    def maybe(self, size: int, what: str) -> bytes:
        """As `take`; empty at the end of the file."""
        data = self._file.read(size)
        if data and len(data) < size:
            raise Unreadable(
                f"expected {size} bytes ({what}) at byte {self.offset}, got {len(data)} up to the end of the file"
            )
        self.offset += len(data)
        return data


def _read_pcap(source: _Source, order: str, units: int) -> Iterator[Packet]:
    header = source.take(20, "the header of a pcap file")
    link_type = struct.unpack(order + "HHiIII", header)[5] & 0xFFFF  # the upper bits tell of a frame check sequence
    record = struct.Struct(order + "IIII")
    number = 0
    while True:
        at = source.offset
        head = source.maybe(16, "the header of a packet")
        if not head:
            return
        seconds, fraction, size, _ = record.unpack(head)
        if size > MAX_PACKET:
            raise Unreadable(f"expected a packet of at most {MAX_PACKET} bytes at byte {at}, got the size {size}")
        number += 1
        time = seconds * _NANOSECONDS + fraction * (_NANOSECONDS // units)
        yield Packet(number, time, link_type, source.take(size, f"packet {number}"))


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    units: int  # of time in a second
    offset: int  # seconds to add to each time


class _PcapNg:
    """The blocks of a pcapng file (draft-ietf-opsawg-pcapng), whose first four bytes have been read."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._number = 0

    def packets(self) -> Iterator[Packet]:
        kind: bytes = PCAPNG
        while kind:
            at = self._source.offset - 4
            body = self._section(at) if kind == PCAPNG else self._block(at)
            packet = None
            try:
                if kind != PCAPNG:
                    packet = self._read(struct.unpack(self._order + "I", kind)[0], body, at)
            except struct.error:
                raise Unreadable(f"expected a whole block at byte {at}, got {len(body)} bytes in it") from None
            if packet is not None:
                yield packet
            kind = self._source.maybe(4, "the type of a block")

    def _section(self, at: int) -> bytes:
        """A section header: the byte order of what follows, and no interface known any more."""
        head = self._source.take(8, "the header of a section")
        order = _ORDERS.get(head[4:])
        if order is None:
            raise Unreadable(f"expected the byte order of a pcapng section at byte {at + 8}, got {head[4:].hex()}")
        self._order, self._interfaces = order, []
        return self._content(at, struct.unpack(order + "I", head[:4])[0], 12)

    def _block(self, at: int) -> bytes:
        size = struct.unpack(self._order + "I", self._source.take(4, "the size of a block"))[0]
        return self._content(at, size, 8)

    def _content(self, at: int, size: int, taken: int) -> bytes:
        if not 12 <= size <= MAX_PACKET or size & 3 or size < taken + 4:
            raise Unreadable(
                f"expected a block of 12 to {MAX_PACKET} bytes in steps of four at byte {at}, got the size {size}"
            )
        body = self._source.take(size - taken, f"the block at byte {at}")
        if struct.unpack(self._order + "I", body[-4:])[0] != size:
            raise Unreadable(f"expected the size {size} again at byte {self._source.offset - 4}, got {body[-4:].hex()}")
        return body[:-4]

    def _read(self, kind: int, body: bytes, at: int) -> Packet | None:
        if kind == _INTERFACE:
            self._interfaces.append(self._interface(body))
            return None
        if kind == _ENHANCED_PACKET:
            interface, high, low, size = struct.unpack_from(self._order + "IIII", body)
            begin = 20
        elif kind == _OLD_PACKET:
            interface, _, high, low, size = struct.unpack_from(self._order + "HHIII", body)
            begin = 20
        elif kind == _SIMPLE_PACKET:
            interface, high, low, begin = 0, 0, 0, 4
            size = struct.unpack_from(self._order + "I", body)[0]
            if self._interfaces and self._interfaces[0].snap_length:
                size = min(size, self._interfaces[0].snap_length)
            size = min(size, len(body) - begin)  # it does not say how much of the packet was captured
        else:
            return None
        self._number += 1
        if interface >= len(self._interfaces):
            raise Unreadable(
                f"expected an interface below {len(self._interfaces)} at byte {at}, got interface {interface}"
            )
        if begin + size > len(body):
            raise Unreadable(
                f"expected a packet of at most {len(body) - begin} bytes at byte {at}, got the size {size}"
            )
        link_type, _, units, offset = self._interfaces[interface]
        time = None
        if kind != _SIMPLE_PACKET:
            time = offset * _NANOSECONDS + ((high << 32) + low) * _NANOSECONDS // units
        return Packet(self._number, time, link_type, body[begin : begin + size])

    def _interface(self, body: bytes) -> _Interface:
        link_type, _, snap_length = struct.unpack_from(self._order + "HHI", body)
        units, offset, pos = 1_000_000, 0, 8
        while pos + 4 <= len(body):
            code, size = struct.unpack_from(self._order + "HH", body, pos)
            value = body[pos + 4 : pos + 4 + size]
            if code == _IF_TSRESOL and value:
                units = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 127)
            elif code == _IF_TSOFFSET and len(value) == 8:
                offset = struct.unpack(self._order + "q", value)[0]
            elif code == 0:
                break
            pos += 4 + (size + 3 & ~3)
        return _Interface(link_type, snap_length, units, offset)
