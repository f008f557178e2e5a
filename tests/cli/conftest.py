"""A broker and the command line in this process: what it prints, and the code that it ends with."""

from __future__ import annotations

import io
import pathlib
import sys
from typing import NamedTuple

import pytest

from proton.cli import main
from proton.cli.checks import package
from proton.testing import Broker


class Ended(NamedTuple):
    """How a command has ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def running_broker():
    with Broker() as broker:
        yield broker


@pytest.fixture
def broker(running_broker):
    yield running_broker
    running_broker.behave()
    running_broker.forget()


@pytest.fixture
def queue(broker, request):
    """The URL of a queue of this test's own."""
    return f"{broker.url}/{request.node.name}"


@pytest.fixture
def run(capsysbinary, monkeypatch):
    """Runs a command: `run("send", url, "text", stdin=b"…")`.

    `is_terminal`: its standard input says that it is a terminal.
    """

    def run_command(*words, stdin=b"", is_terminal=False):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal)
        capsysbinary.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = error.code
        out, err = capsysbinary.readouterr()
        return Ended(code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8"))

    return run_command


@pytest.fixture
def used_package_alone(monkeypatch):
    """`check` finds no second package: tests run from a checkout, and tox installs the package beside it."""
    find, used = package.owners, str(pathlib.Path(package.__file__).resolve().parents[2])
    monkeypatch.setattr(package, "owners", lambda: [owner for owner in find() if owner.folder == used])
