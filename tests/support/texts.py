"""What the package says: its log lines, and the texts of its errors and warnings, read from the sources.

`…` stands for what a text is filled with. `python -m tests.support.texts --write` makes docs/reference/errors.md anew,
where a text was added, changed or removed; the lines of the log are on docs/reference/log.md, which is written by hand.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "proton"
PAGE = ROOT / "docs" / "reference" / "errors.md"
LEVELS = ("debug", "info", "warning", "error")
#: functions that make an error, and what they make
MAKERS = {
    "_OutOfRange": "`OverflowError`",
    "timed_out": "`Timeout`",
    "warn": "warning",
    "_warn": "warning",
    "warnings.warn": "warning",
    "warn_at": "warning",
    "self.warn": "the log",
    "self._failed": "condition `amqp:connection:framing-error`",
    "self._rejected": "condition `amqp:connection:framing-error`",
    "self._aborted": "`TransactionAborted`",
    "self._in_doubt": "`Lost`",
    "codes.CommandError": "command line",
    "argparse.ArgumentTypeError": "command line",
    "Unreadable": "command line",
    "Passed": "command line",
    "AuthenticationFailed": "login",
    "TemporaryAuthFailure": "login",
    "IOLayerError": "condition",
}
ERROR = re.compile(r"(?:[a-z]+\.)*[A-Z]\w*(?:Error|Exception|Violation|Closed|Warning|Selector|TooLarge|Unavailable)$")
OTHERS = {"Timeout", "Lost", "Drained", "Rejected", "Released", "Modified", "Undeliverable", "TransactionAborted"}
#: texts of errors by their words
WORDS = re.compile(r"\bexpected\b|, got |\btakes \S")


#: the sections of the page, and the files that each is about
GROUPS = {
    "URLs, reconnecting and options": (
        "url.py",
        "reconnect.py",
        "connector.py",
        "options/",
        "warn.py",
        "__init__.py",
        "_",
        "tracing.py",
    ),
    "Messages and values": ("message.py", "codec/"),
    "Connections, sessions, links and deliveries": (
        "endpoints/",
        "transactions.py",
        "driver.py",
        "hooks.py",
        "sasl.py",
        "logs.py",
        "exceptions.py",
    ),
    "What a peer does wrong": ("transport/", "transport/sasl/negotiation.py"),
    "Login": ("transport/sasl/",),
    "TLS": ("transport/tls/",),
    "The container and its handlers": ("reactor/", "handlers/", "io/"),
    "Blocking calls": ("utils/",),
    "asyncio": ("asyncio/",),
    "The test kit": ("testing/",),
    "The command line": ("cli/", "__main__.py"),
}


class Text(NamedTuple):
    path: str
    kind: str
    text: str


def plain(text):
    """A text with `…` for each value: of an f-string, of `%` and of `str.format`."""
    text = re.sub(r"%(?:\.\d+)?[sdrfi]|\{[\w.!:]*\}", "…", text)
    return re.sub(r"…+", "…", text.replace("%%", "%"))


def literals(node, names):
    """The texts that an expression may be; names are looked up among assignments."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        found = [""]
        for part in node.values:
            inner = "…"
            if isinstance(part, ast.Constant):
                inner = part.value.replace("{", "(").replace("}", ")")
            found = [text + inner for text in found]
        return found
    if isinstance(node, ast.IfExp):
        return literals(node.body, names) + literals(node.orelse, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = literals(node.left, names) or ["…"], literals(node.right, names) or ["…"]
        return [a + b for a in left for b in right if a + b != "……"]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return literals(node.left, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return literals(node.func.value, names)
    if isinstance(node, ast.Name):
        return [text for value in names.get(node.id, ()) for text in literals(value, {})]
    return []


@functools.cache
def trees():
    """The modules of the package by their paths from it."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def assigned(body):
    """What is assigned to each name within a module or a function."""
    names = {}
    for node in ast.walk(body):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            names.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            names.setdefault(node.target.id, []).append(node.value)
    return names


@functools.cache
def conditions():
    """The constants of the package that are names of conditions."""
    found = {}
    for tree in trees().values():
        for name, values in assigned(tree).items():
            for value in values:
                if isinstance(value, ast.Constant) and str(value.value).startswith("amqp:"):
                    found[name] = value.value
    return found


def calls(tree):
    """Each call, with what is assigned to names in its function and at the top of its module."""
    top = assigned(ast.Module([node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))], []))

    def walk(node, names):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = {**names, **assigned(node)}
        if isinstance(node, ast.Call):
            yield node, names
        for child in ast.iter_child_nodes(node):
            yield from walk(child, names)

    yield from walk(tree, top)


def log_lines():
    """(level, line) of each log call; the level is "…" where it is computed."""
    found = set()
    for tree in trees().values():
        for call, names in calls(tree):
            function = call.func
            if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
                continue
            if function.value.id != "log" or function.attr not in (*LEVELS, "log"):
                continue
            computed = function.attr == "log"
            for text in literals(call.args[1 if computed else 0], names):
                found.add(("…" if computed else function.attr, plain(text)))
    return found


def kind_of(call):
    """What a call makes: the name of an exception, a condition, a warning; None where it makes another thing."""
    name = ast.unparse(call.func)
    if name in ("ProtocolViolation", "EndpointViolation", "Condition"):
        for argument in call.args:
            condition = conditions().get(getattr(argument, "id", getattr(argument, "attr", None)))
            if condition is None and isinstance(argument, ast.Constant) and str(argument.value).startswith("amqp:"):
                condition = argument.value
            if condition:
                return f"condition `{condition}`"
        return "condition"
    if name in MAKERS:
        return MAKERS[name]
    if ERROR.match(name) or name in OTHERS:
        return f"`{name.rpartition('.')[2]}`"
    return None


@functools.cache
def error_texts():
    """The texts of errors and warnings: those that make one, and those with the words of one that are handed on."""
    found = {}
    for path, tree in trees().items():
        own = []
        for call, names in calls(tree):
            kind = kind_of(call)
            if kind is not None:
                own += [(kind, plain(text)) for argument in call.args for text in literals(argument, names)]
        own = [(kind, text) for kind, text in own if is_text(text)]
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and not is_docstring(node):
                for text in map(plain, filter(WORDS.search, texts_of(node))):
                    if is_text(text) and not any(text in known for _, known in own):
                        own.append(("", text))
        found.update(dict.fromkeys(Text(path, *each) for each in own))
    return list(found)


def is_text(text):
    """Whether it has words of its own: not a name, a condition, or a part that something else completes."""
    return " " in text and len(re.findall(r"[A-Za-z]{2,}", text)) > 2


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def texts_of(statement):
    """The texts in a statement, without those of statements in it, and without log calls and help."""
    stack = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.startswith("log.") or name.endswith("add_argument"):
                continue
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield from literals(node, {})
            continue
        stack += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def group_of(path):
    """The section for a file: the one with the longest part of its path."""
    return max((len(part), title) for title, parts in GROUPS.items() for part in parts if path.startswith(part))[1]


def cell(text):
    """A text as code in a table, also one with the signs of tables and code in it."""
    text = text.strip(" ,:\n").replace("|", "\\|").replace("\n", " ")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def table(title):
    """The rows of a section, in the order of their words."""
    rows = {}
    for path, kind, text in error_texts():
        if group_of(path) == title:
            rows.setdefault(cell(text), set()).add(kind)
    lines = ["| text | raised as |", "|---|---|"]
    for text, kinds in sorted(rows.items(), key=lambda row: row[0].lower().lstrip("` …")):
        lines.append(f"| {text} | {', '.join(sorted(kinds - {''}))} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def page():
    """What docs/reference/errors.md has to be: its own headings and paragraphs, with the tables of the sources."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)
    if parts[1::2] != list(GROUPS):
        sys.exit(f"{PAGE.name}: expected the sections {list(GROUPS)}, got {parts[1::2]}")
    sections = (
        f"## {title}\n{re.sub('^[|].*[|]$', '', body, flags=re.M).rstrip()}\n\n{table(title)}"
        for title, body in zip(parts[1::2], parts[2::2])
    )
    return parts[0] + "\n".join(sections)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
