"""What programs in use do with the package: none of it is documented, and all of it has to go on working."""

import socket

import pytest

import proton.reactor
from proton import Endpoint, Message
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from tests.support.engines import linked


class Own:
    """Anything that a program hangs somewhere."""


def test_attributes_of_the_program_stay_on_containers_and_endpoints():
    a, b, sender, receiver = linked()
    delivery = sender.send(Message(body=1))
    container = Container()
    holders = [container, a.connection, sender.session, sender, receiver, delivery, a.transport, a.collector]
    holders += [Message(), MessagingHandler(), container.connect("h")]
    for holder in holders:
        holder.own = own = Own()
        assert holder.own is own


class Client(MessagingHandler):
    """Sends one message to itself, and notes what it sees."""

    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.seen = []

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.url = f"127.0.0.1:{self.acceptor.port}"
        self.connection = event.container.connect(self.url)
        self.sender = event.container.create_sender(self.connection, "a", **self.options)

    def on_sendable(self, event):
        if event.sender is self.sender and "sent" not in self.seen:
            self.seen.append("sent")
            event.sender.send(Message(body=1))

    def on_message(self, event):
        self.seen.append(event.message.body)

    def on_settled(self, event):
        if event.sender is not None:
            self.end(event)

    def end(self, event):
        self.connection.close()
        self.acceptor.close()


def test_the_container_is_the_reactor_of_an_event():
    class Program(Client):
        def on_message(self, event):
            super().on_message(event)
            assert event.reactor is event.container is container

    program = Program()
    container = Container(program)
    container.run()
    assert program.seen == ["sent", 1]


def test_a_session_policy_of_the_program_makes_the_sessions_of_links():
    class Each:
        def __init__(self):
            self.made = []

        def session(self, connection):
            session = connection.session()
            session.open()
            self.made.append(session)
            return session

    container, policy = Container(), Each()
    connection = container.connect("h")
    connection._session_policy = policy
    links = [container.create_sender(connection, "a"), container.create_receiver(connection, "b")]
    assert [link.session for link in links] == policy.made and len(policy.made) == 2


def test_a_container_sets_its_handler_itself():
    class Program(Container):
        def __init__(self, handler):
            super().__init__()
            self._handler = handler

    client = Client()
    Program(client).run()
    assert client.seen == ["sent", 1]


def test_a_container_overrides_run():
    class Program(Container):
        def run(self):
            self.timeout = 3.14
            self.start()
            self.turns = 0
            while self.process():
                self.turns += 1
            self.stop()
            self.process()

    client = Client()
    program = Program(client)
    program.run()
    assert client.seen == ["sent", 1] and program.turns > 0


def test_a_link_has_a_handler_of_its_own():
    class OfLink(MessagingHandler):
        def __init__(self, program):
            super().__init__()
            self.program = program

        def on_sendable(self, event):
            if not self.program.seen:
                self.program.seen.append("of the link")
                event.sender.send(Message(body=2))

        def on_settled(self, event):
            self.program.end(event)

    class Program(Client):
        def __init__(self):
            super().__init__(handler=OfLink(self))

    program = Program()
    Container(program).run()
    assert program.seen == ["of the link", 2]


@pytest.mark.parametrize("base", [object, MessagingHandler], ids=lambda base: base.__name__)
def test_what_has_no_method_of_its_own_comes_to_on_unhandled(base):
    class Program(base):
        def __init__(self):
            super().__init__()
            self.names = []

        def on_unhandled(self, name, event):
            assert event.type.method == name or base is MessagingHandler
            self.names.append(name)

    program = Program()
    container = Container(program)
    container.schedule(0, None)
    container.run()
    assert "on_timer_task" in program.names and "on_reactor_quiesced" in program.names


def test_the_loop_can_be_stepped_and_left():
    client = Client()
    container = Container(client)
    container.timeout = 3.14
    container.start()
    assert not container.quiesced  # the first event waits
    container.yield_()
    assert container.process() and not container.quiesced  # left before it
    steps = 0
    while container.process():
        steps += 1
        assert container.quiesced or client.seen is not None
    assert client.seen == ["sent", 1] and steps > 1


def test_a_selectable_has_a_deadline():
    class Watch:
        def __init__(self):
            self.ends = socket.socketpair()
            self.expired = 0

        def fileno(self):
            return self.ends[0].fileno()

        def close(self):
            for end in self.ends:
                end.close()

        def on_reactor_init(self, event):
            self.selectable = event.reactor.selectable(self)
            self.selectable.deadline = event.reactor.now
            event.reactor.update(self.selectable)

        def on_selectable_expired(self, event):
            assert event.context is self.selectable
            self.expired += 1
            self.selectable.deadline = None
            self.selectable.terminate()
            event.reactor.update(self.selectable)

    watch = Watch()
    Container(watch).run()
    assert watch.expired == 1


def test_a_subclass_of_backoff_decides_the_delays():
    class Twice(Backoff):
        begun = 0

        def __iter__(self):
            self.begun += 1
            return iter([0, 0])

    class Program(MessagingHandler):
        failures = 0

        def on_start(self, event):
            with socket.create_server(("127.0.0.1", 0)) as closed:
                self.url = f"127.0.0.1:{closed.getsockname()[1]}"
            event.container.connect(self.url, reconnect=backoff)

        def on_transport_error(self, event):
            self.failures += 1

    backoff, program = Twice(max_tries=1), Program()
    Container(program).run()
    assert backoff.begun and program.failures == 2


def test_states_compare_with_numbers():
    connection = linked()[0].connection
    assert (connection.state != 18) is False
    assert connection.state == 18 == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
    assert connection.state & Endpoint.REMOTE_ACTIVE == 16


def test_the_name_of_a_container_is_set_after_it_was_made():
    container = Container()
    container.container_id = "later"
    connection = container.connect("h")
    assert connection.container == "later"
    assert container.create_sender(connection, "a").name == "later-a"


def test_everything_is_imported_at_once():
    names = {}
    exec("from proton.reactor import *", names)
    assert set(proton.reactor.__all__) <= set(names) and names["Container"] is Container
    exec("from proton.handlers import *", names)
    exec("from proton.utils import *", names)
    exec("from proton import *", names)
    assert names["MessagingHandler"] is MessagingHandler and names["Message"] is Message
