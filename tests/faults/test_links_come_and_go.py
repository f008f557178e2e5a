"""Links that come and go on a connection that stays: what both ends have closed is not kept, and is not missed."""

import gc

import pytest

from proton import Condition, Endpoint, Link, Message
from proton.endpoints.shared import MAX_LINGERING
from proton.handlers import MessagingHandler
from proton.utils import BlockingConnection
from tests.support.loops import SECONDS, Recorder, run
from tests.support.server import serving

CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


class Coming(Recorder):
    """Opens and closes `count` links one after the other, of both kinds, on one connection to itself."""

    def __init__(self, count, **options):
        super().__init__(**options)
        self.count = count
        self.opened = 0
        self.closed = []
        self.closed_there = 0
        self.looks = 0
        self.ends = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
        self.stays = event.container.create_sender(self.connection, "stays")
        self.container = event.container

    def next(self):
        make = self.container.create_sender if self.opened % 2 else self.container.create_receiver
        self.opened += 1
        return make(self.connection, f"node{self.opened}")

    def on_connection_opened(self, event):
        self.ends.append(event.connection)

    def on_link_opened(self, event):
        if event.connection is not self.connection:
            return
        if event.link is self.stays:
            self.next()
        elif event.link.is_receiver:
            event.link.close()

    def on_sendable(self, event):
        if event.connection is self.connection and event.link is not self.stays and event.link.credit == 10:
            event.link.send(Message(body="x"))

    def on_settled(self, event):
        event.link.close()

    def on_link_closed(self, event):
        assert event.link in list(event.connection.links(CLOSED)), "it can be looked at, and found"
        assert event.link.name and event.link.state == CLOSED
        if event.connection is not self.connection:
            self.closed_there += 1
            if self.closed_there == self.count:
                self.container.schedule(0, self)
            return
        self.closed.append(event.link)
        if self.opened < self.count:
            self.next()

    def on_timer_task(self, event):
        self.left = [list(connection.links()) for connection in self.ends]
        self.looks += 1
        if max(map(len, self.left)) > 1 and self.looks < 100:
            # The last detach has still to be written.
            event.container.schedule(0.01, self)
            return
        self.last = self.connection.link_head(0), self.stays.next(0)
        self.acceptor.close()
        self.connection.close()


def test_what_both_ends_have_closed_is_let_go():
    coming = Coming(40)
    run(coming)
    assert coming.opened == len(coming.closed) == 40
    assert [len(left) for left in coming.left] == [1, 1], "the link that stays, at both ends"
    # A program that held on to a link has it whole.
    assert all(link.state == CLOSED and link.connection is coming.connection for link in coming.closed)
    names = {link.name for link in coming.closed}
    assert len(names) == 40 and coming.closed[-1].source.address is None
    assert coming.calls.count("S link_closed") == 40


def test_objects_do_not_pile_up_while_links_come_and_go():
    others = sum(isinstance(x, Link) for x in gc.get_objects())  # of earlier tests in this process
    coming = Coming(400)
    inner, marks = coming.next, []

    def following():
        if coming.opened in (100, 380):
            del coming.closed[:]
            gc.collect()
            marks.append((len(gc.get_objects()), sum(isinstance(x, Link) for x in gc.get_objects())))
        return inner()

    coming.next = following
    run(coming)
    (before, links_before), (after, links_after) = marks
    assert links_after <= links_before <= others + 8
    assert after - before < 280, "not one object for each link"


class Freeing(Coming):
    """Frees its links: at once, or when they are closed and gone."""

    when = "closed"

    def on_link_closed(self, event):
        super().on_link_closed(event)
        if self.when == "closed":
            event.link.free()

    def on_timer_task(self, event):
        if self.when == "later":
            for link in self.closed:
                link.free()
                link.free()
        super().on_timer_task(event)


@pytest.mark.parametrize("when", ["closed", "later"])
def test_programs_that_free_their_links_may_go_on_to_do_so(when):
    freeing = Freeing(9)
    freeing.when = when
    run(freeing)
    assert [len(left) for left in freeing.left] == [1, 1]
    assert freeing.last == (freeing.stays, None)


class Unsettled(MessagingHandler):
    """The receiving end keeps its messages unsettled, and settles the first `settle` of them when no link is open."""

    def __init__(self, count, settle):
        super().__init__(auto_accept=False)
        self.count, self.settle_count = count, settle
        self.held = []
        self.closed = 0
        self.left = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
        self.container = event.container
        self.next()

    def next(self):
        self.container.create_sender(self.connection, "q").send(Message(body="x"))

    def on_message(self, event):
        self.held.append(event.delivery)
        event.link.close()

    def on_link_closed(self, event):
        if event.connection is self.connection:
            if len(self.held) < self.count:
                self.next()
            return
        self.server = event.connection
        self.closed += 1
        if self.closed == self.count:
            self.container.schedule(0, self)

    def on_timer_task(self, event):
        self.left.append([len(list(end.links())) for end in (self.connection, self.server)])
        if len(self.left) == 1:
            for delivery in self.held[: self.settle_count]:
                assert not delivery.local_state, "nobody has touched it"
                delivery.update(delivery.ACCEPTED)
                delivery.settle()
            # One more that closes: what is settled by then goes with it.
            self.count += 1
            self.next()
        else:
            self.acceptor.close()
            self.connection.close()


def test_a_closed_link_stays_while_something_is_unsettled():
    unsettled = Unsettled(6, settle=4)
    run(unsettled)
    assert unsettled.left == [[6, 6], [3, 3]]


def test_closed_links_with_unsettled_deliveries_do_not_pile_up_either():
    unsettled = Unsettled(MAX_LINGERING + 20, settle=0)
    run(unsettled)
    assert unsettled.left[1] == [MAX_LINGERING, MAX_LINGERING]
    # The oldest ones were given up.
    settled = [delivery.link.unsettled == 0 for delivery in unsettled.held]
    assert settled == [True] * 21 + [False] * MAX_LINGERING


def test_links_closed_while_there_is_not_connection_are_let_go():
    class Losing(Coming):
        def on_disconnected(self, event):
            if event.connection is self.connection and event.transport.closed and not self.closed:
                self.closed = [self.container.create_sender(self.connection, f"late{n}") for n in range(5)]
                for link in self.closed:
                    link.close()

        def on_link_opened(self, event):
            if event.connection is self.connection and len(self.ends) == 2:
                event.transport.close_head()
                event.transport.close_tail()
            elif event.connection is self.connection and event.link is self.stays:
                self.container.schedule(0.05, self)

        def on_link_closed(self, event):
            """They may be told of: they are opened and closed on the next connection, or not at all."""

        def on_timer_task(self, event):
            self.ends = [self.connection]
            super().on_timer_task(event)

    losing = Losing(0)
    run(losing)
    assert losing.left == [[losing.stays]]


def test_a_link_refused_with_an_error_is_let_go_after_the_program_has_seen_why():
    class Refusing(Coming):
        def on_link_opened(self, event):
            if event.connection is self.connection:
                super().on_link_opened(event)
            elif event.link.remote_target.address != "stays":
                event.link.condition = Condition("x:no", "not here")
                event.link.close()

        def on_link_error(self, event):
            assert event.link.remote_condition == Condition("x:no", "not here")

    refusing = Refusing(6)
    run(refusing)
    assert [len(left) for left in refusing.left] == [1, 1]


def test_blocking_links_come_and_go():
    with serving() as server:
        connection = BlockingConnection(server.url, timeout=SECONDS)
        for number in range(30):
            sender, receiver = connection.create_sender(f"q{number}"), connection.create_receiver(f"q{number}")
            sender.send(Message(body=number))
            assert receiver.receive().body == number
            receiver.accept()
            sender.close(), receiver.close()
        assert len(list(connection.conn.links())) <= 2
        connection.close()


def test_names_of_links_are_not_remembered_for_ever():
    with serving() as server:
        connection = BlockingConnection(server.url, timeout=SECONDS)
        container, conn = connection.container, connection.conn
        names = set()
        for number in range(3000):
            link = container.create_sender(conn, f"reply-to-{number}")
            names.add(link.name)
            link.free()
        assert len(names) == 3000
        again = [container.create_sender(conn, f"reply-to-{number}").name for number in (1, 2999, 2999)]
        assert not names & set(again) and len(set(again)) == 3
        assert len(conn._link_numbers) <= 1000
        connection.close()


def test_sessions_come_and_go_too():
    class Sessions(Recorder):
        """Opens a session with a link, closes both, fifty times; then sees which are left."""

        ended = 0

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
            self.next()

        def next(self):
            self.session = self.connection.session()
            self.session.open()
            self.session.sender(f"link{self.ended}").open()

        def on_link_opened(self, event):
            if event.connection is self.connection:
                event.link.close()

        def on_link_closed(self, event):
            if event.connection is self.connection:
                event.session.close()

        def on_session_closed(self, event):
            if event.connection is not self.connection:
                self.there = event.connection
                return
            self.ended += 1
            assert event.session in list(self.connection.sessions(CLOSED))
            if self.ended < 50:
                self.next()
            else:
                self.left = [len(list(end.sessions())) for end in (self.connection, self.there)]
                self.acceptor.close()
                event.connection.close()

    sessions = Sessions()
    run(sessions)
    assert sessions.calls.count("S session_closed") == 50
    # The last one is just being looked at.
    assert sessions.left[0] == 1 and sessions.left[1] <= 1
