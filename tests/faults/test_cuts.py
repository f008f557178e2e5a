"""A connection that is cut, in order or not, at each stage of its life: what the program hears, and how it goes on."""

import pytest

from proton import ConnectionException, Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Backoff, Container, EventInjector
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.loops import SECONDS, in_thread, run, watchdog
from tests.support.proxy import DOWN, UP, Fault, Proxy
from tests.support.resending import Once, Resending
from tests.support.server import serving

OPENING = ["C connection_opened", "C session_opened", "C link_opened"]
LARGE = "x" * 100_000  # four frames
# A reset that a write has met is seen before the reason is known.
LOST = "disconnected: (Condition\\('amqp:connection:framing-error', '.*connection aborted.*'\\)|unknown)"
QUICKLY = Backoff(initial=0.01, max_delay=0.02)

#: where it is cut: the fault, and how many of the callbacks of `OPENING` the client has had by then
STAGES = {
    "before the SASL header": (Fault(frame="sasl header"), 0),
    "in the SASL header": (Fault(frame="sasl header", offset=5), 0),
    "before the mechanisms": (Fault(direction=DOWN, frame="mechanisms"), 0),
    "in the mechanisms": (Fault(direction=DOWN, frame="mechanisms", offset=9), 0),
    "before the outcome": (Fault(direction=DOWN, frame="outcome"), 0),
    "before our open": (Fault(frame="open"), 0),
    "after our open": (Fault(frame="open", offset=None), 0),
    "in the peer's open": (Fault(direction=DOWN, frame="open", offset=-1), 0),
    "after the peer's open": (Fault(direction=DOWN, frame="open", offset=None), 1),
    "before our begin": (Fault(frame="begin"), 0),
    "after the peer's begin": (Fault(direction=DOWN, frame="begin", offset=None), 2),
    "before our attach": (Fault(frame="attach"), 0),
    "in the peer's attach": (Fault(direction=DOWN, frame="attach", offset=10), 2),
    "after the peer's attach": (Fault(direction=DOWN, frame="attach", offset=None), 3),
    "before a transfer": (Fault(frame="transfer"), 3),
    "in a transfer": (Fault(frame="transfer", offset=1000), 3),
    "between the frames of a message": (Fault(frame="transfer", nth=3), 3),
    "after a message": (Fault(frame="transfer", nth=4, offset=None), 3),
    "with unsettled messages": (Fault(direction=DOWN, frame="disposition"), 3),
    "in a disposition": (Fault(direction=DOWN, frame="disposition", offset=12), 3),
    "after a disposition": (Fault(direction=DOWN, frame="disposition", offset=None), 3),
}
each_stage = pytest.mark.parametrize("stage", STAGES)
each_action = pytest.mark.parametrize("action", ["cut", "reset"])


def fault_of(stage, action="cut"):
    fault = STAGES[stage][0]
    return Fault(action, fault.direction, frame=fault.frame, nth=fault.nth, offset=fault.offset)


class Talk(Resending):
    """Sends through a proxy to itself."""

    def __init__(self, count=3, **options):
        super().__init__(None, count, LARGE, **options)
        self.once = Once()

    def through(self, *faults):
        """Runs to the end with these faults, one for each connection."""
        talk = self

        class Begin:
            def on_reactor_init(self, event):
                # Before the sender's `on_start`: it needs to know where to connect to.
                talk.acceptor = event.container.listen("127.0.0.1:0")
                talk.proxy = Proxy(talk.acceptor.port, faults)
                talk.proxy.__enter__()
                talk.url = talk.proxy.url

        try:
            run(Begin(), self)
        finally:
            self.proxy.__exit__(None, None, None)
        return self.proxy

    def on_message(self, event):
        self.once.take(event.message)

    def done(self, event):
        super().done(event)
        self.acceptor.close()

    def of(self, side):
        """The callbacks of one side without those that come as often as they like."""
        return [call for call in self.calls if call[0] == side and call[2:] not in ("sendable", "accepted", "settled")]


@each_stage
@each_action
def test_a_cut_connection_comes_back_and_nothing_is_lost(stage, action):
    talk = Talk()
    proxy = talk.through(fault_of(stage, action))
    assert proxy.harmed == 1 and proxy.connections == 2
    assert talk.once.numbers == talk.accepted == {0, 1, 2}
    calls = talk.of("C")
    if action == "reset":
        # What had come is thrown away by the system, unless it was read at once.
        first = calls.index("C disconnected")
        assert calls[:first] in ([*OPENING[:n], *end] for n in range(4) for end in ([], ["C transport_error"]))
        calls = [*OPENING[: STAGES[stage][1]], *(call for call in calls[first:] if call != "C transport_error")]
    opened = OPENING[: STAGES[stage][1]]
    assert calls == [*opened, "C disconnected", *OPENING, "C connection_closed"]
    assert [error.name for error in talk.errors].count("amqp:connection:framing-error") == len(talk.errors)
    assert talk.connection.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


@each_stage
def test_without_reconnection_the_run_ends(stage):
    talk = Talk(reconnect=False)
    inner = talk.on_disconnected

    def on_disconnected(event):
        inner(event)
        talk.acceptor.close()

    talk.on_disconnected = on_disconnected
    proxy = talk.through(fault_of(stage))
    assert proxy.connections == 1
    assert talk.of("C") == [*OPENING[: STAGES[stage][1]], "C disconnected"]
    # Neither end has closed it: a program that wants to knows this from the disconnection alone.
    assert talk.connection.state & Endpoint.LOCAL_ACTIVE
    aborted = [error for error in talk.errors if "connection aborted" in error.description]
    assert aborted == talk.errors != []


@each_stage
def test_a_close_when_it_is_disconnected_ends_the_run(stage):
    talk = Talk()

    def on_disconnected(event):
        talk.calls.append(f"{'S' if event.connection is not talk.connection else 'C'} disconnected")
        if event.connection is talk.connection:
            event.connection.close()
            talk.acceptor.close()

    talk.on_disconnected = on_disconnected
    proxy = talk.through(fault_of(stage))
    assert proxy.connections == 1
    assert talk.of("C").count("C disconnected") == 1 and "C connection_closed" not in talk.calls
    assert talk.connection.state & Endpoint.LOCAL_CLOSED


class Broken(Exception):
    pass


@pytest.mark.parametrize("callback", ["on_disconnected", "on_transport_error"])
def test_a_handler_that_fails_at_a_loss_leaves_a_container_that_goes_on(callback):
    """The exception leaves `process`; the event comes again with the next one, and the connection with it."""
    talk = Talk()
    inner = getattr(talk, callback)
    failures = []

    def fails_once(event):
        if not failures:
            failures.append(callback)
            raise Broken(callback)
        inner(event)

    setattr(talk, callback, fails_once)
    container = Container(talk)
    talk.acceptor = container.listen("127.0.0.1:0")
    with Proxy(talk.acceptor.port, [fault_of("in a transfer", "cut")]) as proxy, watchdog(container):
        talk.url = proxy.url
        container.timeout = 1
        container.start()
        raised = 0
        busy = True
        while busy and not container._stopped:
            try:
                busy = container.process()
            except Broken:
                raised += 1
        container.process()
    assert raised == 1 and talk.accepted == {0, 1, 2}
    assert talk.calls[-1] in ("C connection_closed", "- transport_error")


def test_requests_go_on_after_a_cut():
    class Answers(MessagingHandler):
        """Answers each request on a link to the dynamic address that the client was given."""

        def __init__(self):
            super().__init__()
            self.replies = {}

        def on_link_opening(self, event):
            link = event.link
            if link.is_sender:
                link.source.address = f"reply-{len(self.replies)}"
                self.replies[link.source.address] = link
            else:
                link.target.address = link.remote_target.address

        def on_message(self, event):
            request = event.message
            reply = Message(correlation_id=request.correlation_id, body=request.body.upper())
            self.replies[request.reply_to].send(reply)

        def on_transport_error(self, event):
            pass

    answers = Answers()
    listening = Container(answers)
    acceptor = listening.listen("127.0.0.1:0")
    injector = EventInjector()
    listening.selectable(injector)
    answers.on_quit = lambda event: (acceptor.close(), injector.close())
    faults = [Fault("cut", DOWN, frame="transfer", nth=2, offset=None), Fault(frame="transfer", nth=2)]
    with in_thread(listening), Proxy(acceptor.port, faults) as proxy:
        connection = BlockingConnection(proxy.url, reconnect=QUICKLY, timeout=SECONDS)
        client = SyncRequestResponse(connection, "service")
        addresses = {client.reply_to}
        answered = 0
        while answered < 6:
            try:
                assert client.call(Message(body=f"request {answered}")).body == f"REQUEST {answered}"
                answered += 1
            except ConnectionException:
                pass
            addresses.add(client.reply_to)
        connection.close()
        injector.trigger(ApplicationEvent("quit"))
    assert proxy.harmed == 2
    assert len(addresses) == 3, "each connection gives another address to answer to"


@pytest.mark.parametrize(
    ("fault", "server"),
    [
        (Fault(frame="close"), ["S disconnected"]),
        (Fault(frame="close", offset=6), ["S disconnected"]),
        (Fault(frame="close", offset=None), ["S connection_closing", "S connection_closed"]),
        (Fault(direction=DOWN, frame="close"), ["S connection_closing", "S connection_closed"]),
        (Fault(direction=DOWN, frame="close", offset=None), ["S connection_closing", "S connection_closed"]),
    ],
    ids=["before our close", "in our close", "after our close", "before the answer", "after the answer"],
)
@each_action
def test_a_cut_while_closing_ends_the_connection(fault, server, action):
    talk = Talk()
    proxy = talk.through(Fault(action, fault.direction, frame="close", offset=fault.offset))
    assert proxy.connections == 1, "what is closed is not made again"
    assert talk.of("C")[:3] == OPENING
    # A reset takes with it what was on its way.
    answered = ["C connection_closed"] if fault.direction == DOWN and fault.offset is None else []
    closing = [call for call in talk.of("C")[3:] if call != "C transport_error"]
    assert closing == answered or (action == "reset" and closing == [])
    ends = [call for call in talk.of("S")[6:] if call not in ("S message", "S transport_error")]
    assert ends == server or (action == "reset" and ends == ["S disconnected"])


def test_cut_again_and_again_while_it_backs_off():
    talk = Talk(reconnect=QUICKLY)
    proxy = talk.through(
        Fault(after=0), Fault("reset", after=0), Fault(after=3), Fault("reset", DOWN, after=8), Fault(after=40)
    )
    assert proxy.connections == 6
    assert talk.accepted == {0, 1, 2}
    calls = [call for call in talk.of("C") if call != "C transport_error"]
    assert calls == ["C disconnected", *OPENING, "C connection_closed"]


def test_closing_while_it_backs_off_ends_the_run_at_once():
    talk = Talk(reconnect=[0, 0, 1000])
    attempts = []

    class Closing:
        def on_transport_closed(self, event):
            if event.connection is talk.connection:
                attempts.append(event.transport)
                if len(attempts) == 2:
                    event.container.schedule(0, self)

        def on_timer_task(self, event):
            talk.acceptor.close()
            talk.connection.close()

    talk.add(Closing())
    # The limit of the run is much shorter than the delay.
    proxy = talk.through(Fault(after=0), Fault(after=0))
    assert proxy.connections == 2
    assert talk.of("C") == ["C disconnected"]
    assert talk.connection.state & Endpoint.LOCAL_CLOSED


def test_a_server_forgets_clients_that_were_cut_off_before_opening():
    talk = Talk(count=1, reconnect=QUICKLY)
    talk.through(*[Fault(direction=UP, after=size) for size in (1, 8, 20, 50)])
    server = talk.of("S")
    assert server.count("S connection_opening") == 1
    assert "S disconnected" not in server
    assert talk.errors and all(error.name == "amqp:connection:framing-error" for error in talk.errors)


@each_stage
@each_action
def test_blocking_without_reconnection(stage, action):
    with serving() as server, Proxy(server.port, [fault_of(stage, action)]) as proxy:
        with pytest.raises(ConnectionException, match=LOST):
            connection = BlockingConnection(proxy.url, timeout=SECONDS)
            try:
                sender = connection.create_sender("q")
                for number in range(3):
                    sender.send(Message(id=number, body=LARGE))
            finally:
                connection.close()
        assert proxy.connections == 1


@each_stage
@pytest.mark.parametrize("how", ["reconnect", "urls"])
def test_blocking_with_somewhere_to_go(stage, how):
    with serving() as server, Proxy(server.port, [fault_of(stage)]) as proxy:
        place = {"url": proxy.url, "reconnect": Backoff()} if how == "reconnect" else {"urls": [proxy.url, server.url]}
        connection = BlockingConnection(timeout=SECONDS, **place)
        sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
        failures = 0
        for number in range(3):
            while True:
                try:
                    sender.send(Message(id=number, body=LARGE))
                    break
                except ConnectionException:
                    failures += 1
        assert failures <= 1 and proxy.harmed == 1
        # Sent again when it was in doubt: at least once, and in order.
        received = [receiver.receive().id for _ in range(len(server.queues.get("q", [])) and 3)]
        assert sender.link.unsettled == 0
        assert server.connections + (STAGES[stage][1] == 0) >= 2
        assert sorted(set(received)) == received or failures
        connection.close()


def test_a_stage_is_where_it_says():
    """The proxy strikes where it is told to: what has passed ends there."""
    talk = Talk(count=1, reconnect=QUICKLY)
    proxy = talk.through(Fault(after=8), Fault(frame="open"), Fault(direction=DOWN, after=30))
    assert proxy.harmed == 3
    # The server's answer may be on its way back when the cut comes, or not.
    assert talk.errors[0].name == "amqp:connection:framing-error"
    assert talk.errors[0].description in (
        "Expected SASL protocol header: no protocol header found (connection aborted)",
        "connection aborted",
    )
