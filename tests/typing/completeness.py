"""How much of the types of the package checkers know: `pyright --verifytypes`, and the percentage that is the least.

`python -m tests.typing.completeness`, as `tox -e types` runs it, prints what is missing and ends with exit status 1.
"""

from __future__ import annotations

import json
import subprocess
import sys

#: percent of the names that programs can reach
LEAST = 98


def main() -> int:
    command = ["pyright", "--verifytypes", "proton", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    report = json.loads(done.stdout)["typeCompleteness"]
    percent = report["completenessScore"] * 100
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            for diagnostic in symbol["diagnostics"]:
                print(f"{symbol['name']}: {diagnostic['message']}")
    print(f"types of {percent:.1f} % of the names are known, expected {LEAST} % at least")
    return 0 if percent >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
