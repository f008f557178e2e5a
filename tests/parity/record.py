"""Records what the reference prints for the parity scripts, or checks that it still prints what was recorded.

    python tests/parity/record.py            every script on the reference: its output into expected/
    python tests/parity/record.py --check    nothing is written; exit 1 when a recording or ours differs
    python tests/parity/record.py NAME ...   only these scripts

PROTON_REFERENCE_PYTHON is the python of an environment that holds the reference. Without it nothing can be recorded
(exit 2), and a check is passed over. Differences of ours that DIFFERENCES.md does not list are printed in the form it
wants, the reason left out.
"""

from __future__ import annotations

import argparse
import os
import sys

import comparison


def arguments():
    parser = argparse.ArgumentParser(description="record or check what the reference prints")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("names", nargs="*", help="stems of the scripts; all when left out")
    return parser.parse_args()


def changed(script, printed, check):
    """Whether the reference prints something else than recorded; records it unless this is a check."""
    path = comparison.recorded(script)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before == printed:
        return False
    print(f"## {script.name}: the reference prints something else than recorded")
    for hunk in comparison.differences(before, printed) if check else ():
        print(hunk)
    if not check:
        path.write_text(printed, encoding="utf-8")
    return check


def differs(script, printed, meant):
    """Whether ours differs from the reference in another way than listed."""
    ours = comparison.run(script, package=comparison.HERE.parents[1])
    unlisted, gone = comparison.unmeant(script, printed, ours, meant)
    for title, hunks in (("", unlisted), (": listed, but gone", gone)):
        if hunks:
            print(f"\n## {script.name}{title}\n")
            print("\n".join(f"```diff\n{hunk}\n```" for hunk in hunks))
    return bool(unlisted or gone)


def main():
    options = arguments()
    python = os.environ.get("PROTON_REFERENCE_PYTHON")
    if not python:
        print("PROTON_REFERENCE_PYTHON is unset: no reference to run, nothing was checked", file=sys.stderr)
        return 0 if options.check else 2
    scripts = [script for script in comparison.SCRIPTS if not options.names or script.stem in options.names]
    meant = comparison.LIST.read_text(encoding="utf-8")
    bad = 0
    for script in scripts:
        printed = comparison.run(script, python=python)
        bad += changed(script, printed, options.check) + differs(script, printed, meant)
    print(f"{len(scripts)} scripts, {bad} to look at")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
