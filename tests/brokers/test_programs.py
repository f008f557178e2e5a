"""The six whole programs of the examples, with the test kit's broker, RabbitMQ 4.3 and Artemis, and without any."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import threading
import urllib.error
import urllib.request

import pytest

from proton import Message
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.management import RabbitManagement
from tests.support.peers import Rabbit4, started
from tests.support.programs import ROOT, Program, await_port, free_port, our_environment

PROGRAMS = {
    "retrying_worker": ["URL", "jobs"],
    "confirming_publisher": ["URL", "orders", 10],
    "doubling_service": ["ask", "URL", "double", 1],
    "print_queue": ["URL", "orders", 1],
    "tls_login": ["URL", "CA", "orders"],
    "web_orders": ["URL", "orders", 0],
}
LOGIN = {"ORDERS_USER": "shop", "ORDERS_PASSWORD": "pencil"}


class Kit:
    """The broker of the test kit as `Peer` has the others."""

    def __init__(self, broker):
        self.broker, self.user, self.password = broker, *LOGIN.values()

    def url(self, password=None):
        return self.broker.url.replace("//", f"//{self.user}:{password or self.password}@")

    def queue(self):
        return "q"

    port = property(lambda self: self.broker.port)


@contextlib.contextmanager
def kit():
    with Broker(dead_letters="DLQ", credentials={"shop": "pencil"}, require_auth=True) as broker:
        yield Kit(broker)


@pytest.fixture(scope="module", params=["test kit", "RabbitMQ 4.3", "Artemis 2.40"])
def peer(request):
    with kit() if request.param == "test kit" else started(request.param) as running:
        yield running


def jobs_of(peer):
    """A queue with dead letters, and the address of these."""
    if not isinstance(peer, Rabbit4):
        return peer.queue(), "DLQ"
    with peer.probe() as client:
        management = RabbitManagement(client)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 5}
        return management.declare("jobs", **arguments), management.declare("dead")


def example(name, *arguments, **environment):
    return Program(ROOT / "examples" / f"{name}.py", *arguments, environment={**our_environment(), **environment})


def finished(name, *arguments, **options):
    with example(name, *arguments) as program:
        return program.finish(**options), program.errors


def test_a_worker_tries_again_and_gives_up(peer):
    jobs, dead = jobs_of(peer)
    with BlockingConnection(peer.url(), timeout=20) as connection, connection.create_sender(jobs) as sender:
        for body in ("four", 0, 4):
            sender.send(Message(body=body, durable=True))
        with example("retrying_worker", peer.url(), jobs) as worker:
            worker.await_state(lambda: worker.lines and len(worker.errors) == 3, "three failures")
            receiver = connection.create_receiver(dead, credit=2)
            assert sorted(str(message.body) for message in receiver.messages(limit=2, timeout=20)) == ["0", "four"]
            receiver.accept(), receiver.accept()
            worker.signal(signal.SIGTERM)
            assert worker.finish() == ["100 / 4 = 25"]
        assert worker.errors == ["WARNING:root:0 failed: division by zero"] * 3
        sender.send(Message(body=0, durable=True))  # nothing was left in the queue before it
        queued = connection.create_receiver(jobs, credit=1)
        assert queued.receive(timeout=20).body == 0
        queued.accept()


def test_what_is_published_is_there_and_is_taken_as_lines(peer):
    address = peer.queue()
    assert finished("confirming_publisher", peer.url(), address, 1000) == (["1000 are safe"], [])
    lines, errors = finished("print_queue", peer.url(), address, 2)
    assert [json.loads(line) for line in lines] == [{"id": f"order-{n}", "body": n} for n in range(1000)]
    assert errors == ["1000 messages"]
    assert finished("print_queue", peer.url(), address, 0.2) == ([], ["0 messages"])


def test_a_service_answers(peer):
    address = peer.queue()
    with example("doubling_service", "serve", peer.url(), address) as service:
        assert finished("doubling_service", "ask", peer.url(), address, 1, 2, 3) == (["2", "4", "6"], [])
    assert service.errors == []


def test_a_web_application_publishes_and_takes(peer):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    port = free_port()
    url = f"http://127.0.0.1:{port}/orders"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with example("web_orders", peer.url(), peer.queue(), port) as program:
        await_port(port)
        with opener.open(url, b"tea", timeout=20) as answer:
            assert (answer.status, answer.read()) == (202, b"ordered\n")
        for expected in ((200, b"tea\n"), (204, b"")):
            with opener.open(url, timeout=20) as answer:
                assert (answer.status, answer.read()) == expected
        program.signal(signal.SIGTERM)
        assert (program.finish(), program.errors) == ([], [])


class Terminator:
    """What ends TLS in front of a broker without: a port of loopback, with the certificate of an authority."""

    def __init__(self, port, issued):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(issued.cert, issued.key)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"amqps://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self.listener.accept()
                threading.Thread(target=self.relay, args=(accepted,), daemon=True).start()

    def relay(self, accepted):
        far = socket.create_connection(("127.0.0.1", self.target))
        with contextlib.suppress(OSError), far, self.context.wrap_socket(accepted, server_side=True) as near:
            back = threading.Thread(target=self.move, args=(far, near), daemon=True)
            back.start()
            self.move(near, far)
            back.join()

    @staticmethod
    def move(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def secured(peer, tmp_path):
    """The URL of a broker behind TLS, and the authority of the certificate."""
    certificates = pytest.importorskip("tests.support.certificates")
    authority = certificates.Authority(tmp_path)
    port = peer.port if hasattr(peer, "port") else int(peer.broker.address.rpartition(":")[2])
    terminator = Terminator(port, authority.issue("127.0.0.1"))
    yield terminator.url, authority.cert
    terminator.listener.close()


def test_a_login_over_tls(peer, secured):
    url, authority = secured
    login = {"ORDERS_USER": peer.user, "ORDERS_PASSWORD": peer.password}
    with example("tls_login", url, authority, peer.queue(), **login) as program:
        said, body = program.finish()
    assert said.startswith(f"logged in as {peer.user} by ") and body == "tea"
    assert program.errors == []


@pytest.mark.parametrize("mistake", ["the password", "the scheme", "the authority", "the file"])
def test_a_mistake_in_a_login_is_told_in_one_line(peer, secured, tmp_path, mistake):
    url, authority = secured
    password = "wrong" if mistake == "the password" else peer.password
    if mistake == "the authority":
        authority = pytest.importorskip("tests.support.certificates").Authority(tmp_path / "other", "Other").cert
    if mistake == "the file":
        authority = str(tmp_path / "missing.pem")
    if mistake == "the scheme":
        url = url.replace("amqps", "amqp")
    text = {
        "the password": "Authentication failed [mech=",
        "the scheme": "no protocol header found (connection aborted)",
        "the authority": "certificate verify failed: unable to get local issuer certificate",
        "the file": "missing.pem': No such file or directory)",
    }[mistake]
    with example("tls_login", url, authority, "q", ORDERS_USER=peer.user, ORDERS_PASSWORD=password) as program:
        assert program.finish(code=1) == []
    assert text in program.errors[-1] and program.errors[-1].startswith("tls_login: ")
    assert len(program.errors) == 1 + (mistake == "the scheme")  # that one is also told by the log


MISTAKES = {
    # program: its arguments, and what it says
    "print_queue": ("print_queue", ["URL", "ADDRESS", "soon"], "could not convert string to float: 'soon'"),
    "confirming_publisher": ("confirming_publisher", ["URL", "ADDRESS", "ten"], "invalid literal for int()"),
    "doubling_service": ("doubling_service", ["ask", "URL", "ADDRESS", 1], "waiting for a response (sender to "),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_of_the_user_is_told(peer, name):
    program, arguments, text = MISTAKES[name]
    given = {"URL": peer.url(), "ADDRESS": peer.queue()}
    lines, errors = finished(program, *(given.get(argument, argument) for argument in arguments), code=1)
    assert lines == [] and text in errors[-1]


def test_a_worker_goes_on_when_its_broker_is_back():
    with Broker() as broker, example("retrying_worker", broker.url, "jobs") as worker:
        broker.wait_for(lambda seen: seen.links)
        broker.kill()
        with Broker(port=broker.port) as again:
            with BlockingConnection(again.url, timeout=20) as connection:
                connection.create_sender("jobs").send(Message(body=4))
            worker.await_line("100 / 4 = 25")
            worker.signal(signal.SIGTERM)
            worker.finish()
    lost, back = worker.errors
    assert lost.startswith(f"Connection to {broker.url} lost: ")
    assert back.startswith(f"{broker.url}: connected again after ")


# The worker is not among them: it waits for a broker for half a minute.
@pytest.mark.parametrize("name", [*PROGRAMS.keys() - {"retrying_worker"}])
def test_without_a_broker_a_program_says_so(name):
    if name == "web_orders":
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    authority = str(ROOT / "tests" / "missing.pem")
    given = {"URL": f"amqp://127.0.0.1:{free_port()}", "CA": authority}
    with example(name, *(given.get(argument, argument) for argument in PROGRAMS[name]), **LOGIN) as program:
        assert program.finish(code=1) == []
    assert ("No such file" if name == "tls_login" else "Connection refused") in program.errors[-1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_less_than_40_lines(name):
    lines = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert 0 < len([line for line in lines if line]) < 40
