"""What a message becomes from bytes: sections in any legal form, lenient fields, and malformed input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.codec.decode import DecodeLimits
from proton.codec.types import AnnotationDict, Described, symbol, ulong
from proton.exceptions import MessageException
from proton.message import Message
from tests.support.messages import DEFAULTS, SET, attributes


def decoded(*sections: str) -> Message:
    message = Message()
    message.decode(bytes.fromhex("".join(sections)))
    return message


def test_everything_comes_back() -> None:
    message = Message()
    message.decode(Message(**SET).encode())
    assert attributes(message) == SET
    assert type(message.id) is int
    assert type(message.user_id) is bytes
    assert type(message.content_type) is symbol
    assert type(message.annotations) is AnnotationDict
    assert type(message.properties) is dict


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - {"inferred"}))
def test_each_attribute_comes_back_alone(name: str) -> None:
    message = Message()
    message.decode(Message(**{name: SET[name]}).encode())
    assert attributes(message) == {**DEFAULTS, name: SET[name]}


def test_decoding_clears_what_was_set_before() -> None:
    message = Message(**SET)
    message.mine = 1  # type: ignore[attr-defined]
    message.decode(bytes.fromhex("005377a10178"))
    assert attributes(message) == {**DEFAULTS, "body": "x"}
    assert message.mine == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_decoded(kind: Any) -> None:
    message = Message()
    message.decode(kind(bytes.fromhex("005375a00178")))
    assert message.body == b"x"
    assert type(message.body) is bytes


@pytest.mark.parametrize("data", [None, "x", 5])
def test_other_objects_are_refused_before_anything_changes(data: Any) -> None:
    message = Message("kept")
    with pytest.raises(TypeError):
        message.decode(data)
    assert message.body == "kept"


def test_no_bytes_are_a_message_without_anything() -> None:
    assert attributes(decoded("")) == DEFAULTS


BODIES = [
    ("005377 40", None, False),
    ("005377 a10178", "x", False),
    ("005377 a00178", b"x", False),
    ("005377 00532445", Described(ulong(0x24), []), False),
    ("005375 a00178", b"x", True),
    ("005375 a000", b"", True),
    ("005375 40", b"", True),
    ("005375 b00000000178", b"x", True),
    ("005375 a00178 005375 a0027979 005375 a000", b"xyy", True),
    ("005376 45", [], True),
    ("005376 40", [], True),
    ("005376 c003015501", [1], True),
    ("005376 c003015501 005376 45 005376 c003015502", [1, 2], True),
    ("005375 a00178 005377 a10179", "y", False),
    ("005377 a10178 005377 a10179", "y", False),
    ("005377 a10178 005375 a00179", b"y", True),
    ("005370 45 005373 45", None, False),
]


@pytest.mark.parametrize(("encoded", "body", "inferred"), BODIES)
def test_bodies(encoded: str, body: Any, inferred: bool) -> None:
    message = decoded(encoded)
    assert message.body == body
    assert type(message.body) is type(body)
    assert message.inferred is inferred


def test_a_list_in_a_value_is_not_joined_with_sequences() -> None:
    assert decoded("005377 c003015501 005376 c003015502").body == [2]


DESCRIPTORS = [
    "005377",
    "00 80 0000000000000077",
    "00 a3 11" + b"amqp:amqp-value:*".hex(),
    "00 b3 00000011" + b"amqp:amqp-value:*".hex(),
]


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_descriptors_in_every_form(descriptor: str) -> None:
    assert decoded(descriptor, "a10178").body == "x"


@pytest.mark.parametrize(
    ("symbolic", "value", "name", "expected"),
    [
        ("amqp:header:list", "c00201 41", "durable", True),
        ("amqp:delivery-annotations:map", "c10602 a30161 5501", "instructions", {"a": 1}),
        ("amqp:message-annotations:map", "c10602 a30161 5501", "annotations", {"a": 1}),
        ("amqp:properties:list", "c00401 a10161", "id", "a"),
        ("amqp:application-properties:map", "c10602 a10161 5501", "properties", {"a": 1}),
        ("amqp:data:binary", "a00161", "body", b"a"),
        ("amqp:amqp-sequence:list", "45", "body", []),
        ("amqp:footer:map", "c10602 a30161 5501", "footer", {"a": 1}),
    ],
)
def test_symbolic_descriptors(symbolic: str, value: str, name: str, expected: Any) -> None:
    descriptor = f"00 a3 {len(symbolic):02x}" + symbolic.encode().hex()
    assert getattr(decoded(descriptor, value), name) == expected


@pytest.mark.parametrize("code", ["70", "71", "72", "73", "74", "78"])
def test_a_null_section_is_an_absent_one(code: str) -> None:
    assert attributes(decoded("0053", code, "40")) == DEFAULTS


def test_annotation_keys_of_every_class() -> None:
    annotations = decoded("005372 c10f08 a30161 40 5305 40 5507 40 a10162 40").annotations
    assert [(key, type(key)) for key in annotations] == [("a", symbol), (5, ulong), (7, int), ("b", symbol)]


def test_application_property_keys_are_kept_as_they_come() -> None:
    assert decoded("005374 c10804 5501 40 a10161 40").properties == {1: None, "a": None}


@pytest.mark.parametrize(
    ("encoded", "name", "expected"),
    [
        ("005373 c00301 5205", "id", 5),
        ("005373 c00301 5505", "id", 5),
        ("005373 c00301 55ff", "id", None),
        ("005373 c00201 41", "id", None),
        ("005373 c00401 a30161", "id", None),
        ("005373 c00503 4040 5205", "address", None),
        ("005373 c00603 4040 a30161", "address", "a"),
        ("005373 c00a07 404040404040 a10161", "content_type", symbol("a")),
        ("005373 c00b09 4040404040404040 5205", "expiry_time", 0.0),
        ("005370 c00301 5201", "durable", False),
        ("005370 c00702 40 700000ffff", "priority", 4),
        ("005370 c00302 40 40", "priority", 4),
        ("005370 c00402 40 5004", "priority", 4),
    ],
)
def test_fields_of_another_class_are_absent(encoded: str, name: str, expected: Any) -> None:
    message = decoded(encoded)
    assert getattr(message, name) == expected
    assert type(getattr(message, name)) is type(expected)
    Message().decode(message.encode())


MALFORMED = [
    ("00", "section at offset 0: not enough data to decode"),
    ("0053", "section at offset 0: not enough data to decode"),
    ("005377", "amqp-value section at offset 0: not enough data to decode"),
    ("ff", "section at offset 0: expected a message section, found constructor 0xff"),
    ("a10178", "section at offset 0: expected a message section, found constructor 0xa1"),
    ("00 a30178 57", "section at offset 0: unknown constructor 0x57 at offset 4"),
    ("005310 a10578", "section at offset 0: not enough data: string at offset 4 needs 6 bytes, 2 are left"),
    ("00 a30178", "section at offset 0: not enough data to decode"),
    ("00 a30578", "section at offset 0: not enough data: symbol"),
    ("005377 a10178 00", "section at offset 6: not enough data to decode"),
    ("005377 a10178 005377 57", "amqp-value section at offset 6: unknown constructor 0x57 at offset 9"),
    ("005377 a10578", "amqp-value section at offset 0: not enough data: string at offset 4 needs 6 bytes, 2 are left"),
    ("005377 a102c328", "amqp-value section at offset 0: invalid utf-8 text"),
    ("005372 c10602 a301ff 5501", "message-annotations section at offset 0: invalid ascii text"),
    ("005375 a10178", "data section at offset 0: expected bytes, found str"),
    ("005376 a10178", "amqp-sequence section at offset 0: expected list, found str"),
    ("005374 45", "application-properties section at offset 0: expected dict, found list"),
    ("005372 45", "message-annotations section at offset 0: expected dict, found list"),
    ("005370 a10178", "header section at offset 0: expected a list at offset 3, found constructor 0xa1"),
    ("005373 c00501 5305", "properties section at offset 0: list at offset 3 ends at 10"),
]


@pytest.mark.parametrize(("encoded", "text"), MALFORMED)
def test_malformed_bytes_say_what_was_expected_and_leave_the_message_clear(encoded: str, text: str) -> None:
    message = Message(**SET)
    with pytest.raises(MessageException, match=text):
        message.decode(bytes.fromhex(encoded))
    assert attributes(message) == DEFAULTS


def test_every_truncation_is_malformed_or_ends_between_sections() -> None:
    encoded = Message(**SET).encode()
    boundaries = set()
    for size in range(len(encoded)):
        message = Message()
        try:
            message.decode(encoded[:size])
        except MessageException:
            assert attributes(message) == DEFAULTS
        else:
            boundaries.add(size)
    assert len(boundaries) == 7  # before the first, and behind all sections but the last


def test_limits_are_those_that_are_given() -> None:
    nested = Message([[[1]]]).encode()
    Message().decode(nested, DecodeLimits(depth=3))
    with pytest.raises(MessageException, match="nested deeper than the limit of 2"):
        Message().decode(nested, limits=DecodeLimits(depth=2))
    with pytest.raises(MessageException, match="3 elements, above the limit of 2"):
        Message().decode(Message([1, 2, 3]).encode(), DecodeLimits(elements=2))


def test_many_small_data_sections_are_joined_in_linear_time() -> None:
    message = Message()
    message.decode(bytes.fromhex("005375a00178") * 50_000)
    assert message.body == b"x" * 50_000


sections = st.lists(
    st.tuples(st.sampled_from([bytes([0, 0x53, code]) for code in range(0x70, 0x79)]), st.binary(max_size=12))
)


@given(st.one_of(st.binary(max_size=40), sections.map(lambda parts: b"".join(a + b for a, b in parts))))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    message = Message()
    try:
        message.decode(data)
    except MessageException:
        assert attributes(message) == DEFAULTS
    else:
        repr(message)
