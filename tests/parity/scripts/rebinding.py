"""A connection bound to a second transport after the first is gone, as in a reconnect.

What is sent again, what is kept, what starts afresh.
"""

from __future__ import annotations

from engines import Peer, describe_link, describe_session, linked, pump, send, show

from proton import Delivery

a, b, sender, receiver = linked(credit=5, trace=True)
kept = send(sender, "kept")
pump(a, b)
receiver.current.update(Delivery.ACCEPTED)
pump(a, b)
half = sender.delivery("half")
sender.stream(b"begun")
pump(a, b)
a.forget(), b.forget()
a.transport.close_tail(), a.transport.close_head()
a.transport.unbind()
a.show("unbound")
print(a.connection.state, a.connection.transport, a.connection.remote_container, sender.state, sender.session.state)
print(describe_session(sender.session), kept.remote_state.name, sender.remote_condition)
a.renew(trace=True)
a.transport.bind(a.connection)
a.show("bound again")
fresh = Peer("C").bind()
fresh.connection.open()
pump(a, fresh)
show("moved", a, fresh)
print(a.connection.state, a.connection.remote_container, sender.state, sender.session.state)
fresh.connection.session_head(0).open()
mine = fresh.connection.link_head(0)
mine.open()
pump(a, fresh)
show("answered", a, fresh)
mine.flow(3)
pump(a, fresh)
fresh.show("credit")
print(mine.name, mine.state, mine.remote_source.address)
a.connection.close(), fresh.connection.close()
pump(a, fresh)
print(a.connection.state, a.transport.closed, sender.state)

a, b, sender, receiver = linked(credit=5, trace=True)
closed = sender.session.sender("closed")
closed.open(), closed.close()
unopened = sender.session.sender("unopened")
other = a.connection.session()
reading = other.receiver("reading")
other.open(), reading.open(), reading.flow(7)
pump(a, b)
a.forget()
a.transport.unbind()
a.renew(trace=True)
a.transport.bind(a.connection)
fresh = Peer("C").bind().opened()
pump(a, fresh)
show("open, closed and unopened ones", a, fresh)
print([describe_link(link) for link in (closed, unopened, reading)])
