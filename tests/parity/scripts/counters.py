"""Frames counted in and out, and what `pending`, `peek` and `pop` say on the way (6.1, 6.3)."""

from __future__ import annotations

from engines import connected, linked, pump, send

a, b = connected()
print(a.transport.frames_output, a.transport.frames_input, b.transport.frames_output, b.transport.frames_input)
a, b, sender, receiver = linked()
print(a.transport.frames_output, a.transport.frames_input)
for size in (0, 1, 100, 40000, 100000):
    send(sender, f"t{size}", b"x" * size)
    before = a.transport.frames_output
    pump(a, b)
    print(size, a.transport.frames_output - before)
print(a.transport.frames_output == b.transport.frames_input, a.transport.frames_input == b.transport.frames_output)
print(a.transport.pending(), a.transport.peek(10) in (b"", None), a.transport.capacity() > 0)
sender.close()
pending = a.transport.pending()
first = bytes(a.transport.peek(4))
print(pending > 0, len(first), bytes(a.transport.peek(1 << 20))[:4] == first)
a.transport.pop(4)
print(pending - a.transport.pending())
a.transport.pop(a.transport.pending())
print(a.transport.pending())
