"""The restricted dicts and `SymbolList`: which keys and elements they take, and as what.

With and without errors raised.
"""

from __future__ import annotations

from engines import attempt

from proton import UNDESCRIBED, AnnotationDict, Array, Data, PropertyDict, SymbolList, char, symbol, ulong

for kind in (PropertyDict, AnnotationDict):
    for key in ("a", symbol("b"), char("c"), ulong(5), 5, None, b"x"):
        attempt(f"{kind.__name__} {key!r}", kind, {key: 1})
        attempt("  unchecked", lambda kind=kind, key=key: kind({key: 1}, raise_on_error=False))
        made = kind()
        attempt("  set", made.__setitem__, key, 2)
        attempt("  update", made.update, {key: 3})
        print("  ", made, [type(name).__name__ for name in made])
    print(kind(), kind(a=1), kind({"a": 1}, b=2), kind([("x", 1)]), kind(zip("ab", "cd")), kind(None))
    made = kind({"a": 1})
    made.update(f=5)
    print(made, made == {"a": 1, "f": 5}, made["a"], made.get("z"), symbol("a") in made)
    made.setdefault("q", 1)
    print(sorted(made), type(made.copy()).__name__)

for value in (
    None,
    "one",
    symbol("s"),
    ["a", "b"],
    ("t",),
    (word for word in "xy"),
    Array(UNDESCRIBED, Data.SYMBOL, "q"),
):
    attempt("SymbolList", SymbolList, value)
for value in (5, [5], ["a", None], [b"x"]):
    attempt(f"SymbolList({value!r})", SymbolList, value)
attempt("unchecked", lambda: SymbolList(["a", 5], raise_on_error=False))
symbols = SymbolList(["a"])
for call, arguments in (
    ("append", ("b",)),
    ("extend", (["c"],)),
    ("insert", (0, "z")),
    ("append", (5,)),
    ("extend", ([6],)),
):
    attempt(call, getattr(symbols, call), *arguments)
    print("  ", symbols)
attempt("insert", symbols.insert, 0, 7)
attempt("set", symbols.__setitem__, 0, "y")
attempt("set wrong", symbols.__setitem__, 0, 8)
symbols += ["w"]
print(
    symbols,
    symbols + ["v"],
    symbols == ["y", "a", "b", "c", "w"],
    symbols.to_array(),
    [type(s).__name__ for s in symbols],
)
print(SymbolList([]) == [], SymbolList(["a"]) == SymbolList(["a"]), SymbolList(["a"]) == ["b"])
attempt("plus wrong", lambda: symbols + [1])
attempt("hash", hash, symbols)
