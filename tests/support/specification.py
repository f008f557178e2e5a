"""The index of the specification: for each section of AMQP 1.0, the code and the tests that cite it.

A citation is a number such as 2.6.7 in a comment or a docstring. A number of two parts ("1.2") may also be a version
or a measure, so it counts only in parentheses ("(2.4, 2.5.2)"); a range ("3.4.1 to 3.4.4") stands for all in it. What
follows the name of another specification ("RFC 5802 5.1") is not meant.

Prints the page ``docs/specification.md``, or writes it: ``python -m tests.support.specification [--write]``.
"""

from __future__ import annotations

import ast
import io
import pathlib
import re
import sys
import tokenize

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "specification.md"
SECTIONS = dict(
    line.split(" ", 1) for line in (pathlib.Path(__file__).parent / "sections.txt").read_text("utf-8").splitlines()
)
PARTS = {"1": "Types", "2": "Transport", "3": "Messaging", "4": "Transactions", "5": "Security"}
#: Sections that neither code nor tests cite, and why.
UNCITED = {
    "1.1": "what types are; 1.6 has the rules",
    "1.1.1": "what types are; 1.6 has the rules",
    "1.1.3": "what types are; 1.6 has the rules",
    "1.1.4": "what types are; 1.6 has the rules",
    "1.3.1": "how the specification writes types down",
    "1.3.2": "how the specification writes types down",
    "1.3.3": "how the specification writes types down",
    "1.3.4": "how the specification writes types down",
    "1.3.5": "how the specification writes types down",
    "2.6.9": "an example of what links can be used for",
    "2.6.11": "a message is what a delivery holds; part 3 has the rules",
    "3.1": "an introduction",
    "3.3.1": "states of messages at a node, which brokers keep",
}

NUMBER = r"(?<![\w.])[1-5]\.\d{1,2}(?:\.\d{1,2}){0,2}(?![\w%]|\.\d)"
RANGE = re.compile(rf"({NUMBER})(?: to ({NUMBER}))?")
ELSEWHERE = re.compile(r"(?:RFC|X\.\d|Unicode|TLS|SSL|Python|OpenSSL|PEP)\s*[\d.]*[\s,]*(?:and |or |to )?$")
PARENTHESES = re.compile(r"\([^()]*\)")


def prose(source):
    """The docstrings and comments; lines of comment under one another are one text, since a range may break."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield " ".join(node.value.value.split())
    block, last = "", 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("#: ")
            if line != last + 1:
                yield block
                block = ""
            block, last = f"{block} {text}", line
    yield block


def expanded(first, last):
    """The sections of a range, which are in one section."""
    if not last:
        return [first]
    front, _, low = first.rpartition(".")
    other, _, high = last.rpartition(".")
    return [f"{front}.{number}" for number in range(int(low), int(high) + 1)] if front == other else [first, last]


def citations_in(text):
    """The sections that a text cites."""
    enclosed = [match.span() for match in PARENTHESES.finditer(text)]
    for match in RANGE.finditer(text):
        short = match.group(1).count(".") == 1
        inside = any(start < match.start() < end for start, end in enclosed)
        if (inside or not short) and not ELSEWHERE.search(text[: match.start()]):
            yield from expanded(*match.groups())


def citations(folder):
    """{section: names of the files that cite it}, for the Python files of a folder."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for text in prose(path.read_text(encoding="utf-8")):
            for section in citations_in(text):
                found.setdefault(section, set()).add(str(path.relative_to(ROOT / folder)))
    return found


def order(section):
    return [int(number) for number in section.split(".")]


def cell(folder, names):
    return "<br>".join(f"[{name}](../{folder}/{name})" for name in sorted(names))


def page():
    """The text of the page."""
    code, tests = citations("proton"), citations("tests")
    lines = [
        "# The specification, section by section",
        "",
        "The code and the tests that cite a section of [AMQP 1.0](https://docs.oasis-open.org/amqp/core/v1.0/os/),",
        "in comments and docstrings. Generated: `python -m tests.support.specification --write`.",
    ]
    for part, title in PARTS.items():
        lines += ["", f"## Part {part}: {title}", "", "| section | | code | tests |", "|---|---|---|---|"]
        for section, name in SECTIONS.items():
            if section.startswith(f"{part}."):
                files = cell("proton", code.get(section, ())) or UNCITED.get(section, "")
                lines.append(f"| {section} | {name} | {files} | {cell('tests', tests.get(section, ()))} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
