"""Delivery tags: text, bytes, of every length that may be, the same one again, and those that a link makes (5.1)."""

from __future__ import annotations

from engines import linked, pump, send

from proton import Message

a, b, sender, receiver = linked(credit=100)
print([sender.delivery_tag() for _ in range(3)])
for tag in ("t", "é", "x" * 32, "1", "same", "same"):
    delivery = send(sender, tag)
    print(delivery.tag, delivery.settled, sender.unsettled)
pump(a, b)
while receiver.current:
    print(repr(receiver.current.tag), receiver.current.pending)
    receiver.advance()
for tag in (None, "", "mine"):
    delivery = sender.send(Message(body=1), tag)
    print(delivery.tag)
message = Message(body=2)
print(message.send(sender).tag, message.send(sender, "by hand").tag)
sender.tag_generator = iter(["g1", "g2", "g3"])
print(sender.send(Message()).tag, sender.delivery_tag(), sender.send(Message(), "own").tag, sender.delivery_tag())
pump(a, b)
while receiver.current:
    print(repr(receiver.current.tag))
    receiver.advance()
