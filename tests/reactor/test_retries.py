"""Retries in virtual time against peers in memory: how often it is tried in a minute, and what is told in the end."""

import logging
from types import SimpleNamespace

import pytest

from proton import Condition, Delivery, Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import Backoff
from tests.support.virtual import Peer, live

FORCED = "amqp:connection:forced"
NOTED = (
    *("connection_opened", "connection_error", "connection_closed", "session_opened", "session_error"),
    *("session_closed", "link_opened", "link_error", "link_closed", "disconnected", "reconnecting", "gave_up"),
)


class Client(MessagingHandler):
    """Sends one message at a time to "q" and notes what it is told, as "name" or "name reason"."""

    def __init__(self, send=True, **options):
        super().__init__()
        self.options = options
        self.send = send
        self.notes = []
        self.accepted = 0
        for name in NOTED:
            self._note(name)

    def _note(self, name):
        inner = getattr(self, f"on_{name}", None)

        def callback(event):
            self.notes.append(name)
            if name == "gave_up":
                self.reason = event.reason
                self.given_up = event.link or event.session or event.connection
            if inner is not None:
                inner(event)

        setattr(self, f"on_{name}", callback)

    def on_start(self, event):
        self.connection = event.container.connect("here", **self.options)
        self.connection.reconnect_policy.chance = lambda: 0.0
        self.sender = event.container.create_sender(self.connection, "q", name="L")
        self.waiting = None

    def on_disconnected(self, event):
        if isinstance(self.waiting, Delivery):
            self.waiting = None  # its outcome will not come

    def on_sendable(self, event):
        self.send_later(event)

    def send_later(self, event):
        if self.send and self.waiting is None:
            # Time passes between messages, or a minute would never end.
            self.waiting = event.container.schedule(0.01, SimpleNamespace(on_timer_task=self.send_one))

    def send_one(self, event):
        self.waiting = self.sender.send(Message(body="x")) if self.sender.credit > 0 else None

    def on_accepted(self, event):
        self.waiting = None
        self.accepted += 1
        self.send_later(event)

    def count(self, name):
        return self.notes.count(name)


class ClosesAtOnce(Peer):
    def on_connection_opened(self, event):
        self.stop()

    def on_connection_opening(self, event):
        event.connection.open()
        self.stop()


class Drops(Peer):
    def on_connection_opening(self, event):
        event.connection.open()
        self.cut()


class EndsSessions(Peer):
    name = "amqp:internal-error"

    def on_session_opening(self, event):
        event.session.open()
        event.session.condition = Condition(self.name, "shutdown")
        event.session.close()


class Poisoned(Peer):
    """Each message kills the session that it comes in."""

    def __init__(self):
        super().__init__(auto_accept=False)

    def on_message(self, event):
        event.link.session.condition = Condition("amqp:internal-error", "function_clause")
        event.link.session.close()


class Stops(Peer):
    """Takes some messages, and stops then."""

    def __init__(self, messages):
        super().__init__()
        self.left = messages

    def on_message(self, event):
        self.left -= 1
        if self.left < 0:
            self.stop("amqp:internal-error")


def test_a_peer_that_opens_and_cuts_at_once_sees_growing_delays():
    client = Client()
    net = live(client, lambda number: Drops())
    assert 10 <= len(net.connects) <= 14
    gaps = [round(late[0] - early[0], 3) for early, late in zip(net.connects, net.connects[1:])]
    assert gaps[:6] == [0, 0.1, 0.2, 0.4, 0.8, 1.6] and gaps[-1] == 10.0
    assert client.count("disconnected") == len(net.connects) and "gave_up" not in client.notes


@pytest.mark.parametrize("name", [FORCED, "amqp:internal-error", "com.microsoft:server-busy"])
def test_a_peer_that_closes_at_once_for_the_same_reason_is_given_up(caplog, name):
    class Closes(ClosesAtOnce):
        def stop(self):
            super().stop(name)

    client = Client()
    net = live(client, lambda number: Closes())
    assert [when for when, _ in net.connects] == [0, 0, 1, 3, 7]
    assert client.notes.count("disconnected") == 4 and client.notes[-1] == "gave_up"
    assert client.reason == f"closed 5 times with {name}: shutdown, without progress"
    assert client.connection.state & Endpoint.LOCAL_CLOSED
    gave_up = f"Gave up a connection to amqp://here:amqp: {client.reason}"
    assert ("proton", logging.ERROR, gave_up) in caplog.record_tuples


def test_a_close_is_answered_by_a_close():
    closed = []

    class Closes(Peer):
        def on_connection_opening(self, event):
            event.connection.open()
            self.stop()

        def on_connection_closed(self, event):
            closed.append(event.connection.remote_condition)

    client = Client()
    live(client, lambda number: Closes() if number == 1 else Peer(), 1.0)
    assert closed == [None]
    assert client.connection.connected


@pytest.mark.parametrize("cause", ["progress", "time"])
def test_progress_begins_the_count_anew(cause):
    class Slow(Peer):
        def on_connection_opened(self, event):
            self.stop()

    client = Client(send=cause == "progress", reconnect=[0, 1, 1, 1])
    if cause == "progress":
        net = live(client, lambda number: Stops(3))
        assert len(net.connects) > 20
    else:

        class Patient(Client):
            def on_connection_opened(self, event):
                event.container.schedule(31, self)

            def on_timer_task(self, event):
                net_peers[-1].stop()

        net_peers = []
        client = Patient(send=False, reconnect=[0, 1])
        net = live(client, lambda number: net_peers.append(Peer()) or net_peers[-1], 31 * 8.5)
        assert len(net.connects) == 9
    assert "gave_up" not in client.notes


def test_messages_go_on_after_an_orderly_stop():
    client = Client()
    net = live(client, lambda number: Stops(10) if number < 4 else Peer(), 0.5)
    assert len(net.connects) == 4
    assert client.accepted > 30 and client.count("disconnected") == 3
    assert client.count("link_error") == client.count("session_error") == 0


def test_a_peer_that_ends_each_session_is_given_up():
    client = Client()
    net = live(client, lambda number: EndsSessions())
    assert len(net.connects) == 1
    assert client.count("session_error") == 5 and client.count("disconnected") == 4
    assert client.given_up is client.sender.session
    assert client.reason == "ended 5 times with amqp:internal-error: shutdown, without progress"
    # The inherited default of `on_session_error` closes the connection when no retry follows.
    assert client.notes[-2:] == ["gave_up", "connection_closed"]


def test_a_message_that_kills_its_session_is_sent_five_times():
    seen = []

    class Counting(Poisoned):
        def on_message(self, event):
            seen.append(event.message.body)
            super().on_message(event)

    client = Client()
    live(client, lambda number: Counting())
    assert seen == ["x"] * 5
    assert client.reason.startswith("ended 5 times with amqp:internal-error: function_clause")


def test_the_session_of_one_link_is_made_again_and_the_others_go_on():
    class Picky(Peer):
        """Ends the first session of the link "L", once."""

        ended = 0

        def on_message(self, event):
            if event.link.name == "L" and not self.ended:
                self.ended += 1
                event.link.session.condition = Condition(FORCED)
                event.link.session.close()

    class Two(Client):
        def on_start(self, event):
            super().on_start(event)
            session = self.connection.session()
            session.open()
            self.other = event.container.create_sender(session, "p", name="other")
            self.outcomes = []

        def on_sendable(self, event):
            if event.sender is self.other and not self.outcomes:
                self.outcomes.append(event.sender.send(Message(body="y")))
            elif event.sender is self.sender:
                super().on_sendable(event)

    client = Two()
    net = live(client, lambda number: Picky(), 5.0)
    assert len(net.connects) == 1
    assert client.count("session_opened") == 3 and client.count("link_opened") == 3
    assert client.count("session_error") == client.count("disconnected") == 1
    assert client.accepted > 1 and client.outcomes[0].settled
    assert client.sender.session.state == client.sender.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize("what", ["session", "connection"])
def test_a_program_that_closes_in_its_error_callback_is_not_retried(what):
    class Closing(Client):
        def on_session_error(self, event):
            getattr(event, what).close()

    client = Closing()
    live(client, lambda number: EndsSessions(), 5.0)
    assert client.count("session_error") == client.count("session_closed") == client.count("link_closed") == 1
    assert client.count("disconnected") == client.count("gave_up") == 0


@pytest.mark.parametrize(
    ("options", "condition"),
    [({"reconnect": False}, FORCED), ({}, "amqp:not-allowed"), ({"retry_on": []}, FORCED)],
    ids=["reconnect is off", "cannot pass", "the program says so"],
)
def test_where_a_session_is_not_made_again(options, condition):
    class Ends(EndsSessions):
        name = condition

    client = Client(**options)
    live(client, lambda number: Ends(), 5.0)
    assert client.count("session_error") == client.count("session_closed") == 1
    assert client.count("disconnected") == client.count("gave_up") == 0
    assert client.connection.state & Endpoint.LOCAL_CLOSED


def test_retry_on_of_the_container_is_the_default():
    class Container(Client):
        def on_start(self, event):
            event.container.retry_on = lambda condition: condition.name == "x:y"
            super().on_start(event)

    class Ends(EndsSessions):
        name = "x:y"

    client = Container()
    live(client, lambda number: Ends())
    assert client.count("session_error") == 5


@pytest.mark.parametrize(
    "name_it",
    [
        lambda client: client.fatal_conditions.append(FORCED),
        lambda client: client.add(SimpleNamespace(fatal_conditions=[FORCED])),
        lambda client: client.handlers[0].add(SimpleNamespace(fatal_conditions=[FORCED])),
    ],
    ids=["handler", "child", "grandchild"],
)
def test_a_fatal_condition_is_not_retried(name_it):
    client = Client()
    name_it(client)
    net = live(client, lambda number: ClosesAtOnce(), 5.0)
    assert len(net.connects) == 1
    assert client.notes[-1] == "connection_closed"


def test_reconnecting_tells_attempt_delay_and_address():
    seen = []

    class Watching(Client):
        def on_reconnecting(self, event):
            seen.append((event.attempt, event.delay, str(event.address), event.connection is self.connection))
            if len(seen) == 3:
                event.connection.close()

    net = live(Watching(reconnect=Backoff(initial=1)), lambda number: None)
    assert seen == [
        (2, 1, "amqp://here:amqp", True),
        (3, 2, "amqp://here:amqp", True),
        (4, 4, "amqp://here:amqp", True),
    ]
    assert len(net.connects) == 3


def test_gave_up_tells_why():
    client = Client(reconnect=[0, 1])
    net = live(client, lambda number: None)
    assert len(net.connects) == 2
    assert client.notes[-1] == "gave_up" and client.given_up is client.connection
    assert client.reason == "no attempt is left: proton.pythonio: Connection refused to all addresses"


def test_the_log_has_a_line_for_each_doubling_of_the_time_and_one_for_the_return(caplog):
    caplog.set_level(logging.WARNING, "proton")
    client = Client()
    net = live(client, lambda number: None if number < 12 else Peer(), 55.0)
    lines = [record.getMessage() for record in caplog.records]
    refused = "proton.pythonio: Connection refused to all addresses (amqp://here:amqp)"
    assert lines[:-1] == [refused] * (len(lines) - 1)
    assert 5 <= len(lines) <= 8 < len(net.connects) == 12
    assert lines[-1] == "amqp://here:amqp: connected again after 52.7 seconds"
