"""Whole messages that others wrote, decoded: sections in all combinations, size forms, several body sections.

Only well-formed messages: for others the reference and the decisions part ways.
"""

from __future__ import annotations

from engines import plain

from proton import Message

H, P, V = "005370c00201 41", "005373c00301 5305", "005377a10178"
NAMES = "body inferred durable priority ttl first_acquirer delivery_count id user_id"
NAMES += " address subject correlation_id group_id"
NAMES += " group_sequence creation_time expiry_time instructions annotations properties"


def sized(code, count, *parts):
    """A compound whose size and count are one octet each."""
    content = "".join(parts).replace(" ", "")
    return f"{code}{len(content) // 2 + 1:02x}{count:02x}{content}"


WHOLE = [V, H + V, P + V, H + P + V, "00537045" + "00537345" + V, "005375a00178", "005375a00178" + "005375a00179"]
WHOLE += ["005376" + sized("c0", 1, "5405"), "005376" + sized("c0", 1, "5405") + "005376" + sized("c0", 1, "5406")]
WHOLE += ["00537645", "00537740", "00537745", "005377c00100", "005377c10100", "00537741", "005377005305a10178"]
WHOLE += [
    "005371c10100" + V,
    "005371" + sized("c1", 2, "a30161 5401") + V,
    "005372" + sized("c1", 2, "a30161 5401") + V,
]
WHOLE += ["005372" + sized("c1", 2, "5305 a10161") + V, "005374" + sized("c1", 2, "a10161 5401") + V]
WHOLE += ["005374" + sized("c1", 2, "a10161 c00100") + V, "005370" + sized("c0", 3, "41 5009 43") + V]
WHOLE += ["005370" + sized("c0", 5, "41 5009 43 41 5207") + V, "005370" + sized("c0", 5, "40 40 70000005dc 41 43") + V]
WHOLE += ["005373" + sized("c0", 6, "a10169 a00175 a10174 40 40 44") + V]
WHOLE += ["005373d00000001000000004 a10169 a00175 a10174 a10173" + V, "00800000000000000077a10178", V + "005378c10100"]
WHOLE += ["005373" + sized("c0", 13, "40" * 10, "a10167 5205 40") + V]
WHOLE += ["005373" + sized("c0", 10, "40" * 8, "830000000000001388 8300000000000003e8") + V]
WHOLE += [
    "005373" + sized("c0", 8, "40" * 6, "a30161 a30162") + V,
    "005370" + sized("c0", 1, "42") + "005373" + sized("c0", 1, "a00162") + V,
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
