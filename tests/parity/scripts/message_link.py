"""`Message.send` and `Message.recv` on a pair of links, with every sender settle mode.

What they return, what they settle, and what the links count.
"""

from __future__ import annotations

from engines import describe_delivery, describe_link, linked, plain, pump, show

from proton import Link, Message

for mode in (None, Link.SND_UNSETTLED, Link.SND_SETTLED, Link.SND_MIXED):
    a, b, sender, receiver = linked(credit=3, trace=True, modes=(mode, None))
    print("== mode", mode, receiver.remote_snd_settle_mode)
    print(Message().recv(receiver), Message().recv(sender))
    first = sender.send(Message(body="one", id=1, durable=True, subject="s"))
    second = sender.send(Message(body=b"two", inferred=True, durable=True, subject="s"), tag="mine")
    print(first.tag, second.tag, sender.delivery_tag())
    print(describe_link(sender))
    a.forget()
    pump(a, b)
    b.show("sent")
    for _ in range(3):
        message = Message()
        delivery = message.recv(receiver)
        if delivery is None:
            print("nothing more")
            break
        print(repr(plain(message.body)), message.id, message.inferred, describe_delivery(delivery))
        print(describe_link(receiver))
    a.forget()
    pump(a, b)
    show("received", a, b)
    sender.stream(b"partial") if sender.current else sender.delivery("p") and sender.stream(b"\x00\x53")
    pump(a, b)
    print(Message().recv(receiver), receiver.current.partial)
    print(sender.send(b"raw"), describe_link(sender))
