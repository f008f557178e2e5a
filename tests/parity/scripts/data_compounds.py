"""Lists, maps, described values and their nesting through `Data`.

What comes back, and the number of children of each; the encodings of the empty ones.
"""

from __future__ import annotations

from engines import decoded, encoded, plain

from proton import AnnotationDict, Data, Described, PropertyDict, SymbolList, symbol, uint, ulong

VALUES = [[], [[]], [1], [None], [1, [2, [3, [4]]]], (1, "two", None), list(range(300)), ["x" * 300]]
VALUES += [
    {},
    {1: 2},
    {"a": [1]},
    {"a": {"b": {"c": None}}},
    {symbol("k"): ulong(1), "s": b"b"},
    {None: True, 1.5: "f"},
]
VALUES += [{number: number for number in range(200)}, SymbolList(["a", "b"]), PropertyDict({"p": 1})]
VALUES += [AnnotationDict({"a": 1, ulong(5): 2}), [SymbolList(["q"]), {"m": (1,)}]]
VALUES += [Described(symbol("d"), "v"), Described(ulong(5), []), Described(uint(5), {"a": 1}), Described("text", None)]
VALUES += [Described(ulong(1), Described(ulong(2), [1, None])), [Described(ulong(3), 1), Described(ulong(3), 2)]]

for value in VALUES:
    back = decoded(encoded(value))
    print(type(back).__name__, back == plain(value), repr(back)[:100])

for value in ([], Described(ulong(5), []), Described(ulong(300), "x"), Described(symbol("d"), b"b")):
    print(repr(value), encoded(value).hex())

data = Data()
for value in ([1, 2, 3], {"a": 1, "b": 2}, Described(ulong(1), 2), "s"):
    data.put_object(value)
data.rewind()
while data.next():
    print(Data.type_name(data.type()), data.get_list(), data.get_map(), data.is_described(), data.is_null())
    print(plain(data.get_object()), data.get_sequence(), data.get_dict())

for item in ({1, 2}, object(), [1, {3}], {"a": object()}, 1j, Ellipsis):
    data = Data()
    try:
        data.put_object(item)
        print("put", type(item).__name__)
    except Exception as error:
        print(type(item).__name__, "refused", isinstance(error, Exception))
