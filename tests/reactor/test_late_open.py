"""A connection that its server opens late, while the output of another one is written."""

from proton import Message
from proton.driver import Driver, IOLayer
from proton.handlers import MessagingHandler
from proton.reactor import Container, Handler
from tests.support.loops import watchdog


class Calls(IOLayer):
    """Passes bytes on, and calls a function when the first of them are written after it was given."""

    call = None

    def unwrap(self, data):
        return data

    def wrap(self, data):
        call, self.call = self.call, None
        if call is not None:
            call()
        return data


class Opened(MessagingHandler):
    """A client that says when it is open."""

    def __init__(self, then, layer=None):
        super().__init__()
        self.then, self.layer = then, layer

    def on_connection_bound(self, event):
        if self.layer is not None:
            transport = event.transport
            (transport.driver or Driver(transport)).add_layer(self.layer)

    def on_connection_opened(self, event):
        self.then(event)


class Gateway(Handler):
    """Opens what the second client asks for while it writes to the first."""

    def __init__(self):
        super().__init__()
        self.layer = Calls()
        self.opened = []

    def on_reactor_init(self, event):
        self.container = event.container
        self.acceptor = self.container.listen("127.0.0.1:0")
        self.first = self.connect("first", self.then_the_second, self.layer)

    def connect(self, name, then, layer=None):
        def tell(event):
            self.opened.append(name)
            then(event)

        url = f"127.0.0.1:{self.acceptor.port}"
        return self.container.connect(url, handler=Opened(tell, layer), reconnect=False)

    def then_the_second(self, event):
        self.sender = self.container.create_sender(self.first, "q")
        self.second = self.connect("second", self.then_end)

    def on_connection_remote_open(self, event):
        if not self.opened:
            event.connection.open()
        else:
            self.late = event.connection
            self.container.schedule(0.05, self)

    def on_timer_task(self, event):
        if not self.sender.credit:
            self.container.schedule(0.05, self)
            return
        # By now nothing is to be written to the second one.
        self.layer.call = self.late.open
        # Settled, and so without an answer, whose events would have the second one looked at, too.
        self.sender.send(Message()).settle()

    def on_session_remote_open(self, event):
        event.session.open()

    def on_link_remote_open(self, event):
        event.link.open()
        event.link.flow(1)

    def on_connection_remote_close(self, event):
        event.connection.close()

    def then_end(self, event):
        self.first.close()
        self.second.close()
        self.acceptor.close()


def test_an_open_while_another_connection_is_written_leaves_at_once():
    gateway = Gateway()
    container = Container(gateway)
    with watchdog(container):
        container.run()
    assert gateway.opened == ["first", "second"]
