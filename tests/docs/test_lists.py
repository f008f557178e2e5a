"""The pages name each callback, option, exception and variable of the environment; and each page can be reached."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

import proton
import proton.asyncio
import proton.reactor
import proton.utils
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Backoff, Container
from proton.testing import Broker
from proton.utils import BlockingConnection, BlockingReceiver, BlockingSender
from tests.support import commands
from tests.support.programs import ROOT

DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts
}
ALL = "\n".join([*PAGES.values(), (ROOT / "README.md").read_text(encoding="utf-8")])


def named(name):
    return re.search(rf"(?<![\w.]){re.escape(name)}\b", ALL)


def is_type(value):
    return isinstance(value, proton.EventType)


@pytest.mark.parametrize(
    "name",
    sorted({name for cls in (MessagingHandler, TransactionHandler) for name in vars(cls) if name.startswith("on_")}),
)
def test_each_callback_is_on_a_page(name):
    assert named(name)


@pytest.mark.parametrize("name", sorted({kind.method for kind in vars(proton.Event).values() if is_type(kind)}))
def test_each_event_of_the_engine_is_on_a_page(name):
    assert named(name)


def exceptions():
    for module in (proton, proton.utils, proton.asyncio):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and issubclass(value, BaseException):
                yield name


@pytest.mark.parametrize("name", sorted(set(exceptions())))
def test_each_exception_is_on_a_page(name):
    assert named(name)


def options():
    """The parameters of the calls that make things, and the keys of the typed dictionaries of their further options."""
    methods = [
        Container.__init__,
        Container.connect,
        Container.listen,
        Container.create_sender,
        Container.create_receiver,
    ]
    methods += [MessagingHandler.__init__, Backoff.__init__, Broker.__init__, BlockingConnection.__init__]
    methods += [BlockingSender.send, BlockingReceiver.receive, proton.asyncio.connect, proton.asyncio.serve]
    for face in (BlockingConnection, proton.asyncio.Connection, proton.asyncio.Session):
        methods += [value for name, value in vars(face).items() if inspect.isfunction(value) and name[0] != "_"]
    for method in methods:
        for parameter in inspect.signature(method).parameters.values():
            if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                yield parameter.name
    source = (ROOT / "proton" / "options" / "connect_options.py").read_text(encoding="utf-8")
    keywords = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Keywords")
    ]
    assert len(keywords) == 3
    for cls in keywords:
        yield from (node.target.id for node in cls.body if isinstance(node, ast.AnnAssign))
    for value in vars(proton.reactor).values():
        if inspect.isclass(value) and issubclass(value, proton.reactor.LinkOption):
            yield value.__name__


@pytest.mark.parametrize("name", sorted(set(options())))
def test_each_option_is_on_a_page(name):
    assert named(name)


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            name
            for path in (ROOT / "proton").rglob("*.py")
            for name in re.findall(r"\"((?:PN|PNPY|PROTON|MESSAGING)_[A-Z_]+)\"", path.read_text(encoding="utf-8"))
            if name != "PN_UNKNOWN"  # the name of an event
        }
    ),
)
def test_each_variable_of_the_environment_is_on_a_page(name):
    assert named(name)


def test_each_page_is_in_a_table_of_contents():
    listed = set()
    for page, text in PAGES.items():
        folder = page.rpartition("/")[0]
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.S):
            entries = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith(":")]
            listed |= {f"{folder}/{entry}" if folder else entry for entry in entries}
    assert PAGES.keys() - listed == {"index"}
    assert listed - PAGES.keys() == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    path = DOCS / f"{page}.md"
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", re.sub(r"```.*?```", "", PAGES[page], flags=re.S)):
        if not target.startswith(("http:", "https:")):
            assert (path.parent / target).exists(), target


def test_each_example_is_on_the_page_of_the_examples():
    listed = set(re.findall(r"`(\w+\.py)`", PAGES["examples"]))
    assert listed == {path.name for path in (ROOT / "examples").glob("*.py")}


def test_the_page_of_the_commands_has_the_options_of_their_parsers():
    assert commands.PAGE.read_text(encoding="utf-8") == commands.page(), "python -m tests.support.commands --write"
