"""The index of the specification: what cites its sections. See `tests/support/specification.py`."""

from __future__ import annotations

import pytest

from tests.support import specification
from tests.support.specification import SECTIONS, UNCITED

CODE = specification.citations("proton")
CITED = {*CODE, *specification.citations("tests")}

TEXTS = [
    ("the peer closes (2.4.3)", ["2.4.3"]),
    ("2.6.7: credit", ["2.6.7"]),
    ("as of 3.4.1 to 3.4.4 and 5.3.3.2", ["3.4.1", "3.4.2", "3.4.3", "3.4.4", "5.3.3.2"]),
    ("the links (2.6, 2.6.3)", ["2.6", "2.6.3"]),
    ("(3.2 to 3.4)", ["3.2", "3.3", "3.4"]),
    ("it takes 1.2 seconds, and AMQP 1.0 is a version", []),
    ("RFC 4616 2.1, RFC 5802 5.1.1 and (TLS 1.2)", []),
    ("1.2.840.113549.1.9.1, Python 3.9 (3.10)", []),
]


@pytest.mark.parametrize(("text", "sections"), TEXTS, ids=[text for text, _ in TEXTS])
def test_citations_are_found(text, sections):
    assert [section for section in specification.citations_in(text) if section in SECTIONS] == sections


def test_a_range_over_two_lines_of_comment_is_one():
    (text,) = [text for text in specification.prose("x = 1\n# The rules: 3.5.3 to\n# 3.5.5.\n") if text]
    assert list(specification.citations_in(text)) == ["3.5.3", "3.5.4", "3.5.5"]


def test_the_code_cites_sections_that_exist():
    assert {section: sorted(files) for section, files in CODE.items() if section not in SECTIONS} == {}


def test_each_section_is_cited_or_listed_with_the_reason():
    assert [f"{section} {name}" for section, name in SECTIONS.items() if section not in CITED | UNCITED.keys()] == []


def test_the_page_is_up_to_date():
    page = specification.PAGE.read_text(encoding="utf-8")
    assert page == specification.page(), "python -m tests.support.specification --write"


def test_what_is_listed_is_cited_nowhere():
    assert [section for section in UNCITED if section in CITED or section not in SECTIONS] == []
