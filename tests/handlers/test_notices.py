"""A connection that ends with messages left, and a filter that the peer does not apply, are warnings."""

import contextlib
import logging

import pytest

from proton import Condition, Data, Message, Timeout, symbol
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Filter, Selector
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.loops import run
from tests.support.programs import free_port
from tests.support.server import serving


class Server(MessagingHandler):
    """Takes links as they are asked for; gives credit, messages and answers as a test wants them."""

    def __init__(self, credit=10, answers=False, ends=None, messages=0, filters=lambda source, wanted: None):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False)
        self.credit, self.answers, self.ends, self.messages, self.filters = credit, answers, ends, messages, filters
        self.received = 0

    def on_link_opening(self, event):
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.source.filter.clear()
        self.filters(link.source, link.remote_source)
        if link.is_receiver:
            link.flow(self.credit)

    def on_sendable(self, event):
        while self.messages:
            self.messages -= 1
            event.sender.send(Message(body=self.messages))

    def on_message(self, event):
        self.received += 1
        if self.answers:
            self.accept(event.delivery)
        if self.ends:
            self.ends(event)


class Client(MessagingHandler):
    """Sends or receives some messages and closes the connection when `done` says so."""

    reconnect = False

    def __init__(self, server, sends=0, receives=0, done="sent", options=None, **settings):
        super().__init__(**settings)
        self.server, self.sends, self.receives, self.done, self.options = server, sends, receives, done, options
        self.counts = {"sent": 0, "accepted": 0, "received": 0}

    def on_start(self, event):
        self.acceptor = event.container.acceptor("127.0.0.1", 0, self.server)
        self.port = self.acceptor.port
        connection = event.container.connect(
            f"amqp://me:secret@127.0.0.1:{self.port}",
            handler=self,
            reconnect=self.reconnect,
            allowed_mechs="ANONYMOUS",
        )
        if self.receives:
            event.container.create_receiver(connection, "q", options=self.options)
        else:
            event.container.create_sender(connection, "q", options=self.options)

    def count(self, event, what, most):
        self.counts[what] += 1
        if what == self.done and self.counts[what] == most:
            event.connection.close()

    def on_link_opened(self, event):
        if event.link.is_sender:
            for number in range(self.sends):
                event.link.send(Message(body=number))
                self.count(event, "sent", self.sends)

    def on_accepted(self, event):
        self.count(event, "accepted", self.sends)

    def on_message(self, event):
        self.count(event, "received", self.receives)

    def on_connection_closed(self, event):
        self.acceptor.close()

    on_disconnected = on_connection_closed


def die(event):
    event.connection.condition = Condition("x:y", "no more")
    event.connection.close()


def vanish(event):
    event.transport.close_head()
    event.transport.close_tail()


LEFT = [
    ("nothing was sent for want of credit", {"credit": 0}, {"sends": 3}, "closed with 3 messages unsent"),
    ("one is without an outcome", {}, {"sends": 1}, "closed with 1 message sent without an outcome"),
    (
        "the credit was too small",
        {"credit": 2},
        {"sends": 5},
        "closed with 3 messages unsent, 2 messages sent without an outcome",
    ),
    ("all have gone out settled", {}, {"sends": 3, "options": AtMostOnce()}, None),
    ("all were accepted", {"answers": True}, {"sends": 3, "done": "accepted"}, None),
    ("accepted, and kept unsettled", {"answers": True}, {"sends": 3, "done": "accepted", "auto_settle": False}, None),
    ("all were accepted by us", {"messages": 3}, {"receives": 3, "done": "received"}, None),
    (
        "none was accepted by us",
        {"messages": 3},
        {"receives": 3, "done": "received", "auto_accept": False},
        "closed with 3 messages received and not settled",
    ),
    ("the peer closes", {"ends": die}, {"sends": 1, "done": None}, "closed with 1 message sent without an outcome"),
    ("the peer has gone", {"ends": vanish}, {"sends": 1, "done": None}, "lost with 1 message sent without an outcome"),
]


@pytest.mark.parametrize(("server", "client", "expected"), [row[1:] for row in LEFT], ids=[row[0] for row in LEFT])
def test_a_connection_that_ends_with_messages_left_says_how_many(server, client, expected, caplog):
    client = Client(Server(**server), **client)
    run(client)
    place = f"Connection to amqp://me@127.0.0.1:{client.port} "
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in told if text.startswith(place) and "message" in text] == (
        [place + expected] if expected else []
    )


def test_a_connection_that_was_never_made_says_what_has_not_left(caplog):
    class Hurried(MessagingHandler):
        def on_start(self, event):
            connection = event.container.connect(f"127.0.0.1:{port}", reconnect=[0, 100])
            event.container.create_sender(connection, "q").send(Message())

        def on_transport_error(self, event):
            event.connection.close()

    port = free_port()
    run(Hurried())
    assert f"Connection to amqp://127.0.0.1:{port} closed with 1 message unsent" in caplog.messages


def test_what_was_sent_over_an_earlier_transport_counts_no_more_when_a_connection_closes(caplog):
    """`on_disconnected` has told of it, and the program has sent it again."""

    class Resending(Client):
        reconnect = (0, 0)
        lost = False

        def on_link_opened(self, event):
            super().on_link_opened(event)
            if not self.lost:
                self.lost, self.counts["sent"] = True, 0
                event.transport.close_head()
                event.transport.close_tail()

        def on_disconnected(self, event):
            if event.connection.state & event.connection.LOCAL_CLOSED:
                self.acceptor.close()

    client = Resending(Server(answers=True), sends=3, done="accepted")
    run(client)
    assert not [text for text in caplog.messages if "without an outcome" in text]


def test_a_connection_that_was_given_up_says_what_is_left(caplog):
    class Hopeful(MessagingHandler):
        def on_start(self, event):
            connection = event.container.connect(f"127.0.0.1:{port}", reconnect=[0, 0])
            event.container.create_sender(connection, "q").send(Message())

    port = free_port()
    run(Hopeful())
    assert f"Connection to amqp://127.0.0.1:{port} lost with 1 message unsent" in caplog.messages


def test_a_server_tells_what_it_leaves_itself_and_not_what_its_clients_leave(caplog):
    """The unsettled deliveries of the client above are the server's, too; only the first to close says so."""

    class Leaver(Server):
        def on_link_opened(self, event):
            event.link.send(Message())
            event.connection.close()

    class Consumer(Client):
        def on_connection_closing(self, event):
            pass

    client = Consumer(Leaver(), receives=1, done=None)
    run(client)
    (text,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert text.startswith("Connection to amqp://127.0.0.1:") and text.endswith(
        " closed with 1 message sent without an outcome"
    )


def test_a_blocking_connection_says_what_was_left_by_a_time_out(caplog):
    with Broker() as broker, contextlib.closing(BlockingConnection(broker.url, timeout=20)) as connection:
        receiver = connection.create_receiver("r", credit=5)
        sender = connection.create_sender("r")
        for number in range(3):
            sender.send(Message(body=number))
        receiver.receive()
        receiver.receive()
        receiver.accept()
        broker.answer_next("none")
        with pytest.raises(Timeout):
            sender.send(Message(), timeout=0.05)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        f"Connection to {broker.url} closed with 1 message sent without an outcome, 1 message received and not settled"
    ]


def keep(*names):
    """A peer that applies the filters with these names alone."""

    def apply(source, wanted):
        tree = Data()
        tree.copy(wanted.filter)
        tree.rewind()
        tree.next()
        source.filter.put_object({key: value for key, value in tree.get_object().items() if key in names})

    return apply


def nothing(source, wanted):
    pass


def refuse(source, wanted):
    source.type = source.UNSPECIFIED


TWO = Filter({symbol("no\nlocal"): "x", symbol("jms"): "y"})
FILTERS = [
    (nothing, Selector("a = 1"), "filter 'selector'"),
    (keep(), Selector("a = 1"), "filter 'selector'"),
    (keep("selector"), Selector("a = 1"), None),
    (keep("jms"), TWO, "filter 'no\\\\nlocal'"),
    (nothing, TWO, "filters 'jms', 'no\\\\nlocal'"),
    (keep("jms", "no\nlocal"), TWO, None),
    (nothing, None, None),
    (refuse, Selector("a = 1"), None),
]


@pytest.mark.parametrize(("filters", "option", "expected"), FILTERS)
def test_a_filter_that_is_missing_in_the_answer_is_named(filters, option, expected, caplog):
    client = Client(Server(messages=1, filters=filters), receives=1, done="received", options=option)
    run(client)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if expected is None:
        assert told == []
        return
    (text,) = told
    assert text.startswith(f"The peer at amqp://me@127.0.0.1:{client.port} does not apply {expected} of receiver ")
    assert text.endswith(": missing in its attach for 'q'")


def test_the_blocking_interface_tells_of_filters_too(caplog):
    with serving() as server, contextlib.closing(BlockingConnection(server.url, timeout=20)) as connection:
        connection.create_receiver("q", name="mine", options=Selector("a = 1"))
    assert caplog.messages[-1] == (
        f"The peer at amqp://{server.url} does not apply filter 'selector' of receiver mine: "
        "missing in its attach for 'q'"
    )
