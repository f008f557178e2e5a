"""`Joined` with a handler of the test as the peer, which listens itself or is reached by any name; and mistakes."""

from __future__ import annotations

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.testing import Joined, VirtualClock

pytestmark = pytest.mark.usefixtures("nothing_of_the_system")


class Server(MessagingHandler):
    """Answers requests after some seconds."""

    def on_connection_opening(self, event):
        self.user = event.transport.user

    def on_message(self, event):
        message = event.message
        event.container.schedule(message.body, _Answer(event.connection, message))


class _Answer:
    def __init__(self, connection, request):
        self.connection, self.request = connection, request

    def on_timer_task(self, event):
        sender = event.container.create_sender(self.connection, self.request.reply_to)
        sender.send(Message(body=event.container.now, correlation_id=self.request.id))


class Asker(MessagingHandler):
    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.answers = []

    def on_start(self, event):
        connection = event.container.connect("amqp://server.example/asks", reconnect=False, **self.options)
        event.container.create_receiver(connection, "answers")
        self.sender = event.container.create_sender(connection, "asks")

    def on_sendable(self, event):
        for seconds in (5, 2.5):
            event.sender.send(Message(id=1, body=seconds, reply_to="answers"))
        self.on_sendable = lambda event: None

    def on_message(self, event):
        self.answers.append(event.message.body)
        if len(self.answers) == 2:
            event.connection.close()


def test_a_program_and_a_handler_as_its_peer():
    clock = VirtualClock(1000.0)
    program, peer = Asker(), Server()
    with Joined(program, peer, clock=clock) as joined:
        joined.advance(2)
        assert program.answers == []
        joined.run_until(lambda: joined.finished, "end of the program")
        assert program.answers == [1002.5, 1005.0]
        assert joined.elapsed == 5 and clock.now == 1005.0
        assert joined.container.container_id == "program"
        assert joined.peer_container.container_id == "peer"
        with pytest.raises(RuntimeError, match="there is no broker"):
            print(joined.broker)


def test_a_peer_with_users():
    program, peer = Asker(user="fred", password="secret"), Server()
    with Joined(program, peer, credentials={"fred": "secret"}, allow_insecure_mechs=True) as joined:
        joined.run_until(lambda: joined.finished)
        assert peer.user == "fred"
    with Joined(Asker(user="fred", password="wrong"), Server(), credentials={"fred": "secret"}) as joined:
        joined.run()
        assert joined.finished and joined.connects


class Listener(MessagingHandler):
    def __init__(self, place):
        super().__init__()
        self.place = place
        self.received = []

    def on_start(self, event):
        self.acceptor = event.container.listen(self.place)

    def on_message(self, event):
        self.received.append(event.message.body)


class Once(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, "x").send(Message(body=self.url))

    def on_settled(self, event):
        event.connection.close()


@pytest.mark.parametrize(
    "place, url, reached",
    [
        ("localhost:7000", "localhost:7000", True),
        ("127.0.0.1:7000", "localhost:7000", True),
        (":7000", "any.example:7000", True),
        ("0.0.0.0:7000", "localhost:7000", True),
        ("one.example:7000", "two.example:7000", False),
        ("localhost:7000", "localhost:7001", False),
    ],
)
def test_a_peer_that_listens_is_reached_where_it_does(place, url, reached):
    listener, program = Listener(place), Once(url)
    with Joined(program, listener) as joined:
        joined.run()
        assert listener.received == ([url] if reached else [])
        assert [each.connected for each in joined.connects] == [reached]
        assert joined.finished
        assert listener.acceptor.port == 7000
        listener.acceptor.close()
        joined.run()
        assert listener.acceptor.port == 0


def test_two_handlers_on_one_port_are_a_mistake():
    joined = Joined(Listener("localhost:7000"), Listener("localhost:7000"))
    with pytest.raises(OSError, match="cannot listen on localhost:7000"), joined:
        joined.run()


@pytest.mark.parametrize(
    "mistake, error, text",
    [
        (lambda: Joined(Listener("localhost:7000"), colour="red"), TypeError, "colour"),
        (lambda: Joined(Listener("localhost:7000"), Server(), colour="red"), TypeError, "colour"),
        (lambda: Joined(Listener("localhost:7000"), Server()).peer_container.broker, AttributeError, "broker"),
        (lambda: Joined(Listener("localhost:7000")).peer_container, RuntimeError, "the peer is a broker or a script"),
        (lambda: Joined(Server()).advance(-1), ValueError, "expected 0 seconds or more, got -1"),
        (
            lambda: Joined(Server()).run_until(lambda: False, "miracle"),
            TimeoutError,
            "expected miracle within 60.0 s",
        ),
        (lambda: Joined(Listener("localhost:7000")).broker.stop(), RuntimeError, "does not run"),
    ],
)
def test_mistakes(mistake, error, text):
    with pytest.raises(error, match=text):
        mistake()
