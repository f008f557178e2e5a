"""Our engine prints what the reference printed, script by script, but for the differences that are meant.

The reference's output is recorded beside the scripts (record.py), so this needs no reference. A difference that
DIFFERENCES.md does not list fails, and so does a listed one that no longer occurs: the list stays the truth.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.parity import comparison

#: the installed package when tox tests that, the checkout otherwise
PACKAGE = None if os.environ.get("PROTON_INSTALLED") else comparison.HERE.parents[1]
MEANT = comparison.LIST.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", comparison.SCRIPTS, ids=lambda script: script.stem)
def test_prints_what_the_reference_prints(script):
    if script.stem.startswith("tls_") and shutil.which("openssl") is None:
        pytest.skip("no command openssl to make the certificates with")
    reference = comparison.recorded(script).read_text(encoding="utf-8")
    unlisted, gone = comparison.unmeant(script, reference, comparison.run(script, package=PACKAGE), MEANT)
    assert "\n\n".join(unlisted) == "", "differences that DIFFERENCES.md does not list"
    assert "\n\n".join(gone) == "", "differences in DIFFERENCES.md that no longer occur"


def test_every_recording_has_its_script():
    names = {script.stem for script in comparison.SCRIPTS}
    assert {path.stem for path in (comparison.HERE / "expected").glob("*.txt")} == names


def test_every_listed_difference_has_a_script_and_a_reason():
    names = {script.name for script in comparison.SCRIPTS}
    for name, reason in comparison.listed(MEANT):
        assert name in names
        assert reason, f"{name}: a difference without a reason"


def test_a_changed_line_is_a_hunk_and_an_equal_one_is_not():
    assert comparison.differences("a\nb\nc\n", "a\nx\nc\n") == ["-b\n+x"]
    assert comparison.differences("a\n", "a\n") == []
