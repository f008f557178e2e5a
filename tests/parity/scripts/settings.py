"""Settings of the transport: what is stored, what is announced, what the peer reads, what is refused.

Frame size, channel limit, idle timeout, before and after the open.
"""

from __future__ import annotations

from engines import Peer, attempt, connected, pump, show

from proton import Transport

transport = Transport()
print(transport.max_frame_size, transport.remote_max_frame_size, transport.channel_max, transport.remote_channel_max)
print(transport.idle_timeout, transport.remote_idle_timeout, transport.frames_input, transport.frames_output)
print(transport.connection, transport.closed, transport.condition, transport.authenticated, transport.encrypted)
print(transport.user, Transport(Transport.SERVER).user, transport.tracer)
print([getattr(Transport, name) for name in ["CLIENT", "SERVER", "TRACE_OFF", "TRACE_RAW", "TRACE_FRM", "TRACE_DRV"]])
for name, values in {
    "max_frame_size": (0, 1, 511, 512, 513, 65536, 2**32 - 1, 2**32, -1, "x"),
    "channel_max": (0, 1, 32767, 32768, 65535, 65536, -1),
    "idle_timeout": (0, 0.25, 1, 1.9999, 60),
}.items():
    for value in values:
        fresh = Transport()
        attempt(f"{name} = {value!r}", setattr, fresh, name, value)
        print("  ", getattr(fresh, name))
SETTINGS = [
    {"max_frame_size": 0},
    {"max_frame_size": 512},
    {"max_frame_size": 2**32 - 1},
    {"channel_max": 0},
    {"channel_max": 5},
]
SETTINGS += [
    {"channel_max": 32767},
    {"idle_timeout": 3.0},
    {"max_frame_size": 1000, "channel_max": 9, "idle_timeout": 0.5},
]
for settings in SETTINGS:
    a, b = Peer("A", trace=True, **settings).bind().opened(), Peer("B", channel_max=100).bind().opened()
    pump(a, b)
    show(f"{settings}", a, b)
    print(b.transport.remote_max_frame_size, b.transport.remote_channel_max, b.transport.remote_idle_timeout)
    print(a.transport.channel_max, b.transport.channel_max, a.transport.remote_channel_max)
a, b = connected()
attempt("channel_max after the open", setattr, a.transport, "channel_max", 5)
a.transport.idle_timeout = 9
print(a.transport.channel_max, a.transport.idle_timeout, a.transport.user, b.transport.user, b.transport.authenticated)
attempt("bind twice", a.transport.bind, a.connection)
attempt("bind another", a.transport.bind, Peer("C").connection)
attempt("bind_nothrow", a.transport.bind_nothrow, a.connection)
print(a.transport.connection == a.connection, a.connection.transport == a.transport, a.connection.transport is not None)
