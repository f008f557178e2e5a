"""JSON of messages: what is read back is the same message, to the byte."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as some

import proton
from proton import UNDESCRIBED, Array, Data, Described, Message, symbol
from proton.cli.values import dumps, from_json, message_from_json, message_to_json, text_of, to_json

ID = uuid.UUID("59ee38f3-06a5-4d0d-8ab4-76054137aaff")
VALUES = [
    (None, "null"),
    (True, "true"),
    (5, "5"),
    (1.5, "1.5"),
    (float("-inf"), '{"$double":"-inf"}'),
    (proton.float32(1.5), '{"$float":1.5}'),
    ("ä", '"ä"'),
    (symbol("s"), '{"$symbol":"s"}'),
    (proton.char("c"), '{"$char":"c"}'),
    (b"ab", '{"$binary":"YWI="}'),
    (ID, f'{{"$uuid":"{ID}"}}'),
    (proton.timestamp(1700000000123), '{"$timestamp":1700000000123}'),
    (proton.ubyte(1), '{"$ubyte":1}'),
    (proton.ushort(1), '{"$ushort":1}'),
    (proton.uint(1), '{"$uint":1}'),
    (proton.ulong(2**63), '{"$ulong":9223372036854775808}'),
    (proton.byte(-1), '{"$byte":-1}'),
    (proton.short(-1), '{"$short":-1}'),
    (proton.int32(-1), '{"$int":-1}'),
    (proton.decimal32(1), '{"$decimal32":1}'),
    (proton.decimal64(1), '{"$decimal64":1}'),
    (proton.decimal128(bytes(16)), '{"$decimal128":"00000000000000000000000000000000"}'),
    ([1, [b""]], '[1,[{"$binary":""}]]'),
    ({"a": {"b": None}}, '{"a":{"b":null}}'),
    ({1: "a", symbol("b"): 2}, '{"$map":[[1,"a"],[{"$symbol":"b"},2]]}'),
    ({"$a": 1}, '{"$map":[["$a",1]]}'),
    (Described(symbol("d"), [1]), '{"$described":[{"$symbol":"d"},[1]]}'),
    (Array(UNDESCRIBED, Data.LONG, 1, 2), '{"$array":{"type":"long","elements":[1,2]}}'),
    (
        Array(symbol("d"), Data.STRING, "a"),
        '{"$array":{"type":"string","elements":["a"],"descriptor":{"$symbol":"d"}}}',
    ),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=lambda value: str(value)[:40])
def test_a_value_has_one_form_in_json_and_comes_back(value, text):
    assert dumps(to_json(value)) == text
    back = from_json(json.loads(text))
    assert type(back) is type(value)
    assert Message(back).encode() == Message(value).encode()


def received(message):
    """The message as its receiver has it."""
    made = Message()
    made.decode(message.encode())
    return made


_simple = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(2**63), 2**63 - 1),
    some.floats(allow_nan=False),
    some.text(some.characters(exclude_categories=["Cs"])),
    some.binary(),
    some.uuids(),
    some.integers(0, 2**32 - 1).map(proton.uint),
)
_values = some.recursive(
    _simple,
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(some.text("a$b", max_size=3), inner, max_size=4)
        | some.dictionaries(some.integers(0, 9), inner, max_size=4)
    ),
)


@given(body=_values, properties=some.dictionaries(some.text("ab$", min_size=1), _simple))
def test_messages_come_back_to_the_byte(body, properties):
    message = received(Message(body, properties=properties, id=5, subject="s", durable=True))
    again = message_from_json(json.loads(dumps(message_to_json(message))))
    assert again.encode() == message.encode()


FULL = {
    "id": {"$uuid": str(ID)},
    "user_id": "fred",
    "address": "a",
    "subject": "s",
    "reply_to": "r",
    "correlation_id": {"$binary": "AA=="},
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "expiry_time": 1700000000.125,
    "creation_time": 1700000000.25,
    "group_id": "g",
    "group_sequence": 7,
    "reply_to_group_id": "h",
    "durable": True,
    "priority": 9,
    "ttl": 1.5,
    "first_acquirer": True,
    "delivery_count": 3,
    "instructions": {"x-opt-a": 1},
    "annotations": {"x-opt-b": {"$symbol": "t"}},
    "properties": {"n": {"$int": 5}},
    "footer": {"x-opt-c": "z"},
    "inferred": True,
    "body": {"$binary": "YWI="},
}


def test_each_attribute_has_its_key_in_this_order():
    message = received(message_from_json(FULL))
    assert list(message_to_json(message).items()) == list(FULL.items())


def test_several_sections_are_kept():
    value = {"sections": [{"$binary": "YQ=="}, {"$binary": "Yg=="}]}
    message = received(message_from_json(value))
    assert message.body == b"ab"
    assert message_to_json(message) == value


def test_a_message_that_says_nothing_is_its_body():
    assert message_to_json(Message()) == {"body": None}
    assert message_to_json(Message("x", user_id=b"\xff")) == {"user_id": {"$binary": "/w=="}, "body": "x"}


BAD = [
    (5, "expected an object, got 5"),
    ({"bodi": 1}, "expected keys of id, user_id"),
    ({"body": {"$uuid": "x"}}, "body: expected the value of $uuid, got 'x'"),
    ({"body": {"$uuid": 5}}, "body: expected the value of $uuid, got 5"),
    ({"body": {"$binary": "?"}}, "body: expected the value of $binary, got '?'"),
    ({"body": {"$ubyte": 256}}, "body: expected the value of $ubyte, got 256"),
    ({"body": {"$ubyte": 1.5}}, "body: expected the value of $ubyte, got 1.5: not an integer"),
    ({"body": {"$array": {"type": "x", "elements": []}}}, "body: expected the value of $array"),
    ({"body": {"$map": [1]}}, "body: expected the value of $map, got [1]"),
    ({"body": {"$no": 1}}, "body: expected one of $ubyte, "),
    ({"body": {"$uint": 1, "a": 2}}, "body: expected '$uint' alone in its object, got 2 keys"),
    ({"priority": 256}, "priority: "),
    ({"subject": 5}, "subject: "),
    ({"sections": 5}, "sections: "),
]


@pytest.mark.parametrize(("value", "text"), BAD)
def test_bad_json_says_what_was_expected(value, text):
    with pytest.raises(ValueError) as caught:
        message_from_json(value)
    assert str(caught.value).startswith(text)


def test_what_is_not_an_amqp_value_is_not_shown():
    with pytest.raises(TypeError, match="expected an AMQP value, got object"):
        to_json(object())


@pytest.mark.parametrize(
    ("body", "text"), [("ä", b"\xc3\xa4"), (b"\xff", b"\xff"), (None, b""), (5, b"5"), ([ID], b'[{"$uuid":"%s"}]')]
)
def test_the_text_of_a_body(body, text):
    assert text_of(body) == (text % str(ID).encode() if b"%s" in text else text)
