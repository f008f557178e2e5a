"""What tracing shows: headers, frames, heartbeats, ends of streams, raw bytes; and never a password."""

import pytest

from proton import Condition, Delivery, Transport
from tests.support.engines import HEARTBEAT, SASL_HEADER, Peer, Script, accept, frame, pump, put, take


def traced(peer, flags=Transport.TRACE_FRM):
    lines = []
    peer.transport.trace(flags)
    peer.transport.tracer = lambda transport, text: lines.append(text)
    return lines


@pytest.fixture
def lines():
    """The lines of a client that sends one message and closes everything."""
    a, b = Peer("client").bind(), Peer("server", 2).bind()
    lines = traced(a)
    a.connection.container = "client"
    b.connection.container = "server"
    a.connection.open()
    b.connection.open()
    session = a.connection.session()
    session.open()
    sender = session.sender("L")
    sender.source.address, sender.target.address = "src", "tgt"
    sender.open()
    pump(a, b)
    receiver = accept(b, 10)
    pump(a, b)
    sender.delivery("t1")
    sender.stream(b"hello")
    sender.advance()
    pump(a, b)
    receiver.current.update(Delivery.ACCEPTED)
    receiver.current.settle()
    pump(a, b)
    a.connection.condition = Condition("amqp:not-allowed", "no such channel: 0")
    a.connection.close()
    b.connection.close()
    pump(a, b)
    return lines


WINDOWS = "incoming-window=0x7fffffff, outgoing-window=0x7fffffff, handle-max=0x7fffffff]"
EXPECTED = [
    "FRAME:   -> AMQP",
    "FRAME:   <- AMQP",
    "FRAME: 0 -> @begin(17) [next-outgoing-id=0x0, " + WINDOWS,
    "FRAME: 0 <- @begin(17) [remote-channel=0x0, next-outgoing-id=0x0, " + WINDOWS,
    'FRAME: 0 -> @attach(18) [name="L", handle=0x0, role=false, snd-settle-mode=0x2, rcv-settle-mode=0x0, '
    'source=@source(40) [address="src", durable=0x0, timeout=0x0, dynamic=false], '
    'target=@target(41) [address="tgt", durable=0x0, timeout=0x0, dynamic=false], '
    "initial-delivery-count=0x0, max-message-size=0x0]",
    "FRAME: 0 <- @flow(19) [next-incoming-id=0x0, incoming-window=0x7fffffff, next-outgoing-id=0x0, "
    "outgoing-window=0x7fffffff, handle=0x0, delivery-count=0x0, link-credit=0xa, drain=false]",
    'FRAME: 0 -> @transfer(20) [handle=0x0, delivery-id=0x0, delivery-tag=b"t1", message-format=0x0] (5) hello',
    "FRAME: 0 <- @disposition(21) [role=true, first=0x0, settled=true, state=@accepted(36) []]",
    'FRAME: 0 -> @close(24) [error=@error(29) [condition=:"amqp:not-allowed", description="no such channel: 0"]]',
    "FRAME: 0 <- @close(24) []",
    "FRAME:   -> EOS",
]


@pytest.mark.parametrize("line", EXPECTED, ids=lambda line: line[7:30])
def test_frames_are_shown(lines, line):
    assert line in lines


def test_open_shows_what_it_says(lines):
    (sent,) = [line for line in lines if "-> @open" in line]
    assert sent.startswith('FRAME: 0 -> @open(16) [container-id="client", ')
    assert "max-frame-size=0x8000" in sent and "channel-max=0x7fff" in sent and "idle-time-out" not in sent
    assert len([line for line in lines if "<- @open(16)" in line]) == 1


def test_nothing_is_shown_when_tracing_is_off():
    a = Peer().bind()
    lines = traced(a, Transport.TRACE_OFF)
    a.connection.open()
    take(a.transport)
    assert lines == []


def test_heartbeats_and_ends_of_streams():
    script = Script().opened(idle_time_out=1000)
    lines = traced(script.peer)
    script.raw(HEARTBEAT)
    script.transport.tick(10), script.transport.tick(11)
    script.transport.close_tail()
    assert "FRAME: 0 <- (EMPTY FRAME)" in lines and "FRAME: 0 -> (EMPTY FRAME)" in lines
    assert "FRAME:   <- EOS" in lines


def test_each_end_shows_the_headers_of_both_in_their_order():
    peers = Peer("client"), Peer("server", Transport.SERVER)
    lines = [traced(peer) for peer in peers]
    for peer in peers:
        peer.transport.sasl().allowed_mechs("ANONYMOUS")
        peer.bind()
    pump(*peers)
    client, server = [[line for line in shown if "FRAME:   " in line] for shown in lines]
    assert client == [f"FRAME:   {header}" for header in ("-> SASL", "<- SASL", "-> AMQP", "<- AMQP")]
    assert server == [f"FRAME:   {header}" for header in ("<- SASL", "-> SASL", "<- AMQP", "-> AMQP")]


def test_raw_lines():
    a = Peer().bind()
    lines = traced(a, Transport.TRACE_RAW)
    a.connection.open()
    data = take(a.transport)[8:]
    raw = [line for line in lines if line.startswith("RAW: ->")]
    assert len(raw) * 16 >= len(data) - 8
    assert raw[0].startswith("RAW: ->0000/")
    shown = bytes.fromhex("".join(line.split(": ", 2)[2][:47] for line in raw).replace(" ", ""))
    assert shown in data  # the frame, or its body


def test_long_frames_are_cut():
    script = Script()
    sender = script.sender(max_frame_size=65536)
    lines = traced(script.peer)
    put(sender, b"x" * 5000)
    script.received()
    (line,) = [line for line in lines if "@transfer" in line]
    assert line.endswith(" ... (truncated)") and len(line) <= len("FRAME: ") + 1023


@pytest.mark.parametrize("received", [False, True], ids=["sent", "received"])
def test_a_password_is_never_shown(received):
    init = frame(0, "sasl-init", kind=1, mechanism="PLAIN", initial_response=b"\0fred\0secret")
    if received:
        peer = Peer("server", 2).bind()
        lines = traced(peer, Transport.TRACE_FRM | Transport.TRACE_RAW)
        peer.transport.push(SASL_HEADER + init)
    else:
        peer = Peer()
        peer.connection.user, peer.connection.password = "fred", "secret"
        peer.transport.sasl().allow_insecure_mechs = True
        lines = traced(peer, Transport.TRACE_FRM | Transport.TRACE_RAW)
        peer.bind()
        take(peer.transport)
        mechs = frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=["PLAIN"])
        peer.transport.push(SASL_HEADER + mechs)
        assert b"secret" in take(peer.transport)
    text = "\n".join(lines)
    assert "@sasl-init(65) [mechanism=:PLAIN" in text
    assert "secret" not in text and b"secret".hex(" ") not in text and "73 65 63" not in text


def test_sasl_headers_are_named():
    peer = Peer("server", 2).bind()
    lines = traced(peer)
    peer.transport.push(SASL_HEADER)
    take(peer.transport)
    assert lines[0] == "FRAME:   <- SASL" and "FRAME:   -> SASL" in lines
    assert "FRAME: 0 -> @sasl-mechanisms(64) [sasl-server-mechanisms=@<symbol>[:ANONYMOUS]]" in lines


def test_log_always_writes():
    transport = Transport()
    seen = []
    transport.tracer = lambda *args: seen.append(args)
    transport.log("hello")
    assert seen == [(transport, "TRACE: hello")]
    assert transport.tracer is not None


def test_a_tracer_that_raises_does_no_harm(capsys):
    a = Peer().bind()
    a.transport.trace(Transport.TRACE_FRM)

    def broken(transport, text):
        raise RuntimeError("broken")

    a.transport.tracer = broken
    a.connection.open()
    assert take(a.transport)
    assert "broken" in capsys.readouterr().err


def test_without_a_tracer_lines_go_to_standard_error(capsys):
    transport = Transport()
    transport.trace(Transport.TRACE_FRM)
    transport.log("hello")
    take(transport)
    logged, header = capsys.readouterr().err.splitlines()
    assert logged.startswith("[0x") and logged.endswith("]:*ALL*:TRACE:hello")
    assert header.endswith("]: AMQP:FRAME:  -> AMQP")


def test_tracing_does_not_change_what_is_sent():
    plain, shown = Script(), Script()
    traced(shown.peer, Transport.TRACE_FRM | Transport.TRACE_RAW)
    for script in (plain, shown):
        put(script.sender(max_frame_size=512), bytes(3000))
    assert take(plain.transport) == take(shown.transport)


def test_warnings_name_a_bad_frame_size():
    script = Script()
    lines = traced(script.peer, 0)
    script.opened(max_frame_size=100)
    assert lines == ["WARNING: Peer advertised bad max-frame (100), forcing to 512"]
    assert script.transport.remote_max_frame_size == 512
