"""A server in a thread for tests of blocking clients: queues by address, and bodies that make it misbehave."""

from __future__ import annotations

import contextlib
import threading

from proton import Condition
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from tests.support.loops import SECONDS


class Server(MessagingHandler):
    """Queues messages by address. A message whose body names an `on_body_…` method is given to that instead."""

    def __init__(self, port=0, idle_timeout=None):
        super().__init__(prefetch=0, auto_accept=False)
        self.listen_port = port
        self.idle_timeout = idle_timeout
        self.ready = threading.Event()
        self.queues = {}
        self.consumers = []
        self.connections = 0
        self.names = []
        self.late = None

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{self.listen_port}")
        self.port = self.acceptor.port
        self.url = f"127.0.0.1:{self.port}"
        self.injector = EventInjector()
        event.container.selectable(self.injector)
        self.live = []
        self.ready.set()

    def on_connection_bound(self, event):
        if self.idle_timeout:
            event.transport.idle_timeout = self.idle_timeout

    def on_connection_opened(self, event):
        self.connections += 1
        self.live.append(event.connection)

    def on_quit(self, event):
        self.acceptor.close()
        self.injector.close()
        for connection in self.live:
            connection.close()

    def on_vanish(self, event):
        """Ends as if the machine had failed."""
        self.acceptor.close()
        self.injector.close()
        self.on_drop_all(event)

    def on_drop_all(self, event):
        """Cuts all connections, without a word."""
        for connection in list(self.live):
            transport = connection.transport
            if transport is not None:
                transport.close_head()
                transport.close_tail()

    def on_force_all(self, event):
        """Closes all connections as a broker does that is stopped."""
        for connection in list(self.live):
            connection.condition = Condition("amqp:connection:forced", "maintenance")
            connection.close()

    def on_link_opening(self, event):
        link = event.link
        self.names.append(link.name)
        if link.name.startswith("ending"):
            event.session.condition = Condition("amqp:not-found", "no such node") if "why" in link.name else None
            event.session.close()
            return
        if link.is_receiver:
            address = link.remote_target.address
            link.target.address = "elsewhere" if address == "mismatch" else address
            link.flow(1000)
            return
        address = link.remote_source.address
        if link.remote_source.dynamic:
            address = f"dynamic-{len(self.names)}"
        link.source.address = "elsewhere" if address == "mismatch" else address
        self.consumers.append(link)

    def on_link_opened(self, event):
        name = event.link.name
        if "refuse" in name:
            event.link.condition = Condition("amqp:not-found", "no such node")
            event.link.close()
        elif "part" in name:
            event.link.close()

    def on_message(self, event):
        if event.link.credit < 100:
            event.link.flow(1000)
        body = event.message.body
        special = getattr(self, f"on_body_{body}", None) if isinstance(body, str) and body.isidentifier() else None
        if special is not None:
            special(event)
            return
        self.accept(event.delivery)
        address = event.link.target.address or event.message.address
        if self.late is not None:
            self.queues.setdefault(self.late.address, []).append(self.late)
            self.late = None
        if event.message.reply_to:
            address, event.message.address = event.message.reply_to, event.message.reply_to
        self.queues.setdefault(address, []).append(event.message)
        self.hand_out()

    def on_sendable(self, event):
        self.hand_out()

    def hand_out(self):
        for link in self.consumers:
            queue = self.queues.get(link.source.address)
            while queue and link.credit > 0:
                link.send(queue.pop(0))

    def forget(self, event):
        connection = event.connection
        self.consumers = [link for link in self.consumers if link.connection is not connection]
        self.live = [known for known in self.live if known is not connection]

    on_disconnected = on_connection_closing = forget

    def on_link_closing(self, event):
        self.consumers = [link for link in self.consumers if link is not event.link]

    def on_body_reject(self, event):
        self.reject(event.delivery)

    def on_body_reject_why(self, event):
        event.delivery.local.condition = Condition("x:y", "too blue")
        self.reject(event.delivery)

    def on_body_late(self, event):
        """Answers a request after the next one."""
        self.accept(event.delivery)
        self.late = event.message
        self.late.address = self.late.reply_to

    def on_body_garble(self, event):
        """Answers with bytes that are not a message, to the reply-to address or that of the link."""
        self.accept(event.delivery)
        address = event.message.reply_to or event.link.target.address
        for link in self.consumers:
            if link.source.address == address and link.credit > 0:
                link.delivery(f"garbled-{len(link.name)}")
                link.send(b"\x00\x53\x75\xa0\x05ab")
                link.advance()
                break

    def on_body_release(self, event):
        self.release(event.delivery, delivered=False)

    def on_body_modify(self, event):
        self.release(event.delivery)

    def on_body_silence(self, event):
        pass

    def on_body_detach(self, event):
        event.link.condition = Condition("x:y", "go away")
        event.link.close()

    def on_body_detach_others(self, event):
        """Ends every link of the connection that messages come in on, but for this one."""
        link = event.connection.link_head(0)
        while link is not None:
            if link.is_receiver and link is not event.link:
                link.condition = Condition("x:y", "go away")
                link.close()
            link = link.next(0)
        self.accept(event.delivery)

    def on_body_end(self, event):
        event.session.condition = Condition("x:z", "no more of this")
        event.session.close()

    def on_body_accept_and_end(self, event):
        """Ends the session of a message that it has accepted, with a condition that can pass."""
        self.accept(event.delivery)
        event.session.condition = Condition("amqp:internal-error", "shutdown")
        event.session.close()

    def on_body_part(self, event):
        for link in self.consumers:
            link.close()
        self.accept(event.delivery)

    def on_body_die(self, event):
        event.connection.condition = Condition("amqp:internal-error", "dying")
        event.connection.close()

    def on_body_drop(self, event):
        event.transport.close_head()
        event.transport.close_tail()

    def tell(self, name):
        """Has a method of the server called in its thread."""
        self.injector.trigger(ApplicationEvent(name))


@contextlib.contextmanager
def serving(**options):
    server = Server(**options)
    thread = threading.Thread(target=Container(server).run, daemon=True)
    thread.start()
    assert server.ready.wait(SECONDS)
    try:
        yield server
    finally:
        server.tell("quit")
        thread.join(SECONDS)
        assert not thread.is_alive(), "the server did not end"
