"""`Container`: connect, links and their names, and the small life of whole programs over loopback."""

import gc
import weakref

import pytest

from proton import Connection, Endpoint, Message, Url, symbol
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container, LinkOption
from tests.support.loops import Recorder, run
from tests.support.references import counting, no_collection


@pytest.fixture
def container():
    return Container(container_id="me")


@pytest.fixture
def connection(container):
    return container.connect("h")


def test_connect_opens_and_touches_nothing_else(container):
    connection = container.connect("amqp://u:p@h:1/path")
    assert connection.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT
    assert (connection.container, connection.transport, connection.url, connection.hostname) == ("me", None, None, None)


@pytest.mark.parametrize("arguments", [{"url": "h"}, {"url": Url("h")}, {"urls": ["h", Url("g")]}], ids=repr)
def test_urls_may_be_texts_or_objects(container, arguments):
    assert isinstance(container.connect(**arguments), Connection)


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"virtual_host": "v"}, "hostname", "v"),
        ({"virtual_host": ""}, "hostname", None),
        ({"container_id": "other"}, "container", "other"),
        ({"offered_capabilities": "ANONYMOUS-RELAY"}, "offered_capabilities", [symbol("ANONYMOUS-RELAY")]),
        ({"desired_capabilities": ["a", "b"]}, "desired_capabilities", [symbol("a"), symbol("b")]),
        ({"properties": {"k": 1}}, "properties", {symbol("k"): 1}),
    ],
)
def test_options_of_connect(container, options, name, value):
    assert getattr(container.connect("h", **options), name) == value


@pytest.mark.parametrize("container_id", [None, ""])
def test_without_an_id_each_connection_gets_its_own(container_id):
    container = Container(container_id=container_id)
    first, second = container.connect("h").container, container.connect("h").container
    assert len(first) == len(second) == 36 and first != second


@pytest.mark.parametrize(("url", "error"), [("h:nonsense", ValueError), ("[::1", ValueError), (5, TypeError)], ids=repr)
def test_an_invalid_url_is_refused_at_once(container, url, error):
    with pytest.raises(error):
        container.connect(url)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"target": "t"}, "me-t"),
        ({"source": "s"}, "me-s"),
        ({"target": "t", "source": "s"}, "me-t-s"),
        ({"name": "given", "target": "t"}, "given"),
    ],
)
def test_names_of_senders(container, connection, arguments, name):
    assert container.create_sender(connection, **arguments).name == name


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"source": "s"}, "me-s"),
        ({"target": "t"}, "me-t"),
        ({"source": "s", "target": "t"}, "me-s-t"),
        ({"name": "given"}, "given"),
    ],
)
def test_names_of_receivers(container, connection, arguments, name):
    assert container.create_receiver(connection, **arguments).name == name


def test_without_addresses_names_are_random(container, connection):
    names = {container.create_sender(connection).name for _ in range(3)}
    assert len(names) == 3 and all(name.startswith("me-") and len(name) == 39 for name in names)


def test_a_repeated_address_gets_another_name(container, connection):
    names = [container.create_receiver(connection, "a").name for _ in range(4)]
    assert names == ["me-a", "me-a-2", "me-a-3", "me-a-4"]
    # In the other direction too, though a sender and a receiver may share one (2.6.1): rhea mistakes one for the other.
    assert container.create_sender(connection, "a").name == "me-a-5"
    assert container.create_receiver(container.connect("h"), "a").name == "me-a"


def test_a_name_is_not_used_again_after_a_close(container, connection):
    container.create_receiver(connection, "a").close()
    assert container.create_receiver(connection, "a").name == "me-a-2"


def test_many_links_to_one_address(container, connection):
    names = {container.create_sender(connection, "a").name for _ in range(2000)}
    assert len(names) == 2000


def test_addresses_are_set_where_they_are_given(container, connection):
    link = container.create_sender(connection, "t", "s")
    assert (link.target.address, link.source.address) == ("t", "s")
    link = container.create_receiver(connection, "s", "t", dynamic=True)
    assert (link.target.address, link.source.address, link.source.dynamic) == ("t", "s", True)
    link = container.create_sender(connection, None)
    assert (link.target.address, link.source.address) == (None, None)


def test_links_of_a_connection_share_a_session(container, connection):
    first, second = container.create_sender(connection, "a"), container.create_receiver(connection, "b")
    assert first.session is second.session
    assert first.session.state & Endpoint.LOCAL_ACTIVE and first.state & Endpoint.LOCAL_ACTIVE


def test_links_of_a_plain_connection_have_sessions_of_their_own(container):
    connection = container.connection()
    first, second = container.create_sender(connection, "a"), container.create_sender(connection, "b")
    assert first.session is not second.session
    assert first.session.state & Endpoint.LOCAL_ACTIVE


def test_a_closed_connection_has_no_common_session(container, connection):
    session = container.create_sender(connection, "a").session
    connection.close()
    with pytest.warns(UserWarning, match="has no effect: the connection was ended here"):
        assert container.create_sender(connection, "b").session is not session
    container.process()
    connection.open()
    first, second = container.create_sender(connection, "c").session, container.create_sender(connection, "d").session
    assert session is not first is not second


def test_a_session_may_be_the_context(container, connection):
    session = connection.session()
    assert container.create_sender(session, "a").session is session
    assert session.state & Endpoint.LOCAL_UNINIT


def test_anything_with_a_session_may_be_the_context(container, connection):
    class Context:
        def session(self):
            return session

    session = connection.session()
    assert container.create_receiver(Context(), "a").session is session


def test_a_link_cannot_be_the_context(container, connection):
    with pytest.raises(TypeError):
        container.create_sender(container.create_sender(connection, "a"))


@pytest.mark.parametrize("kind", [str, Url])
def test_a_url_may_be_the_context(container, kind):
    sender = container.create_sender(kind("h:1/some/path?query"))
    assert sender.target.address == "some/path"
    receiver = container.create_receiver(kind("h:1/path"))
    assert receiver.source.address == "path"
    assert receiver.connection is not sender.connection
    assert container.create_sender(kind("h/path"), "target").target.address == "target"
    sender = container.create_sender(kind("h/path"), source="source")
    assert (sender.target.address, sender.source.address, sender.name) == ("path", "source", "me-path-source")
    receiver = container.create_receiver(kind("h/path"), target="target")
    assert (receiver.source.address, receiver.target.address, receiver.name) == ("path", "target", "me-path-target")
    for address in ("h", "h/"):
        assert container.create_sender(kind(address)).target.address is None


def test_handler_tags_and_options_of_links(container, connection):
    handler = MessagingHandler()
    tags = iter(["x", "y"]).__next__
    sender = container.create_sender(connection, "a", handler=handler, tags=tags, options=AtMostOnce())
    assert sender.handler is handler
    assert [sender.delivery_tag(), sender.delivery_tag()] == ["x", "y"]
    assert sender.snd_settle_mode == sender.SND_SETTLED


def test_options_act_before_the_link_opens(container, connection):
    class Looking(LinkOption):
        def apply(self, link):
            seen.append((link.state & Endpoint.LOCAL_UNINIT, link.source.address, link.source.dynamic))

    seen = []
    container.create_receiver(connection, "a", dynamic=True, options=[Looking()])
    assert seen == [(Endpoint.LOCAL_UNINIT, "a", True)]


class Direct(Recorder):
    """Sends to itself over loopback, and ends when all was accepted."""

    def __init__(self, count=1, **options):
        super().__init__(**options)
        self.count = count
        self.sent = self.confirmed = 0
        self.received = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.sender = event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/queue")

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"number": self.sent}))

    def on_message(self, event):
        self.received.append(event.message.body["number"])

    def on_accepted(self, event):
        self.confirmed += 1
        if self.confirmed == self.count:
            event.connection.close()

    def on_connection_closed(self, event):
        self.acceptor.close()


@pytest.mark.parametrize(("count", "prefetch"), [(1, 10), (5, 10), (250, 10), (1000, 100), (50, 1)])
def test_messages_arrive_in_order(count, prefetch):
    direct = Direct(count, prefetch=prefetch)
    run(direct)
    assert direct.received == list(range(1, count + 1))
    assert direct.confirmed == count


def test_large_messages_arrive():
    body = bytes(range(256)) * 20_000

    class Large(Direct):
        def on_sendable(self, event):
            if not self.sent:
                self.sent = 1
                event.sender.send(Message(body=body))

        def on_message(self, event):
            self.received.append(event.message.body == body)

    large = Large()
    run(large)
    assert large.received == [True]


def test_what_is_sent_before_the_link_opens_arrives():
    class Early(Direct):
        def on_start(self, event):
            super().on_start(event)
            self.sender.send(Message(body={"number": 1}))
            self.sent = 1

    early = Early()
    run(early)
    assert early.received == [1]


def test_prefetched_messages_after_a_close_are_given_back():
    class Closing(Direct):
        outcomes = []

        def on_message(self, event):
            self.received.append(event.message.body["number"])
            event.receiver.close()

        def on_accepted(self, event):
            self.outcomes.append("accepted")

        def on_released(self, event):
            self.outcomes.append("released")
            if len(self.outcomes) == 5:
                event.connection.close()

    closing = Closing(5)
    run(closing)
    assert closing.received == [1]
    assert closing.outcomes == ["accepted"] + ["released"] * 4


def test_a_link_handler_takes_the_events_of_its_link():
    class OnLink(MessagingHandler):
        calls = []

        def on_link_opened(self, event):
            self.calls.append("link_opened")

        def on_sendable(self, event):
            self.calls.append("sendable")
            event.connection.close()

    class Scoped(Direct):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}")
            event.container.create_sender(connection, "x", handler=OnLink())

    scoped = Scoped()
    run(scoped)
    assert OnLink.calls == ["link_opened", "sendable"]
    assert "C sendable" not in scoped.calls and "C link_opened" not in scoped.calls
    assert "C connection_opened" in scoped.calls and "C session_opened" in scoped.calls


def test_the_container_of_every_event_is_known():
    class Looking:
        def __init__(self):
            self.unknown = []

        def on_unhandled(self, method, event):
            if event.container is not container or event.reactor is not container:
                self.unknown.append(method)

    looking, direct = Looking(), Direct()
    container = Container(looking, direct)
    container.run()
    assert looking.unknown == []


MISTAKES = [
    # options beside the URL, what they raise, and what its text says
    ({"heartbeat": -1}, OverflowError, "heartbeat takes 0 to 4294967 seconds, got -1"),
    ({"heartbeat": float("inf")}, OverflowError, "heartbeat takes 0 to 4294967 seconds, got inf"),
    ({"heartbeat": float("nan")}, ValueError, "heartbeat takes seconds, a number or None, got nan"),
    ({"heartbeat": True}, TypeError, "heartbeat takes seconds, a number or None, got bool True"),
    ({"heartbeat": "5"}, TypeError, "heartbeat takes seconds, a number or None, got str '5'"),
    ({"max_frame_size": "100"}, TypeError, "max_frame_size takes an integer or None, got str '100'"),
    ({"properties": 5}, TypeError, "properties takes a dict or None, got int 5"),
    ({"properties": [("a", 1)]}, TypeError, "properties takes a dict or None, got list"),
    ({"properties": {"a": object()}}, TypeError, "properties takes a dict of AMQP values.*'object'"),
    ({"properties": {"a": 1 << 70}}, OverflowError, "long out of range"),
    ({"properties": {"ä": 1}}, UnicodeEncodeError, "ascii"),
    ({"offered_capabilities": 5}, TypeError, "offered_capabilities takes a str or an iterable of str, got int 5"),
    ({"desired_capabilities": [5]}, TypeError, "desired_capabilities takes a str or an iterable of str, got list"),
    ({"desired_capabilities": ["ä"]}, UnicodeEncodeError, "ascii"),
    ({"container_id": 5}, TypeError, "container takes a str or None, got 5"),
    ({"virtual_host": "\ud800"}, ValueError, "hostname takes text that UTF-8 can say"),
    ({"user": "\ud800"}, ValueError, "user takes text that UTF-8 can say"),
    ({"reconnect": "abc"}, TypeError, "reconnect takes True, False, None, a Backoff or a sequence of seconds, got str"),
    ({"reconnect": b"abc"}, TypeError, "sequence of seconds, got bytes"),
    ({"reconnect": 5}, TypeError, "sequence of seconds, got int 5"),
    ({"reconnect": [0, "1"]}, TypeError, "sequence of seconds, got str '1' in it"),
    ({"reconnect": (None,)}, TypeError, "sequence of seconds, got NoneType None in it"),
]


@pytest.mark.parametrize(("options", "error", "text"), MISTAKES, ids=[case[2] for case in MISTAKES])
def test_mistakes_are_told_at_the_call_and_nothing_is_made(options, error, text):
    seen = []

    class Seeing:
        def on_unhandled(self, method, event):
            seen.append(method)

    container = Container(Seeing())
    with pytest.raises(error, match=text):
        container.connect("127.0.0.1:1", **options)
    assert container.selectable_count == 0
    container.run()
    assert [method for method in seen if "reactor" not in method and "selectable" not in method] == []


def test_several_urls_in_one_text_are_told_at_the_call():
    with pytest.raises(TypeError):
        Container().connect(urls="127.0.0.1:1")


def test_capabilities_may_be_given_as_a_generator(container):
    connection = container.connect("h", offered_capabilities=(name for name in ("a", "b")))
    assert connection.offered_capabilities == [symbol("a"), symbol("b")]


@counting
def test_a_closed_connection_waits_for_no_collector():
    class Visits(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.seen = []
            self.visit(event.container)

        def visit(self, container):
            connection = container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
            self.outgoing = weakref.ref(connection)

        def on_connection_opened(self, event):
            self.seen.append(weakref.ref(event.connection))
            if event.connection is self.outgoing():
                event.connection.close()

        def on_connection_closed(self, event):
            if event.connection is self.outgoing():
                if len(self.seen) < 10:
                    self.visit(event.container)
                else:
                    self.acceptor.close()

    program = Visits()
    with no_collection():
        run(program)
        assert [seen() for seen in program.seen] == [None] * 10


@counting
def test_no_password_waits_for_the_collector():
    def kept():
        return [each for each in gc.get_objects() if isinstance(each, Connection) and each._password == "s3cret"]

    with no_collection():
        connection = Container().connect("h", user="anybody", password="s3cret", properties={"a": 1})
        assert connection.properties == {symbol("a"): 1}
        assert kept() == []
        with pytest.raises(TypeError):
            Container().connect("h", user="anybody", password="s3cret", properties={"a": object()})
        assert kept() == []
