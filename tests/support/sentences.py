"""Words that plain technical English does without, found in comments, docstrings, texts, names and pages.

The actor of a sentence is a thing with a name (peer, caller, link, loop), so none of the words for an unnamed person.
A negation says "not" or "invalid": "is not an integer", where "is no integer" reads like an idiom. "Whose" stays,
since it stands for things as well ("a link whose session has ended"), and so do "there is no" and "there is none".

By hand, the files with the most of them first, or each place of some files:
``python -m tests.support.sentences [FILE ...]``.
"""

from __future__ import annotations

import ast
import io
import pathlib
import re
import sys
import tokenize

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERSONS = "who|whoever|whom|nobody|somebody|anybody|everybody|someone|anyone|everyone|him|himself|herself"
COMPARED = "longer|more|less|fewer|larger|smaller|slower|faster|higher|lower|greater|earlier|later|shorter|older|newer"
UNWANTED = re.compile(
    rf"\b(?:{PERSONS})\b"
    rf"|(?<!there )\b(?:is|are|was|were|be) (?:none|no (?!(?:{COMPARED})\b)\w+)\b",
    re.IGNORECASE,
)
#: what programs and peers read: code, commands, fields
CODE = re.compile(r"```.*?```|``[^`]*``|`[^`\n]*`|https?://\S+", re.DOTALL)
#: the value, which is written like this in Python
NONE = re.compile(r"\b(?:is|are|was|were|be|been) None\b")

#: (file, the line or a part of it): the reason why a word stays
LEGITIMATE: dict[tuple[str, str], str] = {
    ("tests/support/sentences.py", ""): "it names the words",
    ("tests/architecture/test_sentences.py", ""): "it names the words",
}


def files():
    """All files that are held to it, by their paths from the root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")]
    for folder in ("proton", "examples", "tests", "benchmarks"):
        found += ROOT.glob(f"{folder}/**/*.py")
        found += ROOT.glob(f"{folder}/**/*.md")
    return sorted(str(path.relative_to(ROOT)) for path in found if "expected" not in path.parts)


def texts_of_page(source):
    """(line, text) of a page without its code."""
    plain = CODE.sub(lambda match: re.sub(r"[^\n]+", " ", match.group()), source)
    yield from enumerate(plain.splitlines(), 1)


def texts_of_code(source, all_strings):
    """(line, text) of comments, docstrings and the names of functions and classes; and of every string, if wanted."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], CODE.sub(" ", token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name.replace("_", " ")
        wanted = node if all_strings else getattr(node, "value", None) if isinstance(node, ast.Expr) else None
        if isinstance(wanted, ast.Constant) and isinstance(wanted.value, str):
            plain = CODE.sub(lambda match: "\n" * match.group().count("\n") + " ", wanted.value)
            yield from enumerate(plain.split("\n"), wanted.lineno)


def words_of(text):
    """The unwanted words of a text."""
    return [match.group() for match in UNWANTED.finditer(text) if not NONE.match(match.group())]


def found_in(name):
    """(line, words) of each unwanted word of a file."""
    source = (ROOT / name).read_text(encoding="utf-8")
    # The strings of tests are messages and names of all kinds; those of the package and the examples are read.
    all_strings = not name.startswith("tests/")
    texts = texts_of_page(source) if name.endswith(".md") else texts_of_code(source, all_strings)
    lines = source.splitlines()
    for line, text in texts:
        for words in words_of(text):
            if not is_legitimate(name, lines[line - 1]):
                yield line, words


def is_legitimate(name, line):
    return any(name == file and part in line for file, part in LEGITIMATE)


def counts():
    """How many each file has, of those that have some."""
    found = {name: sum(1 for _ in found_in(name)) for name in files()}
    return {name: count for name, count in found.items() if count}


def main(names):
    for name in names:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        for line, words in sorted(found_in(name)):
            print(f"{name}:{line}: {words!r}: {lines[line - 1].strip()}")
    if not names:
        found = counts()
        for name in sorted(found, key=lambda name: -found[name]):
            print(f"{found[name]:5} {name}")
        print(f"{sum(found.values()):5}")


if __name__ == "__main__":
    main(sys.argv[1:])
