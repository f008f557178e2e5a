"""`receive`: what is printed, when it ends, and that a message is accepted only once it was written."""

from __future__ import annotations

import json
import sys

import pytest

from proton import Message
from proton.cli import codes
from tests.support.programs import free_port


@pytest.fixture
def fill(broker, queue):
    """Puts messages into the queue of the test; the bodies that are still there."""
    name = queue.rsplit("/", 1)[1]

    def fill_with(*bodies, **attributes):
        broker.put(name, *(Message(body, **attributes) for body in bodies))
        return lambda: [message.body for message in broker.messages(name)]

    return fill_with


def test_it_takes_what_is_there_and_ends(run, queue, fill):
    left = fill("one", 2, None, b"bytes", {"a": [1]})
    assert run("receive", queue) == (codes.DONE, 'one\n2\n\nbytes\n{"a":[1]}\n', "")
    assert left() == []
    assert run("receive", queue) == (codes.DONE, "", "")


def test_a_long_queue_is_read_to_its_end(run, queue, fill):
    left = fill(*map(str, range(1234)))
    assert run("receive", queue).out.split() == list(map(str, range(1234)))
    assert left() == []


@pytest.mark.parametrize("number", [1, 20, 30])
def test_so_many_messages_are_taken_and_no_others(run, broker, fill, queue, number):
    left = fill(*map(str, range(50)))
    assert run("receive", queue, "-n", number).out.split() == list(map(str, range(number)))
    broker.wait_for(lambda seen: len(left()) == 50 - number)
    assert sorted(left(), key=int) == list(map(str, range(number, 50)))


def test_fewer_than_asked_for_is_code_4(run, queue, fill):
    fill("one")
    ended = run("receive", queue, "-n", 2, "--timeout", "0.2")
    assert ended == (codes.TIMEOUT, "one\n", "pure-proton receive: expected 2 messages, got 1\n")


def test_time_without_a_message_ends_it(run, queue, fill):
    fill("one")
    assert run("receive", queue, "--follow", "--timeout", "0.2") == (codes.DONE, "one\n", "")


def test_json_lines_can_be_sent_again(run, broker, queue, fill):
    fill(b"x", inferred=True, id=5, properties={"a": 1.5}, subject="s")
    fill("y")
    printed = run("receive", queue, "--json").out
    assert [json.loads(line)["body"] for line in printed.splitlines()] == [{"$binary": "eA=="}, "y"]
    assert run("send", queue, "--json", stdin=printed.encode()).code == codes.DONE
    assert run("receive", queue, "--json").out == printed


def test_null_bytes_between_messages(run, queue, fill):
    fill("a\nb", "c")
    assert run("receive", queue, "--null").out == "a\nb\0c\0"


@pytest.mark.parametrize(
    ("option", "state", "rest"),
    [("--accept", "ACCEPTED", []), ("--reject", "REJECTED", []), ("--release", "RELEASED", ["a", "b"])],
)
def test_the_outcome_is_chosen(run, broker, queue, fill, option, state, rest):
    left = fill("a", "b")
    assert run("receive", queue, option, "-n", 2).out == "a\nb\n"
    broker.wait_for(lambda seen: len(seen.outcomes) == 2)
    assert [outcome.state for outcome in broker.seen.outcomes] == [state, state]
    broker.wait_for(lambda seen: sorted(left()) == rest)


def test_what_cannot_be_written_is_not_accepted(run, broker, queue, fill, monkeypatch):
    left = fill(*map(str, range(500)))
    written = []

    def write(self, data):
        if written:
            raise BrokenPipeError
        written.append(data)

    monkeypatch.setattr("proton.cli.pipes.Output._write", write)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    ended = run("receive", queue)
    assert (ended.code, ended.err) == (codes.PIPE, "")
    printed = written[0].decode().split()
    broker.wait_for(lambda seen: len(left()) == 500 - len(printed))
    assert sorted(printed + left(), key=int) == list(map(str, range(500)))


def test_bodies_go_to_a_file(run, queue, fill, tmp_path):
    fill(b"a", b"b")
    assert run("receive", queue, "-o", tmp_path / "all") == (codes.DONE, "", "")
    assert (tmp_path / "all").read_bytes() == b"ab"


@pytest.mark.parametrize("option", [[], ["--stream"]])
def test_bodies_go_to_a_file_each(run, broker, queue, fill, tmp_path, option):
    left = fill(b"a" * 100_000, b"b", inferred=True)
    assert run("receive", queue, "-o", tmp_path / "f{n}", *option).code == codes.DONE
    assert [(tmp_path / name).read_bytes() for name in ("f1", "f2")] == [b"a" * 100_000, b"b"]
    assert left() == []


def test_a_file_that_cannot_be_written_is_code_5_and_nothing_is_taken(run, queue, fill, tmp_path):
    left = fill("a")
    ended = run("receive", queue, "-o", tmp_path / "missing" / "file")
    assert ended.code == codes.INPUT
    assert "No such file or directory" in ended.err
    assert left() == ["a"]


@pytest.mark.parametrize("option", [[], ["--stream"]])
def test_several_bodies_go_to_one_file(run, queue, fill, tmp_path, option):
    left = fill(b"a" * 100_000, b"b", b"c", inferred=True)
    assert run("receive", queue, "-o", tmp_path / "all", *option).code == codes.DONE
    assert (tmp_path / "all").read_bytes() == b"a" * 100_000 + b"bc"
    assert left() == []


@pytest.mark.parametrize("words", [[], ["--stream"]])
def test_a_file_keeps_what_it_has_until_the_queue_is_there(run, broker, queue, tmp_path, words):
    file = tmp_path / "kept"
    file.write_bytes(b"from before")
    ended = run("receive", f"amqp://127.0.0.1:{free_port()}/q", "-o", file, *words)
    assert (ended.code, file.read_bytes()) == (codes.CONNECTION, b"from before")
    broker.refuse(None)
    assert (run("receive", queue, "-o", file, *words).code, file.read_bytes()) == (codes.REFUSED, b"from before")
    broker.allow(None)
    assert (run("receive", queue, "-o", file, *words).code, file.read_bytes()) == (codes.DONE, b"")


def test_stream_needs_output(run, queue):
    ended = run("receive", queue, "--stream")
    assert (ended.code, ended.err) == (codes.USAGE, "pure-proton receive: --stream needs --output, and no --json\n")
