"""pcap and pcapng files, link layers and IP: each form of a conversation gives the same frames; faults say where."""

import gzip
import struct

import pytest

from tests.support import captures as made

SAID = made.recorded()
V4 = made.segments(SAID, 300)
V6 = made.segments(SAID, 300, ends=(made.CLIENT6, made.SERVER6))
PLAIN = made.pcap([made.packet(each) for each in V4])
EXPECTED = made.objects(PLAIN)[1]


def packets(contents, link_type=made.ETHERNET, vlans=()):
    return [made.packet(each, link_type, vlans) for each in contents]


def extended(content):
    """A packet of IPv6 with hop-by-hop options, routing, destination options, and the header of a whole fragment."""
    source, destination = content[8:24], content[24:40]
    options = (
        bytes([43, 1]) + bytes(14) + bytes([44, 0]) + bytes(6) + bytes([60, 0]) + bytes(6) + bytes([6, 0]) + bytes(6)
    )
    return made.ip(source, destination, content[40:], first=0, extensions=options)


FORMS = {
    "pcap, microseconds, little": PLAIN,
    "pcap, microseconds, big": made.pcap(packets(V4), order=">"),
    "pcap, nanoseconds, little": made.pcap(packets(V4), nanoseconds=True),
    "pcap, nanoseconds, big": made.pcap(packets(V4), order=">", nanoseconds=True),
    "pcap, packed": gzip.compress(PLAIN),
    "pcapng, little": made.pcapng(packets(V4)),
    "pcapng, big": made.pcapng(packets(V4), order=">"),
    "pcapng, nanoseconds": made.pcapng(packets(V4), resolution=9),
    "pcapng, powers of two": made.pcapng(packets(V4), resolution=0x80 | 30),
    "pcapng, with an offset of time": made.pcapng(packets(V4), offset=1000),
    "pcapng, old packets": made.pcapng(packets(V4), kind=2),
    "VLAN": made.pcap(packets(V4, vlans=[0x8100])),
    "VLAN in VLAN": made.pcap(packets(V4, vlans=[0x88A8, 0x8100])),
    "cooked": made.pcap(packets(V4, made.COOKED), made.COOKED),
    "cooked 2": made.pcap(packets(V4, made.COOKED2), made.COOKED2),
    "raw IP": made.pcap(packets(V4, made.RAW), made.RAW),
    "loopback": made.pcap(packets(V4, made.NULL), made.NULL),
    "loopback of OpenBSD": made.pcap(packets(V4, made.LOOP), made.LOOP),
    "IPv6": made.pcap(packets(V6)),
    "IPv6, cooked 2": made.pcap(packets(V6, made.COOKED2), made.COOKED2),
    "IPv6, loopback": made.pcap(packets(V6, made.NULL), made.NULL),
    "IPv6, extension headers": made.pcap(packets(map(extended, V6))),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_frames(data):
    code, found = made.objects(data)
    assert code == 0
    assert made.frames_of(found) == made.frames_of(EXPECTED)
    assert [each.get("packet") for each in found] == [each.get("packet") for each in EXPECTED]
    for each, expected in zip(found[1:], EXPECTED[1:]):
        assert each["time"] == pytest.approx(expected["time"], abs=2e-6)


def test_the_frames_are_those_that_the_ends_have_written():
    code, found = made.objects(PLAIN)
    assert found[0] == {"kind": "connection", "connection": 1, "ends": ["192.0.2.1:40000", "192.0.2.2:5672"]}
    for direction, end in enumerate(["client", "server"]):
        sizes = [(each["byte"], each["size"]) for each in found[1:] if each["from"] == end]
        offset = 0
        for byte, size in sizes:
            assert byte == offset
            offset += size
        assert offset == len(made.joined(SAID, direction))


def test_simple_packets_have_no_time():
    # The padding of Ethernet is then not told from the bytes of a packet: raw IP has none.
    code, found = made.objects(made.pcapng(packets(V4, made.RAW), made.RAW, kind=3))
    assert (code, made.frames_of(found)) == (0, made.frames_of(EXPECTED))
    assert not any("time" in each for each in found)


def test_sections_and_interfaces_of_several_kinds_in_a_file():
    half = len(V4) // 2
    first = made.pcapng(packets(V4[:half]))
    second = made.pcapng(packets(V4[half:], made.RAW), made.RAW, ">")
    code, found = made.objects(first + second)
    assert (code, made.frames_of(found)) == (0, made.frames_of(EXPECTED))


def test_blocks_of_other_kinds_are_passed_over():
    data = made.pcapng(packets(V4))
    (size,) = struct.unpack_from("<I", data, 4)
    data = data[:size] + made.block("<", 4, b"names") + made.block("<", 0x40000BAD, b"custom") + data[size:]
    assert made.frames_of(made.objects(data)[1]) == made.frames_of(EXPECTED)


@pytest.mark.parametrize("data", [PLAIN, made.pcapng(packets(V4))], ids=["pcap", "pcapng"])
def test_a_file_that_is_cut_gives_what_stands_before(data):
    expected = made.frames_of(EXPECTED)
    for size in range(7, len(data), 7):
        code, found = made.objects(data[:size], *(["--format", "pcap"] if size < 24 else []))
        shown = made.frames_of(found)
        assert shown == expected[: len(shown)]
        assert code in (0, 5)
        assert code == 5 or shown, "what says nothing has been read in whole"
        assert len(shown) < len(expected) or size > len(data) - 200


FAULTS = {
    "magic": (
        b"\x01\x02\x03\x04" + PLAIN[4:],
        "expected the first four bytes of a pcap or pcapng file at byte 0, got 01020304",
    ),
    "size of a packet": (
        PLAIN[:32] + b"\xff\xff\xff\x7f" + PLAIN[36:],
        "expected a packet of at most 16777216 bytes at byte 24, got the size 2147483647",
    ),
    "end in a packet": (PLAIN[:50], "expected 60 bytes (packet 1) at byte 40, got 10 up to the end of the file"),
    "end behind a header": (PLAIN[:40], "expected 60 bytes (packet 1) at byte 40, got the end of the file"),
    "size of a block": (
        made.pcapng([])[:28] + made.block("<", 6, b"")[:4] + b"\x07\0\0\0",
        "expected a block of 12 to 16777216 bytes in steps of four at byte 28, got the size 7",
    ),
    "the second size of a block": (
        made.pcapng([])[:28] + made.block("<", 9, b"")[:-4] + b"\x10\0\0\0",
        "expected the size 12 again at byte 36, got 10000000",
    ),
    "byte order": (
        made.pcapng([])[:8] + b"abcd" + made.pcapng([])[12:],
        "expected the byte order of a pcapng section at byte 8, got 61626364",
    ),
    "interface": (
        made.pcapng([])[:28] + made.block("<", 6, struct.pack("<IIIII", 3, 0, 0, 0, 0)),
        "expected an interface below 0 at byte 28, got interface 3",
    ),
    "packet in a block": (
        made.pcapng([]) + made.block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99)),
        "expected a packet of at most 0 bytes at byte 60, got the size 99",
    ),
    "short block": (
        made.pcapng([]) + made.block("<", 6, b"abcd"),
        "expected a whole block at byte 60, got 4 bytes in it",
    ),
    "nothing": (made.pcap([]), "expected AMQP, got none in 0 packets"),
    "another link": (
        made.pcap([b"abc"], 105),
        "packet 1: packets of link type 105 are not supported; such packets are passed over",
    ),
    "short packets": (
        made.pcap([b"abc", b"abc"]),
        "packet 1: packets that are too short for their headers; such packets are passed over",
    ),
    "fragments": (
        made.pcap([made.packet(made.ip("192.0.2.1", "192.0.2.2", V4[3][20:], fragment=0x2000))]),
        "packet 1: fragments of IP packets are not supported; such packets are passed over",
    ),
    "fragments of IPv6": (
        made.pcap([made.packet(made.ip("::1", "::2", V4[3][20:], first=44, extensions=b"\x06\0\0\x09\0\0\0\1"))]),
        "packet 1: fragments of IP packets are not supported; such packets are passed over",
    ),
    "header of TCP": (
        made.pcap([made.packet(made.ip("::1", "::2", bytes(20)))]),
        "packet 1: packets whose header of TCP is wrong; such packets are passed over",
    ),
}


@pytest.mark.parametrize("data, text", FAULTS.values(), ids=FAULTS)
def test_faults_say_where_what_was_expected_and_what_came(data, text):
    code, found = made.objects(data, "--format", "pcap")
    assert code == 5
    assert [each["text"] for each in found if each["text"] == text] == [text]


def test_packets_of_other_kinds_are_passed_over():
    udp = made.packet(made.ip("192.0.2.1", "192.0.2.2", bytes(20), kind=17))
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    code, found = made.objects(made.pcap([udp, arp, *packets(V4)]))
    assert (code, made.frames_of(found)) == (0, made.frames_of(EXPECTED))


def test_packets_that_the_capture_has_cut_leave_gaps():
    code, found = made.objects(made.pcap(packets(V4), snap=200))
    assert code == 5
    assert [each["text"] for each in found if "missing" in each.get("text", "")]
    # What stands in the packets that were not cut is shown.
    assert {name for _, name, _ in made.frames_of(found)} >= {"sasl-init", "open", "attach", "disposition", "close"}
