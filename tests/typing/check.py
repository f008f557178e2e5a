"""What mypy and pyright say of `assertions.py`, which is right, and of `mistakes.py`, where they find each mistake.

`python -m tests.typing.check`, as `tox -e types` runs it, prints each difference and ends with exit status 1 then.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FILES = [HERE / "assertions.py", HERE / "mistakes.py"]
LINE = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): error: (?P<text>.*)$", re.MULTILINE)


def output_of(*command: str) -> str:
    return subprocess.run([*command, *map(str, FILES)], stdout=subprocess.PIPE, check=False, text=True).stdout


def found_by_mypy() -> dict[tuple[str, int], str]:
    output = output_of("mypy", "--strict")
    return {(pathlib.Path(path).name, int(line)): text for path, line, text in LINE.findall(output)}


def found_by_pyright() -> dict[tuple[str, int], str]:
    found = json.loads(output_of("pyright", "--outputjson"))["generalDiagnostics"]
    return {
        (pathlib.Path(error["file"]).name, error["range"]["start"]["line"] + 1): error["message"]
        for error in found
        if error["severity"] == "error"
    }


def planted() -> dict[tuple[str, int], str]:
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    return {
        ("mistakes.py", n): line.partition("# mistake: ")[2] for n, line in enumerate(lines, 1) if "# mistake: " in line
    }


def main() -> int:
    mistakes = planted()
    wrong = 0
    for checker, found in (("mypy", found_by_mypy()), ("pyright", found_by_pyright())):
        for place in sorted(mistakes.keys() | found.keys()):
            if place not in found:
                print("{}:{}: {} does not find: {}".format(*place, checker, mistakes[place]))
            elif place not in mistakes:
                print("{}:{}: {} says: {}".format(*place, checker, found[place]))
        wrong += len(mistakes.keys() ^ found.keys())
    print(f"{len(mistakes)} mistakes, {wrong} differences")
    return 1 if wrong or len(mistakes) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
