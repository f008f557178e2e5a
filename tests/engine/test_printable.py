"""What a peer says is quoted so that it cannot forge a line, steer a terminal or fill a log."""

import enum
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton import Condition, symbol
from proton.endpoints.printable import MAX_PRINTABLE, condition_text, printable


class Reason(str, enum.Enum):
    FULL = "disk\nfull"


TEXTS = [
    ("plain words", "plain words"),
    ("", ""),
    (None, ""),
    (symbol("amqp:not-found"), "amqp:not-found"),
    (Reason.FULL, "disk\\nfull"),
    (7, "7"),
    ("größer, 大きい, أكبر, 😀", "größer, 大きい, أكبر, 😀"),
    ("C:\\new 'quoted' \"twice\"", "C:\\new 'quoted' \"twice\""),
    ("one\ntwo\r\nthree", "one\\ntwo\\r\\nthree"),
    ("tab\tnul\0bell\a", "tab\\tnul\\x00bell\\x07"),
    ("\x1b[31mred\x9b0m\x7f", "\\x1b[31mred\\x9b0m\\x7f"),
    ("next\x85line\u2028paragraph\u2029", "next\\x85line\\u2028paragraph\\u2029"),
    ("form\x0cvertical\x0bunit\x1f", "form\\x0cvertical\\x0bunit\\x1f"),
    ("\u202eeman\u202c \u2066x\u2069 \u200f\u200e\u061c", "\\u202eeman\\u202c \\u2066x\\u2069 \\u200f\\u200e\\u061c"),
    ("\ufeffzero\u200bwidth\u00adsoft", "\\ufeffzero\\u200bwidth\\xadsoft"),
    ("half \ud83d of one", "half \\ud83d of one"),
    ("tag \U000e0041 private \ue000", "tag \\U000e0041 private \\ue000"),
    ("no-break\xa0space\u3000", "no-break\\xa0space\\u3000"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=[ascii(text) for text, _ in TEXTS])
def test_a_text_is_quoted_on_one_line(text, expected):
    assert printable(text) == expected


@pytest.mark.parametrize("text", ["x" * 10_000, "\n" * 10_000, "\U000e0041" * 10_000, "ab\n" * 10_000])
def test_a_long_text_is_cut_and_says_so(text):
    shown = printable(text)
    assert MAX_PRINTABLE - len("\\U000e0041") < len(shown) <= MAX_PRINTABLE
    assert shown.endswith("...")


def test_a_text_of_the_greatest_length_is_whole():
    assert printable("x" * 20, limit=20) == "x" * 20
    assert printable("x" * 18 + "\n", limit=20) == "x" * 18 + "\\n"
    assert printable("x" * 19 + "\n", limit=20) == "x" * 17 + "..."
    assert printable("x" * 21, limit=20) == "x" * 17 + "..."
    assert printable("\x1b" * 6, limit=20) == "\\x1b" * 4 + "..."


@given(st.text())
def test_nothing_but_printable_characters_comes_out(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1 and len(shown) <= MAX_PRINTABLE
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


CONDITIONS = [
    (None, ""),
    (Condition("amqp:not-found"), "amqp:not-found"),
    (Condition("amqp:not-found", "no queue 'q'"), "amqp:not-found: no queue 'q'"),
    (Condition("a\nb", "c\nd", {"e": "f"}), "a\\nb: c\\nd"),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_a_condition_is_named_with_its_description(condition, expected):
    assert condition_text(condition) == expected
