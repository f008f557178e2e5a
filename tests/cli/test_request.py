"""`request`: responses in the order of the requests, from a service over the broker."""

from __future__ import annotations

import json
import threading

import pytest

from proton import Message, Timeout
from proton.cli import codes
from proton.utils import BlockingConnection


class Service:
    """Answers requests in pairs, the second one first; leaves out those that say "silence"."""

    def __init__(self, url):
        self._url, self._name = url.rsplit("/", 1)
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        connection = BlockingConnection(self._url)
        receiver, sender = connection.create_receiver(self._name, credit=10), connection.create_sender(None)
        self._ready.set()
        waiting = []
        while not self._stop.is_set():
            try:
                request = receiver.receive(timeout=0.1)
            except Timeout:
                request = None
            if request is not None:
                receiver.accept()
                waiting.append(request)
            if len(waiting) == 2 or request is None:
                for request in reversed(waiting):
                    if request.body != "silence":
                        answer = Message(request.body.upper(), address=request.reply_to, subject=request.subject)
                        answer.correlation_id = request.correlation_id
                        sender.send(answer)
                waiting = []
        connection.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *problem):
        self._stop.set()
        self._thread.join(20)


@pytest.fixture
def service(queue):
    with Service(queue):
        yield


def test_responses_come_in_the_order_of_the_requests(run, queue, service):
    assert run("request", queue, "a", "b", "c", "d") == (codes.DONE, "A\nB\nC\nD\n", "")


def test_lines_are_requests(run, queue, service):
    lines = [f"line {number}" for number in range(100)]
    ended = run("request", queue, "--window", 8, stdin="\n".join(lines).encode())
    assert ended == (codes.DONE, "".join(line.upper() + "\n" for line in lines), "")


def test_json_has_the_whole_response(run, queue, service):
    ended = run("request", queue, "a", "--subject", "s", "--json")
    assert {"body": "A", "subject": "s"}.items() <= json.loads(ended.out).items()


def test_a_request_without_a_response_is_code_4_and_the_others_go_on(run, queue, service):
    ended = run("request", queue, "a", "silence", "c", "--timeout", "1")
    assert (ended.code, ended.out) == (codes.TIMEOUT, "A\nC\n")
    assert ended.err.startswith("pure-proton request: request 2: waiting for a response (sender to ")


def test_a_request_that_is_rejected_is_code_1(run, broker, queue):
    broker.answer_next("rejected", "app:bad")
    ended = run("request", queue, "x")
    assert (ended.code, ended.out) == (codes.REFUSED, "")
    address = queue.rpartition("/")[2]
    assert ended.err == f"pure-proton request: request 1: the message to {address!r} was rejected: app:bad\n"


def test_a_loss_ends_all(run, broker, queue):
    broker.answer_next("cut")
    ended = run("request", queue, "x", "y")
    assert (ended.code, ended.out) == (codes.CONNECTION, "")
    assert ended.err.count("\n") == 1


def test_a_bad_line_is_code_5_after_the_responses_before_it(run, queue, service):
    ended = run("request", queue, stdin=b"a\nb\n\xff\nd\n")
    assert (ended.code, ended.out) == (codes.INPUT, "A\nB\n")
    assert "line 3: expected UTF-8" in ended.err


def test_texts_and_lines_exclude_each_other(run, queue):
    assert run("request", queue, "x", "--lines").code == codes.USAGE
