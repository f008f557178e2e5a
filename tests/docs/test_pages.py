"""The programs of README, the start and the guides: each runs as it stands, with the address of a test broker.

A block of text right behind a program is what it prints.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
import re
import runpy
from typing import NamedTuple

import pytest

from proton.testing import Broker
from tests.support.programs import ROOT

DOCS = ROOT / "docs"
NAMES = ("start.md", "callbacks.md", "blocking.md", "moving.md", "broker-programs.md", "security.md")
PAGES = [ROOT / "README.md", *(DOCS / name for name in NAMES), *sorted((DOCS / "guides").glob("*.md"))]
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:```text\n(?P<output>.*?)```\n)?", re.S)
#: the pages whose programs other tests run
ELSEWHERE = {
    "asyncio.md": "tests/aio/test_guide.py",
    "command-line.md": "tests/cli/test_guide.py",
    "driver.md": "tests/examples/test_driver.py",
    "hooks.md": "tests/api/test_hooks_of_faces.py",
    "testing.md": "tests/kit/test_guide.py",
}
#: the addresses that stand for that of the broker
URLS = ("amqp://localhost:5672", "amqps://shop.servicebus.windows.net")
#: what the broker of a page has beyond the usual
OPTIONS = {"worker": {"dead_letters": "dead"}}
#: what a program needs if it has a word
LIBRARIES = {"Certificates": "cryptography", "aiohttp": "aiohttp"}
#: what the programs print on a page that does not say it
PRINTED = {"README": "tea\n"}


class Program(NamedTuple):
    page: pathlib.Path
    line: int
    code: str
    output: str | None


def programs():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            yield Program(page, text.count("\n", 0, match.start()) + 2, match["code"], match["output"])


PROGRAMS = list(programs())


@contextlib.contextmanager
def usual_logging():
    """A program begins without the handlers of pytest, and what it sets up goes with it."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = []
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program.page.stem}-{program.line}")
def test_a_program_prints_what_its_page_says(program, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, library in LIBRARIES.items():
        if name in program.code:
            pytest.importorskip(library, reason=f"{library} is not installed")
    with Broker(**OPTIONS.get(program.page.stem, {})) as broker:
        file = tmp_path / "program.py"
        # As many lines above it as on the page, so that a traceback names the line of the page.
        code = program.code
        for url in URLS:
            code = code.replace(url, broker.url)
        file.write_text("\n" * (program.line - 1) + code, encoding="utf-8")
        with usual_logging():
            runpy.run_path(str(file), run_name="__main__")
    expected = PRINTED.get(program.page.stem, program.output)
    assert expected is not None, "each program on a page is followed by what it prints"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_program(page):
    assert page in {program.page for program in PROGRAMS}


def test_the_code_of_every_page_is_run_by_a_test():
    """What is not run: commands that install something, or that wait for the reader's other terminal."""
    pages = [ROOT / "README.md", *(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)]
    code = {
        page for page in pages if re.search(r"^```(?!\{|text\b|console\b)\w", page.read_text(encoding="utf-8"), re.M)
    }
    assert code - {*PAGES} == {DOCS / name for name in ELSEWHERE if name != "command-line.md"}
    for name, test in ELSEWHERE.items():
        assert f'"{name}"' in (ROOT / test).read_text(encoding="utf-8")
    commands = {
        line
        for page in pages
        if page.name not in ELSEWHERE
        for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        for line in block.splitlines()
    }
    assert commands == {
        "$ pure-proton broker",
        "$ pure-proton check",
        "$ python -m pip install .",
        "$ python -m pip uninstall python-qpid-proton",
    }
