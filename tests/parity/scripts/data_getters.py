"""Every getter of `Data` on every kind of node: the value on its own kind, and what the others give.

The getters of string and symbol are left out on wrong nodes: the reference raises there by mistake.
"""

from __future__ import annotations

import uuid

from engines import plain

from proton import Data, char, decimal128, float32, int32, symbol, timestamp, ubyte, uint, ulong

GETTERS = (
    "bool ubyte byte ushort short uint int char ulong long timestamp float double decimal32 decimal64 decimal128 uuid"
)
GETTERS += " binary list map array"
PUTS = [
    ("null", ()),
    ("bool", (True,)),
    ("ubyte", (200,)),
    ("byte", (-5,)),
    ("ushort", (60000,)),
    ("short", (-5,)),
    ("uint", (4000000000,)),
    ("int", (-70000,)),
    ("char", ("x",)),
    ("ulong", (2**63,)),
    ("long", (-(2**40),)),
    ("timestamp", (5,)),
    ("float", (0.5,)),
    ("double", (0.1,)),
    ("decimal32", (1,)),
    ("decimal64", (2,)),
    ("decimal128", (bytes(16),)),
    ("uuid", (uuid.UUID(int=3),)),
    ("binary", (b"bin",)),
    ("string", ("text",)),
    ("symbol", (symbol("sym"),)),
    ("list", ()),
    ("map", ()),
    ("described", ()),
    ("array", (False, Data.INT)),
]
for name, arguments in PUTS:
    data = Data()
    print(name, getattr(data, "put_" + name)(*arguments), data.type(), Data.type_names[data.type()])
    print("   object", repr(plain(data.get_object())) if name != "described" else "-")
    if name not in ("null", "list", "map", "described"):
        print("   own", repr(plain(getattr(data, "get_" + name)())))
    for getter in GETTERS.split():
        if getter != name:
            print("  ", getter, repr(plain(getattr(data, "get_" + getter)())), end=";")
    print()
empty = Data()
print([repr(plain(getattr(empty, "get_" + getter)())) for getter in GETTERS.split()])
print(empty.get_dict(), empty.get_sequence(), empty.get_py_described(), empty.get_py_array(), empty.get_object())
for wrapped in (
    ubyte(1),
    uint(1),
    ulong(1),
    int32(1),
    timestamp(1),
    char("a"),
    symbol("a"),
    float32(1),
    decimal128(bytes(16)),
):
    data = Data()
    data.put_object(wrapped)
    print(data.type(), type(data.get_object()).__name__, data.get_object() == wrapped)
