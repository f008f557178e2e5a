"""What a release is made of: builds it, looks at it from outside, and uses it where nothing else is installed.

``python -m tests.support.release``, as `tox -e release` runs it, ends with exit status 1 at the first mistake. It needs
`build`, `twine`, `check-wheel-contents`, `pyroma` and `towncrier`, and a package index for what an installation needs.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: tracked files that only the repository needs
NOT_SHIPPED = {".gitignore", ".gitattributes", ".ci/run"}
#: in the source distribution without being tracked: its metadata
MADE = {"PKG-INFO", *(f"pure_proton.egg-info/{name}.txt" for name in ("SOURCES", "dependency_links", "entry_points"))}
MADE |= {f"pure_proton.egg-info/{name}" for name in ("PKG-INFO", "not-zip-safe", "requires.txt", "top_level.txt")}
#: what a wheel has beside the package, from its `.dist-info`
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "LICENSE"}
#: what a wheel has at its top: the plugin of pytest lies beside the package, which a test run must not import (W009)
TOPLEVEL = "proton,pytest_pure_proton.py"
#: tests of pyroma for what does not exist yet: addresses
NO_ADDRESSES = "Url,AuthorEmail"
OLDEST, NEWEST = 9, 15
PROGRAM = """
import pathlib
import proton
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.testing import Broker
from proton.utils import BlockingConnection

assert "site-packages" in proton.__file__, proton.__file__
assert (pathlib.Path(proton.__file__).parent / "py.typed").exists()
with Broker() as broker, BlockingConnection(broker.url, timeout=30) as connection:
    connection.create_sender("q").send(Message(body="tea"))
    receiver = connection.create_receiver("q")
    print(proton.__version__, receiver.receive().body)
    receiver.accept()
"""


def run(*command, **options):
    """Runs a command; what it prints is shown if it fails, and returned else."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **{"cwd": ROOT, **options}
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout}")
    return done.stdout


def tracked():
    """The files of the repository that a release has."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    return {name for name in listed if name and (ROOT / name).exists()} - NOT_SHIPPED


def compare(what, found, expected):
    """Ends with what is missing and what is too much."""
    missing, more = sorted(expected - found), sorted(found - expected)
    if missing or more:
        sys.exit(f"{what}: missing {missing[:20]}, not expected {more[:20]}")
    print(f"{what}: {len(found)} files")


def files_of_sdist(path):
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def files_of_wheel(path):
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def expected_in_wheel():
    package = {name for name in tracked() if name.startswith("proton/") or name == "pytest_pure_proton.py"}
    return {name for name in package if not name.endswith(".md")}


def without_metadata(names):
    """The files of a wheel that are not metadata; what is metadata has the names that are expected."""
    metadata = {name for name in names if ".dist-info/" in name}
    compare("metadata of the wheel", {pathlib.PurePosixPath(name).name for name in metadata}, METADATA)
    return names - metadata


def interpreters():
    """The oldest and the newest Python of this machine, as paths."""
    found = []
    versions = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    for minor in range(OLDEST, NEWEST + 1):
        name = f"python3.{minor}"
        places = [*sorted(versions.glob(f"3.{minor}.*/bin/{name}")), shutil.which(name)]
        for place in filter(None, places):
            done = subprocess.run([place, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                found.append(pathlib.Path(place))
                break
    if not found:
        sys.exit(f"expected a Python from 3.{OLDEST} to 3.{NEWEST}, found none")
    return list(dict.fromkeys([found[0], found[-1]]))


def try_out(python, distribution, version, folder):
    """Installs a distribution in a fresh environment, and sends a message there."""
    run(python, "-m", "venv", folder)
    fresh = folder / ("Scripts" if os.name == "nt" else "bin")
    run(fresh / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", distribution)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    said = run(fresh / "python", "-W", "error", "-c", PROGRAM, cwd=folder, env=environment)
    if said.split() != [version, "tea"]:
        sys.exit(f"{python.name} with {distribution.name}: expected {version} and a message, got {said}")
    run(fresh / "pure-proton", "--help", cwd=folder, env=environment)
    print(f"{python.name}, {distribution.name}: installed, and a message was sent")


def main():
    with tempfile.TemporaryDirectory() as place:
        work = pathlib.Path(place)
        # A copy of what is tracked: a build beside the sources would leave files there, and pick up what lies about.
        source = work / "source"
        for name in sorted(tracked()):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
        run(sys.executable, "-m", "build", "--outdir", work / "dist", source, cwd=work)
        (sdist,), (wheel,) = (work / "dist").glob("*.tar.gz"), (work / "dist").glob("*.whl")
        version = sdist.name[len("pure_proton-") : -len(".tar.gz")]
        compare("source distribution", files_of_sdist(sdist) - MADE, tracked())
        compare("wheel", without_metadata(files_of_wheel(wheel)), expected_in_wheel())
        run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        run(sys.executable, "-m", "check_wheel_contents", f"--toplevel={TOPLEVEL}", "--ignore=W009", wheel)
        # From outside, like all that follows: the checkout has a package of the same name.
        print(run(sys.executable, "-m", "pyroma", "--min=10", f"--skip-tests={NO_ADDRESSES}", sdist, cwd=work).strip())
        run(sys.executable, "-m", "towncrier", "build", "--draft", "--version", version)
        for python in interpreters():
            for distribution in (sdist, wheel):
                try_out(python, distribution, version, work / f"{python.name}-{distribution.suffix[1:]}")


if __name__ == "__main__":
    main()
