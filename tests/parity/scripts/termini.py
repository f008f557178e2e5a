"""Sources and targets: every attribute, set and sent, copied back, and those that a peer left out.

Frames of A, and what B reads.
"""

from __future__ import annotations

from engines import attempt, connected, plain, pump, show

from proton import UNDESCRIBED, Array, Data, Described, Terminus, symbol, ulong

SCALARS = ["type", "address", "durability", "expiry_policy", "timeout", "dynamic", "distribution_mode"]


def describe(terminus):
    shown = {name: getattr(terminus, name) for name in SCALARS}
    for name in ("properties", "capabilities", "outcomes", "filter"):
        data = getattr(terminus, name)
        data.rewind()
        shown[name] = plain(data.get_object()) if data.next() else None
        data.rewind()
    return shown


def fill(terminus, **fields):
    for name, value in fields.items():
        if name in ("properties", "capabilities", "outcomes", "filter"):
            getattr(terminus, name).put_object(value)
        else:
            setattr(terminus, name, value)


FILTER = {symbol("f"): Described(symbol("apache.org:selector-filter:string"), "a > 1")}
SYMBOLS = Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b"))
CASES = [
    ({}, {}),
    ({"address": "s"}, {"address": "t"}),
    ({"address": ""}, {"address": ""}),
    ({"dynamic": True}, {"dynamic": True}),
    (
        {"address": "s", "durability": 2, "expiry_policy": 3, "timeout": 60},
        {"address": "t", "durability": 1, "expiry_policy": 0},
    ),
    ({"address": "s", "expiry_policy": 1}, {"address": "t", "expiry_policy": 2, "timeout": 5}),
    ({"address": "s", "distribution_mode": 1}, {"address": "t", "distribution_mode": 2}),
    ({"address": "s", "distribution_mode": 2, "filter": FILTER}, {"address": "t", "filter": FILTER}),
    ({"address": "s", "capabilities": SYMBOLS, "outcomes": SYMBOLS}, {"address": "t", "capabilities": SYMBOLS}),
    (
        {"address": "s", "capabilities": symbol("one")},
        {"address": "t", "capabilities": Array(UNDESCRIBED, Data.SYMBOL)},
    ),
    ({"address": "s", "properties": {symbol("p"): ulong(1)}}, {"dynamic": True, "properties": {symbol("q"): "v"}}),
    ({"type": 0}, {"type": 0}),
    ({"address": "s"}, {"type": Terminus.COORDINATOR, "capabilities": SYMBOLS}),
]
for source, target in CASES:
    a, b = connected(trace=True)
    session = a.connection.session()
    session.open()
    link = session.sender("L")
    fill(link.source, **source), fill(link.target, **target)
    link.open()
    pump(a, b)
    show(f"{source} {target}", a, b)
    remote = b.connection.link_head(0)
    print(describe(remote.remote_source))
    print(describe(remote.remote_target))
    b.connection.session_head(0).open()
    remote.source.copy(remote.remote_source), remote.target.copy(remote.remote_target)
    remote.open()
    pump(a, b)
    show("copied back", a, b)
    print(describe(link.remote_source))
    print(describe(link.remote_target))
link = connected()[0].connection.session().receiver("R")
print(describe(link.source), describe(link.target), link.remote_source.type)
for name, value in (
    ("address", 5),
    ("address", None),
    ("timeout", -1),
    ("timeout", 2**32),
    ("dynamic", "x"),
    ("durability", 9),
):
    attempt(f"{name} = {value!r}", setattr, link.source, name, value)
    print("  ", getattr(link.source, name))
print({name: int(getattr(Terminus, name)) for name in dir(Terminus) if name.isupper()})
