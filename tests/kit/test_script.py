"""`Script`: a peer played byte by byte: what it waits for, what it sends, how it ends."""

from __future__ import annotations

import pytest

from proton.handlers import MessagingHandler
from proton.testing import Joined, Script

pytestmark = pytest.mark.usefixtures("nothing_of_the_system")

SASL = bytes.fromhex("414d515003010000")
AMQP = bytes.fromhex("414d515000010000")
MECHANISMS = bytes.fromhex("0000001c02010000005340c00f01e00c01a309") + b"ANONYMOUS"
OUTCOME_OK = bytes.fromhex("0000001002010000005344c003015000")
OPEN = bytes.fromhex("0000001002000000005310c00301a100")


class Program(MessagingHandler):
    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.notes = []

    def on_start(self, event):
        event.container.connect("amqp://peer.example", **self.options)

    def on_connection_opened(self, event):
        self.notes.append("open")

    def on_transport_error(self, event):
        self.notes.append(event.transport.condition.description)

    def on_disconnected(self, event):
        self.notes.append("lost")


def opened(connection):
    """Plays up to the open of the peer."""
    assert (yield 8) == SASL
    connection.send(SASL + MECHANISMS)
    init = yield from connection.read_frame()
    assert init[8:11] == b"\x00\x53\x41"
    connection.send(OUTCOME_OK)
    assert (yield 8) == AMQP
    frame = yield from connection.read_frame()
    assert frame[8:11] == b"\x00\x53\x10" and b"program" in frame
    connection.send(AMQP + OPEN)


def test_a_conversation_held_at_one_point():
    def silent(connection):
        yield from opened(connection)
        yield 1 << 20

    program, script = Program(heartbeat=10, reconnect=False), Script(silent)
    with Joined(program, script) as joined:
        joined.run()
        assert program.notes == ["open"]
        (connection,) = script.connections
        before = len(connection.received)
        joined.advance(10)
        assert program.notes == ["open", "local-idle-timeout expired", "lost"]
        assert len(connection.received) > before
        assert connection.has_ended and joined.finished
        with pytest.raises(RuntimeError, match="the peer is a broker or a script"):
            print(joined.peer_container)
        with pytest.raises(RuntimeError, match="there is no broker"):
            print(joined.broker)


def test_bytes_that_come_one_by_one():
    def dripping(connection):
        yield 8
        for byte in SASL + MECHANISMS:
            connection.send(bytes([byte]))
        yield from connection.read_frame()
        connection.send(OUTCOME_OK + AMQP + OPEN)

    program = Program()
    with Joined(program, Script(dripping)) as joined:
        joined.run()
        assert program.notes == ["open"]


@pytest.mark.parametrize("how, note", [("close", "open"), ("cut", "no protocol header found (connection aborted)")])
def test_an_end_in_the_middle(how, note):
    def ending(connection):
        yield from opened(connection)
        getattr(connection, how)()

    program, script = Program(reconnect=[5, 5]), Script(ending)
    with Joined(program, script) as joined:
        joined.run()
        # What was sent before an end in order arrives; what was on its way is lost with the connection.
        assert program.notes[0].endswith(note)
        assert "lost" in program.notes
        assert any("connection aborted" in text for text in program.notes)
        joined.advance(5)
        assert len(script.connections) == 2


def test_what_a_script_raises_comes_out_of_run():
    def wrong(connection):
        header = yield 8
        assert header == b"HTTP/1.1", f"got {header!r}"

    joined = Joined(Program(reconnect=False), Script(wrong))
    with pytest.raises(AssertionError, match="got b'AMQP"), joined:
        joined.run()


@pytest.mark.parametrize("size", [0, -1, "8", None])
def test_a_script_yields_numbers(size):
    def wrong(connection):
        yield size

    joined = Joined(Program(reconnect=False), Script(wrong))
    with pytest.raises(TypeError, match=f"expected a script that yields a number of bytes, got {size!r}"), joined:
        joined.run()
