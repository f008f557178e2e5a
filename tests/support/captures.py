"""Captures made by hand: conversations of two engines, as segments of TCP, as packets, as pcap and pcapng files.

`recorded` gives what two engines say to each other, in order, as (direction, bytes): 0 is from the client. `segments`
makes segments of that, `packets` puts them into packets of a link type, `pcap` and `pcapng` into a file.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import struct
import sys
import types
from unittest import mock

from proton import Message, Transport, symbol
from proton.cli import main
from tests.support.engines import Peer, step

FIN, SYN, PUSH, ACK = 1, 2, 8, 16
CLIENT, SERVER = ("192.0.2.1", 40000), ("192.0.2.2", 5672)
CLIENT6, SERVER6 = ("2001:db8::1", 40000), ("2001:db8::2", 5672)
PASSWORD = "Pa55word"
TOKEN = "SharedAccessSignature sr=x&sig=T0ken"
ETHERNET, NULL, RAW, LOOP, COOKED, COOKED2 = 1, 0, 101, 108, 113, 276


def recorded(mechanism="PLAIN", max_frame_size=512, messages=()):
    """A client logs in, sends a token to a `$cbs` node, and messages to the queue `q`; all is closed."""
    client, server = Peer("client", max_frame_size=max_frame_size), Peer("server", Transport.SERVER)
    server.transport.max_frame_size = max_frame_size
    if mechanism:
        client.connection.user, client.connection.password = "fred", PASSWORD
        sasl = client.transport.sasl()
        sasl.allow_insecure_mechs = True
        sasl.allowed_mechs(mechanism)
        accepting = server.transport.sasl()
        accepting.allow_insecure_mechs = True
        accepting.credentials = {"fred": PASSWORD}
    said = []
    client.bind(), server.bind()
    client.connection.container, server.connection.container = "client", "server"
    client.connection.properties = {symbol("password"): PASSWORD, symbol("product"): "tests"}

    def run():
        while True:
            sizes = len(client.wire), len(server.wire)
            moved = step(client, server)
            _note(said, 0, client, sizes[0])
            moved |= step(server, client)
            _note(said, 1, server, sizes[1])
            _answer(server)
            if not moved:
                return

    client.connection.open()
    session = client.connection.session()
    session.open()
    run()
    tokens, sender = session.sender("tokens"), session.sender("orders")
    tokens.target.address, sender.target.address = "$cbs", "q"
    tokens.open(), sender.open()
    run()
    tokens.send(Message(body=TOKEN, properties={"operation": "put-token", "type": "jwt", "name": "q"}))
    run()
    for message in messages or (Message(body="hello", subject="first"), Message(body="x" * 1200, id="second")):
        sender.send(message)
        run()
    sender.close(), tokens.close(), session.close(), client.connection.close()
    run()
    server.connection.close()
    run()
    return said


def _note(said, direction, peer, known):
    if len(peer.wire) > known:
        said.append((direction, bytes(peer.wire[known:])))


def _answer(server):
    for session in server.connection.sessions(server.connection.LOCAL_UNINIT):
        session.open()
    for link in list(server.connection.links(server.connection.LOCAL_UNINIT)):
        link.source.copy(link.remote_source), link.target.copy(link.remote_target)
        link.open()
        link.flow(10)
    if server.connection.state & server.connection.LOCAL_UNINIT and server.connection.remote_container:
        server.connection.open()
    for link in server.connection.links(0):
        delivery = link.current
        while delivery is not None and not delivery.partial:
            link.recv(1 << 20), link.advance()
            delivery.update(delivery.ACCEPTED), delivery.settle()
            delivery = link.current


def joined(said, direction):
    return b"".join(data for each, data in said if each == direction)


# -- TCP --------------------------------------------------------------------------------------------------------------


def tcp(ends, sequence, acknowledged, flags, data=b""):
    """A packet of IP with a segment from `ends[0]` to `ends[1]`."""
    (source, source_port), (destination, destination_port) = ends
    segment = struct.pack(
        ">HHIIBBHHH",
        source_port,
        destination_port,
        sequence & 0xFFFFFFFF,
        acknowledged & 0xFFFFFFFF,
        0x50,
        flags,
        65535,
        0,
        0,
    )
    return ip(source, destination, segment + data)


def ip(source, destination, content, kind=6, fragment=0, extensions=b"", first=None):
    """A packet of IPv4 or IPv6; `extensions` are headers of IPv6, the first of the kind `first`."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if source.version == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, fragment, 64, kind, 0)
        return head + source.packed + destination.packed + content
    head = struct.pack(">IHBB", 6 << 28, len(extensions) + len(content), kind if first is None else first, 64)
    return head + source.packed + destination.packed + extensions + content


def segments(said, size=1460, starts=(1000, 5000), ends=(CLIENT, SERVER), finish=True):
    """The packets of IP of a connection in which `said` is said, in order: handshake, data, end."""
    numbers = list(starts)
    both = (ends, ends[::-1])
    found = [tcp(both[0], numbers[0], 0, SYN), tcp(both[1], numbers[1], numbers[0] + 1, SYN | ACK)]
    numbers = [numbers[0] + 1, numbers[1] + 1]
    found.append(tcp(both[0], *numbers, ACK))
    for direction, data in said:
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            found.append(tcp(both[direction], numbers[direction], numbers[1 - direction], ACK | PUSH, piece))
            numbers[direction] += len(piece)
    if finish:
        found.append(tcp(both[0], *numbers, ACK | FIN))
        found.append(tcp(both[1], numbers[1], numbers[0] + 1, ACK | FIN))
    return found


# -- link layers and files --------------------------------------------------------------------------------------------


def packet(content, link_type=ETHERNET, vlans=()):
    """A packet of IP in one of a link type."""
    ethertype = 0x0800 if content[0] >> 4 == 4 else 0x86DD
    tags = b"".join(struct.pack(">HH", tag, number) for number, tag in enumerate(vlans, 1)) + struct.pack(
        ">H", ethertype
    )
    if link_type == ETHERNET:
        return bytes(12) + tags + content + bytes(max(0, 46 - len(content)))
    if link_type == COOKED:
        return struct.pack(">HHH", 0, 1, 6) + bytes(8) + tags + content
    if link_type == COOKED2:
        return struct.pack(">HHIHBB", ethertype, 0, 1, 1, 0, 6) + bytes(8) + content
    if link_type == NULL:
        return struct.pack("<I", 2 if ethertype == 0x0800 else 30) + content
    if link_type == LOOP:
        return struct.pack(">I", 2 if ethertype == 0x0800 else 24) + content
    return content


BEGAN = 1_764_398_370  # 2025-11-29 06:39:30 UTC
STEP = 1_000_000  # nanoseconds between two packets


def pcap(contents, link_type=ETHERNET, order="<", nanoseconds=False, snap=1 << 18):
    """A pcap file with packets a millisecond apart."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link_type)]
    for number, content in enumerate(contents):
        fraction = number * STEP // (1 if nanoseconds else 1000)
        unit = 10**9 if nanoseconds else 10**6
        seen = content[:snap]
        pieces.append(struct.pack(order + "IIII", BEGAN + fraction // unit, fraction % unit, len(seen), len(content)))
        pieces.append(seen)
    return b"".join(pieces)


def block(order, kind, content):
    content += bytes(-len(content) % 4)
    size = struct.pack(order + "I", len(content) + 12)
    return struct.pack(order + "I", kind) + size + content + size


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def pcapng(contents, link_type=ETHERNET, order="<", resolution=6, kind=6, offset=0):
    """A pcapng file with one section and one interface, packets a millisecond apart; `kind` of blocks: 2, 3 or 6."""
    pieces = [block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    options = option(order, 9, bytes([resolution]))
    if offset:
        options += option(order, 14, struct.pack(order + "q", offset))
    pieces.append(block(order, 1, struct.pack(order + "HHI", link_type, 0, 0) + options + option(order, 0, b"")))
    units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    for number, content in enumerate(contents):
        time = (BEGAN - offset) * units + number * STEP * units // 10**9
        if kind == 6:
            head = struct.pack(order + "IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(content), len(content))
        elif kind == 2:
            head = struct.pack(order + "HHIIII", 0, 0, time >> 32, time & 0xFFFFFFFF, len(content), len(content))
        else:
            head = struct.pack(order + "I", len(content))
        pieces.append(block(order, kind, head + content))
    return b"".join(pieces)


# -- the command ------------------------------------------------------------------------------------------------------


def decoded(data, *arguments):
    """Runs `decode` on standard input: the exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    stdin = types.SimpleNamespace(buffer=io.BytesIO(data))
    with mock.patch.object(sys, "stdin", stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["decode", *arguments])
    return code, out.getvalue(), err.getvalue()


def objects(data, *arguments):
    """The exit code and the JSON objects of `decode --json`."""
    code, out, err = decoded(data, "--json", *arguments)
    assert err == ""
    return code, [json.loads(line) for line in out.splitlines()]


def frames_of(found):
    """What was said, without times and packets: (from, protocol or performative, byte) of each header and frame."""
    return [
        (each["from"], each.get("protocol") or each.get("performative"), each["byte"])
        for each in found
        if each["kind"] in ("header", "frame", "empty")
    ]


def by_end(found):
    """The frames of each end, in order."""
    shown = frames_of(found)
    return {end: [each[1:] for each in shown if each[0] == end] for end in ("client", "server")}
