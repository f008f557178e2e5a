"""`detach` against `close`, from either side, and attaching again with the same name.

States, events and frames.
"""

from __future__ import annotations

from engines import linked, pump, show

from proton import Condition

a, b, sender, receiver = linked(trace=True)
sender.detach()
sender.detach()
pump(a, b)
show("sender detached", a, b)
print(sender.state, receiver.state, receiver.remote_condition)
receiver.detach()
pump(a, b)
show("receiver too", a, b)
print(sender.state, receiver.state)
sender.close()
pump(a, b)
show("closed afterwards", a, b)
print(sender.state, receiver.state)

a, b, sender, receiver = linked(trace=True)
receiver.condition = Condition("x:not-sent", "set before detach")
receiver.detach()
pump(a, b)
show("receiver detached", a, b)
sender.close()
pump(a, b)
show("sender closed", a, b)
print(sender.state, receiver.state, sender.remote_condition)

a, b, sender, receiver = linked(trace=True)
sender.detach(), receiver.detach()
pump(a, b)
again = sender.session.sender("link")
again.open()
pump(a, b)
show("attached again", a, b)
fresh = b.connection.link_head(9 + 8) or b.connection.link_head(17)
print(fresh == receiver, again == sender, [link.state for link in (sender, again, receiver)])

a, b, sender, receiver = linked(trace=True)
sender.close(), receiver.close()
pump(a, b)
sender.free(), receiver.free()
pump(a, b)
show("closed and freed", a, b)
again = a.connection.session_head(0).sender("link")
again.open()
pump(a, b)
show("the same name once more", a, b)
