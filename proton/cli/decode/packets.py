"""From a packet to its segment of TCP: link layers, IPv4 and IPv6.

Each function takes the bytes and gives those of the layer above, or raises `Passed` with the reason why the packet
says nothing here. Keep true: lengths come from the packet itself, so each is checked against what is there.
"""

from __future__ import annotations

import functools
import ipaddress
import struct
from typing import Callable, NamedTuple

from proton.cli.decode.capture import Packet

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS = {0x8100, 0x88A8, 0x9100}
_TCP = 6
#: extension headers of IPv6 that have their length in units of eight bytes: hop by hop, routing, destination options
_EXTENSIONS = {0, 43, 60, 135, 139, 140}
_FRAGMENT, _AUTHENTICATION = 44, 51
#: address families of IPv6 in the loopback header of BSD, macOS and others
_FAMILIES = {2: _IPV4, 10: _IPV6, 24: _IPV6, 28: _IPV6, 30: _IPV6}

FIN, SYN, RST, ACK = 1, 2, 4, 16


class Passed(Exception):
    """A packet that is passed over.

    :ivar worth: whether that can hide something of a connection, so that it is said.
    """

    def __init__(self, text: str, worth: bool = False) -> None:
        super().__init__(text)
        self.worth = worth


class End(NamedTuple):
    """An end of a connection."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Segment(NamedTuple):
    """A segment of TCP.

    :ivar packet: the number of the packet.
    :ivar time: nanoseconds since 1970, or None.
    :ivar acknowledged: the number of the next byte that the sender expects, None without the flag ACK.
    :ivar data: what was captured of its bytes.
    :ivar size: how many bytes it has.
    """

    packet: int
    time: int | None
    source: End
    destination: End
    sequence: int
    acknowledged: int | None
    flags: int
    data: bytes
    size: int


def segment_of(packet: Packet) -> Segment:
    """The segment in a packet; `Passed` if there is none."""
    layer = _LINKS.get(packet.link_type)
    if layer is None:
        raise Passed(f"packets of link type {packet.link_type} are not supported", True)
    try:
        kind, pos = layer(packet.data)
        for _ in range(8):  # of VLANs inside one another
            if kind not in _VLANS:
                break
            kind = struct.unpack_from(">H", packet.data, pos + 2)[0]
            pos += 4
        if kind == _IPV4:
            return _ipv4(packet, pos)
        if kind == _IPV6:
            return _ipv6(packet, pos)
    except (struct.error, IndexError):
        raise Passed("packets that are too short for their headers", True) from None
    raise Passed("packets that are not IP")


# -- link layers: the type of what is inside, and where it begins -----------------------------------------------------


def _ethernet(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">H", data, 12)[0], 14


def _cooked(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">H", data, 14)[0], 16


def _cooked2(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">H", data)[0], 20


def _loopback(data: bytes) -> tuple[int, int]:
    # The byte order is that of the machine that captured: families are small numbers.
    family = struct.unpack_from("<I", data)[0]
    return _FAMILIES.get(family if family < 0x10000 else struct.unpack_from(">I", data)[0], 0), 4


def _raw(data: bytes) -> tuple[int, int]:
    return {4: _IPV4, 6: _IPV6}.get(data[0] >> 4, 0), 0


# The numbers of tcpdump.org/linktypes.html, and those that old files have for raw IP.
_LINKS: dict[int, Callable[[bytes], tuple[int, int]]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked2,
}

# -- IP and TCP -------------------------------------------------------------------------------------------------------


@functools.lru_cache(1024)
def _address(raw: bytes) -> str:
    return str(ipaddress.ip_address(raw))


def _ipv4(packet: Packet, pos: int) -> Segment:
    data = packet.data
    length = 4 * (data[pos] & 15)
    total, _, fragment = struct.unpack_from(">HHH", data, pos + 2)
    if data[pos] >> 4 != 4 or length < 20:
        raise Passed("packets whose header of IPv4 is wrong", True)
    if pos + 20 > len(data):
        raise IndexError
    if data[pos + 9] != _TCP:
        raise Passed("packets that are not TCP")
    if fragment & 0x3FFF:
        raise Passed("fragments of IP packets are not supported", True)
    # Where the network card cuts the packets, the kernel has no length yet.
    end = pos + total if total else len(data)
    addresses = [_address(data[at : at + 4]) for at in (pos + 12, pos + 16)]
    return _tcp(packet, pos + length, end, addresses)


def _ipv6(packet: Packet, pos: int) -> Segment:
    data = packet.data
    if data[pos] >> 4 != 6:
        raise Passed("packets whose header of IPv6 is wrong", True)
    size, header = struct.unpack_from(">HB", data, pos + 4)
    end = pos + 40 + size if size else len(data)
    if pos + 40 > len(data):
        raise IndexError
    addresses = [_address(data[at : at + 16]) for at in (pos + 8, pos + 24)]
    pos += 40
    while header != _TCP:
        if header in _EXTENSIONS:
            header, pos = data[pos], pos + 8 * (data[pos + 1] + 1)
        elif header == _AUTHENTICATION:
            header, pos = data[pos], pos + 4 * (data[pos + 1] + 2)
        elif header == _FRAGMENT:
            if struct.unpack_from(">H", data, pos + 2)[0] & 0xFFF9:
                raise Passed("fragments of IP packets are not supported", True)
            header, pos = data[pos], pos + 8
        else:
            raise Passed("packets that are not TCP")
    return _tcp(packet, pos, end, addresses)


def _tcp(packet: Packet, pos: int, end: int, addresses: list[str]) -> Segment:
    data = packet.data
    ports = struct.unpack_from(">HH", data, pos)
    sequence, acknowledged = struct.unpack_from(">II", data, pos + 4)
    begin = pos + 4 * (data[pos + 12] >> 4)
    if begin < pos + 20 or begin > end:
        raise Passed("packets whose header of TCP is wrong", True)
    source, destination = (End(address, port) for address, port in zip(addresses, ports))
    flags = data[pos + 13]
    # Behind the packet, Ethernet may have padding.
    content = data[begin:end]
    return Segment(
        packet.number,
        packet.time,
        source,
        destination,
        sequence,
        acknowledged if flags & ACK else None,
        flags,
        content,
        end - begin,
    )
