"""The bytes of messages, section by section.

Left out are empty header and properties sections, which the reference always writes, and compounds, whose sizes differ.
"""

from __future__ import annotations

import uuid

from engines import encoded, plain

from proton import Described, Message, symbol, timestamp, uint, ulong

EMPTY = (bytes.fromhex("00537045"), bytes.fromhex("00537345"))


def shown(message):
    octets = bytes(message.encode())
    for section in EMPTY:
        octets = octets.replace(section, b"", 1)
    return octets.hex()


for body in (
    "x",
    b"x",
    1,
    200,
    True,
    1.5,
    symbol("s"),
    uint(5),
    ulong(0),
    timestamp(5),
    uuid.UUID(int=1),
    "é" * 200,
    b"b" * 300,
):
    print(repr(body)[:30], shown(Message(body=body))[:80])
    print("   inferred", shown(Message(body=body, inferred=True))[:80])
print(shown(Message(body=Described(ulong(5), "v"))), shown(Message(body=[])), shown(Message(body=[], inferred=True)))
HEADER = [
    {"durable": True},
    {"priority": 5},
    {"priority": 0},
    {"ttl": 1.5},
    {"first_acquirer": True},
    {"delivery_count": 3},
]
HEADER += [{"durable": True, "priority": 9, "ttl": 60, "first_acquirer": True, "delivery_count": 300}, {"priority": 4}]
PROPERTIES = [{"id": 5}, {"id": "s"}, {"id": b"b"}, {"id": uuid.UUID(int=2)}, {"user_id": b"u"}, {"address": "to"}]
PROPERTIES += [{"subject": "s"}, {"reply_to": "r"}, {"correlation_id": 300}, {"content_type": "text/plain"}]
PROPERTIES += [
    {"content_encoding": "gzip"},
    {"expiry_time": 5},
    {"creation_time": 1.5},
    {"group_id": "g"},
    {"group_sequence": 5},
]
PROPERTIES += [{"group_id": "g", "group_sequence": 300}, {"reply_to_group_id": "rg"}, {"subject": ""}]
PROPERTIES += [{"id": 1, "user_id": b"u", "address": "t", "subject": "s", "reply_to": "r", "correlation_id": "c"}]
PROPERTIES += [{"subject": "x" * 300}]
for fields in HEADER + PROPERTIES:
    print(str(fields)[:80], shown(Message(body="b", **fields))[:160])
both = Message(body="b", durable=True, subject="s")
print(bytes(both.encode()).hex())
again = Message()
again.decode(both.encode())
print(again, again.subject, again.durable, plain(again.body), encoded("b").hex())
