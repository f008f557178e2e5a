"""Idle timeouts and `tick`: deadlines, heartbeats, expiry.

The clock is an argument; every tick prints what it returns and what it wrote.
"""

from __future__ import annotations

from engines import Peer, connected, pump, send, show


def tick(peer, now):
    deadline = peer.transport.tick(now)
    pending = peer.transport.pending()
    print(f"tick({now}) -> {deadline} pending={pending}")
    peer.show()


peer = Peer("A").bind()
print(peer.transport.tick(5.0), peer.transport.idle_timeout, peer.transport.remote_idle_timeout)
a, b = connected(trace=True, a={"idle_timeout": 10.0}, b={"idle_timeout": 5.0})
print(a.transport.idle_timeout, a.transport.remote_idle_timeout, b.transport.remote_idle_timeout)
for now in (100.0, 100.5, 101.25, 102.5):
    tick(a, now)
    pump(a, b)
for now in (100.0, 102.0, 104.0, 105.0):
    tick(b, now)
    pump(a, b)
for now in (103.0, 104.0):
    tick(a, now)
    pump(a, b)
a, b = connected(trace=True, a={"idle_timeout": 10.0}, b={"idle_timeout": 5.0})
for now in (100.0, 104.0):
    tick(a, now)
    pump(a, b)
a.connection.session().open()
pump(a, b)
show("a frame", a, b)
for now in (105.0, 106.0, 106.25, 107.0, 108.5):
    tick(a, now)
    pump(a, b)
for now in (109.0, 110.0, 111.5, 114.0, 118.0, 118.5, 120.0, 128.0, 200.0):
    tick(a, now)
    taken = a.transport.pending()
    if taken > 0:
        a.transport.pop(taken)
show("silence", a, b)
print(a.transport.condition and a.transport.condition.name, a.transport.condition and a.transport.condition.description)
print(a.transport.capacity(), a.transport.closed)
for setting in (0.5, 0.001, 3600, 0):
    peer = Peer("C", idle_timeout=setting)
    print(setting, peer.transport.idle_timeout)
for setting in (-1, "x", 4294968):
    try:
        peer.transport.idle_timeout = setting
        print("taken", setting)
    except Exception as error:
        print(setting, type(error).__name__)
a, b = connected(trace=True, b={"idle_timeout": 1.0})
show("announced by the peer", a, b)
session = a.connection.session()
session.open()
link = session.sender("L")
link.open()
tick(a, 1.0)
pump(a, b)
for now in (1.2, 1.25, 1.5, 1.75, 3.0):
    tick(a, now)
    pump(a, b)
send(link, "waits")
tick(a, 4.0)
print(a.transport.frames_output, b.transport.frames_input)
