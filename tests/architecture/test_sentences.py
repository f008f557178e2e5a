"""Comments, docstrings, texts, names of tests and pages are plain technical English: see `tests/support/sentences.py`.

`ALLOWED` is what is left of the words in each file: it only shrinks, and no other file may have any.
"""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.support import sentences

ALLOWED = json.loads((pathlib.Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
FOUND = sentences.counts()


def test_no_file_has_more_unwanted_words_than_before():
    worse = [
        f"{name}: {FOUND[name]}, expected {ALLOWED[name]}" for name in ALLOWED if FOUND.get(name, 0) > ALLOWED[name]
    ]
    assert not worse, "python -m tests.support.sentences FILE shows them"


def test_the_package_has_no_more_unwanted_words_than_before():
    # Files move and split: what a new file has must be gone from another.
    assert sum(FOUND.values()) <= sum(ALLOWED.values())


SOURCES = [
    ("# Whoever calls runs the loop.\n", [(1, "Whoever")]),
    ('def f():\n    """One.\n\n    Two, for what is no integer.\n    """\n', [(4, "is no integer")]),
    ("def test_nobody_waits(): ...\n", [(1, "nobody")]),
    ("# `who` is the user; if it is None there is no user, and no longer one.\n", []),
    ("# It is no longer open, and there is none.\n", []),
    ('raise ValueError(f"expected a port, {port} is none")\n', [(1, "is none")]),
]


@pytest.mark.parametrize(("source", "expected"), SOURCES, ids=[source.strip() for source, _ in SOURCES])
def test_unwanted_words_are_found_where_they_are_read(source, expected):
    texts = sentences.texts_of_code(source, all_strings=True)
    found = [(line, words) for line, text in texts for words in sentences.words_of(text)]
    assert found == expected


def test_code_in_a_page_is_passed_over():
    page = "# Who\n\n```python\nwho = None  # is none\n```\n\nA `nobody` is a user.\n"
    assert [line for line, text in sentences.texts_of_page(page) if sentences.words_of(text)] == [1]


def test_each_exception_is_needed():
    for file, part in sentences.LEGITIMATE:
        lines = (sentences.ROOT / file).read_text(encoding="utf-8").splitlines()
        assert any(part in line for line in lines), f"{file}: {part!r}"
