"""Which distribution owns the folder `proton`, and what this Python has for it. Nothing is repaired.

`pure-proton` and `python-qpid-proton` both install a folder `proton`: the one installed last writes over the other,
and the removal of either takes files of both. Only the standard library is imported, since the folder may be mixed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
from typing import NamedTuple

from proton.cli.checks.findings import Report

try:
    import ssl
except ImportError:  # pragma: no cover -- a Python that was built without it
    ssl = None  # type: ignore[assignment]

__all__ = ["OURS", "THEIRS", "Owner", "owners", "tell_optional", "tell_package", "tell_python"]

OURS, THEIRS = "pure-proton", "python-qpid-proton"
CURE = f"python -m pip uninstall {THEIRS} {OURS}, then python -m pip install {OURS}"
_FACE = "proton/__init__.py"
#: libraries that are used if they are there: what for
OPTIONAL = {
    "rich": "progress of long work, the extra 'cli'",
    "cryptography": "certificates made by the test kit, the extra 'testing'",
    "uvloop": "another event loop for proton.asyncio",
}


class Owner(NamedTuple):
    """A distribution that has installed a folder `proton`."""

    name: str
    version: str
    #: the folder `proton`
    folder: str
    #: whether its `proton/__init__.py` is the one that is there; None if its record does not tell
    is_last: bool | None
    #: installed as a link to a checkout
    is_editable: bool


def owners() -> list[Owner]:
    """Each distribution on the path that is one of the two."""
    found = []
    for distribution in importlib.metadata.distributions():
        # Read from the folder's name first: most distributions are others.
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in (OURS, THEIRS):
            found.append(_owner(name, distribution))
    return list(dict.fromkeys(found))


def _owner(name: str, distribution: importlib.metadata.Distribution) -> Owner:
    folder = os.path.dirname(os.path.realpath(str(distribution.locate_file(_FACE))))
    face = next((file for file in distribution.files or () if file.as_posix() == _FACE), None)
    is_last = None
    if face is not None and face.hash is not None:
        try:
            with open(os.path.join(folder, "__init__.py"), "rb") as file:
                digest = hashlib.new(face.hash.mode, file.read()).digest()
        except (OSError, ValueError):
            pass
        else:
            is_last = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == face.hash.value
    return Owner(name, distribution.version, folder, is_last, is_editable=face is None)


def tell_package(report: Report, folder: str | None = None) -> None:
    """Add which distribution owns the package.

    :param folder: the folder `proton` that is imported; found if omitted.
    """
    if folder is None:
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    here = os.path.realpath(folder)
    known = owners()
    local = {owner.name: owner for owner in known if owner.folder == here and not owner.is_editable}
    facts = {"folder": here, "owners": {owner.name: owner.version for owner in local.values()}}
    ours, theirs = local.get(OURS), local.get(THEIRS)
    if not os.path.exists(os.path.join(here, "__init__.py")):
        text = f"proton/__init__.py is missing in {here}: {THEIRS} may have been removed, which takes files of {OURS}"
        report.failed(3, "package", text, CURE, **facts)
    elif ours is not None and theirs is not None:
        last = OURS if ours.is_last else THEIRS if theirs.is_last else "neither, by their records"
        text = (
            f"the folder {here} belongs to {OURS} {ours.version} and to {THEIRS} {theirs.version}, which write over "
            f"each other (installed last: {last})"
        )
        report.failed(3, "package", text, CURE, **facts)
    elif theirs is not None:
        text = f"the folder {here} belongs to {THEIRS} {theirs.version}, and has files of {OURS} that no record names"
        report.failed(3, "package", text, CURE, **facts)
    elif ours is not None and ours.is_last is False:
        text = f"proton/__init__.py in {here} is not the one that {OURS} {ours.version} has installed"
        report.noticed("package", text, f"python -m pip install --force-reinstall {OURS}", **facts)
    elif ours is not None:
        report.ok("package", f"proton belongs to {OURS} {ours.version}, in {here}", **facts)
    else:
        linked = next((owner for owner in known if owner.name == OURS and owner.is_editable), None)
        how = f"{OURS} {linked.version}, linked to the checkout" if linked is not None else "a checkout"
        report.ok("package", f"proton is {how} in {here}; no distribution has installed its files", **facts)
    _tell_others(report, known, here)


def _tell_others(report: Report, known: list[Owner], here: str) -> None:
    for owner in known:
        if owner.folder != here and not owner.is_editable:
            text = f"{owner.name} {owner.version} has a folder proton too, in {owner.folder}, which is not the one used"
            report.noticed("package", text, "remove one of them, or use an environment for each")


def tell_python(report: Report) -> None:
    """Add what runs it."""
    name, version = platform.python_implementation(), platform.python_version()
    system = f"{platform.system()} {platform.release()} {platform.machine()}".strip()
    report.ok("python", f"{name} {version} on {system}", implementation=name, version=version, platform=system)
    if ssl is None:
        report.noticed("openssl", "this Python has no TLS: amqps cannot be used", "use a Python built with OpenSSL")
    else:
        report.ok("openssl", ssl.OPENSSL_VERSION, version=ssl.OPENSSL_VERSION)


def tell_optional(report: Report) -> None:
    """Add which optional libraries are there."""
    for name, use in OPTIONAL.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            there = importlib.util.find_spec(name) is not None
            state = "there, of unknown version" if there else f"not installed ({use})"
            report.ok("optional", f"{name}: {state}", library=name, version=None)
        else:
            report.ok("optional", f"{name} {version} ({use})", library=name, version=version)
