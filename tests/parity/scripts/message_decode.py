"""Whole messages that others wrote, decoded: sections in all combinations, size forms, several body sections.

Only well-formed messages: for others the reference and the decisions part ways.
"""

from __future__ import annotations

from engines import plain

from proton import Message

H, P, V = "005370c00201 41", "005373c00301 5305", "005377a10178"
NAMES = "body inferred durable priority ttl first_acquirer delivery_count id user_id address subject correlation_id group_id"
NAMES += " group_sequence creation_time expiry_time instructions annotations properties"
WHOLE = [
    V,
    H + V,
    P + V,
    H + P + V,
    "00537045" + "00537345" + V,
    "005375a00178",
    "005375a00178" + "005375a00179",
    "005376c0030154 05",
    "005376c0030154 05" + "005376c00301 5406",
    "005376450053764 5",
    "00537740",
    "00537745",
    "005377c00100",
    "005377c10100",
    "005377d10000000800000002 54015402",
    "0053774 1",
    "005377005305a10178",
    "005371c10100" + V,
    "005371c10702 a30161 5401" + V,
    "005372c10702 a30161 5401" + V,
    "005372c10602 5305 a10161" + V,
    "005374c10702 a10161 5401" + V,
    "005374c10702 a10161 c00100" + V,
    "005370c00503 41 5009 43" + V,
    "005370c00706 41 5009 43 41 5207"[:8] + "09" + "05" + "41 5009 43 41 5207"[:0] + "4150094341" + "5207" + V,
    "005370c00a05 40 40 70000005dc 41 43" + V,
    "005373c0 0e06 a10169 a00175 a10174 40 40 44" + V,
    "005373d0 00000010 00000004 a10169 a00175 a10174 a10173" + V,
    "00800000000000000077a10178",
    V + "005378c10100",
    "005373c0 10 0d 40404040404040404040 a10167 5205 40" + V,
    "005373c0 16 0a 4040404040404040 830000000000001388 8300000000000003e8"[:0] + V,
]
for text in WHOLE:
    octets = bytes.fromhex(text.replace(" ", ""))
    message = Message()
    try:
        message.decode(octets)
    except Exception as error:
        print(octets.hex(), "raised", type(error).__name__)
        continue
    print(octets.hex())
    values = {name: plain(getattr(message, name)) for name in NAMES.split()}
    print("  ", {name: value for name, value in values.items() if value not in (None, 0, b"", False)})
used = Message(body="old", instructions={"a": 1}, properties={"p": 1}, annotations={"n": 1})
used.decode(bytes.fromhex(V))
print(used.body, used.instructions, used.properties, used.annotations)
