"""A message written and read in parts, on one link and on two at once.

Every part as it goes; what the delivery says of itself on both sides.
"""

from __future__ import annotations

from engines import attempt, describe_delivery, describe_session, linked, pump, send, show

a, b, sender, receiver = linked(credit=5, trace=True)
attempt("stream without a delivery", sender.stream, b"x")
attempt("recv without a delivery", receiver.recv, 5)
delivery = sender.delivery("s")
print(describe_delivery(delivery), sender.current == delivery)
for part in (b"one", b"", b"two", b"three"):
    attempt("stream", sender.stream, part)
    print(describe_delivery(delivery), describe_session(sender.session))
    pump(a, b)
    show("moved", a, b)
    if receiver.current:
        print(describe_delivery(receiver.current), describe_session(receiver.session))
attempt("str", sender.stream, "text")
attempt("part", receiver.recv, 4)
attempt("zero", receiver.recv, 0)
attempt("rest", receiver.recv, 100)
attempt("nothing yet", receiver.recv, 100)
sender.stream(b"end")
print(sender.advance(), describe_delivery(delivery), sender.current)
pump(a, b)
show("complete", a, b)
for size in (0, 1, 10, 10):
    attempt(f"recv({size})", receiver.recv, size)
print(describe_delivery(receiver.current), receiver.advance(), receiver.current, receiver.advance())
attempt("advance without one", sender.advance)

first, second = sender, sender.session.sender("second")
second.open()
pump(a, b)
other = b.connection.link_head(0).next(0)
other.open()
other.flow(3)
pump(a, b)
a.forget(), b.forget()
first.delivery("f"), second.delivery("s")
for word in (b"1", b"2"):
    first.stream(word), second.stream(word * 2)
    pump(a, b)
    show("interleaved", a, b)
second.advance(), first.advance()
send(second, "after", b"whole")
pump(a, b)
show("ended", a, b)
for link in (receiver, other):
    while link.current:
        attempt(link.current.tag, link.recv, 99)
        link.advance()

early = sender.delivery("early")
later = sender.delivery("later")
print(sender.current == early, early.partial, later.partial, later.writable)
sender.stream(b"for early")
sender.advance()
print(sender.current == later, later.writable)
sender.stream(b"for later")
sender.advance()
pump(a, b)
show("two made beforehand", a, b)
receiver.advance()
print(receiver.current.tag, receiver.current.partial)
