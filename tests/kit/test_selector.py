"""Selectors: a table of each rule of JMS, with what it is for one message, and a table of mistakes."""

from __future__ import annotations

import copy
import pickle
import sys
import uuid

import pytest

from proton import Message, byte, float32, symbol, timestamp, ubyte, ulong
from proton.testing import InvalidSelector, Selector
from proton.testing.selector import MAX_NESTING
from proton.testing.selector_words import MAX_LENGTH

MESSAGE = Message(
    id="ID:1",
    correlation_id=uuid.UUID(int=1),
    user_id="guest",
    address="orders",
    subject="car",
    reply_to="replies",
    content_type="text/plain",
    priority=7,
    durable=True,
    delivery_count=2,
    group_id="g",
    group_sequence=3,
    creation_time=1.5,
    ttl=2.0,
    properties={
        "colour": "blue",
        "weight": 2500,
        "ratio": 0.5,
        "zero": 0,
        "ok": True,
        "off": False,
        "quote": "it's",
        "percent": "100%_\\",
        "lines": "one\ntwo",
        "empty": "",
        "nothing": None,
        "small": byte(-1),
        "tiny": ubyte(200),
        "large": ulong(2**64 - 1),
        "single": float32(0.5),
        "sym": symbol("blue"),
        "time": timestamp(1000),
        "uuid": uuid.UUID(int=2),
        "bytes": b"blue",
        "$a.b_c1": 1,
        "naïve": 2,
        "two words": 3,
        "in": 4,
        "JMSXKind": "x",
        "JMS_Vendor": "y",
    },
    annotations={"x-opt-offset": "12", "x-opt-sequence-number": 12},
)
TRUE = """
colour = 'blue'; colour <> 'red'; sym = 'blue'; quote = 'it''s'; empty = ''; time = 1000
weight = 2500; weight > 2499; weight >= 2500; weight < 2501; weight <= 2500; weight <> 1; 2500 = weight
weight = 2500.0; weight = 2.5e3; weight = 2.5E+3; weight = 25000e-1; weight = 2500d; weight = 2500.F; weight = 2500L
weight = 0x9C4; weight = 0X9c4l; weight = 04704; weight = +2500; weight = - -2500; weight = -(-2500); .5 = ratio
ratio = 0.5; ratio = 5e-1; single = ratio; single < 0.51; small = -1; tiny = 200; zero = 0x0; zero = 00; zero = -0
large > 0; large > 9223372036854775807; -9223372036854775808 < 0; 0xFFFFFFFFFFFFFFFF = -1; 0.1f <> 0.1; 0.1D = 0.1
ok = TRUE; ok = true; ok; NOT off; off = False; ok <> off; TRUE; (TRUE); NOT FALSE; ok AND NOT off
weight + 1 = 2501; weight - 500 - 500 = 1500; weight / 2 / 2 = 625; weight * 2 + 1 = 5001; 1 + weight * 2 = 5001
(weight + 1) * 2 = 5002; 7 / 2 = 3; -7 / 2 = -3; 7 / -2 = -3; 7 / 2.0 = 3.5; 7 - 2 * 3 = 1; 10 - 4 - 3 = 3
9223372036854775807 + 1 = -9223372036854775808; 1.0 / 0 > 1e308; -1.0 / 0 < -1e308; 1 / -0.0 < 0; 0.0 / 0 <> 0
weight BETWEEN 2000 AND 3000; weight BETWEEN 2500 AND 2500; weight NOT BETWEEN 1 AND 2; 2 BETWEEN 1 AND 1 + 1
weight BETWEEN 2000 AND 3000 AND ok; weight between 1 and 2 or ok; NOT weight BETWEEN 1 AND 2
colour IN ('red', 'blue'); colour NOT IN ('red'); colour in ( 'blue' ); weight IN (1, -2, 2500.0); ok IN (TRUE)
sym IN ('blue'); NOT colour IN ('red', 'green'); small IN (-1); small IN (+1, - 1)
colour LIKE 'blue'; colour LIKE 'b%'; colour LIKE '%e'; colour LIKE '%lu%'; colour LIKE 'b__e'; colour LIKE '%'
colour LIKE '%%'; colour LIKE '_%_'; colour LIKE '%b%l%u%e%'; colour LIKE 'bl%ue'; colour NOT LIKE 'b'; empty LIKE ''
empty LIKE '%'; colour NOT LIKE '_____'; colour NOT LIKE 'blu%ue'; colour LIKE '%_e'; colour LIKE '%l_e'
percent LIKE '100!%%' ESCAPE '!'; percent LIKE '%!_\\' ESCAPE '!'; percent LIKE '100\\%\\_\\\\' ESCAPE '\\'
percent LIKE '%_\\'; lines LIKE 'one_two'; lines LIKE 'one%'; quote LIKE 'it''_'
missing IS NULL; nothing IS NULL; colour IS NOT NULL; NOT colour IS NULL; bytes IS NOT NULL; missing + 1 IS NULL
(missing = 1) IS NULL; 1 / 0 IS NULL; colour * 2 IS NULL; -colour IS NULL; +missing IS NULL; weight + 1 IS NOT NULL
missing = 1 OR ok; ok OR missing = 1; NOT (missing = 1 AND off); NOT (off AND missing = 1); ok or off and off
NOT off AND ok; NOT (off OR FALSE); not not ok; NOT NOT NOT off; (((((ok))))); NOT weight = 1
JMSMessageID = 'ID:1'; JMSType = 'car'; JMSPriority > 6; JMSPriority BETWEEN 0 AND 9; JMSDeliveryMode = 'PERSISTENT'
JMSCorrelationID = '00000000-0000-0000-0000-000000000001'; JMSTimestamp = 1500; JMSRedelivered; JMSExpiration = 0
JMSXDeliveryCount = 3; JMSXGroupID = 'g'; JMSXGroupSeq = 3; JMSXUserID = 'guest'; JMSDestination = 'orders'
JMSReplyTo LIKE 'rep%'; JMSXKind = 'x'; JMS_Vendor = 'y'; JMSXOther IS NULL
amqp.durable; amqp.priority = 7; amqp.ttl = 2000; amqp.delivery_count = 2; amqp.message_id LIKE 'ID:%'
amqp.user_id = 'guest'; amqp.to = 'orders'; amqp.subject = 'car'; amqp.reply_to = 'replies'; amqp.redelivered
amqp.correlation_id IS NOT NULL; amqp.content_type = 'text/plain'; amqp.content_encoding IS NULL; amqp.jms_type = 'car'
amqp.absolute_expiry_time IS NULL; amqp.creation_time = 1500; amqp.group_id = 'g'; amqp.group_sequence = 3
amqp.reply_to_group_id IS NULL; amqp.first_acquirer = FALSE; amqp.delivery_mode <> 'NON_PERSISTENT'
amqp.content-type = 'text/plain'; amqp.annotation.x-opt-offset = '12'; amqp.annotation.x-opt-sequence-number > 11
amqp.annotation.missing IS NULL; "amqp.annotation.x-opt-offset" = '12'; amqp.priority - 1 = 6
$a.b_c1 = 1; naïve = 2; "two words" = 3; "in" = 4; missing IS NULL AND Colour IS NULL; weight=2500 AND(ok)
"""
FALSE = """
colour = 'red'; colour <> 'blue'; colour = 'Blue'; weight > 2500; NOT ok; off; FALSE; weight = 2501; ok = FALSE
colour = 1; colour <> 1; weight = '2500'; weight <> '2500'; ok = 1; ok <> 'true'; 1 = '1'; TRUE <> 1; colour > 1
bytes = 'blue'; bytes <> 'blue'; uuid = 'x'; uuid = uuid; colour BETWEEN 1 AND 2; colour NOT BETWEEN 1 AND 2
weight BETWEEN 3000 AND 2000; weight LIKE '2500'; weight NOT LIKE '1'; colour IN (1); colour NOT IN (1); ok IN (1)
colour NOT IN ('blue'); colour LIKE 'blu'; colour LIKE 'b'; colour LIKE '_____'; colour LIKE '%x%'; colour LIKE ''
colour LIKE 'blue%e'; colour LIKE '%u%l%'; colour LIKE '%__e_%'; colour NOT LIKE 'b%'; colour LIKE 'b!%' ESCAPE '!'
off AND missing = 1; missing = 1 AND off; colour IS NULL; missing IS NOT NULL; NOT missing IS NULL; 0.0 / 0 = 0.0 / 0
NOT (ok OR missing = 1); large < 0; JMSPriority <> 7; percent LIKE '%!%' ESCAPE '!'; lines LIKE 'one'
nothing IS NOT NULL
"""
UNKNOWN = """
missing = 1; missing <> 1; missing > 1; NOT missing = 1; missing; NOT missing; missing AND ok; missing OR off
missing = missing; nothing = nothing; missing IN ('a'); missing NOT IN ('a'); missing LIKE '%'; missing NOT LIKE '%'
missing BETWEEN 1 AND 2; weight BETWEEN missing AND 3000; weight BETWEEN 1 AND missing; 1 / 0 = 1; weight / zero = 1
colour; NOT colour; weight; colour AND ok; missing + 1 = 2; colour + 1 = 2; -missing = 1; JMSXOther = 1
amqp.annotation.missing = 1; -ok = 1; colour OR off; weight + bytes > 0
"""


def lines(table):
    return [text.strip() for text in table.replace("\n", ";").split(";") if text.strip()]


@pytest.mark.parametrize("text", lines(TRUE))
def test_selected(text):
    assert Selector(text).evaluate(MESSAGE) is True
    assert Selector(text).matches(MESSAGE) is True


@pytest.mark.parametrize("text", lines(FALSE))
def test_not_selected(text):
    assert Selector(text).evaluate(MESSAGE) is False
    assert Selector(text).matches(MESSAGE) is False


@pytest.mark.parametrize("text", lines(UNKNOWN))
def test_left_open(text):
    assert Selector(text).evaluate(MESSAGE) is None
    assert Selector(text).matches(MESSAGE) is False


@pytest.mark.parametrize("text", lines(TRUE + FALSE + UNKNOWN))
def test_a_message_that_says_nothing_has_a_value_too(text):
    assert Selector(text).evaluate(Message()) in (True, False, None)


@pytest.mark.parametrize("text", ["", " ", "\t\r\n\f"])
def test_an_empty_selector_selects_all(text):
    assert Selector(text).matches(Message())


@pytest.mark.parametrize(
    "text, position, expected, got",
    [
        ("colour", None, "", ""),
        ("colour =", 8, "a name, a literal or '('", "the end"),
        ("colour = ", 9, "a name, a literal or '('", "the end"),
        ("= 1", 0, "a name, a literal or '('", "="),
        ("colour 'blue'", 7, "an operator or the end", "'blue'"),
        ("a = 1 = b", 6, "an operator or the end", "="),
        ("a = b c", 6, "an operator or the end", "c"),
        ("(a = 1", 6, "an operator or ')'", "the end"),
        ("a = 1)", 5, "an operator or the end", ")"),
        ("()", 1, "a name, a literal or '('", ")"),
        ("a AND", 5, "a name, a literal or '('", "the end"),
        ("a OR OR b", 5, "a name, a literal or '('", "OR"),
        ("a NOT = 1", 6, "IN, LIKE or BETWEEN", "="),
        ("a NOT NULL", 6, "IN, LIKE or BETWEEN", "NULL"),
        ("a IS 1", 5, "NULL", "1"),
        ("a IS NOT", 8, "NULL", "the end"),
        ("NULL = a", 0, "a name, a literal or '('", "NULL"),
        ("a BETWEEN 1", 11, "AND", "the end"),
        ("a BETWEEN 1 OR 2", 12, "AND", "OR"),
        ("a BETWEEN 'x' AND 2", 10, "a number", "a string, 'x'"),
        ("a IN 'x'", 5, "'('", "'x'"),
        ("a IN ()", 6, "a literal", ")"),
        ("a IN (b)", 6, "a literal", "b"),
        ("a IN ('x' 'y')", 10, "',' or ')'", "'y'"),
        ("a IN (-'x')", 7, "a number", "'x'"),
        ("a LIKE b", 7, "a pattern in single quotes", "b"),
        ("a LIKE 'x' ESCAPE", 17, "a character in single quotes", "the end"),
        ("a LIKE 'x' ESCAPE 'ab'", 18, "one character in single quotes", "'ab'"),
        ("a LIKE 'x!' ESCAPE '!'", 7, "'%', '_' or '!' after each '!' of a pattern", "'x!'"),
        ("1 LIKE '1'", 0, "a string", "a number, 1"),
        ("a > 'x'", 4, "a number", "a string, 'x'"),
        ("TRUE < a", 0, "a number", "a condition, TRUE"),
        ("1", 0, "a condition", "a number, 1"),
        ("a + 1", 0, "a condition", "a number, a + 1"),
        ("'x'", 0, "a condition", "a string, 'x'"),
        ("a AND 1", 6, "a condition", "a number, 1"),
        ("'x' OR a", 0, "a condition", "a string, 'x'"),
        ("NOT 'x'", 4, "a condition", "a string, 'x'"),
        ("-'x' = 1", 1, "a number", "a string, 'x'"),
        ("a + 'x' = 1", 4, "a number", "a string, 'x'"),
        ("(a = 1) * 2 = 2", 0, "a number", "a condition, (a = 1)"),
        ("a = 'x", 6, "the quote ' that closes the one at position 4", "the end"),
        ("a = 'x''", 8, "the quote ' that closes the one at position 4", "the end"),
        ('a = "x"', 4, "a string in single quotes", '"x"'),
        ('"" = 1', 0, "a string in single quotes", '""'),
        ('"x y = 1', 8, 'the quote " that closes the one at position 0', "the end"),
        ("a != 1", 2, "'<>'", "'!='"),
        ("a == 1", 2, "'='", "'=='"),
        ("a && b", 2, "AND", "'&&'"),
        ("a || b", 2, "OR", "'||'"),
        ("a = 089", 4, "a number", "'089'"),
        ("a = 12x", 4, "a number", "'12x'"),
        ("a = 1.2.3", 4, "a number", "'1.2.3'"),
        ("a = 0x", 4, "a number", "'0x'"),
        ("a = 1e", 4, "a number", "'1e'"),
        ("a = 9223372036854775808", 4, "a number of 64 bits", "9223372036854775808"),
        ("a = -9223372036854775809", 5, "a number of 64 bits", "9223372036854775809"),
        ("a IN (9223372036854775808)", 6, "a number of 64 bits", "9223372036854775808"),
        ("a = 0x1FFFFFFFFFFFFFFFF", 4, "a number of 64 bits", "0x1FFFFFFFFFFFFFFFF"),
        ("a = 1e999", 4, "a number of 64 bits, or of 32 with the suffix f", "1e999"),
        ("a = 1e39f", 4, "a number of 64 bits, or of 32 with the suffix f", "1e39f"),
        ("a = 1" + "0" * 5000, 4, "a number of 64 bits", "1" + "0" * 39),
        ("a = ?", 4, "a name, a literal or an operator", "'?'"),
        ("a = \x00", 4, "a name, a literal or an operator", "'\\x00'"),
        ("a ıS NULL", 2, "an operator or the end", "ıS"),
        ("amqp.colour = 1", 0, "a field of durable, priority", "amqp.colour"),
        ("JMSPriorty = 1", 0, "JMSMessageID, JMSCorrelationID", "JMSPriorty"),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH, f"{MAX_LENGTH} characters at most", f"{MAX_LENGTH + 1}"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_mistakes_are_told_with_their_place(text, position, expected, got):
    if position is None:
        assert Selector(text).text == text
        return
    with pytest.raises(InvalidSelector) as caught:
        Selector(text)
    error = caught.value
    assert (error.selector, error.position, error.got) == (text, position, got)
    assert error.expected.startswith(expected)
    assert str(error) == f"invalid selector at position {position}: expected {error.expected}, got {got}"
    assert isinstance(error, ValueError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_another_object_than_text_is_a_mistake_of_its_own():
    with pytest.raises(TypeError, match="expected the text of a selector, got bytes"):
        Selector(b"a = 1")


def test_parentheses_nest_up_to_a_bound():
    deepest = "(" * MAX_NESTING + "ok" + ")" * MAX_NESTING
    assert Selector(deepest).matches(MESSAGE)
    with pytest.raises(InvalidSelector, match=f"{MAX_NESTING} parentheses in each other at most") as caught:
        Selector(f"({deepest})")
    assert caught.value.position == MAX_NESTING
    # Beside each other they are not counted.
    assert Selector(" AND ".join(["(ok)"] * (MAX_NESTING + 1))).matches(MESSAGE)


def depth():
    frame, count = sys._getframe(), 0
    while frame:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.parametrize(
    "text, found",
    [
        ("NOT " * 1500 + "ok", True),
        ("NOT " * 1501 + "ok", False),
        ("-" * 4000 + "weight = 2500", True),
        ("- +" * 1001 + "weight = -2500", True),
        ("ok AND " * 1000 + "off", False),
        ("off OR " * 1000 + "ok", True),
        ("1 + " * 2000 + "weight = 4500", True),
        ("1 * " * 2000 + "weight = 2500", True),
        ("(ok AND NOT (off OR " * (MAX_NESTING // 2) + "off" + "))" * (MAX_NESTING // 2), True),
        ("(1 + -" * MAX_NESTING + "weight" + ")" * MAX_NESTING + " = 2500", True),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_the_longest_chains_and_the_deepest_nesting_need_little_stack(text, found):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth() + 8 * MAX_NESTING + 25)
    try:
        assert Selector(text).matches(MESSAGE) is found
    finally:
        sys.setrecursionlimit(limit)


def test_defaults_of_fields_are_those_of_jms():
    for text in ("JMSPriority = 4", "JMSDeliveryMode = 'NON_PERSISTENT'", "JMSTimestamp = 0", "JMSXDeliveryCount = 1"):
        assert Selector(text).matches(Message())
    for name in ("JMSMessageID", "JMSCorrelationID", "JMSType", "JMSXGroupID", "JMSXGroupSeq", "JMSXUserID"):
        assert Selector(f"{name} IS NULL").matches(Message())
    assert Selector("NOT JMSRedelivered AND amqp.ttl IS NULL").matches(Message())


def test_numbers_that_no_message_can_carry_are_compared_too():
    huge = Message(properties={"n": 10**400, "m": -(10**400)})
    assert Selector("n > 1.5 AND m < 1.5 AND n / 2.0 > 1e308 AND n * m <> 5.0").matches(huge)


def test_selectors_of_the_same_text_are_equal():
    assert Selector("a = 1") == copy.deepcopy(Selector("a = 1")) != Selector("a = 2")
    assert len({Selector("a = 1"), Selector("a = 1")}) == 1
    assert Selector("a = 1") != "a = 1"
    assert repr(Selector("a = 'x'")) == """Selector("a = 'x'")"""
