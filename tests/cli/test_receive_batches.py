"""`receive` and `browse` wait with nothing in hand: what was taken is written, and settled, before."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from proton import Message
from proton.cli import codes
from tests.support.loops import SECONDS
from tests.support.programs import our_environment
from tests.support.raw_source import ACCEPTED, MALFORMED, REJECTED, raw_source

ONE, TWO = Message("one").encode(), Message("two").encode()
NOTE = "rejected a message that cannot be decoded"

ENDS = [[], ["--timeout", "0.2"], ["--follow", "--timeout", "0.2"], ["-n", "30", "--timeout", "0.2"]]


@pytest.mark.parametrize("words", ENDS)
@pytest.mark.parametrize(
    ("encoded", "outcomes"),
    [
        ([ONE, MALFORMED], {ACCEPTED, REJECTED}),
        ([MALFORMED, ONE], {ACCEPTED, REJECTED}),
        ([MALFORMED], {REJECTED}),
        ([ONE, MALFORMED, TWO, MALFORMED], {ACCEPTED, REJECTED}),
    ],
)
def test_a_message_that_cannot_be_decoded_keeps_no_other_back(run, words, encoded, outcomes):
    with raw_source(*encoded) as source:
        ended = run("receive", source.url, *words)
        good = [text for raw, text in ((ONE, "one\n"), (TWO, "two\n")) if raw in encoded]
        assert ended.out == "".join(good)
        assert ended.code == (codes.TIMEOUT if "-n" in words else codes.DONE)
        assert ended.err.count(NOTE) == encoded.count(MALFORMED)
        assert set(source.wait_for_outcomes(len(encoded))) == outcomes


def test_browse_shows_what_comes_before_a_message_that_cannot_be_decoded(run):
    with raw_source(ONE, MALFORMED) as source:
        assert run("browse", source.url).out == "one\n"


@pytest.mark.skipif(sys.platform == "win32", reason="reads a pipe of a process that goes on")
@pytest.mark.parametrize("second", [MALFORMED, (TWO[:8], TWO[8:])], ids=["malformed", "in part"])
def test_follow_shows_a_message_at_once_whatever_comes_behind_it(second):
    with raw_source(ONE, second) as source:
        command = [sys.executable, "-m", "proton", "receive", source.url, "--follow"]
        process = subprocess.Popen(command, env=our_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        timer = threading.Timer(SECONDS, process.kill)  # ends a line that does not come
        timer.start()
        try:
            assert process.stdout.readline() == b"one\n"
            if second is not MALFORMED:
                source.tell("rest")
                assert process.stdout.readline() == b"two\n"
        finally:
            timer.cancel()
            process.kill()
            process.communicate()
