"""Progress is for terminals: a bar of `rich`, lines without it, nothing elsewhere. test_terminal.py has a real one."""

from __future__ import annotations

import importlib
import io
import sys

import pytest

from proton.cli import progress
from proton.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """The time, as a list of one number."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def shown(monkeypatch, clock, stream, **options):
    """What is written while 3,000 things are done in 12 seconds."""
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("things", 3000, **options) as bar:
        for done in range(0, 3001, 250):
            clock[0] = 100.0 + done / 250
            bar.show(done)
    return stream.getvalue()


def without_rich(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)


def test_lines_now_and_then_without_rich(monkeypatch, clock):
    without_rich(monkeypatch)
    assert shown(monkeypatch, clock, Terminal()) == "things: 1250/3000  250/s\nthings: 2500/3000  250/s\n"


def test_numbers_may_be_of_a_unit(monkeypatch, clock):
    without_rich(monkeypatch)
    lines = "things: 1.2/3.0  0.2/s\nthings: 2.5/3.0  0.2/s\n"
    assert shown(monkeypatch, clock, Terminal(), unit=1000) == lines


def test_a_bar_with_rich(monkeypatch, clock):
    pytest.importorskip("rich")
    text = shown(monkeypatch, clock, Terminal())
    assert "things" in text and "3000/3000  250/s" in text


@pytest.mark.parametrize(("stream", "options"), [(io.StringIO(), {}), (Terminal(), {"is_quiet": True})])
def test_nothing_elsewhere_and_nothing_when_quiet(monkeypatch, clock, stream, options):
    without_rich(monkeypatch)
    assert shown(monkeypatch, clock, stream, **options) == ""
