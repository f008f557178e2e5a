"""Counts the instructions of one message, one round trip, one connection: they repeat to within 1 % on a busy machine.

    python benchmarks/instructions.py                      every row, with the python that runs this
    python benchmarks/instructions.py --only requests      one of them
    python benchmarks/instructions.py --tree FOLDER        of another checkout, too: a column for each

Both ends run in one process (`workers/counted.py`) under callgrind, once for each of two lengths: what one more costs
is the difference divided by how many more there were. What the kernel does is not counted: see the CPU of `run.py`.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "workers" / "counted.py"
#: the two lengths: short enough for callgrind, long enough that a turn more or less does not matter
ROWS = {
    "messages, prefetch 500": (("messages", "--prefetch", "500"), 2000, 4000),
    "messages, prefetch 100": (("messages", "--prefetch", "100"), 2000, 4000),
    "messages, prefetch 10": (("messages", "--prefetch", "10"), 1000, 2000),
    "asyncio, prefetch 500": (("asyncio", "--prefetch", "500"), 2000, 4000),
    "asyncio, prefetch 10": (("asyncio", "--prefetch", "10"), 1000, 2000),
    "requests": (("requests",), 200, 500),
    "calls": (("calls",), 200, 500),
    "connections": (("connections",), 50, 150),
}


def count(tree: pathlib.Path, python: str, arguments: tuple[str, ...], number: int) -> int:
    """The instructions of a whole run."""
    what, *options = arguments
    environment = dict(os.environ, PYTHONPATH=str(tree), PYTHONHASHSEED="0")
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", python, "-s"]
    command += [str(WORKER), what, str(number), *options]
    result = subprocess.run(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    found = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode or found is None:
        raise SystemExit(f"{what} has failed:\n{result.stderr}")
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="the beginning of a row's name; may be given more than once")
    parser.add_argument("--tree", action="append", type=pathlib.Path, default=[], help="a further checkout")
    parser.add_argument("--python", default=sys.executable, help="default: %(default)s")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    trees = [ROOT, *options.tree]
    print(f"{'instructions of one more':28}" + "".join(f"{tree.name:>14}" for tree in trees), flush=True)
    for name, (arguments, fewer, more) in ROWS.items():
        if options.only and not name.startswith(tuple(options.only)):
            continue
        text = f"{name:28}"
        for tree in trees:
            low, high = (count(tree, options.python, arguments, number) for number in (fewer, more))
            text += f"{(high - low) // (more - fewer):>14,}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
