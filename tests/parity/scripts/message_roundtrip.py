"""Messages with everything in them, encoded and decoded again.

Every body type, and every attribute at once.
"""

from __future__ import annotations

import uuid

from engines import plain

from proton import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Message,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)

BODIES = [True, 1, -(2**40), ubyte(1), byte(-1), ushort(2), short(-2), uint(3), int32(-3), ulong(4), char("c"), 1.25]
BODIES += [
    float32(0.5),
    decimal32(1),
    decimal64(2),
    decimal128(bytes(16)),
    timestamp(7),
    uuid.UUID(int=8),
    b"\x00b",
    "té",
]
BODIES += [symbol("sym"), [], [1, "a", None, [True]], {}, {"k": [1, {"n": None}], 5: b"x"}, Described(symbol("d"), [1])]
BODIES += [Array(UNDESCRIBED, Data.UINT, uint(1), uint(2)), Array(symbol("d"), Data.STRING, "a"), (1, 2)]
for body in BODIES:
    for inferred in (False, True):
        message = Message()
        message.decode(Message(body=body, inferred=inferred).encode())
        print(type(plain(message.body)).__name__, repr(plain(message.body)), message.inferred)

full = Message(
    body={"body": 1},
    durable=True,
    priority=7,
    ttl=12.5,
    first_acquirer=True,
    delivery_count=9,
    id=uuid.UUID(int=1),
    user_id=b"user",
    address="to",
    subject="subject",
    reply_to="reply",
    correlation_id="corr",
    content_type="text/plain",
    content_encoding="identity",
    expiry_time=1700000000.125,
    creation_time=1600000000.25,
    group_id="group",
    group_sequence=11,
    reply_to_group_id="back",
    instructions={"i": 1, ulong(9): "n"},
    annotations={"x-opt": [1], "b": b"bin"},
    properties={
        "s": "v",
        "n": None,
        "i": int32(5),
        "b": b"x",
        "y": symbol("z"),
        "t": timestamp(1),
        "f": 0.5,
        "u": ulong(1),
    },
)
copy = Message()
copy.decode(full.encode())
for name in [
    "durable",
    "priority",
    "ttl",
    "first_acquirer",
    "delivery_count",
    "id",
    "user_id",
    "address",
    "subject",
    "reply_to",
    "correlation_id",
]:
    print(name, repr(plain(getattr(copy, name))))
for name in [
    "content_type",
    "content_encoding",
    "expiry_time",
    "creation_time",
    "group_id",
    "group_sequence",
    "reply_to_group_id",
]:
    print(name, repr(plain(getattr(copy, name))))
for name in ["instructions", "annotations", "properties", "body", "inferred"]:
    print(name, type(getattr(copy, name)).__name__, plain(getattr(copy, name)))
print([type(plain(value)).__name__ for value in copy.properties.values()])
for properties in ({5: 1}, {symbol("s"): 1}, {None: 1}, {b"b": 1}, {"ok": object()}):
    try:
        print(len(Message(properties=properties).encode()) > 0)
    except Exception as error:
        print(sorted(map(str, properties)), type(error).__name__)
for identity in (None, 0, 5, 2**64 - 1, "", "s", b"", b"b", uuid.UUID(int=5), ulong(5)):
    message = Message()
    message.decode(Message(id=identity, correlation_id=identity).encode())
    print(repr(plain(message.id)), repr(plain(message.correlation_id)))
