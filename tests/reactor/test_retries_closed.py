"""What the program closes while it is to be made again is told as closed, and `retry_on` is asked once for each end.

In virtual time against peers in memory.
"""

from types import SimpleNamespace

import pytest

from proton import Condition, DeclaredDisposition, Endpoint
from proton.handlers import TransactionHandler
from tests.reactor.test_retries import Client, EndsSessions
from tests.support.virtual import Peer, live

MOVED = Condition("amqp:internal-error", "moved")
LATER = [0.5] * 5


class EndsOnce(Peer):
    """Ends a session once, when its link is open; or the link, or the connection."""

    ended = False

    def __init__(self, what="session"):
        super().__init__()
        self.what = what

    def on_link_opened(self, event):
        if not self.ended:
            self.ended = True
            endpoint = getattr(event, self.what)
            endpoint.condition = MOVED
            endpoint.close()


class Closing(Client):
    """Calls `does` in one of its callbacks, the first time."""

    def __init__(self, when, does, **options):
        def first(event):
            if self.count(when) == 1:
                does(self, event)

        setattr(self, f"on_{when}", first)
        super().__init__(send=False, **options)


def close_link(client, event):
    client.sender.close()


def close_session(client, event):
    client.sender.session.close()


def later(close):
    """The same, while what is to be made again waits for its time."""

    def schedule(client, event):
        task = SimpleNamespace(on_timer_task=lambda _: close(client, event))
        event.container.schedule(0.1, task)

    return schedule


@pytest.mark.parametrize(
    ("when", "does"),
    [
        ("session_error", close_link),
        ("disconnected", close_link),
        ("disconnected", later(close_link)),
    ],
    ids=["in on_session_error", "in on_disconnected", "later"],
)
def test_a_link_that_is_closed_while_its_session_is_to_be_made_again_is_told_as_closed(when, does):
    client = Closing(when, does, reconnect=LATER)
    live(client, lambda number: EndsOnce(), 5.0)
    assert client.count("link_closed") == client.count("link_opened") == 1
    assert client.count("session_opened") == 2


@pytest.mark.parametrize("does", [close_session, later(close_session)], ids=["in on_disconnected", "later"])
def test_a_session_that_is_closed_while_it_is_to_be_made_again_is_told_as_closed_with_its_links(does):
    client = Closing("disconnected", does, reconnect=LATER)
    live(client, lambda number: EndsOnce(), 5.0)
    assert client.count("session_closed") == client.count("link_closed") == client.count("session_opened") == 1


@pytest.mark.parametrize("does", [close_link, close_session, later(close_link), later(close_session)])
def test_a_link_that_is_closed_while_it_is_to_be_attached_again_is_told_as_closed(does):
    client = Closing("disconnected", does, reconnect=LATER, retry_on=[MOVED.name])
    live(client, lambda number: EndsOnce("link"), 5.0)
    assert client.count("link_closed") == client.count("link_opened") == 1


def test_a_link_that_the_program_detaches_in_its_own_callback_is_not_attached_again(caplog):
    class Detaches(Peer):
        def on_link_opened(self, event):
            event.link.condition = MOVED
            event.link.detach()

    class Own(Client):
        def on_link_remote_detach(self, event):
            self.notes.append("own")
            event.link.detach()

    client = Own(send=False, retry_on=[MOVED.name])
    live(client, lambda number: Detaches(), 5.0)
    assert client.count("own") == client.count("link_opened") == 1
    assert client.sender.remote_condition == MOVED
    assert not any("made again" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("what", ["link", "session", "connection"])
def test_retry_on_is_asked_once_for_each_end(what):
    asked = []

    def first_only(condition):
        asked.append(condition.name)
        return len(asked) == 1

    client = Client(send=False, retry_on=first_only)
    peers = []

    def make(number):
        peers.append(EndsOnce(what))
        return peers[-1]

    live(client, make, 5.0)
    assert client.count("disconnected") == 1 and client.count("link_opened") == 2
    assert len(asked) == len(peers)


def test_a_transaction_that_waits_to_be_declared_is_declared_in_the_session_that_is_made_again():
    class Coordinator(EndsSessions):
        ended = False

        def on_session_opening(self, event):
            if not self.ended:
                self.ended = True
                super().on_session_opening(event)

        def on_link_opening(self, event):
            event.link.target.copy(event.link.remote_target)

        def on_message(self, event):
            event.delivery.update(DeclaredDisposition(b"tx"))
            event.delivery.settle()

    class Program(Client, TransactionHandler):
        def on_start(self, event):
            self.waiting = None
            self.connection = event.container.connect("here")
            event.container.declare_transaction(self.connection, self)

        def on_transaction_declared(self, event):
            self.notes.append("declared")

        def on_transaction_declare_failed(self, event):
            self.notes.append("declare_failed")

    client = Program(send=False)
    live(client, lambda number: Coordinator(), 5.0)
    assert client.count("session_error") == 1 and client.count("session_opened") == 2
    assert client.count("declared") == 1 and client.count("declare_failed") == 0
    assert client.connection.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
