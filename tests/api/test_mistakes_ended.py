"""What a program does with a link, session or connection that has ended for good has no effect: that is a warning."""

import warnings

import pytest

from proton import Condition, Message
from proton.handlers import MessagingHandler
from tests.support.virtual import Peer, live

NAME = "amqp:not-allowed"


class Ends(Peer):
    """Ends what it is told to when the receiver of the client is there."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def on_link_opened(self, event):
        if event.link.is_sender:
            endpoint = {"link": event.link, "session": event.session, "connection": event.connection}.get(self.what)
            if endpoint is not None:
                endpoint.condition = Condition(NAME, "gone")
                endpoint.close()
            elif self.what == "transport":
                self.cut()


CALLS = {
    "Sender.send()": lambda client: client.sender.send(Message(body=1)),
    "a message's send": lambda client: Message(body=1).send(client.sender),
    "Receiver.flow()": lambda client: client.receiver.flow(1),
    "Receiver.drain()": lambda client: client.receiver.drain(1),
    "Session.open()": lambda client: client.connection.session().open(),
    "Session.sender": lambda client: client.session.sender("new").open(),
    "create_sender": lambda client: client.container.create_sender(client.connection, "new", name="new"),
    "create_receiver": lambda client: client.container.create_receiver(client.connection, "new", name="new"),
    "create_receiver in the session": lambda client: client.container.create_receiver(client.session, name="new"),
}
CALLED = {
    "a message's send": "Sender.send()",
    "Receiver.drain()": "Receiver.flow()",
    **dict.fromkeys(["Session.sender", "create_receiver in the session"], "open() of link 'new'"),
    **dict.fromkeys(["create_sender", "create_receiver"], "Session.open()"),
}
OF_LINKS = ["Sender.send()", "a message's send", "Receiver.flow()", "Receiver.drain()"]
OF_SESSIONS = [*OF_LINKS, "Session.sender", "create_receiver in the session"]


class Client(MessagingHandler):
    """Does something when what it needs has ended, in a callback or a little later."""

    def __init__(self, call, callback, here=False):
        super().__init__(prefetch=0)
        self.call = call
        self.here = here
        self.told = []
        self.done = False
        setattr(self, callback, self.act)

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect("here", reconnect=False)
        self.session = self.connection.session()
        self.session.open()
        self.sender = event.container.create_sender(self.session, "q")
        self.receiver = event.container.create_receiver(self.session, "q")

    def on_link_opened(self, event):
        if event.link is self.receiver and self.here:
            {"link": self.sender, "session": self.session, "connection": self.connection}[self.here].close()
            self.receiver.close()
            self.act(event)

    def on_link_error(self, event):
        pass

    on_session_error = on_connection_error = on_link_error

    def act(self, event):
        if not self.done:
            self.done = True
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                CALLS[self.call](self)
            self.told = [(str(warning.message), warning.filename) for warning in caught]


def told(call, ended, how):
    text = f" has no effect: the {ended} was {how}"
    texts = [CALLED.get(call, call) + text]
    if texts[0].startswith("Session.open()") and call != "Session.open()":
        texts.append("open() of link 'new'" + text)
    return [(text, __file__) for text in texts]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("callback", ["on_connection_error", "on_connection_closed", "on_transport_closed"])
def test_on_a_connection_that_the_peer_has_closed(call, callback):
    client = Client(call, callback)
    live(client, lambda number: Ends("connection"), 5.0)
    assert client.told == told(call, "connection", f"ended by the peer: {NAME}: gone")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("callback", ["on_gave_up", "on_connection_unbound"])
def test_on_a_connection_that_is_lost(call, callback):
    client = Client(call, callback)
    live(client, lambda number: Ends("transport"), 5.0)
    assert client.told == told(call, "connection", "lost: amqp:connection:framing-error: connection aborted")


@pytest.mark.parametrize("call", OF_SESSIONS)
@pytest.mark.parametrize("callback", ["on_session_error", "on_session_closed"])
def test_on_a_session_that_the_peer_has_ended(call, callback):
    client = Client(call, callback)
    live(client, lambda number: Ends("session"), 5.0)
    assert client.told == told(call, "session", f"ended by the peer: {NAME}: gone")


@pytest.mark.parametrize("call", OF_LINKS[2:])
@pytest.mark.parametrize("callback", ["on_link_error", "on_link_closed"])
def test_on_a_link_that_the_peer_has_detached(call, callback):
    client = Client(call, callback)
    live(client, lambda number: Ends("link"), 5.0)
    name = client.receiver.name
    assert client.told == told(call, f"link {name!r}", f"ended by the peer: {NAME}: gone")


@pytest.mark.parametrize(
    ("call", "ended"),
    [
        *((call, "link") for call in OF_LINKS[:2]),
        *((call, "session") for call in OF_SESSIONS[4:]),
        *((call, "connection") for call in list(CALLS)[4:]),
    ],
)
def test_on_what_the_program_has_closed(call, ended):
    client = Client(call, "on_nothing", here=ended)
    live(client, lambda number: Peer(), 5.0)
    what = f"link {client.sender.name!r}" if ended == "link" else ended
    assert client.told == told(call, what, "ended here")


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_said_while_it_goes_on(call):
    class Uses(Client):
        def on_link_opened(self, event):
            self.act(event)
            event.connection.close()

    client = Uses(call, "on_nothing")
    live(client, lambda number: Peer(), 5.0)
    assert client.done and client.told == []


def test_a_loss_after_which_it_is_made_again_is_not_an_end():
    class Uses(Client):
        def on_start(self, event):
            super().on_start(event)
            self.connection.reconnect_policy.reconnect = [0.1]

    client = Uses("Sender.send()", "on_disconnected")
    live(client, lambda number: Ends("transport") if number == 1 else Peer(), 5.0)
    assert client.done and client.told == []


def test_deliveries_may_be_answered_and_settled_at_any_time():
    class Receiving(Client):
        def on_link_opened(self, event):
            if event.link is self.receiver:
                self.delivery = self.sender.send(Message(body=1))

    client = Receiving("Receiver.flow()", "on_nothing")
    live(client, lambda number: Peer(), 5.0)
    client.connection.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.delivery.update(client.delivery.RELEASED)
        client.delivery.settle()
    assert client.delivery.link.unsettled == 0
