"""Scalars through `Data`.

For each type and its edge values: the encoding, and what comes back from it.
"""

from __future__ import annotations

import uuid

from engines import decoded, encoded, plain

from proton import (
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

VALUES = [None, True, False, 0, 1, -1, 127, 128, -128, -129, 2**31, 2**63 - 1, -(2**63)]
VALUES += [ubyte(0), ubyte(255), byte(-128), byte(127), ushort(0), ushort(65535), short(-32768), short(32767)]
VALUES += [uint(0), uint(1), uint(255), uint(256), uint(2**32 - 1), int32(0), int32(-128), int32(127), int32(128)]
VALUES += [int32(-(2**31)), ulong(0), ulong(1), ulong(255), ulong(256), ulong(2**64 - 1)]
VALUES += [timestamp(0), timestamp(-1), timestamp(1700000000000), char("a"), char("é"), char("\U0001f600")]
VALUES += [0.0, 1.5, -0.1, 1e300, float("inf"), float("-inf"), float32(0.5), float32(0.1), float32(-3.25)]
VALUES += [decimal32(5), decimal64(2**64 - 1), decimal128(bytes(range(16))), uuid.UUID(int=5), uuid.UUID(int=2**127)]
VALUES += ["", "a", "é€", "x" * 255, "x" * 256, symbol(""), symbol("a-b"), symbol("s" * 255), symbol("s" * 256)]
VALUES += [b"", b"\x00\xff", b"b" * 255, b"b" * 256, bytearray(b"ba"), memoryview(b"mv")]

for value in VALUES:
    octets = encoded(value)
    back = decoded(octets)
    shown = octets.hex() if len(octets) < 40 else f"{octets[:6].hex()}... {len(octets)}"
    text = repr(back) if len(repr(back)) < 60 else f"{repr(back)[:20]}... {len(back)}"
    print(repr(plain(value))[:30], "->", shown, "->", type(back).__name__, text)
