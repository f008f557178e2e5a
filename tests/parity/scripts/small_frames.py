"""Messages cut into frames by the peer's frame size, of one byte more or less than fits.

The sizes of what each frame carries are in the trace.
"""

from __future__ import annotations

from engines import linked, plain, pump, send, show

from proton import Message

for size in (512, 513, 600, 1024):
    a, b, sender, receiver = linked(credit=1000, trace=True, b={"max_frame_size": size})
    print("== frame size", size, a.transport.remote_max_frame_size, b.transport.remote_max_frame_size)
    for length in (0, 1, size - 40, size - 30, *range(size - 27, size - 22), size - 20, size, 2 * size, 3000):
        send(sender, f"tag{length}", b"." * length)
    pump(a, b)
    print([line.split("(")[2].split(")")[0] if line.count("(") > 1 else "-" for line in a.frames])
    print(["more" in line for line in a.frames])
    a.forget(), b.forget()
    while receiver.current:
        print(receiver.current.tag, receiver.current.pending, end=" ")
        receiver.advance()
    print()
a, b, sender, receiver = linked(credit=10, trace=True, a={"max_frame_size": 600}, b={"max_frame_size": 700})
sender.send(Message(body="é" * 2000, durable=True, subject="s", id=5))
pump(a, b)
print(len(a.frames), a.transport.frames_output, b.transport.frames_input)
message = Message()
message.recv(receiver)
print(len(plain(message.body)), message.id)
a.forget(), b.forget()
sender.delivery(b"t" * 32)
for part in (b"a" * 300, b"b" * 300, b"c" * 900):
    sender.stream(part)
    pump(a, b)
    print([line[-30:].replace("c", "")[:0] + str(len(line)) for line in a.frames])
    a.frames.clear()
sender.advance()
pump(a, b)
show("streamed", a, b)
