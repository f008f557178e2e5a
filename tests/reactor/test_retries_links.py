"""Links that are attached again, in virtual time against peers in memory.

Where the program asks for it, and where a node is not back yet after a reconnect.
"""

import logging

import pytest

from proton import Condition, Endpoint
from tests.reactor.test_retries import Client
from tests.support.virtual import Peer, live

BOTH = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
MISSING = Condition("amqp:not-found", "no queue 'q'")


class Detaches(Peer):
    """Detaches a link when it has taken some messages over it."""

    def __init__(self, name, closed=True, messages=1):
        super().__init__()
        self.condition, self.closed, self.messages = Condition(name, "moved"), closed, messages
        self.detached = 0
        self.seen = 0

    def on_settled(self, event):
        """Accepted messages are settled at once."""

    def on_message(self, event):
        self.seen += 1
        if self.seen % self.messages == 0:
            self.detached += 1
            event.link.condition = self.condition
            event.link.close() if self.closed else event.link.detach()


class Refuses(Peer):
    """Refuses each link with `amqp:not-found`, by a detach or by the end of its session."""

    by_session = False

    def __init__(self):
        super().__init__()
        self.attaches = 0

    def on_link_opening(self, event):
        self.refuse(event.link)

    def refuse(self, endpoint):
        self.attaches += 1
        endpoint.condition = MISSING
        endpoint.close()


class EndsForThem(Refuses):
    by_session = True

    def on_link_opening(self, event):
        """Not refused any more."""

    def on_link_remote_open(self, event):
        """Before the attach is answered, which it is not then."""
        self.refuse(event.session)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("name", ["amqp:link:detach-forced", "amqp:illegal-state", "amqp:internal-error"])
def test_a_link_is_attached_again_where_the_program_says_so(name, closed):
    peers = []
    client = Client(retry_on=["amqp:link:detach-forced", "amqp:illegal-state", "amqp:internal-error"])
    net = live(client, lambda number: peers.append(Detaches(name, closed, messages=3)) or peers[-1], 5.0)
    assert len(net.connects) == 1 and client.count("session_opened") == 1
    assert peers[0].detached >= 3
    assert client.count("link_error") == client.count("disconnected") == peers[0].detached
    assert "link_closed" not in client.notes and client.accepted >= 6


@pytest.mark.parametrize("name", ["amqp:link:detach-forced", "amqp:illegal-state", "amqp:internal-error"])
def test_a_link_is_not_attached_again_by_default(name):
    client = Client()
    live(client, lambda number: Detaches(name), 5.0)
    assert client.count("link_error") == client.count("link_closed") == 1
    assert "disconnected" not in client.notes and "gave_up" not in client.notes


def test_a_link_that_is_refused_each_time_is_given_up(caplog):
    peers = []
    client = Client(retry_on=lambda condition: condition.name in ("x:y", "amqp:not-found"))
    live(client, lambda number: peers.append(Refuses()) or peers[-1])
    assert peers[0].attaches == 5
    assert client.given_up is client.sender
    assert client.reason == "ended 5 times with amqp:not-found: no queue 'q', without progress"
    gave_up = f"Gave up a link L to amqp://here:amqp: {client.reason}"
    assert ("proton", logging.ERROR, gave_up) in caplog.record_tuples


def test_a_program_that_closes_the_link_in_its_error_callback_is_not_retried():
    class Closing(Client):
        def on_link_error(self, event):
            event.link.close()

    client = Closing(retry_on=["amqp:illegal-state"])
    live(client, lambda number: Detaches("amqp:illegal-state"), 5.0)
    assert client.count("link_error") == client.count("link_closed") == 1
    assert client.count("link_opened") == 1 and "disconnected" not in client.notes


class LosesItsQueue(Peer):
    """Works, and stops after a second."""

    def on_connection_opened(self, event):
        self.messages = 0

    def on_connection_opening(self, event):
        event.connection.open()
        self.messages = 0

    def on_message(self, event):
        self.messages += 1
        if self.messages == 5:
            self.stop()


@pytest.mark.parametrize("refusing", [Refuses, EndsForThem])
def test_after_a_reconnect_a_link_waits_for_its_node(refusing):
    class Back(refusing):
        """The queue is back at the fifth attach."""

        def refuse(self, endpoint):
            if self.attaches < 4:
                super().refuse(endpoint)
            else:
                self.attaches += 1

    peers = []
    client = Client()
    net = live(client, lambda number: LosesItsQueue() if number == 1 else peers.append(Back()) or peers[-1], 20.0)
    assert len(net.connects) == 2 and peers[0].attaches == 5
    assert client.count("link_error") == client.count("session_error") == 0 == client.count("gave_up")
    assert client.sender.state == BOTH and client.accepted > 100


@pytest.mark.parametrize("refusing", [Refuses, EndsForThem])
def test_a_node_that_does_not_come_back_is_given_up_after_a_time(refusing):
    class Impatient(Client):
        def on_start(self, event):
            event.container.missing_node_time = 12.0
            super().on_start(event)

    peers = []
    client = Impatient()
    live(client, lambda number: LosesItsQueue() if number == 1 else peers.append(refusing()) or peers[-1])
    # 0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7
    assert 7 <= peers[0].attaches <= 9
    assert client.reason == "refused for 13 seconds: amqp:not-found: no queue 'q'"
    what = "session" if refusing.by_session else "link"
    assert client.count(f"{what}_error") == 1 and client.count("link_closed") == 1
    assert client.given_up is (client.sender.session if refusing.by_session else client.sender)


def test_a_link_that_waits_beside_one_that_is_there_is_given_up_too():
    class Two(Client):
        def on_start(self, event):
            event.container.missing_node_time = 12.0
            super().on_start(event)
            self.other = event.container.create_receiver(self.connection, "p", name="other")

    class HalfThere(EndsForThem):
        def on_link_remote_open(self, event):
            if event.link.name == "L":
                self.refuse(event.session)

    peers = []
    client = Two()
    live(client, lambda number: LosesItsQueue() if number == 1 else peers.append(HalfThere()) or peers[-1])
    assert 7 <= peers[0].attaches <= 9
    assert client.reason == "refused for 13 seconds: amqp:not-found: no queue 'q'"


@pytest.mark.parametrize("refusing", [Refuses, EndsForThem])
def test_a_link_that_never_worked_does_not_wait(refusing):
    client = Client()
    peers = []
    live(client, lambda number: peers.append(refusing()) or peers[-1], 5.0)
    assert peers[0].attaches == 1
    what = "session" if refusing.by_session else "link"
    assert client.count(f"{what}_error") == client.count("link_closed") == 1 and "gave_up" not in client.notes


def test_where_reconnect_is_off_a_link_does_not_wait():
    client = Client(reconnect=False)
    net = live(client, lambda number: LosesItsQueue(), 5.0)
    assert len(net.connects) == 1
    assert client.notes[-2:] == ["connection_error", "connection_closed"]


def test_a_connection_says_whether_it_is_there_and_how_often_it_was_tried():
    seen = []

    class Watching(Client):
        def note(self, event, name):
            connection = self.connection
            seen.append((name, connection.connected, connection.reconnect_policy.attempts))

        def on_connection_opened(self, event):
            self.note(event, "opened")
            event.container.schedule(0.1, self)

        def on_timer_task(self, event):
            made[-1].cut() if len(made) == 1 else made[-1].connection.close()

        def on_disconnected(self, event):
            self.note(event, "disconnected")

        def on_reconnecting(self, event):
            self.note(event, "reconnecting")

        def on_connection_closed(self, event):
            self.note(event, "closed")

    made = []
    live(Watching(send=False), lambda number: None if number == 2 else made.append(Peer()) or made[-1], 5.0)
    assert seen == [
        ("opened", True, 1),
        ("disconnected", False, 1),
        ("reconnecting", False, 1),
        ("reconnecting", False, 2),
        ("opened", True, 2),
        ("closed", False, 2),
    ]


class DetachesAndEnds(Detaches):
    """Detaches a link, and ends its session in the same read."""

    session_name = "amqp:internal-error"

    def on_message(self, event):
        super().on_message(event)
        if self.seen % self.messages == 0:
            event.session.condition = Condition(self.session_name, "shutdown")
            event.session.close()


@pytest.mark.parametrize("closed", [True, False])
def test_a_link_that_is_detached_in_one_read_with_the_end_of_its_session_is_attached_again_with_it(closed):
    client = Client(retry_on=["amqp:internal-error"])
    net = live(client, lambda number: DetachesAndEnds("amqp:internal-error", closed, messages=3), 5.0)
    assert len(net.connects) == 1 and client.accepted >= 6
    assert client.count("link_error") == client.count("session_error") >= 2
    assert not {"link_closed", "session_closed", "gave_up"} & set(client.notes)
    assert client.notes[:9] == [
        *("connection_opened", "session_opened", "link_opened", "link_error", "disconnected"),
        *("session_error", "disconnected", "session_opened", "link_opened"),
    ]


def test_a_link_ends_with_a_session_that_is_not_made_again():
    class Ends(DetachesAndEnds):
        session_name = "amqp:not-allowed"

    client = Client(retry_on=["amqp:internal-error"])
    live(client, lambda number: Ends("amqp:internal-error", messages=3), 5.0)
    assert client.count("link_error") == client.count("link_closed") == 1
    assert client.count("session_opened") == client.count("link_opened") == 1
