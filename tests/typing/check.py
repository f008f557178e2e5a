"""What mypy and pyright say of `*assertions.py`, which are right, and of `*mistakes.py`, where they find each mistake.

`python -m tests.typing.check`, as `tox -e types` runs it, prints each difference and ends with exit status 1 then.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MISTAKES = [HERE / "mistakes.py", HERE / "asyncio_mistakes.py"]
FILES = [HERE / "assertions.py", HERE / "asyncio_assertions.py", *MISTAKES]
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
    return {
        (path.name, n): line.partition("# mistake: ")[2]
        for path in MISTAKES
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "# mistake: " in line
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
