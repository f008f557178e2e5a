"""Each log line, error text and warning of the package is on a page of the reference, and nothing else is."""

from __future__ import annotations

import re

from tests.support import texts

LINES = (texts.ROOT / "docs" / "reference" / "log.md").read_text(encoding="utf-8")


def listed():
    """Each line of the page with what stands in the column of its level."""
    for row in re.findall(r"^\| (`.*?) \|$", LINES, re.M):
        first, level = row.split(" | ")[:2]
        yield from ((line, level) for line in re.findall(r"`([^`]+)`", first))


def test_each_line_of_the_log_is_on_the_page_with_its_level():
    logged = {}
    for level, line in texts.log_lines():
        logged[line] = "error, info" if level == "…" else level
    assert len(logged) > 40
    assert dict(listed()) == logged


def test_the_page_of_the_errors_is_what_the_sources_say():
    assert texts.PAGE.read_text(encoding="utf-8") == texts.page(), "make it anew: python -m tests.support.texts --write"


def test_texts_are_found_where_an_error_is_made():
    """A text in a branch, one that is put together, one that a name stands for, and one that is handed on."""
    found = {text for _, _, text in texts.error_texts()}
    assert "expected a port from 0 to 65535, got …" in found
    assert "… out of range: expected … to …, got …" in found
    assert "wrong user name or password" in found
    assert "Unknown protocol detected: '…' (HTTP, expected AMQP 1.0)" in found
    assert len(found) > 450
