"""Comments, docstrings, texts, test names and pages are plain technical English: see `tests/support/sentences.py`."""

from __future__ import annotations

import pytest

from tests.support import sentences


def test_no_file_has_unwanted_words():
    assert sentences.counts() == {}, "python -m tests.support.sentences FILE shows them"


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
