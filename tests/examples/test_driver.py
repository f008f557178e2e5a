"""The driver's examples as their user starts them, and the code in docs/driver.md."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from proton import Connection, Event, Transport
from proton.driver import Driver
from tests.examples.test_examples import broker, example
from tests.support.loops import SECONDS
from tests.support.programs import ROOT


@pytest.mark.parametrize("name", ["custom_sasl_mechanism.py", "driver_layer.py", "driver_socket.py"])
def test_a_mechanism_a_layer_and_an_event_loop_take_sixty_lines_without_private_names(name):
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    assert not re.search(r"\._[a-z]|import _|from _(?!_)", source)


def test_in_memory():
    with example("driver_memory.py") as program:
        assert program.finish() == ["received: hello", "accepted: True", "closed: True"]
        assert program.errors == []


def test_with_a_layer():
    with example("driver_layer.py") as program:
        assert program.finish() == ["received 100010 bytes, moved fewer than 2000: True"]
        assert program.errors == []


def test_over_a_socket():
    with broker() as address:
        with example("driver_socket.py", "-a", f"{address}/examples") as program:
            assert program.finish() == ["accepted: True"] and program.errors == []
        with example("simple_recv.py", "-a", f"{address}/examples", "-m", 1) as receiver:
            assert receiver.finish() == ["hello"]


def test_under_asyncio():
    with broker() as address:
        with example("driver_asyncio.py", f"{address}/examples") as program:
            assert program.finish() == ["accepted: True"] * 3 and program.errors == []
        with example("simple_recv.py", "-a", f"{address}/examples", "-m", 3) as receiver:
            assert receiver.finish() == ["0", "1", "2"]


@pytest.fixture(scope="module")
def documented():
    """What the code of the page defines."""
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "driver.md").read_text(encoding="utf-8"), re.S):
        exec(code, names)
    return names


def test_the_page_joins_two_connections_in_memory(documented):
    assert documented["opened"] == [documented["client"].transport.connection]


def test_the_page_drives_a_socket(documented):
    ends = [Driver(Transport(mode)) for mode in (Transport.CLIENT, Transport.SERVER)]
    seen = []

    def handle(event):
        if event.type is Event.CONNECTION_REMOTE_OPEN:
            seen.append(event.connection)
            event.connection.close()

    for driver in ends:
        connection = Connection()
        connection.collect(driver.collector)
        driver.transport.bind(connection)
        driver.transport.idle_timeout = SECONDS
        connection.open()
    connections = [driver.transport.connection for driver in ends]
    sockets = socket.socketpair()
    threads = [
        threading.Thread(target=documented["run"], args=(driver, sock, handle), daemon=True)
        for driver, sock in zip(ends, sockets)
    ]
    for thread in threads:
        thread.start()
    for thread, sock in zip(threads, sockets):
        thread.join(SECONDS)
        sock.close()
    assert [driver.closed for driver in ends] == [True, True]
    assert [driver.transport.condition for driver in ends] == [None, None]
    assert sorted(map(id, seen)) == sorted(map(id, connections))
