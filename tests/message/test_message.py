"""The attributes of a message: defaults, what they accept and become, and `repr` (3.2.1, 3.2.4, 3.2.11 to 3.2.15)."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID

import pytest

from proton.codec.types import AnnotationDict, int32, symbol, ulong
from proton.exceptions import MessageException
from proton.message import Message
from tests.support.messages import DEFAULTS, SET, attributes


def test_defaults() -> None:
    assert attributes(Message()) == DEFAULTS
    assert {name: type(value) for name, value in attributes(Message()).items()} == {
        name: type(value) for name, value in DEFAULTS.items()
    }
    assert Message.DEFAULT_PRIORITY == 4


def test_every_attribute_can_be_given_to_the_constructor_and_cleared() -> None:
    message = Message(**SET)
    assert attributes(message) == SET
    message.mine = "stays"  # type: ignore[attr-defined]
    message.clear()
    assert attributes(message) == DEFAULTS
    assert message.mine == "stays"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_attribute_is_independent_of_the_others_and_of_other_messages(name: str) -> None:
    message = Message()
    setattr(message, name, SET[name])
    assert attributes(message) == {**DEFAULTS, name: SET[name]}
    assert attributes(Message()) == DEFAULTS


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_attribute_can_be_set_back(name: str) -> None:
    message = Message(**SET)
    setattr(message, name, DEFAULTS[name])
    assert attributes(message) == {**SET, name: DEFAULTS[name]}


# It was an AttributeError, as in the C binding; a misspelt option is a warning wherever options are taken.
def test_an_unknown_keyword_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="^Message has no option 'nosuch', which is ignored$"):
        Message(nosuch=1)


def test_messages_compare_by_identity_and_can_be_copied() -> None:
    message = Message(**SET)
    clone = copy.deepcopy(message)
    assert message != clone
    assert attributes(clone) == SET
    clone.address = "elsewhere"
    assert message.address == "to"


@pytest.mark.parametrize("name", ["inferred", "durable", "first_acquirer"])
@pytest.mark.parametrize(("value", "expected"), [(1, True), ("x", True), (None, False), (0, False), (b"", False)])
def test_flags_take_any_object(name: str, value: Any, expected: bool) -> None:
    assert getattr(Message(**{name: value}), name) is expected


@pytest.mark.parametrize(
    ("name", "high"), [("priority", 255), ("delivery_count", 2**32 - 1), ("group_sequence", 2**32 - 1)]
)
def test_numbers_are_checked_when_they_are_set(name: str, high: int) -> None:
    message = Message()
    for value in (0, high, True):
        setattr(message, name, value)
        assert getattr(message, name) == value
    for value in (-1, high + 1):
        with pytest.raises(OverflowError, match=f"{name} out of range: expected 0 to {high}, got {value}"):
            setattr(message, name, value)
    for misuse in (None, "1", 1.5, b"1"):
        with pytest.raises(TypeError):
            setattr(message, name, misuse)
    assert getattr(message, name) is True or getattr(message, name) == 1


@pytest.mark.parametrize(
    ("name", "seconds", "expected"),
    [
        ("ttl", 0, 0.0),
        ("ttl", 1, 1.0),
        ("ttl", 0.0019, 0.001),
        ("ttl", 4294967.295, 4294967.295),
        ("ttl", None, 0.0),
        ("ttl", float("inf"), 0.0),
        ("expiry_time", 1.9999, 1.999),
        ("expiry_time", -1.9999, -1.999),
        ("creation_time", 1700000000, 1700000000.0),
    ],
)
def test_times_are_seconds_cut_to_milliseconds(name: str, seconds: Any, expected: float) -> None:
    found = getattr(Message(**{name: seconds}), name)
    assert found == expected
    assert type(found) is float


@pytest.mark.parametrize(
    ("name", "seconds", "error"),
    [
        ("ttl", -1, OverflowError),
        ("ttl", 4294967.296, OverflowError),
        ("ttl", "1", TypeError),
        ("ttl", float("nan"), ValueError),
        ("expiry_time", 2.0**63, OverflowError),
        ("expiry_time", None, TypeError),
        ("creation_time", b"1", TypeError),
        ("creation_time", float("inf"), OverflowError),
    ],
)
def test_other_times_are_refused(name: str, seconds: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Message(**{name: seconds})


@pytest.mark.parametrize("name", ["address", "subject", "reply_to", "group_id", "reply_to_group_id"])
def test_texts(name: str) -> None:
    for value in ("", "é", symbol("s")):
        found = getattr(Message(**{name: value}), name)
        assert found == value
        assert type(found) is str
    for misuse in (5, b"x", ["x"]):
        with pytest.raises(TypeError, match=f"^{name} takes a str or None, got "):
            Message(**{name: misuse})


@pytest.mark.parametrize("name", ["content_type", "content_encoding"])
def test_symbols(name: str) -> None:
    found = getattr(Message(**{name: "a/b"}), name)
    assert (found, type(found)) == ("a/b", symbol)
    with pytest.raises(TypeError, match=f"^{name} takes a str or None, got "):
        Message(**{name: b"a/b"})


@pytest.mark.parametrize("value", [b"me", "me", bytearray(b"me"), memoryview(b"me")], ids=repr)
def test_user_id_is_bytes(value: Any) -> None:
    found = Message(user_id=value).user_id
    assert (found, type(found)) == (b"me", bytes)


@pytest.mark.parametrize("value", [None, 5, ["me"]])
def test_user_id_of_another_class_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="user_id must be bytes or str"):
        Message(user_id=value)


IDENTITY = UUID("00112233-4455-6677-8899-aabbccddeeff")


@pytest.mark.parametrize("name", ["id", "correlation_id"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, 0),
        (2**64 - 1, 2**64 - 1),
        (ulong(5), 5),
        (int32(5), 5),
        (True, 1),
        ("x", "x"),
        (symbol("x"), "x"),
        (b"x", b"x"),
        (bytearray(b"x"), b"x"),
        (IDENTITY, IDENTITY),
        ((18, IDENTITY.bytes), IDENTITY),
    ],
    ids=repr,
)
def test_message_ids(name: str, value: Any, expected: Any) -> None:
    found = getattr(Message(**{name: value}), name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", ["id", "correlation_id"])
def test_other_message_ids_are_refused_and_change_nothing(name: str) -> None:
    message = Message(**{name: "old"})
    for value in (1.5, [1], (1, 2, 3), object()):
        with pytest.raises(MessageException, match="message id must be int, str, bytes or UUID"):
            setattr(message, name, value)
    for number in (-1, 2**64):
        with pytest.raises(OverflowError, match="message id out of range"):
            setattr(message, name, number)
    assert getattr(message, name) == "old"


@pytest.mark.parametrize("name", ["instructions", "annotations", "footer"])
def test_annotations_are_copied_and_lenient(name: str) -> None:
    given = {"a": 1, 5: 2}
    message = Message(**{name: given})
    found = getattr(message, name)
    assert found == given
    assert type(found) is AnnotationDict
    assert [type(key) for key in found] == [symbol, int]
    found["b"] = 3
    assert "b" not in given
    assert getattr(message, name)["b"] == 3
    setattr(message, name, "as it is")
    assert getattr(message, name) == "as it is"


def test_properties_and_body_are_stored_as_they_are() -> None:
    properties, body = {"a": 1}, object()
    message = Message(body, properties=properties)
    assert message.properties is properties
    assert message.body is body


def test_repr_shows_what_is_set() -> None:
    assert repr(Message()) == "Message(priority=4)"
    assert repr(Message(ttl=2.5, priority=0)) == "Message(ttl=2.5)"
    message = Message(
        "x", id="i", subject="hidden", properties={"a": 1}, annotations={"b": 2}, inferred=True, address="q"
    )
    assert repr(message) == (
        "Message(inferred=True, address='q', priority=4, id='i', "
        "annotations=AnnotationDict({symbol('b'): 2}), properties={'a': 1}, body='x')"
    )
    assert str(message) == repr(message)


IDS = [0, 7, 2**64 - 1, True, ulong(7), "", "a", symbol("a"), b"a", UUID(int=7), None]


@pytest.mark.parametrize("value", IDS, ids=repr)
def test_an_id_is_the_same_given_to_the_constructor_and_set(value: Any) -> None:
    expected = Message(body="b")
    expected.id = value
    expected.address = "a"
    for message in (Message(id=value, body="b", address="a"), Message(address="a", id=value, body="b")):
        assert message.id == expected.id and type(message.id) is type(expected.id)
        assert message.encode() == expected.encode()


@pytest.mark.parametrize(("value", "error"), [(-1, OverflowError), (2**64, OverflowError), (1.5, MessageException)])
def test_an_id_that_cannot_be_sent_is_refused_by_the_constructor(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Message(id=value)


def test_a_class_of_a_program_may_have_an_id_of_its_own() -> None:
    class Own(Message):
        @property
        def id(self) -> Any:
            return self.own

        @id.setter
        def id(self, value: Any) -> None:
            self.own = value * 2

    assert Own(id=4).id == 8
