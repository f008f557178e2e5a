"""The warning at import if python-qpid-proton is installed in the same folder: it owns a package `proton` too."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import proton

PACKAGE = pathlib.Path(proton.__file__).parent


@pytest.fixture
def folder(tmp_path):
    """A folder of packages that has this one, and a program beside it."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "proton").symlink_to(PACKAGE, target_is_directory=True)
    (tmp_path / "program.py").write_text("import proton.reactor\nimport proton.utils\nprint(proton.__file__)\n")
    return tmp_path / "packages"


def run(folder, *options):
    program = folder.parent / "program.py"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *options, str(program)],
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_the_program_is_warned_once_at_its_import_and_told_the_cure(folder):
    # The file that each version of python-qpid-proton leaves beside the package.
    (folder / "cproton.py").write_text("")
    done = run(folder)
    assert done.returncode == 0
    assert done.stdout.strip() == str(folder / "proton" / "__init__.py")
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"{folder.parent / 'program.py'}:1: RuntimeWarning: python-qpid-proton is installed" in done.stderr
    assert "python -m pip uninstall python-qpid-proton pure-proton, then" in done.stderr


def test_a_filter_makes_an_error_of_it(folder):
    (folder / "cproton.py").write_text("")
    done = run(folder, "-W", "error::RuntimeWarning")
    assert done.returncode == 1
    assert "RuntimeWarning: python-qpid-proton is installed in the same folder" in done.stderr


def test_without_it_nothing_is_said(folder):
    done = run(folder, "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")
