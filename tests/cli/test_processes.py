"""Commands as processes: Ctrl-C, pipes that close, pipes that are long. What was not printed stays in the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from proton import Message
from proton.cli import codes
from tests.support.programs import our_environment
from tests.support.references import steady

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")

SECONDS = 60
#: lines of the long pipe; a million by hand
LINES = int(os.environ.get("PROTON_PIPE_LINES", "20000"))


def start(*words, **streams):
    """A command as a process, with pipes for what `streams` does not name."""
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "proton", *map(str, words)]
    return subprocess.Popen(command, env=our_environment(), **given)


def end(process):
    """What a process has printed, once it has ended; it is killed if it does not."""
    try:
        return tuple(text.decode() if text else "" for text in process.communicate(timeout=SECONDS))
    finally:
        process.kill()


def name_of(queue):
    return queue.rsplit("/", 1)[1]


def bodies(broker, queue):
    return [message.body for message in broker.messages(name_of(queue))]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_send_says_how_many_are_accepted(broker, queue, number, code):
    sender = start("send", queue)
    sender.stdin.write(b"one\ntwo\nhalf")
    sender.stdin.flush()
    broker.wait_for(lambda seen: len(seen.messages) == 2)
    sender.send_signal(number)
    sender.wait(SECONDS)  # though its standard input is open
    _, errors = end(sender)
    assert sender.returncode == code
    assert errors == "pure-proton send: interrupted: 2 sent, 2 accepted\n"
    assert bodies(broker, queue) == ["one", "two"]


def test_an_interrupted_send_waits_for_outcomes_that_are_due(broker, queue):
    broker.answer_next("none", when=lambda message: message.body == "two")
    sender = start("send", queue)
    sender.stdin.write(b"one\ntwo\n")
    sender.stdin.flush()
    broker.wait_for(lambda seen: len(seen.messages) == 2)
    sender.send_signal(signal.SIGINT)
    _, errors = end(sender)
    assert sender.returncode == codes.INTERRUPTED
    assert errors == "pure-proton send: interrupted: 2 sent, 1 accepted, 1 without an outcome\n"


def test_an_interrupted_receive_gives_back_what_it_has_not_printed(broker, queue):
    broker.put(name_of(queue), Message("one"))
    receiver = start("receive", queue, "--follow")
    assert receiver.stdout.readline() == b"one\n"
    broker.wait_for(lambda seen: seen.outcomes)
    receiver.send_signal(signal.SIGINT)
    _, errors = end(receiver)
    assert receiver.returncode == codes.INTERRUPTED
    assert errors == "pure-proton receive: interrupted: 1 received\n"
    assert broker.seen.ends[-1].kind == "connection"


def test_an_interrupted_bench_takes_its_messages_out_of_the_queue(broker, queue):
    process = start("bench", queue, "-n", 1_000_000, "--prefetch", 1)
    broker.wait_for(lambda seen: len(seen.messages) >= 500)
    process.send_signal(signal.SIGINT)
    _, errors = end(process)
    assert (process.returncode, errors) == (codes.INTERRUPTED, "pure-proton bench: interrupted\n")
    assert bodies(broker, queue) == []


def test_a_closed_pipe_ends_quietly_and_nothing_is_lost(broker, queue):
    count = 2000
    broker.put(name_of(queue), *(Message(f"{number} {'x' * 1000}") for number in range(count)))
    receiver = start("receive", queue)
    first = receiver.stdout.readline()
    receiver.stdout.close()
    receiver.wait(SECONDS)
    errors = receiver.stderr.read()
    receiver.stderr.close()
    receiver.stdin.close()
    assert (receiver.returncode, errors) == (codes.PIPE, b"")
    assert first.startswith(b"0 ")
    broker.wait_for(lambda seen: broker.link_count(name_of(queue)) == 0)
    left = {int(body.split()[0]) for body in bodies(broker, queue)}
    # What is gone was written to the pipe, in order: the pipe and the buffer of its reader hold no more.
    gone = count - len(left)
    assert left == set(range(gone, count))
    assert gone <= 400


def test_a_reader_that_stands_still_costs_neither_the_connection_nor_a_message(broker, queue):
    broker.put(name_of(queue), *(Message(f"{number} {'x' * 150}") for number in range(3000)))
    receiver = start("receive", queue)
    broker.wait_for(lambda seen: seen.outcomes)
    assert bodies(broker, queue)  # the pipe is full
    receiver.send_signal(signal.SIGINT)
    receiver.wait(SECONDS)  # though its standard output is full
    printed = receiver.stdout.read().split(b"\n")[:-1]  # the last one is in part
    _, errors = end(receiver)
    assert receiver.returncode == codes.INTERRUPTED
    assert errors == f"pure-proton receive: interrupted: {len(printed)} received\n"
    broker.wait_for(lambda seen: broker.link_count(name_of(queue)) == 0)
    numbers = [int(line.split()[0]) for line in (*printed, *(body.encode() for body in bodies(broker, queue)))]
    assert sorted(numbers) == list(range(3000))  # each one is printed or there, and none is both


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
@steady
def test_a_long_pipe_takes_little_memory(broker, queue):
    """Once through: the lines that come out are those that went in, and both ends stay small."""
    sender = start("send", queue, "--quiet")
    receiver = start("receive", queue, "-n", LINES, stdin=subprocess.DEVNULL)
    peaks = []

    def feed():
        with sender.stdin as pipe:
            for number in range(LINES):
                pipe.write(b"line %d\n" % number)
        peaks.append(peak_of(sender.pid))

    feeder = threading.Thread(target=feed)
    feeder.start()
    for number, line in enumerate(receiver.stdout):
        assert line == b"line %d\n" % number
        if number == LINES - LINES // 10:
            peaks.append(peak_of(receiver.pid))
    feeder.join(SECONDS)
    sender.stdin = None
    assert end(sender) == ("", "") and sender.returncode == codes.DONE
    assert end(receiver) == ("", "") and receiver.returncode == codes.DONE
    assert number == LINES - 1 and len(peaks) == 2
    assert max(peaks) < 80_000


def peak_of(number):
    """The most memory that a process has had, in KiB."""
    with open(f"/proc/{number}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
