"""The commands on a real terminal, by tmux: help fits, progress moves, what a peer says does not move the cursor.

PROTON_CAPTURES names a folder for the screens, from which docs/command-line.md has its own: a test that
finds another one there writes the new one down before it fails.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import uuid

import pytest

from proton import Message
from proton.cli import COMMANDS
from tests.support import captures as made
from tests.support.programs import ROOT, our_environment

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux")

SECONDS = 60.0
GUIDE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


#: what makes a program believe in another width
PLAIN = ["-u", "COLUMNS", "-u", "LINES"]


class Screen:
    """A terminal of 100 columns."""

    def __init__(self, lines):
        self._name = uuid.uuid4().hex
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", "100", "-y", str(lines), "env", *PLAIN, "PS1=$ ", "sh")
        variables = {name: our_environment().get(name) for name in ("PYTHONPATH",)}
        assigned = [f"{name}={shlex.quote(value)}" for name, value in variables.items() if value]
        python = shlex.quote(sys.executable)
        alias = f"alias pure-proton='{' '.join(['env', *assigned, python])} -m proton'"
        self.type(f"cd {shlex.quote(str(ROOT))}; {alias}; clear")
        self.wait_for(lambda text: text.strip() == "$")

    def _tmux(self, *words):
        command = ["tmux", "-L", self._name, *words]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout

    def type(self, line):
        """Type a line, and the return key."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def press(self, key):
        self._tmux("send-keys", key)

    def text(self):
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines()).rstrip()

    def wait_for(self, condition):
        """The screen, once it is as wanted."""
        pause = threading.Event()
        for _ in range(int(SECONDS / 0.05)):
            text = self.text()
            if condition(text):
                return text
            pause.wait(0.05)
        raise AssertionError(f"not on the screen within {SECONDS} s:\n{self.text()}")

    def clear(self):
        """Leave the prompt alone on the screen."""
        self.type("echo full")  # else an empty screen would be taken for one that is cleared
        self.wait_for(lambda text: text.endswith("full\n$"))
        self.type("clear")
        self.wait_for(lambda text: text.strip() == "$")

    def run(self, line):
        """The screen after a command, which is typed on an empty one."""
        self.clear()
        self.type(line)
        return self.wait_for(lambda text: text.endswith("\n$"))

    def close(self):
        self._tmux("kill-server")


@pytest.fixture(scope="module")
def screen():
    opened = Screen(50)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tall_screen():
    opened = Screen(120)
    yield opened
    opened.close()


def on_page(command):
    """What docs/command-line.md shows of a command."""
    return re.search(rf"^```text\n\$ {re.escape(command)}\n(.*?)^```$", GUIDE, re.S | re.M)[1]


def keep(name, text):
    """Write a screen down, if it was asked for."""
    folder = os.environ.get("PROTON_CAPTURES")
    if folder:
        lines = text.splitlines()
        pathlib.Path(folder, f"{name}.txt").write_text("\n".join(lines[:-1] if lines[-1] == "$" else lines) + "\n")


def test_help_fits_on_a_screen(screen):
    text = screen.run("pure-proton --help")
    assert text.startswith("$ pure-proton --help\nusage: pure-proton")
    assert all(f"\n    {name}" in text for name in COMMANDS)
    keep("help", text)


@pytest.mark.parametrize("name", [name for name in COMMANDS])
def test_help_of_a_command_fits_and_has_its_examples(tall_screen, name):
    text = tall_screen.run(f"pure-proton {name} --help")
    keep(f"help-{name}", text)
    assert text.startswith(f"$ pure-proton {name} --help\nusage: pure-proton {name} ")
    assert "\nexamples:\n" in text
    if (3, 10) <= sys.version_info < (3, 13):  # that of others has other line ends; test_guide.py has their words
        assert shown_of(text) == on_page(f"pure-proton {name} --help"), "PROTON_CAPTURES=FOLDER has what to put there"


def shown_of(text):
    """What a command has printed, without its own line and the prompt behind it."""
    return "\n".join(text.splitlines()[1:-1]) + "\n"


@pytest.fixture
def capture(tmp_path):
    """A file with a conversation."""
    file = tmp_path / "traffic.pcap"
    file.write_bytes(made.pcap([made.packet(content) for content in made.segments(made.recorded())]))
    return file


def test_the_diagram_is_that_of_the_page(screen, capture):
    screen.run(f"cd {capture.parent}")
    text = screen.run("pure-proton decode --diagram traffic.pcap")
    screen.run(f"cd {shlex.quote(str(ROOT))}")
    keep("diagram", text)
    assert shown_of(text) == on_page("pure-proton decode --diagram traffic.pcap")


def test_decode_on_a_terminal_is_lines_without_progress(screen, capture):
    text = screen.run(f"pure-proton decode {capture} --messages")
    assert "MB read" not in text
    assert '"hello"' in text


def test_progress_of_decode_moves_and_goes(screen, capture):
    pytest.importorskip("rich")
    screen.clear()
    halves = f"head -c 2000 {capture}; sleep 1; tail -c +2001 {capture}"
    screen.type(f"({halves}; sleep 30) | pure-proton decode --json > {capture.parent}/frames")
    shown = screen.wait_for(lambda text: "MB read" in text and "/s" in text)
    assert "━" in shown
    keep("decode-progress", shown)
    screen.press("C-c")
    text = screen.wait_for(lambda text: "pure-proton decode: interrupted" in text)
    assert "━" not in text


def test_progress_of_rich_moves_and_goes(screen, broker, queue):
    pytest.importorskip("rich")
    screen.clear()
    broker.slow_down(0.0)
    screen.type(f"(seq 3000; sleep 1; seq 1000; sleep 3; echo) | pure-proton send {queue}")
    shown = screen.wait_for(lambda text: "messages sent" in text and "/s" in text)
    assert "━" in shown
    keep("progress", shown)
    bar = r"messages sent [━ ╸╺]+ \d+  [\d,]+/s \d:\d\d:\d\d"
    assert re.search(bar, shown) and re.search(bar, on_page("seq 1000000 | pure-proton send amqp://localhost/tasks"))
    screen.press("C-c")
    text = screen.wait_for(lambda text: "interrupted: " in text)
    assert "━" not in text
    keep("interrupted", text)


def test_what_a_peer_says_does_not_move_the_cursor(screen, broker, queue):
    broker.put(queue.rsplit("/", 1)[1], Message("\x1b[2Jred\x1b[31m\rx"), Message(b"\x1b]0;title\x07"))
    text = screen.run(f"pure-proton receive {queue}")
    assert "\\x1b[2Jred\\x1b[31m\\rx\n\\x1b]0;title\\x07" in text


def test_a_password_is_asked_for_and_not_shown(screen, broker, queue):
    screen.clear()
    screen.type(f"pure-proton send {queue} --user fred hello")
    screen.wait_for(lambda text: "password of fred:" in text)
    screen.type("pencil")
    text = screen.wait_for(lambda text: text.endswith("$"))
    assert "pencil" not in text
    assert [message.body for message in broker.messages(queue.rsplit("/", 1)[1])] == ["hello"]


def test_without_input_a_terminal_is_told_what_to_give(screen, queue):
    text = screen.run(f"pure-proton send {queue}")
    assert "expected TEXT, --lines, --json, --file or a pipe, got a terminal" in text
