"""`check` without a URL: which distribution owns the package, and what this Python has."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys

import pytest

from proton.cli import check, codes, main
from proton.cli.checks.findings import Report
from proton.cli.checks.package import CURE, owners, tell_package

OURS, THEIRS = ("pure-proton", "0.1.0"), ("python-qpid-proton", "0.40.0")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a distribution into a folder on the path, as its files would show."""

    def install(name, version, folder="site", face="", listed=True):
        place = tmp_path / folder
        (place / "proton").mkdir(parents=True, exist_ok=True)
        (place / "proton" / "__init__.py").write_text(face)
        info = place / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(face.encode()).digest()).rstrip(b"=").decode()
        (info / "RECORD").write_text(f"proton/__init__.py,sha256={digest},{len(face)}\n" if listed else "other.py,,\n")
        if str(place) not in sys.path:
            paths.append(str(place))
        return str(place / "proton")

    paths = []
    monkeypatch.setattr(sys, "path", paths)
    return install


def told(folder):
    """The exit code, and the findings without those that are not about the package."""
    report = Report(lambda finding: None)
    tell_package(report, folder)
    return report.code, report.findings


def test_it_is_ours(install):
    folder = install(*OURS)
    code, findings = told(folder)
    assert code == 0
    assert [finding.line() for finding in findings] == [
        f"ok       package    proton belongs to pure-proton 0.1.0, in {folder}"
    ]
    assert findings[0].facts["owners"] == {"pure-proton": "0.1.0"}


@pytest.mark.parametrize(("order", "last"), [((OURS, THEIRS), "python-qpid-proton"), ((THEIRS, OURS), "pure-proton")])
def test_both_are_in_one_folder(install, order, last):
    for name, version in order:
        folder = install(name, version, face=f"# {name}\n")
    code, findings = told(folder)
    assert code == codes.CONNECTION
    assert [finding.line() for finding in findings] == [
        f"failed   package    the folder {folder} belongs to pure-proton 0.1.0 and to python-qpid-proton 0.40.0, which "
        f"write over each other (installed last: {last}) [cure: {CURE}]"
    ]
    assert CURE == ("python -m pip uninstall python-qpid-proton pure-proton, then python -m pip install pure-proton")


def test_the_folder_is_theirs_with_files_of_ours(install):
    folder = install(*THEIRS)
    code, findings = told(folder)
    assert code == codes.CONNECTION
    assert "belongs to python-qpid-proton 0.40.0, and has files of pure-proton that no record names" in findings[0].text


def test_the_package_was_changed_after_it_was_installed(install):
    folder = install(*OURS)
    with open(f"{folder}/__init__.py", "a") as file:
        file.write("# changed\n")
    code, findings = told(folder)
    assert (code, findings[0].status) == (0, "noticed")
    assert "is not the one that pure-proton 0.1.0 has installed" in findings[0].text


def test_the_other_one_was_removed_and_took_files_along(install):
    folder = install(*OURS)
    os.remove(f"{folder}/__init__.py")
    code, findings = told(folder)
    assert code == codes.CONNECTION
    assert findings[0].text.startswith(f"proton/__init__.py is missing in {folder}: python-qpid-proton may have been")
    assert findings[0].cure == CURE


@pytest.fixture
def checkout(tmp_path):
    """The folder of a package that no distribution has installed."""
    folder = tmp_path / "checkout" / "proton"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    return str(folder)


def test_it_is_a_checkout(install, checkout):
    code, findings = told(checkout)
    assert code == 0
    assert findings[0].text.startswith("proton is a checkout in ")


def test_it_is_a_checkout_that_is_linked(install, checkout):
    install(*OURS, listed=False)
    code, findings = told(checkout)
    assert code == 0
    assert findings[0].text.startswith("proton is pure-proton 0.1.0, linked to the checkout in ")


def test_another_folder_has_the_other_one(install):
    folder = install(*OURS)
    other = install(*THEIRS, folder="other")
    code, findings = told(folder)
    assert (code, len(findings)) == (0, 2)
    assert findings[1].text == (
        f"python-qpid-proton 0.40.0 has a folder proton too, in {other}, which is not the one used"
    )
    assert findings[1].cure == "remove one of them, or use an environment for each"
    assert [owner.name for owner in owners()] == ["pure-proton", "python-qpid-proton"]


@pytest.mark.usefixtures("used_package_alone")
def test_the_command_tells_the_installation(capsys):
    assert main(["check"]) == 0
    steps = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert steps[:3] == ["package", "python", "openssl"]
    assert set(steps[3:]) == {"optional"}


def test_the_installation_as_data(capsys):
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["url"] is None
    python = next(step for step in found["steps"] if step["step"] == "python")
    assert python["version"] == sys.version.split()[0]
    libraries = [step["library"] for step in found["steps"] if step["step"] == "optional"]
    assert libraries == ["rich", "cryptography", "uvloop"]


def test_a_mixed_package_is_told_even_if_it_cannot_be_imported(capsys, monkeypatch):
    monkeypatch.setattr(check, "problem", "ImportError: cannot import name 'DecodeLimits' from 'proton'")
    assert main(["check", "amqp://localhost"]) == codes.CONNECTION
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[1] == "package"
    assert lines[-1] == (
        "failed   import     the package cannot be imported: ImportError: cannot import name 'DecodeLimits' from "
        f"'proton' [cure: {CURE}]"
    )
