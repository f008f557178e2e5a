"""The bytes of a message (3.2): which sections are written, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from proton.codec.encode import PreEncoded
from proton.codec.types import Described, PropertyDict, SymbolList, char, symbol, ulong
from proton.exceptions import MessageException
from proton.message import Message

NULL_BODY = "005377 40"


class Text(str):
    pass


WRITTEN: list[tuple[dict[str, Any], str]] = [
    ({}, NULL_BODY),
    ({"inferred": True}, NULL_BODY),
    ({"body": "x"}, "005377 a10178"),
    ({"body": "x", "inferred": True}, "005377 a10178"),
    ({"body": b"x"}, "005377 a00178"),
    ({"body": b"x", "inferred": True}, "005375 a00178"),
    ({"body": bytearray(b"x"), "inferred": True}, "005375 a00178"),
    ({"body": memoryview(b"x"), "inferred": True}, "005375 a00178"),
    ({"body": [1]}, "005377 c003015501"),
    ({"body": [1], "inferred": True}, "005376 c003015501"),
    ({"body": (1,), "inferred": True}, "005376 c003015501"),
    ({"body": [], "inferred": True}, "005376 45"),
    ({"body": SymbolList(["x"]), "inferred": True}, "005376 c00401a30178"),
    ({"body": {}, "inferred": True}, "005377 c10100"),
    ({"body": Described(ulong(1), b"x"), "inferred": True}, "005377 00 5301 a00178"),
    ({"body": PreEncoded(b"\x43")}, "005377 43"),
    ({"durable": True}, "005370 c00201 41" + NULL_BODY),
    ({"priority": 5}, "005370 c00402 40 5005" + NULL_BODY),
    ({"priority": 4, "durable": False, "ttl": 0, "delivery_count": 0}, NULL_BODY),
    ({"ttl": 1.5}, "005370 c00803 4040 70000005dc" + NULL_BODY),
    ({"first_acquirer": True}, "005370 c00504 404040 41" + NULL_BODY),
    ({"delivery_count": 3}, "005370 c00705 40404040 5203" + NULL_BODY),
    ({"id": 5}, "005373 c00301 5305" + NULL_BODY),
    ({"id": 2**40}, "005373 c00a01 800000010000000000" + NULL_BODY),
    ({"id": "a"}, "005373 c00401 a10161" + NULL_BODY),
    ({"id": b"a"}, "005373 c00401 a00161" + NULL_BODY),
    ({"id": None}, NULL_BODY),
    ({"user_id": b"u"}, "005373 c00502 40 a00175" + NULL_BODY),
    ({"user_id": b""}, "005373 c00402 40 a000" + NULL_BODY),
    ({"address": ""}, "005373 c00503 4040 a100" + NULL_BODY),
    ({"subject": "s"}, "005373 c00704 404040 a10173" + NULL_BODY),
    ({"content_type": "t"}, "005373 c00a07 404040404040 a30174" + NULL_BODY),
    ({"expiry_time": 0.001}, "005373 c01209" + "40" * 8 + "830000000000000001" + NULL_BODY),
    ({"expiry_time": 0}, NULL_BODY),
    ({"group_id": "g"}, "005373 c00f0c" + "40" * 10 + "a10167 43" + NULL_BODY),
    ({"group_sequence": 3}, "005373 c00e0c" + "40" * 11 + "5203" + NULL_BODY),
    ({"properties": {"p": 1}}, "005374 c10602 a10170 5501" + NULL_BODY),
    ({"properties": {}}, "005374 c10100" + NULL_BODY),
    ({"properties": {Text("p"): 1}}, "005374 c10602 a10170 5501" + NULL_BODY),
    ({"instructions": {}}, "005371 c10100" + NULL_BODY),
    ({"annotations": {"x": 1, ulong(2): 3}}, "005372 c10a04 a30178 5501 5302 5503" + NULL_BODY),
    ({"footer": {"x": 1}}, NULL_BODY + "005378 c10602 a30178 5501"),
    (
        {
            "body": "b",
            "footer": {},
            "properties": {},
            "annotations": {},
            "instructions": {},
            "subject": "s",
            "durable": True,
        },
        "005370 c00201 41  005371 c10100  005372 c10100  005373 c00704 404040 a10173  005374 c10100  005377 a10162"
        "005378 c10100",
    ),
]


@pytest.mark.parametrize(("given", "expected"), WRITTEN, ids=[repr(given)[:60] for given, _ in WRITTEN])
def test_written(given: dict[str, Any], expected: str) -> None:
    encoded = Message(**given).encode()
    assert type(encoded) is bytes
    assert encoded.hex() == bytes.fromhex(expected).hex()


def test_encoding_changes_nothing() -> None:
    message = Message({"a": [1]}, id=1, properties={"b": 2}, annotations={"c": 3}, group_id="g")
    assert message.encode() == message.encode()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"body": object()}, "no AMQP type for a value of <class 'object'>"),
        ({"body": [{1}]}, "no AMQP type for a value of <class 'set'>"),
        ({"properties": {5: 1}}, "application property key is not string type: key=5 <class 'int'>"),
        ({"properties": {symbol("s"): 1}}, "application property key is not string type: key=s"),
        ({"properties": {char("s"): 1}}, "application property key is not string type: key=s"),
        ({"properties": PropertyDict(s=1)}, "application property key is not string type: key=s"),
        ({"properties": {"a": 1, None: 2}}, "application property key is not string type: key=None"),
        ({"properties": 5}, "properties must be a dict, got int"),
        ({"properties": {"a": {1}}}, "no AMQP type"),
        ({"annotations": 5}, "annotations must be a dict, got int"),
        ({"instructions": []}, "instructions must be a dict, got list"),
        ({"footer": "x"}, "footer must be a dict, got str"),
    ],
)
def test_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageException, match=text):
        Message(**given).encode()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"body": 2**63}, OverflowError),
        ({"properties": {"a": -(2**63) - 1}}, OverflowError),
        ({"content_type": "é"}, UnicodeEncodeError),
        ({"address": "\ud800"}, UnicodeEncodeError),
        ({"annotations": {"é": 1}}, UnicodeEncodeError),
    ],
)
def test_values_that_do_not_fit(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Message(**given).encode()


def test_a_body_that_contains_itself_is_refused() -> None:
    body: list[Any] = []
    body.append(body)
    with pytest.raises(MessageException, match="contains itself"):
        Message(body).encode()


def test_a_failed_encoding_leaves_the_message_usable() -> None:
    message = Message(object(), subject="s")
    with pytest.raises(MessageException):
        message.encode()
    message.body = None
    assert message.encode().hex() == bytes.fromhex("005373 c00704 404040 a10173" + NULL_BODY).hex()
