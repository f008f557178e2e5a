"""Text as input: hexadecimal digits in the forms of other tools, base64, and the traces of the package itself."""

import base64
import io
import shutil
import subprocess

import pytest

from proton import Transport
from proton.cli.decode.capture import Packet, Unreadable
from proton.cli.decode.text import Piece, read_text, recognised
from tests.support import captures as made
from tests.support.engines import Peer, frame, pump

DATA = made.joined(made.recorded(), 0)
ODD = DATA[:101]
DIGITS = DATA.hex()


def read(text, form=None):
    data = text.encode() if isinstance(text, str) else text
    return list(read_text(io.BytesIO(data), form or recognised(data[:4096])))


def joined(found, direction=0):
    return b"".join(piece.data for piece in found if piece.direction == direction)


def in_lines(text, width):
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def wireshark(data, indent=""):
    rows = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = [f"{octet:02x}" for octet in row]
        shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)
        rows.append(f"{indent}{at:08X}  {' '.join(pairs[:8])}  {' '.join(pairs[8:]):23s}   {shown[:8]} {shown[8:]}")
    return rows


TEXTS = {
    "digits": DIGITS,
    "capital digits": DIGITS.upper(),
    "lines": in_lines(DIGITS, 60) + "\n",
    "lines with an odd number of digits": in_lines(DIGITS, 61),
    "pairs": DATA.hex(" "),
    "pairs with colons": DATA.hex(":"),
    "groups of four bytes": DATA.hex(" ", -4),
    "C": "unsigned char a[] = {\n" + ", ".join(f"0x{octet:02x}" for octet in DATA) + "\n};\nunsigned int a_len = 9;\n",
    "escapes": "".join(f"\\x{octet:02x}" for octet in DATA),
    "base64": base64.b64encode(DATA).decode(),
    "base64 in lines": base64.encodebytes(DATA).decode(),
    "base64 without padding": base64.b64encode(DATA).decode().rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(DATA).decode(),
    "base64 in parts": base64.b64encode(DATA[:100]).decode() + "\n" + base64.b64encode(DATA[100:]).decode(),
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}" + DIGITS,
    "comment": "# client\n" + DIGITS,
    "Windows": in_lines(DIGITS, 60).replace("\n", "\r\n"),
    "Wireshark": "\n".join(wireshark(DATA)),
    "raw": DATA,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_forms_of_text(text):
    assert joined(read(text)) == DATA


@pytest.mark.parametrize(
    "data", [DATA, ODD, b"AMQP" + b"\xaa" * 300 + b"end", b"\0" * 5000], ids=["all", "odd", "rows", "zeros"]
)
@pytest.mark.parametrize(
    "command",
    [
        "xxd",
        "xxd -g1",
        "xxd -u",
        "xxd -p",
        "xxd -i",
        "xxd -a",
        "hexdump",
        "hexdump -C",
        "hexdump -Cv",
        "od -A x -t x1z",
    ],
)
def test_other_tools(command, data):
    words = command.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    text = subprocess.run(words, input=data, capture_output=True, check=True).stdout
    assert joined(read(text, "hex")) == data
    assert recognised(text[:4096]) == "hex"


def test_both_directions_of_a_stream_that_wireshark_has_followed():
    answer = made.joined(made.recorded(), 1)
    rows, moved = wireshark(DATA), wireshark(answer, "    ")
    found = read("\n".join([*rows[:4], *moved[:6], *rows[4:], *moved[6:]]))
    assert (joined(found, 0), joined(found, 1)) == (DATA, answer)


@pytest.mark.parametrize("option", ["-x", "-X", "-xx", "-XX"])
@pytest.mark.parametrize("ends", [(made.CLIENT, made.SERVER), (made.CLIENT6, made.SERVER6)], ids=["IPv4", "IPv6"])
def test_packets_that_tcpdump_prints(option, ends, tmp_path):
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    data = made.pcap([made.packet(each) for each in made.segments(made.recorded(), 300, ends=ends)])
    file = tmp_path / "a.pcap"
    file.write_bytes(data)
    text = subprocess.run(
        ["tcpdump", "-n", option, "-r", file], capture_output=True, check=True, env={"TZ": "UTC"}
    ).stdout
    assert all(isinstance(each, Packet) for each in read(text))
    code, found = made.objects(text)
    _, expected = made.objects(data)
    assert code == 0
    assert made.frames_of(found) == made.frames_of(expected)
    assert [each.get("packet") for each in found] == [each.get("packet") for each in expected]
    assert found[1]["time"] == pytest.approx(expected[1]["time"] % 86400)


def test_packets_in_text_that_were_made_by_hand():
    rows = []
    for number, content in enumerate(made.segments(made.recorded(), 300)):
        rows.append(f"06:39:30.{number:06d} IP 192.0.2.1.40000 > 192.0.2.2.5672: Flags [.], length 0")
        rows += [
            f"\t0x{at:04x}:  {content[at : at + 16].hex(' ', -2):39s}  ................"
            for at in range(0, len(content), 16)
        ]
    code, found = made.objects("\n".join(rows).encode())
    _, expected = made.objects(made.pcap([made.packet(each) for each in made.segments(made.recorded(), 300)]))
    assert (code, made.frames_of(found)) == (0, made.frames_of(expected))
    assert found[1]["time"] == 23970.000003


def test_traces_of_the_package():
    lines = []
    client, server = Peer("client"), Peer("server", Transport.SERVER)
    client.transport.trace(Transport.TRACE_RAW | Transport.TRACE_FRM)
    client.transport.tracer = lambda transport, text: lines.append(f"[0x7f00]:   IO:  {text}")
    for peer in (client.bind(), server.bind()):
        peer.connection.container = peer.name
        peer.connection.open()
    pump(client, server)
    code, found = made.objects("\n".join(lines).encode())
    assert code == 0
    assert found[0]["ends"] == ["this end", "peer"]
    assert [(each["from"], each["fields"]["container-id"]) for each in found[1:]] == [
        ("local", "client"),
        ("remote", "server"),
    ]


WRONG = {
    "digits": ("4", "hex", "expected an even number of hexadecimal digits, got one more, '4'"),
    "letters": ("41\n4d zz\n", "hex", "expected hexadecimal digits in line 2, got '4d zz'"),
    "base64": ("AAAA\nA!!A\n", "base64", "expected base64 in line 2, got 'A!!A'"),
    "offset": (
        "00000000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41\n*\n7fffffff\n",
        "hex",
        "expected an offset from 16 to 16777216 more behind '*', got 2147483647",
    ),
}


@pytest.mark.parametrize("text, form, said", WRONG.values(), ids=WRONG)
def test_text_that_cannot_be_read(text, form, said):
    with pytest.raises(Unreadable) as caught:
        read(text, form)
    assert str(caught.value) == said
    code, out, _ = made.decoded(text.encode(), "--format", form)
    assert code == 5 and f"-- {said}\n" in out


RECOGNISED = {
    b"AMQP\0\1\0\0": "raw",
    frame(0, "close"): "raw",
    b"\x16\x03\x01": "raw",
    b"GET / HTTP/1.1\r\n": "raw",
    b"": "raw",
    b"41 4d": "hex",
    b"QU1RUA==": "base64",
    b"\x0a\x0d\x0d\x0a": "pcap",
    b"\xd4\xc3\xb2\xa1": "pcap",
}


@pytest.mark.parametrize("head, form", RECOGNISED.items())
def test_formats_are_recognised(head, form):
    assert recognised(head) == form


def test_a_format_can_be_told():
    assert read("414d", "raw") == [Piece("", 0, b"414d")]
