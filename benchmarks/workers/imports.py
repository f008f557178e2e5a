"""What an import costs above the bare interpreter: CPU milliseconds of a process, the least of --times, per module.

The bare one and those with an import run in turn, so that what else the machine does meets all. Bytecode is kept in a
folder of its own: the first of each compiles, the others do not, whatever the environment says.
"""

import argparse
import os
import sys
import tempfile

from common import print_result

MODULES = ("proton", "proton.handlers, proton.reactor", "proton.utils")


def spent(text, bytecode):
    """CPU seconds of a new interpreter that runs the text."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    child = os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, "-c", text], environment)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"expected {text!r} to run, the status is {status}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    texts = ["pass", *(f"import {names}" for names in MODULES)]
    least = dict.fromkeys(texts, float("inf"))
    with tempfile.TemporaryDirectory() as bytecode:
        for _ in range(options.times):
            for text in texts:
                least[text] = min(least[text], spent(text, bytecode))
    print_result(rows={names: (least[f"import {names}"] - least["pass"]) * 1e3 for names in MODULES})
