"""Deliveries on their way: which is current, which ids they get, over several links and in several sessions.

Ids are counted for the session, in the order of sending.
"""

from __future__ import annotations

from engines import describe_delivery, linked, pump, send, show

a, b, sender, receiver = linked(credit=10, trace=True)
other = sender.session.sender("other")
other.open()
session = a.connection.session()
session.open()
third = session.sender("third")
third.open()
pump(a, b)
b.connection.session_head(9 + 8)
head = b.connection.session_head(0)
while head:
    head.open()
    head = head.next(0)
link = b.connection.link_head(0)
while link:
    link.open()
    link.flow(5)
    link = link.next(0)
pump(a, b)
a.forget(), b.forget()
for number in range(2):
    for link in (sender, other, third):
        send(link, f"{link.name}{number}")
pump(a, b)
show("by turns", a, b)
made = [sender.delivery(f"m{number}") for number in range(3)]
print([describe_delivery(delivery) for delivery in made], sender.current.tag)
sender.stream(b"zero")
sender.advance()
print(sender.current.tag, made[0].partial, made[1].writable)
sender.stream(b"one")
sender.advance()
sender.advance()
print(sender.current, describe_delivery(made[2]))
pump(a, b)
show("three made first", a, b)
while receiver.current:
    delivery = receiver.current
    print(delivery.tag, delivery.readable, delivery.link.name, delivery.settled)
    print(receiver.advance(), delivery.readable, delivery.pending)
send(sender, "same"), send(sender, "same")
pump(a, b)
show("the same tag twice", a, b)
