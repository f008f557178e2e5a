"""The table of docs/brokers.md, made anew: `python tests/brokers/table.py [BROKER...]`. A broker takes a minute."""

from __future__ import annotations

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.brokers.operations import OPERATIONS
from tests.support.peers import BROKERS
from tests.support.probe import Ended


def cell(operation, peer):
    """What a broker does."""
    try:
        return operation(peer)
    except Ended as ended:
        return f"no; {ended}"


def main():
    names = sys.argv[1:] or list(BROKERS)
    cells = {row: [] for row in OPERATIONS}
    versions = []
    for name in names:
        missing, run, version = BROKERS[name]
        problem = missing()
        if problem:
            raise SystemExit(problem)
        versions.append(version())
        with run() as peer:
            for row, operation in OPERATIONS.items():
                began = time.monotonic()
                try:
                    cells[row].append(cell(operation, peer))
                except Exception as error:
                    cells[row].append(f"{type(error).__name__} {error!s:.200}")
                print(f"{name}: {row}: {cells[row][-1]} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
    print("| | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    print("| version tried | " + " | ".join(versions) + " |")
    for row, found in cells.items():
        print(f"| {row} | " + " | ".join(found) + " |")


if __name__ == "__main__":
    main()
