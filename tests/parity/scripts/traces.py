"""The text form of frames in the trace: every kind of value, payloads of every kind, long lines.

Values travel as connection properties, payloads as transfers.
"""

from __future__ import annotations

import uuid

from engines import Peer, linked, pump, send

from proton import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Transport,
    byte,
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

VALUES = [
    None,
    True,
    False,
    5,
    -5,
    300,
    ubyte(255),
    byte(-1),
    ushort(65535),
    short(-1),
    uint(0),
    uint(4000000000),
    int32(-7),
]
VALUES += [ulong(2**63), timestamp(1700000000000), 1.0, 0.1, 1e20, float32(0.5), float("inf"), 1e-7, 123456789.0, -0.0]
VALUES += [
    uuid.UUID(int=2**100),
    b"",
    b"bin\x00\xff\"\\'",
    "",
    'text é \n "q"',
    symbol("abc"),
    symbol("a-b-1"),
    symbol("a_b"),
]
VALUES += [symbol(""), symbol("1a"), symbol("amqp:x"), decimal32(10), decimal64(10), decimal128(bytes(range(16)))]
VALUES += [[], [1, None, "x"], {}, {"k": None, 5: [1]}, Array(UNDESCRIBED, Data.INT, int32(1), int32(-2))]
VALUES += [
    Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b-c")),
    Array(UNDESCRIBED, Data.UINT, uint(1), uint(300)),
]
VALUES += [Array(UNDESCRIBED, Data.STRING), Described(symbol("x"), [1, None]), Described(ulong(5), [1, None, 2])]
VALUES += [
    Described(ulong(0x24), []),
    Described(ulong(0x77), "v"),
    Described(ulong(0x1D), [symbol("c"), None, {}]),
    "y" * 1200,
]
for value in VALUES:
    a, b = Peer("A", trace=True).bind().opened(), Peer("B").bind()
    a.connection.properties = {"v": value}
    a.connection.close()
    a.connection.open()
    pump(a, b)
    a.show(f"{type(value).__name__}")
a, b, sender, receiver = linked(trace=True)
for payload in (b"plain", b"\x00\x01\xfe\xff", b"quote\" back\\ 'single'", b"", b"long " * 300):
    send(sender, b'\x00tag"', payload)
pump(a, b)
a.show("payloads")
a.transport.log("a line of the program")
a.transport.trace(Transport.TRACE_RAW)
sender.close()
a.transport.pending()
a.show("raw")
a.transport.trace(Transport.TRACE_OFF)
sender.session.close()
pump(a, b)
a.show("off")
print(a.transport.tracer is not None)
