"""The commands of docs/command-line.md, run by a shell as they stand there, and what the page says that they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading

import pytest

from proton import Message, Timeout
from proton.cli import COMMANDS, codes
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.programs import ROOT, our_environment

GUIDE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", GUIDE, re.S)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a shell of POSIX")


def steps(block):
    """(command, printed) of a block."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


@pytest.fixture(scope="module")
def url():
    """A broker that does what the page says: one queue takes what is good alone, one has a service."""
    with Broker() as broker:
        broker.answer_next(
            "rejected", "app:invalid", "expected something good", "strict", lambda message: message.body == "bad"
        )
        stop = threading.Event()
        thread = threading.Thread(target=serve, args=(broker.url, stop))
        thread.start()
        yield broker.url
        stop.set()
        thread.join()


def serve(url, stop):
    connection = BlockingConnection(url)
    receiver, sender = connection.create_receiver("upper", credit=10), connection.create_sender(None)
    while not stop.is_set():
        try:
            request = receiver.receive(timeout=0.1)
        except Timeout:
            continue
        receiver.accept()
        sender.send(Message(request.body.upper(), address=request.reply_to, correlation_id=request.correlation_id))
    connection.close()


def test_the_page_has_blocks():
    assert len(BLOCKS) >= 9
    assert set(re.findall(r"^\$ .*?pure-proton (\w+)", GUIDE, re.M)) >= {"send", "receive", "browse", "request"}


def test_the_blocks_print_what_the_page_says(url):
    program = f"{shlex.quote(sys.executable)} -m proton "
    for block in BLOCKS:  # in order: one sends what another receives
        script = expected = ""
        for command, printed in steps(block):
            script += command.replace("amqp://localhost", url).replace("pure-proton ", program) + "\n"
            expected += printed
        done = subprocess.run(
            ["sh", "-c", script],
            env=our_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
        )
        assert done.stdout == expected, block


def test_the_page_has_each_command():
    table = GUIDE[: GUIDE.index("## ")]
    for name in COMMANDS:
        assert f"\n## {name}\n" in GUIDE
        assert f"| [`{name}`](#{name}) | " in table


def test_the_page_has_each_code():
    listed = dict(re.findall(r"^\| (\d+) \| (.*) \|$", GUIDE, re.M))
    named = {getattr(codes, name) for name in codes.__all__ if name != "CommandError"}
    assert set(map(int, listed)) == named


def words(text):
    """A help text as words, in the form of each Python."""
    text = text.replace("optional arguments:", "options:")  # before 3.10
    text = re.sub(r"(-\w) [^\s,]+, (--)", r"\1, \2", text)  # before 3.13
    return text.split()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_help_of_each_command(run, name):
    command = f"$ pure-proton {name} --help\n"
    shown = GUIDE[GUIDE.index(command) + len(command) :].partition("\n```")[0]
    assert words(shown) == words(run(name, "--help").out), "tests/cli/test_terminal.py makes it anew"


def test_options_on_the_page_exist(run):
    helps = {name: run(name, "--help").out for name in COMMANDS}
    for line in re.findall(r"^\$ .*", GUIDE, re.M):
        for name, rest in re.findall(r"pure-proton (\w+)([^|]*)", line):
            for option in re.findall(r"\s(--[a-z-]+)", rest):
                assert option in helps[name], f"{name} {option}"
