"""The canonical programs against a broker: this package on both sides, and with the C engine in either place.

The same scripts run on both engines; where PROTON_REFERENCE_PYTHON is unset those pairs are skipped. One broker serves
a pair of engines. An editor must keep: each test has queues of its own.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import os
import sqlite3
import urllib.request

import pytest

from tests.support.programs import ROOT, Program, await_port, free_port, reference_environment

REFERENCE = os.environ.get("PROTON_REFERENCE_PYTHON")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="PROTON_REFERENCE_PYTHON is unset: no reference peer")
VERSE = (
    "Twas brillig, and the slithy toves",
    "Did gire and gymble in the wabe.",
    "All mimsy were the borogroves,",
    "And the mome raths outgrabe.",
)


def start(engine, name, *arguments, **settings):
    if engine == "reference":
        settings.update(python=REFERENCE, environment=reference_environment())
    return Program(ROOT / "examples" / name, *arguments, **settings)


class World:
    """A broker of one engine, and programs of another."""

    numbers = itertools.count()

    def __init__(self, broker, engine):
        self.other_engine = broker
        self.engine = engine
        self.address = f"127.0.0.1:{free_port()}"

    def queue(self, prefix="queue"):
        return f"{self.address}/{prefix}-{next(self.numbers)}"

    def start(self, name, *arguments, **settings):
        return start(self.engine, name, *arguments, **settings)

    def run(self, name, *arguments):
        """What a program printed that ended by itself."""
        with self.start(name, *arguments) as program:
            return program.finish()


OURS = pytest.param(("ours", "ours"), id="ours")
REFERENCE_PROGRAMS = pytest.param(("ours", "reference"), marks=needs_reference, id="reference programs")
REFERENCE_BROKER = pytest.param(("reference", "ours"), marks=needs_reference, id="reference broker")


@pytest.fixture(scope="module", params=[OURS, REFERENCE_PROGRAMS, REFERENCE_BROKER])
def world(request):
    world = World(*request.param)
    # The test kit's broker is this engine's alone.
    name = "broker.py" if world.other_engine == "ours" else "../tests/support/reference_broker.py"
    with start(world.other_engine, name, "-a", world.address, "-d", "dead") as broker:
        broker.await_line("listening")
        yield world
        assert broker.faults == []


def bodies(first, last):
    return [str({"sequence": number}) for number in range(first, last + 1)]


@pytest.mark.parametrize("name", ["helloworld.py", "helloworld_blocking.py"])
def test_helloworld(world, name):
    assert world.run(name, "-a", world.queue()) == ["Hello World!"]


def test_many_messages_are_browsed_and_received(world):
    queue = world.queue()
    assert world.run("simple_send.py", "-a", queue, "-m", 205) == ["all messages confirmed"]
    assert world.run("queue_browser.py", "-a", queue) == bodies(1, 205)
    assert world.run("simple_recv.py", "-a", queue, "-m", 205) == bodies(1, 205)


def test_without_a_broker(world):
    """One end is of the other engine."""
    address = f"127.0.0.1:{free_port()}"
    with start(world.other_engine, "direct_recv.py", "-a", address, "-m", 20) as receiver:
        await_port(int(address.split(":")[1]))
        assert world.run("simple_send.py", "-a", address, "-m", 20) == ["all messages confirmed"]
        assert receiver.finish() == bodies(1, 20)
    with start(world.other_engine, "direct_send.py", "-a", address, "-m", 20) as sender:
        await_port(int(address.split(":")[1]))
        assert world.run("simple_recv.py", "-a", address, "-m", 20) == bodies(1, 20)
        assert sender.finish() == ["all messages confirmed"]


@pytest.mark.parametrize(
    ("server", "client", "answer"),
    [
        ("server.py", "client.py", str.upper),
        ("server_tx.py", "sync_client.py", str.upper),
        ("abstract_server.py", "sync_client.py", lambda body: body[::-1]),
    ],
)
def test_requests(world, server, client, answer):
    queue = world.queue()
    with world.start(server, "-a", queue) as program:
        program.await_line("serving")
        assert world.run(client, "-a", queue) == [f"{line} => {answer(line)}" for line in VERSE]
        if server == "server_tx.py":
            assert program.await_count(5)[1:] == ["Request processed successfully"] * 4
        assert program.errors == []


def test_requests_without_a_broker(world):
    address = f"127.0.0.1:{free_port()}/requests"
    with start(world.other_engine, "server_direct.py", "-a", address) as server:
        server.await_line("listening")
        assert world.run("sync_client.py", "-a", address) == [f"{line} => {line.upper()}" for line in VERSE]


def test_browsing_and_selecting(world):
    queue = world.queue()
    coloured = [f"{'green' if number % 2 else 'red'} {number}" for number in range(1, 11)]
    assert world.run("colour_send.py", "-a", queue, "-m", 10) == ["all messages confirmed"]
    assert world.run("queue_browser.py", "-a", queue) == coloured
    assert world.run("selected_recv.py", "-a", queue, "-m", 5) == coloured[::2]
    assert world.run("selected_recv.py", "-a", queue, "-m", 5, "colour <> 'green'") == coloured[1::2]


def test_durable_subscription(world):
    topic = world.queue("topic")
    name = topic.rpartition("/")[2]
    assert world.run("durable_subscribe.py", "-a", topic, "-m", 0) == [f"subscribed to {name}"]
    world.run("simple_send.py", "-a", topic, "-m", 5)
    assert world.run("durable_subscribe.py", "-a", topic, "-m", 2)[1:] == bodies(1, 2)
    assert world.run("durable_subscribe.py", "-a", topic, "-m", 3)[1:] == bodies(3, 5)
    assert world.run("durable_unsubscribe.py", "-a", topic) == [f"unsubscribed from {name}"]


def test_transactions(world):
    queue = world.queue()
    assert world.run("tx_send.py", "-a", queue, "-m", 35, "-b", 10) == ["all messages committed"]
    assert world.run("tx_recv.py", "-a", queue, "-m", 30, "-b", 7) == bodies(1, 30)
    assert world.run("queue_browser.py", "-a", queue) == bodies(31, 35)


def test_transactions_by_hand(world):
    queue = world.queue()
    world.run("simple_send.py", "-a", queue, "-m", 3)
    one, two, three = bodies(1, 3)
    with world.start("tx_recv_interactive.py", "-a", queue, interactive=True) as program:
        expected = ["transaction declared"]
        for command, printed in (
            ("fetch", [one]),
            ("fetch", [two]),
            ("abort", ["transaction aborted", "transaction declared"]),
            ("fetch", [one]),
            ("nonsense", []),
            ("commit", ["transaction committed", "transaction declared"]),
            ("fetch", [two]),
        ):
            program.await_count(len(expected))
            program.say(command)
            expected += printed
        assert program.await_count(len(expected)) == expected
        program.say("quit")
        assert program.finish() == expected
    # What was fetched and not committed went back with the connection.
    assert world.run("queue_browser.py", "-a", queue) == [two, three]


def test_a_database(world, tmp_path):
    queue, source, copy = world.queue(), tmp_path / "source", tmp_path / "copy"
    assert world.run("db_ctrl.py", copy, "init") == []
    with world.start("db_ctrl.py", source, "init", "insert", interactive=True) as program:
        for number in range(1, 61):
            program.say(f"record {number}")
        program.finish()
    assert world.run("db_send.py", "-a", queue, source) == ["all records sent"]
    assert world.run("db_recv.py", "-a", queue, "-m", 60, copy) == ["inserted 60 records"]
    assert world.run("db_ctrl.py", copy, "list") == [f"{number} record {number}" for number in range(1, 61)]
    with contextlib.closing(sqlite3.connect(source)) as database:
        assert database.execute("SELECT * FROM records").fetchall() == []


def test_several_addresses_of_which_one_answers(world):
    queue = world.queue()
    world.run("simple_send.py", "-a", queue, "-m", 2)
    nobody = f"127.0.0.1:{free_port()}/{queue.rpartition('/')[2]}"
    printed = world.run("reconnecting_recv.py", "-m", 2, nobody, queue)
    assert printed == ["trouble: Connection refused to all addresses", f"connected to amqp://{queue}", *bodies(1, 2)]
    with world.start("reconnecting_recv.py", "-t", 2, nobody) as program:
        assert len(program.finish(code=1)) == 2


def test_a_worker(world):
    queue = world.queue()
    world.run("colour_send.py", "-a", queue, "-m", 1)
    assert world.run("blocking_worker.py", "-a", queue, "-i", 0.5) == [
        "cannot work on 'green 1': unsupported operand type(s) for /: 'int' and 'str'",
        "nothing to do",
    ]
    assert "green 1" in world.run("queue_browser.py", "-a", f"{world.address}/dead")


def test_handlers_of_links(world):
    printed = world.run("scoped_handlers.py", "-a", world.queue())
    assert (printed[0], sorted(printed[1:])) == ("connected", ["one: made for one", "two: made for two"])


@pytest.mark.parametrize("world", [OURS, REFERENCE_PROGRAMS], indirect=True)  # it needs no broker
def test_the_level_of_the_engine(world):
    printed = world.run("engine_level.py", "-a", f"127.0.0.1:{free_port()}", "-m", 30)
    assert printed == [f"message {number}" for number in range(1, 31)]


# The reference's loop ends at once under a global handler that keeps selectables to itself.
@pytest.mark.parametrize("world", [OURS, REFERENCE_BROKER], indirect=True)
def test_programs_under_other_loops(world):
    assert world.run("helloworld_asyncio.py", "-a", world.queue()) == ["Hello World!"]
    pytest.importorskip("tornado", reason="tornado is not installed")
    assert world.run("helloworld_tornado.py", "-a", world.queue()) == ["Hello World!"]


def test_programs_under_tornado_without_a_broker():
    pytest.importorskip("tornado", reason="tornado is not installed")
    with start("ours", "helloworld_direct_tornado.py", "-a", f"127.0.0.1:{free_port()}/examples") as program:
        assert program.finish() == ["Hello World!"]
    with start("ours", "recurring_timer_tornado.py", "-i", "0.05", "-n", "3") as program:
        assert program.finish() == ["Tick..."] * 3


def test_a_web_page_that_is_a_client():
    pytest.importorskip("tornado", reason="tornado is not installed")
    address, port = f"127.0.0.1:{free_port()}/requests", free_port()
    with start("ours", "server_direct.py", "-a", address) as server:
        server.await_line("listening")
        with start("ours", "client_http.py", "-a", address, "-p", port) as client:
            client.await_line("listening")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for text in ("hello", "<b>"):
                with opener.open(f"http://127.0.0.1:{port}/client?request={text}", timeout=20) as page:
                    assert page.read().decode().startswith(f"<p>{html.escape(text.upper())}</p>")
            assert client.errors == []
