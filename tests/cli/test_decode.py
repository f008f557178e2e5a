"""The command as it is used: lines, JSON, diagram, what is left out, exit codes, files that are not there."""

import json
import subprocess
import sys

import pytest

from proton import Message
from proton.cli import codes, main
from proton.cli.decode.conversation import Conversation
from proton.cli.decode.diagram import Diagram
from proton.cli.decode.lines import JsonLines, Lines, Options, Talk
from proton.cli.decode.values import json_of, text_of
from proton.codec.types import (
    Array,
    Described,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    symbol,
    timestamp,
    ulong,
)
from tests.support import captures as made
from tests.support.programs import ROOT, our_environment

SAID = made.recorded()
CAPTURE = made.pcap([made.packet(each) for each in made.segments(SAID, 1460)])

LINES = """\
connection 1: 192.0.2.1:40000 -> 192.0.2.2:5672
06:39:30.003000 1 -> header SASL
06:39:30.004000 1 <- header SASL
06:39:30.004000 1 <- sasl-mechanisms sasl-server-mechanisms=[SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN]
06:39:30.005000 1 -> sasl-init mechanism=PLAIN initial-response=***
06:39:30.006000 1 <- sasl-outcome code=ok
06:39:30.007000 1 -> header AMQP
06:39:30.007000 1 -> 0 open container-id="client" max-frame-size=512 channel-max=32767 properties={password=***, \
product="tests"}
"""
MESSAGES = """\
connection 1: 192.0.2.1:40000 -> 192.0.2.2:5672
06:39:30.012000 1 -> message 0 tag b"1" on "tokens" address "$cbs" (89 bytes)
                       application-properties: {"operation"="put-token", "type"="jwt", "name"="q"}
                       amqp-value: ***
06:39:30.014000 1 -> message 1 tag b"1" on "orders" address "q" (26 bytes)
                       properties: subject="first"
                       amqp-value: "hello"
06:39:30.016000 1 -> message 2 tag b"2" on "orders" address "q" (1222 bytes)
                       properties: message-id="second"
"""
DIAGRAM = """\
connection 1 at 06:39:30.003000: 192.0.2.1:40000 -> 192.0.2.2:5672
          192.0.2.1:40000                                        192.0.2.2:5672
    0.000 |--- header SASL -------------------------------------------------->|
    0.001 |<-- header SASL ------------------------------------------------|
    0.001 |<-- sasl-mechanisms sasl-server-mechanisms=[SCRAM-SHA-512, ... --|
    0.002 |--- sasl-init mechanism=PLAIN --------------------------------->|
"""


def test_lines():
    code, out, err = made.decoded(CAPTURE)
    assert (code, err) == (codes.DONE, "")
    assert out.startswith(LINES)
    assert "06:39:30.016000 1 -> 0 transfer handle=1 delivery-id=2" in out


def test_messages_alone():
    code, out, _ = made.decoded(CAPTURE, "--messages")
    assert code == codes.DONE
    assert out.startswith(MESSAGES)
    assert out.count("\n") == MESSAGES.count("\n") + 1


def test_bodies_are_left_out():
    _, out, _ = made.decoded(CAPTURE, "--messages", "--no-body")
    assert "amqp-value" not in out and 'subject="first"' in out
    _, found = made.objects(CAPTURE, "--messages", "--no-body")
    assert [sorted(each["message"]) for each in found][1] == sorted(
        ["link", "address", "delivery-id", "delivery-tag", "size", "properties", "body-type"]
    )
    _, out, _ = made.decoded(CAPTURE, "--diagram", "--no-body")
    assert "hello" not in out and "transfer" in out


def test_json_of_a_message():
    _, found = made.objects(CAPTURE, "--messages")
    assert found[1] == {
        "kind": "frame",
        "connection": 1,
        "from": "client",
        "time": 1764398370.014,
        "packet": 15,
        "byte": 395,
        "size": 50,
        "type": "amqp",
        "channel": 0,
        "performative": "transfer",
        "fields": {"handle": 1, "delivery-id": 1, "delivery-tag": {"binary": "31", "text": "1"}, "message-format": 0},
        "payload": 26,
        "message": {
            "link": "orders",
            "address": "q",
            "delivery-id": 1,
            "delivery-tag": {"binary": "31", "text": "1"},
            "size": 26,
            "properties": {"subject": "first"},
            "body-type": "amqp-value",
            "body": "hello",
        },
    }


def test_json_has_no_more_than_a_line_for_each_frame():
    _, out, _ = made.decoded(CAPTURE, "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert {each["kind"] for each in found} == {"connection", "header", "frame"}
    assert {each["performative"] for each in found if each["kind"] == "frame"} >= {"open", "attach", "flow", "close"}


@pytest.mark.parametrize("option, expected", [(("--json",), 4), ((), 4), (("--messages", "--json"), 3)])
def test_a_limit_ends_it(option, expected):
    # The number of the connection is not counted, nor are messages frames.
    code, out, _ = made.decoded(CAPTURE, "--limit", "3", *option)
    assert (code, len(out.splitlines())) == (codes.DONE, expected)


def test_a_diagram(monkeypatch):
    monkeypatch.setenv("COLUMNS", "81")
    code, out, _ = made.decoded(CAPTURE, "--diagram")
    assert code == codes.DONE
    rows = out.splitlines()
    assert rows[:3] == DIAGRAM.splitlines()[:3]
    assert {len(row) for row in rows[2:]} == {79}
    shown = [row[10:].strip("|").strip("-<> ") for row in rows[2:]]
    names = [row.split()[0] for row in shown]
    assert names[:7] == ["header", "header", "sasl-mechanisms", "sasl-init", "sasl-outcome", "header", "open"]
    assert '"hello"' in shown
    assert "transfer x3 handle=1 delivery-id=2" in shown
    assert [row for row in rows if "<--" in row and "->" in row] == []


def test_a_diagram_of_two_connections_and_of_faults():
    ends = (("192.0.2.9", 1), made.SERVER)
    others = made.segments([(0, b"AMQP\0\1\0\0\0\0\0\3")], ends=ends)
    contents = made.segments(SAID)
    data = made.pcap([*contents[:6], *others, *contents[6:]], made.RAW)
    code, out, _ = made.decoded(data, "--diagram")
    assert code == codes.INPUT
    headings = [line for line in out.splitlines() if line.startswith("connection")]
    assert [line.split()[1] for line in headings] == ["1", "2", "1"]
    assert "!! byte 8 of 192.0.2.9:1: expected a frame of 3 bytes" in out or "!! byte 8 of 192.0.2.9:1: expected" in out


def test_heartbeats_are_one_arrow():
    _, out, _ = made.decoded(b"AMQP\0\1\0\0" + b"\0\0\0\x08\x02\0\0\0" * 5, "--diagram")
    assert out.count("(empty frame)") == 1 and "(empty frame) x5" in out


def test_several_files(tmp_path, capsys):
    names = []
    for direction in (0, 1):
        file = tmp_path / f"{direction}.bin"
        file.write_bytes(made.joined(SAID, direction))
        names.append(str(file))
    assert main(["decode", "--json", *names]) == codes.DONE
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["connection"] for each in found} == {1, 2}


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_files_that_cannot_be_read(name, tmp_path, capsys):
    path = str(tmp_path / name)
    assert main(["decode", path]) == codes.INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pure-proton decode: {path}: ") and err.count("\n") == 1


def test_packed_data_that_is_cut():
    code, out, err = made.decoded(b"\x1f\x8b\x08" + b"\xff" * 30)
    assert (code, out) == (codes.INPUT, "")
    assert err.startswith("pure-proton decode: -: ") and err.count("\n") == 1


def test_no_input_is_said():
    assert made.decoded(b"") == (codes.INPUT, "", "pure-proton decode: -: expected input, got none\n")


@pytest.mark.parametrize("how", [(), ("--json",), ("--diagram",)])
def test_a_connection_that_is_not_there_is_told(how):
    capture = made.pcap([made.packet(content) for content in made.segments(SAID)])
    found = made.decoded(capture, "--connection", "2", *how)
    assert found == (codes.INPUT, "", "pure-proton decode: expected a connection 2, got 1 in all\n")


def test_digits_in_place_of_a_file_are_told_where_they_belong(capsys):
    for name, is_told in (("414d515003010000", True), ("414d.pcap", False), ("cafe", False)):
        assert main(["decode", name]) == codes.INPUT
        assert ("; digits are read from standard input" in capsys.readouterr().err) == is_told


@pytest.mark.parametrize("how", [(), ("--format", "trace")])
def test_lines_of_frames_without_bytes_are_told(how):
    line = b'[0x7ff426006a50]: AMQP:FRAME:0 -> @open(16) [container-id="x"]\n'
    code, out, _ = made.decoded(b"text before\n" + line, *how)
    assert code == codes.INPUT
    assert "expected the lines of PN_TRACE_RAW=1, got those of PN_TRACE_FRM=1 or --verbose, without bytes" in out


@pytest.mark.parametrize(
    "words", [["--port", "0"], ["--port", "x"], ["--limit", "0"], ["--json", "--diagram"], ["--format", "x"]]
)
def test_wrong_options(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["decode", *words])
    assert caught.value.code == codes.USAGE
    assert "pure-proton decode: error: " in capsys.readouterr().err


def test_as_a_process_with_a_pipe_that_is_closed(tmp_path):
    file = tmp_path / "a.pcap"
    file.write_bytes(made.pcap([made.packet(each) for each in made.segments(SAID, 50)]))
    decode = f"{sys.executable} -m proton decode {file} {file} {file}"
    done = subprocess.run(
        ["bash", "-c", f"({decode}; echo $? >&2) | head -1"],
        env=our_environment(),
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert done.stdout.startswith(b"connection 1: ")
    assert done.stderr in (b"141\n", b"0\n")


VALUES = {
    "null": (None, "null", None),
    "true": (True, "true", True),
    "integer": (ulong(7), "7", 7),
    "text": ('a"\\\n\x1b\u202e', '"a\\"\\\\\\n\\x1b\\u202e"', 'a"\\\n\x1b\u202e'),
    "symbol": (symbol("amqp:x"), "amqp:x", "amqp:x"),
    "symbol with spaces": (symbol("a b"), '"a b"', "a b"),
    "char": (char("x"), '"x"', "x"),
    "bytes": (b"\0a", 'b"\\x00a"', {"binary": "0061"}),
    "printable bytes": (b"ab", 'b"ab"', {"binary": "6162", "text": "ab"}),
    "float": (float32(0.1), "0.1", float(float32(0.1))),
    "infinity": (float("inf"), "inf", "inf"),
    "decimal32": (decimal32(255), "decimal32(0xff)", {"decimal32": "0xff"}),
    "decimal64": (decimal64(1), "decimal64(0x1)", {"decimal64": "0x1"}),
    "decimal128": (decimal128(bytes(16)), f"decimal128({'00' * 16})", {"decimal128": "00" * 16}),
    "timestamp": (timestamp(1764398370123), "2025-11-29T06:39:30.123Z", 1764398370123),
    "no date": (timestamp(1 << 62), str(1 << 62), 1 << 62),
    "map": ({symbol("a"): 1, "b": [None]}, '{a=1, "b"=[null]}', {"a": 1, "b": [None]}),
    "map of numbers": ({1: 2}, "{1=2}", {"map": [[1, 2]]}),
    "array": (Array(ulong(0), 6, 1, 2), "[1, 2]", [1, 2]),
    "described": (Described(symbol("x:y"), 1), "@x:y 1", {"descriptor": "x:y", "value": 1}),
    "composite": (
        Described(ulong(0x1D), [symbol("amqp:x"), "y", None]),
        'error(condition=amqp:x, description="y")',
        {"type": "error", "condition": "amqp:x", "description": "y"},
    ),
    "choice": (Described(ulong(0x28), ["q", 2]), 'source(address="q", durable=unsettled-state)', None),
    "many": (list(range(60)), "[" + ", ".join(map(str, range(50))) + ", ... (10 more)]", list(range(60))),
    "long text": ("x" * 1010, '"' + "x" * 1000 + '"... (10 more)', "x" * 1010),
}


@pytest.mark.parametrize("value, text, found", VALUES.values(), ids=VALUES)
def test_values(value, text, found):
    assert text_of(value) == text
    assert found is None or json_of(value) == found
    json.dumps(json_of(value), allow_nan=False)


@pytest.mark.parametrize("kind", [Lines, JsonLines, Diagram])
def test_a_conversation_can_be_shown_without_a_capture(kind):
    rows = []
    output = kind(rows.append, Options(), 80) if kind is Diagram else kind(rows.append, Options())
    talk = Talk(1, "", ("", ""), (None, None))
    conversation = Conversation()
    output.begin(talk)
    for direction, data in made.recorded(messages=[Message(body=[1, 2])]):
        for event in conversation.feed(direction, data):
            output.event(talk, event)
    output.end()
    assert "[1, 2]" in "".join(rows) or "[1,2]" in "".join(rows)
