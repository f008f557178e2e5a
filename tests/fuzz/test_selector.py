"""Arbitrary texts as selectors: `InvalidSelector` or a selector, which answers for any message, at a bounded cost."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proton import Described, Message, byte, char, decimal32, decimal64, decimal128, float32, symbol, timestamp, ulong
from proton.testing import InvalidSelector, Selector
from proton.testing.selector_words import KEYWORDS, MAX_LENGTH
from tests.support.fuzzing import fuzz

NAMES = ["a", "b", "$", "_", "é", "a.b", "JMSType", "JMSX", "JMSPriority", "amqp.to", "amqp.annotation.x-y", '"a b"']
LITERALS = ["''", "'%'", "'_'", "'it''s'", "0", "1", "-1", "07", "0x7F", "1.5", ".5f", "1e308", "9223372036854775808"]
OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "(", ")", ",", "'", '"', "!", "\x00", "\ud800"]
words = st.sampled_from([*NAMES, *LITERALS, *OPERATORS, *KEYWORDS, *(word.lower() for word in KEYWORDS)])
texts = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(words, max_size=30).map(" ".join),
    st.lists(words, max_size=30).map("".join),
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.binary(max_size=4),
    st.sampled_from(
        [
            byte(-1),
            ulong(2**64 - 1),
            float32(1.5),
            symbol("s"),
            char("c"),
            timestamp(5),
            decimal32(1),
            decimal64(1),
            decimal128(bytes(16)),
            uuid.UUID(int=1),
            [],
            {},
            Described(1, 2),
        ]
    ),
)
ids = st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=4), st.integers(0, 2**64 - 1), st.uuids())
messages = st.builds(
    Message,
    properties=st.none() | st.dictionaries(st.sampled_from(["a", "b", "$", "_", "é", "a.b", "JMSX"]), values),
    annotations=st.none() | st.dictionaries(st.just("x-y"), values),
    id=ids,
    correlation_id=ids,
    user_id=st.binary(max_size=4),
    subject=st.none() | st.text(max_size=5),
    priority=st.integers(0, 255),
)


@given(texts, messages)
@example("(" * MAX_LENGTH, Message())
@example("-(" * 4000, Message())
@example("NOT(" * 2000, Message())
@example("'" * MAX_LENGTH, Message())
@example("1" * MAX_LENGTH, Message())
@example("0" * MAX_LENGTH + " = a", Message())
@example("." * MAX_LENGTH, Message())
@example("a = " + "1." * 1000, Message())
@example("((a)" * 50, Message())
@fuzz
def test_any_text_is_a_selector_or_invalid(text, message):
    try:
        selector = Selector(text)
    except InvalidSelector as error:
        assert 0 <= error.position <= len(text)
        return
    assert selector.evaluate(message) in (True, False, None)
    assert selector.matches(message) is (selector.evaluate(message) is True)


LONG = 1 << 20
COSTLY = {
    "many %": ("a LIKE '" + "%a" * 3000 + "%b'", "a" * LONG),
    "many _": ("a LIKE '%" + "_" * 4000 + "b%'", "a" * LONG),
    "_ among letters": ("a LIKE '%" + "a_" * 2000 + "b%c'", "a" * LONG + "c"),
    "% and _": ("a LIKE '" + "%_a" * 2000 + "b%'", "a" * LONG),
    "a long tail": ("a LIKE '%" + "ab" * 500 + "'", "ab" * (LONG // 2) + "a"),
    "products": ("a LIKE 'x' OR " + "9223372036854775807 * " * 300 + "1 = 0", "a" * LONG),
    "a long list": ("a IN (" + ",".join(f"'{n}'" for n in range(1200)) + ")", "a" * LONG),
}


@pytest.mark.parametrize("text, value", COSTLY.values(), ids=COSTLY)
def test_the_cost_is_that_of_the_lengths_of_text_and_value(text, value):
    selector = Selector(text)
    message = Message(properties={"a": value})
    start = time.process_time()
    assert selector.matches(message) is False
    # Some microseconds for a character: what backtracks would take hours.
    assert time.process_time() - start < 10.0
