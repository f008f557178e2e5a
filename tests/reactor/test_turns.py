"""Turns of the loop: the events that they have are for those handlers alone that have a method for them."""

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

OF_TURNS = ["on_reactor_quiesced", "on_selectable_readable", "on_selectable_writable"]
MESSAGES = 5


class Program(MessagingHandler):
    """Sends itself messages, and notes all that the two ends of its connection hear of."""

    def __init__(self):
        super().__init__(prefetch=2)
        self.sent = 0
        self.accepted = 0
        self.trace = []

    def on_start(self, event):
        acceptor = self.acceptor = event.container.acceptor("127.0.0.1", 0, handler=Tracing(self))
        connection = event.container.connect(f"127.0.0.1:{acceptor.port}", reconnect=False, handler=Tracing(self))
        event.container.create_sender(connection, "x")


class Tracing(MessagingHandler):
    def __init__(self, program):
        super().__init__(prefetch=2)
        self.program = program
        self.handlers.append(Notes(program.trace))

    def on_sendable(self, event):
        while event.sender.credit and self.program.sent < MESSAGES:
            self.program.sent += 1
            event.sender.send(Message(body=self.program.sent))

    def on_accepted(self, event):
        self.program.accepted += 1
        if self.program.accepted == MESSAGES:
            event.connection.close()
            self.program.acceptor.close()


class Notes:
    def __init__(self, trace):
        self.trace = trace

    def on_unhandled(self, method, event):
        self.trace.append(method)


class Listener:
    """Notes the events of one name."""

    def __init__(self, method):
        self.heard = 0
        setattr(self, method, self.hear)

    def hear(self, event):
        self.heard += 1


class Everything:
    """Notes what it has no method for."""

    def __init__(self, method):
        self.method = method
        self.heard = 0

    def on_unhandled(self, method, event):
        self.heard += method == self.method


def from_the_start(program, listener):
    return Container(program, listener)


def as_a_child(program, listener):
    program.handlers.append(listener)
    return Container(program)


def while_it_runs(program, listener):
    container = Container(program)

    class Adding:
        def on_timer_task(self, event):
            container.handler.add(listener)

    container.schedule(0, Adding())
    return container


@pytest.mark.parametrize("added", [from_the_start, as_a_child, while_it_runs])
@pytest.mark.parametrize("kind", [Listener, Everything])
@pytest.mark.parametrize("method", OF_TURNS)
def test_a_handler_hears_of_turns_and_nothing_else_changes(added, kind, method):
    alone = Program()
    Container(alone).run()
    program, listener = Program(), kind(method)
    added(program, listener).run()
    assert listener.heard
    assert program.accepted == alone.accepted == MESSAGES
    assert program.trace == alone.trace


@pytest.mark.parametrize("method", OF_TURNS)
def test_a_method_that_the_class_is_given_while_it_runs_is_called(method):
    heard = []

    class Growing(Program):
        def on_timer_task(self, event):
            setattr(Growing, method, lambda self, event: heard.append(event.type))

    program = Growing()
    container = Container(program)
    container.schedule(0, program)
    container.run()
    assert program.accepted == MESSAGES and heard


@pytest.mark.parametrize("scope", ["container", "connection"])
def test_a_handler_hears_of_output(scope):
    """At the container for connections without a handler, or at its connection: those of the others have none."""
    listener = Listener("on_transport")

    class Two(Program):
        def on_start(self, event):
            super().on_start(event)
            own = listener if scope == "connection" else None
            self.others = [
                event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False, handler=handler)
                for handler in (own, None)
            ]
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            for connection in self.others:
                connection.close()

    program = Two()
    Container(program, *([listener] if scope == "container" else [])).run()
    assert program.accepted == MESSAGES and listener.heard > 1


def test_process_returns_before_it_waits_and_once_more_after():
    """As a loop of the program needs it that calls `process` again and again."""
    container = Container(Program())
    container.timeout = 60  # a wait where something is ready already ends at once
    container.start()
    calls = 0
    while container.process():
        calls += 1
        assert container.quiesced
        assert calls < 1000
    assert container.handler.handlers[0].accepted == MESSAGES
