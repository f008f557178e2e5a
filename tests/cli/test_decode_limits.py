"""What decoding keeps: the memory for a capture does not grow with it, nor with connections that never end."""

import gzip
import importlib
import io
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

from proton import Message
from proton.cli import main, progress
from proton.cli.decode import streams
from proton.cli.decode.capture import Packet
from proton.cli.decode.packets import segment_of
from proton.cli.decode.streams import Connections
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support import captures as made
from tests.support.programs import ROOT, our_environment


def chunks_of(contents, connections=None):
    connections = connections or Connections()
    for number, content in enumerate(contents, 1):
        yield from connections.add(segment_of(Packet(number, None, made.RAW, content)))


def test_what_comes_early_is_bounded():
    # Byte 8 to 12 never comes: what follows is given up to a limit, then a gap is said.
    ends = (made.CLIENT, made.SERVER)
    start = [made.tcp(ends, 1000, 0, made.SYN), made.tcp(ends, 1001, 0, made.ACK, b"AMQP\0\1\0\0")]
    later = (made.tcp(ends, 1013 + 1000 * number, 0, made.ACK, bytes(1000)) for number in itertools.count())
    held = 0
    for chunk in chunks_of(itertools.chain(start, later)):
        if chunk.kind == "gap":
            held = chunk.packet
            assert chunk.size == 4
            break
    assert held == 3
    assert streams.MAX_HELD == 1 << 20


def test_connections_that_are_followed_are_bounded(monkeypatch):
    monkeypatch.setattr(streams, "MAX_CONNECTIONS", 5)
    ends = [(("192.0.2.1", port), made.SERVER) for port in range(1, 21)]
    contents = [made.segments([(0, b"AMQP\0\1\0\0")], ends=each, finish=False) for each in ends]
    kinds = [chunk.kind for chunk in chunks_of(itertools.chain(*contents))]
    assert kinds.count("data") == 20
    assert kinds.count("closed") == 15


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("words", "stdout", "is_shown"),
    [([], io.StringIO, True), (["--quiet"], io.StringIO, False), ([], Terminal, False)],
)
def test_a_long_capture_shows_how_much_of_it_is_read(monkeypatch, tmp_path, is_packed, words, stdout, is_shown):
    recorded = made.recorded(messages=[Message("x" * 4000)] * 10)
    # Longer than any Python reads at once: the clock of this test ticks with each read.
    contents = [made.segments(recorded, ends=(("192.0.2.1", port), made.SERVER)) for port in range(1, 41)]
    capture = made.pcap([made.packet(content) for content in itertools.chain(*contents)])
    file = tmp_path / "capture"
    file.write_bytes(gzip.compress(capture, 0) if is_packed else capture)
    now = itertools.count()
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(importlib, "import_module", without_rich(importlib.import_module))
    monkeypatch.setattr(sys, "stdout", stdout())
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["decode", str(file), *words]) == 0
    lines = sys.stderr.getvalue().splitlines()
    assert bool(lines) == is_shown
    size = file.stat().st_size / 1e6
    for line in lines:
        done = float(re.fullmatch(rf"MB read: (\d+\.\d)/{size:.1f}  \d+\.\d/s", line)[1])
        assert 0 <= done <= size + 0.05


def without_rich(load):
    def load_others(name):
        if name.startswith("rich"):
            raise ImportError(name)
        return load(name)

    return load_others


def test_memory_does_not_grow_with_the_capture():
    said = made.recorded(messages=[Message(body="x" * 4000)] * 10)
    once = made.segments(said, finish=True)

    def peak(rounds):
        def contents():
            for number in range(rounds):
                yield from made.segments(said, starts=(number * 100_000, number * 70_000)) if number else once

        with tempfile.TemporaryFile() as file:
            for part in contents():
                file.write(made.pcap([part], made.RAW)[24 if file.tell() else 0 :])
            file.seek(0)
            command = [sys.executable, "-c", PEAK]
            done = subprocess.run(
                command, stdin=file, env=our_environment(), cwd=ROOT, capture_output=True, check=True, timeout=120
            )
        return int(done.stderr.split()[-1])

    pytest.importorskip("tracemalloc", reason="PyPy does not count what is allocated", exc_type=ImportError)
    small, large = peak(5), peak(100)
    assert large < small + (1 << 20), (small, large)


PEAK = """
import sys, tracemalloc
from proton.cli import main
tracemalloc.start()
assert main(["decode"]) == 0
sys.stderr.write(str(tracemalloc.get_traced_memory()[1]))
"""


def capturing(path, port):
    """Starts tcpdump on loopback, or skips the test where that is not allowed."""
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    command = ["tcpdump", "-i", "lo", "-U", "--immediate-mode", "-w", str(path), "tcp", "port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    line = process.stderr.readline()
    while line and b"listening on" not in line:
        line = process.stderr.readline()
    if not line:
        process.wait(10)
        process.stderr.close()
        pytest.skip("tcpdump is not allowed to capture")
    return process


def test_a_real_capture(tmp_path):
    file = tmp_path / "real.pcap"
    with Broker() as broker:
        process = capturing(file, broker.port)
        try:
            connection = BlockingConnection(broker.url)
            connection.create_sender("q").send(Message(body="over the wire"))
            connection.close()
            deadline = time.monotonic() + 10
            found = []
            while [each for each in found if each.get("performative") == "close"] == [] and time.monotonic() < deadline:
                found = made.objects(file.read_bytes(), "--port", str(broker.port), "--format", "pcap")[1]
        finally:
            process.terminate()
            process.wait(10)
            process.stderr.close()
    code, found = made.objects(file.read_bytes(), "--port", str(broker.port))
    assert code == 0
    assert [each["message"]["body"] for each in found if "message" in each] == ["over the wire"]
    assert {"open", "begin", "attach", "flow", "transfer", "disposition", "close"} <= {
        name for _, name, _ in made.frames_of(found)
    }
