"""`send`: where messages come from, what they say, and what becomes of the command if they are not accepted."""

from __future__ import annotations

import json
import os
import re
import threading

import pytest

from proton import int32, symbol
from proton.cli import codes
from proton.cli.pipes import Input


def bodies(broker, queue):
    return [message.body for message in broker.messages(queue.rsplit("/", 1)[1])]


def the_message(broker, queue):
    (message,) = broker.messages(queue.rsplit("/", 1)[1])
    return message


def test_texts_are_messages(run, broker, queue):
    assert run("send", queue, "one", "zwei ä") == (codes.DONE, "", "")
    assert bodies(broker, queue) == ["one", "zwei ä"]


def test_lines_of_a_pipe_are_messages(run, broker, queue):
    assert run("send", queue, stdin=b"one\n\nthree").code == codes.DONE
    assert bodies(broker, queue) == ["one", "", "three"]


def test_each_message_is_sent_so_often(run, broker, queue):
    assert run("send", queue, "a", "b", "-n", 2, "--id", "id-{n}").code == codes.DONE
    assert bodies(broker, queue) == ["a", "a", "b", "b"]
    assert [message.id for message in broker.messages(queue.rsplit("/", 1)[1])] == ["id-1", "id-2", "id-3", "id-4"]


OPTIONS = [
    ("--id", "i", "id", "i"),
    ("--correlation-id", "c", "correlation_id", "c"),
    ("--subject", "s", "subject", "s"),
    ("--to", "t", "address", "t"),
    ("--reply-to", "r", "reply_to", "r"),
    ("--group-id", "g", "group_id", "g"),
    ("--user-id", "u", "user_id", b"u"),
    ("--content-type", "text/plain", "content_type", "text/plain"),
    ("--content-encoding", "gzip", "content_encoding", "gzip"),
    ("--priority", "7", "priority", 7),
    ("--property", "k=a=b", "properties", {"k": "a=b"}),
    ("--property", 'k:={"$int": 5}', "properties", {"k": int32(5)}),
    ("--property", "k:=true", "properties", {"k": True}),
    ("--annotation", "x-opt-k:=1", "annotations", {symbol("x-opt-k"): 1}),
    ("--durable", None, "durable", True),
    ("--data", None, "body", b"body"),
]


@pytest.mark.parametrize(("option", "text", "name", "value"), OPTIONS)
def test_options_are_attributes_of_the_message(run, broker, option, text, name, value, request):
    queue = f"{broker.url}/{OPTIONS.index((option, text, name, value))}"
    assert run("send", queue, "body", option, *([] if text is None else [text])).code == codes.DONE
    assert getattr(the_message(broker, queue), name) == value


def test_json_lines_are_messages_and_options_fill_in(run, broker, queue):
    lines = [{"body": {"$binary": "AA=="}, "subject": "own"}, {"body": [1]}]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert run("send", queue, "--json", "--subject", "other", stdin=text).code == codes.DONE
    found = broker.messages(queue.rsplit("/", 1)[1])
    assert [(message.body, message.subject) for message in found] == [(b"\0", "own"), ([1], "other")]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"{", "line 2: expected JSON: .* at column 2"),  # the words between are those of Python's parser, and PyPy's
        (b"[" * 100_000, "line 2: expected JSON: "),
        (b"\xff", "line 2: expected JSON: "),
        (b'{"id": {"a": 1}}', "line 2: message id must be "),
        (b'{"properties": 5}', "line 2: properties must be a dict, got int"),
        (b'{"priority": 256}', "line 2: "),
        (b"5", "line 2: expected an object, got 5"),
        (b'{"bodi": 5}', "line 2: expected keys of id, "),
        (b'{"body": 9223372036854775808}', "line 2: "),
    ],
)
def test_bad_input_is_code_5_with_its_line_and_what_went_before_is_sent(run, broker, line, text):
    queue = f"{broker.url}/bad-{len(line)}-{line[:20].hex()}"
    ended = run("send", queue, "--json", stdin=b'{"body": 1}\n' + line + b'\n{"body": 3}\n')
    assert ended.code == codes.INPUT
    assert re.search(text, ended.err.splitlines()[-1])
    assert bodies(broker, queue) == [1]


def test_empty_lines_between_json_are_passed_over_and_counted(run, broker, queue):
    ended = run("send", queue, "--json", stdin=b'\n{"body": 1}\n \r\n{"body": 2}\n\n?\n')
    assert ended.code == codes.INPUT
    assert re.search("line 6: expected JSON: .* at column 1$", ended.err.rstrip())
    assert bodies(broker, queue) == [1, 2]


def test_a_file_that_ends_in_an_error_is_told_behind_what_was_sent(run, broker, queue, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    blocks = Input.blocks

    async def fail_the_second_time(self, size):
        async for block in blocks(self, size):
            if len(broker.seen.messages):
                raise OSError(5, "Input/output error")
            yield block

    monkeypatch.setattr(Input, "blocks", fail_the_second_time)
    ended = run("send", queue, "--file", file, "-n", 2)
    assert ended.code == codes.INPUT
    assert ended.err == ("pure-proton send: 1 sent, 1 accepted\npure-proton send: [Errno 5] Input/output error\n")


def test_text_that_is_not_utf8_needs_data(run, broker, queue):
    ended = run("send", queue, stdin=b"\xff\n")
    assert ended.code == codes.INPUT
    assert "line 1: expected UTF-8 (--data sends bytes)" in ended.err
    assert run("send", queue, "--data", stdin=b"\xff\n").code == codes.DONE
    assert bodies(broker, queue) == [b"\xff"]


def test_a_file_is_one_message(run, broker, queue, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 4000)
    assert run("send", queue, "--file", file, "--content-type", "x/y").code == codes.DONE
    message = the_message(broker, queue)
    assert (message.body, message.content_type) == (file.read_bytes(), "x/y")


def test_a_file_is_sent_so_often(run, broker, queue, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"again")
    assert run("send", queue, "--file", file, "-n", 3).code == codes.DONE
    assert bodies(broker, queue) == [b"again"] * 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_named_pipe_is_one_message(run, broker, queue, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(b"once",))
    thread.start()
    assert run("send", queue, "--file", pipe) == (codes.DONE, "", "")
    thread.join()
    assert bodies(broker, queue) == [b"once"]
    ended = run("send", queue, "--file", pipe, "-n", 2)
    assert ended.code == codes.USAGE
    assert ended.err == f"pure-proton send: --count 2 needs a file that can be read again, got {pipe}\n"


def test_standard_input_is_not_sent_twice(run, broker, queue):
    ended = run("send", queue, "--file", "-", "--count", 2, stdin=b"hi")
    assert ended == (codes.USAGE, "", "pure-proton send: --count 2 needs a file that can be read again, got -\n")
    assert bodies(broker, queue) == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_file_that_is_not_there_is_code_5(run, queue, tmp_path, count):
    ended = run("send", queue, "--file", tmp_path / "missing", "-n", count)
    assert ended.code == codes.INPUT
    assert "No such file or directory" in ended.err and ended.err.count("\n") == 1


def test_standard_input_is_one_message(run, broker, queue):
    assert run("send", queue, "--file", "-", stdin=b"a\nb\n").code == codes.DONE
    assert bodies(broker, queue) == [b"a\nb\n"]


def test_messages_that_are_not_accepted_are_code_1_with_number_and_condition(run, broker, queue):
    broker.answer_next("rejected", "app:bad", "no thanks", when=lambda message: message.body == "2")
    broker.answer_next("released", when=lambda message: message.body == "4")
    ended = run("send", queue, "1", "2", "3", "4")
    assert ended.code == codes.REFUSED
    assert ended.err.splitlines() == [
        "pure-proton send: message 2: rejected: app:bad: no thanks",
        "pure-proton send: message 4: released",
        "pure-proton send: 2 of 4 messages were not accepted",
    ]


def test_only_the_first_ten_of_many_are_told(run, broker, queue):
    broker.answer_next("rejected", "app:bad", times=None)
    ended = run("send", queue, "-n", 5000, "x")
    assert ended.code == codes.REFUSED
    lines = ended.err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "pure-proton send: 5000 of 5000 messages were not accepted"


def test_no_credit_in_time_is_code_4(run, broker, queue):
    broker.set_credit(0)
    try:
        ended = run("send", queue, "x", "--timeout", "0.2")
    finally:
        broker.set_credit(100)
    assert ended.code == codes.TIMEOUT
    assert "waiting for credit" in ended.err


def test_a_loss_is_code_3_and_says_how_far_it_was(run, broker, queue):
    broker.answer_next("cut", when=lambda message: message.body == "3")
    ended = run("send", queue, "1", "2", "3")
    assert ended.code == codes.CONNECTION
    assert "3 sent, outcomes are not known from message " in ended.err


def test_settled_messages_have_no_outcome(run, broker, queue):
    assert run("send", queue, "--settled", "x").code == codes.DONE
    broker.wait_for(lambda seen: seen.messages)
    assert broker.seen.messages[-1].settled


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["x", "--lines"], "expected TEXT or --lines, got both"),
        (["x", "--file", "f"], "expected TEXT or --file, got both"),
        (["x", "--property", "novalue"], "expected K=text or K:=JSON, got 'novalue'"),
        (["x", "--property", "k:=?"], "expected JSON in 'k:=?'"),
        (["x", "--priority", "256"], "priority"),
    ],
)
def test_wrong_options(run, queue, words, text):
    ended = run("send", queue, *words)
    assert ended.code == codes.USAGE
    assert text in ended.err
