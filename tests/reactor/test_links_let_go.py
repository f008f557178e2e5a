"""A container keeps no link or session that both ends have let go of, however they ended (2.5.5, 2.6.4 to 2.6.6)."""

import contextlib
import gc
import weakref

import pytest

from proton.endpoints.handler import Handler
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.wire import connected

MANY = 20


class Server(MessagingHandler):
    """Takes links, or refuses them; gives each a weak reference and, if asked, a handler of its own."""

    def __init__(self, refuse=False):
        super().__init__(prefetch=0)
        self.refuse = refuse
        self.gone = []
        self.closed = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_link_opening(self, event):
        self.connection = event.connection
        self.gone.append(weakref.ref(event.link))
        if self.refuse:
            event.link.close()

    def on_link_closed(self, event):
        self.closed += 1


@pytest.fixture
def scene(request):
    program = Server(*getattr(request, "param", ()))
    container = Container(program)
    container.timeout = 0
    wire, session = connected(container, program)
    yield program, container, wire, session
    wire.peer.connection.close()
    wire.step(container, lambda: wire.peer.transport.closed)
    wire.sock.close()
    program.acceptor.close()
    container.stop()
    while container.process():
        pass


def nothing_stays(program, container):
    for _ in range(10):  # the last event leaves the queue after its dispatch
        container.process()
    gc.collect()
    connection = program.connection
    assert list(connection.links()) == []
    assert len(list(connection.sessions())) == 1
    assert [reference for reference in program.gone if reference() is not None] == []


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "in reads of their own"])
@pytest.mark.parametrize("end", ["close", "detach"])
@pytest.mark.parametrize("scene", [(False,), (True,)], indirect=True, ids=["taken", "refused"])
def test_links_that_the_peer_attaches_and_leaves(scene, end, together):
    program, container, wire, session = scene
    for number in range(MANY):
        link = session.sender(f"L{number}")
        link.open()
        if not together:
            wire.step(container, lambda number=number: len(program.gone) > number)
        getattr(link, end)()
        wire.step(container, lambda number=number: program.closed > number)
    nothing_stays(program, container)


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "in reads of their own"])
def test_links_that_end_with_their_sessions(scene, together):
    program, container, wire, _ = scene
    for number in range(MANY):
        session = wire.peer.connection.session()
        session.open()
        session.receiver(f"L{number}").open()
        if not together:
            wire.step(container, lambda number=number: len(program.gone) > number)
        session.close()
        wire.step(container, lambda number=number: program.closed > number)
    nothing_stays(program, container)


def test_links_that_this_end_closes_and_the_peer_detaches(scene):
    """RabbitMQ before 4.0 answers a close so."""
    program, container, wire, session = scene
    for number in range(MANY):
        link = session.sender(f"L{number}")
        link.open()
        wire.step(container, lambda number=number: len(program.gone) > number)
        program.gone[-1]().close()
        wire.step(container, lambda link=link: link.state & link.REMOTE_CLOSED)
        link.detach()
        wire.step(container, lambda number=number: program.closed > number)
    nothing_stays(program, container)


def test_link_with_a_handler_of_its_own_is_told_where_no_other_handler_follows_its_session():
    """The connection's handler answers on the level of raw events."""
    told = []

    class OfLink(MessagingHandler):
        def on_link_closed(self, event):
            told.append(event.link.name)

    class Raw(Handler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")

        def on_reactor_init(self, event):
            self.on_start(event)

        def on_connection_remote_open(self, event):
            event.connection.open()

        def on_session_remote_open(self, event):
            event.session.open()

        def on_session_remote_close(self, event):
            event.session.close()

        def on_link_remote_open(self, event):
            event.link.handler = OfLink()
            event.link.open()

        def on_connection_remote_close(self, event):
            event.connection.close()

    program = Raw()
    container = Container(program)
    container.timeout = 0
    wire, session = connected(container, program)
    session.sender("L").open()
    wire.step(container, lambda: session.connection.link_head(0).state & session.REMOTE_ACTIVE)
    session.close()
    wire.step(container, lambda: told)
    assert told == ["L"]
    wire.peer.connection.close()
    wire.step(container, lambda: wire.peer.transport.closed)
    with contextlib.closing(wire.sock):
        program.acceptor.close()
    container.stop()
    while container.process():
        pass
