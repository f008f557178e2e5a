"""What the peers send, by number, and a text for what they sent or got that is the same on both engines.

Runs on either engine, so nothing but the API they share. An editor must keep: message `n` is always the same one,
and `canonical` tells AMQP types apart (uint 1 and ulong 1 differ) but not the Python classes that stand for one
(bytes and memoryview do not).
"""

import hashlib
import struct
import uuid

from proton import (
    UNDESCRIBED,
    Array,
    Condition,
    Data,
    Delivery,
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

LONGEST = 160
OUTCOMES = ("accepted", "rejected", "released", "modified")


def _uuid(n):
    return uuid.UUID(int=n * 0x1000000000000001 % 2**128)


BODIES = (
    lambda n: None,
    lambda n: n % 2 == 0,
    lambda n: ubyte(n % 256),
    lambda n: ushort(n * 31 % 65536),
    lambda n: uint(0),
    lambda n: uint(n % 256),
    lambda n: uint(2**32 - 1 - n),
    lambda n: ulong(0),
    lambda n: ulong(n % 256),
    lambda n: ulong(2**64 - 1 - n),
    lambda n: byte(n % 256 - 128),
    lambda n: short(n * 31 % 65536 - 32768),
    lambda n: int32(n % 256 - 128),
    lambda n: int32(n - 2**31),
    lambda n: n % 256 - 128,
    lambda n: n - 2**63,
    lambda n: 2**63 - 1 - n,
    lambda n: float32(n / 8),
    lambda n: n / 7,
    lambda n: float("-inf"),
    lambda n: float("nan"),
    lambda n: decimal32(n),
    lambda n: decimal64(n * 2**33),
    lambda n: decimal128(hashlib.md5(b"%d" % n).digest()),
    lambda n: char("aé€😀"[n % 4]),
    lambda n: timestamp(n * 86400000 - 2**40),
    _uuid,
    lambda n: b"",
    lambda n: bytes(range(256)) * (n % 3 + 1),
    lambda n: "",
    lambda n: f"text é€😀 {n}",
    lambda n: "long " * 100 + str(n),
    lambda n: symbol(f"symbol-{n}"),
    lambda n: symbol("s" * 300),
    lambda n: [],
    lambda n: [n, "two", [3.0, [None, [True]]], {"four": symbol("5")}],
    lambda n: [uint(k) for k in range(300)],
    lambda n: {},
    lambda n: {"sequence": n, "d": "x" * 100},
    lambda n: {symbol("a"): 1, ulong(2): [n], True: {"deep": {"deeper": None}}, "b": b"\0\xff"},
    lambda n: {str(k): ubyte(k % 256) for k in range(300)},
    lambda n: Described(ulong(n + 1000), ["described", n]),
    lambda n: Described(symbol("example:described:string"), "by a symbol"),
    lambda n: [Described(ulong(77), Described("twice", {"n": n}))],  # alone in a body the reference reads it as null
    lambda n: [Described(ulong(1), None), Described(ulong(2), Described(ulong(3), b"x"))],
    lambda n: Array(UNDESCRIBED, Data.BOOL, True, False, n % 2 == 0),
    lambda n: Array(UNDESCRIBED, Data.UBYTE, *(ubyte(k) for k in range(0, 256, 51))),
    lambda n: Array(UNDESCRIBED, Data.USHORT, ushort(1), ushort(65535)),
    lambda n: Array(UNDESCRIBED, Data.UINT, *(uint(k) for k in (0, 1, 255, 256, n))),
    lambda n: Array(UNDESCRIBED, Data.ULONG, *(ulong(k) for k in (0, 255, 2**64 - 1))),
    lambda n: Array(UNDESCRIBED, Data.BYTE, byte(-128), byte(127)),
    lambda n: Array(UNDESCRIBED, Data.SHORT, short(-1), short(32767)),
    lambda n: Array(UNDESCRIBED, Data.INT, *(int32(k - n) for k in range(100))),
    lambda n: Array(UNDESCRIBED, Data.LONG, n, -n, 2**63 - 1),
    lambda n: Array(UNDESCRIBED, Data.FLOAT, float32(0.5), float32(-n)),
    lambda n: Array(UNDESCRIBED, Data.DOUBLE, 0.1, n / 3),
    lambda n: Array(UNDESCRIBED, Data.DECIMAL32, decimal32(1), decimal32(n)),
    lambda n: Array(UNDESCRIBED, Data.DECIMAL64, decimal64(1), decimal64(n)),
    lambda n: Array(UNDESCRIBED, Data.DECIMAL128, decimal128(b"0123456789abcdef"), decimal128(b"\0" * 16)),
    lambda n: Array(UNDESCRIBED, Data.CHAR, char("x"), char("😀")),
    lambda n: Array(UNDESCRIBED, Data.TIMESTAMP, timestamp(0), timestamp(n)),
    lambda n: Array(UNDESCRIBED, Data.UUID, _uuid(n), _uuid(n + 1)),
    lambda n: Array(UNDESCRIBED, Data.BINARY, b"", b"\0\1", b"b" * 300),
    lambda n: Array(UNDESCRIBED, Data.STRING, "", "é", "s" * 300, str(n)),
    lambda n: Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b" * 300)),
    lambda n: Array(UNDESCRIBED, Data.LIST, [1, "two"], [n]),
    lambda n: Array(UNDESCRIBED, Data.MAP, {"a": n}, {"b": [n]}),
    lambda n: Array(ulong(99), Data.INT, int32(1), int32(n)),
    lambda n: Array(symbol("described:array"), Data.STRING, "x", str(n)),
    lambda n: {"array in a map": Array(UNDESCRIBED, Data.INT, int32(n)), "and a list": [Array(ulong(5), Data.LONG, n)]},
)

SETTINGS = (
    lambda n: {},
    lambda n: {"id": n, "correlation_id": f"c{n}"},
    lambda n: {"id": f"id-{n}", "correlation_id": _uuid(n), "user_id": b"user \0\xff", "address": f"to/{n}"},
    lambda n: {"id": _uuid(n), "correlation_id": n, "subject": "subject é", "reply_to": f"reply/{n}"},
    lambda n: {"content_type": "text/plain", "content_encoding": "identity", "durable": True, "priority": n % 10},
    lambda n: {"ttl": n + 0.5, "first_acquirer": True, "delivery_count": n},
    lambda n: {"expiry_time": 1700000000.125 + n, "creation_time": 1600000000.5, "group_id": "g", "group_sequence": n},
    lambda n: {"reply_to_group_id": "r", "properties": {"n": n, "nested": [1, {"a": b"b"}], "uint": uint(n)}},
    lambda n: {"annotations": {"x-opt-n": n, ulong(n): "number"}, "instructions": {"x-opt-i": [n, symbol("s")]}},
)


def message(n, size=0):
    """Message number `n`; with `size`, one whose body is so many bytes."""
    if size:
        block = hashlib.sha256(b"%d" % n).digest()
        return Message(id=n, body=(block * (size // len(block) + 1))[:size], inferred=n % 2 == 0)
    body = BODIES[n % len(BODIES)](n)
    settings = SETTINGS[n // 3 % len(SETTINGS)](n)
    # A data or sequence section in place of a value, where the body can be one.
    if n // len(BODIES) % 2 and type(body) in (bytes, list):
        settings["inferred"] = True
    return Message(body=body, **settings)


def canonical(value):
    kind = type(value).__name__
    if isinstance(value, dict):
        return "{" + ", ".join(f"{canonical(k)}: {canonical(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(canonical, value))}]"
    if isinstance(value, Array):
        descriptor = "" if value.descriptor is UNDESCRIBED else canonical(value.descriptor)
        elements = ", ".join(map(canonical, value.elements))
        return f"array({descriptor} {int(value.type)}: {elements})"
    if isinstance(value, Described):
        return f"described({canonical(value.descriptor)}, {canonical(value.value)})"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return short_text(f"{'decimal128' if kind == 'decimal128' else 'binary'}({bytes(value).hex()})")
    if isinstance(value, float):
        return f"{kind}({struct.pack('>f' if kind == 'float32' else '>d', value).hex()})"
    if isinstance(value, str):
        return short_text(f"{kind}({ascii(str(value))})")
    return f"{kind}({value if value is None or isinstance(value, (bool, uuid.UUID)) else int(value)})"


def short_text(text):
    if len(text) <= LONGEST:
        return text
    return f"{text[:20]}.. {len(text)} {hashlib.sha256(text.encode()).hexdigest()}"


def canonical_message(message):
    """Every section of a message as one line."""
    fields = (
        *(message.id, message.user_id, message.address, message.subject, message.reply_to, message.correlation_id),
        *(absent(message.content_type), absent(message.content_encoding), message.expiry_time, message.creation_time),
        *(message.group_id, message.group_sequence, message.reply_to_group_id),
        *(bool(message.durable), message.priority, message.ttl, bool(message.first_acquirer), message.delivery_count),
        *(annotations(message.instructions), annotations(message.annotations), message.properties),
        *(bool(message.inferred), message.body),
    )
    return " ".join(map(canonical, fields))


def absent(text):
    """The reference gives the text 'None' for a content type that is not there."""
    return None if text is None or text == "None" else symbol(text)


def annotations(mapping):
    """Keys of annotation maps are symbols, whatever class a sender's dict has for them."""
    if mapping is None:
        return None
    return {symbol(key) if isinstance(key, str) else key: value for key, value in mapping.items()}


def outcome(n, chosen):
    return OUTCOMES[n % len(OUTCOMES)] if chosen == "mixed" else chosen


def set_outcome(delivery, name, n):
    """Gives a received delivery its outcome, with all that one can carry; returns a text for it."""
    local = delivery.local
    if name == "accepted":
        delivery.update(Delivery.ACCEPTED)
        return name
    if name == "released":
        delivery.update(Delivery.RELEASED)
        return name
    if name == "rejected":
        local.condition = Condition("amqp:precondition-failed", f"number {n}", {symbol("n"): n})
        delivery.update(Delivery.REJECTED)
        return f"rejected amqp:precondition-failed 'number {n}' {canonical({symbol('n'): n})}"
    local.failed = n % 2 == 0
    local.undeliverable = n % 3 == 0
    local.annotations = {symbol("x-opt-n"): n}
    delivery.update(Delivery.MODIFIED)
    return f"modified {n % 2 == 0} {n % 3 == 0} {canonical({symbol('x-opt-n'): n})}"


def remote_outcome(delivery):
    """The text that `set_outcome` returned at the peer, from what arrived here."""
    state, remote = delivery.remote_state, delivery.remote
    if state == Delivery.REJECTED:
        condition = remote.condition
        return f"rejected {condition.name} {condition.description!r} {canonical(condition.info)}"
    if state == Delivery.MODIFIED:
        return f"modified {remote.failed} {remote.undeliverable} {canonical(annotations(remote.annotations))}"
    return {int(Delivery.ACCEPTED): "accepted", int(Delivery.RELEASED): "released"}.get(int(state), str(int(state)))
