"""Everything that an open can carry, set in every way, and what the peer reads of it.

Container, host, capabilities, properties.
"""

from __future__ import annotations

from engines import Peer, attempt, plain, pump, show

from proton import Connection, SymbolList, symbol, ulong

CASES = [
    {},
    {"container": "c"},
    {"container": "", "hostname": ""},
    {"container": "é", "hostname": "host.example"},
    {"offered_capabilities": "one", "desired_capabilities": ["a", symbol("b")]},
    {"offered_capabilities": SymbolList(["x"]), "desired_capabilities": []},
    {"properties": {}},
    {"properties": {"product": "p", symbol("n"): 1, "nested": {"a": [1]}, "u": ulong(5)}},
    {"offered_capabilities": None, "desired_capabilities": None, "properties": None},
]
for fields in CASES:
    a, b = Peer("A", trace=True).bind(), Peer("B").bind()
    for name, value in fields.items():
        setattr(a.connection, name, value)
    for name in ("container", "hostname", "offered_capabilities", "desired_capabilities", "properties"):
        print(name, repr(getattr(a.connection, name)), end=" ")
    print()
    a.connection.open()
    pump(a, b)
    show(f"{fields}", a, b)
    remote = b.connection
    print(repr(remote.remote_container), repr(remote.remote_hostname), plain(remote.remote_properties))
    print(
        remote.remote_offered_capabilities, remote.remote_desired_capabilities, type(remote.remote_properties).__name__
    )
fresh = Connection()
print(fresh.container, fresh.hostname, fresh.user, fresh.password, fresh.state, fresh.transport, fresh.remote_container)
print(fresh.remote_hostname, fresh.remote_properties, fresh.remote_condition, fresh.condition, fresh.error, fresh.url)
print(
    fresh.session_head(0), fresh.link_head(0), fresh.connection == fresh, fresh.connected_address, fresh.authorization
)
for name, value in (("container", 5), ("container", b"x"), ("hostname", 5), ("offered_capabilities", 5), ("user", "u")):
    attempt(f"{name} = {value!r}", setattr, fresh, name, value)
for name, value in (
    ("password", "secret"),
    ("properties", [("a", 1)]),
    ("desired_capabilities", [5]),
    ("authorization", "z"),
):
    attempt(f"{name} = {value!r}", setattr, fresh, name, value)
    print(name, getattr(fresh, name))
a, b = Peer("A", trace=True).bind(), Peer("B").bind()
a.connection.properties = {"early": True}
a.connection.open()
a.connection.properties = {"late": True}
pump(a, b)
print(plain(b.connection.remote_properties), a.connection.properties)
