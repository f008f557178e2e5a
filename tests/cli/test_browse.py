"""`browse`: what is in a queue, which it leaves as it is; peers that would give messages away are not asked."""

from __future__ import annotations

import pytest

from proton import Message
from proton.asyncio import Receiver
from proton.cli import codes


@pytest.fixture
def left(broker, queue):
    name = queue.rsplit("/", 1)[1]
    broker.put(name, *(Message(str(number), properties={"n": number}) for number in range(250)))
    return lambda: [message.body for message in broker.messages(name)]


EVERY = list(map(str, range(250)))


def test_it_prints_all_and_takes_nothing(run, queue, left):
    ended = run("browse", queue)
    assert (ended.code, ended.out.split()) == (codes.DONE, EVERY)
    assert left() == EVERY
    assert run("receive", queue, "--browse").out == ended.out


def test_selectors_and_counts_choose(run, queue, left):
    assert run("browse", queue, "--selector", "n >= 100 AND n < 103").out == "100\n101\n102\n"
    assert run("browse", queue, "-n", 2, "--json").out.count("\n") == 2
    assert left() == EVERY


def test_an_empty_queue_is_browsed_at_once(run, queue):
    assert run("browse", queue) == (codes.DONE, "", "")


def test_a_peer_that_gives_messages_away_is_not_asked(run, queue, left, monkeypatch):
    class Mode:
        distribution_mode = 2  # move

    class Link:
        remote_source = Mode

    monkeypatch.setattr(Receiver, "engine_link", Link)
    ended = run("browse", queue)
    assert ended.code == codes.REFUSED
    assert "the peer does not browse" in ended.err
    assert left() == EVERY
