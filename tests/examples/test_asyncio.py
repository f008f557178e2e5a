"""The programs of `proton.asyncio`, as their user starts them: against the broker of the examples, and each other."""

import json
import signal
import sys
import urllib.error
import urllib.request

import pytest

from tests.examples.test_examples import VERSE, broker, example
from tests.support.programs import ROOT, Program, free_port

DONE_NOT = "ended before the work was done"
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="loops have no signal handlers there")
PROGRAMS = [
    "asyncio_producer.py",
    "asyncio_workers.py",
    "asyncio_rpc_server.py",
    "asyncio_rpc_client.py",
    "helloworld_asyncio.py",
]
SIGNALLED = ["asyncio_shutdown.py"]


@pytest.fixture(scope="module")
def address():
    with broker() as address:
        yield address


def finished(name, *arguments):
    with example(name, *arguments) as program:
        lines = program.finish()
        assert program.errors == []
        return lines


def test_hello_world(address):
    assert finished("helloworld_asyncio.py", "-a", f"{address}/hello") == ["Hello World!"]


def test_many_messages_at_once(address):
    assert sorted(finished("proton_asyncio.py", "-a", f"{address}/many", "-m", 500)) == [
        "all messages confirmed",
        "received 500 messages",
    ]


def test_a_producer_and_a_pool_of_workers(address):
    assert finished("asyncio_producer.py", "-a", f"{address}/jobs", "-m", 20) == ["20 jobs sent"]
    lines = finished("asyncio_workers.py", "-a", f"{address}/jobs", "-w", 3, "-i", 0.5)
    assert sorted(lines[:-1]) == sorted(f"{number} => {number**2}" for number in range(1, 21))
    assert lines[-1] == "20 jobs done by 3 workers"


def test_work_that_makes_no_sense_is_rejected(address):
    assert finished("simple_send.py", "-a", f"{address}/odd-jobs", "-m", 1) == ["all messages confirmed"]
    finished("asyncio_workers.py", "-a", f"{address}/odd-jobs", "-i", 0.2)
    # The broker has dropped it.
    assert finished("asyncio_workers.py", "-a", f"{address}/odd-jobs", "-i", 0.2)[0] == "0 jobs done by 4 workers"


def test_requests(address):
    with example("asyncio_rpc_server.py", "-a", f"{address}/requests") as server:
        server.await_line("serving")
        for client in ("asyncio_rpc_client.py", "client.py"):
            assert finished(client, "-a", f"{address}/requests") == [f"{line} => {line.upper()}" for line in VERSE]
        assert server.errors == []


@needs_signals
def test_a_signal_has_the_program_finish_what_it_has_begun(address):
    finished("asyncio_producer.py", "-a", f"{address}/slow-jobs", "-m", 5)
    with example("asyncio_shutdown.py", "-a", f"{address}/slow-jobs", "-s", 0.5) as program:
        program.await_line("begun: 1")
        program.signal(signal.SIGTERM)
        assert program.finish() == ["begun: 1", "stopping", "done: 1", "ended after 1 messages"]
        assert program.errors == []
    # What was not begun went back.
    assert finished("asyncio_workers.py", "-a", f"{address}/slow-jobs", "-i", 0.5)[-1] == "4 jobs done by 4 workers"


@needs_signals
def test_an_echo_server():
    address = f"127.0.0.1:{free_port()}"
    with example("asyncio_echo.py", "-a", address) as server:
        server.await_line("listening")
        assert finished("helloworld_asyncio.py", "-a", f"{address}/q") == ["Hello World!"]
        answers = finished("asyncio_rpc_client.py", "-a", f"{address}/q")
        assert answers == [f"{line} => {line}" for line in VERSE]
        server.signal(signal.SIGTERM)
        lines = server.finish()
        assert lines[-1] == "stopped" and lines.count("echo: Hello World!") == 1
        assert server.errors == []


@needs_signals
def test_a_web_application(address):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    port = free_port()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with example("asyncio_web.py", "-a", f"{address}/topic/web", "-p", port) as program:
        program.await_line("Running on")
        with opener.open(f"http://127.0.0.1:{port}/", timeout=20) as page:
            assert b"EventSource" in page.read()
        with opener.open(f"http://127.0.0.1:{port}/events", timeout=20) as first:
            with opener.open(f"http://127.0.0.1:{port}/events", timeout=20) as second:
                for text in ("hello", "two\nlines"):
                    with opener.open(f"http://127.0.0.1:{port}/publish", text.encode(), timeout=20) as answer:
                        assert answer.read() == b"published"
                    for events in (first, second):
                        assert json.loads(events.readline().partition(b": ")[2]) == text
                        assert events.readline() == b"\n"
            # One browser has gone; the other goes on, until the program stops.
            program.signal(signal.SIGTERM)
            assert first.read() == b""
        program.finish()
        assert program.errors == []


@pytest.mark.parametrize("name", [*PROGRAMS, pytest.param(*SIGNALLED, marks=needs_signals)])
def test_without_a_broker_the_work_is_not_done(name):
    with Program(ROOT / "examples" / name, "-a", f"127.0.0.1:{free_port()}/q") as program:
        program.finish(code=1)
    assert program.errors[-1] == DONE_NOT
    assert "Connection refused" in program.errors[-2]


def test_a_web_application_without_a_broker_ends():
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with example("asyncio_web.py", "-a", f"127.0.0.1:{free_port()}/q", "-p", free_port()) as program:
        program.finish(code=1)
    assert program.errors[-1] == DONE_NOT
    assert "Connection refused" in program.errors[-2]
