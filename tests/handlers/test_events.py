"""The classes of events that programs annotate their callbacks with, against the events that callbacks get."""

import inspect
import typing

import pytest

from proton import Event, Message
from proton.handlers import MessagingHandler, TransactionHandler, events
from proton.reactor import Container

#: what checkers take for granted on an event of a class
FIELDS = {
    "ContainerEvent": ["container"],
    "ConnectionEvent": ["container", "connection"],
    "SessionEvent": ["container", "session", "connection"],
    "LinkEvent": ["container", "link", "session", "connection"],
    "SendableEvent": ["container", "link", "sender", "session", "connection"],
    "DeliveryEvent": ["container", "delivery", "link", "session", "connection"],
    "OutcomeEvent": ["container", "delivery", "link", "sender", "session", "connection"],
    "MessageEvent": ["container", "message", "delivery", "link", "receiver", "session", "connection"],
    "TransportEvent": ["container", "transport"],
    "DisconnectedEvent": ["container", "connection", "transport"],
    "TimerEvent": ["container", "task"],
}
#: callbacks that are called when a subclass defines them
UNDECLARED = {
    **{f"on_connection_{what}": "ConnectionEvent" for what in ("opening", "opened")},
    **{f"on_session_{what}": "SessionEvent" for what in ("opening", "opened")},
    **{f"on_link_{what}": "LinkEvent" for what in ("opening", "opened")},
    "on_timer_task": "TimerEvent",
}
CALLED = ("on_start", "on_sendable", "on_message", "on_accepted", "on_settled", "on_session_closed", "on_disconnected")
ANNOTATED = {
    name: method.__annotations__["event"]
    for kind in (MessagingHandler, TransactionHandler)
    for name, method in vars(kind).items()
    if name.startswith("on_") and inspect.isfunction(method)
}


class Program(MessagingHandler):
    """Sends itself a message, has its connection cut, and notes the events of each callback."""

    def __init__(self):
        super().__init__()
        self.events = {}

    def note(self, name, event):
        self.events.setdefault(name, event)
        if name == "on_start":
            self.acceptor = event.container.listen("localhost:0")
            connection = event.container.connect(f"localhost:{self.acceptor.port}", reconnect=False)
            event.container.create_sender(connection, "q")
            event.container.schedule(0, self)
        elif name == "on_sendable" and "on_message" not in self.events:
            event.sender.send(Message(body="x"))
        elif name == "on_message":
            self.seen = {field: getattr(event, field) for field in FIELDS["MessageEvent"]}
        elif name == "on_settled":
            event.session.close()
        elif name == "on_session_closed" and event.transport is not None:
            event.transport.close_tail()
            event.transport.close_head()
            self.acceptor.close()


for _name in [*ANNOTATED, *UNDECLARED]:
    if not _name.startswith(("on_transaction_", "on_reactor_")):
        setattr(Program, _name, lambda self, event, name=_name: self.note(name, event))


@pytest.fixture(scope="module")
def program():
    program = Program()
    Container(program).run()
    return program


def test_each_annotation_is_a_class_of_events():
    assert set(ANNOTATED.values()) | set(UNDECLARED.values()) <= set(events.__all__)


@pytest.mark.parametrize("name", events.__all__)
def test_a_class_can_be_looked_at_at_run_time(name):
    kind = getattr(events, name)
    assert issubclass(kind, Event)

    def callback(event: kind) -> None: ...

    assert typing.get_type_hints(callback)["event"] is kind


@pytest.mark.parametrize(
    ("callback", "kind"),
    [*[(name, kind) for name, kind in ANNOTATED.items() if name in CALLED], *UNDECLARED.items()],
)
def test_what_is_not_optional_is_there(program, callback, kind):
    event = program.events[callback]
    assert isinstance(event, getattr(events, kind))
    if callback == "on_message":
        assert None not in program.seen.values()
    elif callback != "on_disconnected":  # its transport is unbound by the time this looks
        assert None not in [getattr(event, field) for field in FIELDS[kind]]
