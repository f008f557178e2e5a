"""The commands with real brokers: what they print, and the codes that they end with."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading

import pytest

from proton import Message
from proton.cli import codes
from proton.utils import BlockingConnection
from tests.cli.conftest import run
from tests.support.peers import started
from tests.support.programs import our_environment

__all__ = ["run"]  # the fixture


@pytest.fixture(scope="module", params=["RabbitMQ 4.3", "Artemis 2.40"])
def broker(request):
    with started(request.param) as peer:
        yield peer


@pytest.fixture
def place(broker):
    """The arguments that name a new queue of the broker."""
    return ["--broker", broker.url(), "--address", broker.queue()]


def is_rabbit(broker):
    return broker.user == "guest"


# -- send, receive, browse, request, bench ----------------------------------------------------------------------------


def test_messages_come_back_as_they_were_sent(run, place):
    lines = [
        {"id": "1", "subject": "s", "durable": True, "properties": {"n": 5, "text": "ä"}, "body": "text"},
        {"id": "2", "durable": True, "inferred": True, "body": {"$binary": "AAH/"}},
        {"id": "3", "durable": True, "body": {"a": [1, None, {"$uuid": "59ee38f3-06a5-4d0d-8ab4-76054137aaff"}]}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert run("send", *place, "--json", stdin=text).code == codes.DONE
    ended = run("receive", *place, "--json")
    assert ended.code == codes.DONE
    received = [json.loads(line) for line in ended.out.splitlines()]
    assert [{name: value for name, value in each.items() if name in lines[0]} for each in received] == [
        {name: value for name, value in line.items() if name != "inferred"} for line in lines
    ]
    assert run("receive", *place) == (codes.DONE, "", "")


def test_many_lines_arrive_in_order(run, place):
    lines = "".join(f"line {number}\n" for number in range(3000))
    assert run("send", *place, "--durable", stdin=lines.encode()) == (codes.DONE, "", "")
    assert run("receive", *place, "-n", 3000, "--timeout", 20) == (codes.DONE, lines, "")


def test_released_messages_stay(run, place):
    assert run("send", *place, "a", "b", "--durable").code == codes.DONE
    assert run("receive", *place, "--release", "-n", 2, "--timeout", 20).out == "a\nb\n"
    assert sorted(run("receive", *place, "-n", 2, "--timeout", 20).out.split()) == ["a", "b"]


def test_fewer_messages_than_asked_for(run, place):
    ended = run("receive", *place, "-n", 1, "--timeout", "0.5")
    assert (ended.code, ended.err) == (codes.TIMEOUT, "pure-proton receive: expected 1 messages, got 0\n")


def test_browsing_leaves_messages_or_says_that_it_cannot(run, broker, place):
    assert run("send", *place, "a", "b", "--durable").code == codes.DONE
    ended = run("browse", *place)
    if is_rabbit(broker):
        assert ended.code == codes.REFUSED and "the peer does not browse" in ended.err
    else:
        assert ended == (codes.DONE, "a\nb\n", "")
    assert run("receive", *place, "-n", 2, "--timeout", 20).out.split() == ["a", "b"]


def test_a_file_comes_back_as_a_file(run, place, tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 20_000)
    assert run("send", *place, "--file", tmp_path / "file", "--durable").code == codes.DONE
    assert run("receive", *place, "-o", tmp_path / "copy-{n}", "--stream", "-n", 1).code == codes.DONE
    assert (tmp_path / "copy-1").read_bytes() == (tmp_path / "file").read_bytes()


@contextlib.contextmanager
def echo(broker, address):
    """A service that answers ten requests."""

    def serve():
        for _ in range(10):
            request = receiver.receive(timeout=30)
            receiver.accept()
            answer = Message(f"re: {request.body}", address=request.reply_to)
            answer.correlation_id = request.correlation_id
            sender.send(answer)

    connection = BlockingConnection(broker.url())
    receiver, sender = connection.create_receiver(address, credit=10), connection.create_sender(None)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(40)
        connection.close()


def test_requests_are_answered(run, broker, place):
    with echo(broker, place[-1]):
        ended = run("request", *place, "--lines", "--durable", stdin=b"".join(b"%d\n" % n for n in range(10)))
    assert ended == (codes.DONE, "".join(f"re: {n}\n" for n in range(10)), "")


def test_a_measurement_is_of_all_messages(run, place):
    ended = run("bench", *place, "-n", 500, "--json")
    assert ended.code == codes.DONE
    assert json.loads(ended.out)["messages"] == 500


def test_a_measurement_leaves_the_messages_of_others_alone(run, place):
    assert run("send", *place, "mine", "--durable").code == codes.DONE
    ended = run("bench", *place, "-n", 500)
    assert (ended.code, ended.out) == (codes.REFUSED, "")
    assert "expected an empty queue, got a message of another program" in ended.err
    assert run("receive", *place, "-n", 1, "--timeout", 20).out == "mine\n"
    assert run("receive", *place) == (codes.DONE, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupted_measurement_leaves_nothing(run, broker, place):
    command = [sys.executable, "-m", "proton", "bench", *place, "-n", "1000000", "--prefetch", "1"]
    process = subprocess.Popen(command, env=our_environment(), stderr=subprocess.PIPE)
    watched = BlockingConnection(broker.url())
    # A message here says that some are on their way.
    receiver = watched.create_receiver(place[-1], credit=1)
    receiver.receive(timeout=30)
    receiver.release(delivered=False)
    watched.close()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (codes.INTERRUPTED, b"pure-proton bench: interrupted\n")
    assert run("receive", *place) == (codes.DONE, "", "")


def test_a_trace_of_the_conversation_is_decoded(run, place):
    command = [sys.executable, "-m", "proton", "send", *place, "hello", "--durable"]
    environment = {**our_environment(), "PN_TRACE_RAW": "1"}
    trace = subprocess.run(command, env=environment, check=True, stderr=subprocess.PIPE, timeout=60).stderr
    decoded = run("decode", stdin=trace)
    assert (decoded.code, decoded.err) == (codes.DONE, "")
    assert "initial-response=***" in decoded.out
    assert '"hello"' in decoded.out and "state=accepted" in decoded.out
    diagram = run("decode", "--diagram", stdin=trace)
    assert (diagram.code, diagram.err) == (codes.DONE, "")


def test_a_wrong_password_is_told_without_it(run, broker, place):
    ended = run("send", "--broker", broker.url("wrong-password"), "--address", place[-1], "x")
    assert ended.code == codes.CONNECTION
    assert "wrong-password" not in ended.err and ended.err.count("\n") == 1


def test_an_unknown_address_is_the_answer_of_the_broker(run, broker):
    if not is_rabbit(broker):
        pytest.skip("Artemis makes the queue")
    ended = run("send", "--broker", broker.url(), "--address", broker.unknown, "x")
    assert ended.code == codes.REFUSED
    assert "amqp:not-found" in ended.err
