"""What an import of the package does not import, and that each module which is put off is there when it is used."""

import importlib
import pathlib
import subprocess
import sys

import pytest

from proton import lazy

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", lazy.REASONS)
def test_a_module_that_is_put_off_is_the_module_when_it_is_used(name):
    module = importlib.import_module(name)
    stand_in = getattr(lazy, name.replace(".", "_"))
    assert stand_in.__name__ == name and lazy.is_present(stand_in)
    for attribute in (attribute for attribute in dir(module) if not attribute.startswith("_")):
        assert getattr(stand_in, attribute) is getattr(module, attribute)


def test_a_name_that_the_module_lacks_raises_as_the_module_does():
    with pytest.raises(AttributeError, match="json.*no_such_name"):
        lazy.json.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", ["ssl", "ctypes"])
def test_a_python_may_lack_a_module(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)  # importing it raises
    assert not lazy.is_present(getattr(lazy, name))


#: what a program imports, and what else it must get beside what every interpreter has at its start
IMPORTED = {
    "proton": set(),
    # These open sockets.
    "proton.reactor": {"socket"},
    "proton.handlers": {"socket"},
    "proton.utils": {"socket"},
}
_LIST = """
import sys
sys.path.insert(0, {root!r})
import logging, random, uuid, queue  # what they import is not for this package to put off
before = set(sys.modules)
import {face}
print(*sorted((set(sys.modules) - before) & {names!r}))
"""


@pytest.mark.parametrize(("face", "needed"), IMPORTED.items())
def test_an_import_leaves_out_what_few_programs_need(face, needed):
    code = _LIST.format(root=str(ROOT), face=face, names=set(lazy.REASONS))
    # -S: what is installed beside may import anything at the start.
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(run.stdout.split()) <= needed, run.stdout


def test_a_connection_without_tls_needs_no_tls():
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import proton.reactor, proton.handlers
class Connecting(proton.handlers.MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.connect(f"127.0.0.1:{{self.acceptor.port}}")
    def on_connection_opened(self, event):
        if event.connection.state & event.connection.LOCAL_ACTIVE:
            event.connection.close()
            self.acceptor.close()
container = proton.reactor.Container(Connecting())
container.run()
print(*sorted(set(sys.modules) & {{"ssl", "ctypes", "numbers", "urllib.parse", "json", "logging.config"}}))
container.ssl.client
print("ssl" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split("\n")[:2] == ["", "True"]
