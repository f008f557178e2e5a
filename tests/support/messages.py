"""Every attribute of a message, with its default and with another value: shared by the tests of `Message`."""

from __future__ import annotations

from typing import Any

from proton.message import Message

DEFAULTS = {
    "body": None,
    "properties": None,
    "instructions": None,
    "annotations": None,
    "footer": None,
    "inferred": False,
    "durable": False,
    "priority": 4,
    "ttl": 0.0,
    "first_acquirer": False,
    "delivery_count": 0,
    "id": None,
    "user_id": b"",
    "address": None,
    "subject": None,
    "reply_to": None,
    "correlation_id": None,
    "content_type": None,
    "content_encoding": None,
    "expiry_time": 0.0,
    "creation_time": 0.0,
    "group_id": None,
    "group_sequence": 0,
    "reply_to_group_id": None,
}

# One value of each attribute that is not its default.
SET = {
    "body": [1],
    "properties": {"a": 1},
    "instructions": {"b": 2},
    "annotations": {"c": 3},
    "footer": {"d": 4},
    "inferred": True,
    "durable": True,
    "priority": 9,
    "ttl": 1.5,
    "first_acquirer": True,
    "delivery_count": 3,
    "id": 7,
    "user_id": b"me",
    "address": "to",
    "subject": "about",
    "reply_to": "from",
    "correlation_id": "c1",
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "expiry_time": 1700000000.25,
    "creation_time": -1.5,
    "group_id": "g",
    "group_sequence": 2,
    "reply_to_group_id": "h",
}


def attributes(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in DEFAULTS}
