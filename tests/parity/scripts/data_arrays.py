"""Arrays of every element type through `Data`, described and not.

What comes back of each, and what `get_array` says; arrays written by the cursor.
"""

from __future__ import annotations

import uuid

from engines import attempt, decoded, encoded

from proton import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    byte,
    char,
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

ELEMENTS = [
    (Data.NULL, [None, None]),
    (Data.BOOL, [True, False, True]),
    (Data.UBYTE, [ubyte(1), ubyte(255)]),
    (Data.BYTE, [byte(-1), byte(127)]),
    (Data.USHORT, [ushort(1), ushort(65535)]),
    (Data.SHORT, [short(-1), short(32767)]),
    (Data.UINT, [uint(0), uint(1), uint(2**32 - 1)]),
    (Data.INT, [int32(0), int32(-1), int32(2**31 - 1)]),
    (Data.CHAR, [char("a"), char("é")]),
    (Data.ULONG, [ulong(0), ulong(1), ulong(2**64 - 1)]),
    (Data.LONG, [0, -1, 2**63 - 1]),
    (Data.TIMESTAMP, [timestamp(0), timestamp(-5)]),
    (Data.FLOAT, [float32(0.5), float32(1)]),
    (Data.DOUBLE, [0.1, -2.0]),
    (Data.UUID, [uuid.UUID(int=1), uuid.UUID(int=2)]),
    (Data.BINARY, [b"", b"abc"]),
    (Data.STRING, ["", "é", "x" * 300]),
    (Data.SYMBOL, [symbol("a"), symbol("bc")]),
    (Data.LIST, [[1], [], [[2]]]),
    (Data.MAP, [{"a": 1}, {}]),
    (Data.ARRAY, [Array(UNDESCRIBED, Data.INT, int32(1)), Array(UNDESCRIBED, Data.INT)]),
]
for number, elements in ELEMENTS:
    for descriptor in (UNDESCRIBED, symbol("d"), ulong(7), None):
        back = decoded(encoded(Array(descriptor, number, *elements)))
        print(Data.type_name(number), repr(back)[:100], len(back.elements))
    print(repr(decoded(encoded(Array(UNDESCRIBED, number)))))

data = Data()
data.put_array(True, Data.SYMBOL)
data.enter()
for word in ("descriptor", "one", "two"):
    data.put_symbol(symbol(word))
data.exit()
data.put_array(False, Data.INT)
data.put_py_array(Array(UNDESCRIBED, Data.STRING, "x"))
data.rewind()
while data.next():
    print(data.get_array(), data.get_object(), data.get_py_array() == data.get_object(), data.get_list())
data.rewind()
attempt("no node", data.get_array)
for hexes in (
    "e0020250",
    "e006025001020000",
    "f00000000500000002 40",
    "e00201 41",
    "e00204 45",
    "f00000000500000003 43",
):
    attempt(hexes, decoded, bytes.fromhex(hexes.replace(" ", "")))
print(
    Array(UNDESCRIBED, 8, 1) == Array(UNDESCRIBED, 8, 1),
    Array(None, 8) == Array(UNDESCRIBED, 8),
    list(Array(None, 8, 1)),
)
print(decoded(encoded(Array(UNDESCRIBED, Data.DESCRIBED, Described(symbol("x"), 2)))) is not None)
