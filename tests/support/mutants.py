"""Mutants: one small mistake at a time in a copy of the engine, and the tests that must find it.

A mutant that no test kills is a rule that no test holds, or a change that changes nothing; `EQUIVALENT` lists the
latter with their reasons. The mutants are chosen by a seed from all places where the files of `HOT` can be changed:
comparisons, arithmetic, `and` and `or`, conditions, whole numbers, truth values, statements. The first run of the
tests is on the unchanged copy, since a suite that fails anyway kills everything.

By hand: ``python -m tests.support.mutants [--seed 8] [--count 50] [--numbers 3,7] [--list]``. A run over fifty
takes about half an hour on one core; the exit status is 1 if a mutant survives that is not listed. With new tests,
``--again FILE`` tries the survivors of an earlier run, whose output the file has, in the sources as they are now, and
prints all of that run anew.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import difflib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOT = (
    "transport/inbound.py",
    "transport/outbound.py",
    "transport/transfers.py",
    "transport/dispositions.py",
    "transport/protocol.py",
    "transport/transport.py",
    "endpoints/link.py",
    "endpoints/session.py",
    "endpoints/sender.py",
    "endpoints/receiver.py",
    "endpoints/delivery.py",
    "endpoints/connection.py",
    "codec/decode.py",
    "codec/encode.py",
)
#: What is tried in turn until the mutant is dead, the quickest and likeliest first: the folders of tests, and how many
#: seconds they may take. A mutant of the codec meets the tests of the codec before those of the engine.
STAGES = (
    (("tests/engine",), 300),
    (("tests/codec", "tests/message", "tests/architecture/test_calls.py"), 200),
    (("tests/io", "tests/handlers", "tests/api"), 300),
    (("tests/ends", "tests/reactor", "tests/utils"), 600),
    (("tests/security",), 900),
)
#: One test that does not return is a kill; the slowest of them take a few seconds.
TEST_TIMEOUT = 60

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}

#: Mutants that change nothing that a peer or a program can see: (file, line before, line after) and the reason. What is
#: only slower is found by the budgets of calls.
EQUIVALENT = {
    (
        "endpoints/sender.py",
        '_T = TypeVar("_T", covariant=True)',
        '_T = TypeVar("_T", covariant=False)',
    ): "only checkers read it",
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change: the text between two places of a file is replaced."""

    file: str
    kind: str
    start: int  # in characters from the beginning of the file
    end: int
    replacement: str
    function: str  # around it, empty if there is none

    def apply(self, source: str) -> str:
        return source[: self.start] + self.replacement + source[self.end :]

    def diff(self, source: str) -> str:
        """The lines that change, without those around them, after the name of the function where they are."""
        lines = difflib.unified_diff(source.splitlines(), self.apply(source).splitlines(), lineterm="", n=0)
        return "\n".join([f"@@ {self.function}", *list(lines)[2:]])


Key = tuple[str, str, str]


def key_of(file: str, diff: list[str]) -> Key:
    """What a mutant is known by when the lines around it have changed: its file, its lines before and after."""
    before = " ".join(line[1:].strip() for line in diff if line.startswith("-"))
    after = " ".join(line[1:].strip() for line in diff if line.startswith("+"))
    return file, before, after


class _Finder(ast.NodeVisitor):
    """Collects the mutants of one file; annotations, docstrings and what only checkers read are passed over."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source
        self.found: list[Mutant] = []
        self.function = ""
        self.offsets = [0]
        for line in source.splitlines(keepends=True):
            self.offsets.append(self.offsets[-1] + len(line))

    def place(self, line: int, column: int) -> int:
        """The place of a node in characters; the tree counts columns in bytes."""
        start = self.offsets[line - 1]
        text = self.source[start : self.offsets[line]].encode()
        return start + len(text[:column].decode())

    def add(self, kind: str, node: ast.expr | ast.stmt, replacement: str) -> None:
        start = self.place(node.lineno, node.col_offset)
        end = self.place(node.end_lineno or node.lineno, node.end_col_offset or 0)
        self.found.append(Mutant(self.file, kind, start, end, replacement, self.function))

    def text(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.source, node) or ast.unparse(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            other = COMPARISONS[type(operator)]
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            self.add("comparison", node, f"({ast.unparse(ast.Compare(node.left, ops, node.comparators))})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = ARITHMETIC.get(type(node.op))
        formats = isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant)
        texts = any(isinstance(side, (ast.JoinedStr, ast.List)) for side in (node.left, node.right))
        if other is not None and not formats and not texts:
            self.add("arithmetic", node, f"({ast.unparse(ast.BinOp(node.left, other(), node.right))})")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        other = ARITHMETIC.get(type(node.op))
        if other is not None:
            self.add("arithmetic", node, ast.unparse(ast.AugAssign(node.target, other(), node.value)))
        self.removable(node)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add("and/or", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add("truth", node, str(not node.value))
        elif isinstance(node.value, int):
            self.add("number", node, str(node.value + 1))
            if node.value:
                self.add("number", node, str(node.value - 1))

    def condition(self, test: ast.expr) -> None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.add("condition", test, f"({self.text(test.operand)})")
        elif not isinstance(test, (ast.Constant, ast.Compare)):  # one comparison: negated above
            self.add("condition", test, f"(not ({self.text(test)}))")

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def removable(self, node: ast.stmt) -> None:
        self.add("statement", node, "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.removable(node)
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        # Without a local variable its reader fails: nothing learned. At module level these are tables and names.
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self.removable(node)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self.removable(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name == "__repr__":  # texts
            return
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        around, self.function = self.function, node.name
        for statement in node.body:
            self.visit(statement)
        self.function = around

    def visit_Raise(self, node: ast.Raise) -> None:
        """The texts of errors have tests of their own."""


def mutants_of(file: str, source: str) -> list[Mutant]:
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return finder.found


def chosen(sources: dict[str, str], seed: int, count: int) -> list[Mutant]:
    """The same for the same seed and the same sources; each kind of change is as likely as the others."""
    kinds: dict[str, list[Mutant]] = {}
    for file, source in sources.items():
        for mutant in mutants_of(file, source):
            kinds.setdefault(mutant.kind, []).append(mutant)
    order = random.Random(seed)
    mutants: list[Mutant] = []
    while kinds and len(mutants) < count:
        kind = order.choice(sorted(kinds))
        mutants.append(kinds[kind].pop(order.randrange(len(kinds[kind]))))
        if not kinds[kind]:
            del kinds[kind]
    return mutants


class Copy:
    """A copy of the tree in a folder of its own: the checkout itself is never changed."""

    def __init__(self, folder: pathlib.Path, python: str) -> None:
        self.folder, self.python = folder, python
        self.checked: set[tuple[str, ...]] = set()
        for name in ("proton", "tests", "examples", "docs", "benchmarks"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.glob("*.*"):
            if path.is_file():
                shutil.copy(path, folder)

    def run(self, tests: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """The exit status of the tests, -1 if they do not come to an end, and their last lines."""
        options = ["-q", "-x", "-p", "no:cacheprovider", f"--timeout={TEST_TIMEOUT}", "--no-header", "--tb=no"]
        command = [self.python, "-B", "-m", "pytest", *options, *tests]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its own group: whatever the tests have started, too
                process.communicate()
                return -1, "timed out"
        return process.returncode, output

    def failing(self, tests: tuple[str, ...], seconds: float) -> str:
        """The test that fails, empty if none does. On a busy machine one may fail without a reason: it has to fail
        again, or all are run once more."""
        for _ in range(2):
            status, output = self.run(tests, seconds)
            if not status:
                return ""
            test = killer(output)
            if "::" not in test or self.run((test.split(" ", 1)[1],), seconds)[0]:
                return test
        return ""

    def check(self, tests: tuple[str, ...], seconds: float) -> None:
        """Tests that fail without any change would kill everything."""
        if tests not in self.checked:
            test = self.failing(tests, 2 * seconds)
            if test:
                sys.exit(f"the tests fail without any change: {test}")
            self.checked.add(tests)

    @contextlib.contextmanager
    def changed(self, mutant: Mutant):
        path = self.folder / "proton" / mutant.file
        source = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(source), encoding="utf-8")
        # Same size and same second: the compiled file would be taken for current.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
        try:
            yield
        finally:
            path.write_text(source, encoding="utf-8")


def killer(output: str) -> str:
    """The test that failed, from the summary of pytest."""
    lines = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0] if lines else output.strip().splitlines()[-1] if output.strip() else "no output"


def judge(copy: Copy, mutant: Mutant) -> str:
    """What killed a mutant; empty if nothing did."""
    codec_first = mutant.file.startswith("codec/")
    for tests, seconds in sorted(STAGES, key=lambda stage: codec_first and "tests/codec" not in stage[0]):
        copy.check(tests, seconds)
        with copy.changed(mutant):
            test = copy.failing(tests, seconds)
        if test:
            return test
    return ""


@dataclasses.dataclass
class Entry:
    """One mutant of a run, and what became of it."""

    number: int
    file: str
    kind: str
    diff: list[str]
    mutant: Mutant | None = None  # None if the sources do not have its lines any more
    result: str = ""
    seconds: float = 0

    @property
    def is_killed(self) -> bool:
        return self.result.startswith("killed by ")

    def __str__(self) -> str:
        return "\n".join([f"{self.number} {self.file} {self.kind}: {self.result} ({self.seconds:.0f} s)", *self.diff])


HEAD = re.compile(r"(\d+) (\S+\.py) ([\w/]+): (.*) \((\d+) s\)")


def entries_of(output: str) -> list[Entry]:
    """The entries that an earlier run has printed."""
    entries: list[Entry] = []
    for line in output.splitlines():
        head = HEAD.fullmatch(line)
        if head is not None:
            entries.append(Entry(int(head[1]), head[2], head[3], [], None, head[4], float(head[5])))
        elif entries and line.startswith(("@@", "-", "+")):
            entries[-1].diff.append(line)
    return entries


def found_again(entry: Entry, source: str) -> Mutant | None:
    """The mutant of an entry in the source as it is now: in the function of that name."""
    function, key = entry.diff[0][3:], key_of(entry.file, entry.diff)
    for mutant in mutants_of(entry.file, source):
        is_near = (mutant.kind, mutant.function) == (entry.kind, function)
        if is_near and key_of(entry.file, mutant.diff(source).splitlines()) == key:
            return mutant
    return None


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--numbers", default="", metavar="N,N", help="try these of the chosen alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="only files whose names contain it")
    parser.add_argument("--again", type=pathlib.Path, metavar="FILE", help="try the survivors of an earlier run")
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    options = parser.parse_args(arguments)
    # Read once: the checkout may change while the mutants are tried.
    sources = {file: (ROOT / "proton" / file).read_text(encoding="utf-8") for file in HOT if options.only in file}
    if options.again:
        entries = entries_of(options.again.read_text(encoding="utf-8"))
        for entry in entries:
            entry.mutant = found_again(entry, sources[entry.file])
    else:
        mutants = chosen(sources, options.seed, options.count)
        entries = [
            Entry(number, mutant.file, mutant.kind, mutant.diff(sources[mutant.file]).splitlines(), mutant)
            for number, mutant in enumerate(mutants, 1)
        ]
    if options.numbers:
        numbers = {int(number) for number in options.numbers.split(",")}
        entries = [entry for entry in entries if entry.number in numbers]
    if options.list:
        for entry in entries:
            print(f"{entry.number} {entry.file} {entry.kind}", *entry.diff, sep="\n")
        return 0
    # A shell starts what runs in the background with the signal ignored, and the tests of Ctrl+C would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy(pathlib.Path(folder), sys.executable)
        for entry in entries:
            if not entry.is_killed:
                try_one(copy, entry)
            print(entry, flush=True)
    return summary(entries)


def try_one(copy: Copy, entry: Entry) -> None:
    """Finds out what becomes of a mutant."""
    began = time.monotonic()
    if entry.mutant is None:
        entry.result = "GONE: the sources do not have its lines any more"
        return
    killer = judge(copy, entry.mutant)
    equivalent = EQUIVALENT.get(key_of(entry.file, entry.diff))
    entry.result = f"killed by {killer}" if killer else f"changes nothing: {equivalent}" if equivalent else "SURVIVED"
    entry.seconds = time.monotonic() - began


def summary(entries: list[Entry]) -> int:
    """Prints how many of each kind there are; the exit status."""
    killed = sum(entry.is_killed for entry in entries)
    counts = {
        "change nothing": sum(entry.result.startswith("changes nothing") for entry in entries),
        "gone with their lines": sum(entry.result.startswith("GONE") for entry in entries),
        "survived": sum(entry.result == "SURVIVED" for entry in entries),
    }
    rest = "".join(f", {count} {text}" for text, count in counts.items() if count)
    print(f"{killed} of {len(entries)} killed{rest}")
    return 1 if counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
