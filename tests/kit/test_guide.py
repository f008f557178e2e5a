"""The code in docs/testing.md, run as it stands: its tests are tests of this file. And the guide names all there is."""

from __future__ import annotations

import inspect
import re

import pytest

from proton import testing
from tests.support.programs import ROOT

GUIDE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.S)

for block in BLOCKS:
    exec(compile(block, "docs/testing.md", "exec"), globals())


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: re.findall(r"^ *def (test_\w+)", code, re.M)[0])
def test_each_block_has_a_test_that_is_collected(code):
    for name in re.findall(r"^def (test_\w+)", code, re.M):
        assert callable(globals()[name])


def test_no_two_things_have_one_name():
    names = re.findall(r"^(?:def|class) (\w+)", "".join(BLOCKS), re.M)
    assert sorted(names) == sorted(set(names))


def public(value):
    return [name for name in vars(value) if not name.startswith("_")]


@pytest.mark.parametrize("name", testing.__all__)
def test_the_guide_names_all_that_is_public(name):
    assert re.search(rf"`{name}\b", GUIDE) or re.search(rf"^from proton.testing import .*\b{name}\b", GUIDE, re.M)
    value = getattr(testing, name)
    if inspect.isclass(value) and not name.startswith("Seen"):
        missing = [each for each in public(value) if not re.search(rf"\b{each}\b", GUIDE)]
        assert missing == []


@pytest.mark.parametrize("name", [name for name in testing.__all__ if name.startswith("Seen") and name != "Seen"])
def test_the_guide_names_all_fields_of_records(name):
    (row,) = [line for line in GUIDE.splitlines() if f"`{name}`" in line]
    assert re.findall(r"`(\w+)`", row.partition(f"`{name}`")[2]) == list(getattr(testing, name)._fields)


@pytest.mark.parametrize("name", ["Broker", "Joined", "Certificates"])
def test_the_guide_has_the_options(name):
    for parameter in inspect.signature(getattr(testing, name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert f"{parameter.name}={parameter.default!r}".replace("'", '"') in GUIDE


def test_the_guide_has_all_fixtures():
    plugin = (ROOT / "pytest_pure_proton.py").read_text(encoding="utf-8")
    for name in re.findall(r"^def (amqp_\w+)", plugin, re.M):
        assert f"| `{name}` |" in GUIDE
