"""How one parity script is run, and how what it prints is compared with what the reference printed.

`differences` cuts two outputs into hunks; DIFFERENCES.md lists the hunks that are meant, each below its script and its
reason. The test and record.py share this, so that they cannot disagree. Nothing here imports an engine.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = sorted((HERE / "scripts").glob("*.py"))
LIST = HERE / "DIFFERENCES.md"
SECONDS = 60


def run(script, python=sys.executable, package=None):
    """What the script prints on that python, with `package` (a folder) first on its path; its end as the last line."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PN_", "PYTHON"))}
    environment.update(
        PYTHONPATH=os.pathsep.join(str(path) for path in (package, HERE) if path),
        PYTHONIOENCODING="utf-8",
        PYTHONDONTWRITEBYTECODE="1",
    )
    ended = subprocess.run([python, str(script)], env=environment, capture_output=True, timeout=SECONDS)
    if ended.returncode:  # the last line alone: a traceback would show the source of the engine that ran
        sys.stderr.write(f"{script.name}: {ended.stderr.decode(errors='replace').splitlines()[-1:]}\n")
    return ended.stdout.decode() + f"exit {ended.returncode}\n"


def recorded(script):
    return HERE / "expected" / f"{script.stem}.txt"


def differences(reference, ours):
    """The hunks in which the outputs differ: texts of lines that begin with - (reference) and + (ours)."""
    left, right = reference.splitlines(), ours.splitlines()
    hunks = []
    for kind, low, high, ours_low, ours_high in difflib.SequenceMatcher(None, left, right, False).get_opcodes():
        if kind != "equal":
            lines = ["-" + line for line in left[low:high]] + ["+" + line for line in right[ours_low:ours_high]]
            hunks.append("\n".join(lines))
    return hunks


def listed(text):
    """The hunks of DIFFERENCES.md by name of script, and the reasons: (name, reason) to hunks."""
    found, name, reason, hunk = {}, None, None, None
    for line in text.splitlines():
        if hunk is not None:
            if line == "```":
                found.setdefault((name, reason), []).append("\n".join(hunk))
                hunk = None
            else:
                hunk.append(line)
        elif line.startswith("## "):
            name, reason = line[3:].strip(), None
        elif line == "```diff":
            hunk = []
        elif line.strip() and name:
            reason = line.strip()
    return found


def unmeant(script, reference, ours, text):
    """The hunks that are not listed, and the listed ones that did not occur."""
    meant = Counter()
    for (name, _), hunks in listed(text).items():
        if name == script.name:
            meant.update(hunks)
    seen = Counter(differences(reference, ours))
    return list((seen - meant).elements()), list((meant - seen).elements())
