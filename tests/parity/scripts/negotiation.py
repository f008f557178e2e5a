"""What two ends agree on: frame sizes, channels, idle timeouts, as set, as told, as read (6.1)."""

from __future__ import annotations

from engines import Peer, attempt, pump, show

for mine, theirs in ((0, 0), (512, 0), (511, 1000), (1, 4096), (65536, 512), (4294967295, 600)):
    a, b = Peer("A", trace=True).bind(), Peer("B").bind()
    attempt("set", setattr, a.transport, "max_frame_size", mine)
    b.transport.max_frame_size = theirs
    print(a.transport.max_frame_size, a.transport.remote_max_frame_size)
    a.connection.open(), b.connection.open()
    pump(a, b)
    show(f"frame sizes {mine} {theirs}", a)
    print(a.transport.max_frame_size, a.transport.remote_max_frame_size, b.transport.remote_max_frame_size)

for mine, theirs in ((0, 5), (5, 0), (65535, 65535), (32767, 100), (100, 32767)):
    a, b = Peer("A").bind(), Peer("B").bind()
    a.transport.channel_max, b.transport.channel_max = mine, theirs
    print(a.transport.channel_max, a.transport.remote_channel_max)
    a.connection.open(), b.connection.open()
    pump(a, b)
    print(a.transport.channel_max, a.transport.remote_channel_max, b.transport.channel_max)
    attempt("too late", setattr, a.transport, "channel_max", 1)

for mine, theirs in ((0, 0), (10, 0), (0, 4.5), (0.5, 60)):
    a, b = Peer("A", trace=True).bind(), Peer("B").bind()
    a.transport.idle_timeout, b.transport.idle_timeout = mine, theirs
    a.connection.open(), b.connection.open()
    pump(a, b)
    show(f"idle {mine} {theirs}", a)
    print(a.transport.idle_timeout, a.transport.remote_idle_timeout, b.transport.remote_idle_timeout)
