"""What a release is called, and where that is said: `proton.__version__`, setup.cfg, CHANGELOG.md, changes/."""

from __future__ import annotations

import ast
import configparser
import pathlib
import re
import subprocess
import sys

import pytest

import proton

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = r"\d+\.\d+\.\d+"
HEADING = re.compile(rf"^## ({RELEASE}) \((unreleased|\d{{4}}-\d\d-\d\d)\)$", re.MULTILINE)
#: `+name.kind.md`, or the number of an issue in place of a name; towncrier adds a count to a second one of a name
FRAGMENT = re.compile(r"(?:\+[a-z0-9-]+|\d+)\.(?:added|changed|fixed|security)(?:\.\d+)?\.md")
FRAGMENTS = sorted(path for path in (ROOT / "changes").iterdir() if path.name not in {"README.md", "template.md.jinja"})
MARK = "<!-- changes -->\n"


def numbers(version):
    return [int(part) for part in version.split(".")[:3]]


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def literal_version():
    """The version as the sources have it: the build reads it without an import, so it has to be a plain text."""
    for node in ast.parse((ROOT / "proton" / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == ["__version__"]:
            return ast.literal_eval(node.value)
    raise AssertionError("expected a plain assignment of __version__")


def test_the_version_is_in_one_place():
    assert setup()["metadata"]["version"] == "attr: proton.__version__"
    assert literal_version() == proton.__version__
    assert re.fullmatch(rf"{RELEASE}(?:\.dev\d+|(?:a|b|rc)\d+)?", proton.__version__)


def test_the_changes_are_those_of_the_version():
    """The newest heading is that of this version; one in the making may be ahead of it, as its news is in changes/."""
    newest, day = HEADING.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[0]
    if ".dev" in proton.__version__:
        assert numbers(newest) <= numbers(proton.__version__)
    else:
        assert numbers(newest) == numbers(proton.__version__)


def test_the_releases_are_in_order():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = HEADING.findall(text)
    assert len(found) == len(re.findall(r"^## ", text, re.MULTILINE))  # each heading is that of a release
    assert [numbers(version) for version, _ in found] == sorted(
        (numbers(version) for version, _ in found), reverse=True
    )
    # What towncrier looks for: the newest release follows it.
    assert text.count(MARK) == 1 and text.index(MARK) < text.index("## ")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_becomes_one_line_of_the_changes(path):
    assert FRAGMENT.fullmatch(path.name), f"{path.name}: expected +name.kind.md, see changes/README.md"
    text = path.read_text(encoding="utf-8").strip()
    assert text and "\n\n" not in text and not text.startswith(("-", "*", "#")), f"expected one paragraph, got {text!r}"


def test_the_version_costs_no_look_at_what_is_installed():
    program = "import sys, proton; print(proton.__version__, 'importlib.metadata' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"], stdout=-1
    )
    assert done.stdout.decode().split() == [proton.__version__, "False"]


def test_the_pythons_are_those_that_are_supported():
    metadata, options = setup()["metadata"], setup()["options"]
    found = re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", metadata["classifiers"], re.MULTILINE)
    assert [int(minor) for minor in found] == list(range(9, 16)) and options["python_requires"] == ">=3.9"
    for name in ("CPython", "PyPy"):
        assert f"Programming Language :: Python :: Implementation :: {name}" in metadata["classifiers"]
