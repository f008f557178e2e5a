"""A closed connection that had links is freed with them, at both ends, without the garbage collector."""

import gc
import weakref

import pytest

from proton import Delivery, Message
from proton.endpoints.endpoint import endpoint_state
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.loops import run
from tests.support.references import counting, no_collection

VISITS = 3


class Visits(MessagingHandler):
    """Connects to itself, sends a message on a link, and closes the connection without closing the link."""

    def __init__(self, receives=False, **options):
        super().__init__(**options)
        self.receives = receives
        self.seen = []
        self.visits = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.visit(event.container)

    def visit(self, container):
        self.visits += 1
        connection = container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
        make = container.create_receiver if self.receives else container.create_sender
        make(connection, "q")
        self.outgoing = weakref.ref(connection)

    def on_link_opened(self, event):
        link = event.link
        self.seen += [weakref.ref(each) for each in (link, link.session, link.connection, link.transport)]

    def on_sendable(self, event):
        if event.sender.credit and not endpoint_state(event.sender).tag_count:
            event.sender.send(Message(body="x"))

    def on_settled(self, event):
        if event.delivery.remote_state == Delivery.ACCEPTED:
            self.finish(event)

    def finish(self, event):
        event.connection.close()

    def on_connection_closed(self, event):
        if event.connection is self.outgoing():
            if self.visits < VISITS:
                self.visit(event.container)
            else:
                self.acceptor.close()


def seen_by(program):
    with no_collection():
        run(program)
        assert program.visits == VISITS and len(program.seen) == VISITS * 2 * 4
        return [seen() for seen in program.seen if seen() is not None]


@counting
@pytest.mark.parametrize("receives", [False, True], ids=["sends", "receives"])
def test_a_closed_connection_is_freed_with_its_link(receives):
    assert seen_by(Visits(receives)) == []


class ClosesLinks(Visits):
    def finish(self, event):
        event.link.close()
        event.connection.close()


class ClosesSessions(Visits):
    def finish(self, event):
        event.session.close()
        event.connection.close()


@counting
@pytest.mark.parametrize("kind", [ClosesLinks, ClosesSessions])
def test_what_is_closed_with_it_changes_nothing(kind):
    assert seen_by(kind()) == []


class Keeps(Visits):
    """Keeps a link of a connection that is closed, and looks at it afterwards."""

    def on_link_opened(self, event):
        self.kept = event.link

    def on_transport_closed(self, event):
        self.acceptor.close()

    def on_connection_closed(self, event):
        pass


@pytest.mark.parametrize("receives", [False, True], ids=["sends", "receives"])
def test_a_link_that_the_program_holds_is_whole(receives):
    program = Keeps(receives)
    run(program)
    gc.collect()
    link = program.kept
    assert link.name and link.session.connection is link.connection and link.unsettled == 0
    assert link.source is not None and link.remote_target is not None
    assert "here" in repr(link) and "here" in repr(link.session)
    link.close()
    link.free()
    link.connection.free()


class Leaves(Visits):
    """Closes the connection while a message is not settled."""

    def on_sendable(self, event):
        if not self.visits or not event.sender.credit or event.sender.unsettled:
            return
        self.delivery = event.sender.send(Message(body="x"))
        event.connection.close()

    def on_connection_unbound(self, event):
        self.connection = event.connection

    def on_connection_closed(self, event):
        self.acceptor.close()


def test_a_link_with_a_delivery_that_is_not_settled_stays_listed():
    program = Leaves(auto_accept=False)
    run(program)
    link = program.delivery.link
    assert list(link.unsettled_deliveries) == [program.delivery] and not program.delivery.settled
    assert link in list(link.connection.links(0))


def test_a_closed_link_can_be_recovered_from_though_nothing_is_left_of_it():
    class Recovers(Keeps):
        def on_link_opened(self, event):
            if event.connection is self.outgoing():
                self.kept = event.link

    program = Recovers()
    run(program)
    connection = Container().connect("h", reconnect=False)
    sender = connection.session().sender(program.kept.name)
    sender.recover(program.kept)
    assert sender.unsettled == 0
