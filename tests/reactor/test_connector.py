"""Reconnection: delays, places, and what an application sees. Nothing listens where these connect to."""

import errno
import itertools
import logging
import socket

import pytest

from proton import Condition, Endpoint
from proton.handlers import IOHandler
from proton.io.sockets import Address
from proton.reactor import Backoff
from proton.reactor.connector import SessionPerConnection, Urls
from tests.support.engines import connected, pump
from tests.support.loops import Recorder, VirtualContainer

REFUSED = Condition("proton.pythonio", "Connection refused to all addresses")


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch):
    """Every connect is refused at once."""
    monkeypatch.setattr("proton.io.sockets.connect", lambda address: (socket.socket(), errno.ECONNREFUSED))
    addresses = [Address(socket.AF_INET, ("192.0.2.1", 5672))]
    monkeypatch.setattr(IOHandler, "resolve", staticmethod(lambda host, port: addresses))


def first(count, delays):
    return list(itertools.islice(iter(delays), count))


def test_backoff_doubles_up_to_its_limit():
    assert first(11, Backoff()) == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]


def test_backoff_takes_parameters():
    assert first(5, Backoff(initial=1, factor=3, max_delay=5)) == [0.0, 1, 3, 5, 5]


@pytest.mark.parametrize(("tries", "delays"), [(0, [0.0]), (1, [0.0]), (2, [0.0, 0.1]), (3, [0.0, 0.1, 0.2])])
def test_backoff_may_end(tries, delays):
    assert list(Backoff(max_tries=tries)) == delays


def test_backoff_begins_anew_each_time():
    backoff = Backoff(max_tries=3)
    assert list(backoff) == list(backoff)


def test_backoff_refuses_other_keywords():
    with pytest.raises(TypeError):
        Backoff(nonsense=1)


@pytest.mark.parametrize("name", ["initial", "factor", "max_delay", "max_tries"])
def test_backoff_takes_numbers(name):
    with pytest.raises(TypeError, match=f"{name} takes a number, got str '1'"):
        Backoff(**{name: "1"})


def test_urls_may_be_iterated_again():
    urls = Urls(["a", "amqps://b"])
    assert [str(url) for url in urls] == [str(url) for url in urls] == ["amqp://a:amqp", "amqps://b:amqps"]


def test_one_session_serves_all_links_of_a_connection():
    a, _ = connected()
    policy = SessionPerConnection()
    session = policy.session(a.connection)
    assert policy.session(a.connection) is session
    assert list(a.connection.sessions()) == [session] and session.state & Endpoint.LOCAL_ACTIVE


def test_a_session_that_is_over_gets_a_successor():
    a, b = connected()
    connection, policy = a.connection, SessionPerConnection()
    first = policy.session(connection)
    pump(a, b)
    b.connection.session_head().close()  # some peers refuse a link so
    pump(a, b)
    second = policy.session(connection)
    assert second is not first and policy.session(connection) is second
    second.close()
    assert policy.session(connection) is not second


class Client(Recorder):
    """Notes when it was refused, where, and why."""

    def __init__(self, limit=None, chance=0.0, **options):
        super().__init__()
        self.chance = chance
        self.options = options
        self.limit = limit
        self.attempts = []

    def on_start(self, event):
        self.start = event.container.now
        self.connection = event.container.connect(**self.options)
        # The default delays have jitter, which a test has to know.
        self.connection.reconnect_policy.chance = lambda: self.chance

    def on_unhandled(self, method, *args):
        if method == "on_connection_bound":
            event = args[0]
            self.attempts.append((round(event.container.now - self.start, 3), event.connection.url.host))

    def on_transport_error(self, event):
        assert event.transport.condition == REFUSED
        if self.limit is not None and len(self.attempts) == self.limit:
            event.connection.close()


def attempts(limit=None, chance=0.0, **options):
    client = Client(limit, chance, **options)
    VirtualContainer(client).run()
    return client.attempts


def test_the_default_goes_on_without_end():
    assert attempts(limit=6, url="a") == [(0, "a"), (0.1, "a"), (0.3, "a"), (0.7, "a"), (1.5, "a"), (3.1, "a")]


def test_the_default_delays_have_jitter():
    assert attempts(limit=4, chance=1.0, url="a") == [(0, "a"), (0.05, "a"), (0.15, "a"), (0.35, "a")]


def test_all_places_are_tried_for_each_delay():
    found = attempts(limit=6, urls=["a", "b"])
    assert found == [(0, "a"), (0, "b"), (0.1, "a"), (0.2, "b"), (0.4, "a"), (0.6, "b")]


@pytest.mark.parametrize(
    ("reconnect", "times"),
    [
        (False, [0]),
        ([], [0]),
        ([7], [0]),
        ([7, 1, 2], [0, 1, 3]),
        ((7, 1), [0, 1]),
        (Backoff(max_tries=3), [0, 0.1, 0.3]),
        (Backoff(initial=1, max_tries=3), [0, 1, 3]),
    ],
    ids=repr,
)
def test_sequences_of_delays(reconnect, times):
    assert attempts(url="a", reconnect=reconnect) == [(time, "a") for time in times]


def test_a_generator_of_delays():
    assert attempts(url="a", reconnect=(delay for delay in (0, 1, 2))) == [(0, "a"), (1, "a"), (3, "a")]


def test_without_reconnection_only_the_first_place_is_tried():
    assert attempts(urls=["a", "b"], reconnect=False) == [(0, "a")]


class Counter:
    """The older protocol for delays."""

    def __init__(self, *delays):
        self.delays = delays
        self.resets = 0

    def reset(self):
        self.resets += 1
        self.left = iter(self.delays)

    def next(self):
        return next(self.left)


def test_an_object_that_counts_by_itself():
    counter = Counter(0, 2, 1)
    assert attempts(url="a", reconnect=counter) == [(0, "a"), (2, "a"), (3, "a")]
    assert counter.resets == 1


@pytest.mark.parametrize("reconnect", [5, 0.5, object()], ids=repr)
def test_what_is_not_a_sequence_is_refused_where_it_is_given(reconnect):
    container = VirtualContainer()
    with pytest.raises(TypeError):
        container.connect("a", reconnect=reconnect)


def test_a_refused_connection_is_reported_as_an_error_and_as_lost():
    client = Client(url="a", reconnect=False)
    VirtualContainer(client).run()
    assert client.calls == ["C transport_error", "C disconnected"]


def test_closing_ends_the_attempts_at_once():
    client = Client(limit=1, url="a", reconnect=[0, 5, 5])
    container = VirtualContainer(client)
    container.run()
    assert client.attempts == [(0, "a")]
    assert client.calls == ["C transport_error", "C disconnected"]
    assert container.clock.now == 1000.0


class Closing(Client):
    def on_start(self, event):
        super().on_start(event)
        event.container.schedule(1, self)

    def on_timer_task(self, event):
        self.connection.close()


def test_closing_cancels_an_attempt_that_waits():
    client = Closing(url="a", reconnect=[0, 100, 100])
    container = VirtualContainer(client)
    container.run()
    assert client.attempts == [(0, "a")]
    assert container.clock.now == 1001.0


@pytest.mark.parametrize(
    ("reconnect", "limit", "expected"),
    [
        (False, None, ["Disconnected, reconnect disabled"]),
        ([0], None, ["Disconnected, no attempt is left"]),
        ([0], 1, ["Disconnected, already closed"]),
        (
            [0, 0, 2],
            None,
            [
                "Disconnected, reconnecting immediately...",
                "Connecting to Url('amqp://a:amqp')...",
                "Disconnected will try to reconnect after 2 seconds",
                "Connecting to Url('amqp://a:amqp')...",
                "Disconnected, no attempt is left",
            ],
        ),
    ],
    ids=["disabled", "exhausted", "closed", "retried"],
)
def test_what_is_logged(caplog, reconnect, limit, expected):
    caplog.set_level(logging.INFO, "proton")
    attempts(limit=limit, url="a", reconnect=reconnect)
    lines = [record.getMessage() for record in caplog.records if record.levelno <= logging.WARNING]
    failed = "Connection to amqp://a:amqp failed: proton.pythonio: Connection refused to all addresses"
    assert lines.count(failed) == sum(line.startswith("Disconnected") for line in expected)
    assert [line for line in lines if line != failed] == ["Connecting to Url('amqp://a:amqp')...", *expected]


def test_the_password_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG, "proton")
    attempts(url="amqp://me:secret@a", reconnect=[0, 1])
    assert "me" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize(
    ("url", "options", "user", "password"),
    [
        ("a", {}, "container-user", "container-password"),
        ("a", {"user": "option-user", "password": "option-password"}, "option-user", "option-password"),
        ("amqp://url%40user:url%3Apassword@a", {"user": "u", "password": "p"}, "url@user", "url:password"),
        ("amqp://url-user@a", {"password": "option-password"}, "url-user", "option-password"),
        ("amqp://u:p@a", {"sasl_enabled": False}, None, None),
    ],
)
def test_whose_user_and_password_count(url, options, user, password):
    seen = []

    class Looking(Client):
        def on_unhandled(self, method, *args):
            if method == "on_connection_bound":
                connection = args[0].connection
                # A password cannot be read back: it is asked for where SASL gets it.
                seen.append((connection.user, connection._password))

    client = Looking(url=url, reconnect=False, **options)
    container = VirtualContainer(client)
    container.user, container.password = "container-user", "container-password"
    container.run()
    assert seen == [(user, password)]
