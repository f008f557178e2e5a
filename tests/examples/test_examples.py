"""Each example as its user starts it: a program of its own, on a free port, judged by what it prints.

The broker is an example too; what it promises beyond passing messages on is in test_broker.py. Programs that need
more of a broker are in test_programs.py, the adaptors of loops in test_loops.py. An editor must keep: an example that
is added is run in this folder, and `test_every_example_is_run` says so when it is not.
"""

from __future__ import annotations

import contextlib
import re

import pytest

from tests.support.programs import ROOT, Program, await_port, free_port

VERSE = (
    "Twas brillig, and the slithy toves",
    "Did gire and gymble in the wabe.",
    "All mimsy were the borogroves,",
    "And the mome raths outgrabe.",
)


def example(name, *arguments):
    return Program(ROOT / "examples" / name, *arguments)


def bodies(first, last):
    return [str({"sequence": number}) for number in range(first, last + 1)]


@contextlib.contextmanager
def broker():
    """Where a broker listens."""
    port = free_port()
    with example("broker.py", "-a", f"127.0.0.1:{port}") as program:
        program.await_line("listening")
        yield f"127.0.0.1:{port}"


def test_helloworld_direct():
    with example("helloworld_direct.py", "-a", f"127.0.0.1:{free_port()}/examples") as program:
        assert program.finish() == ["Hello World!"]
        assert program.errors == []


def test_helloworld():
    with broker() as address, example("helloworld.py", "-a", f"{address}/examples") as program:
        assert program.finish() == ["Hello World!"]
        assert program.errors == []


@pytest.mark.parametrize("size", [0, 1000, 5_000_000])
def test_stream_send_then_stream_recv(size, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(b"0123456789" * (size // 10))
    address = f"127.0.0.1:{free_port()}"
    with example("stream_recv.py", "-a", address, copy) as receiver:
        receiver.await_line("listening")
        with example("stream_send.py", "-a", f"{address}/files", source) as sender:
            assert sender.finish() == ["sent"] and sender.errors == []
        assert receiver.finish()[-1] == "source: done" and receiver.errors == []
    assert copy.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("count", [1, 10, 250])
def test_simple_send_then_simple_recv(count):
    with broker() as address:
        with example("simple_send.py", "-a", f"{address}/queue", "-m", count) as sender:
            assert sender.finish() == ["all messages confirmed"]
        with example("simple_recv.py", "-a", f"{address}/queue", "-m", count) as receiver:
            assert receiver.finish() == bodies(1, count)


def test_simple_recv_leaves_what_it_did_not_ask_for():
    with broker() as address:
        with example("simple_send.py", "-a", f"{address}/queue", "-m", 100) as sender:
            sender.finish()
        for first, last in ((1, 30), (31, 100)):
            with example("simple_recv.py", "-a", f"{address}/queue", "-m", last - first + 1) as receiver:
                assert receiver.finish() == bodies(first, last)


def test_two_simple_recv_share_a_queue():
    with broker() as address, contextlib.ExitStack() as stack:
        receive = ("simple_recv.py", "-a", f"{address}/queue", "-m", 50)
        one, other = (stack.enter_context(example(*receive)) for _ in range(2))
        sender = stack.enter_context(example("simple_send.py", "-a", f"{address}/queue", "-m", 100))
        assert sender.finish() == ["all messages confirmed"]
        assert sorted(one.finish() + other.finish()) == sorted(bodies(1, 100))


@pytest.mark.parametrize("count", [1, 100])
def test_direct_send_to_simple_recv(count):
    address = f"127.0.0.1:{free_port()}/examples"
    with example("direct_send.py", "-a", address, "-m", count) as sender:
        await_port(int(re.search(r":(\d+)", address).group(1)))
        with example("simple_recv.py", "-a", address, "-m", count) as receiver:
            assert receiver.finish() == bodies(1, count)
        assert sender.finish() == ["all messages confirmed"]


@pytest.mark.parametrize("count", [1, 100])
def test_simple_send_to_direct_recv(count):
    address = f"127.0.0.1:{free_port()}/examples"
    with example("direct_recv.py", "-a", address, "-m", count) as receiver:
        await_port(int(re.search(r":(\d+)", address).group(1)))
        with example("simple_send.py", "-a", address, "-m", count) as sender:
            assert sender.finish() == ["all messages confirmed"]
        assert receiver.finish() == bodies(1, count)


def test_client_and_server_by_a_broker():
    with broker() as address, example("server.py", "-a", f"{address}/requests") as server:
        server.await_line("serving requests")
        for _ in range(2):
            with example("client.py", "-a", f"{address}/requests") as client:
                assert client.finish() == [f"{line} => {line.upper()}" for line in VERSE]
        assert server.lines[1:] == [f"Received {line}" for line in VERSE] * 2


def test_client_and_server_direct():
    address = f"127.0.0.1:{free_port()}/requests"
    with example("server_direct.py", "-a", address) as server:
        server.await_line("listening")
        with example("client.py", "-a", address) as client:
            assert client.finish() == [f"{line} => {line.upper()}" for line in VERSE]
        with example("client.py", "-a", address, "one", "two") as client:
            assert client.finish() == ["one => ONE", "two => TWO"]


def test_server_needs_a_relay():
    address = f"127.0.0.1:{free_port()}/requests"
    with example("server_direct.py", "-a", address) as peer:
        peer.await_line("listening")
        with example("server.py", "-a", address) as server:
            assert server.finish(code=1) == ["the broker does not offer ANONYMOUS-RELAY"]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_say_what_they_are(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith('"""')
    assert len(lines) <= 100


def test_recurring_timer():
    with example("recurring_timer.py", "-i", "0.05", "-n", "4") as program:
        assert program.finish() == ["Tick..."] * 4


def test_every_example_is_run():
    folders = [ROOT / "tests" / name for name in ("examples", "brokers")]
    source = "".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py"))
    examples = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")}
    assert examples, "no examples"
    imported = set(re.findall(r"^(?:import|from) (\w+)", "\n".join(examples.values()), re.M))
    run = set(re.findall(r'"(\w+)(?:\.py)?"', source))
    assert examples.keys() - imported - run == set()
