"""Peers that say no, in every way there is: to a link, to a session, to a connection, politely or not."""

import contextlib

import pytest

from proton import Condition, ConnectionException, Endpoint, LinkException, Message
from proton.reactor import Backoff, Container
from proton.testing import Broker
from proton.utils import BlockingConnection, ConnectionClosed, LinkDetached
from tests.support.engines import frame, state
from tests.support.loops import SECONDS, Recorder, authenticate, peer, read_to_end, receive_frame, watchdog
from tests.support.proxy import DOWN, UP, Fault, Proxy
from tests.support.resending import Once, Resending

OPENING = ["C connection_opened", "C session_opened", "C link_opened"]
FORCED = "amqp:connection:forced"


def error(name, description=None):
    return state(0x1D, name, description)


def until(sock, code):
    """Reads frames up to one with this descriptor."""
    while True:
        body = receive_frame(sock)
        if body and body[2] == code:
            return


def begin_and_attach(sock):
    authenticate(sock)
    until(sock, 0x12)
    sock.sendall(frame(0, "begin", remote_channel=0, next_outgoing_id=0, incoming_window=100, outgoing_window=100))


def answer_close(sock):
    until(sock, 0x18)
    sock.sendall(frame(0, "close"))
    read_to_end(sock)


def refuses_links(name, description=None):
    """Attaches with a null terminus, as one that is refused has it (2.6.3), and detaches with an error."""

    def conversation(sock):
        begin_and_attach(sock)
        sock.sendall(
            frame(0, "attach", name="L", handle=0, role=True, source=None, target=None)
            + frame(0, "detach", handle=0, closed=True, error=error(name, description))
        )
        answer_close(sock)

    return conversation


def ends_sessions(with_error):
    def conversation(sock):
        authenticate(sock)
        until(sock, 0x11)
        sock.sendall(
            frame(0, "begin", remote_channel=0, next_outgoing_id=0, incoming_window=100, outgoing_window=100)
            + frame(0, "end", error=error("amqp:not-allowed", "no sessions today") if with_error else None)
        )
        answer_close(sock)

    return conversation


def closes(*with_error, attach=False):
    def conversation(sock):
        authenticate(sock)
        if attach:
            begin = {"next_outgoing_id": 0, "incoming_window": 100, "outgoing_window": 100}
            until(sock, 0x12)
            sock.sendall(
                frame(0, "begin", remote_channel=0, **begin)
                + frame(0, "attach", name="L", handle=0, role=True, source=state(0x28), target=state(0x29))
            )
        sock.sendall(frame(0, "close", error=error(*with_error) if with_error else None))
        read_to_end(sock)

    return conversation


class Client(Recorder):
    """Makes one sender named L, and closes when that was refused without its doing so."""

    def __init__(self, url, **options):
        super().__init__()
        self.url, self.options = url, options
        self.failures = []

    def on_start(self, event):
        self.connection = event.container.connect(self.url, **self.options)
        self.sender = event.container.create_sender(self.connection, "q", name="L")

    def on_link_error(self, event):
        self.failures.append(event.link.remote_condition)
        assert event.link.remote_target.address is None
        super().on_link_error(event)

    def on_session_error(self, event):
        self.failures.append(event.session.remote_condition)
        super().on_session_error(event)

    def on_session_closing(self, event):
        event.connection.close()

    def on_connection_error(self, event):
        self.failures.append(event.connection.remote_condition)


def talk(conversation, handler=Client, **options):
    with peer(*(conversation if isinstance(conversation, list) else [conversation])) as place:
        client = handler(place.url, **options)
        container = Container(client)
        with watchdog(container):
            container.run()
    return client


@pytest.mark.parametrize("description", [None, "no such node"])
def test_a_refused_link_opens_and_fails_and_the_connection_closes(description):
    client = talk(refuses_links("amqp:not-found", description))
    assert client.calls == [*OPENING, "C link_error", "C link_closed", "C connection_closed"]
    assert client.failures == [Condition("amqp:not-found", description)]


def test_a_program_may_live_with_a_refused_link():
    class Living(Client):
        def on_link_error(self, event):
            self.failures.append(event.link.remote_condition)
            # Something else to do on this connection, which is as good as before.
            event.connection.close()

    client = talk(refuses_links("amqp:unauthorized-access"), Living)
    # The name that is fatal for a transport says nothing here but that this link is not to be had.
    assert client.calls == [*OPENING, "C link_error", "C link_closed", "C connection_closed"]


@pytest.mark.parametrize("with_error", [True, False])
def test_a_refused_session(with_error):
    client = talk(ends_sessions(with_error))
    closing = ["C session_error"] if with_error else ["C session_closing"]
    # The link is told its end too, which it was not before: nothing will come for it.
    assert client.calls == [*OPENING[:2], *closing, "C session_closed", "C link_closed", "C connection_closed"]
    assert client.failures == ([Condition("amqp:not-allowed", "no sessions today")] if with_error else [])


@pytest.mark.parametrize("attach", [False, True], ids=["after open", "after attach"])
def test_a_connection_closed_without_an_error_is_not_made_again(attach):
    client = talk(closes(attach=attach))
    assert client.calls == [*OPENING[: 3 if attach else 1], "C connection_closing", "C connection_closed"]
    assert client.connection.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


@pytest.mark.parametrize("attach", [False, True], ids=["after open", "after attach"])
@pytest.mark.parametrize("name", ["amqp:not-found", "amqp:unauthorized-access", "x:y"])
def test_a_connection_closed_with_an_error_is_not_made_again(name, attach):
    client = talk(closes(name, "why", attach=attach))
    assert client.calls == [*OPENING[: 3 if attach else 1], "C connection_error", "C connection_closed"]
    assert client.failures == [Condition(name, "why")]


@pytest.mark.parametrize("name", [FORCED, "amqp:internal-error"])
def test_stopped_in_order_again_and_again_it_comes_back_each_time(name):
    # `amqp:internal-error` ended it before: a broker that is stopped for an upgrade gives that as its reason.
    class Back(Client):
        def on_connection_opened(self, event):
            self.calls.append(f"to {event.connection.url.host}")

    client = talk([closes(name)] * 4 + [closes()], Back, reconnect=Backoff(initial=0.01))
    once = ["C connection_opened", "to 127.0.0.1", "C connection_error", "C disconnected"]
    assert client.calls == once * 4 + [*once[:2], "C connection_closing", "C connection_closed"]


@contextlib.contextmanager
def blocking(conversation, **options):
    with peer(*(conversation if isinstance(conversation, list) else [conversation])) as place:
        connection = BlockingConnection(place.url, timeout=SECONDS, **options)
        try:
            yield connection
        finally:
            connection.close()


def test_blocking_a_refused_link():
    with blocking(refuses_links("amqp:not-found", "no such node")) as connection:
        with pytest.raises(LinkDetached, match="due to: Condition.'amqp:not-found', 'no such node'") as info:
            connection.create_sender("q", name="L")
        assert isinstance(info.value, LinkException)
        assert info.value.condition == "amqp:not-found"


@pytest.mark.parametrize("with_error", [True, False])
def test_blocking_a_refused_session(with_error):
    with blocking(ends_sessions(with_error)) as connection:
        # It was `Timeout` after the whole time, before: nothing could come any more.
        text = "due to: Condition.'amqp:not-allowed', 'no sessions today'" if with_error else "by peer"
        with pytest.raises(LinkDetached, match=text):
            connection.create_sender("q")


@pytest.mark.parametrize(
    ("with_error", "options"),
    [
        ((), {}),
        (("x:y", "why"), {}),
        ((FORCED, "why"), {}),
        ((), {"reconnect": Backoff()}),
        (("x:y", "why"), {"reconnect": Backoff()}),
    ],
)
def test_blocking_a_closed_connection(with_error, options):
    text = "due to: Condition.'{}', 'why'".format(*with_error) if with_error else "by peer"
    conversation = closes(*with_error, attach=True)
    with pytest.raises(ConnectionClosed, match=text) as info, blocking(conversation, **options) as connection:
        sender = connection.create_sender("q", name="L")
        sender.send(Message())
    assert isinstance(info.value, ConnectionException)
    assert info.value.condition == (with_error[0] if with_error else None)


def test_blocking_goes_on_after_a_forced_close():
    with Broker() as broker:
        connection = BlockingConnection(broker.url, reconnect=Backoff(), timeout=SECONDS)
        sender = connection.create_sender("q")
        for _ in range(3):
            broker.close_connections("amqp:connection:forced", "maintenance")
            connection.wait(lambda: connection.disconnected)
            assert sender.send(Message()).settled
        assert len(broker.seen.connections) == 4
        connection.close()


class Halved(Resending):
    """Sends to itself through a proxy that ends one direction and leaves the other one."""

    def __init__(self, fault):
        super().__init__(None, 3, "x" * 100_000)
        self.fault = fault
        self.once = Once()

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.proxy = Proxy(self.acceptor.port, [self.fault])
        self.proxy.__enter__()
        self.url = self.proxy.url
        super().on_start(event)

    def on_message(self, event):
        self.once.take(event.message)

    def done(self, event):
        super().done(event)
        self.acceptor.close()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("half", UP, frame="open", offset=None),
        Fault("half", UP, frame="attach", offset=None),
        Fault("half", UP, frame="transfer", offset=50),
        Fault("half", DOWN, frame="open", offset=None),
        Fault("half", DOWN, frame="attach"),
        Fault("half", DOWN, frame="disposition"),
    ],
    ids=lambda fault: f"{fault.direction} {fault.frame}",
)
def test_one_direction_that_ends_ends_both(fault):
    halved = Halved(fault)
    container = Container(halved)
    try:
        with watchdog(container):
            container.run()
    finally:
        halved.proxy.__exit__(None, None, None)
    assert halved.proxy.connections == 2
    assert halved.once.numbers == halved.accepted == {0, 1, 2}
    calls = [call for call in halved.calls if call[2:] not in ("sendable", "accepted", "settled", "message")]
    client = [call for call in calls if call[0] == "C" and call != "C transport_error"]
    lost = client.index("C disconnected")
    assert client[lost:] == ["C disconnected", *OPENING, "C connection_closed"]
