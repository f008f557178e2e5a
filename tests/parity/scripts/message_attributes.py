"""The attributes of `Message`: defaults, conversions, what they refuse, the text form.

`content_type` and `content_encoding` are only shown once they are set.
"""

from __future__ import annotations

import uuid

from engines import attempt, plain

from proton import Message, symbol, ulong

NAMES = "body inferred durable priority ttl first_acquirer delivery_count id"
NAMES += " correlation_id user_id address subject reply_to"
NAMES += " group_id reply_to_group_id expiry_time creation_time group_sequence instructions annotations properties"
message = Message()
print({name: plain(getattr(message, name)) for name in NAMES.split()})
print(repr(message), str(message) == repr(message), Message.DEFAULT_PRIORITY)
TRIED = {
    "inferred": (1, 0, "x", None),
    "durable": (1, "", None),
    "priority": (0, 255, 256, -1, "x", None),
    "ttl": (0, 1, 1.5, 0.0019, 4294967.295, 4294967.296, -1),
    "first_acquirer": (True, 0),
    "delivery_count": (5, 2**32 - 1, 2**32, -1, "x"),
    "id": (None, 5, ulong(6), "s", symbol("y"), uuid.UUID(int=4), b"bin", -1, 2**64),
    "correlation_id": (7, "c", b"b", uuid.UUID(int=9), None),
    "user_id": (b"u", "text", bytearray(b"ba"), 5),
    "address": ("a", "", None, b"x", 5),
    "subject": ("é", None, 5),
    "reply_to": ("r", None),
    "group_id": ("g", None),
    "reply_to_group_id": ("rg", None),
    "content_type": ("text/plain", symbol("sym"), 5),
    "content_encoding": ("gzip", b"x"),
    "expiry_time": (1.9999, 0, 1700000000, -1.5),
    "creation_time": (2.001, 5, -0.5),
    "group_sequence": (3, 2**32 - 1, 2**32, -1),
    "instructions": ({"a": 1}, None, [1]),
    "annotations": ({"a": 1, ulong(5): 2, 7: 3}, None),
    "properties": ({"p": 1}, None),
    "body": ("x", b"y", None, [1]),
}
for name, values in TRIED.items():
    for value in values:
        attempt(f"{name} = {value!r}", setattr, message, name, value)
        print("  ", repr(plain(getattr(message, name))))
message.clear()
print({name: plain(getattr(message, name)) for name in NAMES.split()}, message)
print(Message("b", id=5, durable=True, subject="not shown", properties={"p": 1}, ttl=2, address="to"))
attempt("unknown keyword", lambda: Message(nosuch=1))
print(Message() == Message(), message == message)
