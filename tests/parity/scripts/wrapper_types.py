"""The wrapper types: text forms, equality, hash, arithmetic, what their constructors refuse.

One line for each.
"""

from __future__ import annotations

from engines import attempt

import proton

INTEGERS = ["ubyte", "ushort", "uint", "ulong", "byte", "short", "int32", "timestamp", "decimal32", "decimal64"]
for name in INTEGERS:
    kind = getattr(proton, name)
    one = kind(1)
    print(name, repr(one), str(one), one == 1, hash(one) == hash(1), type(one + 1).__name__, issubclass(kind, int))
    try:
        print(f"{name}(-1)", repr(kind(-1)))
    except AssertionError as error:
        print(f"{name}(-1) refused: {error}")
    attempt(f"{name}('1')", kind, "1")
    attempt(f"{name}(1.7)", kind, 1.7)
    attempt(f"{name}()", kind)
for name in ("char", "symbol"):
    kind = getattr(proton, name)
    print(
        repr(kind("a")),
        str(kind("a")),
        kind("a") == "a",
        hash(kind("a")) == hash("a"),
        repr(kind()),
        repr(kind("ab") + "c"),
    )
print(
    repr(proton.float32(1.5)),
    str(proton.float32(1.5)),
    proton.float32(1.5) == 1.5,
    type(proton.float32(1) + 1).__name__,
)
print(repr(proton.decimal128(b"x" * 16)), str(proton.decimal128(b"x")), proton.decimal128(b"x") == b"x")
print(repr(proton.UNDESCRIBED), proton.UNDESCRIBED is proton.UNDESCRIBED)
described = proton.Described("a", 1)
print(described, described == proton.Described("a", 1), described == proton.Described("a", 2), described == ("a", 1))
attempt("hash of Described", hash, described)
array = proton.Array(proton.UNDESCRIBED, 8, proton.int32(1), proton.int32(2))
print(array, array.type, array.elements, list(array), array == [1, 2], proton.Array(proton.UNDESCRIBED, 8))
attempt("hash of Array", hash, array)
condition = proton.Condition("a", "b", {"x": 1})
print(condition, proton.Condition("a"), proton.Condition("a", "b"), proton.Condition("a", info={"x": 1}))
print(condition == proton.Condition("a", "b", {"x": 1}), condition == proton.Condition("a"), condition == "a")
attempt("hash of Condition", hash, condition)
for name in [
    "ProtonException",
    "Timeout",
    "Interrupt",
    "MessageException",
    "DataException",
    "TransportException",
    "ConnectionException",
]:
    print(name, getattr(proton, name).__mro__[1].__name__)
for name in ["SessionException", "LinkException", "SSLException", "SSLUnavailable"]:
    print(name, getattr(proton, name).__mro__[1].__name__)
