"""What the put methods of `Data` refuse.

The class of the exception for values out of range and of the wrong type.
"""

from __future__ import annotations

from engines import attempt, plain

from proton import Data

CALLS = [
    ("ubyte", 256),
    ("byte", 128),
    ("byte", -129),
    ("ushort", 65536),
    ("short", 32768),
    ("uint", 2**32),
    ("int", 2**31),
]
CALLS += [("decimal32", 2**32), ("ubyte", -1), ("ushort", -1), ("uint", -1), ("ulong", -1), ("decimal32", -1)]
CALLS += [("ulong", 2**64), ("long", 2**63), ("timestamp", 2**63), ("decimal64", 2**64), ("object", 2**63)]
CALLS += [
    ("timestamp", -1),
    ("int", 1.5),
    ("int", "1"),
    ("ulong", None),
    ("uint", True),
    ("bool", True),
    ("bool", 0),
    ("bool", 1),
]
CALLS += [("bool", 5), ("bool", "x"), ("bool", None), ("char", "ab"), ("char", ""), ("char", 65), ("float", 1e300)]
CALLS += [
    ("float", "x"),
    ("double", 1),
    ("double", "x"),
    ("uuid", "x"),
    ("binary", b""),
    ("binary", "text"),
    ("binary", None),
]
CALLS += [
    ("binary", 5),
    ("string", b"x"),
    ("string", 5),
    ("symbol", b"x"),
    ("dict", 5),
    ("sequence", "ab"),
    ("sequence", 5),
]
CALLS += [("string", "\ud800"), ("symbol", "é")]
for name, value in CALLS:
    data = Data()
    attempt(f"put_{name}({value!r})", getattr(data, "put_" + name), value)
    print("  ", data.type(), repr(plain(data.get_object())))
for value in ("text", None, 5):
    attempt(f"decode({value!r})", Data().decode, value)
attempt("capacity", Data, -1)
attempt("type_name", Data.type_name, 99)
data = Data()
attempt("in the middle", data.put_object, [1, 2, {3}, 4])
