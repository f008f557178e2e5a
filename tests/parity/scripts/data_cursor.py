"""The cursor of `Data`: moving, entering, narrowing, looking up, overwriting.

Every step prints the type number it reached and what is there.
"""

from __future__ import annotations

from engines import attempt, plain

from proton import Data, Described, symbol, ulong


def at(data):
    return f"type={data.type()} value={plain(data.get_object())!r}"


data = Data()
print(at(data), data.enter(), data.exit(), data.next(), data.prev())
for value in (1, [2, [3, "four"], 5], {"k": "v", symbol("s"): [6]}, Described(ulong(9), "d")):
    data.put_object(value)
print("end", at(data), data.next())
data.rewind()
for step in [
    "next",
    "enter",
    "next",
    "next",
    "next",
    "enter",
    "next",
    "next",
    "exit",
    "next",
    "prev",
    "next",
    "exit",
    "prev",
    "prev",
    "prev",
    "next",
    "next",
    "enter",
    "next",
]:
    print(step, getattr(data, step)(), at(data))
data.rewind()
for step in [
    "next",
    "next",
    "enter",
    "next",
    "next",
    "narrow",
    "rewind",
    "next",
    "widen",
    "rewind",
    "next",
    "exit",
    "exit",
    "enter",
    "next",
    "enter",
    "next",
]:
    print(step, getattr(data, step)(), at(data))
data.rewind()
for _ in range(3):
    data.next()
data.enter()
for name in ("k", "s", "none"):
    data.rewind()
    for _ in range(3):
        data.next()
    data.enter()
    print("lookup", name, data.lookup(name), at(data))
data.rewind()
print("lookup at root", data.lookup("k"), at(data))

other = Data()
other.put_string("before")
other.copy(data)
print("copy", at(other), other.next(), at(other), other.encoded_size() == data.encoded_size())
data.rewind()
data.put_int(7)
print("overwritten", at(data), data.next(), at(data))
data.rewind(), data.next(), data.next()
data.prev()
data.put_list()
print("list over list", at(data), data.enter(), data.next(), data.exit())
data.clear()
print("cleared", at(data), data.next(), bytes(data.encode()), data.encoded_size())
for _ in range(2):
    attempt("decode", data.decode, bytes.fromhex("54015402"))
data.rewind()
print(data.next(), at(data), data.next(), at(data), data.next())
data = Data()
data.put_map()
data.enter()
for key, value in (("a", 1), ("b", 2), ("a", 3)):
    data.put_string(key), data.put_long(value)
data.exit()
print("duplicate keys", at(data), data.get_map())
data.clear()
data.put_described()
data.enter(), data.put_symbol(symbol("x")), data.put_string("y"), data.exit()
print(at(data), data.get_py_described(), data.is_described())
