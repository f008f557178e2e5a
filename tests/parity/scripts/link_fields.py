"""What an attach carries besides its termini: properties, largest message, settle modes, names.

Frames of A, and what B reads.
"""

from __future__ import annotations

from engines import attempt, connected, plain, pump, show

from proton import symbol, ulong

CASES = [
    {},
    {"properties": {"a": 1, symbol("b"): {"c": ulong(2)}}},
    {"properties": {}},
    {"max_message_size": 1000},
    {"max_message_size": 2**64 - 1},
    {"snd_settle_mode": 1, "rcv_settle_mode": 1},
    {"snd_settle_mode": 0},
]
for make in ("sender", "receiver"):
    for fields in CASES:
        a, b = connected(trace=True)
        session = a.connection.session()
        session.open()
        link = getattr(session, make)("é")
        for name, value in fields.items():
            setattr(link, name, value)
        link.open()
        pump(a, b)
        show(f"{make} {fields}", a, b)
        remote = b.connection.link_head(0)
        print(remote.name, remote.is_sender, plain(remote.remote_properties), remote.remote_max_message_size)
        print(remote.remote_snd_settle_mode, remote.remote_rcv_settle_mode, remote.properties, remote.max_message_size)
link = session.sender("fresh")
print(link.name, link.is_sender, link.is_receiver, link.session == session, link.connection == a.connection)
print(link.snd_settle_mode, link.rcv_settle_mode, link.remote_snd_settle_mode, link.remote_rcv_settle_mode)
print(link.max_message_size, link.remote_max_message_size, link.properties, link.remote_properties, link.current)
print(link.credit, link.available, link.queued, link.unsettled, link.drain_mode, link.transport == a.transport)
for name, value in (
    ("max_message_size", -1),
    ("max_message_size", 2**64),
    ("max_message_size", "x"),
    ("properties", None),
):
    attempt(f"{name} = {value!r}", setattr, link, name, value)
for name in (None, "", b"bytes", 5):
    attempt(f"name {name!r}", lambda name=name: session.sender(name).name)
for tag in ("é", b"\xc3\xa9", bytearray(b"ba"), memoryview(b"mv"), 5, None):
    attempt(f"tag {tag!r}"[:12], lambda tag=tag: link.delivery(tag).tag)
print(link.delivery_tag(), link.delivery_tag(), session.sender("other").delivery_tag(), link.unsettled)
