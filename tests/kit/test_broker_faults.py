"""The broker for tests: the faults that it plays on demand."""

from __future__ import annotations

import time

import pytest

from proton import Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.client import Client
from tests.support.kit import BROKERS


@pytest.fixture(params=BROKERS.values(), ids=BROKERS)
def broker(request):
    with request.param() as made:
        yield made


class Watcher(Client):
    """A client that only records the peer's ends: nothing is closed because of them."""

    def __init__(self, url):
        self.told = []
        super().__init__(url)

    def on_link_error(self, event):
        self.told.append(("link", event.link.remote_condition.name))

    def on_session_error(self, event):
        self.told.append(("session", event.session.remote_condition.name))

    def on_connection_error(self, event):
        self.told.append(("connection", event.connection.remote_condition.name))
        event.connection.close()

    def on_link_closing(self, event):
        self.told.append(("link", None))

    def on_link_remote_detach(self, event):
        self.told.append(("detach", event.link.remote_condition and event.link.remote_condition.name))
        event.link.detach()

    def on_disconnected(self, event):
        self.told.append(("loss", None))

    def on_transport_error(self, event):
        pass

    def give_up(self):
        """Ends whatever the broker has left of the connection."""
        self.connection.close()
        if self.connection.transport is not None:
            self.drop()
        self.ended = True

    def await_told(self, *entry):
        self.until(lambda: entry in self.told, entry)


@pytest.fixture
def client(broker):
    with Watcher(broker.url) as made:
        yield made
        made.give_up()


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_a_link_is_refused_by_a_detach(broker, client, role):
    broker.refuse("q", "amqp:not-found", "no q")
    link = getattr(client, role)("q")
    client.await_told("link", "amqp:not-found")
    assert link.remote_condition.description == "no q"
    assert link.remote_source.address is None or role == "sender"
    assert [seen.refused for seen in broker.seen.links] == [True]
    assert broker.link_count() == 0


def test_a_refusal_holds_for_its_role_and_its_number_of_times(broker, client):
    broker.refuse("q", role="sender", times=1)
    client.receiver("q")
    client.sender("q", name="first")
    client.await_told("link", "amqp:not-found")
    client.sender("q", name="second")
    assert broker.link_count("q") == 2
    broker.refuse(None)
    client.sender("other", name="third")
    client.until(lambda: len(client.told) == 2, "a second refusal")
    broker.allow(None)
    client.sender("other", name="fourth")
    assert broker.link_count("other") == 1


@pytest.mark.parametrize(("how", "kind"), [("end", "session"), ("close", "connection")])
def test_a_link_is_refused_by_the_end_of_more(broker, client, how, kind):
    broker.refuse("q", "amqp:not-allowed", how=how)
    client.container.create_sender(client.connection, "q")
    client.await_told(kind, "amqp:not-allowed")


def test_links_are_detached(broker, client):
    client.sender("q"), client.receiver("q"), client.sender("other")
    assert broker.detach("q", "amqp:resource-deleted", "q is deleted") == 2
    client.until(lambda: client.told == [("link", "amqp:resource-deleted")] * 2, "both ends")
    assert (broker.link_count("q"), broker.link_count()) == (0, 1)
    assert broker.detach(None) == 1
    client.await_told("link", None)


def test_links_are_detached_without_closed(broker, client):
    client.receiver("q")
    broker.detach("q", "amqp:link:stolen", closed=False)
    client.await_told("detach", "amqp:link:stolen")


@pytest.mark.parametrize(
    ("command", "kind"), [("end_sessions", "session"), ("close_connections", "connection")], ids=["end", "close"]
)
def test_sessions_and_connections_are_ended(broker, client, command, kind):
    client.sender("q")
    getattr(broker, command)("amqp:internal-error", "out of order")
    client.await_told(kind, "amqp:internal-error")


def test_connections_are_cut(broker, client):
    client.sender("q")
    broker.cut()
    client.await_told("loss", None)
    assert broker.running


@pytest.mark.parametrize("answer", ["rejected", "released", "modified"])
def test_the_next_message_gets_another_outcome(broker, client, answer):
    sender = client.sender("q")
    broker.answer_next(answer, "x:why" if answer == "rejected" else None)
    other = "rejected" if answer == "rejected" else "released"
    assert client.send(sender, Message(id=1), Message(id=2)) == [other, "accepted"]
    assert [message.id for message in broker.messages("q")] == [2]
    assert [message.answer for message in broker.seen.messages] == [answer, "accepted"]


def test_an_answer_is_for_chosen_messages(broker, client):
    broker.answer_next("rejected", when=lambda message: message.body == "bad", times=None)
    sender = client.sender("q")
    outcomes = client.send(sender, *(Message(body=body) for body in ("good", "bad", "good", "bad")))
    assert outcomes == ["accepted", "rejected", "accepted", "rejected"]
    broker.behave()
    assert client.send(sender, Message(body="bad")) == ["accepted"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("detach", ("link", "x:y")),
        ("end", ("session", "x:y")),
        ("close", ("connection", "x:y")),
        ("cut", ("loss", None)),
    ],
)
def test_a_message_ends_what_it_came_on(broker, client, answer, told):
    broker.answer_next(answer, "x:y", address="q")
    sender = client.sender("q")
    client.until(lambda: sender.credit, "credit")
    sender.send(Message(body="poison"))
    client.await_told(*told)
    assert broker.messages("q") == []


def test_a_message_is_not_answered(broker, client):
    broker.answer_next("none")
    sender = client.sender("q")
    client.until(lambda: sender.credit, "credit")
    delivery = sender.send(Message(body="x"))
    client.round_trip()
    assert not delivery.updated and not delivery.settled
    assert [message.answer for message in broker.seen.messages] == ["none"]


def test_new_sessions_and_connections_are_ended(broker, client):
    broker.end_next("amqp:not-allowed")
    client.connection.session().open()
    client.await_told("session", "amqp:not-allowed")
    broker.close_next("amqp:internal-error", "not now", times=2)
    for _ in range(2):
        handler = OneConnection(broker.url)
        Container(handler).run()
        assert handler.refused == "amqp:internal-error"
    Client(broker.url).close()


class OneConnection(MessagingHandler):
    """Connects once."""

    refused = None

    def __init__(self, url):
        super().__init__()
        self.url = url

    def on_start(self, event):
        event.container.connect(self.url, reconnect=False)

    def on_connection_error(self, event):
        self.refused = event.connection.remote_condition.name
        event.connection.close()


def test_a_slow_broker_answers_and_sends_later(broker, client):
    # Half of it is asked for: the broker counts from the beginning of its turn, which may be earlier.
    broker.slow_down(0.1)
    sender = client.sender("q")
    before = time.monotonic()
    client.send(sender, Message(body="x"))
    assert time.monotonic() - before >= 0.05
    before = time.monotonic()
    client.bodies(client.receiver("q", credit=1), 1)
    assert time.monotonic() - before >= 0.05


def test_a_stalled_broker_does_nothing_until_it_is_resumed(broker, client):
    sender = client.sender("q")
    client.until(lambda: sender.credit, "credit")
    broker.stall()
    delivery = sender.send(Message(id=1))
    while client.container.process() and sender.queued:
        pass
    for _ in range(3):
        client.container.process()
    assert not delivery.updated and broker.seen.messages == []
    broker.resume()
    client.until(lambda: delivery.updated, "an outcome")


@pytest.mark.parametrize("sessions_first", [False, True])
def test_an_orderly_stop_has_its_reason(broker, client, sessions_first):
    client.sender("q")
    broker.wait_for(lambda seen: seen.links)
    stop = dict(condition="amqp:internal-error", description="shutdown", sessions_first=sessions_first)
    client.container.timeout = 0
    while client.container.process() and client.connection.state & Endpoint.REMOTE_UNINIT:
        pass
    broker.stop(**stop)  # the client answers nothing meanwhile: it is cut off after a second
    client.container.timeout = 0.05
    client.await_told("connection", "amqp:internal-error")
    assert (("session", "amqp:internal-error") in client.told) is sessions_first
    assert broker.connection_count == 0


def test_a_killed_broker_says_nothing(broker, client):
    broker.kill()
    client.await_told("loss", None)
    assert ("connection", "amqp:internal-error") not in client.told
    assert not broker.running


@pytest.mark.parametrize(
    ("command", "arguments", "text"),
    [
        ("refuse", ("q", None, "", "politely"), "expected one of detach, end, close, got 'politely'"),
        ("answer_next", ("accept",), "expected one of accepted, .*, got 'accept'"),
    ],
)
def test_a_wrong_word_is_refused(broker, command, arguments, text):
    with pytest.raises(ValueError, match=text):
        getattr(broker, command)(*arguments)
