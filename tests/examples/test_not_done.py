"""An example whose work is not done says so by its exit status, and why on standard error."""

import contextlib
import sqlite3

import pytest

from proton.testing import Broker
from tests.support.programs import ROOT, Program, free_port

DONE_NOT = "ended before the work was done"
EXAMPLES = {
    "client.py": ["-a"],
    "helloworld.py": ["-a"],
    "helloworld_asyncio.py": ["-a"],
    "proton_asyncio.py": ["-a"],
    "asyncio_producer.py": ["-a"],
    "asyncio_workers.py": ["-a"],
    "asyncio_rpc_server.py": ["-a"],
    "asyncio_rpc_client.py": ["-a"],
    "asyncio_shutdown.py": ["-a"],
    "colour_send.py": ["-a"],
    "selected_recv.py": ["-m", 1, "-a"],
    "queue_browser.py": ["-a"],
    "durable_subscribe.py": ["-m", 1, "-a"],
    "durable_unsubscribe.py": ["-a"],
    "simple_send.py": ["-a"],
    "simple_recv.py": ["-a"],
    "reconnecting_recv.py": ["-m", 1],
    "scoped_handlers.py": ["-a"],
    "server.py": ["-a"],
    "helloworld_tornado.py": ["-a"],
    "server_tx.py": ["-a"],
    "abstract_server.py": ["-a"],
    "tx_send.py": ["-a"],
    "tx_recv.py": ["-a"],
    "db_send.py": ["DATABASE", "-a"],
    "db_recv.py": ["-m", 1, "DATABASE", "-a"],
    "stream_send.py": [__file__, "-a"],
}
each = pytest.mark.parametrize("name", EXAMPLES)


@pytest.fixture
def database(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "records")) as database:
        database.execute("CREATE TABLE records(id INTEGER PRIMARY KEY, description TEXT)")
        database.execute("INSERT INTO records VALUES (1, 'to be sent')")
        database.commit()
    return tmp_path / "records"


def example(name, address, database):
    arguments = [database if argument == "DATABASE" else argument for argument in EXAMPLES[name]]
    return Program(ROOT / "examples" / name, *arguments, address)


@each
def test_a_link_that_is_refused(name, database):
    with Broker() as broker:
        broker.refuse(None, "amqp:not-found", "no such node")
        with example(name, f"{broker.url}/queue", database) as program:
            program.finish(code=1)
    assert program.errors[-1] == DONE_NOT
    assert any("amqp:not-found" in line for line in program.errors)


@each
def test_a_connection_that_is_closed_for_good(name, database):
    with Broker() as broker:
        broker.close_next("amqp:not-allowed", "go away", times=None)
        with example(name, f"{broker.url}/queue", database) as program:
            program.finish(code=1)
    assert program.errors[-1] == DONE_NOT or program.errors[-1].startswith("gave up: ")
    assert any("amqp:not-allowed" in line for line in program.errors)


def test_nothing_listens_where_the_attempts_are_limited():
    address = f"127.0.0.1:{free_port()}/queue"
    with Program(ROOT / "examples/reconnecting_recv.py", "-t", 1, "-m", 1, address) as program:
        program.finish(code=1)
    assert program.errors[-1].startswith("gave up: ")


def test_a_login_that_is_refused():
    with Broker(credentials={"fred": "pencil"}, require_auth=True) as broker:
        arguments = ["-p", "wrong", "-a", broker.url]
        with Program(ROOT / "examples/sasl_client.py", *arguments) as program:
            program.finish(code=1)
            assert program.errors[-1] == DONE_NOT and program.lines[-1].startswith("no connection: ")


@pytest.mark.parametrize("condition", ["amqp:not-found", None])
def test_a_worker_gives_up_what_a_retry_does_not_cure(condition):
    with Broker() as broker:
        broker.refuse(None, condition, "no such node")
        with Program(ROOT / "examples/blocking_worker.py", "-a", f"{broker.url}/queue") as program:
            assert program.finish(code=1) == []
    assert program.errors[-1].startswith("gave up: receiver ")


def test_a_worker_that_is_not_let_in_gives_up():
    with Broker(credentials={"fred": "pencil"}, require_auth=True) as broker:
        arguments = ["-a", broker.url.replace("//", "//fred:wrong@") + "/queue"]
        with Program(ROOT / "examples/blocking_worker.py", *arguments) as program:
            assert program.finish(code=1) == []
    assert program.errors[-1].startswith("gave up: Connection ") and "wrong" not in program.errors[-1]


@pytest.mark.parametrize("condition", ["amqp:connection:forced", "amqp:not-found"])
def test_a_worker_tries_again_only_after_what_passes(condition):
    with Broker() as broker:
        broker.close_next(condition, "maintenance")
        with Program(ROOT / "examples/blocking_worker.py", "-i", 0.1, "-a", f"{broker.url}/queue") as program:
            if condition == "amqp:not-found":
                program.finish(code=1)
            else:
                assert program.finish()[0].startswith("trying again: ")
                assert program.lines[-1] == "nothing to do"


def test_a_web_page_whose_link_is_refused_ends():
    pytest.importorskip("tornado", reason="tornado is not installed")
    with Broker() as broker:
        broker.refuse("queue", "amqp:not-found", "no such node")
        arguments = ["-p", free_port(), "-a", f"{broker.url}/queue"]
        with Program(ROOT / "examples/client_http.py", *arguments) as program:
            program.finish(code=1)
    assert program.errors[-1] == DONE_NOT


def test_transactions_by_hand_whose_link_is_refused():
    with Broker() as broker:
        broker.refuse("queue", "amqp:not-found", "no such node")
        arguments = ["-a", f"{broker.url}/queue"]
        with Program(ROOT / "examples/tx_recv_interactive.py", *arguments, interactive=True) as program:
            program.await_state(lambda: any("amqp:not-found" in line for line in program.errors), "refusal")
            program.finish(code=1)
    assert program.errors[-1] == DONE_NOT
