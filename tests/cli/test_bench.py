"""`bench`: its numbers belong to its messages, and the queue is as before when it ends."""

from __future__ import annotations

import json
import re
import threading

import pytest

from proton import Message
from proton.cli import codes


def test_the_result_as_json(run, queue):
    ended = run("bench", queue, "-n", 500, "--size", 10, "--prefetch", 50, "--json")
    assert ended.code == codes.DONE
    result = json.loads(ended.out)
    assert (result["messages"], result["size"], result["prefetch"]) == (500, 10, 50)
    assert result["messages_per_second"] == pytest.approx(500 / result["seconds"], rel=0.1)
    assert result["cpu_microseconds_per_message"] > 0
    late = result["latency_milliseconds"]
    assert 0 < late["p50"] <= late["p90"] <= late["p99"] <= late["max"] <= result["seconds"] * 1000


def test_the_result_as_text(run, queue):
    ended = run("bench", queue, "-n", 20)
    assert ended.out.startswith("20 messages of 100 bytes, prefetch 500, in ")
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == ["messages/s", "MB/s", "CPU/message", "latency"]


def test_the_rate_is_kept(run, queue):
    result = json.loads(run("bench", queue, "-n", 20, "--rate", 100, "--json").out)
    assert result["seconds"] >= 0.19


def bodies(broker, queue):
    return [message.body for message in broker.messages(queue.rsplit("/", 1)[1])]


def test_nothing_is_sent_to_a_queue_that_is_not_empty(run, broker, queue):
    broker.put(queue.rsplit("/", 1)[1], Message("one"), Message("two"))
    ended = run("bench", queue, "-n", 20)
    assert ended.code == codes.REFUSED
    assert ended.err == (
        "pure-proton bench: expected an empty queue, got a message of another program, and gave it back\n"
    )
    assert broker.seen.messages == []
    assert bodies(broker, queue) == ["one", "two"]


def put_other(broker, queue):
    broker.put(queue.rsplit("/", 1)[1], Message("other"))


def cut(broker, queue):
    broker.cut()


def detach(broker, queue):
    broker.detach(queue.rsplit("/", 1)[1], "amqp:resource-deleted", "gone")


# With a message of credit, those that are sent wait in the queue.
FAILURES = [
    (put_other, 50, codes.REFUSED, "got a message of another program", ["other"]),
    (cut, 1, codes.CONNECTION, "", []),
    (detach, 1, codes.REFUSED, "amqp:resource-deleted: gone", []),
]


@pytest.mark.parametrize(("fail", "prefetch", "code", "text", "left"), FAILURES)
def test_a_measurement_that_fails_leaves_none_of_its_messages(run, broker, queue, fail, prefetch, code, text, left):
    def fail_in_the_middle():
        broker.wait_for(lambda seen: len(seen.messages) >= 500)
        fail(broker, queue)

    thread = threading.Thread(target=fail_in_the_middle)
    thread.start()
    ended = run("bench", queue, "-n", 100_000, "--prefetch", prefetch)
    thread.join()
    assert ended.code == code
    assert text in ended.err and ended.err.count("\n") == 1
    broker.wait_for(lambda seen: seen.ends and seen.ends[-1].kind == "connection")
    assert bodies(broker, queue) == left


def test_messages_that_cannot_be_taken_out_again_are_told(run, broker, queue):
    def fail_in_the_middle():
        broker.wait_for(lambda seen: len(seen.messages) >= 500)
        broker.refuse(None)
        broker.cut()

    thread = threading.Thread(target=fail_in_the_middle)
    thread.start()
    ended = run("bench", queue, "-n", 100_000, "--prefetch", 1)
    thread.join()
    told = re.fullmatch(
        r"pure-proton bench: up to (\d+) messages of this measurement are left in the queue\npure-proton bench: .*\n",
        ended.err,
    )
    assert ended.code == codes.CONNECTION
    assert 0 < len(bodies(broker, queue)) <= int(told[1])


def test_refused_messages_are_not_looked_for(run, broker, queue):
    broker.answer_next("rejected", times=None)
    ended = run("bench", queue, "-n", 5, "--timeout", "0.2")
    assert (ended.code, ended.err.count("\n")) == (codes.REFUSED, 1)
    assert "are left in the queue" not in ended.err


def test_a_peer_that_gives_no_credit_is_code_4(run, broker, queue):
    broker.set_credit(0)
    try:
        assert run("bench", queue, "-n", 2, "--timeout", "0.2").code == codes.TIMEOUT
    finally:
        broker.set_credit(100)


def test_a_password_is_asked_for_once(run, queue, monkeypatch):
    asked = []

    def typed(prompt):
        asked.append(prompt)
        return "pencil"

    monkeypatch.setattr("getpass.getpass", typed)
    ended = run("bench", queue, "-n", 5, "--user", "fred", is_terminal=True)
    assert (ended.code, asked) == (codes.DONE, ["password of fred: "])
