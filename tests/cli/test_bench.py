"""`bench`: its numbers belong to its messages, and those of other programs are given back."""

from __future__ import annotations

import json

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


def test_messages_of_other_programs_are_given_back(run, broker, queue):
    name = queue.rsplit("/", 1)[1]
    broker.put(name, Message("other"))
    ended = run("bench", queue, "-n", 20)
    assert ended.code == codes.REFUSED
    assert "got a message of another program" in ended.err
    assert "other" in [message.body for message in broker.messages(name)]


def test_a_peer_that_gives_no_credit_is_code_4(run, broker, queue):
    broker.set_credit(0)
    try:
        assert run("bench", queue, "-n", 2, "--timeout", "0.2").code == codes.TIMEOUT
    finally:
        broker.set_credit(100)
